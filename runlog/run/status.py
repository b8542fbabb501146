"""The status of a run and what a listing shows of it, from its files and its lock. Nothing is stored."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..disk.append import Unusable, open_plain
from ..disk.layout import Workspace
from ..disk.lock import is_locked
from ..disk.read import is_of_file
from ..disk.records import MAX_LINE_BYTES, Event, from_iso
from ..disk.tail import CHUNK_BYTES, LogFile, LogReplaced, Record, records_of
from ..errors import UnknownRun
from .answer import BEGINS_ANSWER
from .events import PARKED, TERMINAL_STATUS, Status, is_terminal
from .inbox_lines import has_pending_resume, pending_lines
from .manifest import (
    UNKNOWN,
    Manifest,
    prompt_text,
    read_manifest,
    readable_manifest,
    title_of,
)
from .seal import is_genuine, vouched_by
from .state import RunState, WaitingFor
from .view import duration_of, reason_of, waiting_for, workflow_of

__all__ = [
    "BROKEN",
    "StateReader",
    "Summary",
    "broken_state",
    "check_usable",
    "ended_status",
    "is_alive",
    "prompt_text",
    "read_state",
    "run_status",
    "summarize",
    "summary_of",
    "tail_state",
    "title_of",
    "unfinished_bytes",
]

# A terminal line is at the end; if none is there, an open question or the present progress is within the last MiB.
_TAIL_BYTES = (4 * 1024, 64 * 1024, 1024 * 1024)
# Where even that holds no whole line: the longest line there can be, and the one before it.
_LONGEST_TAIL_BYTES = 2 * MAX_LINE_BYTES
# The reason of a run of which a file can't be used.
BROKEN = "broken"
# What only the holder of the lock may say. Asked of any value, a list too.
_SEALED = (*TERMINAL_STATUS, PARKED)
# What only a process of the run says, as its first line.
_BEGINS = ("workflow_started", "workflow_unparked")


@dataclass(frozen=True, slots=True)
class Summary:
    """A row of a listing. Times are ISO; `size_bytes` is of the stream; `duration_s` is until now if it goes on.

    `waiting_for` is of a run that is `waiting`: for an answer, or for the next message. `queue_position` is of
    a queued run that a `RunIndex` tells of, 1 for the next; else None. `parked`: it waits without a process.
    """

    run_id: str
    workflow: str
    status: Status
    created_at: str
    title: str
    ended_at: str | None
    duration_s: float | None
    progress: float | None
    message: str | None
    cost_usd: float | None
    reason: str | None
    attempt: int
    open_questions: int
    size_bytes: int
    deployment: str | None
    batch_id: str | None
    waiting_for: WaitingFor | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    schedule: str | None = None
    # Of the steps that were planned; None without a plan.
    steps_done: int | None = None
    steps_total: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # as the workflow publishes them
    # The last two: the index stores those before them.
    queue_position: int | None = None
    parked: bool = False


class StateReader:
    """The state of one run, folded as far as it was read; each `read` folds only what is new."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._state = RunState()
        self._log: LogFile | None = None
        self._rested: tuple[int, int] | None = None  # which file it was

    def read(self) -> RunState:
        """Fold up to the present end. The same object is returned each time, and changes with the next read.

        :raises Unusable: what has the place of the stream is no file.
        """
        try:
            if self._log is not None and not self._log.is_current():
                raise LogReplaced
            if self._log is None:
                self._log = LogFile(self.workspace.stream)
                rested, self._rested = self._rested, None
                if rested not in (None, self._log.identity):
                    raise LogReplaced
            # A file whose first line is not whole yet has begun all the same.
            self._state.lifecycle = self._state.lifecycle or "running"
            while chunk := self._log.read(self._state.offset, CHUNK_BYTES):
                for record in records_of(chunk):
                    _apply(self.workspace, self._state, record)
                self._state.offset = chunk.end
        except FileNotFoundError:
            pass
        except LogReplaced:
            self.close()
            self._state = RunState()
            if os.path.lexists(self.workspace.stream):
                return self.read()
        return self._state

    def rest(self) -> None:
        """Give the descriptor back until the next `read`, for whoever keeps many of these.

        What it guards against can't be told then: a file removed and made again, of the same inode and longer.
        """
        if self._log is not None:
            self._rested = self._log.identity
            self.close()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def read_state(workspace: Workspace) -> RunState:
    """The state of a run, folded from the whole stream."""
    reader = StateReader(workspace)
    try:
        return reader.read()
    finally:
        reader.close()


