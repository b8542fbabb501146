"""POST /workflows to the first text of the model, with an agent that waits ready and without; and an idle chat.

The CLI is the real one, the model the scripted stand-in: so it is what we and the CLI take, and nothing of a network.
Cold is the same start under a `run_id` of its own, which takes no spare over.
"""

import importlib.util
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from runlog.groups.deployments import Deployment, remove_deployment, write_deployment
from runlog.run.reserved import reservations

from ..bench import Bench, Figures
from ..processes import BenchError, cpu_s, memory_bytes, own_cpu_s
from ..rows import Row
from ..server import Server, listening

__all__ = ["measure"]

_PATIENCE_S = 60.0
_DEPLOYMENT = Deployment("warm", "chat", warm=1)
_FIRST_TEXT = b'"text_delta"'
_IDLE = b'"status":"waiting"'


def measure(bench: Bench) -> list[Row]:
    if importlib.util.find_spec("claude_agent_sdk") is None:
        bench.skipped["claude"] = "claude-agent-sdk is not installed"
        return []
    idle_s = bench.pick(4.0, 4.0, 0.5)
    with bench.root() as root, listening("tailcast", _serve(root), root, "") as server:
        write_deployment(root, _DEPLOYMENT)
        _wait_for_spare(root)
        with _chat(server, None):  # the first reads the CLI from the disk
            pass

        def warm() -> Figures:
            _wait_for_spare(root)
            with _chat(server, None) as chat:
                return {"first text": chat.first_text_ms}

        def cold() -> Figures:
            _wait_for_spare(root)  # so that none is being started meanwhile
            with _chat(server, bench.new_run()) as chat:
                return {"first text": chat.first_text_ms}

        found = bench.interleave("first words", {"tailcast": warm, "cold": cold})
        with _chat(server, bench.new_run()) as chat:
            _wait_for_spare(root)
            time.sleep(min(2.0, idle_s))
            wakes, cpu = _resting(chat.processes(), idle_s)
            (waiting,) = (one for one in reservations(root) if one.state == "ready")
            spare = _process_of(root / waiting.run_id)
            spare_cpu = _share(lambda: cpu_s(spare.pid), idle_s)
            spare_mb = memory_bytes(spare.pid) / 1e6
        remove_deployment(root, _DEPLOYMENT.name)
        _wait(lambda: not reservations(root), "end of the spares")
    first = Row("first words", "POST -> first text of the model", "ms", found["first text"], "less")
    first.within(600, first.median(), "warm at most 600 ms").times("cold", 1.5)

    def row(what: str, unit: str, value: float, limit: float | None = None) -> Row:
        one = Row("first words", what, unit, {"tailcast": [value]}, "less")
        return one if limit is None else one.at_most(limit)

    return [
        first,
        row("an idle chat, without its CLI: wake-ups", "/s", wakes, 10),
        row("an idle chat, without its CLI: CPU", "% of a core", cpu, 0.2),
        row("a spare, with its CLI: memory", "MB", spare_mb),
        row("a spare, with its CLI: CPU", "% of a core", spare_cpu),
    ]


def _serve(root: Path) -> list[str]:
    options = ["--scripted-model", "--root", str(root), "--port", "0", "--max-running", "8"]
    return ["-m", "tailcast", "serve", *options]


class _Chat:
    def __init__(self, folder: Path, first_text_ms: float) -> None:
        self.folder = folder
        self.first_text_ms = first_text_ms

    def processes(self) -> list[psutil.Process]:
        """Of ours: the run's process, and the guard."""
        run = _process_of(self.folder)
        return [run, *run.children()]


@contextmanager
def _chat(server: Server, run_id: str | None) -> Iterator[_Chat]:
    """A chat that has said its first words, and is idle; stopped at the end."""
    asked: dict[str, object] = {"deployment": "warm", "prompt": "hello"}
    body = json.dumps(asked | ({} if run_id is None else {"run_id": run_id})).encode()
    request = (
        b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    ) % (len(body), body)
    began, took_ms, received = time.monotonic(), 0.0, b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_S) as sock:
        sock.sendall(request)
        while _IDLE not in received:
            part = sock.recv(65536)
            if not part:
                raise BenchError(f"the stream of a chat ended early: {received[-2000:]!r}")
            received += part
            if not took_ms and _FIRST_TEXT in received:
                took_ms = (time.monotonic() - began) * 1000
    location = received.partition(b"location: ")[2].partition(b"\r\n")[0].decode()
    folder = server.root / location.rpartition("/")[2]
    yield _Chat(folder, took_ms)
    _post_stop(server.port, folder.name)
    _wait(lambda: b'"workflow_stopped"' in (folder / "_stream.jsonl").read_bytes(), "a stop")


def _post_stop(port: int, run_id: str) -> None:
    request = (
        b"POST /api/v1/workflows/%b/stop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: 0\r\n\r\n"
    ) % run_id.encode()
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as sock:
        sock.sendall(request)
        answer = sock.recv(65536)
        if b" 20" not in answer[:16]:
            raise BenchError(f"a chat could not be stopped: {answer!r}")


def _wait_for_spare(root: Path) -> None:
    _wait(lambda: any(one.state == "ready" for one in reservations(root)), "a spare")


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"no {what} in {_PATIENCE_S:g} s")
        time.sleep(0.05)


def _process_of(folder: Path) -> psutil.Process:
    for process in psutil.process_iter():
        try:
            if process.cmdline()[:1] and folder.name in process.cmdline()[0]:
                return process  # it shows its run id as its title
        except psutil.Error:
            continue
    raise BenchError(f"no process of {folder.name}")


def _resting(processes: list[psutil.Process], seconds: float) -> tuple[float, float]:
    """Wake-ups a second, and per cent of a core."""

    def spent() -> float:
        return sum(own_cpu_s(process) for process in processes)

    before, cpu = _switches(processes), spent()
    time.sleep(seconds)
    return (_switches(processes) - before) / seconds, (spent() - cpu) / seconds * 100


def _switches(processes: list[psutil.Process]) -> int:
    """How often their first threads went to sleep: each time they had woken before.

    The stand-in for the model is another thread, which asks ten times a second whether it is to end.
    """
    total = 0
    for process in processes:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))
    return total


def _share(spent: Callable[[], float], seconds: float) -> float:
    before = spent()
    time.sleep(seconds)
    return (spent() - before) / seconds * 100
