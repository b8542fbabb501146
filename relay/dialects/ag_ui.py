"""A turn as a run of AG-UI 1.0, the protocol of `HttpAgent` in npm's `@ag-ui/client`, and what that sends.

The protocol: https://docs.ag-ui.com. Each answer is a run of theirs on the thread of the chat, and the ids are the
client's; a permission or question ends it with an interrupt, and the next one resumes.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runlog import Event, decode, encode

from ..dependencies import Services, Shared, StrictRoute, Who, in_thread
from ..http.callers import Caller
from ..http.problems import Problem
from ..streaming.responses import EventStream
from ..streaming.subscriber import StreamQuery
from .lines import frame
from .turn_fold import Call, Growing, Reason, TurnFold
from .turns import Turn, asked_in, interrupt, reply, run_of, say

__all__ = ["AgUiFold", "router"]

_STATE: dict[str, Any] = {
    "progress": None,
    "message": None,
    "iteration": None,
    "tasks": {},
    "nodes": {},
    "cost_usd": None,
    "result": None,
}
_APPROVAL = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "editedArgs": {"type": "object"}},
    "required": ["approved"],
}
# Events that begin and end a step, with the field that names it.
_STEPS = {
    "node_started": ("node", True),
    "node_completed": ("node", False),
    "task_started": ("task_id", True),
    "task_completed": ("task_id", False),
    "task_failed": ("task_id", False),
}
_CUSTOM = ("reason_card", "log", "error", "countdown_tick", "responses_collected")


@dataclass(unsafe_hash=True, slots=True)
class AgUiFold(TurnFold):
    """`thread` and `run` are the client's names of the chat and of this answer."""

    thread: str = ""
    run: str = ""
    steps: tuple[str, ...] = ()  # begun and not finished
    interrupts: tuple[tuple[str, bytes], ...] = ()  # of what was asked, as JSON

    def begin(self) -> bytes:
        started = _event("RUN_STARTED", threadId=self.thread, runId=self.run)
        if self.answered:  # it goes on, and the client has the state
            return started
        return started + _event("STATE_SNAPSHOT", snapshot={"run_id": self.run_id} | _STATE)

    def say_on(self) -> bytes:
        return b"".join(_event("STEP_STARTED", stepName=step) for step in self.steps)

    def say_step(self, *, first: bool) -> bytes:
        return b""

    def say_start(self, kind: Growing, part: str) -> bytes:
        if kind == "text":
            return _event("TEXT_MESSAGE_START", messageId=part, role="assistant")
        begun = _event("REASONING_START", messageId=part)
        return begun + _event("REASONING_MESSAGE_START", messageId=part, role="reasoning")

    def say_delta(self, kind: Growing, part: str, delta: str) -> bytes:
        name = "TEXT_MESSAGE_CONTENT" if kind == "text" else "REASONING_MESSAGE_CONTENT"
        return _event(name, messageId=part, delta=delta) if delta else b""

    def say_stop(self, kind: Growing, part: str) -> bytes:
        if kind == "text":
            return _event("TEXT_MESSAGE_END", messageId=part)
        ended = _event("REASONING_MESSAGE_END", messageId=part)
        return ended + _event("REASONING_END", messageId=part)

    def say_input_start(self, call_id: str, name: str) -> bytes:
        return _event("TOOL_CALL_START", toolCallId=call_id, toolCallName=name)

    def say_input_delta(self, call_id: str, delta: str) -> bytes:
        return _event("TOOL_CALL_ARGS", toolCallId=call_id, delta=delta) if delta else b""

    def say_call(self, call: Call, *, begun: bool) -> bytes:
        ended = _event("TOOL_CALL_END", toolCallId=call.id)
        if begun:
            return ended
        told = encode(call.input or {}).rstrip().decode()
        args = self.say_input_delta(call.id, told)
        return self.say_input_start(call.id, call.name) + args + ended

    def say_input_cut(self, call_id: str) -> bytes:
        return _event("TOOL_CALL_END", toolCallId=call_id)

    def say_result(self, call_id: str, content: Any, *, is_error: bool) -> bytes:
        text = content if isinstance(content, str) else _plain(content)
        fields = {"messageId": f"result-{call_id}", "toolCallId": call_id, "content": text}
        return _event("TOOL_CALL_RESULT", role="tool", **fields)

    def say_permission(self, request_id: str, call: Call) -> bytes:
        told: Event = {"reason": "tool_call", "message": f"May `{call.name}` run?"}
        told |= {"toolCallId": call.id, "responseSchema": _APPROVAL}
        self.interrupts += ((request_id, encode(told)),)
        return b""

    def say_decision(self, call: Call, *, allowed: bool, extra: bool) -> bytes:
        if allowed and not extra:
            return b""
        return self.say_result(call.id, "allowed" if allowed else "denied", is_error=not allowed)

    def say_question(self, question_id: str, asked: Event) -> bytes:
        questions = [q for q in asked.get("questions") or [] if isinstance(q, dict)]
        texts = [str(q.get("question")) for q in questions]
        schema = {"type": "object", "properties": {t: {"type": "string"} for t in texts}}
        told = {"reason": "input_required", "message": "\n".join(texts), "responseSchema": schema}
        told["metadata"] = {name: asked.get(name) for name in ("questions", "smart_defaults")}
        self.interrupts += ((question_id, encode(told)),)
        return b""

    def say_answers(self, question_id: str, answers: Any) -> bytes:
        return b""

    def say_other(self, event: Event, offset: int) -> bytes:
        kind = str(event.get("type"))
        if event.get("parent_tool_use_id"):
            return _event("CUSTOM", name="subagent", value=event)
        if kind in _CUSTOM:
            return _event("CUSTOM", name=kind, value=event)
        if kind == "progress_update":
            names = ("progress", "message")
            return _patch(*((f"/{name}", event[name]) for name in names if name in event))
        if kind == "result":
            return _patch(("/cost_usd", event.get("total_cost_usd")))
        if kind == "workflow_completed" and event.get("result") is not None:
            return _patch(("/result", event["result"]))
        if kind.startswith("iteration_"):
            return _patch(("/iteration", event.get("iteration")))
        if kind == "task_progress":
            return _patch((_place("tasks", event.get("task_id")), event))
        return self._progress(kind, event) if kind in _STEPS else b""

    def _progress(self, kind: str, event: Event) -> bytes:
        field, begins = _STEPS[kind]
        name = f"{kind.partition('_')[0]} {event.get(field)}"
        told = _patch((_place(f"{kind.partition('_')[0]}s", event.get(field)), event))
        if begins and name not in self.steps:
            self.steps += (name,)
            return _event("STEP_STARTED", stepName=name) + told
        if not begins and name in self.steps:
            self.steps = tuple(step for step in self.steps if step != name)
            return told + _event("STEP_FINISHED", stepName=name)
        return told

    def say_finish(self, reason: Reason) -> bytes:
        frames = b"".join(_event("STEP_FINISHED", stepName=step) for step in self.steps)
        if self.fault:
            kind = {"code": self.how} if self.how else {}
            return frames + _event("RUN_ERROR", message=self.fault, **kind)
        outcome: dict[str, Any] = {"type": "cancelled" if reason == "stopped" else "success"}
        if reason == "asks":
            told = [{"id": key} | (decode(told) or {}) for key, told in self.interrupts]
            interrupts = [one for one in told if one["id"] in self.open_requests]
            outcome = {"type": "interrupt", "interrupts": interrupts}
        ends = {"threadId": self.thread, "runId": self.run, "outcome": outcome}
        return frames + _event("RUN_FINISHED", **ends)


