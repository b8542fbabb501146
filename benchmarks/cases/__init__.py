"""The cases, by the name that `--only` takes, in the order of the table."""

from collections.abc import Callable

from ..bench import Bench
from ..rows import Row
from . import (
    ceiling,
    claude,
    fan_out,
    growth,
    herd,
    latency,
    many_runs,
    paced,
    page,
    replay,
    root,
    slow_listener,
    start,
    watch,
)

__all__ = ["CASES", "ON_REQUEST"]

CASES: dict[str, Callable[[Bench], list[Row]]] = {
    "latency": latency.measure,
    "fan-out": fan_out.measure,
    "paced": paced.measure,
    "many-runs": many_runs.measure,
    "replay": replay.measure,
    "named": replay.measure_named,
    "growth": growth.measure,
    "slow": slow_listener.measure,
    "herd": herd.measure,
    "start": start.measure,
    "first-words": claude.measure,
    "watch": watch.measure,
    "root": root.measure,
    "ceiling": ceiling.measure,
    "page": page.measure,
}
ON_REQUEST = frozenset({"page"})
"""Run only where `--only` names them: they need more than Python, and measure what is not the relay."""
