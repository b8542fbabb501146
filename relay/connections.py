"""Many runs on one connection: the route of `relay.many`."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from runlog import Workspace, check_run_id

from .many import MAX_RUNS, ManyQuery, ManyStream, parse_cursors
from .problems import Problem
from .services import Shared, StrictRoute
from .sse import Variant
from .workflows import Exclude, Types, names_of

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute)


@router.get(
    "/stream",
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
    """
    run_ids = list(dict.fromkeys(map(check_run_id, run)))
    if not run_ids and not feed:
        raise Problem(
            422, "invalid-request", "Send `run=` once for each run to follow, or `feed=1`"
        )
    cursors = [parse_cursors(text, run_ids) for text in (last_event_id, after) if text]
    query = ManyQuery(
        runs=tuple(Workspace(services.root, run_id) for run_id in run_ids),
        after=cursors[0] if cursors else (0,) * len(run_ids),
        again=bool(cursors),
        feed=feed,
        variant=Variant(types=names_of(types), exclude=names_of(exclude) or frozenset()),
    )
    return ManyStream(services.tails, services.feed, query, services.settings.keepalive_s)
