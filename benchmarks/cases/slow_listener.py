"""One listener that takes 10 KB/s beside 100 fast ones: what it costs them, and the relay's memory."""

from collections.abc import Callable
from contextlib import ExitStack

from ..bench import Bench, Figures
from ..client import ClientSpec
from ..processes import MemoryPeak, worker
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 1000
_SLOW_BYTES_PER_S = 10_000


def measure(bench: Bench) -> list[Row]:
    lines = bench.pick(200_000, 50_000, 200)
    listeners = bench.pick(100, 100, 5)
    rounds = min(2, bench.rounds)  # 20 GB go through the loopback each time
    with bench.servers("tailcast") as servers:
        server = servers["tailcast"]
        found = bench.interleave(
            "slow listener",
            {
                "tailcast": _measure_one(bench, server, listeners, lines, True),
                "without it": _measure_one(bench, server, listeners, lines, False),
            },
            rounds,
        )
    work = f"{lines * _LINE_BYTES // 1_000_000} MB to {listeners} beside a slow one"
    speed = Row("slow listener", work, "events/s", found["events/s"])
    memory = Row("slow listener", "memory grown by, at most", "MB", found["grown MB"], "less")
    every = Row(
        "slow listener",
        "bytes the slow one got late",
        "MB",
        {"tailcast": found["late MB"]["tailcast"]},
    )
    return [
        speed.within(1.1, speed.cost("without it"), "within 10 % of without it"),
        memory.at_most(32),
        every,
    ]


def _measure_one(
    bench: Bench, server: Server, listeners: int, lines: int, with_slow: bool
) -> Callable[[], Figures]:
    def measured() -> Figures:
        run = bench.new_run()
        server.add_run(run)
        fast = ClientSpec(
            server.port,
            (server.listeners(run, listeners),),
            events_each=lines,
            count="some",
            line_bytes=_LINE_BYTES,
            deadline_s=120,
        )
        slow = ClientSpec(
            server.port,
            (server.listeners(run),),
            events_each=lines,
            bytes_per_s=_SLOW_BYTES_PER_S,
            deadline_s=120,
        )
        with ExitStack() as stack:
            writing = stack.enter_context(
                worker("writer", server.writer([run], lines, _LINE_BYTES).as_json())
            )
            reading = stack.enter_context(worker("client", fast.as_json()))
            reading.answer()
            dawdling = stack.enter_context(worker("client", slow.as_json())) if with_slow else None
            if dawdling is not None:
                dawdling.answer()
            writing.answer()
            with MemoryPeak(server.pid) as memory:
                writing.tell({})
                received = reading.answer()
                wrote = writing.answer()
                late = 0
                if dawdling is not None:
                    dawdling.tell({})
                    last = dawdling.answer()  # an error if it did not get every line
                    late = last["bytes"] - last["bytes_before_hurry"]
        seconds = (received["done_ns"] - wrote["began_ns"]) / 1e9
        return {
            "events/s": received["events"] / seconds,
            "grown MB": memory.grown_bytes / 1e6,
            "late MB": late / 1e6,
        }

    return measured
