"""How far a batch is: totals of its runs. Nothing is stored."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ..disk.records import from_iso
from ..index import RunIndex
from ..run.events import STATUSES, Status, is_terminal
from ..run.status import Summary
from .batches import Batch

__all__ = ["BatchState", "BatchStatus", "batch_rows", "batch_state"]

BatchStatus = Literal["queued", "running", "completed", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class BatchState:
    """`by_status` has each status there is; runs that were `removed` since count as done.

    `status`: `queued` until the first run begins; then `running` until the last has ended, and then `failed` if one
    failed, else `stopped` if one was stopped, else `completed`. `progress` is 0 to 100; `cost_usd` None if no run
    told of any. `duration_s` is from the making of the batch until its last run ended, or until now.
    """

    batch_id: str
    status: BatchStatus
    workflow: str
    deployment: str | None
    description: str | None
    max_running: int | None
    total: int
    done: int
    removed: int
    by_status: dict[str, int]
    progress: float
    open_questions: int
    cost_usd: float | None
    created_at: str
    ended_at: str | None
    duration_s: float | None


def batch_rows(index: RunIndex, batch: Batch) -> list[Summary | None]:
    """The runs of a batch in the order of its inputs; None for one that was removed."""
    rows = index.rows(batch.run_ids)
    # Its id may be another run's by now.
    return [row if row and row.batch_id == batch.batch_id else None for row in rows]


def batch_state(batch: Batch, rows: Sequence[Summary | None]) -> BatchState:
    """:param rows: as `batch_rows` gives them."""
    there = [row for row in rows if row is not None]
    counts = Counter(row.status for row in there)
    removed = len(rows) - len(there)
    done = removed + sum(is_terminal(row.status) for row in there)
    status = _status([row.status for row in there], over=done == len(rows))
    costs = [row.cost_usd for row in there if row.cost_usd is not None]
    begun, ended_at = from_iso(batch.created_at), None
    if done == len(rows):
        ended_at = max((row.ended_at for row in there if row.ended_at), default=None)
    until = from_iso(ended_at) if done == len(rows) else datetime.now(UTC)
    return BatchState(
        batch_id=batch.batch_id,
        status=status,
        workflow=batch.workflow,
        deployment=batch.deployment,
        description=batch.description,
        max_running=batch.max_running,
        total=len(rows),
        done=done,
        removed=removed,
        by_status={status: counts[status] for status in STATUSES},
        progress=_progress(rows),
        open_questions=sum(row.open_questions for row in there),
        cost_usd=round(sum(costs), 9) if costs else None,
        created_at=batch.created_at,
        ended_at=ended_at,
        duration_s=round((until - begun).total_seconds(), 3) if until and begun else None,
    )


def _status(statuses: Sequence[Status], *, over: bool) -> BatchStatus:
    if over:
        return (
            "failed"
            if "failed" in statuses
            else "stopped"
            if "stopped" in statuses
            else "completed"
        )
    return "running" if any(status != "queued" for status in statuses) else "queued"


def _progress(rows: Sequence[Summary | None]) -> float:
    """The mean of its runs; one that has ended counts whole, however far it came."""
    if not rows:
        return 100.0
    told = (
        100.0 if row is None or is_terminal(row.status) else min(100.0, max(0.0, row.progress or 0))
        for row in rows
    )
    return round(sum(told) / len(rows), 1)
