"""All the tails of a relay, and the one watch that wakes them."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from runlog import Workspace
from runlog.disk.loop_watch import LoopWatch
from runlog.disk.watch import SWEEP_S, FolderWatch

from .chunk_cache import Budget
from .shared_tail import SharedTail

__all__ = ["TailRegistry"]

# A tail without listeners stays open: they come back within a second or so after a network hiccup.
_LINGER_S = 5.0
# So that listeners who come one by one, each with his own run, do not rebuild the watch one by one: to build it
# takes some 15 us a folder, and then every tail is looked at.
_REWATCH_DELAY_S = 0.005
_REWATCH_DELAY_EACH_S = 0.0001
# Folders that are watched still though nobody needs them costs less than to build the watch anew for each.
_WATCHED_IN_VAIN = 64
# Threads that wait for the disk, apart from anyio's 40: a slow disk must not stop requests that need none.
_DISK_THREADS = 8

T = TypeVar("T")


class TailRegistry:
    """Lives on one event loop, from `start` to `close`.

    :param in_loop: wait for notifications in the loop itself (inotify), not in a thread of watchfiles.
    """

    def __init__(self, *, in_loop: bool = False) -> None:
        self._in_loop = in_loop
        self.budget = Budget()
        self.closing = False  # every listener goes home
        self.sent_bytes = 0  # to all listeners, since the start
        self._closers: set[Callable[[], None]] = set()
        self._tails: dict[Path, SharedTail] = {}
        self._unbegun: dict[Path, tuple[Workspace, set[Callable[[Workspace], None]]]] = {}
        self._folders: frozenset[Path] = frozenset()
        self._threads = anyio.CapacityLimiter(_DISK_THREADS)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._watch: FolderWatch | LoopWatch = (
            LoopWatch(self._on_change) if self._in_loop else FolderWatch(self._from_watch)
        )
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        self._rewatch: asyncio.TimerHandle | None = None

    @property
    def listeners(self) -> int:
        return sum(tail.listeners for tail in self._tails.values())

    def end_streams(self) -> None:
        """Send every listener home. More than `close`: it may come long before it."""
        self.closing = True
        for wake in (*(tail.wake for tail in self._tails.values()), *self._closers):
            wake()

    @contextmanager
    def told_of_closing(self, closer: Callable[[], None]) -> Iterator[None]:
        """Call `closer` when the streams are to end: for those who wait for no tail."""
        self._closers.add(closer)
        try:
            yield
        finally:
            self._closers.discard(closer)

    async def close(self) -> None:
        """Ends the watch and closes every file."""
        self.end_streams()
        self._sweeper.cancel()
        if self._rewatch is not None:
            self._rewatch.cancel()
        if isinstance(self._watch, LoopWatch):
            self._watch.close()
        else:
            await anyio.to_thread.run_sync(self._watch.close)
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()

    @contextmanager
    def follow(self, workspace: Workspace) -> Iterator[SharedTail]:
        """The tail of a run, for as long as the block runs."""
        tail = self._tails.get(workspace.path)
        if tail is None:
            tail = self._tails[workspace.path] = SharedTail(workspace, self)
            self._plan_rewatch()
        tail.listeners += 1
        try:
            yield tail
        finally:
            tail.listeners -= 1
            tail.idle_since = time.monotonic()

    def let_go(self, workspace: Workspace) -> None:
        """Close the tail of a run now if nobody listens: for who has many to go through."""
        tail = self._tails.get(workspace.path)
        if tail is not None and not tail.listeners:
            tail.close()
            del self._tails[workspace.path]
            self._plan_rewatch()

    @contextmanager
    def told_of_begin(
        self, workspaces: Iterable[Workspace], begins: Callable[[Workspace], None]
    ) -> Iterator[None]:
        """Call `begins` once for each run when its stream is there, or its folder is not: soon, and not for those of
        now. Until then it costs a watch, and no open file."""
        awaited = list(workspaces)
        for workspace in awaited:
            self._unbegun.setdefault(workspace.path, (workspace, set()))[1].add(begins)
        self._plan_rewatch()
        try:
            yield
        finally:
            for workspace in awaited:
                _, waiting = self._unbegun.get(workspace.path, (workspace, set()))
                waiting.discard(begins)
                if not waiting:
                    self._unbegun.pop(workspace.path, None)
            self._plan_rewatch()

    async def on_disk(self, call: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(call, limiter=self._threads, abandon_on_cancel=True)

    def _plan_rewatch(self) -> None:
        if self._rewatch is None:
            delay_s = _REWATCH_DELAY_S + _REWATCH_DELAY_EACH_S * len(self._tails)
            self._rewatch = self._loop.call_later(delay_s, self._set_watch)

    def _set_watch(self) -> None:
        self._rewatch = None
        folders = frozenset(self._tails.keys() | self._unbegun.keys())
        in_vain = len(self._folders - folders)
        too_many = in_vain > len(folders) + _WATCHED_IN_VAIN or (in_vain and not folders)
        if too_many or not folders <= self._folders:
            self._folders = folders
            self._watch.set(folders)

    def _from_watch(self, folders: frozenset[Path] | None) -> None:
        self._loop.call_soon_threadsafe(self._on_change, folders)

    def _on_change(self, folders: frozenset[Path] | None) -> None:
        if self.closing:
            return
        for path in list(self._tails) if folders is None else folders:
            tail = self._tails.get(path)
            if tail is not None:
                tail.notice()
        for path in list(self._unbegun) if folders is None else folders & self._unbegun.keys():
            workspace, waiting = self._unbegun[path]
            if os.path.lexists(workspace.stream) or not os.path.lexists(path):
                del self._unbegun[path]
                for begins in waiting:
                    begins(workspace)

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        now = time.monotonic()
        for path, tail in list(self._tails.items()):
            if tail.listeners:
                tail.sweep()
            elif now - tail.idle_since > _LINGER_S or not os.path.lexists(path):
                tail.close()
                del self._tails[path]
                self._plan_rewatch()
