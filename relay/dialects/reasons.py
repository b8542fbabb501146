"""Front ends that show why an agent decides: nodes, reason cards and questions of a decision set, which is a run.

Their events carry names with dashes, and come with their past first. A silence is broken by a `heartbeat`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from runlog import Event, Workspace
from runlog.disk.records import now_iso
from runlog.run.values import number

from ..dependencies import Json, RunAt, Services, Shared, StrictRoute, Who
from ..http.callers import Caller
from ..http.problems import Problem
from ..routes.messages import post_line
from .calls import earlier_messages, followed, start, view_of
from .lines import BOOKKEEPING, LineFold, cursor_of, frame

__all__ = ["ReasonsFold", "router"]

_NAMES = {
    "workflow_started": "workflow-start",
    "workflow_completed": "workflow-complete",
    "workflow_stopped": "workflow-complete",
    "workflow_failed": "error",
    "workflow_paused": "workflow-paused",
    "workflow_resumed": "workflow-resumed",
    "node_started": "node-start",
    "node_completed": "node-complete",
    "progress_update": "progress",
    "reason_card": "reason-card",
    "questions_presented": "questions-presented",
    "countdown_tick": "countdown-tick",
    "auto_approving": "auto-approving",
    "responses_collected": "responses-collected",
}
_STATUS = {
    "queued": "pending",
    "completed": "completed",
    "stopped": "completed",
    "failed": "failed",
}


@dataclass(unsafe_hash=True, slots=True)
class ReasonsFold(LineFold):
    """`nodes` is how many there are in all, as far as it is known; `done` how many are over."""

    nodes: int | None = None
    done: int = 0
    progress: float = 0.0

    def say(self, event: Event, offset: int) -> bytes:
        kind = str(event.get("type"))
        if kind == "steps_planned":
            steps = event.get("steps")
            self.nodes = len(steps) if isinstance(steps, list) else None
        name = _NAMES.get(kind)
        if name is None:
            return b""
        self._count(kind, event)
        data = {field: value for field, value in event.items() if field not in BOOKKEEPING}
        data["progress_percentage"] = self.progress
        if self.nodes is not None:
            data["nodes_remaining"] = max(0, self.nodes - self.done)
        return self._frame(name, event.get("timestamp"), data, event.get("message"), offset)

    def _count(self, kind: str, event: Event) -> None:
        if kind == "workflow_started":
            self.progress = 0.0
        self.done += kind == "node_completed"
        told = number(event.get("progress"))
        if told is not None:
            self.progress = told
        elif kind == "workflow_completed":
            self.progress = 100.0

    def quiet(self) -> bytes:
        return self._frame("heartbeat", now_iso(), {}, None, None)

    def _frame(
        self, name: str, at: object, data: dict[str, Any], message: object, offset: int | None
    ) -> bytes:
        told = {"type": name, "decision_set_id": self.run_id, "timestamp": at, "data": data}
        told |= {"message": message} if isinstance(message, str) else {}
        return frame(told, event_id=offset, name=name)


class Chat(BaseModel):
    model_config = ConfigDict(extra="ignore")

    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    thread_id: str | None = None


router = APIRouter(prefix="/reasons/api", route_class=StrictRoute, include_in_schema=False)


@router.post("/chat/async")
async def begin(services: Shared, who: Who, chat: Chat) -> Response:
    """Start a decision set on the last message, with those before it as what was said before."""
    run = await start(
        services,
        who,
        services.settings.dialect_start("reasons"),
        prompt=chat.messages[-1].get("content"),
        chat_history=earlier_messages(chat.messages[:-1]) or None,
        thread_id=chat.thread_id,
    )
    told = {"decision_set_id": run.run_id, "job_id": run.run_id}
    return Json(told | {"thread_id": chat.thread_id or run.run_id, "status": "pending"}, 202)


@router.get("/jobs/{run_id}/status")
async def job(services: Shared, run: RunAt) -> Response:
    view = await view_of(services, run)
    told = {
        "job_id": run.run_id,
        "decision_set_id": run.run_id,
        "thread_id": view["thread_id"] or run.run_id,
        "status": _STATUS.get(view["status"], "processing"),
        "progress_percentage": view["progress"] or 0,
        "result": view["result"],
        "error": view["error"] or (view["reason"] if view["status"] == "failed" else None),
    }
    return Json(told)


@router.get("/streams/{run_id}")
async def follow(request: Request, services: Shared, run: RunAt) -> Response:
    return followed(services, run, ReasonsFold(run.run_id), cursor_of(request))


@router.post("/workflows/{run_id}/responses")
@router.post("/workflows/{run_id}/answers")
@router.post("/decision-sets/{run_id}/responses")
async def respond(services: Shared, who: Who, run: RunAt, sent: dict[str, Any]) -> Response:
    """Answer the question that is open.

    `{question_id?, responses: …}`, where these are `{question: answer}` or a list of `{question, answer}`; `answers`
    is the same.
    """
    told = await services.run_calls(run, _respond, services, who, run, sent)
    return Json({"status": "received", "decision_set_id": run.run_id} | told, 202)


def _respond(services: Services, who: Caller, run: Workspace, sent: Mapping[str, Any]) -> Event:
    with services.states.read(run) as state:
        open_ones = list(state.open_questions)
    question_id = sent.get("question_id") or (open_ones[0] if len(open_ones) == 1 else None)
    if question_id is None:
        what = f"name one by `question_id`: {', '.join(open_ones)}" if open_ones else "none is open"
        raise Problem(409, "not-open", f"There is no one question to answer: {what}")
    line = {"type": "answer", "question_id": question_id, "answers": _answers(sent)}
    posted = post_line(services, who, run, line)
    return {"question_id": question_id, "message_id": posted.message_id}


def _answers(sent: Mapping[str, Any]) -> dict[str, Any]:
    said = next((sent[name] for name in ("responses", "answers") if name in sent), None)
    if isinstance(said, list):
        said = {
            str(one.get("question") or one.get("header")): one.get("answer", one.get("response"))
            for one in said
            if isinstance(one, dict)
        }
    if not isinstance(said, dict):
        told = "Send `responses`: an object of answers by question, or a list of {question, answer}"
        raise Problem(
            422,
            "invalid-request",
            told,
            errors=[{"pointer": "#/responses", "detail": "an object or a list"}],
        )
    return said
