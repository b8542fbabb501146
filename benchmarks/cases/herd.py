"""1,000 listeners at once: as they come, and as they come back, each owed 1 MB."""

import json
import urllib.request
from collections.abc import Callable

from ..bench import Bench, Figures
from ..client import ClientSpec
from ..lines import replay_lines
from ..processes import MemoryPeak, worker
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_LINE_BYTES = 1000


def measure(bench: Bench) -> list[Row]:
    listeners = bench.pick(1000, 1000, 20)
    owed = bench.pick(1000, 300, 10)
    with bench.servers("tailcast", "nchan", "naive", "sse-starlette") as servers:
        found = bench.interleave(
            f"herd, {listeners} come",
            {name: _connect(bench, server, listeners) for name, server in servers.items()},
        )
    with bench.servers("tailcast", "nchan") as servers:
        back = bench.interleave(
            f"herd, {listeners} come back",
            {name: _reconnect(bench, server, listeners, owed) for name, server in servers.items()},
            min(2, bench.rounds),
        )
    connected = Row("herd", f"{listeners:,} connect at once", "s", found["seconds"], "less")
    megabytes = owed * _LINE_BYTES / 1e6
    work = f"{listeners:,} reconnect, each owed {megabytes:g} MB"
    return [
        connected.at_most(0.6),
        Row("herd", work, "s", back["seconds"], "less").times("nchan", 4),
        Row("herd", f"{work}: memory grown by", "MB", back["grown MB"], "less").at_most(300),
    ]


def _connect(bench: Bench, server: Server, listeners: int) -> Callable[[], Figures]:
    def measured() -> Figures:
        run = bench.new_run()
        server.add_run(run)
        client = ClientSpec(server.port, (server.listeners(run, listeners),), done="told")
        with worker("client", client.as_json()) as listening:
            seconds = listening.answer()["connected_s"]
            listening.tell({})
            listening.answer()
        return {"seconds": seconds}

    return measured


def _reconnect(bench: Bench, server: Server, listeners: int, owed: int) -> Callable[[], Figures]:
    def measured() -> Figures:
        run = bench.new_run()
        last_id = _prepare(server, run, owed)
        again = server.listeners(run, listeners, headers={"Last-Event-ID": last_id})
        client = ClientSpec(
            server.port, (again,), events_each=owed, count="some", line_bytes=_LINE_BYTES
        )
        with MemoryPeak(server.pid) as memory, worker("client", client.as_json()) as listening:
            listening.answer()
            seconds = listening.answer()["seconds"]
        return {"seconds": seconds, "grown MB": memory.grown_bytes / 1e6}

    return measured


def _prepare(server: Server, run: str, owed: int) -> str:
    """A run with twice of what is owed; returns the id of the last event that the listeners have."""
    if server.publish_path is None:
        server.add_run(run, replay_lines(2 * owed, _LINE_BYTES))
        return str(owed * _LINE_BYTES)
    _publish(server, run, owed)
    url = f"http://127.0.0.1:{server.port}{server.publish_path.format(run=run)}"
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        last_id = json.load(answer)["last_message_id"]
    _publish(server, run, owed)
    return str(last_id)


def _publish(server: Server, run: str, lines: int) -> None:
    with worker("writer", server.writer([run], lines, _LINE_BYTES).as_json()) as writing:
        writing.answer()
        writing.tell({})
        writing.answer()