def _event(kind: str, **fields: Any) -> bytes:
    return frame({"type": kind} | fields)


def _patch(*changes: tuple[str, Any]) -> bytes:
    """RFC 6902. `add` to a member that is there replaces it."""
    delta = [{"op": "add", "path": path, "value": value} for path, value in changes]
    return _event("STATE_DELTA", delta=delta) if delta else b""


def _place(within: str, key: object) -> str:
    return f"/{within}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _plain(content: Any) -> str:
    blocks = content if isinstance(content, list) else [content]
    texts = [b.get("text") if isinstance(b, dict) else None for b in blocks]
    if texts and all(isinstance(text, str) for text in texts):
        return "\n".join(str(text) for text in texts)
    return encode({"": content})[4:-2].decode()


class RunAgentInput(BaseModel):
    """What `HttpAgent` sends. `forwardedProps` may have the fields of a start."""

    model_config = ConfigDict(extra="ignore")

    threadId: Annotated[str, Field(min_length=1, max_length=1000)]
    runId: Annotated[str, Field(min_length=1, max_length=1000)]
    messages: list[dict[str, Any]]
    resume: list[dict[str, Any]] = []
    forwardedProps: Any = None


router = APIRouter(prefix="/ag-ui", route_class=StrictRoute, include_in_schema=False)


