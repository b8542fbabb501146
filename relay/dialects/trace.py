"""Front ends that follow one durable workflow: `data.event` names what happened, signals are sent by name.

`GET /monty/stream` starts a run and answers with its stream. Browsers connect again to the same address when it
breaks: the ids of the events name the run, so that this goes on with it and starts no second one.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from runlog import Event, Workspace, decode, open_workspace
from runlog.run.awaited import Goal, goal_of, goal_of_message

from ..dependencies import Json, RunAt, Services, Shared, StrictRoute, Who, in_thread
from ..routes.events import read_page
from ..routes.messages import post_line
from ..streaming.sse import PLAIN
from .calls import answer_of, followed, start, view_of
from .lines import LineFold, cursor_of, frame

__all__ = ["TraceFold", "router"]

_HISTORY = 1000  # events of a page
# Pages read some counts under other names too.
_ALIASES = {
    "iteration": "iteration_count",
    "quotes_delivered": "total_quotes_delivered",
    "elapsed": "total_elapsed",
}
_TOTALS = {"total_iterations": "iteration_count"}
_SIGNALS = {
    "stop_workflow": "stop",
    "stop": "stop",
    "pause": "pause",
    "resume": "resume",
    "interrupt": "interrupt",
}
_STATUS = {"completed": "COMPLETED", "failed": "FAILED", "stopped": "COMPLETED"}


@dataclass(unsafe_hash=True, slots=True)
class TraceFold(LineFold):
    def say(self, event: Event, offset: int) -> bytes:
        told = told_as(event, self.run_id)
        return b"" if told is None else frame(told, event_id=f"{self.run_id}:{offset}")


def told_as(event: Event, run_id: str) -> dict[str, Any] | None:
    """An event in the words of these pages; None if they have none for it."""
    kind = event.get("type")
    told = {"event": kind, "workflow_id": run_id, "timestamp": event.get("timestamp")}
    match kind:
        case "workflow_started":
            return told | {"workflow": event.get("workflow"), "attempt": event.get("attempt")}
        case "progress_update":
            counts = {k: v for k, v in event.items() if k not in ("type", "run_id")}
            return told | _with_aliases(counts)
        case "workflow_completed" | "workflow_stopped":
            result = event.get("result")
            if isinstance(result, dict):
                result = result | {
                    name: result[ours] for name, ours in _TOTALS.items() if ours in result
                }
            return told | {
                "event": "workflow_completed",
                "status": str(kind).removeprefix("workflow_"),
                "result": result,
                "duration_s": event.get("duration_s"),
            }
        case "workflow_failed":
            return told | {"error": event.get("error"), "reason": event.get("reason")}
        case "error":
            return told | {"error": event.get("message") or event.get("error")}
    return None


def _with_aliases(counts: dict[str, Any]) -> dict[str, Any]:
    return counts | {name: counts[ours] for name, ours in _ALIASES.items() if ours in counts}


class Say(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: Annotated[str, Field(min_length=1)]
    workflow_id: str | None = None


router = APIRouter(prefix="/trace", route_class=StrictRoute, include_in_schema=False)


@router.get("/monty/stream")
async def begin(request: Request, services: Shared, who: Who) -> Response:
    """Start a run and follow it; or go on with the one that the browser was following."""
    last = request.headers.get("last-event-id", "")
    if run_id := last.rpartition(":")[0]:
        run = await in_thread(open_workspace, services.root, run_id)
    else:
        name = services.settings.dialect_start("trace")
        run = await start(services, who, name)
    return _stream(services, run, cursor_of(request))


@router.post("/monty/stream")
async def begin_anew(services: Shared, who: Who, params: dict[str, Any] | None = None) -> Response:
    """The same. :param params: of the workflow; others are passed over."""
    name = services.settings.dialect_start("trace")
    run = await start(services, who, name, params=params or {})
    return _stream(services, run, None)


def _stream(services: Services, run: Workspace, after: int | None) -> Response:
    return followed(services, run, TraceFold(run.run_id), after, {"x-workflow-id": run.run_id})


@router.post("/workflow/{run_id}/signal/{name}")
async def signal(
    services: Shared,
    who: Who,
    run: RunAt,
    name: Annotated[str, Path(max_length=200)],
    data: Annotated[Any, Body()] = None,
) -> Response:
    """:param data: of a signal of the workflow's own; whatever it takes."""
    kind = _SIGNALS.get(name)
    line = {"type": "signal", "name": name, "data": data} if kind is None else {"type": kind}
    await services.run_calls(run, post_line, services, who, run, line)
    shown = "stop_workflow" if kind == "stop" else name
    return Json({"status": "signal sent", "workflow_id": run.run_id, "signal": shown})


@router.get("/workflow/{run_id}/status")
async def status(services: Shared, run: RunAt) -> Response:
    view = await view_of(services, run)
    told = {
        "workflow_id": run.run_id,
        "status": _STATUS.get(view["status"], "RUNNING"),
        "workflow_type": view["workflow"],
        "start_time": view["started_at"] or view["created_at"],
        "close_time": view["ended_at"],
    }
    return Json(told)


@router.get("/workflow/{run_id}/query")
async def query(services: Shared, run: RunAt) -> Response:
    """Where it is: what its last `progress_update` said."""
    view = await view_of(services, run)
    told = {"workflow_id": run.run_id, "progress": view["progress"], "status": view["activity"]}
    return Json(_with_aliases(view["fields"]) | told)


@router.get("/workflow/{run_id}/history")
async def history(
    services: Shared,
    run: RunAt,
    after: Annotated[int, Query(ge=0, le=10**15, description="`next` of the page before")] = 0,
) -> Response:
    """Its events, a page at a time."""
    page = await services.run_calls(run, read_page, run, after, _HISTORY, PLAIN, _line)
    events = [told_as(decode(line) or {}, run.run_id) for line in page.items]
    told = {
        "workflow_id": run.run_id,
        "events": [event for event in events if event is not None],
        "next": None if page.at_end else page.after,
    }
    return Json(told)


def _line(offset: int, line: bytes) -> bytes:
    return line


@router.post("/chat")
async def chat(request: Request, services: Shared, who: Who, said: Say) -> Response:
    """Say something in a new chat, or in the one of that id; answered with what the agent says to it.

    202, and no `response`, if that takes too long: it is in the chat's stream then.
    """
    goal: Goal
    if said.workflow_id is None:
        name = services.settings.dialect_start("trace-chat")
        run = await start(services, who, name, prompt=said.message)
        goal = goal_of("turn")
    else:
        run = await in_thread(open_workspace, services.root, said.workflow_id)
        line = {"type": "message", "content": said.message}
        posted = await services.run_calls(run, post_line, services, who, run, line)
        goal = goal_of_message(posted.message_id)
    response, state = await answer_of(request, services, run, goal)
    told = {"workflow_id": run.run_id, "response": response, "status": state["status"]}
    return Json(told, 202 if response is None else 200)
