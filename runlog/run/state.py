"""Fold events into the state of a run: pure, no files, no clock. The same fold serves live, replay and listing.

It reads Tailcast's own events (docs/contract.md) and the few of Claude's lines that tell progress, usage and cost
(stream-json of the Claude Code CLI). Everything else is counted and passed over.
"""

from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..disk.records import Event, from_iso
from .events import TERMINAL_STATUS, Status

__all__ = ["RunState"]

# Kept of a text in the state; the whole is in the stream.
_TEXT_CHARS = 2000
_USAGE_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
# `status` of the progress_update by which an interactive run says that it waits for a message.
_WAITING = "waiting"
# `model` of an assistant line that the CLI made up to tell of an error.
_NO_MODEL = "<synthetic>"
_COMMON_FIELDS = frozenset({"type", "timestamp", "run_id", "progress", "message", "status"})


@dataclass(slots=True)
class RunState:
    """What the lines up to `offset` say. `lifecycle` knows nothing of the lock: see `runlog.run.status`."""

    offset: int = 0
    lifecycle: Status | None = None
    workflow: str | None = None
    attempt: int = 0
    pid: int | None = None
    started_at: str | None = None
    attempt_at: str | None = None  # start of the present attempt
    ended_at: str | None = None
    last_event_at: str | None = None
    duration_s: float | None = None
    progress: float | None = None
    message: str | None = None
    activity: str | None = None  # `status` of the last progress_update
    fields: dict[str, Any] = field(default_factory=dict)  # what the workflow counts, as last told
    current_node: str | None = None
    current_tool: str | None = None
    paused: bool = False
    idle: bool = False
    session_id: str | None = None
    model: str | None = None
    turns: int = 0  # answers of the model (Claude's `num_turns`)
    usage: dict[str, int] = field(default_factory=dict)
    result: Any = None
    error: Any = None
    reason: str | None = None
    stats: dict[str, Any] = field(default_factory=dict)
    inbox_offset: int | None = None  # how much of the inbox the run had read when it ended
    inbox_began: int | None = None  # how long the inbox was when the present attempt began
    event_counts: dict[str, int] = field(default_factory=dict)
    tool_calls: int = 0
    open_questions: dict[str, Event] = field(default_factory=dict)
    open_permissions: dict[str, Event] = field(default_factory=dict)
    requests: set[str] = field(
        default_factory=set
    )  # ids of all permission requests, closed ones too
    # message_id -> last receipt, or what the agent's own lines say of a message that the run had queued
    messages: dict[str, str] = field(default_factory=dict)
    # those of which only the agent's lines say so: the run process died before it wrote the receipt
    unreceipted: set[str] = field(default_factory=set)
    _foreign_end: Event | None = None
    # session_id -> (cost of its earlier processes, cost its present process has told), in USD
    _costs: dict[str, tuple[float, float]] = field(default_factory=dict)
    # session_id -> (id of its last answer, answers since its last result)
    _answers: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The status as the lines tell it; `queued` if none has spoken yet."""
        if self.lifecycle is None:
            return "queued" if self.offset == 0 else "running"
        if self.lifecycle != "running":
            return self.lifecycle
        if self.paused:
            return "paused"
        if self.open_questions or self.open_permissions or self.idle:
            return "waiting"
        return "running"

    @property
    def cost_usd(self) -> float | None:
        # Of the tail of a stream the results are few, but its terminal line has told the sum.
        told = _number(self.stats.get("cost_usd"))
        if not self._costs:
            return told
        counted = round(sum(banked + spent for banked, spent in self._costs.values()), 6)
        return counted if told is None else max(told, counted)

    def copy(self) -> "RunState":
        """As it is now, while this one goes on."""
        return replace(self, **{f.name: copy(getattr(self, f.name)) for f in fields(self)})

    def apply(self, event: Event, offset: int, *, genuine: bool = True) -> None:
        """Take in one event; `offset` is the one just after its line.

        :param genuine: false for a terminal line that is not of the one who may write it now (`seal`): it ends
            nothing. It may be that of an attempt before, though, if another `workflow_started` follows.
        """
        self.offset = offset
        if self.lifecycle is None:
            self.lifecycle = "running"
        kind = event.get("type")
        if not isinstance(kind, str):
            kind = "malformed"
        self.event_counts[kind] = self.event_counts.get(kind, 0) + 1
        self.last_event_at = _text(event.get("timestamp")) or self.last_event_at
        step = _STEPS.get(kind)
        if not genuine:
            self._foreign_end = event
        elif step is not None:
            step(self, event)

    def skip(self, kind: str, offset: int) -> None:
        """Count an event whose type is known to change nothing else, without its body."""
        self.offset = offset
        self.lifecycle = self.lifecycle or "running"
        self.event_counts[kind] = self.event_counts.get(kind, 0) + 1

    def summary_stats(self) -> dict[str, Any]:
        """What the terminal line carries, so that a listing need not read the whole stream."""
        stats: dict[str, Any] = {
            "events": sum(self.event_counts.values()),
            "turns": self.turns,
            "tool_calls": self.tool_calls,
            "attempt": self.attempt,
        }
        if self.progress is not None:
            stats["progress"] = self.progress
        if self.usage:
            stats["usage"] = self.usage
        if self.cost_usd is not None:
            stats["cost_usd"] = self.cost_usd
        if self.session_id is not None:
            stats["session_id"] = self.session_id
        # What a workflow counts under a name of ours does not replace ours.
        return self.fields | stats


def _started(state: RunState, event: Event) -> None:
    if state._foreign_end is not None:
        _ended(state, state._foreign_end)
    state.lifecycle = "running"
    state.workflow = _text(event.get("workflow"))
    attempt = _count(event.get("attempt"))
    state.attempt = state.attempt + 1 if attempt is None else attempt
    state.pid = _count(event.get("pid"))
    state.attempt_at = _text(event.get("timestamp"))
    state.started_at = state.started_at or state.attempt_at
    state.ended_at = state.duration_s = state.result = state.error = state.reason = None
    state.progress = state.message = state.activity = None
    state.inbox_offset = None
    state.inbox_began = _count(event.get("inbox_offset"))
    state.paused = state.idle = False
    state.current_tool = None
    state.open_permissions.clear()


def _ended(state: RunState, event: Event) -> None:
    state._foreign_end = None
    state.lifecycle = TERMINAL_STATUS[event["type"]]
    state.ended_at = _text(event.get("timestamp"))
    state.duration_s = _number(event.get("duration_s"))
    if state.duration_s is None:
        began, end = from_iso(state.started_at), from_iso(state.ended_at)
        state.duration_s = (end - began).total_seconds() if began and end else None
    state.result, state.error = event.get("result"), event.get("error")
    state.reason = _text(event.get("reason"))
    stats = event.get("stats")
    state.stats = stats if isinstance(stats, dict) else {}
    state.inbox_offset = _count(event.get("inbox_offset"))
    state.attempt = max(state.attempt, _count(state.stats.get("attempt")) or 0)
    if state.progress is None:
        state.progress = _percent(state.stats.get("progress"))
    if state.lifecycle == "completed":
        state.progress = 100.0 if state.progress is None else state.progress
    state.paused = state.idle = False
    state.current_tool = state.current_node = None
    state.open_questions.clear()
    state.open_permissions.clear()


def _paused(state: RunState, event: Event) -> None:
    state.paused = event["type"] == "workflow_paused"


def _progress(state: RunState, event: Event) -> None:
    progress = _percent(event.get("progress"))
    if progress is not None:
        state.progress = progress
    state.message = _text(event.get("message")) or state.message
    if event["type"] == "progress_update":
        state.activity = _text(event.get("status")) or state.activity
        state.idle = state.activity == _WAITING
        state.fields.update((k, v) for k, v in event.items() if k not in _COMMON_FIELDS)


def _node(state: RunState, event: Event) -> None:
    started = event["type"] == "node_started"
    state.current_node = _text(event.get("node")) if started else None


def _asked(state: RunState, event: Event) -> None:
    questions = event["type"] == "questions_presented"
    key = _text(event.get("question_id" if questions else "request_id"))
    if not key:
        return
    if questions:
        state.open_questions.setdefault(key, event)
    elif key not in state.requests:
        # The first of an id is the run's own; another one shows a person what is not asked.
        state.requests.add(key)
        state.open_permissions[key] = event


def _answered(state: RunState, event: Event) -> None:
    if event["type"] == "responses_collected":
        state.open_questions.pop(_text(event.get("question_id")) or "", None)
    else:
        state.open_permissions.pop(_text(event.get("request_id")) or "", None)


def _receipt(state: RunState, event: Event) -> None:
    key, receipt = event.get("message_id"), event.get("state")
    if isinstance(key, str) and isinstance(receipt, str):
        state.messages[key] = receipt
        state.unreceipted.discard(key)


def _lifecycle(state: RunState, event: Event) -> None:
    """Claude's word on a message: the proof that it was read, should the run process not come to say so."""
    key, step = _text(event.get("command_uuid")) or "", _text(event.get("state"))
    if step == "cancelled":
        # Taken back before it was read, or its turn was cut short.
        step = "dropped" if state.messages.get(key) == "queued" else "completed"
    receipt = "delivered" if step == "started" else step
    if receipt in ("delivered", "completed", "dropped"):
        _proved(state, key, receipt)


