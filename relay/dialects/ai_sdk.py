"""A turn as the AI SDK's UI message stream, which `useChat` reads, and what `useChat` sends.

The stream: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol. The requests: `HttpChatTransport`
in the npm package `ai`. Tools are said to be dynamic, since the page need not know them, and the provider's, since
they run with the agent; the question tool is neither: it is for the page to answer.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runlog import Event, encode

from ..dependencies import Services, Shared, StrictRoute, Who, in_thread
from ..http.callers import Caller
from ..http.problems import Problem
from ..streaming.responses import EventStream
from ..streaming.subscriber import StreamQuery
from .lines import frame
from .turn_fold import QUESTION_TOOL, Call, Growing, Reason, TurnFold
from .turns import Turn, asked_in, current_turn, interrupt, is_going, reply, run_of, say

__all__ = ["AiSdkFold", "router"]

_DONE = b"data: [DONE]\n\n"
# The header by which the SDK's own servers mark such a stream.
_HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
_REASONS = {"asks": "tool-calls", "stopped": "other", "failed": "error"}
# Of an answer that was done, but not whole.
_CUT_REASONS = {"max_output": "length", "refusal": "content-filter"}
# Our events as data parts, with the field that makes two of them the same part; of the rest each is one of its own.
_PARTS = {
    "progress_update": ("progress", None),
    "task_started": ("task", "task_id"),
    "task_progress": ("task", "task_id"),
    "task_completed": ("task", "task_id"),
    "task_failed": ("task", "task_id"),
    "iteration_started": ("iteration", "iteration"),
    "iteration_completed": ("iteration", "iteration"),
    "node_started": ("node", "node"),
    "node_completed": ("node", "node"),
    "result": ("cost", None),
    "workflow_completed": ("result", None),
}
_SINGLE = {"reason_card": "reason", "log": "log", "error": "log"}
_COST = ("total_cost_usd", "usage", "duration_ms", "num_turns", "subtype")


@dataclass(unsafe_hash=True, slots=True)
class AiSdkFold(TurnFold):
    def begin(self) -> bytes:
        told = {"run_id": self.run_id}
        return _chunk("start", messageId=f"answer-{self.turn.said}", messageMetadata=told)

    def say_on(self) -> bytes:
        return b""

    def say_step(self, *, first: bool) -> bytes:
        return (b"" if first else _chunk("finish-step")) + _chunk("start-step")

    def say_start(self, kind: Growing, part: str) -> bytes:
        return _chunk(f"{kind}-start", id=part)

    def say_delta(self, kind: Growing, part: str, delta: str) -> bytes:
        return _chunk(f"{kind}-delta", id=part, delta=delta)

    def say_stop(self, kind: Growing, part: str) -> bytes:
        return _chunk(f"{kind}-end", id=part)

    def say_input_start(self, call_id: str, name: str) -> bytes:
        return _tool("tool-input-start", call_id, name)

    def say_input_delta(self, call_id: str, delta: str) -> bytes:
        return _chunk("tool-input-delta", toolCallId=call_id, inputTextDelta=delta)

    def say_call(self, call: Call, *, begun: bool) -> bytes:
        return _tool("tool-input-available", call.id, call.name, input=call.input)

    def say_input_cut(self, call_id: str) -> bytes:
        return b""

    def say_result(self, call_id: str, content: Any, *, is_error: bool) -> bytes:
        if not is_error:
            return _chunk("tool-output-available", toolCallId=call_id, output=content)
        text = content if isinstance(content, str) else encode({"": content})[4:-2].decode()
        return _chunk("tool-output-error", toolCallId=call_id, errorText=text)

    def say_permission(self, request_id: str, call: Call) -> bytes:
        return _chunk("tool-approval-request", approvalId=request_id, toolCallId=call.id)

    def say_decision(self, call: Call, *, allowed: bool, extra: bool) -> bytes:
        if not allowed:
            return _chunk("tool-output-denied", toolCallId=call.id)
        if extra:
            output = {"decision": "allow"}
            return _chunk("tool-output-available", toolCallId=call.id, output=output)
        return self.say_call(call, begun=True)  # so that it waits no more, whoever has decided

    def say_question(self, question_id: str, asked: Event) -> bytes:
        told = {name: asked.get(name) for name in ("questions", "smart_defaults", "timeout_s")}
        fields = {"toolCallId": question_id, "toolName": QUESTION_TOOL, "input": told}
        return _chunk("tool-input-available", **fields)

    def say_answers(self, question_id: str, answers: Any) -> bytes:
        return _chunk("tool-output-available", toolCallId=question_id, output=answers)

    def say_other(self, event: Event, offset: int) -> bytes:
        kind = str(event.get("type"))
        if parent := event.get("parent_tool_use_id"):
            message = event.get("message")
            content = message.get("content") if isinstance(message, dict) else None
            told = {"parent_tool_use_id": parent, "role": kind, "content": content}
            return _chunk("data-subagent", id=f"subagent-{offset}", data=told)
        if kind == "countdown_tick":
            return _chunk("data-countdown", data=event, transient=True)
        if kind in _SINGLE:
            name = _SINGLE[kind]
            return _chunk(f"data-{name}", id=f"{name}-{offset}", data=event)
        if kind not in _PARTS or (kind == "workflow_completed" and event.get("result") is None):
            return b""
        name, key = _PARTS[kind]
        data = {field: event.get(field) for field in _COST} if name == "cost" else event
        return _chunk(f"data-{name}", id=f"{name}-{event.get(key)}" if key else name, data=data)

    def say_finish(self, reason: Reason) -> bytes:
        step = b"" if self.message is None else _chunk("finish-step")
        if self.fault:  # ends the client's reading: it has to be the last
            return step + _chunk("error", errorText=self.fault) + _DONE
        told = _CUT_REASONS.get(self.how, "stop") if reason == "done" else _REASONS[reason]
        return step + _chunk("finish", finishReason=told) + _DONE


def _chunk(kind: str, **fields: Any) -> bytes:
    return frame({"type": kind} | fields)


def _tool(kind: str, call_id: str, name: str, **fields: Any) -> bytes:
    told = {"toolCallId": call_id, "toolName": name, "dynamic": True, "providerExecuted": True}
    return _chunk(kind, **told, **fields)


class Chat(BaseModel):
    """What `useChat` sends, with what the page adds to its `body`: the fields of a start."""

    model_config = ConfigDict(extra="allow")

    id: Annotated[str, Field(min_length=1, max_length=1000)]
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    trigger: str = "submit-message"


router = APIRouter(prefix="/ai-sdk", route_class=StrictRoute, include_in_schema=False)
ChatId = Annotated[str, Path(max_length=1000)]


@router.post("")
async def send(services: Shared, who: Who, chat: Chat) -> Response:
    """Say what is new in the chat, and answer with the turn it leads to."""
    turn, answered = await in_thread(_take_in, services, who, chat)
    return _stream(services, chat.id, turn, answered)


@router.get("/{chat_id:path}/stream")
async def reconnect(services: Shared, chat_id: ChatId) -> Response:
    """The turn that is going on, from its start; 204 if none is."""
    run = run_of(services, chat_id)
    if not await in_thread(is_going, services, run):
        return Response(status_code=204)
    return _stream(services, chat_id, await in_thread(current_turn, run), frozenset())


@router.post("/{chat_id:path}/stop")
async def stop(services: Shared, who: Who, chat_id: ChatId) -> Response:
    """End the turn. (`stop()` of `useChat` alone only ends the listening.)"""
    return await interrupt(services, who, chat_id)


def _stream(services: Services, chat_id: str, turn: Turn, answered: frozenset[str]) -> Response:
    run = run_of(services, chat_id)
    fold = AiSdkFold(run.run_id, turn, answered, answered)
    query = StreamQuery(after=turn.start)
    keepalive_s = services.settings.keepalive_s
    return EventStream(services.tails, run, query, keepalive_s, 200, _HEADERS, fold)


def _take_in(services: Services, who: Caller, chat: Chat) -> tuple[Turn, frozenset[str]]:
    last = chat.messages[-1]
    if last.get("role") == "assistant":
        return _answer(services, who, chat, last)
    message_id = str(last.get("id") or secrets.token_hex(8))
    if chat.trigger == "regenerate-message":
        message_id = secrets.token_hex(8)  # what was said is said again: a run forgets nothing
    earlier = [
        {"role": message.get("role"), "content": said}
        for message in chat.messages[:-1]
        if (said := _plain(message).strip())
    ]
    asked = chat.model_extra or {}
    return say(services, who, chat.id, message_id, _content(last), earlier, asked), frozenset()


def _answer(
    services: Services, who: Caller, chat: Chat, message: dict[str, Any]
) -> tuple[Turn, frozenset[str]]:
    """Hand on the approvals and answers that are in the agent's last message, of what is still open."""
    questions, permissions = asked_in(services, chat.id)
    lines = []
    for part in _dicts(message.get("parts")):
        approval = part.get("approval")
        if isinstance(approval, dict) and approval.get("id") in permissions:
            if not isinstance(approval.get("approved"), bool):
                continue
            line = {"type": "permission", "request_id": approval["id"]}
            line["decision"] = "allow" if approval["approved"] else "deny"
            if isinstance(approval.get("reason"), str) and not approval["approved"]:
                line["message"] = approval["reason"]
        elif part.get("toolCallId") in questions and part.get("state") == "output-available":
            line = {"type": "answer", "question_id": part["toolCallId"]}
            line["answers"] = _answers(part.get("output"), questions[part["toolCallId"]])
        else:
            continue
        lines.append(line)
    return reply(services, who, chat.id, lines)


