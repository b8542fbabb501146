"""What is hard about streams: kills, slow readers, silence, crowds."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import httpx_sse
import psutil
import pytest

from runlog import RunId, RunLock, Workspace, append_lines, encode
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.relay.sse_client import Stream, read_all
from tests.support import DEADLINE_S, free_port, wait_until

Hold = Callable[[Workspace], RunLock]


def test_killed_in_mid_stream_and_started_again_every_event_comes_once(
    root: Path, alive: Hold
) -> None:
    """As an EventSource does it: reconnect with the last id until there is an answer."""
    run = new_run(root)
    alive(run)
    port = free_port()
    got: list[httpx_sse.ServerSentEvent] = []

    def listen() -> None:
        last_id = ""
        with httpx.Client(trust_env=False, timeout=DEADLINE_S) as client:
            while not (got and got[-1].event == "end"):
                headers = {"Last-Event-ID": last_id} if last_id else {}
                url = f"http://127.0.0.1:{port}/api/v1/workflows/{run.run_id}/stream"
                try:
                    with httpx_sse.connect_sse(client, "GET", url, headers=headers) as source:
                        for event in source.iter_sse():
                            got.append(event)
                            last_id = event.id
                except httpx.TransportError:
                    time.sleep(0.02)

    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            say(run, "log", n=number, text="x" * 3000)
            number += 1
            time.sleep(0.001)
        say(run, "workflow_completed")

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(listen), pool.submit(write)]
        try:
            for _ in range(3):
                with running_relay(root, port=port) as relay:
                    seen = len(got)
                    wait_until(lambda seen=seen: len(got) > seen + 50, "more events")
                    relay.process.kill()
            with running_relay(root, port=port):
                stop.set()
                for job in jobs:
                    job.result(timeout=DEADLINE_S)
        finally:
            stop.set()
    *told, end = got
    assert end.event == "end"
    assert [event.data.encode() for event in told] == run.stream.read_bytes().splitlines()


def test_a_client_that_does_not_read_costs_no_memory_and_loses_nothing(
    root: Path, alive: Hold
) -> None:
    run = new_run(root)
    alive(run)
    line = encode({"type": "log", "text": "x" * 4000})
    with running_relay(root) as relay:
        process = psutil.Process(relay.process.pid)
        path = relay.workflow_url(run, "/stream")
        read_all(relay, f"{path}?follow=false")
        before = process.memory_info().rss
        slow = [Stream(relay, path) for _ in range(20)]
        try:
            with Stream(relay, path) as quick:
                lines = 0
                for _ in range(10):
                    append_lines(run.stream, line * 500)  # 20 MB in all
                    while (
                        lines % 500 or lines == 0 or lines < run.stream.stat().st_size // len(line)
                    ):
                        lines += len(quick.decoder.feed(quick.read_block()))
            grown = process.memory_info().rss - before
            assert grown < 30e6, (
                f"{grown / 1e6:.0f} MB for {len(slow)} slow readers of a 20 MB stream"
            )
            say(run, "workflow_completed")
            data = run.stream.read_bytes().splitlines()
            assert [e.data for e in slow[0]][:-1] == data
        finally:
            for stream in slow:
                stream.close()


def test_silence_is_broken_by_a_comment(root: Path) -> None:
    run = new_run(root)
    with running_relay(root, "--keepalive", "0.2") as relay:
        with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
            while stream.decoder.comments != [b": keepalive"] * 3:
                assert stream.decoder.feed(stream.read_block()) == []
            say(run, "log")
            event = next(iter(stream))
            assert json.loads(event.data)["type"] == "log"
        # Where a filter lets nothing through, the cursor moves all the same.
        with Stream(relay, relay.workflow_url(run, "/stream?types=none")) as stream:
            offset = say(run, "log")
            while stream.decoder.last_id != str(offset):
                assert stream.decoder.feed(stream.read_block()) == []


def test_a_filter_that_lets_little_through_moves_the_cursor_while_it_searches(
    relay: Relay, run: Workspace
) -> None:
    append_lines(run.stream, encode({"type": "a", "text": "x" * 1000}) * 9000)
    say(run, "b")
    say(run, "workflow_completed")
    events, stream = read_all(relay, relay.workflow_url(run, "/stream?types=b"))
    assert [e.event for e in events] == ["message", "end"]
    assert stream.raw.count(b"id: ") >= 3  # one on the way at least


def test_replay_at_recorded_speed(relay: Relay, run: Workspace) -> None:
    for time_of_day in ("10:00:00", "10:00:01", "10:00:02", "10:00:02", "23:00:00"):
        line = {"type": "log", "timestamp": f"2025-01-19T{time_of_day}Z"}
        append_lines(run.stream, encode(line))
    append_lines(run.stream, b'{"type":"log","no":"timestamp"}\n')
    append_lines(run.stream, b'{"type":"workflow_completed"}\n')  # without one: no gap
    began = time.monotonic()
    with Stream(relay, relay.workflow_url(run, "/stream?speed=10")) as stream:
        times = [(event.event, time.monotonic() - began) for event in stream]
    assert [name for name, _ in times] == ["message"] * 7 + ["end"]
    at = [moment for _, moment in times]
    # Ten times as fast; and of the gap of 13 hours 10 s are left, or this test would end by its timeout.
    assert at[1] >= 0.1 and at[2] >= 0.2 and at[4] >= 1.2


def test_paced_and_at_once_are_the_same_bytes(relay: Relay, run: Workspace) -> None:
    recorded(run, 100)
    path = relay.workflow_url(run, "/stream?named=true&exclude=workflow_started")
    assert read_all(relay, path)[0] == read_all(relay, f"{path}&speed=100")[0]


@pytest.mark.parametrize("pad", [0, 300_000])
def test_listeners_get_a_last_line_that_its_writer_has_left(relay: Relay, pad: int) -> None:
    """Once the file is quiet. Whoever is connected gets it as those do who come later, and goes on from there."""
    run = Workspace(relay.root, RunId(f"left-{pad}"))
    run.path.mkdir(mode=0o700)
    first, last = encode({"type": "log", "n": 1}), encode({"type": "log", "n": 2, "x": "x" * pad})
    run.stream.write_bytes(first + last[:-1])
    moment = time.time() + 3600  # it grows still
    os.utime(run.stream, (moment, moment))
    path = relay.workflow_url(run, "/stream")
    with Stream(relay, path) as connected:
        told = (json.loads(event.data)["n"] for event in connected if event.event == "message")
        assert next(told) == 1
        os.utime(run.stream, (1, 1))
        assert next(told) == 2
        with Stream(relay, path) as later:
            both = (json.loads(event.data)["n"] for event in later if event.event == "message")
            assert [next(both), next(both)] == [1, 2]
        with run.stream.open("ab") as file:
            file.write(b"\n" + encode({"type": "log", "n": 3}))
        assert next(told) == 3


def test_a_crowd_gets_each_line_once_and_soon(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    say(run, "workflow_started")
    path = relay.workflow_url(run, "/stream")
    barrier = threading.Barrier(101)

    def listen() -> list[bytes]:
        with Stream(relay, path) as stream:
            events = iter(stream)
            first = next(events)
            barrier.wait(DEADLINE_S)
            return [first.data, *(event.data for event in events)]

    with ThreadPoolExecutor(100) as pool:
        crowd = [pool.submit(listen) for _ in range(100)]
        barrier.wait(DEADLINE_S)
        for number in range(50):
            say(run, "log", n=number)
        say(run, "workflow_completed")
        lines = run.stream.read_bytes().splitlines()
        for reader in crowd:
            assert reader.result(timeout=DEADLINE_S)[:-1] == lines


def test_many_runs_at_once(relay: Relay) -> None:
    """Each listener with a run of its own, joining while others are served."""
    runs = [new_run(relay.root) for _ in range(30)]

    def listen(run: Workspace) -> None:
        with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
            stream.read_block()
            say(run, "workflow_completed")
            assert [e.event for e in stream] == ["message", "end"]

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(listen, runs))


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_streams_open_and_clients_half_dead(
    root: Path, sig: signal.Signals, alive: Hold
) -> None:
    run = new_run(root)
    alive(run)
    append_lines(run.stream, encode({"type": "log", "text": "x" * 4000}) * 5000)
    with running_relay(root) as relay:
        path = relay.workflow_url(run, "/stream")
        half_dead = [Stream(relay, path) for _ in range(5)]  # which never read
        with Stream(relay, f"{path}?tail=1") as stream:
            next(iter(stream))
            with ThreadPoolExecutor(1) as pool:
                poll = pool.submit(
                    relay.get,
                    f"/workflows/{run.run_id}/events?after={run.stream.stat().st_size}&wait=60",
                )
                calls = psutil.Process(relay.process.pid).net_connections
                wait_until(
                    lambda: sum(call.status == psutil.CONN_ESTABLISHED for call in calls()) == 7,
                    "the long poll to be there",
                )
                time.sleep(0.2)  # and to be read; else it would be refused, which is no fault
                relay.process.send_signal(sig)
                assert list(stream) == [], "no event that never was"
                assert stream.complete
                # uvicorn alone would wait for ever for those who do not read.
                code = relay.process.wait(timeout=DEADLINE_S)
                with contextlib.suppress(httpx.TransportError):
                    assert poll.result().json()["events"] == []
        for dead in half_dead:
            dead.close()
    assert code == (130 if sig == signal.SIGINT else 0)


def test_descriptors_and_threads_are_given_back(root: Path) -> None:
    with running_relay(root) as relay:
        process = psutil.Process(relay.process.pid)
        read_all(relay, relay.workflow_url(_ended(root), "/stream"))
        before = process.num_fds()
        with ThreadPoolExecutor(20) as pool:
            paths = [relay.workflow_url(_ended(root), "/stream") for _ in range(60)]
            list(pool.map(lambda path: read_all(relay, path), paths))
        wait_until(lambda: process.num_fds() <= before + 5, "the descriptors")


def _ended(root: Path) -> Workspace:
    run = new_run(root)
    recorded(run, 3)
    return run
