"""The dialect `durable-streams` by HTTP: catch-up, long poll and SSE, by the letter of the protocol."""

import json
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runlog import RunLock, Workspace, append_lines
from tests.relay.answers import Answer
from tests.relay.live import Relay, new_run, recorded, say

Alive = Callable[[Workspace], RunLock]


def get(relay: Relay, run: Workspace, query: str = "", **headers: str) -> httpx.Response:
    return relay.client.get(f"/dialects/durable-streams/{run.run_id}{query}", headers=headers)


def follow(relay: Relay, run: Workspace, query: str) -> Answer:
    return Answer(relay, "GET", f"/durable-streams/{run.run_id}{query}")


def events(raw: bytes) -> tuple[list[Any], list[dict[str, Any]]]:
    """The messages of all data events, and the control events; of these, one follows each data event."""
    messages, controls, was_data = [], [], False
    for frame in raw.split(b"\n\n"):
        lines = [line for line in frame.split(b"\n") if line and not line.startswith(b":")]
        if not lines:
            continue
        data = json.loads(b"\n".join(line.removeprefix(b"data: ") for line in lines[1:]))
        assert lines[0] in (b"event: data", b"event: control")
        if lines[0] == b"event: data":
            assert not was_data
            messages += data
        else:
            controls.append(data)
        was_data = lines[0] == b"event: data"
    return messages, controls


def test_all_at_once(relay: Relay, run: Workspace) -> None:
    data = recorded(run)
    answer = get(relay, run)
    assert answer.json() == [json.loads(line) for line in data.splitlines()]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["stream-next-offset"] == f"{len(data):016d}"
    assert answer.headers["stream-up-to-date"] == "true"
    assert answer.headers["stream-closed"] == "true"  # a command can't be reopened
    assert get(relay, run, "?offset=-1").content == answer.content
    empty = get(relay, run, f"?offset={answer.headers['stream-next-offset']}")
    assert (empty.status_code, empty.json()) == (200, [])
    assert empty.headers["stream-closed"] == "true"


def test_offsets_sort_as_text_and_each_gives_the_rest(relay: Relay, run: Workspace) -> None:
    offsets, sent = [], []
    for number in range(12):
        offsets.append(get(relay, run).headers["stream-next-offset"])
        sent.append({"type": "log", "n": number})
        append_lines(run.stream, json.dumps(sent[-1]).encode() + b"\n")
    assert offsets == sorted(set(offsets))
    for number, offset in enumerate(offsets):
        assert get(relay, run, f"?offset={offset}").json() == sent[number:]


def test_etags(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    say(run, "workflow_started", attempt=1)
    first = get(relay, run)
    etag = first.headers["etag"]
    assert get(relay, run, **{"if-none-match": etag}).status_code == 304
    say(run, "workflow_completed", duration_s=1)
    after = get(relay, run, **{"if-none-match": etag})
    assert after.status_code == 200
    tail = get(relay, run, f"?offset={after.headers['stream-next-offset']}")
    assert tail.headers["etag"].endswith(':c"')


def test_head(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    offset = say(run, "workflow_started", attempt=1)
    path = f"/dialects/durable-streams/{run.run_id}"
    answer = relay.client.head(path)
    assert answer.headers["stream-next-offset"] == f"{offset:016d}"
    assert answer.headers["cache-control"] == "no-store"
    assert "stream-closed" not in answer.headers
    say(run, "workflow_completed", duration_s=1)
    assert relay.client.head(path).headers["stream-closed"] == "true"


def test_a_run_that_may_reopen_is_not_closed(relay: Relay) -> None:
    run = new_run(relay.root, "claude", prompt="x")
    recorded(run)
    assert "stream-closed" not in get(relay, run).headers
    answer = follow(relay, run, "?offset=-1&live=sse")
    answer.wait_for("upToDate")
    say(run, "workflow_started", attempt=2)
    answer.wait_for('"attempt":2')
    assert "streamClosed" not in answer.raw.decode()


def test_now(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    offset = say(run, "workflow_started", attempt=1)
    answer = get(relay, run, "?offset=now")
    assert (answer.json(), answer.headers["cache-control"]) == ([], "no-store")
    assert answer.headers["stream-next-offset"] == f"{offset:016d}"
    assert answer.headers["stream-up-to-date"] == "true"
    live = follow(relay, run, "?offset=now&live=sse")
    live.wait_for("upToDate")
    say(run, "log", n=1)
    live.wait_for('"n":1')
    messages, controls = events(live.raw)
    assert [message["type"] for message in messages] == ["log"]
    assert controls[0]["streamNextOffset"] == f"{offset:016d}"


def test_long_poll(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    offset = say(run, "workflow_started", attempt=1)
    first = get(relay, run, "?offset=-1&live=long-poll")
    assert len(first.json()) == 1
    cursor = int(first.headers["stream-cursor"])
    threading.Timer(0.2, lambda: say(run, "log", n=1)).start()
    query = f"?offset={offset:016d}&live=long-poll&cursor={cursor}"
    second = get(relay, run, query)
    assert [message["type"] for message in second.json()] == ["log"]
    assert int(second.headers["stream-cursor"]) > cursor
    say(run, "workflow_completed", duration_s=1)
    end = get(relay, run, f"?offset={run.stream.stat().st_size:016d}&live=long-poll")
    assert end.status_code == 204
    assert end.headers["stream-closed"] == end.headers["stream-up-to-date"] == "true"


def test_sse_from_the_beginning_to_the_end(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    say(run, "workflow_started", attempt=1)
    answer = follow(relay, run, "?offset=-1&live=sse")
    answer.wait_for("upToDate")
    for number in range(100):
        say(run, "log", n=number, text="é" * number)
    append_lines(run.stream, b'{"type":"log",\r"n":100}\n{broken}\n')
    say(run, "workflow_completed", duration_s=1)
    messages, controls = events(answer.whole())
    assert [message.get("n") for message in messages[1:102]] == list(range(101))
    assert [message["type"] for message in messages[102:]] == ["malformed", "workflow_completed"]
    size = run.stream.stat().st_size
    assert controls[-1]["streamClosed"] is True
    assert controls[-1]["streamNextOffset"] == f"{size:016d}"
    offsets = [control["streamNextOffset"] for control in controls]
    assert offsets == sorted(offsets)
    assert messages == get(relay, run).json()
    last = follow(relay, run, f"?offset={size:016d}&live=sse")
    assert events(last.whole()) == ([], [controls[-1]])


def test_a_torn_line_is_not_there_yet(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    offset = say(run, "workflow_started", attempt=1)
    with run.stream.open("ab") as file:
        file.write(b'{"type":"lo')
    for query in ("", "?offset=now"):
        assert get(relay, run, query).headers["stream-next-offset"] == f"{offset:016d}"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?offset=abc", 400),
        ("?offset=1", 400),
        ("?offset=", 400),
        ("?offset=-2", 400),
        ("?live=sse", 400),
        ("?live=long-poll", 400),
        ("?offset=-1&live=maybe", 422),
        (f"?offset={10**15:016d}", 410),
        (f"?offset={10**15:016d}&live=sse", 410),
    ],
)
def test_bad_reads(relay: Relay, run: Workspace, query: str, status: int) -> None:
    recorded(run)
    assert get(relay, run, query).status_code == status


def test_it_only_reads(relay: Relay, run: Workspace) -> None:
    path = f"/dialects/durable-streams/{run.run_id}"
    for method in ("PUT", "POST", "DELETE"):
        assert relay.client.request(method, path).status_code == 405
    assert relay.client.get("/dialects/durable-streams/nobody").status_code == 404
