"""What many runs and many quiet listeners cost."""

import json
import shutil
import time
import urllib.request
from pathlib import Path
from statistics import median

from runlog import encode

from ..bench import Bench
from ..client import ClientSpec
from ..lines import end_line, replay_lines
from ..processes import BenchError, worker
from ..rows import Row
from ..server import Server, tailcast

__all__ = ["measure"]

_PAGE = 50
# What a herd needs for a moment is measured elsewhere.
_AT_ONCE = 20
_PATIENCE_S = 120.0
_IDLE_S = 16.0  # longer than the silence after which each listener gets a comment


def measure(bench: Bench) -> list[Row]:
    rows = []
    # More than that: see the case `root`.
    for count in bench.pick((100, 10_000), (100, 10_000), (10, 60)):
        rows += _listing(bench, count)
    listeners = bench.pick(1000, 1000, 20)
    for runs, idle_s in ((listeners // 10, _IDLE_S), (listeners, _IDLE_S / 3)):
        rows += _idle(bench, runs, listeners, idle_s)
    return rows


def _listing(bench: Bench, count: int) -> list[Row]:
    started_s, cold_ms, building_ms, warm_ms, after_new_ms = [], [], [], [], []
    with bench.root() as root:
        for number in range(count):
            _add_finished_run(root, number)
        for number in range(min(2, bench.rounds)):
            shutil.rmtree(root / "_index", ignore_errors=True)
            began = time.monotonic()
            with tailcast(root) as server:
                started_s.append(time.monotonic() - began)
                cold_ms.append(_list_ms(server, count))
                building_ms.append(median(_list_ms(server, count) for _ in range(10)))
                _until_complete(server)
                warm_ms.append(median(_list_ms(server, count) for _ in range(10)))
                _add_finished_run(root, count + number)
                after_new_ms.append(_list_ms(server, count))
            bench.tell(f"growth · {count} runs: cold {cold_ms[-1]:.1f} ms, warm {warm_ms[-1]:.1f}")
    work = f"{count:,} runs"
    warm = Row("growth", f"list 50 of {work}, warm", "ms", {"tailcast": warm_ms}, "less")
    cold = Row("growth", f"list 50 of {work}, cold", "ms", {"tailcast": cold_ms}, "less")
    if count == 10_000:
        warm.at_most(30)
        cold.at_most(1500)
    return [
        warm,
        cold,
        Row(
            "growth",
            f"list 50 of {work}, right after, while the index is made",
            "ms",
            {"tailcast": building_ms},
            "less",
        ),
        Row(
            "growth", f"list 50 of {work}, after one came", "ms", {"tailcast": after_new_ms}, "less"
        ),
        Row("growth", f"start-up with {work}", "s", {"tailcast": started_s}, "less"),
    ]


def _idle(bench: Bench, runs: int, listeners: int, idle_s: float) -> list[Row]:
    with bench.servers("tailcast") as servers:
        server = servers["tailcast"]
        names = [bench.new_run() for _ in range(runs + 1)]
        for name in names:
            server.add_run(name, replay_lines(1, 300))
        _warm_up(server, names.pop())
        groups = tuple(server.listeners(name, listeners // runs) for name in names)
        client = ClientSpec(
            server.port, groups, events_each=1, done="told", at_once=_AT_ONCE, deadline_s=120
        )
        before_bytes = server.memory_bytes()
        with worker("client", client.as_json()) as listening:
            listening.answer()
            settle_s, idle_s = bench.pick((1.0, idle_s), (1.0, 3.0), (0.2, 0.3))
            time.sleep(settle_s)
            cpu_before = server.cpu_s()
            time.sleep(idle_s)
            idle = (server.cpu_s() - cpu_before) / idle_s * 100
            each_kib = (server.memory_bytes() - before_bytes) / listeners / 1024
            listening.tell({})
            listening.answer()
    bench.tell(f"growth · {listeners} listeners on {runs} runs: {idle:.2f} %, {each_kib:.1f} KiB")
    work = f"{listeners:,} listeners on {runs:,} quiet runs"
    return [
        Row("growth", f"{work}, idle", "% of a core", {"tailcast": [idle]}, "less").at_most(3),
        Row("growth", f"{work}, memory each", "KiB", {"tailcast": [each_kib]}, "less").at_most(16),
    ]


def _warm_up(server: Server, run: str) -> None:
    """What a server needs once is not the listeners' doing."""
    client = ClientSpec(server.port, (server.listeners(run, 5),), events_each=1)
    with worker("client", client.as_json()) as listening:
        listening.answer()
        listening.answer()


def _until_complete(server: Server) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not json.loads(_page(server))["complete"]:
        if time.monotonic() > deadline:
            raise BenchError("the index was not built in time")
        time.sleep(0.1)


def _page(server: Server) -> bytes:
    url = f"http://127.0.0.1:{server.port}/api/v1/workflows?limit={_PAGE}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        body: bytes = answer.read()
    return body


def _list_ms(server: Server, count: int) -> float:
    began = time.monotonic()
    body = _page(server)
    took_ms = (time.monotonic() - began) * 1000
    page = json.loads(body)
    found = next(len(value) for value in page.values() if isinstance(value, list))
    assert found >= min(_PAGE, count), body[:200]
    return took_ms


def _add_finished_run(root: Path, number: int) -> None:
    run_id = f"run-{number:06d}"
    folder = root / run_id
    folder.mkdir()
    minute, second = divmod(number, 60)
    manifest: dict[str, object] = {
        "run_id": run_id,
        "workflow": "command",
        "created_at": f"2025-01-{1 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:{second:02d}.000Z",
        "prompt": None,
        "params": {"argv": ["true"]},
        "interactive": False,
        "chat_history": [],
    }
    (folder / "run.json").write_bytes(encode(manifest))
    (folder / "_stream.jsonl").write_bytes(replay_lines(3, 300) + end_line())
