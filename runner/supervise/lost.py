"""Say in the stream that a run's process died, once nothing of the run is left alive."""

from runlog import (
    InboxLine,
    RunLock,
    RunState,
    Workspace,
    append_lines,
    encode,
    is_terminal,
    now_iso,
    read_inbox,
    read_state,
)
from runlog.disk.records import from_iso
from runlog.run.inbox import inbox_closed

from ..attempt.environment import mark_of
from ..attempt.run import stderr_tail
from ..keeper.tree import TreeSurvived, end_marked

__all__ = ["end_run"]


def end_run(
    workspace: Workspace, event_type: str, reason: str, error: str = "", *, began: bool = True
) -> bool:
    """Write the terminal line of a run that has no process; False if it has one, or has ended already.

    What its dead process left running is ended first. The last of its stderr is added to `error`.

    :param began: false if its process ended before it wrote a line of its own.
    """
    lock = RunLock(workspace.lock)
    if not lock.acquire():
        return False
    try:
        try:
            end_marked(mark_of(workspace.path), 1.0)
        except TreeSurvived as survived:
            error = f"{error}; {survived}"
        with inbox_closed(workspace):
            state = read_state(workspace)
            if event_type == "workflow_stopped":
                lines, offset = _all_open(workspace, state)
            else:
                lines, offset = _unanswered(workspace, state, began)
            if state.lifecycle and is_terminal(state.lifecycle) and not lines:
                return False
            told = {
                "type": event_type,
                "timestamp": now_iso(),
                "run_id": workspace.run_id,
                "duration_s": _lasted_s(state) if began else 0.0,
                "reason": reason,
            }
            if tail := stderr_tail(workspace):
                error = f"{error}\n{tail}" if error else tail
            if event_type == "workflow_failed":
                told["error"] = error or reason
            receipts = [_dropped(workspace, line, reason) for line in lines]
            stats = {"stats": state.summary_stats(), "inbox_offset": offset}
            append_lines(workspace.stream, b"".join([*receipts, encode(told | stats)]))
            lock.release()  # in the same breath: see `process`
        return True
    finally:
        lock.release()


def _lasted_s(state: RunState) -> float:
    """From the start of the attempt to its last line; when the process died nobody knows."""
    start, last = from_iso(state.attempt_at), from_iso(state.last_event_at)
    return round((last - start).total_seconds(), 3) if start and last else 0.0


def _all_open(workspace: Workspace, state: RunState) -> tuple[list[InboxLine], int]:
    """Of a run that ends in order: everything that it has not taken, and the end of its inbox."""
    lines = list(read_inbox(workspace.inbox))
    taken = state.messages.keys()
    opened = {
        li.id: li for li in reversed(lines) if isinstance(li, InboxLine) and li.id not in taken
    }
    return list(reversed(opened.values())), lines[-1].offset if lines else 0


def _unanswered(workspace: Workspace, state: RunState, began: bool) -> tuple[list[InboxLine], int]:
    """Lines that asked a run to go on whose process then died before it took them, and how far the inbox counts.

    Telling them dropped keeps a process that dies at its start from being started for ever. A line that was posted
    after that start waits for the next; messages that were only queued wait for a resume.
    """
    unanswered: list[InboxLine] = []
    offset = 0
    for line in read_inbox(workspace.inbox):
        if isinstance(line, InboxLine) and line.id not in state.messages:
            if line.body.get("resume") is True:
                start, posted = from_iso(state.attempt_at), from_iso(line.body.get("timestamp"))
                if began and start and posted and posted > start:
                    return unanswered, offset
                unanswered.append(line)
            elif line.type == "stop":
                unanswered.append(line)
        offset = line.offset
    return unanswered, offset


def _dropped(workspace: Workspace, line: InboxLine, reason: str) -> bytes:
    return encode(
        {
            "type": "message_received",
            "timestamp": now_iso(),
            "run_id": workspace.run_id,
            "message_id": line.id,
            "state": "completed" if line.type == "stop" else "dropped",
            "inbox_offset": line.offset,
            "message_type": line.type,
            **line.by,
            "reason": reason,
        }
    )
