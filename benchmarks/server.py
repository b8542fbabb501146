"""A server under test: ours or a rival's, in a process of its own, and how listeners and writers reach it."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .client import Listeners
from .processes import cpu_s, first_line, memory_bytes, started
from .writer import WriterSpec

__all__ = ["Server", "listening", "tailcast"]


@dataclass(frozen=True, slots=True)
class Server:
    """:param stream_path: what listeners ask for, with `{run}` in it.
    :param publish_path: where writers post, with `{run}` in it; None if they append to the stream file.
    """

    name: str
    pid: int
    port: int
    root: Path
    stream_path: str
    publish_path: str | None = None

    def add_run(self, run: str, stream: bytes = b"") -> None:
        """Make the folder of a run, for a server that reads files."""
        if self.publish_path is None:
            folder = self.root / run
            folder.mkdir(parents=True)
            (folder / "_stream.jsonl").write_bytes(stream)

    def listeners(
        self, run: str, count: int = 1, query: str = "", headers: dict[str, str] | None = None
    ) -> Listeners:
        path = self.stream_path.format(run=run)
        return Listeners(f"{path}?{query}" if query else path, count, headers or {})

    def writer(
        self, runs: Sequence[str], lines_each: int, line_bytes: int, per_s: float = 0.0
    ) -> WriterSpec:
        if self.publish_path is None:
            sinks = tuple(str(self.root / run / "_stream.jsonl") for run in runs)
            return WriterSpec(sinks, lines_each, line_bytes, per_s)
        sinks = tuple(self.publish_path.format(run=run) for run in runs)
        return WriterSpec(sinks, lines_each, line_bytes, per_s, self.port)

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    def memory_bytes(self) -> int:
        return memory_bytes(self.pid)


@contextlib.contextmanager
def listening(name: str, argv: Sequence[str], root: Path, stream_path: str) -> Iterator[Server]:
    """A server that prints `listening on http://HOST:PORT` when it takes connections."""
    with started([sys.executable, *argv]) as process:
        line = first_line(process)
        yield Server(name, process.pid, int(line.rpartition(":")[2]), root, stream_path)


@contextlib.contextmanager
def tailcast(root: Path, *options: str) -> Iterator[Server]:
    """The relay of this project."""
    argv = ["-m", "relay", "--root", str(root), "--port", "0", *options]
    with listening("tailcast", argv, root, "/api/v1/workflows/{run}/stream") as server:
        yield server
