"""Say in the stream that a run's process died, once nothing of the run is left alive."""

import contextlib
from collections.abc import Mapping
from typing import Any

from runlog import (
    AppendFile,
    Busy,
    InboxLine,
    RefusedLine,
    RunLock,
    RunState,
    StateReader,
    Unusable,
    Workspace,
    encode,
    is_terminal,
    now_iso,
    read_inbox,
)
from runlog.disk.durable import LOCK_WAIT_S
from runlog.disk.records import from_iso
from runlog.run.inbox import inbox_closed
from runlog.run.seal import new_seal
from runlog.run.state import Turn

from ..attempt.environment import mark_of
from ..attempt.run import stderr_tail
from ..keeper.tree import TreeSurvived, end_marked

__all__ = ["end_run"]


def end_run(
    workspace: Workspace,
    event_type: str,
    reason: str,
    error: str = "",
    *,
    began: bool = True,
    fields: Mapping[str, Any] | None = None,
) -> bool:
    """Write the terminal line of a run that has no process; False if it has one, or has ended already.

    What its dead process left running is ended first. The last of its stderr is added to `error`.

    :raises OSError: it can't be written now: call it again.

    :param began: false if its process ended before it wrote a line of its own.
    :param fields: more for the terminal line, such as the `limit` that was passed.
    :raises OSError: the end can't be told (a full disk); the run is as it was.
    """
    reader = StateReader(workspace)
    lock = RunLock(workspace.lock)
    try:
        reader.read()  # most of it before anybody has to wait for us
        if not lock.acquire():
            return False
        # While the lock is held the run is shown as one that lives: not for as long as the next may take.
        lock.release()
        try:
            end_marked(mark_of(workspace.path), 1.0)
        except TreeSurvived as survived:
            error = f"{error}; {survived}"
        if not lock.acquire():
            return False
        with contextlib.ExitStack() as stack:
            # Where somebody else keeps the folder locked, that is who keeps posts out.
            with contextlib.suppress(Busy):
                stack.enter_context(inbox_closed(workspace))
            state = reader.read()
            if event_type == "workflow_stopped":
                lines, offset = _all_open(workspace, state)
            else:
                lines, offset = _unanswered(workspace, state, began)
            if state.lifecycle and is_terminal(state.lifecycle) and not lines:
                return False
            if state.parked and reason == "lost":
                return False  # it only looked so, between two processes
            told = {
                "type": event_type,
                "timestamp": now_iso(),
                "run_id": workspace.run_id,
                "duration_s": _lasted_s(state) if began else 0.0,
                "reason": reason,
                **(fields or {}),
            }
            if tail := stderr_tail(workspace):
                error = f"{error}\n{tail}" if error else tail
            if event_type == "workflow_failed":
                told["error"] = error or reason
            receipts = [
                *_read_by_agent(workspace, state),
                *(_dropped(workspace, line, reason) for line in lines),
            ]
            if state.turn is not None and state.turn.running:
                receipts.append(_turn_ended(workspace, state.turn, reason))
            told["seal"] = new_seal(lock)
            stats = {"stats": state.summary_stats(), "inbox_offset": offset}
            with AppendFile(workspace.stream, LOCK_WAIT_S) as stream:
                stream.append(b"".join([*receipts, encode(told | stats)]))
                stream.sync()
            lock.release()  # in the same breath: see `process`
        return True
    finally:
        lock.release()
        reader.close()


def _turn_ended(workspace: Workspace, turn: Turn, reason: str) -> bytes:
    event = {"type": "turn_ended", "timestamp": now_iso(), "run_id": workspace.run_id}
    told = {"turn": turn.number, "finish_reason": reason, "message_id": turn.message_id}
    return encode(event | told)


def _lasted_s(state: RunState) -> float:
    """From the start of the attempt to its last line; when the process died nobody knows."""
    start, last = from_iso(state.attempt_at), from_iso(state.last_event_at)
    return max(0.0, round((last - start).total_seconds(), 3)) if start and last else 0.0


def _all_open(workspace: Workspace, state: RunState) -> tuple[list[InboxLine], int]:
    """Of a run that ends in order: everything that it has not taken, and the end of its inbox."""
    lines = _lines(workspace)
    taken = state.messages.keys()
    opened = {
        li.id: li for li in reversed(lines) if isinstance(li, InboxLine) and li.id not in taken
    }
    return list(reversed(opened.values())), lines[-1].offset if lines else 0


def _unanswered(workspace: Workspace, state: RunState, began: bool) -> tuple[list[InboxLine], int]:
    """Lines that asked a run to go on whose process then died before it took them, and how far the inbox counts.

    Telling them dropped keeps a process that dies at its start from being started for ever. A line that came after
    that start (by its place: clocks are set back) waits for the next; messages that were only queued, for a resume.
    """
    began_at = state.inbox_began if began else None
    unanswered: list[InboxLine] = []
    offset = 0
    for line in _lines(workspace):
        if isinstance(line, InboxLine) and line.id not in state.messages:
            if line.body.get("resume") is True:
                if began_at is not None and line.offset > began_at:
                    return unanswered, offset
                unanswered.append(line)
            elif line.type == "stop":
                unanswered.append(line)
        offset = line.offset
    return unanswered, offset


def _read_by_agent(workspace: Workspace, state: RunState) -> list[bytes]:
    """Receipts that the dead process did not come to write: the agent's own lines prove that it took the messages."""
    if not state.unreceipted:
        return []
    lines = {line.id: line for line in _lines(workspace) if isinstance(line, InboxLine)}
    return [
        _receipt(workspace, lines[key], state.messages[key], "the agent's own lines say so")
        for key in sorted(state.unreceipted & lines.keys(), key=lambda key: lines[key].offset)
    ]


def _lines(workspace: Workspace) -> list[InboxLine | RefusedLine]:
    """All of the inbox; of something else that has its place, nobody was told that it was taken."""
    try:
        return list(read_inbox(workspace.inbox))
    except Unusable:
        return []


def _dropped(workspace: Workspace, line: InboxLine, reason: str) -> bytes:
    return _receipt(workspace, line, "completed" if line.type == "stop" else "dropped", reason)


def _receipt(workspace: Workspace, line: InboxLine, state: str, reason: str) -> bytes:
    return encode(
        {
            "type": "message_received",
            "timestamp": now_iso(),
            "run_id": workspace.run_id,
            "message_id": line.id,
            "state": state,
            "inbox_offset": line.offset,
            "message_type": line.type,
            **line.by,
            "reason": reason,
        }
    )
