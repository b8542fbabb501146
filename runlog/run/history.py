"""Fold Claude's lines into a chat: who said what, with each tool call beside its result. Pure: no files, no clock.

A chat is what the person and the main agent said. Lines of subagents (`parent_tool_use_id`) are left out, since the
result of their tool call tells what came of them; so are lines that the CLI wrote in the person's name.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..disk.records import Event

__all__ = ["ChatHistory", "ChatMessage", "ToolCall", "earlier_text", "may_speak"]

Role = Literal["user", "assistant"]

# Kept of a text: an answer is shorter, a tool result that is longer belongs into a file.
_TEXT_CHARS = 64 * 1024


@dataclass(slots=True)
class ToolCall:
    """`result` is None until it came. Both it and long texts in `input` are cut at 64 Ki characters."""

    id: str
    name: str
    input: Any
    result: str | None = None
    is_error: bool = False


@dataclass(slots=True)
class ChatMessage:
    """`offset` is after the first line of it, `message_id` Claude's id, or the inbox's of what a person said."""

    role: Role
    content: str
    timestamp: str | None
    offset: int
    message_id: str | None
    thinking: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        """As plain JSON data. A person's message has neither thinking nor tool calls."""
        view = asdict(self)
        if self.role == "user":
            del view["thinking"], view["tool_calls"]
        return view


class ChatHistory:
    """The newest `limit` messages of the events that were applied, in the order in which they began.

    :param earlier: what was said before the run, `{role, content}` each, as `chat_history` has it.
    """

    def __init__(self, limit: int, earlier: Sequence[Any] = ()) -> None:
        self.dropped = 0
        self._limit = limit
        self._earlier = earlier
        self._earlier_text = earlier_text(earlier)
        self._messages: OrderedDict[str, ChatMessage] = OrderedDict()
        self._calls: dict[str, ToolCall] = {}

    @property
    def messages(self) -> list[ChatMessage]:
        return list(self._messages.values())

    def begin(self) -> None:
        """Take in what was said before the run. Its offset is 0."""
        for number, said in enumerate(self._earlier):
            if isinstance(said, dict) and said.get("role") in ("user", "assistant"):
                text = _plain(said.get("content"))
                self._add(f"earlier {number}", ChatMessage(said["role"], text, None, 0, None))

    def apply(self, event: Event, offset: int) -> None:
        """Take in one event; `offset` is the one just after its line."""
        if event.get("parent_tool_use_id"):
            return
        message = event.get("message")
        if not isinstance(message, dict):
            return
        if event.get("type") == "assistant":
            self._assistant(event, message, offset)
        elif event.get("type") == "user":
            self._user(event, message, offset)

    def _assistant(self, event: Event, message: Event, offset: int) -> None:
        # One message of the model comes as a line for each of its blocks.
        message_id = _text(message.get("id"))
        key = f"assistant {message_id or offset}"
        told = self._messages.get(key)
        if told is None:
            timestamp = _text(event.get("timestamp"))
            told = self._add(key, ChatMessage("assistant", "", timestamp, offset, message_id))
        for block in _blocks(message.get("content")):
            kind = _text(block.get("type")) or ""
            if kind == "text":
                told.content = _joined(told.content, block.get("text"))
            elif kind == "thinking":
                told.thinking = _joined(told.thinking or "", block.get("thinking")) or None
            elif kind.endswith("tool_use"):
                self._call(told, block)
            elif kind.endswith("tool_result"):  # of a tool that ran on the model's side
                self._result(block)

    def _user(self, event: Event, message: Event, offset: int) -> None:
        said = []
        for block in _blocks(message.get("content")):
            if block.get("type") == "tool_result":
                self._result(block)
            # What the agent was told of before is no message of its own.
            elif not self._earlier_text or block.get("text") != self._earlier_text:
                said.append(block)
        if not said or event.get("isSynthetic") is True or event.get("isMeta") is True:
            return
        message_id = _text(event.get("uuid"))
        key = f"user {message_id or offset}"
        if key not in self._messages:  # a message is told again when a later attempt finds it read
            timestamp = _text(event.get("timestamp"))
            self._add(key, ChatMessage("user", _plain(said), timestamp, offset, message_id))

    def _add(self, key: str, message: ChatMessage) -> ChatMessage:
        self._messages[key] = message
        while len(self._messages) > self._limit:
            _, oldest = self._messages.popitem(last=False)
            self.dropped += 1
            for call in oldest.tool_calls:
                self._calls.pop(call.id, None)
        return message

    def _call(self, told: ChatMessage, block: Event) -> None:
        call_id = _text(block.get("id")) or f"call-{len(told.tool_calls)}"
        if any(call.id == call_id for call in told.tool_calls):
            return
        call = ToolCall(call_id, _text(block.get("name")) or "", _cut(block.get("input")))
        told.tool_calls.append(call)
        self._calls[call_id] = call

    def _result(self, block: Event) -> None:
        call = self._calls.get(_text(block.get("tool_use_id")) or "")
        if call is not None:
            call.result = _plain(block.get("content"))
            call.is_error = block.get("is_error") is True


def earlier_text(earlier: Sequence[Any]) -> str:
    """How an agent is told what was said before the run; empty if nothing was."""
    said = [
        f"{turn.get('role', 'user')}: {_plain(turn.get('content'))}"
        for turn in earlier
        if isinstance(turn, dict)
    ]
    if not said:
        return ""
    return "The conversation so far:\n\n" + "\n\n".join(said) + "\n\nIt goes on:"


def may_speak(line: bytes) -> bool:
    """Whether a line could belong to the chat: a cheap test, before parsing it."""
    if line.startswith(b'{"type":"stream_event"'):  # most of a stream is partial text
        return False
    return b'"assistant"' in line or b'"user"' in line


def _blocks(content: object) -> list[Event]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _plain(content: object) -> str:
    """The text of blocks; what is no text shows as `[image]`, by its type."""
    parts = []
    for block in _blocks(content):
        text = block.get("text")
        parts.append(text if isinstance(text, str) else f"[{_text(block.get('type')) or '?'}]")
    return "\n".join(parts)[:_TEXT_CHARS]


def _joined(before: str, more: object) -> str:
    text = more if isinstance(more, str) else ""
    return (f"{before}\n\n{text}" if before and text else before + text)[:_TEXT_CHARS]


def _cut(value: Any) -> Any:
    """The input of a tool, with its texts cut."""
    if isinstance(value, str):
        return value[:_TEXT_CHARS]
    if isinstance(value, dict):
        return {key: _cut(item) if isinstance(item, str) else item for key, item in value.items()}
    return value


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None
