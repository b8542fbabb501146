"""Many runs on one connection: the route of `many` and `batch_stream`."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from runlog import Workspace, check_run_id, open_batch

from ..batches.stream import BatchQuery, BatchStream
from ..dependencies import Services, Shared, StrictRoute, in_thread
from ..http.problems import Problem
from ..streaming.multi_cursor import MAX_RUNS, BatchCursor, ListCursor
from ..streaming.multi_stream import ManyQuery, ManyStream
from ..streaming.sse import Variant
from .runs import Exclude, Types, names_of

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute)


@router.get(
    "/stream",
    operation_id="stream_runs",
    tags=["events"],
    summary="Follow many runs on one connection",
    response_class=Response,
    responses={
        200: {
            "description": "Server-Sent Events: `data` is `{run_id, offset, event}`, `id` resumes all runs at once. "
            "By name: `end`, `reset` and `gone` of one run, and with `feed` `run`, the summary of a run that changed",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {
            "description": "All of the runs have ended, and you have all of them: do not reconnect"
        },
    },
)
async def stream(
    services: Shared,
    run: Annotated[
        list[str], Query(description="The runs to follow, `run=A&run=B`", max_length=MAX_RUNS)
    ] = [],  # noqa: B006 # FastAPI copies it
    batch: Annotated[
        str | None, Query(description="All runs of a batch, instead of `run` and `feed`")
    ] = None,
    feed: Annotated[
        bool, Query(description="Add the state of every run of the root, as it changes")
    ] = False,
    after: Annotated[
        str | None, Query(description="Cursor: the `id` of the last event, or `A:123,B:456`")
    ] = None,
    types: Types = None,
    exclude: Exclude = None,
    last_event_id: Annotated[
        str | None, Header(description="What a browser sends when it reconnects; wins over `after`")
    ] = None,
) -> Response:
    """Each run as its own stream would tell it, once and in order; between runs there is no order.

    It ends with the last of its runs, and never with `feed`. A run that ended and is reopened is followed on with
    `feed`; without, connect again.

    Of a batch the last event is `end` with the `batch_id` and its totals; runs that have not begun are followed when
    they do.
    """
    variant = Variant(types=names_of(types), exclude=names_of(exclude) or frozenset())
    given = [text for text in (last_event_id, after) if text]
    if batch is not None:
        if run or feed:
            raise Problem(422, "invalid-request", "Send `batch=` alone, without `run=` and `feed=`")
        return await _batch_stream(services, batch, given, variant)
    run_ids = list(dict.fromkeys(map(check_run_id, run)))
    if not run_ids and not feed:
        raise Problem(
            422,
            "invalid-request",
            "Send `run=` once for each run to follow, or `feed=1`, or `batch=`",
        )
    cursors = [ListCursor.parse(text, run_ids) for text in given]
    query = ManyQuery(
        runs=tuple(Workspace(services.root, run_id) for run_id in run_ids),
        places=cursors[0] if cursors else ListCursor(run_ids, (0,) * len(run_ids)),
        again=bool(cursors),
        feed=feed,
        variant=variant,
    )
    return ManyStream(services.tails, services.feed, query, services.settings.keepalive_s)


async def _batch_stream(
    services: Services, batch_id: str, given: list[str], variant: Variant
) -> Response:
    batch = await in_thread(open_batch, services.root, batch_id)
    cursors = [BatchCursor.parse(text, batch.run_ids) for text in given]
    places = cursors[0] if cursors else BatchCursor(batch.run_ids)
    return BatchStream(services, BatchQuery(batch, places, variant))
