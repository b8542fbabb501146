"""The stream of a run: byte for byte what the file holds, from wherever one comes."""

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import httpx
import httpx_sse
import pytest

from runlog import RunLock, Workspace, append_lines, encode, post
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.relay.sse_client import Stream, read_all, status_of
from tests.support import DEADLINE_S


def lines_after(data: bytes, offset: int) -> list[bytes]:
    """Whole lines that begin at or after `offset`."""
    start = (
        offset
        if offset == 0 or data[offset - 1 : offset] == b"\n"
        else data.index(b"\n", offset) + 1
    )
    return data[start:].splitlines()


def messages(relay: Relay, path: str, **headers: str) -> list[bytes]:
    events, _ = read_all(relay, path, **headers)
    return [event.data for event in events if event.event == "message"]


def test_stream_lines_are_the_lines_of_the_file(relay: Relay, run: Workspace) -> None:
    data = recorded(run)
    events, stream = read_all(relay, relay.workflow_url(run, "/stream"))
    *told, end = events
    assert [event.data for event in told] == data.splitlines()
    assert [int(event.id) for event in told] == list(accumulate(map(len, data.splitlines(True))))
    assert all(event.event == "message" for event in told)
    assert (end.event, json.loads(end.data)) == ("end", {"status": "completed"})
    assert stream.complete
    assert stream.raw.startswith(b"retry: 1000\n")
    assert b"event:" not in stream.raw.partition(b"event: end")[0]
    assert b"id: \n" not in stream.raw
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-cache, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"


def test_resume_from_every_offset_gives_exactly_the_rest(relay: Relay, run: Workspace) -> None:
    data = recorded(run, 12)

    def check(offset: int) -> None:
        got = messages(relay, relay.workflow_url(run, f"/stream?after={offset}"))
        assert got == lines_after(data, offset), offset

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(len(data))))
    assert status_of(relay, relay.workflow_url(run, f"/stream?after={len(data)}")) == 204


def test_the_header_wins_over_the_url(relay: Relay, run: Workspace) -> None:
    data = recorded(run, 5)
    path = relay.workflow_url(run, "/stream?after=0&tail=1")
    last = len(data) - len(data.splitlines(True)[-1])
    assert messages(relay, path, Last_Event_ID=str(last)) == data.splitlines()[-1:]
    assert messages(relay, path) == data.splitlines()
    assert messages(relay, path, Last_Event_ID="") == data.splitlines()


def test_an_end_tells_the_last_id_so_that_a_filtered_client_gets_204_too(
    relay: Relay, run: Workspace
) -> None:
    data = recorded(run)
    path = relay.workflow_url(run, "/stream?types=workflow_started")
    events, _ = read_all(relay, path)
    assert [event.event for event in events] == ["message", "end"]
    assert events[-1].id == str(len(data))
    assert status_of(relay, path, {"Last-Event-ID": events[-1].id}) == 204


def test_a_queued_run_waits_for_its_file(relay: Relay, run: Workspace) -> None:
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        assert stream.status == 200
        data = recorded(run, 3)
        assert [e.data for e in stream][:-1] == data.splitlines()


def test_before_during_and_after_see_the_same(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], RunLock]
) -> None:
    alive(run)
    path = relay.workflow_url(run, "/stream")
    with ThreadPoolExecutor(30) as pool:
        before = [pool.submit(read_all, relay, path) for _ in range(5)]
        say(run, "workflow_started", workflow="command")
        during = []
        for number in range(300):
            say(run, "log", n=number, text="x" * (number * 7 % 400))
            if number % 30 == 0:
                during.append(pool.submit(read_all, relay, path))
                offset = run.stream.stat().st_size
                during.append(pool.submit(read_all, relay, f"{path}?after={offset // 2}"))
        say(run, "workflow_completed")
        after = read_all(relay, path)[0]
        assert [e.data for e in after][:-1] == run.stream.read_bytes().splitlines()
        for reader in (*before, *during):
            events = reader.result(timeout=DEADLINE_S)[0]
            assert events == after[len(after) - len(events) :]
        assert all(reader.result()[0] == after for reader in (*before, *during[::2]))


def test_httpx_sse_sees_the_same(relay: Relay, run: Workspace) -> None:
    data = recorded(run)
    with httpx_sse.connect_sse(relay.client, "GET", relay.workflow_url(run, "/stream")) as source:
        *told, end = source.iter_sse()
    assert [event.data.encode() for event in told] == data.splitlines()
    assert [event.event for event in told] == ["message"] * len(told)
    assert (end.event, end.json()) == ("end", {"status": "completed"})


