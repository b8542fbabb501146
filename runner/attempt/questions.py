"""Questions and permissions put to people: told in the stream, answered through the inbox, bounded in time.

No answer in time takes the given defaults for questions, and deny for permissions: never allow.
"""

import asyncio
import itertools
import math
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from runlog import Event, InboxLine
from runlog.disk.records import from_iso
from runlog.errors import BadMessage
from runlog.run.answers import bound_decision, checked_answers
from runlog.run.inbox_lines import input_sha256

from .stream import RunStream

__all__ = ["Decision", "Questions"]

Decision = dict[str, Any]
_Key = tuple[str, str]
"""Type and id of an answer."""

# Event -> the type of its answer, and where its id is.
_OPENS = {
    "questions_presented": ("answer", "question_id"),
    "permission_requested": ("permission", "request_id"),
}
_CLOSES = {
    "responses_collected": ("answer", "question_id"),
    "permission_resolved": ("permission", "request_id"),
}


class Questions:
    """The open questions of a run. An answer counts once; one that fits no open question is dropped.

    :param is_vouched: whether a line of the inbox is of the relay or the command line, and so of a person.
    :param asked_before: there was an attempt before this one, which may have left questions open.
    :param keeps_time: it was parked, and not ended: the time to answer them has gone on.
    """

    def __init__(
        self,
        stream: RunStream,
        is_vouched: Callable[[Event], bool],
        *,
        asked_before: bool,
        keeps_time: bool = False,
    ) -> None:
        self._stream = stream
        self._is_vouched = is_vouched
        self._open: dict[_Key, asyncio.Future[InboxLine]] = {}
        self._asked: dict[_Key, Event] = {}  # what is open, as it was told
        # Questions that an earlier attempt left open, and answers to them that came before they are asked again.
        self._left_open, self._closed = (
            _earlier(stream, permissions=keeps_time) if asked_before else ({}, {})
        )
        self._keeps_time = keeps_time
        self._early: dict[_Key, list[InboxLine]] = {}

    async def ask(
        self,
        questions: list[dict[str, Any]],
        smart_defaults: dict[str, Any],
        timeout_s: float,
        question_id: str | None = None,
        asker: Event | None = None,
    ) -> dict[str, Any]:
        """See `Run.ask`. `asker`: which call asks (`tool_use_id`, `agent_id`).

        Cancelled when the agent takes its question back; that is told, with no answers.
        """
        asked_again = question_id is not None  # by the next attempt, if this one is cut short
        question_id = question_id or f"q-{secrets.token_hex(6)}"
        key = ("answer", question_id)
        left_s = self._time_left_s(key)
        timeout_s = min(timeout_s, left_s)
        asked: Event = {
            "question_id": question_id,
            "questions": questions,
            "smart_defaults": smart_defaults,
            "timeout_s": timeout_s,
        }
        answer = self._expect(key)
        self._asked[key] = asked
        if math.isinf(left_s):  # else it was asked before the run was parked, and shows still
            self._stream.emit("questions_presented", **asked, **(asker or {}))
        self._answer_early(key)
        try:
            line = await self._wait(key, answer, timeout_s, countdown=True)
        except asyncio.CancelledError:
            if not asked_again:
                self._take_back(question_id, answer)
            raise
        finally:
            del self._asked[key]
        if line is None:
            self._stream.emit("auto_approving", question_id=question_id)
            answers = smart_defaults
        else:
            answers = checked_answers(asked, line.body["answers"])
        self._stream.emit(
            "responses_collected",
            question_id=question_id,
            answers=answers,
            source="default" if line is None else self._source(line),
            **({} if line is None else line.by),
        )
        if line is not None:
            self._stream.receipt(line, "completed")
        return answers

    def _source(self, line: InboxLine) -> str:
        return "human" if self._is_vouched(line.body) else "inbox"

    def _take_back(self, question_id: str, answer: asyncio.Future[InboxLine]) -> None:
        """Close a question that nobody waits for any more: its turn was ended."""
        self._stream.emit(
            "responses_collected", question_id=question_id, answers={}, source="interrupt"
        )
        self._drop_late(answer)

    def _drop_late(self, answer: asyncio.Future[InboxLine]) -> None:
        # It came in the very moment in which the request was taken back.
        if answer.done() and not answer.cancelled():
            self._stream.receipt(answer.result(), "dropped", reason="the request was taken back")

    async def permission(
        self,
        tool_name: str,
        tool_input: dict[str, Any],
        suggestions: list[Any],
        timeout_s: float,
        asker: Event | None = None,
        request_id: str | None = None,
    ) -> Decision:
        """Ask whether a tool may run; returns `decision` (allow or deny), `message`, `updated_input` and
        `updated_permissions`, which of the `suggestions` the person takes up.

        `asker`: which call asks, and what else is known of it (see `permission_requested` in the contract).
        Cancelled when the agent takes its request back (an interrupt does); that is told as a denial.

        :param request_id: made if not given. Given, being cancelled leaves it open: it is asked again under that id,
            after the run was parked. Another one for each attempt.
        """
        asked_again = request_id is not None
        request_id = request_id or f"p-{secrets.token_hex(6)}"
        key = ("permission", request_id)
        answer = self._expect(key)
        asked: Event = {
            "request_id": request_id,
            "tool_name": tool_name,
            "input": tool_input,
            "suggestions": suggestions,
            "timeout_s": timeout_s,
            "input_sha256": input_sha256(tool_name, tool_input),
        }
        self._asked[key] = asked
        left_s = self._time_left_s(key)
        if math.isinf(left_s):
            self._stream.emit("permission_requested", **asked, **(asker or {}))
        self._answer_early(key)
        resolved: Decision = {"decision": "deny", "message": "the request was taken back"}
        source = "default"
        line: InboxLine | None = None
        left_open = False
        try:
            line = await self._wait(key, answer, min(timeout_s, left_s))
            if line is None:
                resolved["message"] = f"nobody answered within {timeout_s:g} s"
            else:
                source = self._source(line)
                told = {k: v for k, v in line.body.items() if k in _DECISION_FIELDS}
                resolved = {k: v for k, v in told.items() if v is not None}
        except asyncio.CancelledError:
            left_open = asked_again
            raise
        finally:
            del self._asked[key]
            if not left_open:
                self._stream.emit(
                    "permission_resolved",
                    request_id=request_id,
                    decision=resolved["decision"],
                    message=resolved.get("message"),
                    source=source,
                    **({} if line is None else line.by),
                    **{k: v for k, v in resolved.items() if k in _TOLD_IF_THERE},
                )
            if line is not None:
                self._stream.receipt(line, "completed")
            elif source == "default":
                self._drop_late(answer)
        return resolved

    def closed(self, answer_type: Literal["answer", "permission"], name: str) -> Event | None:
        """How it was closed before the run was parked, in this attempt: what is asked side by side is answered so."""
        return self._closed.get((answer_type, name)) if self._keeps_time else None

    def has_answer(self) -> bool:
        """Whether one has come that whoever asked has not seen yet."""
        return any(answer.done() for answer in self._open.values())

    def answer(self, line: InboxLine) -> None:
        """Take in an `answer` or `permission` line."""
        is_answer = line.type == "answer"
        name = line.body["question_id" if is_answer else "request_id"]
        key = (line.type, name)
        waiting = self._open.get(key)
        if key in self._left_open:
            self._early.setdefault(key, []).append(line)
            return
        if waiting is None or waiting.done():
            reason = "unknown or already answered"
            if ("permission" if is_answer else "answer", name) in self._open:
                reason = f"that is no {'question' if is_answer else 'permission request'}"
            self._stream.receipt(line, "dropped", reason=reason)
            return
        # Others than the relay write into the inbox too: what they got wrong leaves the request open, and they can't
        # say yes to more than is asked.
        try:
            if is_answer:
                checked_answers(self._asked[key], line.body["answers"])
            else:
                bound_decision(self._asked[key], line.body)
        except BadMessage as error:
            self._stream.receipt(line, "dropped", reason=str(error))
            return
        waiting.set_result(line)

    def drop_all(self, reason: str) -> None:
        """Tell of the answers to questions that were not asked again."""
        for line in itertools.chain.from_iterable(self._early.values()):
            self._stream.receipt(line, "dropped", reason=reason)
        self._early.clear()

    def _time_left_s(self, key: _Key) -> float:
        """To answer what is open since before the run was parked; infinite for what is asked anew."""
        before = self._left_open.pop(key, None)
        return _left_s(before) if before is not None and self._keeps_time else math.inf

    def _answer_early(self, key: _Key) -> None:
        for line in self._early.pop(key, []):
            self.answer(line)

    def _expect(self, key: _Key) -> asyncio.Future[InboxLine]:
        self._open[key] = asyncio.get_running_loop().create_future()
        return self._open[key]

    async def _wait(
        self,
        key: _Key,
        answer: asyncio.Future[InboxLine],
        timeout_s: float,
        *,
        countdown: bool = False,
    ) -> InboxLine | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        try:
            while (left_s := deadline - loop.time()) > 0 and not answer.done():
                tick_s = _next_tick_s(left_s) if countdown else 0
                await asyncio.wait({answer}, timeout=left_s - tick_s)
                if tick_s and not answer.done():
                    self._stream.emit("countdown_tick", question_id=key[1], remaining_s=tick_s)
            return answer.result() if answer.done() else None
        finally:
            del self._open[key]


