"""What the runs of a deployment came to, from their rows. Nothing is stored."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..index import RunIndex
from ..run.events import STATUSES, is_terminal
from ..run.status import Summary
from .deployments import Deployment

__all__ = [
    "Durations",
    "RunStatistics",
    "deployment_view",
    "statistics_by_deployment",
]


@dataclass(frozen=True, slots=True)
class Durations:
    """In seconds, of the runs that have ended; None if none told."""

    p50: float | None
    mean: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """`by_status` has each status there is. `success_rate`: the share of `completed` (0 to 1) in those that completed
    or failed, None if none did; what a person stopped counts for neither. `cost_usd`: in all, None if no run told.
    `last_run`: the one that was started last.
    """

    runs: int
    by_status: dict[str, int]
    success_rate: float | None
    duration_s: Durations
    cost_usd: float | None
    last_run: Summary | None


def deployment_view(deployment: Deployment, statistics: RunStatistics) -> dict[str, Any]:
    """What is shown of it: over HTTP and by the command line alike."""
    return deployment.as_json() | {"statistics": asdict(statistics)}


def statistics_by_deployment(index: RunIndex, names: Sequence[str]) -> dict[str, RunStatistics]:
    """Of each of the deployments."""
    return {name: _statistics(index, name) for name in names}


def _statistics(index: RunIndex, name: str) -> RunStatistics:
    # Here, since it takes 30 ms to import, and every command imports us.
    from statistics import fmean, median

    rows = index.figures(name)
    counts = Counter(status for status, _, _ in rows)
    took = [took for status, took, _ in rows if is_terminal(status) and took is not None]
    costs = [cost for _, _, cost in rows if cost is not None]
    decided = counts["completed"] + counts["failed"]
    last = index.page(limit=1, deployment=name).runs if rows else []
    return RunStatistics(
        runs=len(rows),
        by_status={status: counts[status] for status in STATUSES},
        success_rate=counts["completed"] / decided if decided else None,
        duration_s=Durations(
            p50=median(took) if took else None,
            mean=fmean(took) if took else None,
            max=max(took, default=None),
        ),
        cost_usd=round(sum(costs), 9) if costs else None,
        last_run=last[0] if last else None,
    )
