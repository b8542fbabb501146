"""A run as a WebSocket: events out, inbox lines in, through the same doors."""

import json
import socket as stdlib_socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from runlog import RunLock, Workspace, append_lines, read_inbox
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.support import DEADLINE_S, wait_until

Hold = Callable[[Workspace], RunLock]


def opened(relay: Relay, run_id: str, query: str = "", **options: Any) -> ClientConnection:
    url = f"{relay.url.replace('http', 'ws')}/api/v1/workflows/{run_id}/ws{query}"
    return connect(url, proxy=None, open_timeout=DEADLINE_S, **options)


def read(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=DEADLINE_S))


def ask(socket: ClientConnection, line: Any) -> Any:
    """The answer to a line; events may come before it."""
    socket.send(line if isinstance(line, str) else json.dumps(line))
    while "event" in (answer := read(socket)):
        pass
    return answer


def inbox(run: Workspace) -> list[dict[str, Any]]:
    return [line.body for line in read_inbox(run.inbox)]  # type: ignore[union-attr]


def test_events_to_the_end(relay: Relay, run: Workspace) -> None:
    data = recorded(run)
    with opened(relay, run.run_id) as socket:
        *told, end = list(socket)
    lines = data.splitlines()
    assert [message.partition(',"event":')[2][:-1].encode() for message in told] == lines
    assert json.loads(told[-1])["offset"] == len(data)
    assert json.loads(end) == {"end": {"status": "completed"}}
    assert socket.close_code == 1000
    middle = json.loads(told[10])["offset"]
    with opened(relay, run.run_id, f"?after={middle}") as socket:
        assert list(socket) == [*told[11:], end]
    with opened(relay, run.run_id, "?types=workflow_started") as socket:
        assert len(list(socket)) == 2


