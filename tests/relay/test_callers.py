"""Tokens with names and scopes: who may do what, and whose name stands in what was said."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from relay.http.callers import SCOPES, Caller
from relay.http.settings import RelayError
from relay.http.tokens import Token, add_token, digest_of, new_secret, read_tokens, remove_token
from relay.http.tries import FailedTries
from runlog import RunLock, Workspace, read_inbox
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, Relay, new_run, running_relay, say
from tests.support import DEADLINE_S, wait_until

Hold = Callable[[Workspace], RunLock]
GREETER = {"workflow": "command", "params": {"argv": ["true"]}, "allowed_overrides": ["argv"]}

DAILY = {"cron": "0 7 * * *", "deployment": "greeter"}


def add(
    path: Path,
    name: str,
    scope: Any = "read",
    deployments: list[str] | None = None,
    expires_at: datetime | None = None,
) -> dict[str, str]:
    """A new token in the file. Returns the headers that show it."""
    secret = new_secret()
    allowed = None if deployments is None else frozenset(deployments)
    add_token(path, Token(digest_of(secret.encode()), Caller(name, scope, allowed), expires_at))
    return {"authorization": f"Bearer {secret}"}


class Guarded:
    """A relay with a token file, and callers by name."""

    def __init__(self, relay: Relay, file: Path) -> None:
        self.relay = relay
        self.file = file
        self.headers: dict[str, dict[str, str]] = {}

    def call(self, name: str, method: str, path: str, body: Any = None) -> httpx.Response:
        given = {} if body is None else {"json": body}
        headers = self.headers[name]
        return self.relay.client.request(method, f"/api/v1{path}", headers=headers, **given)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    root = tmp_path_factory.mktemp("root")
    file = tmp_path_factory.mktemp("tokens") / "tokens.json"
    write_catalog(root, CATALOG)
    headers = {scope: add(file, scope, scope) for scope in SCOPES}
    headers["greeter"] = add(file, "greeter", "start", ["greeter", "open"])
    with running_relay(root, "--token-file", str(file)) as relay:
        made = Guarded(relay, file)
        made.headers = headers
        for name, deployment in (
            ("greeter", GREETER),
            ("other", GREETER),
            ("open", {"workflow": "claude", "prompt": "x", "allowed_overrides": ["model"]}),
        ):
            assert made.call("admin", "PUT", f"/deployments/{name}", deployment).status_code == 201
        for name, body in (("daily", DAILY), ("others", DAILY | {"deployment": "other"})):
            assert made.call("admin", "PUT", f"/schedules/{name}", body).status_code == 201
        yield made


def inbox(run: Workspace) -> list[dict[str, Any]]:
    return [line.body for line in read_inbox(run.inbox)]  # type: ignore[union-attr]


def test_each_scope_may_what_those_before_it_may(guarded: Guarded, alive: Hold) -> None:
    run = new_run(guarded.relay.root)
    alive(run)
    say(run, "workflow_started")
    url = f"/workflows/{run.run_id}"
    start = {"workflow": "command", "params": {"argv": ["true"]}}
    calls = [
        ("read", "GET", "/workflows", None, 200),
        ("read", "GET", f"{url}/events", None, 200),
        ("read", "GET", f"{url}/files", None, 200),
        ("read", "GET", f"{url}/wait?wait=0", None, 202),
        ("talk", "POST", f"{url}/messages?wait=0", {"message": "hello"}, 202),
        ("talk", "POST", f"{url}/interrupt", {}, 202),
        ("talk", "POST", f"{url}/answers", {"question_id": "q", "answers": {}}, 409),
        ("talk", "POST", f"{url}/permissions", {"request_id": "p", "decision": "deny"}, 409),
        ("talk", "DELETE", f"{url}/messages/nope", None, 404),
        ("start", "POST", "/workflows", start, 201),
        ("start", "POST", f"{url}/again", {"params": {"argv": ["true"]}}, 201),
        ("start", "POST", "/schedules/daily/run", None, 201),
        ("start", "POST", "/batches", {**start, "inputs": [{}]}, 201),
        ("start", "POST", f"{url}/messages", {"message": "go on", "resume": True}, 202),
        ("start", "POST", f"{url}/model", {"model": "m"}, 202),
        ("start", "POST", f"{url}/permission-mode", {"mode": "acceptEdits"}, 202),
        ("admin", "PUT", "/deployments/mine", GREETER, 201),
        ("admin", "DELETE", "/deployments/mine", None, 204),
        ("admin", "PUT", "/schedules/mine", DAILY, 201),
        ("admin", "POST", "/schedules/mine/pause", None, 200),
        ("admin", "DELETE", "/schedules/mine", None, 204),
        ("admin", "DELETE", url, None, 409),
        ("admin", "DELETE", "/batches/nope", None, 404),
    ]
    for needed, method, path, body, status in calls:
        for scope in SCOPES[: SCOPES.index(needed)]:  # type: ignore[arg-type]
            answer = guarded.call(scope, method, path, body)
            assert answer.status_code == 403, (scope, method, path)
            assert answer.json()["type"] == "/docs#not-allowed"
            assert scope in answer.json()["detail"]
        answer = guarded.call(needed, method, path, body)
        assert answer.status_code == status, (needed, method, path, answer.text)


def test_who_may_start_one_deployment_gets_no_further(guarded: Guarded, alive: Hold) -> None:
    started = guarded.call("greeter", "POST", "/workflows", {"deployment": "greeter"})
    assert started.status_code == 201
    refused = [
        ("/workflows", {"workflow": "command", "params": {"argv": ["id"]}}),
        ("/workflows", {"deployment": "other"}),
        ("/batches", {"workflow": "command", "params": {"argv": ["id"]}, "inputs": [{}]}),
        ("/batches", {"deployment": "other", "inputs": [{}]}),
        ("/schedules/others/run", None),
    ]
    other = new_run(guarded.relay.root, deployment="other")
    none = new_run(guarded.relay.root)
    for run in (other, none):
        alive(run)
        refused += [
            (f"/workflows/{run.run_id}/messages", {"message": "run id"}),
            (f"/workflows/{run.run_id}/stop", {}),
            (f"/workflows/{run.run_id}/permission-mode", {"mode": "bypassPermissions"}),
        ]
    for path, body in refused:
        answer = guarded.call("greeter", "POST", path, body)
        assert answer.status_code == 403, (path, answer.text)
        assert "'greeter'" in answer.json()["detail"]
    assert not other.inbox.exists() and not none.inbox.exists()
    batch = guarded.call(
        "admin",
        "POST",
        "/batches",
        {"workflow": "command", "params": {"argv": ["id"]}, "inputs": [{}]},
    ).json()["batch_id"]
    assert guarded.call("greeter", "POST", f"/batches/{batch}/stop").status_code == 403


def test_model_and_mode_only_where_the_deployment_lets_them_be_set(
    guarded: Guarded, alive: Hold
) -> None:
    suggestions = [
        {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
        {"type": "addRules", "rules": [{"toolName": "Bash"}], "behavior": "allow"},
    ]
    for deployment, may_model in (("greeter", False), ("open", True)):
        run = new_run(guarded.relay.root, deployment=deployment)
        alive(run)
        say(run, "workflow_started")
        for number in range(3):
            asked = {"tool_name": "Bash", "input": {}, "suggestions": suggestions}
            say(run, "permission_requested", request_id=f"p-{number}", **asked)
        url = f"/workflows/{run.run_id}"
        assert (
            guarded.call("greeter", "POST", f"{url}/messages", {"message": "hi"}).status_code == 202
        )
        model = guarded.call("greeter", "POST", f"{url}/model", {"model": "opus"})
        assert model.status_code == (202 if may_model else 403)
        mode = guarded.call(
            "greeter", "POST", f"{url}/permission-mode", {"mode": "bypassPermissions"}
        )
        assert mode.status_code == 403 and "permission_mode" in mode.json()["detail"]
        for number, suggestion in enumerate(suggestions):
            body = {"request_id": f"p-{number}", "decision": "allow"}
            taken = guarded.call(
                "greeter",
                "POST",
                f"{url}/permissions",
                {**body, "updated_permissions": [suggestion]},
            )
            assert taken.status_code == 403, suggestion
        allowed = {"request_id": "p-2", "decision": "allow"}
        assert guarded.call("greeter", "POST", f"{url}/permissions", allowed).status_code == 202
        assert "set_permission_mode" not in [line["type"] for line in inbox(run)]


def test_the_name_stands_in_every_line(guarded: Guarded, alive: Hold) -> None:
    run = new_run(guarded.relay.root)
    alive(run)
    say(run, "workflow_started")
    say(run, "questions_presented", question_id="q", questions=[])
    say(run, "permission_requested", request_id="p", tool_name="Bash", input={})
    url = f"/workflows/{run.run_id}"
    for path, body in (
        ("messages", {"message": "hello", "id": "m-1"}),
        ("answers", {"question_id": "q", "answers": {}}),
        ("permissions", {"request_id": "p", "decision": "allow"}),
        ("interrupt", None),
        ("pause", {}),
        ("resume", {}),
        ("stop", {}),
    ):
        assert guarded.call("talk", "POST", f"{url}/{path}", body).status_code == 202
    assert guarded.call("talk", "DELETE", f"{url}/messages/m-1").status_code == 202
    assert {line["by"] for line in inbox(run)} == {"talk"}
    forged = guarded.call("talk", "POST", f"{url}/messages", {"message": "x", "by": "admin"})
    assert forged.status_code == 422


def test_a_socket_asks_line_by_line(guarded: Guarded, alive: Hold) -> None:
    run = new_run(guarded.relay.root)
    alive(run)
    say(run, "workflow_started")
    url = f"{guarded.relay.url.replace('http', 'ws')}/api/v1/workflows/{run.run_id}/ws?after=99999"
    lines = [
        {"type": "message", "content": "hello"},
        {"type": "stop"},
        {"type": "set_permission_mode", "mode": "bypassPermissions"},
        {"type": "message", "content": "hello", "resume": True},
        {"type": "stop", "by": "admin"},
    ]
    expected = {
        "read": [403, 403, 403, 403, 422],
        "talk": [None, None, 403, 403, 422],
        "start": [None, None, None, None, 422],
        "greeter": [403, 403, 403, 403, 422],
    }
    for name, statuses in expected.items():
        options: dict[str, Any] = {"additional_headers": guarded.headers[name], "proxy": None}
        with connect(url, open_timeout=DEADLINE_S, **options) as socket:
            for line, status in zip(lines, statuses, strict=True):
                socket.send(json.dumps(line))
                while "event" in (told := json.loads(socket.recv(DEADLINE_S))) or "reset" in told:
                    pass
                assert told.get("problem", {}).get("status") == status, (name, line, told)
    assert {line["by"] for line in inbox(run)} == {"talk", "start"}


def test_the_file_is_read_anew(root: Path, tmp_path: Path, alive: Hold) -> None:
    file = tmp_path / "tokens.json"
    first = add(file, "first", "talk")
    run = new_run(root)
    alive(run)

    def status(headers: dict[str, str]) -> int:
        return relay.get("/workflows", headers=headers).status_code

    with running_relay(root, "--token-file", str(file)) as relay:
        assert status(first) == 200
        second = add(file, "second")
        assert status(second) == 200
        url = f"{relay.url.replace('http', 'ws')}/api/v1/workflows/{run.run_id}/ws"
        with connect(url, additional_headers=first, proxy=None, open_timeout=DEADLINE_S) as socket:
            socket.send('{"type": "interrupt"}')
            assert "posted" in json.loads(socket.recv(DEADLINE_S))
            remove_token(file, "first")
            wait_until(lambda: status(first) == 401, "the end of the first")
            socket.send('{"type": "stop"}')
            with pytest.raises(ConnectionClosed):
                socket.recv(DEADLINE_S)
            assert socket.close_code == 1008
        assert [line["type"] for line in inbox(run)] == ["interrupt"]
        assert status(second) == 200
        # A file that says nothing sensible opens nothing; mended, it does again.
        good = file.read_bytes()
        for bad in (b"", b"{", b'{"tokens": {}}', good.replace(b"read", b"root")):
            file.write_bytes(bad)
            wait_until(lambda: status(second) != 200, "the end of the second")
            file.write_bytes(good)
            wait_until(lambda: status(second) == 200, "the second again")
        file.chmod(0o666)
        wait_until(lambda: status(second) != 200, "a file that others may write")
        file.chmod(0o600)
        wait_until(lambda: status(second) == 200, "the second again")
        file.rename(tmp_path / "moved")
        wait_until(lambda: status(second) != 200, "a file that is gone")


def test_who_listens_is_cut_off_with_his_token(root: Path, tmp_path: Path, alive: Hold) -> None:
    file = tmp_path / "tokens.json"
    gone, kept = add(file, "gone", "talk"), add(file, "kept")
    run = new_run(root)
    alive(run)
    say(run, "workflow_started")
    with running_relay(root, "--token-file", str(file)) as relay:
        base = f"{relay.url.replace('http', 'ws')}/api/v1/workflows/{run.run_id}/ws"
        streams = (f"/workflows/{run.run_id}/stream", f"/stream?run={run.run_id}", "/stream?feed=1")
        with ExitStack() as opened:
            listeners = []
            for path in streams:
                for headers in (gone, kept):
                    stream = relay.client.stream("GET", f"/api/v1{path}", headers=headers)
                    listeners.append(opened.enter_context(stream).iter_raw())
                    assert next(listeners[-1])
            socket = opened.enter_context(
                connect(base, additional_headers=gone, proxy=None, open_timeout=DEADLINE_S)
            )
            assert "workflow_started" in str(socket.recv(DEADLINE_S))
            remove_token(file, "gone")
            for listener in listeners[::2]:
                assert b"event: end" not in b"".join(listener)
            with pytest.raises(ConnectionClosed):
                socket.recv(DEADLINE_S)
            say(run, "log", message="still here")
            assert any(b"still here" in part for part in listeners[1])


def test_a_token_expires(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    over = add(file, "over", "admin", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    soon = add(file, "soon", "admin", expires_at=datetime.now(UTC) + timedelta(days=1))
    with running_relay(root, "--token-file", str(file)) as relay:
        assert relay.get("/workflows", headers=over).status_code == 401
        assert relay.get("/workflows", headers=soon).status_code == 200


@pytest.mark.parametrize(
    "entry",
    [
        "x",
        {},
        {"name": "", "scope": "read", "sha256": "0" * 64},
        {"name": "a\nb", "scope": "read", "sha256": "0" * 64},
        {"name": "a", "scope": "write", "sha256": "0" * 64},
        {"name": "a", "scope": ["read"], "sha256": "0" * 64},
        {"name": "a", "scope": "read", "sha256": "secret"},
        {"name": "a", "scope": "read", "sha256": "0" * 64, "expires_at": "tomorrow"},
        {"name": "a", "scope": "read", "sha256": "0" * 64, "expires_at": 1},
        {"name": "a", "scope": "read", "sha256": "0" * 64, "deployments": "greeter"},
        {"name": "a", "scope": "admin", "sha256": "0" * 64, "deployments": ["greeter"]},
        {"name": "a", "scope": "read", "sha256": "0" * 64, "token": "secret"},
    ],
)
def test_a_file_that_means_nothing(tmp_path: Path, entry: Any) -> None:
    file = tmp_path / "tokens.json"
    good = {"name": "z", "scope": "read", "sha256": "1" * 64}
    file.write_text(json.dumps({"tokens": [good, entry]}))
    with pytest.raises(RelayError, match="token 2") as error:
        read_tokens(file)
    assert error.value.hint


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    secret = add(file, "a")["authorization"].removeprefix("Bearer ")
    assert secret not in file.read_text()
    assert os.stat(file).st_mode & 0o777 == 0o600
    with pytest.raises(RelayError, match="already"):
        add(file, "a")


def test_failed_tries_are_slowed_down(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    long = add(file, "a")
    with running_relay(root, "--token-file", str(file), "--token", "s3cret") as relay:
        statuses = [
            relay.get("/workflows", headers={"authorization": f"Bearer {n}"}).status_code
            for n in range(30)
        ]
        assert statuses[:5] == [401] * 5 and 429 in statuses
        guess = {"authorization": "Bearer s3cret"}
        late = relay.get("/workflows", headers=guess)
        # Right or wrong, a short one is not looked at.
        assert late.status_code == 429 and int(late.headers["retry-after"]) > 0
        assert relay.get("/workflows", headers=long).status_code == 200
        wrong = {"authorization": f"Bearer {'x' * 50}"}
        assert relay.get("/workflows", headers=wrong).status_code == 429
        assert relay.get("/workflows").status_code == 401  # which is no try


def test_tries_come_back_with_time() -> None:
    now = 0.0
    tries = FailedTries(lambda: now)
    for _ in range(1000):
        tries.add("a")
    assert tries.wait_s("a") > 0 and tries.wait_s("b") == 0
    now += tries.wait_s("a")
    assert tries.wait_s("a") == 0
    tries.add("a")
    assert tries.wait_s("a") > 0
    now += 3600
    for _ in range(10):
        assert tries.wait_s("a") == 0
        tries.add("a")