@pytest.mark.parametrize("bad", ["-1", "x", "1.5", "+5", "1_000", "²", "01", "9" * 5000, "", " 1"])
def test_a_cursor_that_is_no_number_is_a_400(relay: Relay, run: Workspace, bad: str) -> None:
    recorded(run, 1)
    for path in ("/stream", "/events"):
        answer = relay.client.get(relay.workflow_url(run, path), params={"after": bad})
        assert answer.status_code == 400, path
        assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
        assert "byte offset" in answer.json()["detail"]
    if bad.isascii() and bad.strip():
        header = {"Last-Event-ID": bad.strip() if bad != " 1" else "1 1"}
        assert (
            relay.client.get(relay.workflow_url(run, "/stream"), headers=header).status_code == 400
        )


def test_a_cursor_past_the_end_is_a_reset_and_then_all(relay: Relay, run: Workspace) -> None:
    data = recorded(run, 3)
    events, stream = read_all(relay, relay.workflow_url(run, f"/stream?after={len(data) + 1}"))
    reset, *told, end = events
    assert reset.event == "reset" and reset.id == ""
    assert "reason" in json.loads(reset.data)
    assert [e.data for e in told] == data.splitlines()
    assert end.event == "end"
    assert b"\nid: \n" not in stream.raw and b"\nid:\n" not in stream.raw


def test_a_cursor_into_a_file_that_is_not_there_is_a_reset(relay: Relay, run: Workspace) -> None:
    with Stream(relay, relay.workflow_url(run, "/stream?after=10")) as stream:
        events = iter(stream)
        assert next(events).event == "reset"
        say(run, "log")
        assert json.loads(next(events).data)["type"] == "log"


@pytest.mark.parametrize("how", ["truncated", "replaced"])
def test_a_file_that_is_cut_or_replaced_is_a_reset(relay: Relay, run: Workspace, how: str) -> None:
    for number in range(5):
        say(run, "log", n=number)
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        events = iter(stream)
        for _ in range(5):
            next(events)
        if how == "truncated":
            os.truncate(run.stream, 0)
        else:
            run.stream.unlink()
        fresh = recorded(run, 1)
        told = list(events)
    assert told[0].event == "reset"
    # A look between the cut and the new lines may see the file once more, and tell it.
    last_reset = max(index for index, event in enumerate(told) if event.event == "reset")
    assert [e.data for e in told[last_reset + 1 :]][:-1] == fresh.splitlines()


@pytest.mark.parametrize("torn", [b"x", b'{"type":"log","text":"' + b"y" * 300_000])
def test_half_a_line_that_is_taken_back_is_no_reset(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], object], torn: bytes
) -> None:
    """As of a writer whose disk is full: nobody has had it, and what follows is told as ever."""
    alive(run)
    end = say(run, "log", n=0)
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        events = iter(stream)
        assert json.loads(next(events).data)["n"] == 0
        for number in (1, 2):
            with open(run.stream, "ab", buffering=0) as file:
                file.write(torn)
            page = relay.get(f"/workflows/{run.run_id}/events?wait=0.3&after={end}").json()
            assert page["events"] == []  # the relay has seen it
            os.truncate(run.stream, end)
            relay.get(f"/workflows/{run.run_id}/events?wait=0.3&after={end}")
            end = say(run, "log", n=number)
            told = next(events)
            assert (told.event, told.id) == ("message", str(end))
            assert json.loads(told.data)["n"] == number


def test_a_run_that_is_removed_ends_its_stream(relay: Relay, run: Workspace) -> None:
    say(run, "log")
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        events = iter(stream)
        next(events)
        os.rename(run.path, relay.root / f".gone-{run.run_id}")
        assert [event.event for event in events] == ["reset"]
    assert status_of(relay, relay.workflow_url(run, "/stream")) == 404


def test_malformed_lines_do_not_break_the_stream(relay: Relay, run: Workspace) -> None:
    lines = [
        b'{"type":"log","n":1}',
        b"",
        b"   ",
        b"rubbish",
        b'{"a":"\xff"}',
        b'{"half":',
        b"[1,2]",
        b'{"type":"log",\r"n":2}\r',
        '{"type":"log","t":"\u2028\u2029\u0085"}'.encode(),
        b'{"nul":"\x00"}',
        b"x" * 20_000,
    ]
    run.stream.write_bytes(b"\n".join(lines) + b"\n")
    say(run, "workflow_completed")
    events, _ = read_all(relay, relay.workflow_url(run, "/stream"))
    bad = [json.loads(e.data) for e in events if e.event == "malformed"]
    assert [b["head"] for b in bad] == [
        "rubbish",
        '{"a":"\ufffd"}',
        '{"half":',
        "[1,2]",
        "x" * 200,
    ]
    assert [b["length"] for b in bad] == [7, 9, 8, 5, 20_000]
    good = [e.data for e in events if e.event == "message"]
    assert good[0] == lines[0]
    assert good[1] == lines[7].replace(b"\r", b"\n")
    assert json.loads(good[1]) == {"type": "log", "n": 2}
    assert good[2:4] == lines[8:10]
    # The same for pages, which parse: what is no JSON is malformed there too.
    page = relay.get(f"/workflows/{run.run_id}/events").json()
    heads = [e["event"]["head"] for e in page["events"] if e["event"]["type"] == "malformed"]
    assert heads == [*[b["head"] for b in bad][:4], '{"nul":"\x00"}', "x" * 200]


