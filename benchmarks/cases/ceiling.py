"""What the load client itself can take, from a server that only sends prepared bytes."""

from collections.abc import Callable
from typing import Literal

from ..bench import Bench, Figures
from ..client import ClientSpec, Listeners
from ..processes import worker
from ..rows import Row
from ..server import Server, listening

__all__ = ["measure"]


def measure(bench: Bench) -> list[Row]:
    with (
        bench.root() as root,
        listening("client", ["-m", "benchmarks.rivals.blast"], root, "/{run}") as blast,
    ):
        share = bench.pick(1.0, 0.3, 0.01)
        counted = bench.interleave(
            "ceiling",
            {
                "1 listener": _measure_one(blast, 1, int(5_000 * share), 120),
                "100 listeners": _measure_one(blast, 100, int(100 * share) + 1, 120, "some"),
                "1,000 listeners": _measure_one(blast, 1000, int(10 * share) + 1, 120, "some"),
                "1,000 listeners, one event a read": _measure_one(
                    blast, 1000, int(200 * share) + 1, 1
                ),
            },
        )["events/s"]
        plain = bench.interleave(
            "ceiling, not counting",
            {"MB/s": _measure_one(blast, 1, int(5_000 * share), 120, "none")},
        )["events/s"]["MB/s"]
    rows = [
        Row("load client", f"its own ceiling, 1 KB lines, {work}", "events/s", {"client": values})
        for work, values in counted.items()
    ]
    megabytes = [1020 * events / 1e6 for events in plain]
    work = "its own ceiling, reading without counting (replay)"
    return [*rows, Row("load client", work, "MB/s", {"client": megabytes})]


def _measure_one(
    blast: Server,
    listeners: int,
    writes: int,
    frames: int,
    count: Literal["all", "some", "none"] = "all",
) -> Callable[[], Figures]:
    events = writes * frames

    def measured() -> Figures:
        client = ClientSpec(
            blast.port,
            (Listeners(f"/{writes}/{frames}", listeners),),
            events_each=events,
            done="close" if count == "none" else "events",
            count=count,
            line_bytes=1000,
        )
        with worker("client", client.as_json()) as receiving:
            receiving.answer()
            seconds = receiving.answer()["seconds"]
        return {"events/s": listeners * events / seconds}

    return measured
