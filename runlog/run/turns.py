"""The turns of an agent: when one began and ended, which messages went into it, and what it came to. Pure.

Format: stream-json of the Claude Code CLI, and its transcripts, which tell no results.
"""

from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, field, fields, replace

from ..disk.records import Event
from .reasons import finish_reason, kept_reason
from .transcript import is_kept
from .values import blocks_of, count, text
from .voice import is_of_subagent, is_posted, is_silence, local_command, voice_of

__all__ = ["TURN_TYPES", "Turn", "Turns"]

# What may begin or end one.
TURN_TYPES = frozenset({"assistant", "command_lifecycle", "result", "system", "turn_ended", "user"})
# Of what an agent has said in its last turns, for whoever waits for an answer.
_SAID_CHARS = 256 * 1024
_MAX_ANSWERS = 4
# `stop_reason` of an answer after which the agent is not at rest.
_GOES_ON = ("tool_use", "pause_turn")


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent does between two rests: begun by a message (or by itself: None), ended by a result.

    `number` is 1 for the first of the run. `offset` is just before its first line. `finish_reason` is None while it
    is `running`.
    """

    number: int
    offset: int
    message_id: str | None
    running: bool = True
    finish_reason: str | None = None


@dataclass(slots=True)
class Turns:
    """`turn` is the present one, or else the last; `said` what the agent said last in it, cut.

    `answers`: what each of the last turns came to. `turn_of`: by the id of a message the turn that it began or went
    into. `error`: of the last answer, what the CLI made up in its place.
    """

    turn: Turn | None = None
    said: str | None = None
    answers: dict[int, str | None] = field(default_factory=dict)
    turn_of: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    before: Turn | None = None  # the present one
    _says: bool = False  # `said` is of the present answer, which comes in several lines
    # Of a transcript, which has no results: the turn looks over, but an answer that comes next is a part of it.
    _may_go_on: bool = False
    _has_answered: bool = False  # the agent has, in the present turn
    _command: str | None = None  # at rest: the id of the last command, which may ask the model

    @property
    def running(self) -> bool:
        return self.turn is not None and self.turn.running

    def copy(self) -> "Turns":
        """As it is now, while this one goes on."""
        return Turns(**{f.name: copy(getattr(self, f.name)) for f in fields(self)})

    def line(self, event: Event, before: int, *, posted: Collection[str]) -> None:
        """Take in a line of one of the `TURN_TYPES`.

        :param before: the offset before it.
        :param posted: the ids of messages that people have sent.
        """
        if is_of_subagent(event):
            return
        if is_kept(event):
            self._kept(event, before)
        else:
            self._told(event, before, posted)

    def hear(self, event: Event, *, goes_on: bool) -> None:
        """What the agent says to the person in an `assistant` line: the texts of its last message that has some.

        :param goes_on: the line goes on with the answer of the line before.
        """
        spoken = "".join(
            text(block.get("text"), _SAID_CHARS) or ""
            for block in blocks_of(event)
            if block.get("type") == "text"
        )
        self._says = self._says and goes_on
        if spoken:
            before = self.said if self._says else None
            self.said, self._says = ((before or "") + spoken)[:_SAID_CHARS], True

    def came_to(self, result: object) -> None:
        """By the words of a `result` line."""
        self.said = text(result, _SAID_CHARS) or self.said

    def took_in(self, message_id: str) -> None:
        """A message was read: in the turn that runs. At rest perhaps in the last one, until it begins one itself."""
        if self.turn is not None and (self.turn.running or message_id not in self.turn_of):
            self.turn_of[message_id] = self.turn.number

    def end(self, reason: str | None) -> None:
        """The present one, if any is: its `finish_reason`."""
        if self.turn is not None and self.turn.running:
            self._keep_answer(self.turn)
            self.turn = replace(self.turn, running=False, finish_reason=reason or "completed")

    def _begin(self, message_id: str | None, offset: int) -> None:
        self.before = self.turn
        self.turn = Turn(1 + (self.turn.number if self.turn else 0), offset, message_id)
        if message_id is not None:
            self.turn_of[message_id] = self.turn.number

    def _keep_answer(self, turn: Turn) -> None:
        self.answers[turn.number] = self.said
        self.said, self._says = None, False
        while len(self.answers) > _MAX_ANSWERS:
            del self.answers[next(iter(self.answers))]

    # Of a stream.

    def _told(self, event: Event, before: int, posted: Collection[str]) -> None:
        kind = event["type"]
        if kind == "turn_ended":
            # It may come when the next turn has begun already: the number says of which it tells.
            told = count(event.get("turn"))
            if self.turn is not None and told in (None, self.turn.number):
                reason = text(event.get("finish_reason"), 200) or "completed"
                if self.turn.running:
                    self._keep_answer(self.turn)
                self.turn = replace(self.turn, running=False, finish_reason=reason)
        elif kind == "result":
            if local_command(event) is not None:  # no model was asked: it was no turn
                self.turn = self.before if self.running else self.turn
            else:
                if not self.running:
                    self._begin(None, before)
                self.end(finish_reason(event, self.error))
                self.error = None
        elif not self.running:
            begins, message_id = _begins(event, posted=is_posted(event, posted))
            if begins:
                self._begin(message_id, before)

    # Of a transcript: a turn is over with an answer that calls nothing, unless the agent goes on.

    def _kept(self, event: Event, before: int) -> None:
        if event["type"] == "assistant":
            self._kept_answer(event, before)
        elif event["type"] == "user":
            self._kept_words(event, before)
        elif event["type"] == "system" and event.get("subtype") == "turn_duration":
            self.end(None)

    def _kept_words(self, event: Event, before: int) -> None:
        kind, running = voice_of(event).kind, self.running
        if kind == "interrupt" and self.turn is not None and (running or self._may_go_on):
            self.turn = replace(self.turn, running=False, finish_reason="interrupted")
        elif kind == "person" and event.get("steered") is not True:
            # While a turn runs it is of another one only if the agent was cut off.
            if running and self._has_answered and not _has_results(event):
                self.end("interrupted")
                running = False
            if not running:
                self._begin(text(event.get("uuid"), 200), before)
                self._has_answered = False
        if kind not in ("nobody", "summary", "output"):
            self._may_go_on = False
        if kind == "command" and not running:
            self._command = text(event.get("uuid"), 200)

    def _kept_answer(self, event: Event, before: int) -> None:
        if is_silence(event):
            return
        if not self.running and self._may_go_on and self.turn is not None:
            self.turn = replace(self.turn, running=True, finish_reason=None)
        elif not self.running:
            self._begin(self._command, before)
        self._command = None
        self._has_answered = True
        message = event.get("message")
        stopped = message.get("stop_reason") if isinstance(message, dict) else None
        kinds = {str(block.get("type")) for block in blocks_of(event)}
        self._may_go_on = "text" in kinds and "tool_use" not in kinds and stopped not in _GOES_ON
        if self._may_go_on:
            self.end(kept_reason(event))


def _begins(event: Event, *, posted: bool) -> tuple[bool, str | None]:
    """Whether a line at rest begins a turn, and the id of the message that does, if the line tells it."""
    kind = event["type"]
    if kind == "command_lifecycle":
        return event.get("state") == "started", text(event.get("command_uuid"), 200)
    if kind == "user":
        is_person = voice_of(event, posted=posted).kind == "person"
        return is_person, text(event.get("uuid"), 200)
    if kind == "system":
        return event.get("subtype") == "init", None
    return kind == "assistant" and local_command(event) is None, None


def _has_results(event: Event) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks_of(event))