def test_a_line_over_16_mib_is_told_and_passed(relay: Relay, run: Workspace) -> None:
    fits = b'{"a":"' + b"y" * (3 << 20) + b'"}'
    run.stream.write_bytes(fits + b"\n" + b'{"a":"' + b"z" * (17 << 20) + b'"}\n')
    say(run, "workflow_completed")
    events, _ = read_all(relay, relay.workflow_url(run, "/stream"))
    assert [e.event for e in events] == ["message", "malformed", "message", "end"]
    assert events[0].data == fits
    assert json.loads(events[1].data)["length"] == (17 << 20) + 8
    page = relay.get(f"/workflows/{run.run_id}/events").json()
    assert page["end"] and page["events"][1]["event"]["type"] == "malformed"


def test_a_torn_line_waits_until_it_is_whole(relay: Relay, run: Workspace) -> None:
    line = b'{"type":"log","text":"' + b"t" * 200_000 + b'"}\n'
    with (
        Stream(relay, relay.workflow_url(run, "/stream")) as stream,
        open(run.stream, "ab", buffering=0) as file,
    ):
        assert stream.read_block().startswith(b"retry")
        for start in range(0, len(line), 30_000):
            file.write(line[start : start + 30_000])
        file.write(b'{"type":"workf')
        events = iter(stream)
        assert next(events).data == line.rstrip()
        # A cursor inside the torn line waits for the next line's start.
        with Stream(relay, relay.workflow_url(run, f"/stream?after={len(line) + 3}")) as inside:
            assert inside.status == 200
            file.write(b'low_completed"}\n')
            assert [e.event for e in events] == ["message", "end"]
            assert [e.event for e in inside] == ["end"]


def test_named_events(relay: Relay, run: Workspace) -> None:
    say(run, "workflow_started")
    append_lines(run.stream, b'{"type":"bad\\nname"}\n{"no":"type"}\nrubbish\n')
    say(run, "workflow_completed")
    events, _ = read_all(relay, relay.workflow_url(run, "/stream?named=true"))
    assert [e.event for e in events] == [
        "workflow_started",
        "message",
        "message",
        "malformed",
        "workflow_completed",
        "end",
    ]


def test_types_and_exclude(relay: Relay, run: Workspace) -> None:
    say(run, "workflow_started")
    append_lines(
        run.stream, b'{"type":"a","x":{"type":"b"}}\n{"x":{"type":"a"},"type":"b"}\nrubbish\n'
    )
    say(run, "workflow_completed")

    def types(query: str) -> list[str]:
        events, _ = read_all(relay, relay.workflow_url(run, f"/stream?{query}"))
        return [json.loads(e.data)["type"] for e in events if e.event != "end"]

    assert types("types=a") == ["a"]
    assert types("types=a,%20b") == ["a", "b"]
    assert types("types=malformed") == ["malformed"]
    assert types("exclude=a,workflow_started") == ["b", "malformed", "workflow_completed"]
    assert types("types=a,b&exclude=b") == ["a"]


@pytest.mark.parametrize("count", [0, 1, 3, 7, 100])
def test_tail(relay: Relay, run: Workspace, count: int) -> None:
    data = recorded(run, 5)
    path = relay.workflow_url(run, f"/stream?tail={count}")
    if count == 0:
        assert status_of(relay, path) == 204
    else:
        assert messages(relay, path) == data.splitlines()[-count:]


def test_follow_false_stops_at_the_present_end(relay: Relay, run: Workspace) -> None:
    path = relay.workflow_url(run, "/stream?follow=false")
    assert status_of(relay, path) == 204
    offset = 0
    for number in range(20):
        # Each line is in the answer, however short ago it was written.
        offset = say(run, "log", n=number)
        events, stream = read_all(relay, path)
        assert stream.complete
        assert [json.loads(e.data)["n"] for e in events] == list(range(number + 1))
    assert status_of(relay, path, {"Last-Event-ID": str(offset)}) == 204
    say(run, "workflow_stopped")
    events, _ = read_all(relay, f"{path}&after={offset}")
    assert [e.event for e in events] == ["message", "end"]


