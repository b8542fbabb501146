"""Pages of elsewhere: what they learn, those whom `--allow-origin` lets in, and what keeps them off each answer."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from runlog import Workspace, append_lines
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.support import DEADLINE_S

APP = "https://app.example"
START = {"workflow": "command", "params": {"argv": ["true"]}}
FIXED = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root = tmp_path_factory.mktemp("opened")
    words = ("--allow-origin", "HTTPS://App.Example:443", "--allow-origin", "http://localhost:5173")
    with running_relay(root, *words, "--token", "s3cret") as relay:
        relay.client.headers["authorization"] = "Bearer s3cret"
        yield relay


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "same-origin, cross-site", "new"])
@pytest.mark.parametrize("mode", ["no-cors", "navigate", "cors"])
def test_no_page_elsewhere_learns_which_runs_there_are(
    relay: Relay, run: Workspace, site: str, mode: str
) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": "object"}
    known, unknown = (f"/api/v1/workflows/{name}" for name in (run.run_id, "nothing"))
    for rest in ("", "/stream", "/files/a", "/events", "/history"):
        here, nowhere = (
            relay.client.get(path + rest, headers=headers) for path in (known, unknown)
        )
        assert here.status_code == nowhere.status_code == 403
        assert here.content == nowhere.content
        assert here.json()["type"] == "/docs#foreign-origin"
    for path in ("/metrics", "/api/v1/workflows", "/api/v1/stream?feed=1", "/dialects/ai-sdk/x"):
        assert relay.client.get(path, headers=headers).status_code == 403
        assert relay.client.head(path, headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_ones_own_windows_and_pages_read(relay: Relay, run: Workspace, site: str) -> None:
    assert relay.get(f"/workflows/{run.run_id}", headers={"sec-fetch-site": site}).is_success


def test_what_tells_of_no_run_can_be_opened_from_anywhere(relay: Relay) -> None:
    """A link in a chat, say."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    for path in ("/", "/docs", "/openapi.json", "/healthz"):
        assert relay.client.get(path, headers=headers).status_code == 200
    page = relay.client.get("/runs/some-run", headers=headers | {"accept": "text/html"})
    assert page.status_code in (200, 404) and page.headers["content-type"].startswith("text/")


def test_headers_of_every_answer(relay: Relay, opened: Relay, run: Workspace) -> None:
    recorded(run)
    (run.files / "a.html").write_text("<script>")
    own = f"/api/v1/workflows/{run.run_id}"
    paths = ("/", "/docs", "/openapi.json", "/healthz", "/metrics", "/nothing", "/assets/x.js", own)
    of_run = (
        "/stream",
        "/events",
        "/history",
        "/files",
        "/files/a.html",
        "/files/none",
        "/stream?after=x",
    )
    answers = [relay.client.get(path) for path in (*paths, *(own + rest for rest in of_run))]
    answers.append(relay.post("/workflows", {"workflow": 1}))
    answers.append(relay.client.request("PATCH", own))
    answers.append(relay.get("/catalog", headers={"host": "evil.example"}))
    answers.append(httpx.get(f"{opened.url}/api/v1/workflows", trust_env=False))
    for answer in answers:
        for name, value in FIXED.items():
            assert answer.headers.get_list(name) == [value], (answer.url, name)
    for broken in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 200,
    ):
        with socket.create_connection(relay.address, timeout=DEADLINE_S) as client:
            client.sendall(broken)
            told = client.makefile("rb").read()
        for name, value in FIXED.items():
            assert told.count(f"\r\n{name}: {value}\r\n".encode()) == 1, told


@pytest.mark.parametrize("origin", [APP, "http://localhost:5173"])
def test_an_origin_that_is_let_in(opened: Relay, origin: str) -> None:
    asked = {"origin": origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    for method, path in (
        ("POST", "/workflows"),
        ("PUT", "/deployments/a"),
        ("DELETE", "/workflows/a"),
    ):
        preflight = opened.client.options(
            f"/api/v1{path}",
            headers=asked
            | {
                "access-control-request-method": method,
                "access-control-request-headers": "authorization, content-type, idempotency-key, last-event-id",
                "authorization": "",
            },
        )
        assert preflight.status_code == 200, preflight.text
        assert preflight.headers["access-control-allow-origin"] == origin
        assert method in preflight.headers["access-control-allow-methods"]
    started = opened.post("/workflows", START | {"workflow": "command"}, headers=asked)
    read = opened.get("/workflows", headers=asked)
    run = new_run(opened.root)
    recorded(run)
    stream = opened.get(f"/workflows/{run.run_id}/stream", headers=asked)
    refused = opened.get("/workflows", headers=asked | {"authorization": "Bearer wrong1"})
    assert (read.status_code, stream.status_code, refused.status_code) == (200, 200, 401)
    assert started.status_code == 503  # there is no catalog: the doors let it in
    for answer in (started, read, stream, refused):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        assert "origin" in answer.headers["vary"].lower()
        assert "Location" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "http://app.example", "https://app.example:8443", "https://app.example.evil.example",
        "https://evil.example", "null", "https://app.example/", "https://x.app.example", "http://localhost:5174",
    ],
)  # fmt: skip
def test_all_other_origins_stay_out(opened: Relay, origin: str) -> None:
    asked = {"origin": origin, "sec-fetch-site": "cross-site"}
    preflight = opened.client.options(
        "/api/v1/workflows", headers=asked | {"access-control-request-method": "POST"}
    )
    assert preflight.status_code == 400
    for answer in (
        preflight,
        opened.post("/workflows", START, headers=asked),
        opened.get("/workflows", headers=asked),
        opened.client.delete("/api/v1/workflows/a", headers=asked),
    ):
        assert answer.status_code in (400, 403)
        assert "access-control-allow-origin" not in answer.headers


def test_two_origins_are_none(opened: Relay) -> None:
    headers = [
        ("origin", APP),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ]
    assert opened.client.post("/api/v1/workflows", json=START, headers=headers).status_code == 403


def test_websockets_of_pages_elsewhere(opened: Relay) -> None:
    run = new_run(opened.root)
    recorded(run)
    url = f"{opened.url.replace('http', 'ws')}/api/v1/workflows/{run.run_id}/ws"
    headers = {"authorization": "Bearer s3cret"}
    with connect(url, origin=Origin(APP), additional_headers=headers, proxy=None) as socket:
        assert "workflow_started" in str(socket.recv(DEADLINE_S))
    with pytest.raises(InvalidStatus) as refused:
        connect(
            url, origin=Origin("https://evil.example"), additional_headers=headers, proxy=None
        ).close()
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("plain", ["assistant", "a.b-c_D9", "x" * 300, "error", "open"])
def test_names_of_events(relay: Relay, run: Workspace, plain: str) -> None:
    say(run, plain)
    assert (
        f"event: {plain}\n"
        in relay.get(f"/workflows/{run.run_id}/stream?named=true&follow=false").text
    )


@pytest.mark.parametrize(
    "odd",
    [
        "a b",
        "a:b",
        "é",
        "a\\nb",
        "\\u0000",
        "<b>",
        "a/b",
        " a",
        "🎈",
        "a,b",
        "",
        "\\ud83c",
        "end",
        "reset",
    ],
)
def test_types_that_are_no_names(relay: Relay, run: Workspace, odd: str) -> None:
    """The event comes all the same; its type stands in the data."""
    append_lines(run.stream, f'{{"type":"{odd}","n":1}}\n'.encode())
    text = relay.get(f"/workflows/{run.run_id}/stream?named=true&follow=false").text
    assert "event:" not in text and f'data: {{"type":"{odd}"' in text
