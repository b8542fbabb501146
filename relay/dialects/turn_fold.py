"""Fold the lines of one turn for a protocol of chats. Pure: lines in, frames out. A subclass knows how to say things.

One answer of such a protocol is one turn of the run. It ends before that where a person is asked, since these clients
send what he says with their next request. So a fold always begins where the turn does, and if the request continues
an answer, nothing is told until the line that it answers has gone by.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

from runlog import Event, Record, Status, decode, encode
from runlog.disk.tail import Chunk, records_of
from runlog.run.events import TERMINAL_STATUS
from runlog.run.reasons import finish_reason
from runlog.run.values import blocks_of
from runlog.run.voice import is_error_line, is_silence

from ..streaming.sse import KEEPALIVE
from .turns import Turn, begins

__all__ = ["QUESTION_TOOL", "Call", "Growing", "Reason", "TurnFold"]

# Claude's own name: its call is told as `questions_presented`, which has the id that an answer needs.
QUESTION_TOOL = "AskUserQuestion"

Growing = Literal["text", "reasoning"]
Reason = Literal["done", "asks", "stopped", "failed"]
_Block = tuple[int, Growing | Literal["tool"], str]  # index, kind, id
# Blocks of a message that grow: what they are, the type of their deltas, and the field with the text.
_GROWING: dict[str, tuple[Growing, str, str]] = {
    "text": ("text", "text_delta", "text"),
    "thinking": ("reasoning", "thinking_delta", "thinking"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool. `told_input` is its input as JSON: what is in a state must be hashable."""

    id: str
    name: str
    told_input: bytes

    @property
    def input(self) -> Any:
        return (decode(self.told_input) or {}).get("input")


@dataclass(frozen=True, slots=True)
class _Asked:
    """An open permission. `extra`: its call is told for its sake alone, since the turn has none like it."""

    request_id: str
    call: Call
    extra: bool


