"""The web page as files: what is served for which address, with which headers, and what is told without it."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.routes.static_page import NOT_BUILT
from tests.relay.live import Relay, running_relay

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
INDEX = "<!doctype html><title>Tailcast</title><script src=/assets/main-Ab1.js></script>"
SCRIPT = "console.log('é');\n" * 200


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build leaves, in small."""
    folder = tmp_path_factory.mktemp("page")
    assets = folder / "assets"
    assets.mkdir()
    (folder / "index.html").write_text(INDEX)
    (folder / "secret.txt").write_text("not an asset")
    (assets / "main-Ab1.js").write_text(SCRIPT)
    (assets / "main-Ab1.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (assets / "main-Ab1.js.br").write_bytes(b"as if it were brotli")
    (assets / "style-Cd2.css").write_text("body{}")
    return folder


@pytest.fixture(scope="module")
def relay(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root = tmp_path_factory.mktemp("root")
    with running_relay(root, "--page", str(built), "--token", "s3cret") as started:
        yield started


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay without a page."""
    root = tmp_path_factory.mktemp("root")
    with running_relay(root, "--page", str(root / "nothing")) as started:
        yield started


@pytest.mark.parametrize("path", ["/", "/runs/run-1", "/runs/a/trace", "/compare/a/b", "/apis"])
def test_every_address_of_the_page_is_the_page(relay: Relay, path: str) -> None:
    answer = relay.client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "accept" in answer.headers["vary"].split(", ")


def test_the_policy_lets_no_foreign_script_in(relay: Relay) -> None:
    for path in ("/", "/assets/main-Ab1.js", "/assets/style-Cd2.css"):
        headers = relay.client.get(path, headers=BROWSER).headers
        policy = headers["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'self'"
        assert rules["object-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
        assert "unsafe" not in policy and "script-src" not in rules
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/runs/run-1"])
def test_programs_get_json_as_ever(relay: Relay, path: str) -> None:
    headers = {"authorization": "Bearer s3cret"}
    for accept in ("application/json", "*/*", "text/html;q=0, application/json"):
        answer = relay.client.get(path, headers=headers | {"accept": accept})
        if path == "/":
            assert answer.json()["docs"] == "/docs" and "page" not in answer.json()
        else:
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/api/v1/workflows", "/api/v1/nothing", "/api", "/docs", "/openapi.json", "/metrics"]
)
def test_only_the_page_is_open_without_the_token(relay: Relay, path: str) -> None:
    assert relay.client.get(path, headers=BROWSER).status_code == 401
    told = relay.client.get(path, headers=BROWSER | {"authorization": "Bearer s3cret"})
    assert told.text != INDEX
    assert relay.client.post("/", headers=BROWSER).status_code == 401
    assert relay.client.get("/healthz", headers=BROWSER).json() == {"status": "ok"}


def test_assets_are_kept_for_ever_and_checked_by_etag(relay: Relay) -> None:
    answer = relay.client.get("/assets/main-Ab1.js", headers={"accept-encoding": "identity"})
    assert answer.text == SCRIPT
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/assets/main-Ab1.js", "/"):
        first = relay.client.get(path, headers=BROWSER | {"accept-encoding": "identity"})
        known = BROWSER | {"accept-encoding": "identity", "if-none-match": first.headers["etag"]}
        again = relay.client.get(path, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = relay.client.get(path, headers=known | {"if-none-match": '"other"'})
        assert other.status_code == 200
    head = relay.client.head("/assets/main-Ab1.js", headers={"accept-encoding": "identity"})
    assert (head.content, head.headers["content-length"]) == (b"", str(len(SCRIPT.encode())))


@pytest.mark.parametrize(
    ("understood", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("deflate", None),
        ("gzip;q=0.0", None),
    ],
)
def test_the_compressed_form_that_is_understood(
    relay: Relay, built: Path, understood: str, encoding: str | None
) -> None:
    suffix = {"gzip": ".gz", "br": ".br", None: ""}[encoding]
    with relay.client.stream(
        "GET", "/assets/main-Ab1.js", headers={"accept-encoding": understood}
    ) as answer:
        content = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "accept-encoding"
    assert content == (built / "assets" / f"main-Ab1.js{suffix}").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/assets/main-Zz9.js",
        "/assets/",
        "/assets/..%2fsecret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/.gz",
        "/assets/main-Ab1.js%00",
        "/assets/" + "a" * 300,
    ],
)
def test_there_is_nothing_else_below_assets(relay: Relay, path: str) -> None:
    answer = relay.client.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert "Load the page again" in answer.json()["detail"]


def test_a_new_build_needs_no_new_relay(relay: Relay, built: Path) -> None:
    page = built / "index.html"
    try:
        page.write_text("newer")
        assert relay.client.get("/", headers=BROWSER).text == "newer"
    finally:
        page.write_text(INDEX)


def test_without_a_page_it_is_told_how_to_build_it(bare: Relay) -> None:
    told = bare.client.get("/", headers=BROWSER)
    assert (told.status_code, told.text) == (200, f"{NOT_BUILT}\n")
    assert told.headers["content-type"].startswith("text/plain")
    assert "make ui" in told.text
    assert bare.client.get("/runs/run-1", headers=BROWSER).status_code == 404
    as_json = bare.client.get("/").json()
    assert as_json["page"] == NOT_BUILT and as_json["docs"] == "/docs"
    assert bare.get("/workflows").status_code == 200