def unfinished_bytes(workspace: Workspace, state: RunState) -> int | None:
    """How long a last line without LF is that has not grown for some seconds; None if there is none.

    :param state: read up to the end just now.
    """
    try:
        with LogFile(workspace.stream) as log:
            return log.unfinished_bytes(state.offset) or None
    except (FileNotFoundError, Unusable):
        return None


def run_status(workspace: Workspace, state: RunState | None = None) -> Status:
    """The status, from the last lines (or from a `state` at hand), the lock and the inbox.

    A run whose lock is free and that wrote no terminal line is `failed`: its process died, and the runner has not
    yet said so in the stream.

    :raises UnknownRun: there is no such run.
    :raises Unusable: its stream or its lock is no file.
    """
    return _look(workspace, state)[1]


def check_usable(workspace: Workspace) -> None:
    """:raises Unusable: something without which a run can't be told of or go on is no file of ours.
    :raises UnknownRun: there is no such run.
    """
    read_manifest(workspace)
    run_status(workspace)
    try:
        os.close(open_plain(workspace.inbox))
    except FileNotFoundError:
        pass


def is_alive(workspace: Workspace) -> bool:
    """Whether a process holds the run; of a lock that is no file, nobody could say so: False."""
    try:
        return is_locked(workspace.lock)
    except Unusable:
        return False


def broken_state(why: OSError) -> RunState:
    """What is told of a run of which something can't be read."""
    return RunState(lifecycle="failed", reason=BROKEN, error=str(why), message=str(why))


def ended_status(workspace: Workspace) -> Status | None:
    """`completed`, `failed` or `stopped` if the run has ended and nobody asked it to go on; None if not.

    Cheaper than `run_status` for a run that lives.

    :raises UnknownRun: there is no such run.
    """
    windows = _TAIL_BYTES[:2] if is_locked(workspace.lock) else _TAIL_BYTES
    _, status = _look(workspace, tail_state(workspace, windows))
    return status if is_terminal(status) else None


def summarize(workspace: Workspace, manifest: Manifest | None = None) -> Summary:
    """What a listing shows of a run, from `run.json` and the tail of its stream.

    One of which something can't be used is `failed`, `broken`; the `message` says what it is.

    :raises UnknownRun: there is no such run.
    :raises OSError: the system can't open anything now.
    """
    return summary_of(workspace, manifest)[0]


def summary_of(
    workspace: Workspace,
    manifest: Manifest | None = None,
    read: Callable[[], RunState] | None = None,
) -> tuple[Summary, RunState]:
    """The same, and the state that it was taken from.

    :param read: gives the state as it is now. Left out, only the tail of the stream is read: that says all of a run
        that has ended, of another one perhaps not the attempt and the beginning.
    :raises UnknownRun: there is no such run.
    :raises OSError: the system can't open anything now.
    """
    try:
        if manifest is None or manifest.workflow == UNKNOWN:
            manifest = read_manifest(workspace)
        state, status = _look(workspace, None, read)
    except OSError as error:
        if not is_of_file(error):
            raise
        manifest = manifest or readable_manifest(workspace)
        state, status = broken_state(error), "failed"
    try:
        size = os.lstat(workspace.stream).st_size
    except OSError:
        size = 0
    now = state.shown_as(status)
    summary = Summary(
        run_id=workspace.run_id,
        workflow=workflow_of(manifest, state),
        status=status,
        created_at=manifest.created_at,
        title=title_of(manifest),
        ended_at=state.ended_at,
        duration_s=duration_of(state, status),
        progress=state.progress,
        message=state.message,
        cost_usd=state.cost_usd,
        reason=reason_of(state, status),
        attempt=state.attempt,
        open_questions=len(now.open_questions) + len(now.open_permissions),
        size_bytes=size,
        deployment=manifest.deployment,
        batch_id=manifest.batch_id,
        waiting_for=waiting_for(state, status),
        parked=now.parked,
        labels=manifest.words.labels,
        thread_id=manifest.words.thread_id,
        schedule=manifest.schedule,
        steps_done=state.steps_done,
        steps_total=state.steps_total,
        fields=state.published,
    )
    return summary, state


