"""Fold events into the state of a run: pure, no files, no clock. The same fold serves live, replay and listing.

It reads Tailcast's own events (docs/contract.md) and the few of Claude's lines that tell progress, usage and cost
(stream-json of the Claude Code CLI). Everything else is counted and passed over.
"""

from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from ..disk.records import Event, from_iso
from .answer import Answer, begins_answer
from .events import PARKED, TERMINAL_STATUS, Status
from .planned import Step, cut_steps, done_steps, planned, stepped
from .published import published
from .spending import Spending
from .subagents import Subagents, task_told, with_result
from .transcript import Transcript, is_kept
from .turns import TURN_TYPES, Turn, Turns
from .values import blocks_of, count, number, percent, text
from .voice import (
    NO_MODEL,
    is_of_subagent,
    is_posted,
    is_silence,
    thread_of,
    voice_of,
)

__all__ = ["RunState", "Turn", "WaitingFor"]

WaitingFor = Literal["answer", "message"]

# `status` of the progress_update by which an interactive run says that it waits for a message.
_WAITING = "waiting"
# Exit code of a CLI that was asked to end, and has kept its sums.
_EXIT_TERMINATED = 143
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
    published: dict[str, Any] = field(default_factory=dict)  # fields, as the workflow tells them
    steps: dict[str, Step] = field(default_factory=dict)  # that were planned, by id
    current_node: str | None = None
    current_tool: str | None = None
    paused: bool = False
    idle: bool = False
    parked: bool = False  # no process: what comes into the inbox takes the run up again
    parked_until: str | None = None  # when it is taken up in any case; None: when something comes
    session_id: str | None = None
    model: str | None = None
    turns: int = 0  # answers of the model (Claude's `num_turns`)
    talk: Turns = field(default_factory=Turns)
    spending: Spending = field(default_factory=Spending)
    subagents: Subagents = field(default_factory=dict)  # by the id of the call
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
    # Of the steps done and planned, as the last line of a process told: its tail tells not all of them.
    _steps_told: tuple[int, int] | None = None
    _foreign_end: Event | None = None
    # thread (session and subagent) -> its present answer
    _answers: dict[str, Answer] = field(default_factory=dict)
    _counted: dict[str, int] = field(
        default_factory=dict
    )  # session -> answers since its last result
    _lines: set[int] = field(default_factory=set)  # the answers' lines: the CLI may tell one again
    _transcript: Transcript = field(default_factory=Transcript)
    # of the agent itself, without a result yet: id -> how many, since some models repeat ids
    _open_calls: dict[str, int] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The status as the lines tell it; `queued` if none has spoken yet."""
        if self.lifecycle is None:
            return "queued" if self.offset == 0 else "running"
        if self.lifecycle != "running":
            return self.lifecycle
        if self.waiting_for == "answer":
            return "waiting"  # somebody is needed, whatever else
        if self.paused:
            return "paused"
        return "waiting" if self.idle or self.parked else "running"

    @property
    def waiting_for(self) -> WaitingFor | None:
        """What a run that lives waits for: an answer to what it asks, or the next message."""
        if self.open_questions or self.open_permissions:
            return "answer"
        return "message" if self.idle or self.parked else None

    @property
    def turn(self) -> Turn | None:
        """The present one, or else the last."""
        return self.talk.turn

    @property
    def awaits_model(self) -> bool:
        """Whether nothing but the model is waited for: a turn runs, no tool of the agent, and nobody is asked."""
        return self.talk.running and self.status == "running" and not self._open_calls

    @property
    def steps_done(self) -> int | None:
        """How many of those planned are over; None without a plan."""
        if self._steps_told is not None:
            return self._steps_told[0]
        return done_steps(self.steps) if self.steps else None

    @property
    def steps_total(self) -> int | None:
        if self._steps_told is not None:
            return self._steps_told[1]
        return len(self.steps) or None

    @property
    def usage(self) -> dict[str, int]:
        """Tokens by kind, of all models and subagents."""
        return self.spending.usage

    @property
    def cost_usd(self) -> float | None:
        # Of the tail of a stream the results are few, but its terminal line has told the sum.
        told, summed = number(self.stats.get("cost_usd")), self.spending.cost_usd
        if summed is None:
            return told
        return round(summed if told is None else max(told, summed), 6)

    def copy(self) -> "RunState":
        """As it is now, while this one goes on."""
        now = {f.name: copy(getattr(self, f.name)) for f in fields(self)}
        parts = {"spending": self.spending.copy(), "_transcript": self._transcript.copy()}
        parts["talk"] = self.talk.copy()
        return replace(self, **now | parts)

    def shown_as(self, status: Status) -> "RunState":
        """This, or of a run whose process is gone, before a line says so: as it is once one does."""
        if status not in TERMINAL_STATUS.values() or self.lifecycle != "running":
            return self
        now = self.copy()
        _leave_off(now, "lost")
        return now

    def apply(self, event: Event, offset: int, *, genuine: bool = True) -> None:
        """Take in one event; `offset` is the one just after its line.

        :param genuine: false for a line that begins or ends an attempt and is not of the one who may write it now
            (`seal`): it does nothing. An end may be that of an attempt before, though, if another
            `workflow_started` follows.
        """
        if event.get("type") == "stream_event":
            self.skip("stream_event", offset)
            if begins_answer(event):
                self.begin_answer(event)
            return
        before, self.offset = self.offset, offset
        if self.lifecycle is None:
            self.lifecycle = "running"
        kind = event.get("type")
        if not isinstance(kind, str):
            kind = "malformed"
        self.event_counts[kind] = self.event_counts.get(kind, 0) + 1
        self.last_event_at = text(event.get("timestamp")) or self.last_event_at
        event = self._transcript.line(event)
        if isinstance(spoken := event.get("type"), str):
            kind = spoken
        step = _STEPS.get(kind)
        if not genuine:
            if kind in TERMINAL_STATUS or kind == PARKED:
                self._foreign_end = event
        elif step is not None:
            step(self, event)
        if genuine and kind in TURN_TYPES:
            self.talk.line(event, before, posted=self.messages)
            if is_kept(event) and self.attempt == 0:
                # A file that no run of ours writes: nobody tells its end, and its session may go on at any time.
                self.idle = self.turn is not None and not self.talk.running

    def begin_answer(self, event: Event) -> None:
        """Take in the `stream_event` that begins an answer: what comes next is another, even under the same id."""
        thread = thread_of(event)
        if last := self._answers.get(thread):
            self._answers[thread] = replace(last, is_over=True)

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
        if self.steps_total is not None:
            stats |= {"steps_done": self.steps_done, "steps_total": self.steps_total}
        if self.published:
            stats["fields"] = self.published
        # What a workflow counts under a name of ours does not replace ours.
        return self.fields | stats


def _started(state: RunState, event: Event) -> None:
    _take_foreign_end(state)
    if state.lifecycle == "running":
        state.spending.end_process(killed=True)  # nobody has told how the last attempt ended
    state.talk.end("lost")
    state.lifecycle = "running"
    state.workflow = text(event.get("workflow"))
    attempt = count(event.get("attempt"))
    state.attempt = state.attempt + 1 if attempt is None else attempt
    state.pid = count(event.get("pid"))
    state.attempt_at = text(event.get("timestamp"))
    state.started_at = state.started_at or state.attempt_at
    state.ended_at = state.duration_s = state.result = state.error = state.reason = None
    state.progress = state.message = state.activity = None
    state.inbox_offset = None
    state.inbox_began = count(event.get("inbox_offset"))
    state.paused = state.idle = state.parked = False
    state.parked_until = None
    state.current_tool = None
    state.steps, state._steps_told = cut_steps(state.steps), None
    state.open_permissions.clear()
    state._open_calls.clear()


def _take_foreign_end(state: RunState) -> None:
    """Another attempt follows, or the same goes on: so it was the word of one who could give it then."""
    event, state._foreign_end = state._foreign_end, None
    if event is not None:
        (_parked if event["type"] == PARKED else _ended)(state, event)


def _parked(state: RunState, event: Event) -> None:
    """The process has ended in order, and what it waited for is waited for still."""
    state._foreign_end = None
    state.parked, state.parked_until = True, text(event.get("until"))
    _take_stats(state, event)
    state.pid = state.current_tool = None
    state.spending.end_process(killed=False)


def _take_stats(state: RunState, event: Event) -> None:
    """What a process tells of its attempt in its last line."""
    stats = event.get("stats")
    state.stats = stats if isinstance(stats, dict) else {}
    state.inbox_offset = count(event.get("inbox_offset"))
    state.attempt = count(state.stats.get("attempt")) or state.attempt
    if state.progress is None:
        state.progress = percent(state.stats.get("progress"))
    if isinstance(told := state.stats.get("fields"), dict):
        state.published = published({}, told)
    done, total = (count(state.stats.get(name)) for name in ("steps_done", "steps_total"))
    state._steps_told = None if done is None or total is None else (done, total)


def _unparked(state: RunState, event: Event) -> None:
    """A new process takes it up; nothing of the attempt is forgotten."""
    _take_foreign_end(state)
    state.parked, state.parked_until, state._steps_told = False, None, None
    state.pid = count(event.get("pid"))
    state.inbox_began = count(event.get("inbox_offset"))


def _ended(state: RunState, event: Event) -> None:
    state._foreign_end = None
    state.lifecycle = TERMINAL_STATUS[event["type"]]
    state.ended_at = text(event.get("timestamp"))
    state.duration_s = number(event.get("duration_s"))
    if state.duration_s is None:
        began, end = from_iso(state.started_at), from_iso(state.ended_at)
        state.duration_s = (end - began).total_seconds() if began and end else None
    state.result, state.error = event.get("result"), event.get("error")
    state.reason = text(event.get("reason"))
    _take_stats(state, event)
    if state.lifecycle == "completed":
        state.progress = 100.0 if state.progress is None else state.progress
    killed = state.reason == "lost" or (
        state.reason == "agent_exit" and event.get("exit_code") != _EXIT_TERMINATED
    )
    state.spending.end_process(killed=killed)
    _leave_off(state, state.reason or state.lifecycle)


def _leave_off(state: RunState, reason: str) -> None:
    """Nothing is under way any more, and nobody is asked."""
    state.talk.end(reason)
    state.paused = state.idle = state.parked = False
    state.parked_until = None
    state.current_tool = state.current_node = None
    state.steps = cut_steps(state.steps)
    state.open_questions.clear()
    state.open_permissions.clear()


def _paused(state: RunState, event: Event) -> None:
    state.paused = event["type"] == "workflow_paused"


def _progress(state: RunState, event: Event) -> None:
    progress = percent(event.get("progress"))
    if progress is not None:
        state.progress = progress
    state.message = text(event.get("message")) or state.message
    if event["type"] == "progress_update":
        state.activity = text(event.get("status")) or state.activity
        state.idle = state.activity == _WAITING
        state.fields.update((k, v) for k, v in event.items() if k not in _COMMON_FIELDS)


def _plan(state: RunState, event: Event) -> None:
    state.steps = planned(state.steps, event)


def _step(state: RunState, event: Event) -> None:
    state.steps = stepped(state.steps, event)
    if event["type"] == "task_progress":
        _progress(state, event)


def _publish(state: RunState, event: Event) -> None:
    state.published = published(state.published, event.get("fields"))


def _node(state: RunState, event: Event) -> None:
    state.steps = stepped(state.steps, event)
    started = event["type"] == "node_started"
    state.current_node = text(event.get("node")) if started else None


def _asked(state: RunState, event: Event) -> None:
    questions = event["type"] == "questions_presented"
    key = text(event.get("question_id" if questions else "request_id"))
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
        state.open_questions.pop(text(event.get("question_id")) or "", None)
    else:
        state.open_permissions.pop(text(event.get("request_id")) or "", None)


def _receipt(state: RunState, event: Event) -> None:
    key, receipt = event.get("message_id"), event.get("state")
    if isinstance(key, str) and isinstance(receipt, str):
        state.messages[key] = receipt
        state.unreceipted.discard(key)
        if receipt == "delivered" or (receipt == "completed" and key not in state.talk.turn_of):
            state.talk.took_in(key)


def _lifecycle(state: RunState, event: Event) -> None:
    """Claude's word on a message: the proof that it was read, should the run process not come to say so."""
    key, step = text(event.get("command_uuid")) or "", text(event.get("state"))
    if step == "cancelled":
        # Taken back before it was read, or its turn was cut short.
        step = "dropped" if state.messages.get(key) == "queued" else "completed"
    receipt = "delivered" if step == "started" else step
    if receipt in ("delivered", "completed", "dropped"):
        _proved(state, key, receipt)


