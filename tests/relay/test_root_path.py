"""`--root-path`: what a proxy serves below a path of its host. With a real proxy: tests/ui/test_proxies.py."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.http.origins import read_origin
from relay.http.paths import read_root_path
from relay.http.peers import Proxies
from relay.http.sessions import new_link
from relay.http.settings import RelayError
from runlog import Workspace
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, Relay, new_run, recorded, running_relay, say

INDEX = (
    '<!doctype html><meta name="root-path" content="" /><script src="./assets/main-Ab1.js"></script>'
    '<link rel="stylesheet" href="./assets/style-Cd2.css">'
)


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root, page = tmp_path_factory.mktemp("below"), tmp_path_factory.mktemp("page")
    write_catalog(root, CATALOG)
    (page / "assets").mkdir()
    (page / "index.html").write_text(INDEX)
    (page / "assets" / "main-Ab1.js").write_text("1")
    words = ("--page", str(page), "--root-path", "/tools/tailcast/", "--token", "s3cret")
    with running_relay(root, *words) as relay:
        relay.url = relay.url.removesuffix("/tools/tailcast")
        relay.client.base_url = relay.url  # type: ignore[assignment] # httpx's own
        relay.client.headers["authorization"] = "Bearer s3cret"
        yield relay


@pytest.fixture
def run(below: Relay) -> Workspace:
    return new_run(below.root)


@pytest.mark.parametrize("prefix", ["/tools/tailcast", ""], ids=["left in", "taken off"])
def test_links_lead_back_whatever_the_proxy_does(below: Relay, run: Workspace, prefix: str) -> None:
    recorded(run)
    api = f"{prefix}/api/v1"
    started = below.client.post(
        f"{api}/workflows", json={"workflow": "command", "params": {"argv": ["true"]}}
    )
    put = below.client.put(
        f"{api}/deployments/d{len(prefix)}",
        json={"workflow": "command", "params": {"argv": ["true"]}},
    )
    batch = below.client.post(
        f"{api}/batches", json={"workflow": "command", "inputs": [{"params": {"argv": ["true"]}}]}
    )
    views = [
        below.client.get(f"{api}/workflows/{run.run_id}").json(),
        below.client.get(f"{api}/workflows").json()["runs"][0],
        *(answer.json() for answer in (started, put, batch)),
    ]
    for answer in (started, put, batch):
        assert answer.status_code == 201
        assert below.client.get(answer.headers["location"]).status_code == 200
    for view in views:
        assert all(link.startswith("/tools/tailcast/api/v1/") for link in view["links"].values())
    problem = below.client.get(f"{api}/workflows/nothing").json()
    assert problem["type"] == "/tools/tailcast/docs#unknown-run"
    assert below.client.get(f"{api}/workflows/{run.run_id}/stream").text.count("\ndata: ") == 33


def test_rows_of_the_feed(below: Relay, run: Workspace) -> None:
    """They are made in a thread that follows the root."""
    with below.client.stream("GET", "/tools/tailcast/api/v1/stream?feed=1") as feed:
        lines = feed.iter_lines()
        next(line for line in lines if run.run_id in line)
        say(run, "workflow_started", workflow="command", attempt=1)
        rows = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
        row = next(row for row in rows if row["run_id"] == run.run_id and row["status"] != "queued")
    assert row["links"]["self"] == f"/tools/tailcast/api/v1/workflows/{run.run_id}"


@pytest.mark.parametrize("path", ["", "/", "/runs/some-run", "/compare/a/b/chat"])
def test_the_page_finds_its_files_and_itself(below: Relay, path: str) -> None:
    headers = {"accept": "text/html", "accept-encoding": "gzip, br"}
    text = below.client.get(f"/tools/tailcast{path}", headers=headers).text
    assert 'src="/tools/tailcast/assets/main-Ab1.js"' in text
    assert 'href="/tools/tailcast/assets/style-Cd2.css"' in text
    assert 'name="root-path" content="/tools/tailcast"' in text
    assert below.client.get("/tools/tailcast/assets/main-Ab1.js").text == "1"


@pytest.mark.parametrize(
    "path", ["/tools", "/tools/tailcastle/api/v1/workflows", "/tailcast/healthz"]
)
def test_what_only_begins_like_it_is_not_it(below: Relay, path: str) -> None:
    assert below.client.get(path).status_code == 404


def test_a_link_and_its_cookie(below: Relay) -> None:
    below.client.headers.pop("authorization")
    try:
        opened = below.client.get(f"/tools/tailcast{new_link(below.root)}")
        assert (opened.status_code, opened.headers["location"]) == (303, "/tools/tailcast/")
        assert "; Path=/tools/tailcast; " in opened.headers["set-cookie"]
        assert below.client.get("/tools/tailcast/api/v1/workflows").status_code == 200
        below.client.cookies.clear()
        assert below.client.get("/tools/tailcast/api/v1/workflows").status_code == 401
    finally:
        below.client.headers["authorization"] = "Bearer s3cret"


def test_at_the_root_of_a_host_the_page_is_as_it_was(root: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(INDEX)
    with running_relay(root, "--page", str(tmp_path)) as relay:
        text = relay.client.get("/runs/a", headers={"accept": "text/html"}).text
    assert text == INDEX.replace("./assets", "/assets")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", ""),
        ("/", ""),
        ("//", ""),
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/a/b.c-d_e~1", "/a/b.c-d_e~1"),
        ("/apis", "/apis"),
    ],
)
def test_root_paths(given: str, read: str) -> None:
    assert read_root_path(given) == read


@pytest.mark.parametrize(
    "given",
    ["a", "a/b", "/a//b", "/a b", "/..", "/a/../b", "/<b>", '/a"b', "/é", "/a?b", "/a#b", "/a%20b", "/api",
     "/api/x", "/runs", "/docs", "/login", "/assets/x", "https://a/b", "/a\n"],
)  # fmt: skip
def test_what_is_no_root_path(given: str) -> None:
    with pytest.raises(RelayError, match="--root-path"):
        read_root_path(given)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origins(given: str, read: str) -> None:
    assert read_origin(given) == read


@pytest.mark.parametrize(
    "given",
    ["*", "null", "", "app.example", "https://", "https://app.example/", "https://*.example", "file://",
     "https://a b", "https://user@app.example", "https://app.example:", "https://app.example:123456", "ftp://app.example"],
)  # fmt: skip
def test_what_is_no_origin(given: str) -> None:
    with pytest.raises(RelayError, match="--allow-origin"):
        read_origin(given)


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the first he wrote himself
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),  # two proxies of ours
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, _hidden", "10.0.0.1"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # whose word does not count
        (None, "203.0.113.9", "203.0.113.9"),
    ],
)
def test_who_asked_a_proxy(peer: str | None, told: str, client: str) -> None:
    assert Proxies(["10.0.0.0/8", "unix"]).client_of(peer, told) == client


def test_proxy_headers_let_nobody_in(root: Path) -> None:
    with running_relay(root, "--proxy-headers", "127.0.0.1") as relay:
        told = relay.get("/workflows", headers={"x-forwarded-for": "203.0.113.9"})
    assert (told.status_code, told.json()["type"]) == (403, "/docs#behind-a-proxy")


@pytest.mark.parametrize(
    ("words", "told", "secure"),
    [
        (["--proxy-headers", "127.0.0.1"], "https", True),
        (["--trust-proxy", "127.0.0.1"], "https", True),
        (["--proxy-headers", "127.0.0.1"], "http", False),
        (["--proxy-headers", "127.0.0.1"], "https, http", False),
        (["--proxy-headers", "10.0.0.1"], "https", False),
    ],
)
def test_secure_cookies(root: Path, words: list[str], told: str, secure: bool) -> None:
    with running_relay(root, *words, "--token", "s3cret") as relay:
        opened = relay.client.get(new_link(root), headers={"x-forwarded-proto": told})
    assert ("; Secure" in opened.headers["set-cookie"]) is secure


@pytest.mark.parametrize(
    "words",
    [["--root-path", "api"], ["--allow-origin", "*"], ["--proxy-headers", "proxy.example"]],
)
def test_settings_that_can_not_be(root: Path, words: list[str]) -> None:
    with pytest.raises(AssertionError, match="did not start"), running_relay(root, *words):
        pass


def test_what_a_problem_tells_has_the_path_too(below: Relay) -> None:
    told = below.client.get("/tools/tailcast/nowhere").json()
    assert "See /tools/tailcast/docs" in told["detail"]
    answer = below.client.post("/api/v1/workflows/none/messages", json={"message": "x"})
    assert answer.status_code == 404
    bad = {"workflow": "command", "params": {"argv": "see /docs"}}
    body = below.client.post("/api/v1/workflows", json=bad).json()
    assert "GET /tools/tailcast/api/v1/catalog" in body["detail"]
