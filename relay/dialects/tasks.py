"""Front ends that plan a workflow of tasks, execute it, and follow its events by their names.

What was planned and not executed yet is a file in the root, for a day: a plan costs nothing, and outlives the relay.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from runlog import Event, RunExists, UnknownRun, Workspace, check_run_id, encode, open_workspace
from runlog.disk.durable import folder_locked, names_in, remove_file, replace_file
from runlog.disk.read import read_object
from runlog.run.events import is_terminal
from runlog.run.values import number

from ..dependencies import Json, RunAt, Shared, StrictRoute, Who, in_thread
from ..http.paths import own_path
from ..http.problems import Problem
from ..routes.messages import post_line
from .calls import check_start_of, followed, start, view_of
from .lines import BOOKKEEPING, LineFold, cursor_of, frame

__all__ = ["TasksFold", "router"]

PREFIX = "/tasks/api/v1/workflows"
_PLANS_FOLDER = "_plans"
_PLAN_LIFE_S = 24 * 3600.0
_MAX_PLANS = 10_000
_MAX_PLAN_BYTES = 10 * 1024 * 1024
_OURS = BOOKKEEPING | {"task_id", "task_name", "progress", "data"}
_TOLD = frozenset(
    {
        "workflow_started",
        "workflow_completed",
        "workflow_failed",
        "workflow_stopped",
        "workflow_paused",
        "workflow_resumed",
        "progress_update",
        "iteration_started",
        "iteration_completed",
        "task_started",
        "task_progress",
        "task_completed",
        "task_failed",
    }
)


@dataclass(unsafe_hash=True, slots=True)
class TasksFold(LineFold):
    """`progress`: as it was last told."""

    progress: float = 0.0

    def begin(self) -> bytes:
        return frame({"status": "connected", "workflow_id": self.run_id})

    def say(self, event: Event, offset: int) -> bytes:
        kind = event.get("type")
        if kind not in _TOLD:
            return b""
        progress = number(event.get("progress"))
        if progress is not None:
            self.progress = progress
        elif kind == "workflow_completed":
            self.progress = 100.0
        told = {
            "event_type": kind,
            "workflow_id": self.run_id,
            "task_id": event.get("task_id"),
            "task_name": event.get("task_name"),
            "progress_percent": self.progress,
            "message": _message(event),
            "data": _data(event),
            "timestamp": event.get("timestamp"),
        }
        return frame(told, event_id=offset, name=str(kind))


def _message(event: Event) -> str:
    """Each event has one: what it says itself, or else what it is."""
    said = event.get("message") or event.get("error") or event.get("reason")
    if isinstance(said, str):
        return said
    kind = str(event.get("type")).replace("_", " ").capitalize()
    name = event.get("task_name") or event.get("task_id") or event.get("status")
    return f"{kind}: {name}" if name else kind


def _data(event: Event) -> dict[str, Any]:
    own = event.get("data")
    data = {name: value for name, value in event.items() if name not in _OURS}
    data |= own if isinstance(own, dict) else {}
    if "finding" in data:
        data["result"] = data["finding"]
    return data


class Config(BaseModel):
    model_config = ConfigDict(extra="allow")

    breadth: int | None = None
    depth: int | None = None


class Plan(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=10_000)]
    description: str | None = None
    tasks: list[dict[str, Any]] = []
    config: Config = Config()


router = APIRouter(prefix=PREFIX, route_class=StrictRoute, include_in_schema=False)
PlanId = Annotated[str, PathParam(alias="plan_id", max_length=80)]


@router.post("/", status_code=201)
@router.post("", status_code=201)
async def plan(services: Shared, who: Who, asked: Plan) -> Response:
    """Nothing is started yet."""
    plan_id = f"plan-{secrets.token_hex(8)}"
    fields: dict[str, Any] = {"prompt": asked.description or asked.name, "title": asked.name[:200]}
    fields["params"] = _params_of(asked)
    await check_start_of(services, who, services.settings.dialect_start("tasks"), **fields)
    await in_thread(_keep, services.root, plan_id, fields)
    told = {"name": asked.name, "tasks": asked.tasks, "config": asked.config.model_dump()}
    return Json(_about(plan_id, "created") | told, 201)


def _params_of(asked: Plan) -> dict[str, Any]:
    """Of the workflow: an empty list of tasks takes its own plan."""
    params = {k: v for k, v in asked.config.model_dump().items() if v is not None}
    tasks = [_task(number, task) for number, task in enumerate(asked.tasks, 1)]
    return params | ({"tasks": tasks} if tasks else {})


def _task(number: int, task: Mapping[str, Any]) -> dict[str, Any]:
    def first(*names: str) -> Any:
        return next((task[name] for name in names if task.get(name)), None)

    name = first("name", "task_name", "title")
    prompt = first("prompt", "description", "query", "task", "name", "title")
    return {
        "id": str(first("id", "task_id") or f"task-{number}"),
        "name": None if name is None else str(name)[:200],
        "prompt": prompt,
        "depends_on": first("depends_on", "dependencies") or [],
    }


@router.post("/{plan_id}/execute")
async def execute(services: Shared, who: Who, plan_id: PlanId, stream: bool = False) -> Response:
    """Start what was planned, once: it is told again where it was started before."""
    run = Workspace(services.root, check_run_id(plan_id))
    if not await in_thread(run.exists):
        kept = await in_thread(_kept, services.root, plan_id)
        if kept is None:
            raise UnknownRun(f"nothing was planned under {plan_id!r}, or over a day ago")
        name = services.settings.dialect_start("tasks")
        fields = {field: kept.get(field) for field in ("prompt", "params", "title")}
        with contextlib.suppress(RunExists):
            await start(services, who, name, run_id=plan_id, **fields)
    view = await view_of(services, run)
    metadata = {"stream_url": own_path(f"/dialects{PREFIX}/{plan_id}/stream")} if stream else {}
    return Json(_about(plan_id, view["status"]) | {"metadata": metadata})


@router.get("/{run_id}/stream")
async def follow(request: Request, services: Shared, run: RunAt) -> Response:
    return followed(services, run, TasksFold(run.run_id), cursor_of(request))


@router.get("/{plan_id}")
async def show(services: Shared, plan_id: PlanId) -> Response:
    try:
        run = await in_thread(open_workspace, services.root, plan_id)
    except UnknownRun:
        kept = await in_thread(_kept, services.root, plan_id)
        if kept is None:
            raise
        return Json(_about(plan_id, "created") | {"name": kept.get("title")})
    view = await view_of(services, run)
    told = {
        "name": view["title"],
        "progress_percent": view["progress"] or 0,
        "result": view["result"],
        "error": view["error"],
        "created_at": view["created_at"],
        "completed_at": view["ended_at"] if is_terminal(view["status"]) else None,
    }
    return Json(_about(plan_id, view["status"]) | told)


@router.post("/{run_id}/cancel")
async def cancel(services: Shared, who: Who, run: RunAt) -> Response:
    await services.run_calls(run, post_line, services, who, run, {"type": "stop"})
    return Json(_about(run.run_id, "cancelling"))


def _about(plan_id: str, status: str) -> dict[str, Any]:
    return {"id": plan_id, "workflow_id": plan_id, "status": status}


def _keep(root: Path, plan_id: str, fields: Event) -> None:
    with folder_locked(root / _PLANS_FOLDER) as folder:
        if _drop_old(folder) >= _MAX_PLANS:
            told = f"{_MAX_PLANS:,} plans wait to be executed: execute some, or wait a day"
            raise Problem(503, "overloaded", told)
        replace_file(folder / f"{plan_id}.json", encode(fields))


def _kept(root: Path, plan_id: str) -> Event | None:
    path = root / _PLANS_FOLDER / f"{check_run_id(plan_id)}.json"
    try:
        if path.stat().st_mtime < time.time() - _PLAN_LIFE_S:
            return None
        return read_object(path, _MAX_PLAN_BYTES)
    except FileNotFoundError:
        return None


def _drop_old(folder: Path) -> int:
    """How many stay."""
    names = names_in(folder)
    for name in names:
        with contextlib.suppress(OSError):
            if os.lstat(folder / name).st_mtime < time.time() - _PLAN_LIFE_S:
                remove_file(folder / name)
    return len(names)
