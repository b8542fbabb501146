"""Which runs of a root something was heard of since last asked: from the watch on its folders. Hints, never facts."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from ..disk.knock import INDEX_FOLDER, KNOCK_FOLDER
from ..disk.layout import check_run_id
from ..disk.watch import FolderWatch
from ..errors import RunlogError

__all__ = ["Notices"]

# Of the live runs whose folders are watched: the watch is built anew for each that comes or goes.
_MAX_LIVE = 200


class Notices:
    """Two watches: of the root and the folder of knocks, which stands; and of live runs, as they come and go.

    :param on_notice: called from a thread of the watch, at each notice.
    :param quiet_step_ms: see `FolderWatch`.
    """

    def __init__(self, root: Path, on_notice: Callable[[], None], quiet_step_ms: int) -> None:
        self._root = str(root)
        self._on_notice = on_notice
        self._lock = threading.Lock()
        self._heard: set[str] = set()
        self._index, self._knocks = root / INDEX_FOLDER, root / KNOCK_FOLDER
        self.make_folder()
        self._standing = FolderWatch(
            self._on_wake, on_names=self._on_names, quiet_step_ms=quiet_step_ms
        )
        self._standing.set(frozenset({root, self._knocks}))
        self._live = FolderWatch(self._on_live, quiet_step_ms=quiet_step_ms)
        self._live_folders: frozenset[Path] = frozenset()

    def make_folder(self) -> None:
        """For knocks: again, if somebody has removed it."""
        with contextlib.suppress(OSError):  # a root that can't be written has no knocks
            self._index.mkdir(mode=0o700, exist_ok=True)
            self._knocks.mkdir(mode=0o700, exist_ok=True)

    def close(self) -> None:
        self._standing.close()
        self._live.close()

    def take(self) -> set[str]:
        """Ids of runs of which something was heard since the last call."""
        with self._lock:
            heard, self._heard = self._heard, set()
        return heard

    def watch_live(self, folders: Iterable[Path]) -> None:
        """Hear of what is written in these folders too; of the first of them, if there are many."""
        wanted = frozenset(folder for folder, _ in zip(folders, range(_MAX_LIVE), strict=False))
        if wanted != self._live_folders:
            self._live_folders = wanted
            self._live.set(wanted)

    def _on_names(self, names: set[str]) -> None:
        found = set()
        for name in names:
            with contextlib.suppress(RunlogError):
                found.add(check_run_id(os.path.basename(name)))
        self._hear(found)

    def _on_live(self, folders: frozenset[Path] | None) -> None:
        if folders is not None:
            self._hear({folder.name for folder in folders})

    def _on_wake(self, folders: frozenset[Path] | None) -> None:
        """The names have been taken; and who looks each second anyway needs no sweep."""

    def _hear(self, names: Iterable[str]) -> None:
        with self._lock:
            before = len(self._heard)
            self._heard.update(names)
            new = len(self._heard) != before
        if new:
            self._on_notice()
