"""Worker: a relay in this process, one listener of its feed, and a probe that sees how long its loop is held.

Reads one JSON line `{root, settle_s, seconds, feed}` and answers with figures: how late a timer came (`late_…_ms`),
and without what the loop's thread waited for a core that others had (`held_…_ms`); the CPU time of that thread within
one step of the probe (`step_cpu_…_ms`); and how old the news of the feed were (`age_…_s`), where a row's message is a
time in ns.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from relay.app import create_app
from relay.http.settings import RelaySettings
from relay.server import prepare_process

_STEP_S = 0.002


def main() -> None:
    prepare_process()
    spec = json.loads(sys.stdin.readline())
    sys.stdout.write(json.dumps(asyncio.run(_measure(spec))) + "\n")


async def _measure(spec: dict[str, Any]) -> dict[str, float]:
    app = create_app(RelaySettings(root=Path(spec["root"])))
    ages: list[float] = []
    told = 0
    settled_at = float("inf")
    buffer = b""

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        nonlocal buffer, told
        now_ns = time.time_ns()
        buffer += message.get("body", b"")
        *frames, buffer = buffer.split(b"\n\n")
        if time.monotonic() < settled_at:
            return
        for frame in frames:
            told += frame.startswith(b"event: run")
            at = frame.find(b'"message":"')
            if at >= 0 and (ns := frame[at + 11 : at + 30]).isdigit():
                ages.append((now_ns - int(ns)) / 1e9)

    async with app.api.router.lifespan_context(app.api):
        listener = None
        if spec["feed"]:
            scope = {
                "type": "http", "method": "GET", "path": "/api/v1/stream", "raw_path": b"/api/v1/stream",
                "query_string": b"feed=1", "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1",
                "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "root_path": "",
            }  # fmt: skip
            listener = asyncio.get_running_loop().create_task(app(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.sleep(spec["settle_s"])
        settled_at = time.monotonic()
        late, held, cpu = await _probe(spec["seconds"])
        if listener is not None:
            listener.cancel()
            await asyncio.wait([listener])
    return {
        **_percentiles("late", "ms", late, 1000),
        **_percentiles("held", "ms", held, 1000),
        **_percentiles("step_cpu", "ms", cpu, 1000),
        **_percentiles("age", "s", ages, 1),
        "told": float(told),
    }


async def _probe(seconds: float) -> tuple[list[float], list[float], list[float]]:
    late, held, cpu = [], [], []
    end = time.monotonic() + seconds
    queue = _Queue()
    while (now := time.monotonic()) < end:
        spent, queued = time.thread_time(), queue.waited_s()
        await asyncio.sleep(_STEP_S)
        late.append(max(0.0, time.monotonic() - now - _STEP_S))
        held.append(max(0.0, late[-1] - (queue.waited_s() - queued)))
        cpu.append(time.thread_time() - spent)
    return late, held, cpu


class _Queue:
    """For how long this thread was ready, and waited for a core."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def waited_s(self) -> float:
        return int(os.pread(self._fd, 64, 0).split()[1]) / 1e9


def _percentiles(name: str, unit: str, values: list[float], scale: float) -> dict[str, float]:
    ranked = sorted(values) or [0.0]
    marks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        f"{name}_{mark}_{unit}": ranked[min(len(ranked) - 1, int(share * len(ranked)))] * scale
        for mark, share in marks.items()
    }


if __name__ == "__main__":
    main()