def _proved(state: RunState, key: str, receipt: str) -> None:
    if receipt == "delivered":
        state.talk.took_in(key)
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
        state.session_id = text(event.get("session_id")) or state.session_id
        state.model = text(event.get("model")) or state.model
        state.spending.begin(text(event.get("session_id")) or "")
        _go_on(state)
    elif isinstance(subtype, str) and subtype.startswith("task_"):
        state.subagents = task_told(state.subagents, event)


def _assistant(state: RunState, event: Event) -> None:
    if is_silence(event):
        return
    if not is_of_subagent(event):
        _go_on(state)
        state.talk.error = text(event.get("error"), 200)
    line = event.get("uuid")
    if isinstance(line, str):
        if hash(line) in state._lines:
            return  # what a compaction has kept is told again
        state._lines.add(hash(line))
    answer = _count_answer(state, event)
    if not is_of_subagent(event):
        state.talk.hear(event, goes_on=answer is not None)
    for block in blocks_of(event):
        if answer is not None and answer.tells_again(block, event):
            continue
        if str(block.get("type")).endswith("tool_use"):
            state.tool_calls += 1
        if (
            block.get("type") == "tool_use"
        ):  # others run on the model's side: their results come along
            state.current_tool = text(block.get("name"))
            if not is_of_subagent(event):
                call = text(block.get("id"), 200) or ""
                state._open_calls[call] = state._open_calls.get(call, 0) + 1


