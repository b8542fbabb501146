"""Numbers for Prometheus, read when they are asked for: nothing is counted twice, and nothing costs in between."""

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from runlog import STATUSES

from ..dependencies import Services, Shared, in_thread

__all__ = ["router"]

router = APIRouter(tags=["probes"])

# https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
)
async def metrics(services: Shared) -> Response:
    """Runs by status, listeners, cached bytes, and bytes delivered. Needs the token, if one is set."""
    counts = (await in_thread(services.index.counts))["status"]
    numbers = CollectorRegistry(auto_describe=False)
    numbers.register(_Now(services, counts))
    headers = {"cache-control": "no-store"}
    return Response(generate_latest(numbers), media_type=_MEDIA_TYPE, headers=headers)


class _Now(Collector):
    def __init__(self, services: Services, runs: dict[str, int]) -> None:
        self._tails = services.tails
        self._runs = runs

    def collect(self) -> Iterator[Metric]:
        runs = GaugeMetricFamily("tailcast_runs", "Runs under the root", labels=["status"])
        for status in STATUSES:
            runs.add_metric([status], self._runs.get(status, 0))
        yield runs
        yield GaugeMetricFamily(
            "tailcast_listeners",
            "Runs that are listened to, once for each listener",
            value=self._tails.listeners,
        )
        yield GaugeMetricFamily(
            "tailcast_cached_bytes",
            "Lines and their frames in memory",
            value=self._tails.budget.spent_bytes,
        )
        yield CounterMetricFamily(
            "tailcast_delivered_bytes",
            "Sent to listeners since the relay started",
            value=self._tails.sent_bytes,
        )