def _next_tick_s(left_s: float) -> int:
    """The time left at the tick that comes next: each ten seconds, and each of the last ten; 0 if none comes."""
    step_s = 1 if left_s <= 10 else 10
    # A timer may fire a moment early: a tick that was just told is not the next one.
    return (math.ceil(left_s - 0.001) - 1) // step_s * step_s


def _earlier(
    stream: RunStream, *, permissions: bool
) -> tuple[dict[_Key, Event], dict[_Key, Event]]:
    """What is open, as first asked in the last attempt that asked it; and how others of that attempt were closed.

    Permissions are of that attempt alone.
    """
    asked: dict[_Key, Event] = {}
    closed: dict[_Key, Event] = {}
    of_before: set[_Key] = set()
    for event in stream.earlier_events("workflow_started", *_OPENS, *_CLOSES):
        kind = event["type"]
        if kind == "workflow_started":
            asked = {key: event for key, event in asked.items() if key[0] == "answer"}
            of_before = set(asked)
            closed.clear()
            continue
        answer, name = (_OPENS | _CLOSES)[kind]
        if not isinstance(event.get(name), str) or (answer == "permission" and not permissions):
            continue
        key = answer, event[name]
        if kind in _CLOSES:
            asked.pop(key, None)
            closed[key] = event
        elif key not in asked or key in of_before:
            asked[key] = event
            of_before.discard(key)
    return asked, closed


def _left_s(asked: Event) -> float:
    """Of the time to answer a question."""
    began, timeout_s = from_iso(asked.get("timestamp")), asked.get("timeout_s")
    if began is None or not isinstance(timeout_s, int | float):
        return math.inf
    return max(0.0, timeout_s - (datetime.now(UTC) - began).total_seconds())


_TOLD_IF_THERE = frozenset({"updated_permissions", "updated_input"})
_DECISION_FIELDS = frozenset({"decision", "message", "updated_input", "updated_permissions"})