def _count_answer(state: RunState, event: Event) -> Answer | None:
    """An answer comes in a line for each of its blocks. Those of subagents do not count, nor what the CLI made up.

    :return: the answer that the line goes on with, as it was before.
    """
    message = event.get("message")
    if not isinstance(message, dict) or message.get("model") == NO_MODEL:
        return None
    session, thread = text(event.get("session_id")) or "", thread_of(event)
    last = state._answers.get(thread)
    goes_on = last is not None and last.goes_on(event)
    if last is not None and goes_on:
        state._answers[thread] = last.told(event)
    else:
        state._answers[thread] = Answer.begun_by(event, last)
    if not goes_on and not is_of_subagent(event):
        state._counted[session] = state._counted.get(session, 0) + 1
        state.turns += 1
    if is_kept(event):
        state.spending.answer(session, thread, message, goes_on=goes_on)
        if not is_of_subagent(event):
            state.session_id = session or state.session_id
            state.model = text(message.get("model")) or state.model
    return last if goes_on else None


def _user(state: RunState, event: Event) -> None:
    if event.get("isReplay") is True:
        _proved(state, text(event.get("uuid")) or "", "delivered")
    thread = thread_of(event)
    results = [b for b in blocks_of(event) if b.get("type") == "tool_result"]
    if results:
        state.current_tool = None
        for block in results:
            call = text(block.get("tool_use_id"), 200) or ""
            left = state._open_calls.pop(call, 0) - 1
            if left > 0:
                state._open_calls[call] = left
        state.subagents = with_result(state.subagents, event, results)
    kind = voice_of(event, posted=is_posted(event, state.messages)).kind
    if is_kept(event) and not is_of_subagent(event) and kind in ("person", "interrupt"):
        if event.get("steered") is not True:
            state.current_tool = None  # what had no result was cut off
    last = state._answers.get(thread)
    if last is not None:
        state._answers[thread] = last.after(results, is_over=kind == "person")


