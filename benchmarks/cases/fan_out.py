"""A burst of lines to all listeners of one run, as fast as it goes; each line appended alone."""

from collections.abc import Callable
from dataclasses import replace

from ..bench import Bench, Figures, measure_burst
from ..client import ClientSpec
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 1000
# Lines for each number of listeners: so many that a measure takes about a second.
_LINES = {  # listeners -> system -> lines
    1: {"tailcast": 50_000, "naive": 4_000, "nchan": 10_000},
    10: {"tailcast": 30_000, "naive": 600, "nchan": 5_000},
    100: {"tailcast": 8_000, "naive": 100, "nchan": 700},
    1000: {"tailcast": 1_500, "naive": 12, "nchan": 60},
}
# POSTs on the way at once: what a writer could do that does not wait for an answer, as `append` does.
_PIPELINED = 64
_TIMES_NCHAN = {1: 5, 100: 8, 1000: 8}
_TIMES_NAIVE = {100: 100, 1000: 100}


def measure(bench: Bench) -> list[Row]:
    rows = []
    with bench.servers("tailcast", "naive", "nchan") as servers:
        for listeners, lines in _LINES.items():
            listeners = min(listeners, bench.pick(1000, 1000, 20))
            share = bench.pick(0.85, 0.3, 0.01)
            measures = {
                name: _measure_one(bench, server, listeners, max(5, int(lines[name] * share)))
                for name, server in servers.items()
            }
            if "nchan" in servers:
                measures["nchan, pipelined"] = _measure_one(
                    bench,
                    servers["nchan"],
                    listeners,
                    max(5, int(lines["nchan"] * share)),
                    _PIPELINED,
                )
            found = bench.interleave(f"fan-out, {listeners} listeners", measures)
            work = f"1 KB lines to {listeners} listener{'s' if listeners > 1 else ''}"
            row = Row("fan-out", work, "events/s", found["events/s"])
            if listeners in _TIMES_NCHAN:
                row.times("nchan", _TIMES_NCHAN[listeners])
            if listeners in _TIMES_NAIVE:
                row.times("naive", _TIMES_NAIVE[listeners])
            rows.append(row)
    return rows


def _measure_one(
    bench: Bench, server: Server, listeners: int, lines: int, pipelined: int = 1
) -> Callable[[], Figures]:
    def measured() -> Figures:
        run = bench.new_run()
        server.add_run(run)
        client = ClientSpec(
            server.port,
            (server.listeners(run, listeners),),
            events_each=lines,
            count="some",
            line_bytes=_LINE_BYTES,
        )
        writer = replace(server.writer([run], lines, _LINE_BYTES), pipelined=pipelined)
        burst = measure_burst(server, client, writer)
        return {"events/s": burst.events_per_s}

    return measured
