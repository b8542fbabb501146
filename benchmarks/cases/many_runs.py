"""Many runs at once, each with its own listeners; lines go to the runs in turn, as fast as they are appended."""

from collections.abc import Callable
from dataclasses import replace

from ..bench import Bench, Figures, measure_burst
from ..client import ClientSpec
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 500
# For each run; so many that a measure takes a second or two.
_LINES = {"tailcast": 100, "naive": 10}
_LINES_PER_APPEND = 10


def measure(bench: Bench) -> list[Row]:
    rows = []
    with bench.servers("tailcast", "naive") as servers:
        for runs, listeners, at_once in ((100, 10, 1), (1000, 1, _LINES_PER_APPEND), (1000, 1, 1)):
            runs = min(runs, bench.pick(1000, 1000, 5))
            share = bench.pick(0.5, 0.5, 0.1) * (0.3 if runs == 1000 and at_once == 1 else 1.0)
            found = bench.interleave(
                f"many runs, {runs} x {listeners}, {at_once} at once",
                {
                    name: _measure_one(
                        bench, server, runs, listeners, max(2, int(_LINES[name] * share)), at_once
                    )
                    for name, server in servers.items()
                },
            )
            work = f"{runs:,} runs x {listeners} listener{'s' if listeners > 1 else ''}"
            work += ", a line at a time" if at_once == 1 else f", {at_once} lines at a time"
            row = Row("many runs", work, "events/CPU s", found["events/CPU s"])
            rows.append(row.times("naive", 20))
            rows.append(Row("many runs", work, "events/s", found["events/s"]))
    return rows


def _measure_one(
    bench: Bench, server: Server, runs: int, listeners: int, lines: int, at_once: int
) -> Callable[[], Figures]:
    def measured() -> Figures:
        names = [bench.new_run() for _ in range(runs)]
        for name in names:
            server.add_run(name)
        groups = tuple(server.listeners(name, listeners) for name in names)
        client = ClientSpec(server.port, groups, events_each=lines)
        writer = replace(server.writer(names, lines, _LINE_BYTES), lines_per_append=at_once)
        burst = measure_burst(server, client, writer)
        # A process's CPU time is told in steps of 10 ms.
        cpu_s = max(burst.server_cpu_s, 0.01)
        return {"events/CPU s": burst.events / cpu_s, "events/s": burst.events_per_s}

    return measured