@dataclass(unsafe_hash=True, slots=True)
class TurnFold:
    """A state, never changed once it was handed out."""

    run_id: str
    turn: Turn
    answered: frozenset[str] = frozenset()  # requests that the client's own request decides
    unseen: frozenset[str] = (
        frozenset()
    )  # those of them that were not asked yet: until then nothing is told
    begun: bool = False
    over: bool = False
    message: str | None = None  # of the model
    grows: bool = False  # the message comes as `stream_event` lines too
    blocks: tuple[_Block, ...] = ()  # begun and not ended
    calls: tuple[Call, ...] = ()  # without a result so far
    hidden: frozenset[str] = (
        frozenset()
    )  # calls that are not told, or whose outcome was told before
    asked: tuple[_Asked, ...] = ()
    questions: frozenset[str] = frozenset()
    fault: str = ""
    error: str | None = None  # the kind of what the CLI told in the model's place
    how: str = ""  # the turn has ended, in a word for programs: see `finish_reason`

    # What a protocol says. Each returns frames, and may be empty.

    def begin(self) -> bytes:
        """Before any line. Also of an answer that goes on."""
        raise NotImplementedError

    def say_on(self) -> bytes:
        """An answer that goes on is told from here."""
        raise NotImplementedError

    def say_step(self, *, first: bool) -> bytes:
        """A message of the model begins."""
        raise NotImplementedError

    def say_start(self, kind: Growing, part: str) -> bytes:
        raise NotImplementedError

    def say_delta(self, kind: Growing, part: str, delta: str) -> bytes:
        raise NotImplementedError

    def say_stop(self, kind: Growing, part: str) -> bytes:
        raise NotImplementedError

    def say_input_start(self, call_id: str, name: str) -> bytes:
        raise NotImplementedError

    def say_input_delta(self, call_id: str, delta: str) -> bytes:
        raise NotImplementedError

    def say_call(self, call: Call, *, begun: bool) -> bytes:
        """With its whole input. `begun`: it has grown before, by `say_input_delta`."""
        raise NotImplementedError

    def say_input_cut(self, call_id: str) -> bytes:
        """What has grown will not be whole."""
        raise NotImplementedError

    def say_result(self, call_id: str, content: Any, *, is_error: bool) -> bytes:
        raise NotImplementedError

    def say_permission(self, request_id: str, call: Call) -> bytes:
        raise NotImplementedError

    def say_decision(self, call: Call, *, allowed: bool, extra: bool) -> bytes:
        raise NotImplementedError

    def say_question(self, question_id: str, asked: Event) -> bytes:
        raise NotImplementedError

    def say_answers(self, question_id: str, answers: Any) -> bytes:
        raise NotImplementedError

    def say_other(self, event: Event, offset: int) -> bytes:
        """An event of ours, of a subagent or of Claude's `result`."""
        raise NotImplementedError

    def say_finish(self, reason: Reason) -> bytes:
        """What comes last; `fault` says what went wrong, if anything has, and `how` of which kind it was."""
        raise NotImplementedError

    # The fold.

    @property
    def outlasts(self) -> bool:
        return False

    @property
    def always(self) -> bool:
        return False

    def quiet(self) -> bytes:
        return KEEPALIVE

    def mark(self, offset: int, *, at_end: bool) -> bytes:
        return b""  # these protocols have no cursor

    def take(self, chunk: Chunk) -> "tuple[bytes, TurnFold]":
        frames, now = b"", self
        for record in records_of(chunk):
            if now.over:
                break
            more, now = now._after(record)
            frames += more
        return frames, now

    def _after(self, record: Record) -> "tuple[bytes, TurnFold]":
        now = copy(self)
        frames = now._apply(record.event(), record.offset)
        if self.unseen and not now.over:
            frames = b""
            if not now.unseen:
                # To this client nothing has begun. What was in the midst of growing comes in one piece.
                now.blocks, now.grows = (), False
                frames = now.say_on()
        # What was asked before the client came may be answered in what he has not read yet.
        if now.open_requests and record.offset >= now.turn.known and not now.over:
            frames += now._finish("asks")
        return frames, now

    @property
    def open_requests(self) -> frozenset[str]:
        """Permissions and questions that wait for an answer the client has not given."""
        open_ones = {asked.request_id for asked in self.asked} | self.questions
        return frozenset(open_ones) - self.answered

    def end(self, offset: int, status: Status) -> bytes:
        """Of a run that ended without a word: its process died."""
        now = copy(self)
        now.fault = "" if status in ("completed", "stopped") else f"the run has {status}"
        return now._finish("failed" if now.fault else "done")

    def reset(self, reason: str) -> "tuple[bytes, TurnFold]":
        now = copy(self)
        now.fault = reason
        return now._finish("failed"), now

    def _apply(self, event: Event, offset: int) -> bytes:
        kind = _text(event.get("type"))
        if not self.begun and not self._begins(event):
            if kind == "message_received" and event.get("message_id") == self.turn.said:
                return self._receipt(event)
            return self._end(event) if kind in TERMINAL_STATUS and offset > self.turn.known else b""
        if event.get("parent_tool_use_id"):
            return self.say_other(event, offset) if kind in ("assistant", "user") else b""
        if kind in TERMINAL_STATUS:
            return self.say_other(event, offset) + self._end(event)
        if kind == "progress_update" and event.get("status") == "waiting":
            return self._finish("done")
        match kind:
            case "stream_event":
                return self._grow(_object(event.get("event")))
            case "assistant":
                return self._assistant(event, offset)
            case "user":
                blocks = _blocks(_object(event.get("message")).get("content"))
                return b"".join(map(self._result, blocks))
            case "result":
                self._ends(event)
            case "permission_requested":
                return self._ask(event)
            case "permission_resolved":
                return self._decided(event)
            case "questions_presented":
                question = _text(event.get("question_id"))
                self.questions |= {question}
                self.unseen -= {question}
                return self.say_question(question, event)
            case "responses_collected":
                question = _text(event.get("question_id"))
                known, self.questions = self.questions, self.questions - {question}
                return (
                    self.say_answers(question, event.get("answers")) if question in known else b""
                )
            case "message_received" if event.get("message_id") == self.turn.said:
                return self._receipt(event)
            case "command_lifecycle" if event.get("command_uuid") == self.turn.said:
                return self._finish("done") if event.get("state") in _OVER else b""
        return self.say_other(event, offset)

    def _begins(self, event: Event) -> bool:
        said = begins(event)
        if said == "" and event.get("attempt", 1) == 1:
            said = f"prompt-{self.run_id}"
        self.begun = self.turn.said == said
        return self.begun

    def _receipt(self, event: Event) -> bytes:
        if event.get("state") == "dropped":
            self.fault = f"the message was not taken: {_text(event.get('reason'))}"
            return self._finish("failed")
        return self._finish("done") if event.get("state") == "completed" else b""

    def _grow(self, event: Event) -> bytes:
        index = event.get("index")
        at = index if isinstance(index, int) else 0
        match event.get("type"):
            case "message_start":
                frames = self._step(_text(_object(event.get("message")).get("id")))
                self.grows = True
                return frames
            case "content_block_start":
                return self._open(at, _object(event.get("content_block")))
            case "content_block_stop":  # a call has ended when it is there whole
                return self._close(lambda block: block[0] == at and block[1] != "tool")
        delta = _object(event.get("delta"))
        for number, kind, part in self.blocks:
            if number != at:
                continue
            if kind == "tool" and delta.get("type") == "input_json_delta":
                return self.say_input_delta(part, _text(delta.get("partial_json")))
            for name, delta_type, field in _GROWING.values():
                if kind == name and delta.get("type") == delta_type:
                    return self.say_delta(name, part, _text(delta.get(field)))
        return b""

    def _open(self, index: int, block: Event) -> bytes:
        kind = _text(block.get("type"))
        if kind in _GROWING:
            name, _, field = _GROWING[kind]
            part = f"{self.message}-{index}"
            self.blocks += ((index, name, part),)
            said = _text(block.get(field))
            return self.say_start(name, part) + (self.say_delta(name, part, said) if said else b"")
        if not kind.endswith("tool_use") or block.get("name") == QUESTION_TOOL:
            return b""
        call_id = _text(block.get("id"))
        self.blocks += ((index, "tool", call_id),)
        return self.say_input_start(call_id, _text(block.get("name")))

    def _close(self, ends: Callable[[_Block], bool] = lambda _: True) -> bytes:
        frames = b""
        for _, kind, part in filter(ends, self.blocks):
            if kind == "tool":
                frames += self.say_input_cut(part)
            else:
                frames += self.say_stop(kind, part)
        self.blocks = tuple(block for block in self.blocks if not ends(block))
        return frames

    def _step(self, message: str) -> bytes:
        frames = self._close()
        first, self.message, self.grows = self.message is None, message, False
        return frames + self.say_step(first=first)

    def _ends(self, result: Event) -> None:
        """By its result, a turn whose model could not answer at first may have come to an answer all the same."""
        self.how, self.error = finish_reason(result, self.error), None
        if result.get("is_error") is not True or self.how == "interrupted":
            self.fault = ""
            return
        errors = result.get("errors")
        told = (
            "; ".join(e for e in errors if isinstance(e, str)) if isinstance(errors, list) else ""
        )
        self.fault = _text(result.get("result")) or told or _text(result.get("subtype")) or self.how

    def _assistant(self, event: Event, offset: int) -> bytes:
        if is_silence(event):
            return b""
        if is_error_line(event):  # not the agent's words
            told = "\n".join(_text(block.get("text")) for block in blocks_of(event))
            self.error = _text(event.get("error")) or None
            self.fault = told.strip() or self.error or "the model could not answer"
            return self._close()
        message = _object(event.get("message"))
        # One message of the model comes as a line for each of its blocks; what has grown was told.
        told = _text(message.get("id")) or f"message-{offset}"
        frames = b"" if told == self.message else self._step(told)
        for number, block in enumerate(_blocks(message.get("content"))):
            kind = _text(block.get("type"))
            if kind in _GROWING and not self.grows:
                index = offset * 1000 + number
                frames += self._open(index, block)
                frames += self._close(lambda begun, index=index: begun[0] == index)  # type: ignore[misc]
            elif kind.endswith("tool_use"):
                frames += self._call(block)
            elif kind.endswith("tool_result"):  # of a tool that ran on the model's side
                frames += self._result(block)
        return frames

    def _call(self, block: Event) -> bytes:
        call_id, name = _text(block.get("id")), _text(block.get("name"))
        if name == QUESTION_TOOL:
            self.hidden |= {call_id}
            return b""
        call = Call(call_id, name, encode({"input": block.get("input")}))
        begun = any(part == call_id for _, _, part in self.blocks)
        self.blocks = tuple(block for block in self.blocks if block[2] != call_id)
        self.calls += (call,)
        return self.say_call(call, begun=begun)

    def _result(self, block: Event) -> bytes:
        call_id = _text(block.get("tool_use_id"))
        is_known = any(call.id == call_id for call in self.calls)
        self.calls = tuple(call for call in self.calls if call.id != call_id)
        if call_id in self.hidden or not is_known:
            self.hidden -= {call_id}
            return b""  # to name a call that it does not know ends the reading of some clients
        is_error = block.get("is_error") is True
        return self.say_result(call_id, block.get("content"), is_error=is_error)

    def _ask(self, event: Event) -> bytes:
        request, name = _text(event.get("request_id")), _text(event.get("tool_name"))
        own = Call(request, name, encode({"input": event.get("input")}))
        if by_id := event.get("tool_use_id"):
            same = [call for call in self.calls if call.id == by_id]
        else:  # the line is of before there were any
            alike = (name, own.told_input)
            same = [call for call in self.calls if (call.name, call.told_input) == alike]
        call = same[0] if same else own
        self.asked += (_Asked(request, call, not same),)
        self.unseen -= {request}
        frames = b"" if same else self.say_call(call, begun=False)
        return frames + self.say_permission(request, call)

    def _decided(self, event: Event) -> bytes:
        found = [asked for asked in self.asked if asked.request_id == event.get("request_id")]
        if not found:
            return b""
        asked, allowed = found[0], event.get("decision") == "allow"
        self.asked = tuple(one for one in self.asked if one is not asked)
        if not (allowed or asked.extra):
            self.hidden |= {asked.call.id}
        return self.say_decision(asked.call, allowed=allowed, extra=asked.extra)

    def _end(self, event: Event) -> bytes:
        status = TERMINAL_STATUS[str(event["type"])]
        if status == "failed":
            self.fault = self.fault or _text(event.get("error")) or "the run failed"
            self.how = _text(event.get("reason")) or self.how
        return self._finish("stopped" if status == "stopped" else "done")

    def _finish(self, reason: Reason) -> bytes:
        frames = self._close()
        self.over = True
        if reason == "done" and self.how == "interrupted":
            reason = "stopped"
        return frames + self.say_finish("failed" if self.fault else reason)


_OVER = ("completed", "cancelled")


def _object(value: object) -> Event:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _blocks(content: object) -> list[Event]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
