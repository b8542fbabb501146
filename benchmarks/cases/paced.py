"""One line at a time to many listeners: no batching helps here."""

from collections.abc import Callable

from ..bench import Bench, Figures, measure_burst
from ..client import ClientSpec
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 1000
# What watchfiles takes to notice an append: nchan is told by the POST itself.
_WAKE_UP_MS = 2.0


def measure(bench: Bench) -> list[Row]:
    rows = []
    with bench.servers("tailcast", "nchan", "sse-starlette") as servers:
        for listeners, delivered_per_s in ((100, 10_000), (1000, 20_000)):
            listeners = min(listeners, bench.pick(1000, 1000, 20))
            per_s = delivered_per_s / listeners
            lines = max(5, int(per_s * bench.pick(1.5, 1.0, 0.02)))
            found = bench.interleave(
                f"paced, {listeners} listeners",
                {
                    name: _measure_one(bench, server, listeners, lines, per_s)
                    for name, server in servers.items()
                },
            )
            work = f"{delivered_per_s:,} events/s to {listeners:,} listeners"
            p50 = Row("paced", f"{work}, p50", "ms", found["p50"], "less")
            p99 = Row("paced", f"{work}, p99", "ms", found["p99"], "less")
            cpu = Row("paced", f"{work}, server CPU", "us/event", found["cpu"], "less")
            if "nchan" in servers:
                limit = 1.5 * p50.median("nchan") + _WAKE_UP_MS
                p50.within(limit, p50.median(), f"1.5x nchan + {_WAKE_UP_MS:g} ms = {limit:.3g} ms")
                cpu.within(2.0, cpu.cost("nchan"), "2x nchan at most")
            rows += [p50, p99, cpu]
    return rows


def _measure_one(
    bench: Bench, server: Server, listeners: int, lines: int, per_s: float
) -> Callable[[], Figures]:
    def measured() -> Figures:
        run = bench.new_run()
        server.add_run(run)
        client = ClientSpec(
            server.port, (server.listeners(run, listeners),), events_each=lines, stamps=True
        )
        burst = measure_burst(server, client, server.writer([run], lines, _LINE_BYTES, per_s))
        cpu_us = burst.server_cpu_s * 1e6 / burst.events
        return {"p50": burst.p50_ms, "p99": burst.p99_ms, "cpu": cpu_us}

    return measured
