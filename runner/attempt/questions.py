"""Questions and permissions put to people: told in the stream, answered through the inbox, bounded in time.

No answer in time takes the given defaults for questions, and deny for permissions: never allow.
"""

import asyncio
import math
import secrets
from typing import Any

from runlog import InboxLine

from .stream import RunStream

__all__ = ["Decision", "Questions"]

Decision = dict[str, Any]


class Questions:
    """The open questions of a run. An answer counts once; one to an unknown or closed question is dropped.

    :param asked_before: there was an attempt before this one, which may have left questions open.
    """

    def __init__(self, stream: RunStream, *, asked_before: bool) -> None:
        self._stream = stream
        self._open: dict[str, asyncio.Future[InboxLine]] = {}
        # Questions that an earlier attempt left open, and answers to them that came before they are asked again.
        self._left_open = _left_open(stream) if asked_before else set()
        self._early: dict[str, InboxLine] = {}

    async def ask(
        self,
        questions: list[dict[str, Any]],
        smart_defaults: dict[str, Any],
        timeout_s: float,
        question_id: str | None = None,
    ) -> dict[str, Any]:
        """See `Run.ask`."""
        question_id = question_id or f"q-{secrets.token_hex(6)}"
        answer = self._expect(question_id)
        self._stream.emit(
            "questions_presented",
            question_id=question_id,
            questions=questions,
            smart_defaults=smart_defaults,
            timeout_s=timeout_s,
        )
        self._left_open.discard(question_id)
        if early := self._early.pop(question_id, None):
            answer.set_result(early)
        line = await self._wait(question_id, answer, timeout_s, countdown=True)
        if line is None:
            self._stream.emit("auto_approving", question_id=question_id)
        answers: dict[str, Any] = smart_defaults if line is None else line.body["answers"]
        self._stream.emit(
            "responses_collected",
            question_id=question_id,
            answers=answers,
            source="default" if line is None else "human",
            **({} if line is None else line.by),
        )
        if line is not None:
            self._stream.receipt(line, "completed")
        return answers

    async def permission(
        self, tool_name: str, tool_input: dict[str, Any], suggestions: list[Any], timeout_s: float
    ) -> Decision:
        """Ask whether a tool may run; returns `decision` (allow or deny), `message`, `updated_input` and
        `updated_permissions`, which of the `suggestions` the person takes up.

        Cancelled when the agent takes its request back (an interrupt does); that is told as a denial.
        """
        request_id = f"p-{secrets.token_hex(6)}"
        answer = self._expect(request_id)
        self._stream.emit(
            "permission_requested",
            request_id=request_id,
            tool_name=tool_name,
            input=tool_input,
            suggestions=suggestions,
            timeout_s=timeout_s,
        )
        resolved: Decision = {"decision": "deny", "message": "the request was taken back"}
        source = "default"
        line: InboxLine | None = None
        try:
            line = await self._wait(request_id, answer, timeout_s)
            if line is None:
                resolved["message"] = f"nobody answered within {timeout_s:g} s"
            else:
                source = "human"
                resolved = {k: v for k, v in line.body.items() if k in _DECISION_FIELDS}
                taken_up = line.body.get("updated_permissions")
                if resolved["decision"] == "allow" and isinstance(taken_up, list):
                    # Whoever writes to the inbox may say yes to what is asked, and to no more.
                    resolved["updated_permissions"] = [s for s in suggestions if s in taken_up]
        finally:
            self._stream.emit(
                "permission_resolved",
                request_id=request_id,
                decision=resolved["decision"],
                message=resolved.get("message"),
                source=source,
                **({} if line is None else line.by),
                **{k: v for k, v in resolved.items() if k == "updated_permissions"},
            )
            if line is not None:
                self._stream.receipt(line, "completed")
        return resolved

    def answer(self, line: InboxLine) -> None:
        """Take in an `answer` or `permission` line."""
        key = line.body["question_id" if line.type == "answer" else "request_id"]
        waiting = self._open.get(key)
        if key in self._left_open and key not in self._early:
            self._early[key] = line
            return
        if waiting is None or waiting.done():
            self._stream.receipt(line, "dropped", reason="unknown or already answered")
            return
        waiting.set_result(line)

    def drop_all(self, reason: str) -> None:
        """Tell of the answers to questions that were not asked again."""
        for line in self._early.values():
            self._stream.receipt(line, "dropped", reason=reason)
        self._early.clear()

    def _expect(self, key: str) -> asyncio.Future[InboxLine]:
        self._open[key] = asyncio.get_running_loop().create_future()
        return self._open[key]

    async def _wait(
        self,
        key: str,
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
                    self._stream.emit("countdown_tick", question_id=key, remaining_s=tick_s)
            return answer.result() if answer.done() else None
        finally:
            del self._open[key]


def _next_tick_s(left_s: float) -> int:
    """The time left at the tick that comes next: each ten seconds, and each of the last ten; 0 if none comes."""
    step_s = 1 if left_s <= 10 else 10
    # A timer may fire a moment early: a tick that was just told is not the next one.
    return (math.ceil(left_s - 0.001) - 1) // step_s * step_s


def _left_open(stream: RunStream) -> set[str]:
    asked: set[str] = set()
    for event in stream.earlier_events("questions_presented", "responses_collected"):
        question_id = event.get("question_id")
        if isinstance(question_id, str):
            (asked.add if event["type"] == "questions_presented" else asked.discard)(question_id)
    return asked


_DECISION_FIELDS = frozenset({"decision", "message", "updated_input"})
