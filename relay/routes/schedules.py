"""Schedules: put, look at, pause and remove what starts runs by the clock. The runner does that."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParam
from starlette.requests import Request
from starlette.responses import Response

from runlog.errors import BadSchedule
from runlog.groups.faults import refused
from runlog.groups.schedule_starts import start_of_schedule
from runlog.groups.schedule_state import read_state_of, schedule_view
from runlog.groups.schedules import (
    Schedule,
    SchedulePrecondition,
    check_schedule_name,
    list_schedules,
    read_schedule,
    remove_schedule,
    schedule_of,
    set_enabled,
    write_schedule,
)

from ..dependencies import Json, Services, Shared, StrictRoute, Who, in_thread
from ..http.paths import own_path
from ..http.preconditions import ETAG, IfMatch, IfNoneMatch, etag_of, precondition, put_responses
from ..http.runs import summary_view
from ..http.schedule_models import PutSchedule, SchedulePage, ScheduleView
from ..http.shown import StartedAndWaited
from ..starting.create_run import start_scheduled
from .runs import STARTED, Key, answer_start
from .waiting import Wait

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["schedules"])

Name = Annotated[
    str,
    PathParam(
        description="1 to 80 of a-z, 0-9 and '-', not beginning with '-'", examples=["weekdays"]
    ),
]


@router.get(
    "/schedules",
    operation_id="list_schedules",
    response_model=SchedulePage,
    summary="List schedules",
)
async def list_all(services: Shared) -> Response:
    """By name, each with its next times and what became of the last; and those whose file can't be used."""
    return Json(await in_thread(_list, services))


@router.get(
    "/schedules/{name}",
    operation_id="get_schedule",
    response_model=ScheduleView,
    summary="A schedule, with its next times",
    responses={200: {"headers": ETAG}},
)
async def show(services: Shared, name: Name) -> Response:
    return await _answer(services, await in_thread(read_schedule, services.root, name))


@router.put(
    "/schedules/{name}",
    operation_id="put_schedule",
    response_model=ScheduleView,
    summary="Make or replace a schedule",
    responses=put_responses("schedule", ScheduleView),
)
async def put(
    services: Shared,
    name: Name,
    asked: PutSchedule,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What is not sent has its default again: a schedule is replaced as a whole.

    Only times after this count. Where `cron` and `timezone` stay, none is lost by it and none comes twice.
    """
    condition = precondition("schedule", if_match, if_none_match)
    written, is_new = await in_thread(_put, services, name, asked, condition)
    return await _answer(services, written, is_new=is_new)


@router.delete(
    "/schedules/{name}",
    operation_id="remove_schedule",
    status_code=204,
    summary="Remove a schedule",
)
async def remove(services: Shared, name: Name, if_match: IfMatch = None) -> Response:
    """Its runs stay, and those that run go on."""
    await in_thread(remove_schedule, services.root, name, precondition("schedule", if_match, None))
    return Response(status_code=204)


@router.post(
    "/schedules/{name}/run",
    operation_id="run_schedule",
    status_code=201,
    response_model=StartedAndWaited,
    summary="Start its run now",
    responses=STARTED,
)
async def run(
    request: Request,
    services: Shared,
    who: Who,
    name: Name,
    idempotency_key: Key = None,
    wait: Wait = None,
) -> Response:
    """Whatever the time, whether it is paused, and whether the run of before has ended."""
    schedule = await in_thread(read_schedule, services.root, name)
    who.check_deployment(schedule.deployment, to="start a run")
    start = partial(start_scheduled, services.root, services.catalog, schedule, idempotency_key)
    return await answer_start(request, services, start, wait)


@router.post(
    "/schedules/{name}/pause",
    operation_id="pause_schedule",
    response_model=ScheduleView,
    summary="Start nothing until it is resumed",
    responses={200: {"headers": ETAG}},
)
async def pause(services: Shared, name: Name) -> Response:
    """Its runs go on. The one that was to follow when they have ended does not."""
    return await _answer(services, await in_thread(set_enabled, services.root, name, False))


@router.post(
    "/schedules/{name}/resume",
    operation_id="resume_schedule",
    response_model=ScheduleView,
    summary="Go on after a pause",
    responses={200: {"headers": ETAG}},
)
async def resume(services: Shared, name: Name) -> Response:
    """Of the times in the pause its last is made up for if `missed` is `once`."""
    return await _answer(services, await in_thread(set_enabled, services.root, name, True))


async def _answer(services: Services, schedule: Schedule, *, is_new: bool = False) -> Response:
    headers = etag_of(schedule)
    if is_new:
        headers["location"] = _path(schedule.name)
    return Json(await in_thread(_view, services, schedule), 201 if is_new else 200, headers)


def _put(
    services: Services, name: str, asked: PutSchedule, condition: SchedulePrecondition
) -> tuple[Schedule, bool]:
    check_schedule_name(name)
    try:
        sent = {field: getattr(asked, field) for field in asked.model_fields_set}
        schedule = schedule_of(name, sent)
        start_of_schedule(services.root, services.catalog.entries(), schedule, None)
        return write_schedule(services.root, schedule, condition)
    except BadSchedule as error:
        raise refused(error.pointer, str(error)) from None


def _list(services: Services) -> dict[str, Any]:
    found, broken = list_schedules(services.root)
    return {
        "schedules": [_view(services, each) for each in found],
        "broken": [{"name": name, "detail": str(error)} for name, error in broken.items()],
    }


def _view(services: Services, schedule: Schedule) -> dict[str, Any]:
    runs = services.index.page(limit=1, schedule=schedule.name).runs
    view = schedule_view(schedule, read_state_of(services.root, schedule.name))
    return view | {
        "last_run": summary_view(runs[0]) if runs else None,
        "links": {
            "self": _path(schedule.name),
            "runs": own_path(f"/api/v1/workflows?schedule={schedule.name}"),
            "deployment": own_path(f"/api/v1/deployments/{schedule.deployment}"),
        },
    }


def _path(name: str) -> str:
    return own_path(f"/api/v1/schedules/{name}")