def _proved(state: RunState, key: str, receipt: str) -> None:
    told = state.messages.get(key)
    if told == "queued" or (told == "delivered" and receipt == "completed"):
        state.messages[key] = receipt
        state.unreceipted.add(key)


def _go_on(state: RunState) -> None:
    """A turn has begun: an interactive run is idle no longer."""
    state.idle = False
    if state.activity == _WAITING:
        state.activity = state.message = None


def _system(state: RunState, event: Event) -> None:
    subtype = event.get("subtype")
    if subtype == "init":
        state.session_id = _text(event.get("session_id")) or state.session_id
        state.model = _text(event.get("model")) or state.model
        _go_on(state)


def _assistant(state: RunState, event: Event) -> None:
    _go_on(state)
    _count_turn(state, event)
    for block in _blocks(event):
        if block.get("type") == "tool_use":
            state.tool_calls += 1
            state.current_tool = _text(block.get("name"))


def _count_turn(state: RunState, event: Event) -> None:
    """An answer comes in a line for each of its blocks. Those of subagents do not count, nor what the CLI made up."""
    message = event.get("message")
    if event.get("parent_tool_use_id") or not isinstance(message, dict):
        return
    answer, session = message.get("id"), _text(event.get("session_id")) or ""
    if not isinstance(answer, str) or message.get("model") == _NO_MODEL:
        return
    last, count = state._answers.get(session, ("", 0))
    if answer != last:
        state._answers[session] = (answer, count + 1)
        state.turns += 1


