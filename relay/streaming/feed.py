"""The state of all runs of a root, as it changes, for those who listen: which have changed since when.

A listener is a version number, not a queue: he asks what has changed since. So a slow one skips states that are over,
and costs no memory.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

import anyio.to_thread

from runlog import RunIndex, Summary, encode
from runlog.index.follow import Changes, IndexFollower

from ..http.runs import summary_view

__all__ = ["Change", "Feed"]

# Runs that changed last. A listener who was away for more is told the newest of all, as if he came anew.
_KEPT = 5000


@dataclass(frozen=True, slots=True)
class Change:
    """`summary` None: the run was removed. `data` is what listeners are told of it, a line of JSON."""

    run_id: str
    version: int
    summary: Summary | None
    data: bytes


class Feed:
    """Keeps the index up to date, and tells listeners. `start` it on the event loop; call `close` at the end."""

    def __init__(self, index: RunIndex) -> None:
        self.version = 0
        self._index = index
        self._follower = IndexFollower(index, self._from_follower)
        self._changes: dict[str, Change] = {}  # the last of each run, the oldest first
        self._since = 0  # the first version from which on all changes are known
        self._listeners: set[Callable[[], None]] = set()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        await anyio.to_thread.run_sync(self._follower.start)

    async def close(self) -> None:
        self._listeners.clear()
        await anyio.to_thread.run_sync(self._follower.close)

    @contextmanager
    def listen(self, on_change: Callable[[], None]) -> Iterator[None]:
        """Call `on_change` when the version moves, for as long as the block runs."""
        self._listeners.add(on_change)
        self._index.is_eager = True
        self._follower.nudge()
        try:
            yield
        finally:
            self._listeners.discard(on_change)
            self._index.is_eager = bool(self._listeners)

    async def newest(self, count: int) -> list[Change]:
        """The newest runs that there are, the oldest of them first. What changes after the call is a change since
        the version of before it."""

        def read() -> list[Change]:
            rows = self._index.page(limit=count).runs
            return [_change(row.run_id, self.version, row) for row in reversed(rows)]

        return await anyio.to_thread.run_sync(read)

    def since(self, version: int) -> list[Change] | None:
        """What changed after a version, in that order; None if that is too long ago.

        A run that changed twice is there once, as it is now.
        """
        if version < self._since:
            return None
        later = takewhile(lambda change: change.version > version, reversed(self._changes.values()))
        return list(later)[::-1]

    def _from_follower(self, changes: Changes) -> None:
        """From its thread: all that takes time is done here."""
        told = self._context.run(_changes_of, changes) if self._listeners else []
        self._loop.call_soon_threadsafe(self._take, told)

    def _take(self, changes: list[Change]) -> None:
        if not changes:  # nobody listened when they came
            self.version += 1
            self._since = self.version
            self._changes.clear()
        for change in changes:
            self.version += 1
            self._changes.pop(change.run_id, None)
            self._changes[change.run_id] = Change(
                change.run_id, self.version, change.summary, change.data
            )
        while len(self._changes) > _KEPT:
            oldest = next(iter(self._changes))
            self._since = self._changes.pop(oldest).version
        for listener in list(self._listeners):
            listener()


def _changes_of(changes: Changes) -> list[Change]:
    return [_change(run_id, 0, row) for run_id, row in changes]


def _change(run_id: str, version: int, summary: Summary | None) -> Change:
    view = {"run_id": run_id, "removed": True} if summary is None else summary_view(summary)
    return Change(run_id, version, summary, encode(view))
