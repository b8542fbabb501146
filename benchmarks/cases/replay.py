"""A finished run, read from the start and from the middle; and the same bytes as a file, the limit."""

from collections.abc import Callable

from ..bench import Bench, Figures
from ..client import ClientSpec
from ..lines import end_line, replay_lines
from ..processes import worker
from ..rows import Row
from ..server import Server

__all__ = ["measure", "measure_named"]

_LINE_BYTES = (200, 1000)
_TIMES_STATIC = {200: 0.18, 1000: 0.35}


def measure(bench: Bench) -> list[Row]:
    rows = []
    size = bench.pick(100_000_000, 30_000_000, 100_000)
    rounds = bench.rounds + 2  # each takes a few tenths of a second
    with bench.servers("tailcast", "nginx static", "naive") as servers:
        ours = servers["tailcast"]
        for line_bytes in _LINE_BYTES:
            lines = size // line_bytes
            run = _add_run(bench, ours, lines, line_bytes)
            few = max(100, lines // 80)  # as many as the naive relay reads in half a second
            small = _add_run(bench, ours, few, line_bytes)
            _check_count(ours, run, lines)
            measures = {"tailcast": _measure_one(ours, run, size, "follow=false")}
            if "nginx static" in servers:
                measures["nginx static"] = _measure_one(servers["nginx static"], run, size)
            measures["naive"] = _measure_one(
                servers["naive"], small, few * line_bytes, "follow=false"
            )
            work = f"{lines:,} lines of {line_bytes} B"
            found = bench.interleave(f"replay, {work}", measures, rounds)
            row = Row("replay", work, "MB/s", found["MB/s"])
            rows.append(row.times("nginx static", _TIMES_STATIC[line_bytes]))
            if line_bytes == _LINE_BYTES[0]:
                row.times("naive", 100)
            after = (lines // 2) * line_bytes
            query = f"follow=false&after={after}"
            measures = {
                "tailcast": _measure_one(ours, run, size - after, query),
                "naive": _measure_one(
                    servers["naive"],
                    small,
                    (few - few // 2) * line_bytes,
                    f"follow=false&after={few // 2 * line_bytes}",
                ),
            }
            found = bench.interleave(f"replay, {work}, second half", measures, rounds)
            row = Row("replay", f"{work}, second half by `after`", "MB/s", found["MB/s"])
            rows.append(row.times("naive", 100) if line_bytes == _LINE_BYTES[0] else row)
    return rows


def measure_named(bench: Bench) -> list[Row]:
    """The same with `?named=true`, and with `?types=`; MB of the log that were gone through."""
    rows = []
    size = bench.pick(40_000_000, 15_000_000, 100_000)
    with bench.servers("tailcast") as servers:
        ours = servers["tailcast"]
        for line_bytes in _LINE_BYTES:
            lines = size // line_bytes
            run = _add_run(bench, ours, lines, line_bytes)
            queries = {
                "plain": "follow=false",
                "named": "follow=false&named=true",
                "typed": "follow=false&types=assistant",
            }
            found = bench.interleave(
                f"named / typed, {line_bytes} B",
                {name: _measure_one(ours, run, size, query) for name, query in queries.items()},
                bench.rounds + 2,
            )["MB/s"]
            plain = found["plain"]
            for name, limit in (("named", 2.0), ("typed", 3.0)):
                samples = {"tailcast": found[name], "plain": plain}
                row = Row("named / typed", f"{name}, lines of {line_bytes} B", "MB/s", samples)
                rows.append(row.within(limit, row.cost("plain"), f"plain / {limit:g} at least"))
    return rows


def _add_run(bench: Bench, server: Server, lines: int, line_bytes: int) -> str:
    run = bench.new_run()
    server.add_run(run, replay_lines(lines, line_bytes) + end_line())
    return run


def _check_count(server: Server, run: str, lines: int) -> None:
    """Not timed: that every line comes. The timed client does not look at what it gets, or it would be the limit."""
    client = ClientSpec(
        server.port, (server.listeners(run, query="follow=false"),), events_each=lines
    )
    with worker("client", client.as_json()) as listening:
        listening.answer()
        listening.answer()


def _measure_one(
    server: Server, run: str, log_bytes: int, query: str = ""
) -> Callable[[], Figures]:
    def measured() -> Figures:
        client = ClientSpec(
            server.port, (server.listeners(run, query=query),), done="close", count="none"
        )
        with worker("client", client.as_json()) as listening:
            listening.answer()
            received = listening.answer()
        return {"MB/s": log_bytes / 1e6 / received["seconds"]}

    return measured
