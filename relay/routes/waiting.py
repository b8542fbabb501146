"""Wait until a run has come so far, in one call."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from runlog import Workspace
from runlog.run.awaited import (
    Awaited,
    Goal,
    Reached,
    check_message_known,
    goal_of,
    goal_of_message,
)

from ..dependencies import Json, RunAt, Services, Shared, StrictRoute
from ..http.asked import MessageId
from ..http.problems import Problem
from ..http.runs import links_of, run_view
from ..http.shown import Waited
from ..streaming.waits import MAX_WAIT_S

__all__ = ["Wait", "router", "wait_for", "wait_link"]

router = APIRouter(route_class=StrictRoute, tags=["events"])

Wait = Annotated[
    float | None,
    Query(
        ge=0,
        le=MAX_WAIT_S,
        allow_inf_nan=False,
        description="Seconds to wait for the answer: then it is in this one, with the state of the run",
        examples=[60],
    ),
]


async def wait_for(
    request: Request, services: Services, run: Workspace, goal: Goal, wait_s: float
) -> dict[str, Any]:
    """What came about (`done`), and the state of the run. The run goes on, whatever becomes of the wait."""
    reached = await services.waits.until(request, run, goal, wait_s)
    state = await services.run_calls(
        run, run_view, services.states, run, services.index.queue_position
    )
    return {"done": reached is not None, **(reached or Reached()).as_json(), "state": state}


@router.get(
    "/workflows/{run_id}/wait",
    operation_id="wait_for_run",
    response_model=Waited,
    summary="Wait for a run",
    responses={
        200: {"description": "It has come about"},
        202: {"description": "Not yet: the time is over, and the run goes on", "model": Waited},
    },
)
async def wait(
    request: Request,
    services: Shared,
    run: RunAt,
    awaited: Annotated[
        Awaited,
        Query(
            alias="for",
            description="`end`: the run has ended. `turn`: it is at rest, or has ended. `attention`: it asks a "
            "person, or has ended",
        ),
    ] = "end",
    message: Annotated[
        MessageId | None,
        Query(description="With `for=turn`: the end of the turn that answers this message"),
    ] = None,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 60,
) -> Response:
    """Blocks until then, or until `wait` seconds are over. It costs no more than who listens to the stream.

    404 if nobody has said that message: it was posted to no inbox, and the run knows nothing of it.
    """
    if message is not None and awaited != "turn":
        told = "`message` goes with `for=turn`"
        raise Problem(
            422, "invalid-request", told, errors=[{"parameter": "message", "detail": told}]
        )
    goal = goal_of(awaited)
    if message is not None:
        await services.run_calls(run, _check_known, services, run, message)
        goal = goal_of_message(message)
    waited = await wait_for(request, services, run, goal, wait)
    links = {"wait": wait_link(run.run_id, awaited, message)}
    return Json(waited | {"links": links}, 200 if waited["done"] else 202)


def wait_link(run_id: str, awaited: Awaited, message_id: str | None = None) -> str:
    """Where to wait for just that."""
    asked = {"for": awaited} if message_id is None else {"for": awaited, "message": message_id}
    return f"{links_of(run_id)['wait']}?{urlencode(asked)}"


def _check_known(services: Services, run: Workspace, message_id: str) -> None:
    with services.states.read(run) as state:
        check_message_known(run, state, message_id)
