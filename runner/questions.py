"""Questions and permissions put to people: told in the stream, answered through the inbox, bounded in time.

No answer in time takes the given defaults for questions, and deny for permissions: never allow.
"""

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from runlog import InboxLine

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Decision", "Questions"]

Decision = dict[str, Any]


class Questions:
    """The open questions of a run. An answer counts once; one to an unknown or closed question is dropped."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._open: dict[str, asyncio.Future[InboxLine]] = {}

    async def ask(
        self, questions: list[dict[str, Any]], smart_defaults: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """See `Run.ask`."""
        question_id = f"q-{secrets.token_hex(6)}"
        answer = self._expect(question_id)
        self._run.emit(
            "questions_presented",
            question_id=question_id,
            questions=questions,
            smart_defaults=smart_defaults,
            timeout_s=timeout_s,
        )
        line = await self._wait(question_id, answer, timeout_s)
        if line is None:
            self._run.emit("auto_approving", question_id=question_id)
        answers: dict[str, Any] = smart_defaults if line is None else line.body["answers"]
        self._run.emit(
            "responses_collected",
            question_id=question_id,
            answers=answers,
            source="default" if line is None else "human",
        )
        if line is not None:
            self._run.inbox.receipt(line, "completed")
        return answers

    async def permission(
        self, tool_name: str, tool_input: dict[str, Any], suggestions: list[Any], timeout_s: float
    ) -> Decision:
        """Ask whether a tool may run; returns `decision` (allow or deny), `message` and `updated_input`.

        Cancelled when the agent takes its request back (an interrupt does); that is told as a denial.
        """
        request_id = f"p-{secrets.token_hex(6)}"
        answer = self._expect(request_id)
        self._run.emit(
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
        finally:
            self._run.emit(
                "permission_resolved",
                request_id=request_id,
                decision=resolved["decision"],
                message=resolved.get("message"),
                source=source,
            )
            if line is not None:
                self._run.inbox.receipt(line, "completed")
        return resolved

    def answer(self, line: InboxLine) -> None:
        """Take in an `answer` or `permission` line."""
        key = line.body["question_id" if line.type == "answer" else "request_id"]
        waiting = self._open.get(key)
        if waiting is None or waiting.done():
            self._run.inbox.receipt(line, "dropped", reason="unknown or already answered")
            return
        waiting.set_result(line)

    def _expect(self, key: str) -> asyncio.Future[InboxLine]:
        self._open[key] = asyncio.get_running_loop().create_future()
        return self._open[key]

    async def _wait(
        self, key: str, answer: asyncio.Future[InboxLine], timeout_s: float
    ) -> InboxLine | None:
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            return None
        finally:
            del self._open[key]


_DECISION_FIELDS = frozenset({"decision", "message", "updated_input"})