def test_live(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    with opened(relay, run.run_id) as socket:
        for number in range(20):
            offset = say(run, "log", n=number)
            told = read(socket)
            assert (told["offset"], told["event"]["n"]) == (offset, number)


def test_lines_in(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    say(run, "workflow_started")
    say(run, "questions_presented", question_id="q", questions=[])
    say(run, "permission_requested", request_id="p", tool_name="Bash", input={})
    with opened(relay, run.run_id) as socket:
        posted = ask(socket, {"type": "message", "content": "hello", "id": "m-1"})
        assert posted == {"posted": {"message_id": "m-1", "offset": run.inbox.stat().st_size}} | {
            "id": "m-1"
        }
        assert ask(socket, {"type": "message", "content": "hello", "id": "m-1"}) == posted
        assert "posted" in ask(socket, {"type": "answer", "question_id": "q", "answers": {}})
        permission = {"type": "permission", "request_id": "p", "decision": "deny"}
        assert "posted" in ask(socket, permission)
        assert "posted" in ask(socket, {"type": "cancel", "message_id": "m-1"})
        assert "posted" in ask(socket, {"type": "interrupt"})
        assert "posted" in ask(socket, {"type": "stop"})
    types = [line["type"] for line in inbox(run)]
    assert types == ["message", "answer", "permission", "cancel", "interrupt", "stop"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("no json", "bad-request"),
        ("[1]", "invalid-request"),
        ("NaN", "bad-request"),
        ("[" * 100_000, "bad-request"),
        ({"type": "nonsense"}, "bad-message"),
        ({"content": "no type"}, "bad-message"),
        ({"type": "message"}, "invalid-request"),
        ({"type": "message", "content": " "}, "bad-message"),
        ({"type": "message", "content": "x", "more": 1}, "invalid-request"),
        ({"type": "message", "content": "x", "id": "no good"}, "bad-message"),
        ({"type": "answer", "question_id": "q", "answers": {}}, "not-open"),
        ({"type": "permission", "request_id": "p", "decision": "maybe"}, "invalid-request"),
        ({"type": "cancel"}, "bad-message"),
        ({"type": "cancel", "message_id": "m"}, "unknown-message"),
    ],
)
def test_bad_lines_are_problems(
    relay: Relay, run: Workspace, alive: Hold, line: Any, kind: str
) -> None:
    """The connection stays, and the run is unharmed."""
    alive(run)
    with opened(relay, run.run_id) as socket:
        problem = ask(socket, line)["problem"]
        assert problem["type"].endswith(f"#{kind}"), problem
        assert problem["detail"]
        assert not run.inbox.exists()
        assert "posted" in ask(socket, {"type": "message", "content": "still here"})


def test_binary_and_too_long_messages_close_it(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    # 1006: the server has closed it before the client was through with its message.
    for message, codes in ((b"\x00", {1003}), ("x" * (10 * 1024 * 1024 + 1), {1009, 1006})):
        with opened(relay, run.run_id) as socket, pytest.raises(ConnectionClosed):
            socket.send(message)
            socket.recv(timeout=DEADLINE_S)
        assert socket.close_code in codes


def test_hard_lines(relay: Relay, run: Workspace) -> None:
    append_lines(run.stream, b'{"type":"log",\r"message":"cr"}\r\n')
    append_lines(run.stream, b'no json\n{"looks":like it}\n')
    append_lines(run.stream, '{"type":"log","message":"\u2028 🎈"}\n'.encode())
    say(run, "workflow_completed")
    with opened(relay, run.run_id) as socket:
        *told, _ = (json.loads(message) for message in socket)
    assert [t["event"]["type"] for t in told[:4]] == ["log", "malformed", "malformed", "log"]
    assert told[3]["event"]["message"] == "\u2028 🎈"


def test_reset(relay: Relay, run: Workspace) -> None:
    recorded(run, 2)
    with opened(relay, run.run_id, "?after=999999") as socket:
        told = [json.loads(message) for message in socket]
    assert "no byte 999999" in told[0]["reset"]["reason"]
    assert told[1]["event"]["type"] == "workflow_started"


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody", 404), ("No", 400), ("../x", 403)],
)
def test_unknown_runs(relay: Relay, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(relay, path):
        pass
    assert refused.value.response.status_code == status
    if status != 403:  # no such path: uvicorn's own answer
        assert json.loads(refused.value.response.body)["status"] == status


def test_bad_cursor(relay: Relay, run: Workspace) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(relay, run.run_id, "?after=-1"):
        pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_foreign_pages(relay: Relay, run: Workspace, headers: dict[str, str], status: int) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        opened(relay, run.run_id, additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == status


def test_own_page_and_foreign_host(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    host, port = relay.address
    with opened(relay, run.run_id, additional_headers={"Origin": relay.url}) as socket:
        assert "posted" in ask(socket, {"type": "interrupt"})
    url = f"ws://evil.example:{port}/api/v1/workflows/{run.run_id}/ws"
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(
            url,
            proxy=None,
            sock=stdlib_socket.create_connection((host, port)),
            open_timeout=DEADLINE_S,
        ),
    ):
        pass
    assert refused.value.response.status_code == 421


def test_token(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)
    with running_relay(root, "--token", "sesame") as relay:
        for options in (
            {},
            {"additional_headers": {"Authorization": "Bearer wrong"}},
            {"subprotocols": [Subprotocol("bearer.wrong")]},
            {"subprotocols": [Subprotocol("tailcast")]},
        ):
            with pytest.raises(InvalidStatus) as refused, opened(relay, run.run_id, **options):
                pass
            assert refused.value.response.status_code == 401
        header = {"additional_headers": {"Authorization": "Bearer sesame"}}
        protocols = [Subprotocol("bearer.sesame"), Subprotocol("tailcast")]
        for options, chosen in (
            (header, None),
            ({"subprotocols": protocols[:1]}, "bearer.sesame"),
            ({"subprotocols": protocols}, "tailcast"),
        ):
            with opened(relay, run.run_id, **options) as socket:
                assert socket.subprotocol == chosen
                assert "posted" in ask(socket, {"type": "interrupt"})
        # the subprotocol is no door for anything else
        answer = relay.get("/workflows", headers={"Sec-WebSocket-Protocol": "bearer.sesame"})
        assert answer.status_code == 401


def test_shutdown_says_that_it_goes(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)
    with ExitStack() as stack, pytest.raises(ConnectionClosed):
        with running_relay(root) as relay:
            socket = stack.enter_context(opened(relay, run.run_id))
            say(run, "log")
            read(socket)
        socket.recv(timeout=DEADLINE_S)
    assert socket.close_code in (1001, 1012)


def test_client_that_goes_leaves_nothing(root: Path, alive: Hold) -> None:
    run = new_run(root)
    alive(run)
    with running_relay(root) as relay:
        for _ in range(5):
            with opened(relay, run.run_id):
                pass
        wait_until(lambda: metric(relay, "tailcast_listeners") == 0, "no listener")


def metric(relay: Relay, name: str) -> float:
    for line in relay.client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")