def _result(state: RunState, event: Event) -> None:
    state.current_tool = None
    state.talk.came_to(event.get("result"))
    state._open_calls.clear()
    session = text(event.get("session_id")) or ""
    state.session_id = session or state.session_id
    counted = state._counted.pop(session, 0)
    if last := state._answers.get(session):
        state._answers[session] = replace(last, is_over=True)
    aborted = str(event.get("terminal_reason")).startswith("aborted")
    # Others than Claude may write results, and tell of no answers before. And the turn too many, which was refused,
    # is in this number alone. Else it is not to be trusted: after an interrupt it is too high. Of a command that asks
    # no model it is 0.
    if (not counted and not aborted) or event.get("subtype") == "error_max_turns":
        told = count(event.get("num_turns"))
        state.turns += max(0, (1 if told is None else told) - counted)
    state.spending.add(event)


def _cost_state(state: RunState, event: Event) -> None:
    state.spending.sums(event)


_STEPS = {
    "workflow_started": _started,
    "workflow_completed": _ended,
    "workflow_failed": _ended,
    "workflow_stopped": _ended,
    PARKED: _parked,
    "workflow_unparked": _unparked,
    "workflow_paused": _paused,
    "workflow_resumed": _paused,
    "progress_update": _progress,
    "steps_planned": _plan,
    "fields_published": _publish,
    "task_started": _step,
    "task_progress": _step,
    "task_completed": _step,
    "task_failed": _step,
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
    "cost-state": _cost_state,
}
