"""Batches: many runs that are started, followed and stopped as one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from runlog import (
    BadCursor,
    Batch,
    BatchActive,
    Busy,
    RunFinished,
    RunId,
    UnknownRun,
    Unusable,
    Workspace,
    is_terminal,
    list_batches,
    open_batch,
    parse_cursor,
    post,
)
from runlog.groups.batches import remove_batch, remove_unmade

from ..batches.create import start_batch
from ..batches.models import BatchMade, BatchPage, BatchStopped, BatchView, StartBatch
from ..batches.views import batch_links, batch_view, rows_of
from ..dependencies import Json, Services, Shared, StrictRoute, Who, in_thread
from ..http.callers import Caller
from ..http.runs import remove_run, summary_view
from ..http.shown import StatusName

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["batches"])


async def _batch_at(
    services: Shared, batch_id: Annotated[str, PathParam(description="As the start told it")]
) -> Batch:
    return await in_thread(open_batch, services.root, batch_id)


_BatchAt = Annotated[Batch, Depends(_batch_at)]


@router.post(
    "/batches",
    operation_id="start_batch",
    status_code=201,
    response_model=BatchMade,
    summary="Start a batch",
    responses={
        201: {
            "description": "All of its runs are on the disk, and queued",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "of the batch"}},
        }
    },
)
async def start(
    services: Shared,
    who: Who,
    asked: StartBatch,
    idempotency_key: Annotated[
        str | None,
        Header(description="Sent again with the same body, no second batch is started (for a day)"),
    ] = None,
) -> Response:
    """All inputs are checked first: if one is wrong, nothing is made, and `errors` says which and why.

    The runs are started in the order of the inputs, those of a higher `priority` first.
    """
    who.check_deployment(asked.deployment, to="start runs")
    batch = await in_thread(start_batch, services.root, services.catalog, asked, idempotency_key)
    links = batch_links(batch.batch_id)
    body = {"batch_id": batch.batch_id, "run_ids": batch.run_ids, "links": links}
    return Json(body, 201, {"location": links["self"]})


@router.get(
    "/batches", operation_id="list_batches", response_model=BatchPage, summary="List batches"
)
async def list_all(
    services: Shared,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` as you got it")] = None,
) -> Response:
    """Newest first, each with its totals."""
    return Json(await in_thread(_page, services, limit, cursor))


@router.get(
    "/batches/{batch_id}",
    operation_id="get_batch",
    response_model=BatchView,
    summary="State of a batch",
)
async def show(
    services: Shared,
    batch: _BatchAt,
    status: Annotated[StatusName | None, Query(description="Only runs of this status")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Runs of a page")] = 50,
    cursor: Annotated[str | None, Query(max_length=20, description="`next` as you got it")] = None,
) -> Response:
    """Totals of all its runs, and a page of them in the order of the inputs."""
    after = parse_cursor(cursor) if cursor else 0
    return Json(await in_thread(_view, services, batch, status, limit, after))


@router.post(
    "/batches/{batch_id}/stop",
    operation_id="stop_batch",
    status_code=202,
    response_model=BatchStopped,
    summary="Stop a batch",
)
async def stop(services: Shared, who: Who, batch: _BatchAt) -> Response:
    """Every run of it that has not ended. Those that are queued never start."""
    who.check_deployment(batch.deployment, to="stop runs")
    return Json(await in_thread(_stop, services, who, batch), 202)


@router.delete(
    "/batches/{batch_id}", operation_id="remove_batch", status_code=204, summary="Remove a batch"
)
async def remove(
    services: Shared,
    batch_id: str,
    runs: Annotated[bool, Query(description="Its runs too, with all their files")] = False,
) -> Response:
    """Only of a batch that has ended. Without `runs`, its runs stay, and are listed as any other."""
    await in_thread(_remove, services, batch_id, runs)
    return Response(status_code=204)


def _page(services: Services, limit: int, cursor: str | None) -> dict[str, Any]:
    remove_unmade(services.root)
    batches = list_batches(services.root)
    if cursor is not None:
        created_at, separator, batch_id = cursor.rpartition("~")
        if not separator:
            raise BadCursor(f"list cursor {cursor[:60]!r} is not one of ours", "Send `next`")
        batches = [b for b in batches if (b.created_at, b.batch_id) < (created_at, batch_id)]
    shown = batches[:limit]
    more = f"{shown[-1].created_at}~{shown[-1].batch_id}" if len(batches) > limit else None
    views = [batch_view(batch, rows_of(services, batch)) for batch in shown]
    return {"batches": views, "next": more}


def _view(
    services: Services, batch: Batch, status: StatusName | None, limit: int, after: int
) -> dict[str, Any]:
    rows = rows_of(services, batch)
    wanted = [
        (place, row)
        for place, row in enumerate(rows[after:], after)
        if row is not None and status in (None, row.status)
    ]
    return batch_view(batch, rows) | {
        "runs": [summary_view(row) for _, row in wanted[:limit]],
        "next": str(wanted[limit][0]) if len(wanted) > limit else None,
    }


def _stop(services: Services, who: Caller, batch: Batch) -> dict[str, Any]:
    line = {"type": "stop"} if who.name is None else {"type": "stop", "by": who.name}
    going = [row for row in rows_of(services, batch) if row and not is_terminal(row.status)]
    # What waits first: a place that becomes free would be taken by one of those.
    going.sort(key=lambda row: row.status != "queued")
    stopped = []
    for row in going:
        try:
            post(Workspace(services.root, RunId(row.run_id)), line)
            stopped.append(row.run_id)
        except (RunFinished, UnknownRun):
            pass  # it came first
        except (Unusable, Busy):
            pass  # that run can't be told; the others can
    return {"batch_id": batch.batch_id, "stopped": stopped}


def _remove(services: Services, batch_id: str, with_runs: bool) -> None:
    try:
        batch = open_batch(services.root, batch_id)
    except Unusable:
        remove_batch(services.root, batch_id)
        return
    rows = [row for row in rows_of(services, batch) if row is not None]
    going = sum(not is_terminal(row.status) for row in rows)
    if going:
        raise BatchActive(
            f"batch {batch.batch_id!r} has not ended: {going} of its runs go on",
            f"Stop it first: POST /api/v1/batches/{batch.batch_id}/stop",
        )
    # The runs first: if one can't be removed now, the batch is there to be removed again.
    for row in rows if with_runs else ():
        run = Workspace(services.root, RunId(row.run_id))
        try:
            remove_run(run)
        except UnknownRun:
            continue
        services.states.forget(run)
    remove_batch(services.root, batch.batch_id)
