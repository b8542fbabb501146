"""A thread that keeps an index up to date, for a process that is asked often."""

import threading
import time
from collections.abc import Callable, Sequence

from ..run.status import Summary
from .run_index import RunIndex

__all__ = ["Changes", "IndexFollower"]

Changes = Sequence[tuple[str, Summary | None]]
"""Runs whose row has changed, as they are now; None for one that was removed."""

# Beside the notices, which tell nothing of a process that died.
_POLL_S = 1.0
# Between two looks, however much is written; and so many times the CPU time of the look, in a root of many runs.
_SETTLE_S = 0.2
_RESPITE = 6
# A large root is read in parts, for others to come between.
_PART_S = 0.02
_PAUSE_S = 0.005


class IndexFollower:
    """Looks at the root when something is heard of it, and each second.

    :param on_changes: called from the thread, with what a look has found.
    """

    def __init__(self, index: RunIndex, on_changes: Callable[[Changes], None]) -> None:
        self._index = index
        self._on_changes = on_changes
        self._heard = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-follower", daemon=True)

    def start(self) -> None:
        self._index.collect()
        self._index.listen(self._heard.set)
        self._thread.start()

    def nudge(self) -> None:
        """Have the next look soon."""
        self._heard.set()

    def close(self) -> None:
        self._closing.set()
        self._heard.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._index.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._heard.clear()
            began = time.thread_time()
            try:
                more = self._index.look(_PART_S).more
                changes = self._index.take_changes()
            except OSError:  # the root is gone for now
                more, changes = False, []
            if changes:
                self._on_changes(changes)
            took_s = time.thread_time() - began
            if more:
                self._closing.wait(_PAUSE_S)
                continue
            self._closing.wait(max(_SETTLE_S, _RESPITE * took_s))
            self._heard.wait(_POLL_S - _SETTLE_S)