def test_follow_false_ends_under_a_writer_that_does_not(relay: Relay, run: Workspace) -> None:
    recorded(run)
    line = encode({"type": "log", "text": "x" * 100})
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            append_lines(run.stream, line)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            before = run.stream.stat().st_size
            events, _ = read_all(relay, relay.workflow_url(run, "/stream?follow=false"))
        finally:
            stop.set()
        writing.result()
    told = [event.data for event in events if event.event == "message"]
    whole = run.stream.read_bytes()
    assert len(whole[:before].splitlines()) <= len(told)
    assert told == whole.splitlines()[: len(told)]


def test_204_ends_when_the_run_goes_on(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], RunLock]
) -> None:
    """A message that reopens a run that has ended makes its stream wait for more at once."""
    data = recorded(run, 2)
    path = relay.workflow_url(run, f"/stream?after={len(data)}")
    assert status_of(relay, path) == 204
    post(run, {"type": "message", "content": "go on", "resume": True})
    with Stream(relay, path) as stream:
        assert stream.status == 200
        alive(run)
        say(run, "workflow_started", attempt=2)
        say(run, "workflow_failed", reason="x")
        events = list(stream)
    assert [e.event for e in events] == ["message", "message", "end"]
    assert json.loads(events[-1].data) == {"status": "failed"}


def test_a_run_that_died_is_followed_until_the_runner_says_so(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], RunLock]
) -> None:
    lock = alive(run)
    say(run, "workflow_started")
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        events = iter(stream)
        next(events)
        lock.release()
        # Its state says so at once; the stream waits for the line, and does not end without it.
        assert relay.get(f"/workflows/{run.run_id}").json()["status"] == "failed"
        with Stream(
            relay, relay.workflow_url(run, f"/stream?after={run.stream.stat().st_size}")
        ) as late:
            assert late.status == 200
            say(run, "workflow_failed", reason="lost")
            assert [e.event for e in late] == ["message", "end"]
        assert [e.event for e in events] == ["message", "end"]


def test_an_external_stream_needs_no_manifest(relay: Relay) -> None:
    run = Workspace(relay.root, new_run(relay.root).run_id)
    run.manifest.unlink()
    assert status_of(relay, relay.workflow_url(run, "/stream")) == 404
    with open(run.stream, "ab", buffering=0) as shell:
        shell.write(b'{"type":"progress_update","progress":5}\n')
        with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
            events = iter(stream)
            next(events)
            shell.write(b'{"type": "workflow_completed"}\n')
            assert [e.event for e in events] == ["message", "end"]


def test_terminal_words_in_the_text_do_not_end_the_stream(relay: Relay, run: Workspace) -> None:
    say(run, "workflow_started")
    run.manifest.unlink()  # nobody's: running until a terminal line comes
    append_lines(run.stream, encode({"type": "log", "message": '{"type":"workflow_completed"}'}))
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        events = iter(stream)
        assert [next(events).event for _ in range(2)] == ["message", "message"]
        say(run, "log", message="still here")
        assert b"still here" in next(events).data


@pytest.mark.parametrize(
    "query", ["tail=-1", "tail=x", "speed=0", "speed=101", "speed=nan", "follow=perhaps", "named=2"]
)
def test_bad_parameters_are_named(relay: Relay, run: Workspace, query: str) -> None:
    answer = relay.client.get(relay.workflow_url(run, f"/stream?{query}"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_stream_that_can_not_be_read(relay: Relay, run: Workspace) -> None:
    run.stream.mkdir()
    answer = relay.client.get(relay.workflow_url(run, "/stream"))
    assert answer.status_code == 503
    assert str(run.stream) in answer.json()["detail"]


def test_an_unknown_run_is_a_404_at_once(relay: Relay) -> None:
    answer = relay.get("/workflows/nobody/stream")
    assert answer.status_code == 404
    assert "List the runs" in answer.json()["detail"]


def test_start_with_the_stream_as_the_answer(root: Path) -> None:
    with running_relay(root) as relay:
        asked = {"workflow": "command", "params": {"argv": ["true"]}, "run_id": "streamed"}
        headers = {"accept": "text/event-stream"}
        url = "/api/v1/workflows"
        with httpx_sse.connect_sse(
            relay.client, "POST", url, json=asked, headers=headers
        ) as source:
            assert source.response.status_code == 201
            assert source.response.headers["location"] == "/api/v1/workflows/streamed"
            run = Workspace(root, "streamed")  # type: ignore[arg-type]
            data = recorded(run, 3)
            events = list(source.iter_sse())
        assert [e.data.encode() for e in events][:-1] == data.splitlines()
        assert isinstance(relay.client, httpx.Client)
