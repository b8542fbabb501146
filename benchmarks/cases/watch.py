"""What tells the relay of new lines, side by side: watchfiles in a thread, and inotify in the event loop."""

import time
from collections.abc import Callable
from functools import partial

from ..bench import Bench, Figures, measure_burst
from ..client import ClientSpec
from ..rows import Row
from ..server import Server, tailcast

__all__ = ["measure"]

_LINE_BYTES, _LINES_PER_S = 1000, 50
_SETTLE_S = 1.0


def measure(bench: Bench) -> list[Row]:
    lines = bench.pick(50, 50, 5)
    idle_s = bench.pick(2.0, 2.0, 0.2)
    with (
        bench.root() as root,
        tailcast(root) as watchfiles,
        tailcast(root, "--watch", "inotify") as inotify,
    ):
        servers = {"watchfiles": watchfiles, "tailcast": inotify}
        measures: dict[str, Callable[[], Figures]] = {
            name: partial(_measure_one, bench, server, lines, idle_s)
            for name, server in servers.items()
        }
        found = bench.interleave("watch", measures, rounds=min(2, bench.rounds))
    work = f"tailcast is `--watch inotify`; 1 listener, {_LINES_PER_S} lines/s"
    return [
        Row("watch", f"{work}, p50", "ms", found["p50"], "less").at_most(0.5),
        Row("watch", f"{work}, p99", "ms", found["p99"], "less"),
        Row("watch", "idle, with that listener: CPU", "% of a core", found["idle"], "less").at_most(
            0.1
        ),
    ]


def _measure_one(bench: Bench, server: Server, lines: int, idle_s: float) -> Figures:
    run = bench.new_run()
    server.add_run(run)
    client = ClientSpec(server.port, (server.listeners(run),), events_each=lines, stamps=True)
    burst = measure_burst(server, client, server.writer([run], lines, _LINE_BYTES, _LINES_PER_S))
    time.sleep(min(_SETTLE_S, idle_s))
    before = server.cpu_s()
    time.sleep(idle_s)
    return {
        "p50": burst.p50_ms,
        "p99": burst.p99_ms,
        "idle": (server.cpu_s() - before) / idle_s * 100,
    }
