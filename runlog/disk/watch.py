"""Wake-ups: which of the watched folders changed. A hint, never a fact: whoever is woken looks at the file.

One inotify instance for all folders (a user has 128), in one thread. watchfiles can't add a folder to a running
watch, so the watch is built anew when the set changes, or when a folder of it goes or comes; and since notifications
overflow, everything is woken once a second and after each rebuild.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

__all__ = ["SWEEP_S", "FolderWatch"]

SWEEP_S = 1.0

# Notifications come some 2 ms after the write with a step of 1 ms (52 ms with watchfiles' defaults), for 2 % of a
# core. After a second of silence the first one may take 4 ms more, for a third of that (unless `quiet_step_ms` says
# else). While nothing is watched the thread sleeps.
_STEP_MS, _QUIET_STEP_MS = 1, 3


class FolderWatch:
    """Calls `wake(folders)` from its own thread: with the folders in which something changed, or None for "look at
    all of them".

    The set is given whole by `set`, from any thread. Call `close` at the end.

    :param on_names: called before, with the paths of what changed in the folders.
    :param quiet_step_ms: how long the first notification after a silence may take; each step costs some 10 us.
    """

    def __init__(
        self,
        wake: Callable[[frozenset[Path] | None], None],
        *,
        on_names: Callable[[set[str]], None] = lambda names: None,
        quiet_step_ms: int = _QUIET_STEP_MS,
    ) -> None:
        self._wake = wake
        self._on_names = on_names
        self._quiet_step_ms = quiet_step_ms
        self._folders: frozenset[Path] = frozenset()
        self._changed = threading.Event()  # the set changed, or the end
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="folder-watch", daemon=True)
        self._thread.start()

    def set(self, folders: frozenset[Path]) -> None:
        self._folders = folders
        self._changed.set()

    def close(self) -> None:
        self._closing = True
        self._changed.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            self._changed.clear()
            if self._closing:  # looked at after the clear, which may have cleared the end's signal
                return
            folders = self._folders
            if not folders:
                self._changed.wait()
                continue
            try:
                self._watch(folders)
            except (OSError, WatchfilesRustInternalError):
                # No inotify instance free, or a folder just vanished: the sweep alone, and then try again.
                self._wake(None)
                self._changed.wait(SWEEP_S)

    def _watch(self, folders: frozenset[Path]) -> None:
        watched = frozenset(folder for folder in folders if folder.is_dir())
        missing = folders - watched
        by_name = {str(folder): folder for folder in watched}
        notify = RustNotify(list(by_name), False, False, 300, False, False)
        with notify:
            self._wake(None)  # what was written before the watch stood
            sweep_at = time.monotonic() + SWEEP_S
            quiet_at = 0.0
            while not self._changed.is_set():
                now = time.monotonic()
                left_ms = max(1, int((sweep_at - now) * 1000))
                step_ms = _STEP_MS if now < quiet_at else self._quiet_step_ms
                changes = notify.watch(0, step_ms, left_ms, self._changed)
                if isinstance(changes, set):
                    quiet_at = time.monotonic() + SWEEP_S
                    # Text, not paths: there may be a thousand of these every 2 ms.
                    names = {name for _, name in changes}
                    self._on_names(names)
                    if not by_name.keys().isdisjoint(names):
                        return  # a folder was removed or renamed, and perhaps made again
                    parents = {os.path.dirname(name) for name in names} & by_name.keys()
                    self._wake(frozenset(by_name[parent] for parent in parents))
                # By the clock, not by the time-out: one busy folder must not keep the sweep from the others.
                if time.monotonic() >= sweep_at:
                    if any(folder.is_dir() for folder in missing):
                        return
                    self._wake(None)
                    sweep_at = time.monotonic() + SWEEP_S
