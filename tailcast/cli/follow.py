"""Follow a run to its end: its records as they are written, and how it ended. No rendering here."""

import os
import time
from collections.abc import Callable, Iterator

from runlog import (
    Record,
    Status,
    Workspace,
    ended_status,
    follow_records,
    is_locked,
    run_status,
)
from runlog.run.events import LIFECYCLE_TYPES, TERMINAL_STATUS

__all__ = ["Follower"]

_POLL_S = 0.02
# A run whose process died writes no more: its lock is asked this often while the file stands still.
_LOOK_S = 0.5
_LIFECYCLE_MARKS = tuple(f'"{name}"'.encode() for name in sorted(LIFECYCLE_TYPES))


class Follower:
    """One reader of one run. `offset` is after the last record given out; `status` is how the run ended, or None.

    :param alive: whether a process that this command itself started for the run still lives; None if it did not.
    """

    def __init__(
        self, workspace: Workspace, after: int = 0, alive: Callable[[], bool] | None = None
    ) -> None:
        self.workspace = workspace
        self.offset = after
        self.status: Status | None = None
        self._alive = alive
        self._owned = os.path.lexists(workspace.manifest)
        self._ended = False  # as the last lifecycle line that was read says
        self._look_at = 0.0

    def records(self) -> Iterator[Record]:
        """Each record until the run has ended.

        :raises LogReplaced: the file was truncated, replaced or removed.
        """
        for record in follow_records(
            self.workspace.stream, self.offset, until=self._is_over, poll_s=_POLL_S
        ):
            self.offset = record.offset
            if any(mark in record.line for mark in _LIFECYCLE_MARKS):
                kind = record.event().get("type")
                if kind in LIFECYCLE_TYPES:
                    self._ended = kind in TERMINAL_STATUS
                    self._look_at = 0.0
            yield record

    def _is_over(self) -> bool:
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_S
        if self._ended or not self._owned:
            self.status = ended_status(self.workspace)
            return self.status is not None
        if is_locked(self.workspace.lock):
            return False
        # A process that died before it took the lock leaves the run queued: nobody will ever begin it.
        died = self._alive is not None and not self._alive()
        status = run_status(self.workspace)
        if status in ("completed", "failed", "stopped") or (died and status == "queued"):
            self.status = "failed" if status == "queued" else status
            return True
        return False
