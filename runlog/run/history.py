"""Fold Claude's lines into a chat: who said what, with each tool call beside its result. Pure: no files, no clock.

A chat is what the person and the main agent said. Lines of subagents are left out, since the
result of their tool call tells what came of them. What the CLI wrote in the person's name is told as what it is: a
command and its output, a compaction, an interrupt, what a background task tells (see `voice`). So is what it wrote
in the model's, where that could not answer.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..disk.records import Event
from .answer import BEGINS_ANSWER, Answer, begins_answer
from .transcript import Transcript
from .values import blocks_of, count, text
from .voice import (
    Voice,
    is_error_line,
    is_of_subagent,
    is_posted,
    is_silence,
    local_command,
    voice_of,
)

__all__ = [
    "ChatHistory",
    "ChatMessage",
    "ToolCall",
    "Words",
    "earlier_text",
    "may_speak",
    "result_of",
]

Role = Literal["user", "assistant", "system"]
Kind = Literal["message", "command", "compaction", "interrupt", "task", "error"]
# What a person said, by the id of the message: as it was posted. None if it is not known.
Words = Callable[[str], str | list[Any] | None]

# Kept of a text: an answer is shorter, a tool result that is longer belongs into a file.
_TEXT_CHARS = 64 * 1024
_ID_CHARS = 200
# So many messages may be told merged with those before them.
_MERGED_MESSAGES = 50
_COMPACT = "/compact"
_COMPACTED = re.compile(r"\s*(?:\x1b\[\d*m)*Compacted\b")
# What a switch of the model gives, also one that was asked for by no command.
_MODEL = "/model"
_MODEL_SET = re.compile(r"\s*Set model to\b")


@dataclass(slots=True)
class ToolCall:
    """`result` is None until it came. Both it and long texts in `input` are cut at 64 Ki characters."""

    id: str
    name: str
    input: Any
    result: str | None = None
    is_error: bool = False
    line: tuple[int, str | None] = (0, None)  # that told it: offset and uuid


@dataclass(slots=True)
class ChatMessage:
    """`offset` is after the first line of it, `message_id` Claude's id, or the inbox's of what a person said.

    `content` is what was said; of a `command` as it was typed, of a `compaction` its summary. The fields from
    `thinking` on are of some kinds only: see `view`.
    """

    role: Role
    content: str
    timestamp: str | None
    offset: int
    message_id: str | None
    kind: Kind = "message"
    thinking: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    output: str | None = None  # of a command
    is_error: bool = False
    command: str | None = None  # that asked for a compaction; None: the CLI made it by itself
    tokens_before: int | None = None
    tokens_after: int | None = None
    source: str | None = None  # of an interrupt: `person`, `stop`, or None for nobody that is known

    def view(self) -> dict[str, Any]:
        """As plain JSON data, with the fields of its kind."""
        names = ["role", "kind", "content", "timestamp", "offset", "message_id"]
        if self.role == "assistant":
            names += ["thinking"]
        view = {name: getattr(self, name) for name in (*names, *_OF_KIND[self.kind])}
        if self.role == "assistant":
            view["tool_calls"] = [
                {n: getattr(call, n) for n in ("id", "name", "input", "result", "is_error")}
                for call in self.tool_calls
            ]
        return view


_OF_KIND: dict[Kind, tuple[str, ...]] = {
    "message": (),
    "command": ("output", "is_error"),
    "compaction": ("command", "tokens_before", "tokens_after"),
    "interrupt": ("source",),
    "task": ("is_error",),
    "error": (),
}


class ChatHistory:
    """The newest `limit` messages of the events that were applied, in the order in which they began.

    :param earlier: what was said before the run, `{role, content}` each, as `chat_history` has it.
    :param words: what a person posted. Without it his words are those that the CLI tells; of messages that it has
        taken together, what each adds to those before.
    """

    def __init__(
        self, limit: int, earlier: Sequence[Any] = (), words: Words = lambda message_id: None
    ) -> None:
        self.dropped = 0
        self._limit = limit
        self._earlier = earlier
        self._earlier_text = earlier_text(earlier)
        self._words = words
        self._transcript = Transcript()
        self._messages: OrderedDict[str, ChatMessage] = OrderedDict()
        self._calls: dict[str, list[tuple[ChatMessage, ToolCall]]] = {}
        self._answers: dict[str, tuple[Answer, ChatMessage]] = {}  # by session: its present one
        self._lines: set[int] = set()  # the answers' lines: the CLI may tell one again
        self._command: ChatMessage | None = None  # whose name or output is still to come
        self._compaction: ChatMessage | None = None  # whose summary or command is still to come
        self._recent: list[tuple[str | None, list[Event]]] = []  # messages since the last answer
        self._together: list[str] | None = None  # ids that the CLI says it took together
        self._ender: str | None = None  # what may have asked for the turn to end
        self._queued: set[str] = set()
        self._posted: set[str] = set()  # ids of messages that had a receipt
        self._heard: set[str] = set()  # ids of `user` lines that said something
        self.unheard: list[ChatMessage] = []  # see `apply`
        # Ends of background tasks, by id: how often the one kind of lines told it more than the other
        self._ends: Counter[str] = Counter()
        self._has_receipts = False  # a transcript of others has none

    @property
    def messages(self) -> list[ChatMessage]:
        return list(self._messages.values())

    def take(self, keep: int) -> list[ChatMessage]:
        """Hand out the oldest messages once there are twice as many as `keep`, and forget them but for those.

        What comes later can't change them any more.
        """
        if len(self._messages) < 2 * keep:
            return []
        return [self._forget() for _ in range(len(self._messages) - keep)]

    def begin(self) -> None:
        """Take in what was said before the run. Its offset is 0."""
        for number, said in enumerate(self._earlier):
            if isinstance(said, dict) and said.get("role") in ("user", "assistant"):
                told = _plain(_blocks(said.get("content")))
                self._add(f"earlier {number}", ChatMessage(said["role"], told, None, 0, None))

    def apply(self, event: Event, offset: int) -> ChatMessage | None:
        """Take in one event; `offset` is the one just after its line.

        `unheard` are then messages before it that the CLI did not give back: this line answers them.

        :return: the message that it began or went on with, if it said something.
        """
        self.unheard = []
        event = self._transcript.line(event)
        kind = event.get("type")
        if is_of_subagent(event):
            return None
        if kind == "assistant" and isinstance(event.get("message"), dict):
            return self._assistant(event, offset)
        if kind == "user" and isinstance(event.get("message"), dict):
            return self._user(event, offset)
        if kind == "system":
            return self._system(event, offset)
        if kind == "result":
            return self._result_line(event)
        if kind == "stream_event":
            if begins_answer(event):
                self._end_answers(event, is_over=True)
        elif kind == "message_received":
            self._receipt(event)
        elif isinstance(kind, str) and kind.startswith("workflow_"):
            self._has_receipts = True
            self._ender = self._command = self._compaction = None
        return None

    def _assistant(self, event: Event, offset: int) -> ChatMessage | None:
        line = event.get("uuid")
        if isinstance(line, str):
            if hash(line) in self._lines:
                return None  # what a compaction has kept is told again
            self._lines.add(hash(line))
        if (name := local_command(event)) is not None:
            return self._output(Voice("output", _plain(blocks_of(event))), event, offset, name)
        if is_silence(event):
            return None
        self._recent.clear()
        self._command = self._compaction = None
        if is_error_line(event):
            why = _plain(blocks_of(event))
            told = ChatMessage("system", why, _time(event), offset, None, "error")
            return self._add(f"error {offset}", told)
        self._hear_unheard(event, offset)
        # One message of the model comes as a line for each of its blocks.
        session = text(event.get("session_id"), _ID_CHARS) or ""
        last, answer = self._answers.get(session, (None, None))
        if last is None or answer is None or not last.goes_on(event):
            message_id = text(event["message"].get("id"), _ID_CHARS)
            answer = ChatMessage("assistant", "", _time(event), offset, message_id)
            self._add(f"assistant {offset}", answer)
            self._answers[session] = Answer.begun_by(event, last), answer
        else:
            self._answers[session] = last.told(event), answer
        line = offset, text(event.get("uuid"), _ID_CHARS)
        is_one_block = len(blocks_of(event)) == 1
        for block in blocks_of(event):
            kind = text(block.get("type"), _ID_CHARS) or ""
            if kind == "text":
                answer.content = _joined(answer.content, block.get("text"))
            elif kind == "thinking":
                answer.thinking = _joined(answer.thinking or "", block.get("thinking")) or None
            elif kind.endswith("tool_use"):
                self._call(answer, block, line, is_one_block=is_one_block)
            elif kind.endswith("tool_result"):  # of a tool that ran on the model's side
                self._result(block)
        return answer

    def _user(self, event: Event, offset: int) -> ChatMessage | None:
        results = [b for b in blocks_of(event) if b.get("type") == "tool_result"]
        for block in results:
            self._result(block)
        message_id = text(event.get("uuid"), _ID_CHARS)
        speaks = len(results) < len(blocks_of(event))
        words = self._words(message_id) if message_id and speaks else None
        if message_id and speaks:
            self._heard.add(message_id)
        # What may be a command is one if the CLI has made it one.
        posted = words is None and is_posted(event, self._posted)
        voice = voice_of(event, self._earlier_text, posted=posted)
        if words is not None and not (voice.kind == "command" and _is_command(words)):
            voice = Voice("person", "", tuple(_blocks(words)))
        self._end_answers(event, results, is_over=voice.kind == "person")
        match voice.kind:
            case "person":
                own = words is None
                return self._person(list(voice.blocks), message_id, event, offset, own=own)
            case "command":
                typed = words.strip() if isinstance(words, str) else voice.text
                return self._typed(typed, voice.text, message_id, event, offset)
            case "output":
                return self._output(voice, event, offset)
            case "summary":
                return self._summary(voice.text, event, offset)
            case "interrupt":
                told = ChatMessage("system", "", _time(event), offset, None, "interrupt")
                told.source = self._who_interrupted()
                told.content = _INTERRUPTED[told.source]
                return self._add(f"interrupt {offset}", told)
            case "task":
                if self._is_told(voice.task_id, -1):
                    return None
                told = ChatMessage("system", voice.text[:_TEXT_CHARS], _time(event), offset, None)
                told.kind, told.is_error = "task", voice.is_error
                return self._add(f"task {offset}", told)
        return None

    def _person(
        self,
        blocks: list[Event],
        message_id: str | None,
        event: Event,
        offset: int,
        *,
        own: bool = False,
    ) -> ChatMessage | None:
        """:param own: of the blocks find out which are of this message alone."""
        key = f"user {message_id or offset}"
        if key in self._messages:  # a message is told again when a later attempt finds it read
            return None
        if own:
            blocks = self._own(blocks, message_id)
        self._recent = [*self._recent[1 - _MERGED_MESSAGES :], (message_id, blocks)]
        self._command = None
        told = ChatMessage("user", _plain(blocks), _time(event), offset, message_id)
        return self._add(key, told)

    def _hear_unheard(self, answer: Event, offset: int) -> None:
        """What looks like the words of another agent the CLI keeps to itself, and an earlier one gave back the last
        alone of those that it took together. The answer says to what it is one."""
        told = answer.get("user_message_uuids")
        ids = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
        for message_id in ids:
            if message_id in self._heard:
                continue
            self._heard.add(message_id)
            words = self._words(message_id)
            # Without its words: those of several may stand in the line of the last.
            if words is None and (len(ids) > 1 or message_id not in self._posted):
                continue
            message = self._person(_blocks(words), message_id, answer, offset)
            if message is not None:
                self.unheard.append(message)
        if self.unheard:
            for key in (f"user {one}" for one in ids):
                if key in self._messages:
                    self._messages.move_to_end(key)
            self._end_answers(answer, is_over=True)
            self._recent.clear()

    def _own(self, blocks: list[Event], message_id: str | None) -> list[Event]:
        """Messages that waited together come once each, and the last with the words of all before it.

        What is its own is what comes after those, if the CLI says that it took them together, or says nothing.
        """
        group = self._together
        if group is not None and (len(group) < 2 or group[-1] != message_id):
            return blocks
        before = [b for known, b in self._recent if group is None or known in group]
        if not before:
            return blocks
        said = blocks[0].get("text") if len(blocks) == 1 else None
        if isinstance(said, str):
            head = "\n".join(map(_plain, before)) + "\n"
            if said.startswith(head):
                return [{**blocks[0], "text": said[len(head) :]}]
        flat = [block for one in before for block in one]
        is_head = len(blocks) > len(flat) and all(map(_is_same, flat, blocks))
        return blocks[len(flat) :] if is_head else blocks

    def _typed(
        self, typed: str, told: str, message_id: str | None, event: Event, offset: int
    ) -> ChatMessage | None:
        """A command of a person's, as he typed it and as the CLI tells it: it may tell what it gave first, and which
        it was afterwards."""
        name = told.partition(" ")[0]
        if self._compaction is not None and name == _COMPACT and self._compaction.command is None:
            self._compaction.command, self._compaction.message_id = typed, message_id
            return self._compaction
        command = self._command
        is_same = (
            command is not None
            and command.message_id is None
            and command.output is not None
            and command.content.partition(" ")[0] in ("", name)
        )
        if command is not None and is_same:
            command.content, command.message_id = typed[:_TEXT_CHARS], message_id
            return command
        key = f"user {message_id or offset}"
        if key in self._messages:
            return None
        said = ChatMessage("user", typed[:_TEXT_CHARS], _time(event), offset, message_id, "command")
        self._command = self._add(key, said)
        return said

    def _output(
        self, voice: Voice, event: Event, offset: int, name: str = ""
    ) -> ChatMessage | None:
        """What a command gave."""
        command, output = self._command, voice.text[:_TEXT_CHARS]
        compacts = command is not None and command.content.startswith(_COMPACT)
        if _COMPACTED.match(voice.text) and (self._compaction is not None or compacts):
            return None
        is_of_model = command is not None and command.content.startswith(_MODEL)
        is_awaited = is_of_model and command is not None and command.output is None
        if _MODEL_SET.match(voice.text) and not (name or is_awaited):
            # It is none of that command's, nor of one whose name is still to come.
            switch = ChatMessage("user", _MODEL, _time(event), offset, None, "command")
            switch.output = output
            return self._add(f"command {offset}", switch)
        if command is None:
            command = ChatMessage("user", name, _time(event), offset, None, "command")
            self._command = self._add(f"command {offset}", command)
        command.is_error = command.is_error or voice.is_error
        command.output = output if command.output is None else _joined(command.output, output)
        return command

    def _system(self, event: Event, offset: int) -> ChatMessage | None:
        together = event.get("user_message_uuids")
        if isinstance(together, list) and together:
            self._together = [one for one in together if isinstance(one, str)]
        if event.get("subtype") == "task_notification":
            if self._is_awaited(event):
                return None  # it did not go on beside the turn: the result of its call tells of it
            if self._is_told(text(event.get("task_id"), _ID_CHARS), 1):
                return None
            status = text(event.get("status"), _ID_CHARS) or ""
            summary = text(event.get("summary"), _TEXT_CHARS)
            said = summary or f"A background task is {status or 'over'}"
            told = ChatMessage("system", said, _time(event), offset, None, "task")
            told.is_error = status not in ("", "completed")
            return self._add(f"task {offset}", told)
        if event.get("subtype") != "compact_boundary":
            return None
        found = event.get("compact_metadata") or event.get("compactMetadata")
        about = found if isinstance(found, dict) else {}
        told = ChatMessage("system", "", _time(event), offset, None, "compaction")
        told.tokens_before = count(about.get("pre_tokens", about.get("preTokens")))
        told.tokens_after = count(about.get("post_tokens", about.get("postTokens")))
        command = self._command
        if command is not None and command.content.startswith(_COMPACT):
            told.command = command.content  # it stands before it in the chat
        self._compaction = self._add(f"compaction {offset}", told)
        return told

    def _is_awaited(self, task: Event) -> bool:
        """Whether the agent waits for a task: the call that began it has no result yet."""
        calls = self._calls.get(text(task.get("tool_use_id"), _ID_CHARS) or "", [])
        return any(call.result is None for _, call in calls[-1:])

    def _is_told(self, task_id: str | None, by: Literal[1, -1]) -> bool:
        """Whether an end of a background task is told already, by a line of the other kind: `system` (1) tells it to
        people, `user` (-1) to the agent. A task that is taken up again ends again."""
        if task_id is None:
            return False
        before = self._ends[task_id]
        self._ends[task_id] = before + by
        return before * by < 0

    def _summary(self, summary: str, event: Event, offset: int) -> ChatMessage:
        if self._compaction is None:
            told = ChatMessage("system", "", _time(event), offset, None, "compaction")
            self._compaction = self._add(f"compaction {offset}", told)
        self._compaction.content = summary[:_TEXT_CHARS]
        return self._compaction

    def _result_line(self, event: Event) -> ChatMessage | None:
        typed, command = local_command(event), self._command
        # The CLI names a command by what it is (`/usage`), its result by what was typed (`/cost`).
        if typed and command is not None and command.kind == "command" and command.output:
            name, _, rest = command.content.partition(" ")
            if name != typed:
                command.content = f"{typed} {rest}".strip()
        # Of one that it only refuses, no line tells the words.
        message_id = text(event.get("user_message_uuid"), _ID_CHARS)
        if typed == "" and command is not None and command.message_id is None and message_id:
            posted = self._words(message_id)
            if isinstance(posted, str):
                command.content = posted.strip()[:_TEXT_CHARS]
            command.message_id = message_id
        self._end_answers(event, is_over=True)
        self._ender = self._command = self._compaction = None
        self._recent.clear()
        return command if typed is not None else None

    def _receipt(self, event: Event) -> None:
        message_id, state = event.get("message_id"), event.get("state")
        kind = event.get("message_type")
        self._has_receipts = True
        if not isinstance(message_id, str):
            return
        if kind == "message":
            self._posted.add(message_id)
            (self._queued.add if state == "queued" else self._queued.discard)(message_id)
        if state == "dropped":
            return
        if kind in ("interrupt", "stop"):
            self._ender = str(kind)
        elif kind == "message" and state == "queued" and self._ender is None:
            self._ender = "message"

    def _who_interrupted(self) -> str | None:
        by_message = self._ender == "message" and bool(self._queued)
        if not self._has_receipts or self._ender == "interrupt" or by_message:
            return "person"
        return "stop" if self._ender == "stop" else None

    def _end_answers(self, event: Event, results: Iterable[Event] = (), *, is_over: bool) -> None:
        session = text(event.get("session_id"), _ID_CHARS) or ""
        if session in self._answers:
            last, told = self._answers[session]
            self._answers[session] = last.after(results, is_over=is_over), told

    def _add(self, key: str, message: ChatMessage) -> ChatMessage:
        self._messages[key] = message
        while len(self._messages) > self._limit:
            self._forget()
            self.dropped += 1
        return message

    def _forget(self) -> ChatMessage:
        _, oldest = self._messages.popitem(last=False)
        for call in oldest.tool_calls:
            left = [pair for pair in self._calls.pop(call.id, ()) if pair[0] is not oldest]
            if left:
                self._calls[call.id] = left
        return oldest

    def _call(
        self,
        told: ChatMessage,
        block: Event,
        line: tuple[int, str | None],
        *,
        is_one_block: bool,
    ) -> None:
        call_id = text(block.get("id"), _ID_CHARS) or f"call-{len(told.tool_calls)}"
        name = text(block.get("name"), _ID_CHARS) or ""
        call = ToolCall(call_id, name, _cut(block.get("input")), line=line)
        # Some models repeat ids. Told again, as others than the CLI do, is a call where a line tells all of its
        # answer so far, or lines can't be told apart.
        for known in told.tool_calls:
            is_same = known.id == call_id and known.result is None and known.input == call.input
            is_apart = None not in (line[1], known.line[1]) and is_one_block
            if is_same and known.line[0] != line[0] and not is_apart:
                return
        told.tool_calls.append(call)
        self._calls.setdefault(call_id, []).append((told, call))

    def _result(self, block: Event) -> None:
        """To the call of that id that waits for it: of the last message that has one, the first."""
        calls = self._calls.get(text(block.get("tool_use_id"), _ID_CHARS) or "", [])
        waiting = [pair for pair in calls if pair[1].result is None] or calls[-1:]
        if waiting:
            call = next(call for told, call in waiting if told is waiting[-1][0])
            call.result, call.is_error = result_of(block)


def result_of(block: Event) -> tuple[str, bool]:
    """The text of a `tool_result` block, and whether it tells of a failure."""
    content = block.get("content")
    failed = isinstance(content, dict) and str(content.get("type")).endswith("_error")
    return _plain(_blocks(content)), failed or block.get("is_error") is True


def _is_command(words: str | list[Any]) -> bool:
    """Whether a person's words may be a command of the CLI's."""
    return any(str(block.get("text", "")).startswith("/") for block in _blocks(words))


def _is_same(one: Event, other: Event) -> bool:
    """Whether a block is told again: messages that are taken together come with a line break each."""
    said = one.get("text")
    return one == other or (isinstance(said, str) and other == {**one, "text": f"{said}\n"})


_INTERRUPTED = {
    "person": "interrupted by you",
    "stop": "interrupted: the run was stopped",
    None: "interrupted",
}


def earlier_text(earlier: Sequence[Any]) -> str:
    """How an agent is told what was said before the run; empty if nothing was."""
    said = [
        f"{turn.get('role', 'user')}: {_plain(_blocks(turn.get('content')))}"
        for turn in earlier
        if isinstance(turn, dict)
    ]
    if not said:
        return ""
    return "The conversation so far:\n\n" + "\n\n".join(said) + "\n\nIt goes on:"


# Of results of searches, of code that ran, of files that were made, and of their errors.
_TELLING = ("title", "url", "tool_name", "error_code", "stdout", "stderr")

_MARKS = (
    b'"assistant"',
    b'"attachment"',
    b'"queue-operation"',
    b'"local_command"',
    b'"local_command_output"',
    b'"user"',
    b'"result"',
    b'"compact_boundary"',
    b'"task_notification"',
    b'"user_message_uuids"',
    b'"message_received"',
    b'"workflow_',
)


def may_speak(line: bytes) -> bool:
    """Whether a line could belong to the chat: a cheap test, before parsing it."""
    if line.startswith(b'{"type":"stream_event"'):  # most of a stream is partial text
        return line.startswith(BEGINS_ANSWER)
    return any(mark in line for mark in _MARKS)


def _blocks(content: object) -> list[Event]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, dict):
        return [content]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _plain(blocks: Iterable[Event]) -> str:
    """The text of blocks; what is no text shows as `[image]`, by its type, with what it says for people."""
    parts = []
    for block in blocks:
        said = block.get("text")
        parts.append(said if isinstance(said, str) else _unspoken(block))
    return "\n".join(parts)[:_TEXT_CHARS]


def _unspoken(block: Event) -> str:
    """What runs on the model's side gives its result in fields."""
    kind = text(block.get("type"), _ID_CHARS) or "?"
    said = [told for name in _TELLING if isinstance(told := block.get(name), str) and told]
    return " ".join([f"[{kind}]", *said]) if said else f"[{kind}]"


def _joined(before: str, more: object) -> str:
    added = more if isinstance(more, str) else ""
    return (f"{before}\n\n{added}" if before and added else before + added)[:_TEXT_CHARS]


def _cut(value: Any) -> Any:
    """The input of a tool, with its texts cut."""
    if isinstance(value, str):
        return value[:_TEXT_CHARS]
    if isinstance(value, dict):
        return {key: _cut(item) if isinstance(item, str) else item for key, item in value.items()}
    return value


def _time(event: Event) -> str | None:
    return text(event.get("timestamp"), _ID_CHARS)