def tail_state(workspace: Workspace, windows: tuple[int, ...] = _TAIL_BYTES) -> RunState:
    """What the last lines say: as many as tell how the run ended, or else the last MiB."""
    state = RunState()
    try:
        log = LogFile(workspace.stream)
    except FileNotFoundError:
        return state
    with log:
        size = log.size()
        for window in (*windows, _LONGEST_TAIL_BYTES):
            try:
                start = 0 if window >= size else log.align(size - window)
                state = _folded(workspace, log, start)
            except LogReplaced:
                break  # cut or replaced this moment: whoever looks again sees what it is now
            ended = state.lifecycle is not None and is_terminal(state.lifecycle)
            if window >= size or ended or (window >= windows[-1] and state.offset):
                break
        # A file with a first line that is not whole yet has begun all the same.
        if state.lifecycle is None:
            state.lifecycle = "running"
    return state


def _folded(workspace: Workspace, log: LogFile, start: int | None) -> RunState:
    state = RunState()
    while start is not None and (chunk := log.read(start)):
        for record in records_of(chunk):
            _apply(workspace, state, record)
        start = chunk.end
    return state


def _look(
    workspace: Workspace,
    state: RunState | None = None,
    read: Callable[[], RunState] | None = None,
) -> tuple[RunState, Status]:
    read = read or (lambda: tail_state(workspace))
    # The lock first: a process that ends in between has then written its terminal line before we read.
    alive = is_locked(workspace.lock)
    if state is None:
        state = read()
    owned = os.path.lexists(workspace.manifest)
    if not owned and not os.path.lexists(workspace.stream):
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}")
    if owned and not alive and state.lifecycle is not None and not is_terminal(state.status):
        # It looks lost. Or it began after we asked for the lock, or ended or was parked after `state` was read: look
        # again, until the lock was free while the stream stood still.
        seen = -1
        while not (alive or state.parked or is_terminal(state.status)) and state.offset != seen:
            seen = state.offset
            alive = is_locked(workspace.lock)
            state = read()
        if not alive and state.parked:
            return state, "queued" if _is_due(workspace, state) else state.status
        if not alive and not is_terminal(state.status):
            return state, "failed"
    if is_terminal(state.status) and owned and alive and not has_pending_resume(workspace, state):
        # Its process has the last word, and gives its lock back with that: this line is someone else's.
        return state, "running"
    if is_terminal(state.status):
        # Asked to go on: until the run process says so in the stream, it waits for its turn.
        resumes = owned and has_pending_resume(workspace, state)
        return state, "queued" if resumes else state.status
    if state.status == "queued" and (alive or not owned):
        return state, "running"
    return state, state.status


def _is_due(workspace: Workspace, state: RunState) -> bool:
    """Whether a parked run is to be taken up: something has come for it, or its time has."""
    until = from_iso(state.parked_until)
    return (until is not None and until <= datetime.now(UTC)) or bool(
        pending_lines(workspace, state)
    )


def _apply(workspace: Workspace, state: RunState, record: Record) -> None:
    # Partial text is most of a stream and changes nothing here: do not parse it.
    line = record.line
    is_partial = line.startswith(b'{"type":"stream_event"') and line.endswith(b"}")
    if is_partial and not line.startswith(BEGINS_ANSWER):
        state.skip("stream_event", record.offset)
    else:
        event: Event = record.event()
        kind, genuine = event.get("type"), True
        if kind in _SEALED:
            genuine = is_genuine(workspace, event)
        elif kind in _BEGINS:
            genuine = vouched_by(workspace).begins(record.offset)
        state.apply(event, record.offset, genuine=genuine)
