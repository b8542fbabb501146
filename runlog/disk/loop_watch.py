"""Wake-ups as of `watch`, but waited for in the event loop: no thread, no rebuild, nothing while nothing happens.

inotify through `asyncinotify`. Each folder is added to the running watch and taken from it by itself.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from asyncinotify import Event, Inotify, Mask, Watch

from .watch import SWEEP_S

__all__ = ["LoopWatch"]

_MASK = (
    Mask.MODIFY
    | Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
)
_GONE = Mask.IGNORED | Mask.MOVE_SELF
# Notifications read at once.
_BATCH = 256


class LoopWatch:
    """Calls `wake(folders)` in the loop it was made in: with the folders in which something changed, or None for
    "look at all of them", each second and where notifications were lost.

    All calls are for the loop's own thread. Call `close` at the end.

    :param blind_s: where no inotify instance is to be had, everything is woken so often instead.
    """

    def __init__(
        self, wake: Callable[[frozenset[Path] | None], None], *, blind_s: float = SWEEP_S
    ) -> None:
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._folders: frozenset[Path] = frozenset()
        self._watches: dict[Path, Watch] = {}
        self._sweep_s = SWEEP_S
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify(cache_size=_BATCH, sync_timeout=0)
        except OSError:  # a user has 128 instances
            self._sweep_s = min(SWEEP_S, blind_s)
        else:
            self._loop.add_reader(self._inotify.fd, self._read)
        self._sweeper = self._loop.call_later(self._sweep_s, self._sweep)

    def set(self, folders: frozenset[Path]) -> None:
        """Watch these from now on. What was written before is told by one wake of all."""
        self._folders = folders
        for folder in self._watches.keys() - folders:
            self._forget(folder)
        self._add_missing()
        if folders:
            self._loop.call_soon(self._wake_all)

    def close(self) -> None:
        self._folders = frozenset()
        self._sweeper.cancel()
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def _add_missing(self) -> bool:
        """Whether one was added."""
        added = False
        if self._inotify is not None:
            for folder in self._folders - self._watches.keys():
                try:
                    self._watches[folder] = self._inotify.add_watch(folder, _MASK)
                    added = True
                except OSError:
                    continue  # it is not there yet, or no watch is left: the sweep comes by, and tries again
        return added

    def _forget(self, folder: Path) -> None:
        watch = self._watches.pop(folder)
        if self._inotify is not None:
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                pass  # the kernel has dropped it already, with its folder

    def _read(self) -> None:
        changed: set[Path] = set()
        lost = False
        while self._inotify is not None and (event := self._inotify.sync_get()) is not None:
            if Mask.Q_OVERFLOW in event.mask:
                lost = True
            elif (folder := self._folder_of(event)) is not None:
                changed.add(folder)
                if event.mask & _GONE:
                    self._forget(folder)  # removed or renamed, and perhaps made again
                    lost = self._add_missing() or lost
        if lost:
            self._wake(None)
        elif changed:
            self._wake(frozenset(changed))

    def _folder_of(self, event: Event) -> Path | None:
        watch = event.watch
        if watch is None or self._watches.get(watch.path) is not watch:
            return None  # of a folder that is watched no more
        return watch.path

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(self._sweep_s, self._sweep)
        if not self._folders:
            return
        # A folder that was moved away and replaced while we looked elsewhere has another inode than its watch.
        for folder in [folder for folder in self._watches if not os.path.isdir(folder)]:
            self._forget(folder)
        self._add_missing()
        self._wake(None)

    def _wake_all(self) -> None:
        if self._folders:
            self._wake(None)
