"""The state of all runs of a root, watched while somebody listens: which have changed since when.

A listener is a version number, not a queue: he asks what has changed since. So a slow one skips states that are over,
and costs no memory.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import anyio.to_thread

from runlog import RunIndex, Summary, is_terminal
from runlog.disk.watch import FolderWatch

__all__ = ["Change", "Feed"]

# Beside the notifications, which tell nothing of a process that died.
_POLL_S = 1.0
# Between two looks, however much is written; and so many times as long as the look took, in a root of many runs.
_SETTLE_S = 0.2
_RESPITE = 8
# Live runs whose folders are watched; what the others do is seen by the poll.
_WATCHED = 200
# Beyond this place to move up in the queue is no news: each start would be told of every run that waits.
_NEAR = 20
# Removed runs that are remembered, for listeners who were not told yet.
_TOMBSTONES = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """`summary` None: the run was removed."""

    run_id: str
    version: int
    summary: Summary | None


class Feed:
    """Looks at the root while there are listeners. Lives on one event loop; call `close` at the end."""

    def __init__(self, root: Path, index: RunIndex, index_lock: threading.Lock) -> None:
        self.version = 0
        self._root = root
        self._index = index
        self._index_lock = index_lock
        self._changes: dict[str, Change] = {}  # the last of each run, the oldest first
        self._listeners: set[Callable[[], None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._touched = asyncio.Event()
        self._looked = asyncio.Event()

    @contextmanager
    def listen(self, on_change: Callable[[], None]) -> Iterator[None]:
        """Call `on_change` when the version moves, for as long as the block runs."""
        self._listeners.add(on_change)
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._watch())
        try:
            yield
        finally:
            self._listeners.discard(on_change)
            self._touched.set()

    async def look(self) -> None:
        """Wait for the first look since somebody listens."""
        await self._looked.wait()

    def since(self, version: int | None, newest: int) -> list[Change]:
        """What changed after a version, in that order. For None: the `newest` runs that there are.

        A run that changed twice is there once, as it is now.
        """
        if version is None:
            there = [change for change in self._changes.values() if change.summary is not None]
            there.sort(key=lambda change: change.summary.created_at if change.summary else "")
            return there[-newest:]
        later = takewhile(lambda change: change.version > version, reversed(self._changes.values()))
        return list(later)[::-1]

    async def close(self) -> None:
        self._listeners.clear()
        self._looked.set()
        self._touched.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=5)

    async def _watch(self) -> None:
        watch = FolderWatch(self._from_watch)
        watched: frozenset[Path] = frozenset()
        try:
            while self._listeners:
                self._touched.clear()
                began = self._loop.time()
                try:
                    rows = await anyio.to_thread.run_sync(self._read)
                except (FileNotFoundError, NotADirectoryError):  # the root is gone for now
                    rows = []
                except OSError:  # nobody knows what is there: that is no news
                    await self._rest(0)
                    continue
                self._take(rows)
                self._looked.set()
                live = [row.run_id for row in rows if not is_terminal(row.status)]
                folders = frozenset(self._root / run_id for run_id in live[:_WATCHED])
                if watched != folders | {self._root}:  # to set it builds it anew
                    watched = folders | {self._root}
                    watch.set(watched)
                await self._rest(_RESPITE * (self._loop.time() - began))
        finally:
            self._task = None
            self._looked.clear()
            await anyio.to_thread.run_sync(watch.close)

    async def _rest(self, respite_s: float) -> None:
        await asyncio.sleep(max(_SETTLE_S, respite_s))
        try:
            async with asyncio.timeout(_POLL_S - _SETTLE_S):
                await self._touched.wait()
        except TimeoutError:
            pass

    def _read(self) -> list[Summary]:
        with self._index_lock:
            return self._index.page(limit=10**9).runs

    def _take(self, rows: list[Summary]) -> None:
        before = self.version
        seen = set()
        for row in rows:
            seen.add(row.run_id)
            known = self._changes.get(row.run_id)
            # That it grows is no news.
            if known is None or known.summary is None or _news(known.summary) != _news(row):
                self._note(row.run_id, row)
        for run_id, change in list(self._changes.items()):
            if run_id not in seen and change.summary is not None:
                self._note(run_id, None)
        self._bury()
        if self.version != before:
            for listener in list(self._listeners):
                listener()

    def _note(self, run_id: str, summary: Summary | None) -> None:
        self.version += 1
        self._changes.pop(run_id, None)
        self._changes[run_id] = Change(run_id, self.version, summary)

    def _bury(self) -> None:
        removed = [run_id for run_id, change in self._changes.items() if change.summary is None]
        for run_id in removed[:-_TOMBSTONES]:
            del self._changes[run_id]

    def _from_watch(self, folders: frozenset[Path] | None) -> None:
        self._loop.call_soon_threadsafe(self._touched.set)


def _news(summary: Summary) -> Summary:
    place = summary.queue_position
    return replace(summary, size_bytes=0, queue_position=place and min(place, _NEAR))
