"""A root of a hundred thousand ended runs, and one of a thousand runs that talk: what the view of it costs.

The root is made here, the same each time. `serve` is started on it without the file of the index, and then with it.
"""

import contextlib
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from ..bench import Bench
from ..processes import BenchError, cpu_s, first_line, queued_s, started, worker
from ..rows import Row

__all__ = ["measure"]

_WORDS = (
    "alpha beta gamma delta review refactor database parser network socket kernel yellow green"
).split()
_PATIENCE_S = 600.0
_ASKED = 30


def measure(bench: Bench) -> list[Row]:
    ended = bench.pick(100_000, 10_000, 300)
    talkers = bench.pick(1000, 200, 10)
    idle_s = bench.pick(6.0, 5.0, 0.5)
    work = f"{ended:,} ended runs"
    rows = []

    def row(what: str, unit: str, value: float, limit: float | None = None) -> None:
        found = Row("root", f"{work}: {what}", unit, {"tailcast": [value]}, "less")
        rows.append(found if limit is None else found.at_most(limit))

    with bench.root() as root:
        began = time.monotonic()
        _make_root(root, ended)
        bench.tell(f"root · made in {time.monotonic() - began:.0f} s")
        with _serving(root) as relay:
            row("start to first answer, without the file", "s", relay.first_answer_s)
            while not relay.ask("")["complete"]:
                time.sleep(0.2)
                if time.monotonic() - relay.began > _PATIENCE_S:
                    raise BenchError("the index was not built in time")
            row("the file made", "s", time.monotonic() - relay.began)
        with _serving(root) as relay:
            row("start to first answer", "s", relay.first_answer_s, 1.5)
            row("of it: at work, or waiting for the disk", "s", relay.own_s)
            row("a page of 50", "ms", relay.median_ms(""), 5)
            row("those of one status", "ms", relay.median_ms("?status=failed"), 5)
            row("full text", "ms", relay.median_ms("?q=parser"), 50)
            row("full text, three words", "ms", relay.median_ms("?q=review+data+parser"), 50)
            row("a page with counts", "ms", relay.median_ms("?counts=true"))
            relay.settle(idle_s)
            before = cpu_s(relay.pid)
            time.sleep(idle_s)
            busy = (cpu_s(relay.pid) - before) / idle_s * 100
            row("idle, relay and runner", "% of a core", busy, 1)
            row("memory, relay and runner", "MB", relay.memory_mb(), 150)
        held = _held(root, feed=True, seconds=idle_s)
        row("the loop's CPU in one step, with a feed", "ms", held["step_cpu_max_ms"], 1)
    work = f"{talkers:,} live runs, two lines a second each"
    with bench.root() as root:
        spec = {"root": str(root), "runs": talkers, "per_s": 2}
        with worker("talkers", spec, deadline_s=_PATIENCE_S) as talking:
            talking.answer()
            held = _held(root, feed=True, seconds=idle_s)
        row("age of the feed's news, p99", "s", held["age_p99_s"], 1)
        row("the loop's CPU in one step", "ms", held["step_cpu_max_ms"], 5)
        row("a timer of the loop is late for us, p99", "ms", held["held_p99_ms"], 5)
        row("the same, with what it waits for a core", "ms", held["late_p99_ms"])
    return rows


class _Relay:
    """`tailcast serve` on a root, asked over HTTP."""

    def __init__(self, pid: int, url: str, began: float) -> None:
        self.pid = pid
        self.began = began
        self._client = httpx.Client(base_url=url, timeout=60)
        self.ask("")
        self.first_answer_s = time.monotonic() - began
        self.own_s = self.first_answer_s - queued_s(pid)

    def ask(self, query: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.get(f"/api/v1/workflows{query}").json()
        return answer

    def median_ms(self, query: str) -> float:
        took = []
        for _ in range(_ASKED):
            began = time.perf_counter()
            self.ask(query)
            took.append((time.perf_counter() - began) * 1000)
        return median(took)

    def settle(self, for_s: float) -> None:
        """Until what is done once after a start is over."""
        deadline = time.monotonic() + 10 * for_s
        while time.monotonic() < deadline:
            before = cpu_s(self.pid)
            time.sleep(for_s / 4)
            if cpu_s(self.pid) - before < 0.02 * for_s / 4:
                return

    def close(self) -> None:
        self._client.close()

    def memory_mb(self) -> float:
        """Of relay and runner, without the spare processes that wait for a run."""
        relay = psutil.Process(self.pid)
        both = [relay, *relay.children()]
        return sum(float(process.memory_full_info().pss) for process in both) / 1e6


@contextlib.contextmanager
def _serving(root: Path) -> Iterator[_Relay]:
    began = time.monotonic()
    argv = [sys.executable, "-m", "tailcast", "serve", "--root", str(root), "--port", "0"]
    with started(argv) as process:
        url = first_line(process).split()[-1]
        with contextlib.closing(_Relay(process.pid, url, began)) as relay:
            yield relay


def _held(root: Path, *, feed: bool, seconds: float) -> dict[str, float]:
    spec = {"root": str(root), "feed": feed, "seconds": seconds, "settle_s": min(seconds, 10)}
    with worker("held", spec, deadline_s=_PATIENCE_S) as probe:
        return probe.answer()


def _make_root(root: Path, count: int) -> None:
    chance = random.Random(1)
    first = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(count):
        moment = first + timedelta(seconds=7 * number)
        at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        run_id = f"claude-{moment:%Y%m%dt%H%M%S}-{number:06d}"
        folder = root / run_id
        folder.mkdir()
        asked = {
            "run_id": run_id,
            "workflow": ("claude", "command", "research")[number % 3],
            "created_at": at,
            "prompt": " ".join(chance.choices(_WORDS, k=30)) + f" number{number}",
            "deployment": "nightly" if number % 5 == 0 else None,
        }
        (folder / "run.json").write_text(json.dumps(asked))
        end = ("completed", "completed", "completed", "failed", "stopped")[number % 5]
        lines = [
            {"type": "workflow_started", "timestamp": at, "run_id": run_id, "attempt": 1},
            {"type": "log", "timestamp": at, "message": "m" * 300},
            {
                "type": f"workflow_{end}",
                "timestamp": at,
                "duration_s": chance.random() * 100,
                "result": " ".join(chance.choices(_WORDS, k=40)),
                "stats": {"turns": 3, "attempt": 1, "cost_usd": chance.random()},
                "inbox_offset": 0,
            },
        ]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "_stream.jsonl").write_text(body)
