"""Many runs on one connection: each as its own stream tells it, resumed by one id, and the feed of states."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runlog import RunLock, Workspace, append_lines
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.relay.sse_client import Dispatched, Stream, read_all, status_of

Hold = Callable[[Workspace], RunLock]


def url(*runs: Workspace, **params: Any) -> str:
    query = [f"run={run.run_id}" for run in runs] + [f"{k}={v}" for k, v in params.items()]
    return f"/api/v1/stream?{'&'.join(query)}"


def lines_of(events: list[Dispatched], run: Workspace) -> list[Any]:
    told = [json.loads(event.data) for event in events if event.event == "message"]
    return [(e["offset"], e["event"]) for e in told if e["run_id"] == run.run_id]


def expected(run: Workspace, after: int = 0) -> list[Any]:
    found, offset = [], 0
    for line in run.stream.read_bytes().splitlines(keepends=True):
        offset += len(line)
        if offset > after:
            found.append((offset, json.loads(line)))
    return found


def named(events: list[Dispatched], name: str) -> list[Any]:
    return [json.loads(event.data) for event in events if event.event == name]


def until(
    events: Iterator[Dispatched], condition: Callable[[Dispatched], bool]
) -> list[Dispatched]:
    """Read on until an event is as wanted; all that was read."""
    read = []
    for event in events:
        read.append(event)
        if condition(event):
            return read
    raise AssertionError(f"the stream ended before it: {read}")


def of(run: Workspace, event_type: str) -> Callable[[Dispatched], bool]:
    def wanted(event: Dispatched) -> bool:
        told = json.loads(event.data)
        return bool(
            event.event == "message"
            and told["run_id"] == run.run_id
            and told["event"]["type"] == event_type
        )

    return wanted


def feeds(run: Workspace, **fields: Any) -> Callable[[Dispatched], bool]:
    def wanted(event: Dispatched) -> bool:
        told = json.loads(event.data)
        return bool(
            event.event == "run"
            and told["run_id"] == run.run_id
            and all(told.get(k) == v for k, v in fields.items())
        )

    return wanted


def test_each_run_as_its_own_stream(relay: Relay) -> None:
    runs = [new_run(relay.root) for _ in range(5)]
    for number, run in enumerate(runs):
        recorded(run, 20 * number)
    events, stream = read_all(relay, url(*runs))
    for run in runs:
        assert lines_of(events, run) == expected(run)
    ends = named(events, "end")
    assert sorted(e["run_id"] for e in ends) == sorted(run.run_id for run in runs)
    assert {e["status"] for e in ends} == {"completed"}
    assert stream.complete
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    # the line stands in its envelope byte for byte
    for line in runs[2].stream.read_bytes().splitlines():
        assert b'"event":%b}\n' % line in stream.raw


def test_resume_from_every_id(relay: Relay) -> None:
    """Whatever the last event was: what comes after it is exactly the rest, of each run."""
    runs = [new_run(relay.root) for _ in range(3)]
    for run in runs:
        recorded(run, 4)
    events, _ = read_all(relay, url(*runs))
    seen = {run.run_id: 0 for run in runs}
    for event in events:
        if event.event == "message":
            told = json.loads(event.data)
            seen[told["run_id"]] = told["offset"]
        for cursor in ({"Last-Event-ID": event.id}, None):
            path = url(*runs) if cursor else url(*runs, after=event.id)
            with Stream(relay, path, cursor) as again:
                rest = list(again)
            for run in runs:
                assert lines_of(rest, run) == expected(run, seen[run.run_id])
    assert status_of(relay, url(*runs), {"Last-Event-ID": events[-1].id}) == 204
    by_name = ",".join(f"{name}:{place}" for name, place in seen.items())
    assert status_of(relay, url(*runs, after=by_name)) == 204
    part = url(*runs, after=f"{runs[1].run_id}:{seen[runs[1].run_id]}")
    rest, _ = read_all(relay, part)
    assert lines_of(rest, runs[1]) == []
    assert lines_of(rest, runs[0]) == expected(runs[0])


def test_live_runs_wake_it(relay: Relay, alive: Hold) -> None:
    runs = [new_run(relay.root) for _ in range(20)]
    for run in runs:
        alive(run)
    with Stream(relay, url(*runs)) as stream:
        events = iter(stream)
        read = []
        for run in reversed(runs):
            say(run, "workflow_started")
            read += until(events, of(run, "workflow_started"))
        for run in runs:
            say(run, "workflow_completed")
        read += list(events)
    for run in runs:
        assert lines_of(read, run) == expected(run)
    assert len(named(read, "end")) == 20


def test_hard_lines(relay: Relay, run: Workspace) -> None:
    lines = [
        b'{"type":"log",\r"message":"cr"}\r',
        '{"type":"log","message":"\u2028 é"}'.encode(),
        b"no json",
        b'{"looks":like it}',
        b"",
        b'{"type":"log","message":"' + b"x" * 200_000 + b'"}',
        b'{"type":"log","message":"\xff"}',
    ]
    append_lines(run.stream, b"\n".join(lines) + b"\n")
    say(run, "workflow_completed")
    events, _ = read_all(relay, url(run))
    told = [json.loads(e.data)["event"] for e in events if e.event in ("message", "malformed")]
    assert [e["type"] for e in told] == [
        *("log", "log", "malformed", "malformed", "log", "malformed"),
        "workflow_completed",
    ]
    assert told[0]["message"] == "cr"
    assert told[1]["message"] == "\u2028 é"
    assert len(told[4]["message"]) == 200_000
    assert [e["event"]["head"] for e in named(events, "malformed")][:2] == [
        "no json",
        '{"looks":like it}',
    ]


def test_filters(relay: Relay) -> None:
    runs = [new_run(relay.root) for _ in range(2)]
    for run in runs:
        recorded(run, 5)
    events, _ = read_all(relay, url(*runs, types="workflow_started,log", exclude="log"))
    told = [json.loads(event.data)["event"]["type"] for event in events if event.event == "message"]
    assert told == ["workflow_started"] * 2


def test_unknown_and_removed_runs(relay: Relay, run: Workspace, alive: Hold) -> None:
    lock = alive(run)
    say(run, "workflow_started")
    nobody = Workspace(relay.root, "nobody")  # type: ignore[arg-type]
    with Stream(relay, url(nobody, run, run)) as stream:
        events = iter(stream)
        read = until(events, of(run, "workflow_started"))
        assert named(read, "gone") == [{"run_id": "nobody"}]
        lock.release()
        for path in run.path.iterdir():
            path.rmdir() if path.is_dir() else path.unlink()
        run.path.rmdir()
        read = list(events)
    assert named(read, "gone") == [{"run_id": run.run_id}]
    assert status_of(relay, url(nobody)) == 404


def test_replaced_stream_is_a_reset_of_that_run(relay: Relay, alive: Hold) -> None:
    one, other = new_run(relay.root), new_run(relay.root)
    for run in (one, other):
        alive(run)
        say(run, "workflow_started")
    with Stream(relay, url(one, other)) as stream:
        events = iter(stream)
        told = [json.loads(next(events).data)["run_id"] for _ in range(2)]
        assert sorted(told) == sorted([one.run_id, other.run_id])
        os.truncate(one.stream, 0)
        say(one, "log")
        (reset,) = named(until(events, lambda e: e.event == "reset"), "reset")
        assert reset["run_id"] == one.run_id
        read = until(events, of(one, "log"))
        say(other, "log")
        read = until(events, of(other, "log"))
        assert lines_of(read, one) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("run=No", 400),
        ("run=x&after=12", 400),
        ("run=x&after=y:12", 400),
        ("run=x&after=x:-1", 400),
        ("run=x&after=00000000-1", 400),
        ("run=x&after=" + "x:1," * 4000, 400),
        ("&".join(f"run=r{n}" for n in range(101)), 422),
        ("feed=perhaps", 422),
    ],
)
def test_bad_requests(relay: Relay, query: str, status: int) -> None:
    answer = relay.get(f"/stream?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


def test_a_hundred_runs(relay: Relay) -> None:
    runs = [new_run(relay.root) for _ in range(100)]
    for run in runs:
        say(run, "workflow_completed")
    events, _ = read_all(relay, url(*runs))
    assert len(named(events, "end")) == 100
    assert status_of(relay, url(*runs), {"Last-Event-ID": events[-1].id}) == 204


def test_feed_tells_what_changes(root: Path, alive: Hold) -> None:
    before = new_run(root)
    with running_relay(root) as relay, Stream(relay, "/api/v1/stream?feed=1") as stream:
        events = iter(stream)
        (told,) = until(events, feeds(before, status="queued"))
        assert json.loads(told.data)["links"]["self"].endswith(before.run_id)
        run = new_run(root)
        until(events, feeds(run, status="queued"))
        lock = alive(run)
        say(run, "workflow_started", workflow="command")
        until(events, feeds(run, status="running"))
        say(run, "progress_update", progress=40, message="on its way")
        until(events, feeds(run, progress=40, message="on its way"))
        say(run, "questions_presented", question_id="q", questions=[])
        until(events, feeds(run, status="waiting", open_questions=1))
        lock.release()
        until(events, feeds(run, status="failed", reason="lost"))
        say(before, "workflow_stopped")
        until(events, feeds(before, status="stopped"))
        assert relay.client.delete(f"/api/v1/workflows/{before.run_id}").status_code == 204
        until(events, feeds(before, removed=True))


def test_feed_and_events_on_one_connection(relay: Relay, run: Workspace, alive: Hold) -> None:
    """A run that was not there yet, and one that is reopened, are followed on."""
    alive(run)
    later = Workspace(relay.root, f"later-{run.run_id}")  # type: ignore[arg-type]
    with Stream(relay, url(run, later, feed=1)) as stream:
        events = iter(stream)
        say(run, "workflow_started")
        until(events, of(run, "workflow_started"))
        say(run, "workflow_completed")
        until(events, lambda e: e.event == "end")
        alive(run)
        say(run, "workflow_started", attempt=2)
        until(events, of(run, "workflow_started"))
        later.path.mkdir()
        say(later, "log")  # an external run
        read = until(events, of(later, "log"))
        with Stream(relay, url(run, later, feed=1), {"Last-Event-ID": read[-1].id}) as again:
            say(later, "error")
            rest = until(iter(again), of(later, "error"))
        assert lines_of(rest, run) == []
        assert [event["type"] for _, event in lines_of(rest, later)] == ["error"]


def test_keepalive(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)
    with (
        running_relay(root, "--keepalive", "0.2") as relay,
        Stream(relay, url(run)) as stream,
    ):
        while stream.raw.count(b": keepalive\n") < 2:
            assert stream.read_block()


def test_shutdown_ends_the_stream_whole(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)
    with running_relay(root) as relay:
        one = Stream(relay, url(run))
        other = Stream(relay, "/api/v1/stream?feed=1")
        until(iter(other), feeds(run))
    with one, other:
        for stream in (one, other):
            list(stream)
            assert stream.complete
