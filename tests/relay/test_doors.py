"""Who may come in; and the server around it."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from relay.http.access import Access
from relay.http.credentials import Credentials
from relay.http.settings import RelaySettings
from runlog import Workspace
from tests.forks import WATCHED_RELAY, run_forked
from tests.relay.live import PROJECT, Relay, running_relay
from tests.relay.sse_client import read_all
from tests.support import DEADLINE_S

START = {"workflow": "command", "params": {"argv": ["true"]}}


def raw(relay: Relay, request: bytes) -> bytes:
    with socket.create_connection(relay.address, timeout=DEADLINE_S) as client:
        client.sendall(request)
        return client.makefile("rb").read()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8700", "[::1]", "[::1]:80"]
)
def test_our_own_names(relay: Relay, host: str) -> None:
    assert relay.get("/catalog", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "192.168.1.5",
        "localhost.",
        "xn--lcalhost-0ig",
    ],
)
def test_other_names_are_misdirected(relay: Relay, host: str) -> None:
    for path in ("/api/v1/catalog", "/", "/healthz", "/docs"):
        answer = relay.client.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"Host: localhost\r\nHost: localhost\r\n",
        b"Host:\r\n",
        b"Host: a b\r\n",
        b"Host: @localhost\r\n",
    ],
)
def test_no_host_two_hosts_or_no_name(relay: Relay, lines: bytes) -> None:
    answer = raw(relay, b"GET /healthz HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_name_of_ones_own(root: Path) -> None:
    with running_relay(root, "--allow-host", "Tail.Example") as relay:
        assert relay.get("/catalog", headers={"host": "tail.example:8700"}).status_code == 200
        assert relay.get("/catalog", headers={"host": "other.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "file://"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_elsewhere_change_nothing(
    relay: Relay, run: Workspace, headers: dict[str, str]
) -> None:
    url = f"/workflows/{run.run_id}"
    for answer in (
        relay.post("/workflows", START, headers=headers),
        relay.post(f"{url}/stop", headers=headers),
        relay.client.delete(f"/api/v1{url}", headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert not run.inbox.exists()
    read = relay.get(url, headers=headers)
    # Without the header nobody tells a page from a program; and a page can't read what it gets.
    assert read.status_code == (403 if "sec-fetch-site" in headers else 200)
    assert "access-control-allow-origin" not in read.headers


def test_our_own_page_may(relay: Relay) -> None:
    origin = relay.url
    assert relay.post("/workflows", START, headers={"origin": origin}).status_code == 201
    headers = {"origin": "https://localhost", "host": "localhost:443"}
    assert relay.post("/workflows", START, headers=headers).status_code == 201
    headers = {"origin": origin, "sec-fetch-site": "same-origin"}
    assert relay.post("/workflows", START, headers=headers).status_code == 201


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    with running_relay(tmp_path_factory.mktemp("guarded"), "--token", "s3cret") as relay:
        yield relay


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "Basic s3cret"},
        {"authorization": "s3cret"},
        {"authorization": "Bearer s3cret2"},
    ],
)
def test_without_the_token(guarded: Relay, headers: dict[str, str]) -> None:
    for path in ("/", "/docs", "/openapi.json", "/api/v1/workflows", "/nowhere"):
        answer = guarded.client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "Authorization: Bearer" in answer.json()["detail"]
    assert guarded.client.get("/workflows?token=s3cret").status_code == 401


def test_with_the_token(guarded: Relay) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"authorization": f"{scheme} s3cret"}
        assert guarded.get("/workflows", headers=headers).status_code == 200
    assert guarded.client.get("/healthz").status_code == 200
    assert guarded.client.get("/readyz").status_code == 200


def test_elsewhere_than_loopback_needs_a_token(root: Path) -> None:
    words = ["--root", str(root), "--port", "0", "--host", "0.0.0.0"]
    for extra in ([], ["--token", " "]):
        done = run_forked(WATCHED_RELAY, *words, *extra, timeout=DEADLINE_S)
        assert done.returncode == 2
        assert "token" in done.stderr and done.stdout == ""
    with running_relay(root, "--host", "0.0.0.0", "--token", "sixteen-and-more") as relay:
        port = relay.url.rpartition(":")[2]
        answer = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/catalog",
            headers={"authorization": "Bearer sixteen-and-more", "host": "any.name.example"},
            timeout=DEADLINE_S,
            trust_env=False,
        )
        assert answer.status_code == 200


def test_a_port_that_is_taken(relay: Relay, root: Path) -> None:
    port = relay.url.rpartition(":")[2]
    words = ["--root", str(root), "--port", port]
    done = run_forked(WATCHED_RELAY, *words, timeout=DEADLINE_S)
    assert done.returncode == 2
    assert "in use" in done.stderr and "--port" in done.stderr


def test_ipv6(root: Path) -> None:
    with running_relay(root, "--host", "::1") as relay:
        assert relay.url.startswith("http://[::1]:")
        assert relay.client.get("/healthz").status_code == 200


def test_unknown_paths_and_methods(relay: Relay, run: Workspace) -> None:
    for path in ("/nope", "/api/v1/", "/api/v1/workflows/", "/api/v2/workflows"):
        answer = relay.client.get(path)
        assert answer.status_code == 404, path
        assert "/docs" in answer.json()["detail"]
    for method, path, allowed in (
        ("PUT", "/api/v1/workflows", "GET, POST"),
        ("HEAD", f"/api/v1/workflows/{run.run_id}/stream", "GET"),
        ("PATCH", f"/api/v1/workflows/{run.run_id}", "DELETE, GET"),
        ("OPTIONS", "/api/v1/workflows", "GET, POST"),
        ("POST", "/healthz", "GET"),
        ("DELETE", f"/api/v1/workflows/{run.run_id}/files/a", "GET, HEAD"),
    ):
        answer = relay.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path


def test_rubbish_on_the_wire_harms_nobody(relay: Relay) -> None:
    for request in (b"\x00\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"G" * 100_000 + b"\r\n\r\n"):
        assert raw(relay, request).startswith(b"HTTP/1.1 400")
    assert relay.client.get("/healthz").status_code == 200


def test_probes(relay: Relay, tmp_path: Path) -> None:
    assert relay.client.get("/healthz").json() == {"status": "ok"}
    root = tmp_path / "gone"
    with running_relay(root) as other:
        assert other.client.get("/readyz").json() == {"status": "ok"}
        root.rename(tmp_path / "moved")
        answer = other.client.get("/readyz")
        assert answer.status_code == 503
        assert other.client.get("/healthz").status_code == 200


def test_the_docs_need_nothing_from_elsewhere(relay: Relay) -> None:
    page = relay.client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?!#|/openapi\.json)', page.text)
    assert "/workflows/{run_id}/stream" in page.text
    assert relay.client.get("/").json()["docs"] == "/docs"


def test_every_problem_is_in_the_docs(relay: Relay) -> None:
    page = relay.client.get("/docs").text
    code = "".join(path.read_text() for path in (PROJECT / "relay").rglob("*.py"))
    raised = set(re.findall(r'Problem\(\s*[0-9]{3},\s*"([a-z-]+)"', code))
    raised |= set(re.findall(r'\([0-9]{3}, "([a-z-]+)"\)', code))
    raised |= {"not-found", "method-not-allowed", "content-too-large", "bad-request"}
    assert len(raised) > 25
    assert [kind for kind in raised if f'id="{kind}"' not in page] == []


def test_openapi_has_every_call_with_shapes_and_problems(relay: Relay) -> None:
    schema = relay.client.get("/openapi.json").json()
    operations = [
        (f"{method} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) >= 20
    for name, operation in operations:
        assert operation["summary"] and operation["tags"], name
        assert re.fullmatch("[a-z]+(_[a-z]+)+", operation["operationId"]), name
        assert operation["responses"]["5XX"] == operation["responses"]["4XX"]
        problem = operation["responses"]["4XX"]["content"]["application/problem+json"]
        assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
        if "requestBody" in operation:
            assert operation["requestBody"]["content"]["application/json"]["schema"], name
    names = set(
        re.findall(r'"#/components/schemas/([^"]+)"', relay.client.get("/openapi.json").text)
    )
    assert names <= schema["components"]["schemas"].keys()
    assert schema["components"]["schemas"]["StartRun"]["examples"]


def test_the_examples_of_the_docs_are_valid(relay: Relay) -> None:
    schemas = relay.client.get("/openapi.json").json()["components"]["schemas"]
    (deployment,) = schemas["PutDeployment"]["examples"]
    put = relay.client.put("/api/v1/deployments/nightly-review", json=deployment)
    assert put.status_code in (200, 201), put.text
    for example in schemas["StartRun"]["examples"]:
        assert relay.post("/workflows", example).status_code == 201
    run_id = relay.post("/workflows", START).json()["run_id"]
    for example in schemas["SendMessage"]["examples"]:
        assert relay.post(f"/workflows/{run_id}/messages", example).status_code == 202


def test_a_websocket_is_one_path_only(relay: Relay) -> None:
    host, port = relay.address
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    head = f"GET /api/v1/catalog HTTP/1.1\r\nHost: {host}:{port}\r\n{upgrade}{key}"
    answer = raw(relay, f"{head}Connection: close\r\n\r\n".encode())
    assert b" 101 " not in answer.split(b"\r\n")[0]


def test_a_websocket_does_not_pass_the_doors(tmp_path: Path) -> None:
    """Whatever server is in front: the app behind is not asked."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the doors let it pass")

    credentials = Credentials(RelaySettings(root=tmp_path, token="sesame"))
    doors = Access(behind, allowed_hosts=frozenset({"*"}), credentials=credentials)
    token = (b"authorization", b"Bearer sesame")
    own, foreign = (b"host", b"here"), (b"origin", b"http://elsewhere")
    for headers, status in (
        ([token], 400),
        ([own], 401),
        ([own, (b"sec-websocket-protocol", b"bearer.wrong")], 401),
        ([own, token, foreign], 403),
    ):
        sent.clear()
        scope = {"type": "websocket", "path": "/api/v1/workflows/x/ws", "headers": headers}
        asyncio.run(doors(scope, receive, send))
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", status)


def test_a_stream_through_the_doors_is_the_same(guarded: Relay) -> None:
    folder = guarded.root / "shell"
    folder.mkdir()
    (folder / "_stream.jsonl").write_text('{"type":"workflow_completed"}\n')
    headers = {"Authorization": "Bearer s3cret"}
    events, _ = read_all(guarded, "/api/v1/workflows/shell/stream", **headers)
    assert [event.event for event in events] == ["message", "end"]
