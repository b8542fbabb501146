"""Start, list, look at and remove runs; and the stream of one."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from runlog import (
    Status,
    Unusable,
    Workspace,
    check_run_id,
    open_workspace,
    parse_cursor,
    run_status,
)
from runlog.errors import BadOwnWords
from runlog.index import Filters, Order
from runlog.run.awaited import goal_of
from runlog.run.own_words import MAX_LABELS, parse_label

from ..dependencies import (
    Json,
    OnRun,
    RunAt,
    RunName,
    Services,
    Shared,
    StrictRoute,
    Who,
    in_thread,
)
from ..http.asked import StartAgain, StartRun
from ..http.problems import Problem
from ..http.runs import links_of, remove_run, run_view, summary_view
from ..http.shown import CatalogView, RunPage, RunView, StartedAndWaited, StatusName
from ..starting.again import start_again
from ..starting.create_run import Started, start_run
from ..streaming.responses import EventStream
from ..streaming.sse import Variant
from ..streaming.subscriber import StreamQuery
from .waiting import Wait, wait_for, wait_link

__all__ = ["STARTED", "Key", "answer_start", "names_of", "router"]

router = APIRouter(route_class=StrictRoute)

After = Annotated[
    str | None,
    Query(description="Cursor: the `id` of the last event you have", examples=["1482"]),
]
Types = Annotated[
    str | None, Query(description="Only these event types", examples=["assistant,result"])
]
Exclude = Annotated[
    str | None, Query(description="All but these event types", examples=["stream_event"])
]


STARTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "With `wait`: the time is over, and the run goes on",
        "model": StartedAndWaited,
    },
    201: {
        "description": "It is on the disk, and queued. With `Accept: text/event-stream` the body is its stream",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "of the run"}},
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}
Key = Annotated[
    str | None,
    Header(
        alias="idempotency-key",
        description="Sent again with the same body, no second run is started (for a day)",
    ),
]


@router.post(
    "/workflows",
    operation_id="start_run",
    status_code=201,
    response_model=StartedAndWaited,
    tags=["runs"],
    summary="Start a run",
    responses=STARTED,
)
async def start(
    request: Request,
    services: Shared,
    who: Who,
    asked: StartRun,
    idempotency_key: Key = None,
    wait: Wait = None,
) -> Response:
    """The run is queued: a runner on the same root takes it up.

    With `wait` it is answered when the run is at rest or has ended: 201 with what it came to, or 202 if that is
    not within the time.
    """
    who.check_deployment(asked.deployment, to="start a run")
    start = partial(start_run, services.root, services.catalog, asked, idempotency_key)
    return await answer_start(request, services, start, wait)


@router.post(
    "/workflows/{run_id}/again",
    operation_id="start_run_again",
    status_code=201,
    response_model=StartedAndWaited,
    tags=["runs"],
    summary="Start the same once more",
    responses=STARTED,
)
async def again(
    request: Request,
    services: Shared,
    who: Who,
    run: RunAt,
    on_run: OnRun,
    asked: Annotated[StartAgain | None, Body()] = None,
    idempotency_key: Key = None,
    wait: Wait = None,
) -> Response:
    """A new run that is started as this one was, but for what the body says otherwise.

    Of a run of a deployment: what that fixes, it fixes as it is now. The trace is not repeated, and nothing of the
    run's files comes along.
    """
    same = await on_run(start_again, services.root, run, asked or StartAgain.model_validate({}))
    who.check_deployment(same.deployment, to="start a run")
    start = partial(start_run, services.root, services.catalog, same, idempotency_key)
    return await answer_start(request, services, start, wait)


async def answer_start(
    request: Request, services: Services, start: Callable[[], Started], wait: float | None
) -> Response:
    """What a call that starts a run is answered, with `wait` or `Accept: text/event-stream` too.

    :param start: waits for the disk.
    """
    streams = "text/event-stream" in request.headers.get("accept", "")
    if streams and wait is not None:
        detail = "The stream tells the answer too: leave out `wait`, or `Accept: text/event-stream`"
        raise Problem(
            422, "invalid-request", detail, errors=[{"parameter": "wait", "detail": detail}]
        )
    started = await in_thread(start)
    workspace = started.workspace
    links = links_of(workspace.run_id)
    headers = {"location": links["self"]}
    body: dict[str, Any]
    if streams:
        query = StreamQuery()
        return EventStream(
            services.tails, workspace, query, services.settings.keepalive_s, 201, headers
        )
    if wait is not None:
        body = await wait_for(request, services, workspace, goal_of("turn"), wait)
        links["wait"] = wait_link(workspace.run_id, "turn")
        status = body["state"]["status"]
    else:
        status = await in_thread(_status, workspace) if started.repeated else "queued"
        body = {}
    told = {"run_id": workspace.run_id, "status": status, "links": links}
    return Json(told | body, 201 if body.get("done", True) else 202, headers)


def _status(run: Workspace) -> Status:
    try:
        return run_status(run)
    except Unusable:
        return "failed"


@router.get(
    "/workflows",
    operation_id="list_runs",
    response_model=RunPage,
    response_model_exclude_unset=True,
    tags=["runs"],
    summary="List runs",
)
async def list_runs(
    services: Shared,
    q: Annotated[
        str | None,
        Query(
            max_length=500,
            description="Words that all begin words of the run's id, title, labels, thread, prompt (or command) or "
            "result",
            examples=["parser timeout"],
        ),
    ] = None,
    status: Annotated[StatusName | None, Query()] = None,
    workflow: Annotated[str | None, Query(max_length=200)] = None,
    deployment: Annotated[str | None, Query(max_length=200)] = None,
    batch: Annotated[str | None, Query(max_length=200, description="Its id")] = None,
    batch_id: Annotated[
        str | None, Query(max_length=200, deprecated=True, description="As `batch`")
    ] = None,
    reason: Annotated[
        str | None,
        Query(
            max_length=200,
            description="How it failed, or stopped, in a word",
            examples=["wall_time_s"],
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        Query(
            max_length=MAX_LABELS,
            description="`name=value`, or `name` with any value; repeated, all of them",
            examples=[["team=search"]],
        ),
    ] = None,
    thread_id: Annotated[str | None, Query(max_length=200)] = None,
    schedule: Annotated[str | None, Query(max_length=200, description="That started them")] = None,
    created_after: Annotated[
        datetime | None, Query(description="At this time or later; without a zone it is UTC")
    ] = None,
    created_before: Annotated[datetime | None, Query(description="Before this time")] = None,
    cost_over: Annotated[
        float | None, Query(ge=0, allow_inf_nan=False, description="USD; more than that")
    ] = None,
    order: Annotated[
        Order, Query(description="`cost` and `duration`: the highest first")
    ] = "newest",
    counts: Annotated[bool, Query(description="Also how many runs have each value")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None,
        Query(
            max_length=200, description="`next` as you got it, with the same `order` and filters"
        ),
    ] = None,
) -> Response:
    """Newest first, or in another order."""
    filters = Filters(
        q=q,
        status=status,
        workflow=workflow,
        deployment=deployment,
        batch_id=batch if batch is not None else batch_id,
        reason=reason,
        labels=_labels(label),
        thread_id=thread_id,
        schedule=schedule,
        created_after=_aware(created_after),
        created_before=_aware(created_before),
        cost_over=cost_over,
    )

    def read() -> dict[str, Any]:
        page = services.index.page(limit=limit, cursor=cursor, order=order, **filters)
        told = {
            "runs": [summary_view(summary) for summary in page.runs],
            "next": page.next,
            "complete": page.complete,
        }
        return told | ({"counts": services.index.counts(**filters)} if counts else {})

    return Json(await in_thread(read))


def _labels(asked: list[str] | None) -> list[tuple[str, str | None]] | None:
    if asked is None:
        return None
    try:
        return [parse_label(text) for text in asked]
    except BadOwnWords as error:
        raise Problem(
            422,
            "invalid-request",
            str(error),
            errors=[{"parameter": "label", "detail": str(error)}],
        ) from None


def _aware(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


@router.get(
    "/workflows/{run_id}",
    operation_id="get_run",
    response_model=RunView,
    tags=["runs"],
    summary="State of a run",
)
async def show(services: Shared, run: RunAt, on_run: OnRun) -> Response:
    return Json(await on_run(run_view, services.states, run, services.index.queue_position))


@router.delete(
    "/workflows/{run_id}",
    operation_id="remove_run",
    status_code=204,
    tags=["runs"],
    summary="Remove a run",
)
async def remove(services: Shared, run_id: RunName) -> Response:
    """Its folder and everything in it, for good. Only of a run that has ended, or can't be used.

    409 `not-removable` says what can't be unlinked, and why; once that is mended, ask again.
    """
    run = Workspace(services.root, check_run_id(run_id))
    await services.run_calls(run, remove_run, run)
    await in_thread(services.states.forget, run)
    return Response(status_code=204)


class _StreamRoute(StrictRoute):
    """Answers a plain request itself, without FastAPI's way to the arguments: that is half the time of a
    connection, and they come a thousand at once when a network or a relay is back."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def plain_or_not(request: Request) -> Response:
            if request.scope["query_string"]:
                return await handler(request)
            services: Services = request.app.state.services
            run = open_workspace(services.root, request.path_params["run_id"])
            last_id = request.headers.get("last-event-id")
            query = StreamQuery(after=parse_cursor(last_id) if last_id else None)
            return EventStream(services.tails, run, query, services.settings.keepalive_s)

        return plain_or_not


