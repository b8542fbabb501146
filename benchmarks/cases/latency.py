"""append -> listener, one line at a time, with 1 and 100 listeners."""

from collections.abc import Callable

from ..bench import Bench, Figures, measure_burst
from ..client import ClientSpec
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 1000


def measure(bench: Bench) -> list[Row]:
    rows = []
    with bench.servers("tailcast", "sse-starlette", "naive") as servers:
        for listeners, per_s, seconds, p50_ms in ((1, 50, 1.5, 3.0), (100, 20, 1.5, 6.0)):
            lines = int(per_s * seconds * bench.pick(1.0, 0.5, 0.05))
            found = bench.interleave(
                f"latency, {listeners} listeners",
                {
                    name: _measure_one(bench, server, listeners, lines, per_s)
                    for name, server in servers.items()
                },
            )
            work = f"{listeners} listener{'s' if listeners > 1 else ''}, {per_s} lines/s"
            p50 = Row("latency", f"{work}, p50", "ms", found["p50"], "less")
            p99 = Row("latency", f"{work}, p99", "ms", found["p99"], "less")
            p99.within(3.0, p99.median() / p50.median(), "3x p50 at most")
            rows += [p50.at_most(p50_ms).times("naive", 15), p99]
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
        return {"p50": burst.p50_ms, "p99": burst.p99_ms}

    return measured
