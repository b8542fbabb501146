"""The writer: appends to the streams of runs, or posts to nchan, in a process of its own.

Run as a worker (see `processes`): told a `WriterSpec`, it says `ready`, waits for one line, writes, and says when it
began and ended.
"""

import json
import random
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from runlog import AppendFile

from .lines import StampedLine

__all__ = ["WriterSpec"]


@dataclass(frozen=True, slots=True)
class WriterSpec:
    """What to write, one line at a time, to each of `sinks` in turn.

    :param sinks: stream files; or paths to POST to, where `port` is given.
    :param lines_each: lines for each sink.
    :param per_s: lines a second in all; 0 means as fast as it goes. Paced lines come at uneven distances.
    :param lines_per_append: more than one only without `per_s`, and not for nchan, which knows no such thing.
    :param pipelined: POSTs that are sent before the first of them is answered; 1 waits for each, as `append` does.
    """

    sinks: tuple[str, ...]
    lines_each: int
    line_bytes: int
    per_s: float = 0.0
    port: int = 0
    pipelined: int = 1
    lines_per_append: int = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _Publisher:
    """nchan's door for writers: POSTs on one connection."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unanswered = 0
        self._unsent: list[bytes] = []

    def post(self, path: str, line: bytes) -> None:
        self._unsent.append(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (path.encode(), len(line), line)
        )
        self._unanswered += 1

    def flush(self, most_unanswered: int = 0) -> None:
        self._sock.sendall(b"".join(self._unsent))
        self._unsent.clear()
        while self._unanswered > most_unanswered:
            answers = self._sock.recv(65536)
            if not answers:
                raise OSError("nchan closed the connection")
            self._unanswered -= answers.count(b"HTTP/1.1 20")


def _file_writers(spec: WriterSpec) -> list[Callable[[bytes], None]]:
    def opened(path: str) -> Callable[[bytes], None]:
        file = AppendFile(path)

        def write(line: bytes) -> None:
            file.append(line)

        return write

    return [opened(path) for path in spec.sinks]


def _nchan_writers(spec: WriterSpec) -> list[Callable[[bytes], None]]:
    publisher = _Publisher(spec.port)
    count = 0

    def writer_of(path: str) -> Callable[[bytes], None]:
        def write(line: bytes) -> None:
            nonlocal count
            publisher.post(path, line)
            count += 1
            if count == spec.lines_each * len(spec.sinks):
                publisher.flush()
            elif count % spec.pipelined == 0:
                publisher.flush(spec.pipelined - 1)

        return write

    return [writer_of(path) for path in spec.sinks]


def _write(spec: WriterSpec, writers: list[Callable[[bytes], None]]) -> None:
    line = StampedLine(spec.line_bytes)
    last = spec.lines_each - 1
    if not spec.per_s:
        step = spec.lines_per_append
        for number in range(0, spec.lines_each, step):
            for write in writers:
                end = min(number + step, spec.lines_each)
                write(b"".join([line.make(n == last) for n in range(number, end)]))
        return
    # Uneven, so that no poll of a rival can fall into step with it.
    uneven = random.Random(7)
    due = time.monotonic()
    for number in range(spec.lines_each):
        for write in writers:
            due += uneven.uniform(0.5, 1.5) / spec.per_s
            time.sleep(max(0.0, due - time.monotonic()))
            write(line.make(number == last))


def _main() -> None:
    told = json.loads(sys.stdin.readline())
    told["sinks"] = tuple(told["sinks"])
    spec = WriterSpec(**told)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    writers = _nchan_writers(spec) if spec.port else _file_writers(spec)
    _say({"ready": True})
    sys.stdin.readline()
    began_ns = time.monotonic_ns()
    _write(spec, writers)
    _say({"began_ns": began_ns, "ended_ns": time.monotonic_ns()})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