_streams = APIRouter(route_class=_StreamRoute)


@_streams.get(
    "/workflows/{run_id}/stream",
    operation_id="stream_run",
    tags=["events"],
    summary="Follow or replay a run",
    response_class=Response,
    responses={
        200: {
            "description": "Server-Sent Events: `id` is the byte offset after the line, `data` the stored line. "
            "`event: end` comes last, `event: reset` if your cursor means nothing any more, `event: malformed` in "
            "place of a line that is no JSON object",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'retry: 1000\nid: 1482\ndata: {"type":"assistant"}\n\n'
                    'id: 1482\nevent: end\ndata: {"status":"completed"}\n\n',
                }
            },
        },
        204: {"description": "The run has ended, and you have all of it: do not reconnect"},
    },
)
async def stream(
    services: Shared,
    run: RunAt,
    after: After = None,
    tail: Annotated[
        int | None, Query(ge=0, le=10**9, description="Start N lines from the end")
    ] = None,
    types: Types = None,
    exclude: Exclude = None,
    named: Annotated[bool, Query(description="Add `event: <type>`, for listeners by name")] = False,
    follow: Annotated[bool, Query(description="false: stop at the present end")] = True,
    speed: Annotated[
        float | None,
        Query(
            ge=0.1,
            le=100,
            allow_inf_nan=False,
            description="Replay with the recorded gaps, this much faster; a gap is cut at 10 s",
        ),
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="What a browser sends when it reconnects; wins over `after`")
    ] = None,
) -> Response:
    """Live and replay are the same: it begins at your cursor, or at the beginning, and goes on as the run does.

    A stream of a queued run waits for its first line. Nothing is lost or repeated over reconnects.
    """
    # Both are checked, though the header wins: it is the browser's, of a later time than the URL.
    cursors = [parse_cursor(text) for text in (last_event_id or None, after) if text is not None]
    query = StreamQuery(
        after=cursors[0] if cursors else None,
        tail=tail,
        follow=follow,
        speed=speed,
        variant=Variant(named, names_of(types), names_of(exclude) or frozenset()),
    )
    return EventStream(services.tails, run, query, services.settings.keepalive_s)


def names_of(listed: str | None) -> frozenset[str] | None:
    """`a,b` as a set; None if there is nothing in it."""
    return frozenset(name for part in (listed or "").split(",") if (name := part.strip())) or None


@router.get(
    "/catalog",
    operation_id="get_catalog",
    response_model=CatalogView,
    tags=["runs"],
    summary="What can be started",
)
async def catalog(services: Shared) -> Response:
    """As the runner last said."""
    entries = await in_thread(services.catalog.entries)
    return Json({"workflows": [asdict(entry) for entry in entries.values()]})


router.include_router(_streams)