def _user(state: RunState, event: Event) -> None:
    if event.get("isReplay") is True:
        _proved(state, _text(event.get("uuid")) or "", "delivered")
    if any(block.get("type") == "tool_result" for block in _blocks(event)):
        state.current_tool = None


def _result(state: RunState, event: Event) -> None:
    state.current_tool = None
    session = _text(event.get("session_id")) or ""
    state.session_id = session or state.session_id
    last, counted = state._answers.get(session, ("", 0))
    # Others than Claude may write results, and tell of no answers before. And the turn too many, which was refused,
    # is in this number alone. Else it is not to be trusted: after an interrupt it is too high.
    if not counted or event.get("subtype") == "error_max_turns":
        state.turns += max(0, (_count(event.get("num_turns")) or 1) - counted)
    state._answers[session] = (last, 0)
    told = _number(event.get("total_cost_usd"))
    if told is not None:
        banked, before = state._costs.get(session, (0.0, 0.0))
        # The total is of the session so far. It falls only when a killed process took its count with it.
        state._costs[session] = (banked + before, told) if told < before else (banked, told)
    usage = event.get("usage")
    if isinstance(usage, dict):
        for key in _USAGE_KEYS:
            count = _count(usage.get(key))
            if count is not None:
                state.usage[key] = state.usage.get(key, 0) + count


_STEPS = {
    "workflow_started": _started,
    "workflow_completed": _ended,
    "workflow_failed": _ended,
    "workflow_stopped": _ended,
    "workflow_paused": _paused,
    "workflow_resumed": _paused,
    "progress_update": _progress,
    "task_progress": _progress,
    "iteration_started": _progress,
    "iteration_completed": _progress,
    "node_started": _node,
    "node_completed": _node,
    "questions_presented": _asked,
    "permission_requested": _asked,
    "responses_collected": _answered,
    "permission_resolved": _answered,
    "message_received": _receipt,
    "command_lifecycle": _lifecycle,
    "system": _system,
    "assistant": _assistant,
    "user": _user,
    "result": _result,
}


def _blocks(event: Event) -> list[dict[str, Any]]:
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _text(value: object) -> str | None:
    return value[:_TEXT_CHARS] if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def _percent(value: object) -> float | None:
    number = _number(value)
    return None if number is None else min(100.0, max(0.0, number))


def _count(value: object) -> int | None:
    """A whole number that JSON carries everywhere without loss (up to 2**53), else None."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= 1 << 53 else None