def _answers(output: Any, asked: Event) -> dict[str, Any]:
    """`{question: answer}`, perhaps under `answers`; or one answer to all that was asked."""
    if isinstance(output, dict):
        inner = output.get("answers")
        return inner if isinstance(inner, dict) else output
    return {str(q.get("question")): output for q in _dicts(asked.get("questions"))}


def _content(message: dict[str, Any]) -> str | list[dict[str, Any]]:
    """The parts of a message as Claude's content blocks, or as the text if that is all. :raises Problem: 422."""
    blocks = []
    for part in _dicts(message.get("parts")):
        if part.get("type") == "text":
            blocks.append({"type": "text", "text": str(part.get("text"))})
        elif part.get("type") == "file":
            blocks.append(_file(str(part.get("mediaType")), str(part.get("url"))))
    if all(block["type"] == "text" for block in blocks):
        return "\n\n".join(block["text"] for block in blocks)
    return blocks


def _file(media_type: str, url: str) -> dict[str, Any]:
    head, _, data = url.partition(";base64,")
    kind = "image" if media_type.startswith("image/") else "document"
    if not data or not head.startswith("data:"):
        source = {"type": "url", "url": url}
    elif media_type.startswith("text/"):
        try:
            return {"type": "text", "text": base64.b64decode(data).decode(errors="replace")}
        except ValueError:
            raise Problem(422, "invalid-request", "The file is no base64 data URL") from None
    else:
        source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": kind, "source": source}


def _plain(message: dict[str, Any]) -> str:
    parts = _dicts(message.get("parts"))
    return "\n\n".join(str(part.get("text")) for part in parts if part.get("type") == "text")


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
