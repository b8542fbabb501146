"""A run from outside: what its own process should have done by now, and the runner does in its place.

The run process carries out a `stop` and its limits itself. It can't while it is stopped (SIGSTOP), hangs on a lock
or a FIFO, or does not see its inbox, which was cut or replaced. And where it is dead, a child that it forked may go
on holding its lock. Nothing here asks the run process for anything: it goes by the files and by `/proc`.
"""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runlog import (
    InboxLine,
    StateReader,
    Workspace,
    is_locked,
    is_terminal,
    read_inbox,
    read_state,
)
from runlog.disk.lock import holds_lock
from runlog.disk.records import from_iso
from runlog.disk.stamp import Stamp, stamp_of
from runlog.disk.tail import LogReplaced
from runlog.run.status import tail_state

from ..attempt.environment import mark_of
from ..attempt.limits import LimitPassed, LimitWatch
from ..keeper.tree import TreeSurvived, end_marked, proc_of, signal_proc
from .lost import end_run

__all__ = ["Overdue", "Verdict"]

# Beside the grace: what a run process may take to see a line of its inbox, or that it has passed a limit.
_SLACK_S = 5.0
# A run process that has taken a stop in: so many times the grace, and this, for the agent's last words and its tree.
_GRACES, _ENDING_S = 4.0, 15.0
# Looks after one another that find the lock held, but not by the run process.
_ORPHAN_LOOKS = 4
_POLL_S = 0.05
# A shorter inbox is read whole when it changes: it may have been cut and grown again.
_WHOLE_INBOX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run is to end whose own process does not end it. `asks`: the signal to try first, 0 for none."""

    event_type: str
    reason: str
    error: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    asks: int = 0


class Overdue:
    """One attempt of one run, that goes on while its lock is held. For one thread.

    :param limits: those of the run, by name.
    :param pid: of the run process; None if we did not start it: then its stream tells.
    """

    def __init__(
        self, workspace: Workspace, limits: Mapping[str, float], grace_s: float, pid: int | None
    ) -> None:
        self._workspace = workspace
        self._grace_s = grace_s
        self._reader = StateReader(workspace)
        elapsed_s = 0.0
        if pid is None:
            pid, elapsed_s = _as_told(workspace)
        self._pid = pid
        self._limits = LimitWatch(limits, self._reader, elapsed_s=elapsed_s)
        self._passed: tuple[float, LimitPassed] | None = None  # when we saw it
        self._inbox_stamp: Stamp = None
        self._inbox_offset = 0
        self._stops: dict[str, float] = {}  # id -> when we saw it
        self._looks = self._orphan_looks = 0

    def look(self) -> Verdict | None:
        """What is overdue, if anything. :raises OSError: the run's files can't be read."""
        self._looks += 1
        return self._orphaned() or self._stop_overdue() or self._limit_overdue()

    def carry_out(self, verdict: Verdict) -> bool:
        """End the run; False if it can't be ended yet. Takes up to some graces.

        :raises OSError: the end can't be told (a full disk): to be tried again.
        """
        workspace = self._workspace
        proc = proc_of(self._pid) if self._pid and holds_lock(self._pid, workspace.lock) else None
        if proc is not None and verdict.asks and signal_proc(proc, verdict.asks):
            deadline = time.monotonic() + self._grace_s + _SLACK_S
            while is_locked(workspace.lock) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        error = verdict.error
        if is_locked(workspace.lock):
            if proc is not None:
                signal_proc(proc, signal.SIGKILL)  # first: it must not see its agent end
            try:
                end_marked(mark_of(workspace.path), self._grace_s)
            except TreeSurvived as survived:
                error = f"{error}; {survived}"
        # Only if it has not said its end: to tell one is to hold the lock, and the run would seem to live.
        if not is_terminal(tail_state(workspace).status):
            end_run(workspace, verdict.event_type, verdict.reason, error, fields=verdict.fields)
        return not is_locked(workspace.lock)

    def close(self) -> None:
        self._reader.close()

    def _orphaned(self) -> Verdict | None:
        lock = self._workspace.lock
        orphaned = self._pid is not None and is_locked(lock) and not holds_lock(self._pid, lock)
        self._orphan_looks = self._orphan_looks + 1 if orphaned else 0
        if self._orphan_looks < _ORPHAN_LOOKS:
            return None
        pid, _ = _as_told(self._workspace)
        if pid and holds_lock(pid, lock):  # it is another attempt by now, of another process
            self._pid, self._orphan_looks = pid, 0
            return None
        return Verdict(
            "workflow_failed", "lost", "the run's process died, and a child of it lived on"
        )

    def _stop_overdue(self) -> Verdict | None:
        self._read_inbox()
        now = time.monotonic()
        for key, seen_at in self._stops.items():
            if now < seen_at + self._grace_s + _SLACK_S:
                continue
            taken = key in self._reader.read().messages
            if not taken or now > seen_at + _GRACES * self._grace_s + _ENDING_S:
                return Verdict("workflow_stopped", "stop", asks=signal.SIGTERM)
        return None

    def _read_inbox(self) -> None:
        stamp = stamp_of(self._workspace.inbox)
        if stamp == self._inbox_stamp:
            return
        before = self._inbox_stamp
        if stamp is None or stamp[1] <= _WHOLE_INBOX_BYTES or (before and before[0] != stamp[0]):
            self._inbox_offset = 0
        try:
            lines = list(read_inbox(self._workspace.inbox, self._inbox_offset))
        except LogReplaced:
            lines = list(read_inbox(self._workspace.inbox))
        for line in lines:
            if isinstance(line, InboxLine) and line.type == "stop" and line.id not in self._stops:
                # What was taken before we looked at all may have been of an earlier attempt.
                if self._looks > 1 or line.id not in self._reader.read().messages:
                    self._stops[line.id] = time.monotonic()
        self._inbox_stamp = stamp
        self._inbox_offset = lines[-1].offset if lines else self._inbox_offset

    def _limit_overdue(self) -> Verdict | None:
        if self._passed is None:
            try:
                self._limits.look()
            except FileNotFoundError:
                pass  # it has not begun
            except LimitPassed as passed:
                self._passed = time.monotonic(), passed
            return None
        passed_at, what = self._passed
        late_s = time.monotonic() - passed_at
        if late_s < self._grace_s + _SLACK_S:
            return None
        # A stopped process goes on then, sees what has passed, and may end the run itself.
        stopped = self._pid is not None and _is_stopped(self._pid)
        if not stopped and late_s < 2 * (self._grace_s + _SLACK_S):
            return None  # it may be about to: no receipt tells that it has seen
        asks = signal.SIGCONT if stopped else 0
        return Verdict("workflow_failed", what.reason, what.error, what.fields, asks)


def _as_told(workspace: Workspace) -> tuple[int | None, float]:
    """The pid of the present attempt, and for how many seconds at most it has been at work."""
    state = read_state(workspace)
    pid, began_at = state.pid, from_iso(state.attempt_at)
    proc = proc_of(pid) if pid else None
    if proc is None or began_at is None:
        return pid, 0.0
    # By the wall clock, which may have been set; its process is not younger by the clock that nobody sets.
    ticks_s = os.sysconf("SC_CLK_TCK")
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - proc.start_ticks / ticks_s
    return pid, min(max(0.0, (datetime.now(UTC) - began_at).total_seconds()), max(0.0, age_s))


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return False
