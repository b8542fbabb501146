"""Processes that are started, watched and ended for sure; each by its own pid."""

import contextlib
import json
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

__all__ = [
    "BenchError",
    "MemoryPeak",
    "Worker",
    "cpu_s",
    "first_line",
    "free_port",
    "memory_bytes",
    "own_cpu_s",
    "queued_s",
    "started",
    "worker",
]

_PROJECT = Path(__file__).parent.parent
_START_S = 60.0
_SAMPLE_S = 0.1


class BenchError(Exception):
    """A process of the benchmark did not do its part; the message holds what it said."""


@contextlib.contextmanager
def started(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the folder of the project, standard input and output piped. Ended at the end of the block."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=_PROJECT
        )
        try:
            yield process
        except BenchError as error:
            errors.seek(0)
            raise BenchError(
                f"{error}\n{errors.read()[-2000:].decode(errors='replace')}"
            ) from error
        finally:
            _end(process)


def first_line(process: subprocess.Popen[bytes], deadline_s: float = _START_S) -> str:
    """The next line that it prints. :raises BenchError: it ended, or the deadline passed."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], deadline_s)[0]:
        raise BenchError(f"{process.args!r} said nothing in {deadline_s} s")
    line = process.stdout.readline().decode()
    if not line:
        raise BenchError(f"{process.args!r} ended")
    return line.strip()


class Worker:
    """A process of this package that is told its work as JSON, and answers in JSON lines."""

    def __init__(self, process: subprocess.Popen[bytes], deadline_s: float) -> None:
        self._process = process
        self._deadline_s = deadline_s

    def tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """:raises BenchError: it failed; workers bound their own work."""
        answer = json.loads(first_line(self._process, self._deadline_s))
        assert isinstance(answer, dict)
        if "error" in answer:
            raise BenchError(answer["error"])
        return answer


@contextlib.contextmanager
def worker(module: str, spec: dict[str, Any], deadline_s: float = 120.0) -> Iterator[Worker]:
    """A worker that was told `spec`."""
    with started([sys.executable, "-m", f"benchmarks.{module}"]) as process:
        told = Worker(process, deadline_s)
        told.tell(spec)
        yield told


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def cpu_s(pid: int) -> float:
    """User and system time of a process and its children so far."""
    return sum(own_cpu_s(process) for process in _family(pid))


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its children; what they share is counted once."""
    total = 0
    for process in _family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def queued_s(pid: int) -> float:
    """For how long the first thread of a process was ready and waited for a core that others had."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


class MemoryPeak:
    """How far the memory of a process grew inside the block, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.grown_bytes = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "MemoryPeak":
        self._before = memory_bytes(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self.grown_bytes = max(self.grown_bytes, memory_bytes(self._pid) - self._before)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def own_cpu_s(process: psutil.Process) -> float:
    """Without its children."""
    try:
        # The clock of its CPU time, as clock_getcpuclockid(3) makes it: /proc tells it in steps of 10 ms.
        return time.clock_gettime(~process.pid << 3 | 2)
    except OSError:
        return 0.0


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
