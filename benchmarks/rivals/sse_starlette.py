"""sse-starlette over a shared tail: one reader for each file, woken as ours is, and a dict for each event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from sse_starlette import EventSourceResponse

from runlog import LogFile
from runlog.disk.tail import records_of
from runlog.disk.watch import FolderWatch

from .serving import serve

__all__ = ["make_app"]


class _SharedTail:
    """The events of one file, read once for all listeners. They stay in memory: a benchmark is short."""

    def __init__(self, path: Path) -> None:
        self.events: list[dict[str, str]] = []
        self._log = LogFile(path)
        self._offset = 0
        self._grown = asyncio.Event()

    def look(self) -> None:
        while chunk := self._log.read(self._offset):
            self._offset = chunk.end
            for record in records_of(chunk):
                self.events.append({"id": str(record.offset), "data": record.line.decode()})
        self._grown.set()
        self._grown = asyncio.Event()

    async def frames(self) -> AsyncIterator[dict[str, str]]:
        position = 0
        while True:
            while position < len(self.events):
                yield self.events[position]
                position += 1
            await self._grown.wait()


class _Tails:
    def __init__(self) -> None:
        self.by_folder: dict[Path, _SharedTail] = {}

    def follow(self, folder: Path) -> _SharedTail:
        tail = self.by_folder.get(folder)
        if tail is None:
            tail = self.by_folder[folder] = _SharedTail(folder / "_stream.jsonl")
            self.watch.set(frozenset(self.by_folder))
            tail.look()
        return tail

    @asynccontextmanager
    async def watching(self, _: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def wake(folders: frozenset[Path] | None) -> None:
            loop.call_soon_threadsafe(self._look, folders)

        self.watch = FolderWatch(wake)
        yield
        await asyncio.to_thread(self.watch.close)

    def _look(self, folders: frozenset[Path] | None) -> None:
        for folder in self.by_folder if folders is None else folders:
            self.by_folder[folder].look()


def make_app(root: Path) -> FastAPI:
    tails = _Tails()
    app = FastAPI(lifespan=tails.watching)

    @app.get("/{run}/stream")
    async def stream(run: str) -> EventSourceResponse:
        return EventSourceResponse(tails.follow(root / run).frames())

    return app


if __name__ == "__main__":
    serve(make_app)