@router.post("")
async def run_agent(services: Shared, who: Who, asked: RunAgentInput) -> Response:
    """Say what is new on the thread, or resume it, and answer with the turn that this leads to."""
    turn, answered = await in_thread(_take_in, services, who, asked)
    run = run_of(services, asked.threadId)
    fold = AgUiFold(run.run_id, turn, answered, answered, thread=asked.threadId, run=asked.runId)
    query = StreamQuery(after=turn.start)
    return EventStream(services.tails, run, query, services.settings.keepalive_s, fold=fold)


@router.post("/{thread_id:path}/stop")
async def stop(
    services: Shared, who: Who, thread_id: Annotated[str, Path(max_length=1000)]
) -> Response:
    """End the turn. (`abortRun()` alone only ends the listening.)"""
    return await interrupt(services, who, thread_id)


def _take_in(services: Services, who: Caller, asked: RunAgentInput) -> tuple[Turn, frozenset[str]]:
    if asked.resume:
        return reply(services, who, asked.threadId, _replies(services, asked))
    if not asked.messages or asked.messages[-1].get("role") != "user":
        raise Problem(422, "invalid-request", "The last of `messages` must be the person's")
    *earlier, last = asked.messages
    told = [
        {"role": message["role"], "content": said}
        for message in earlier
        if message.get("role") in ("user", "assistant") and message.get("content")
        if (said := _content(message["content"], plain=True).strip())
    ]
    fields = asked.forwardedProps if isinstance(asked.forwardedProps, dict) else {}
    content = _content(last.get("content"))
    message_id = str(last.get("id") or asked.runId)
    return say(services, who, asked.threadId, message_id, content, told, fields), frozenset()


def _replies(services: Services, asked: RunAgentInput) -> list[dict[str, Any]]:
    questions, permissions = asked_in(services, asked.threadId)
    lines: list[dict[str, Any]] = []
    for entry in asked.resume:
        key, payload = entry.get("interruptId"), entry.get("payload")
        given = payload if isinstance(payload, dict) else {}
        if key in permissions:
            allowed = payload is True or given.get("approved") is True
            line = {"type": "permission", "request_id": key}
            lines.append(line | {"decision": "allow" if allowed else "deny"})
            if allowed and given.get("editedArgs") is not None:
                lines[-1]["updated_input"] = given["editedArgs"]
        elif key in questions:
            asked_for = questions[key]
            answers = given or asked_for.get("smart_defaults") or {}
            if isinstance(payload, str):
                listed = asked_for.get("questions") or []
                answers = {str(q.get("question")): payload for q in listed if isinstance(q, dict)}
            lines.append({"type": "answer", "question_id": key, "answers": answers})
        else:
            raise Problem(409, "not-open", f"The interrupt {key!r} is not open (any more)")
    return lines


def _content(content: Any, *, plain: bool = False) -> Any:
    """A message's content as Claude's content blocks, or as text if that is all."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    blocks: list[dict[str, Any]] = []
    for part in parts:
        source = part.get("source") if isinstance(part, dict) else None
        if isinstance(part, dict) and part.get("type") == "text":
            blocks.append({"type": "text", "text": str(part.get("text"))})
        elif isinstance(source, dict) and part["type"] in ("image", "document"):
            told = {"type": "url", "url": source.get("value")}
            if source.get("type") == "data":
                told = {"type": "base64", "media_type": source.get("mimeType")}
                told["data"] = source.get("value")
            blocks.append({"type": part["type"], "source": told})
    if plain or all(block["type"] == "text" for block in blocks):
        return "\n\n".join(block["text"] for block in blocks if block["type"] == "text")
    return blocks
