"""Reading workspaces: all of them, nothing outside, and never as a page of ours."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from runlog import Workspace
from tests.relay.live import Relay, recorded
from tests.relay.sse_client import Stream


@pytest.fixture
def run(run: Workspace, tmp_path: Path) -> Workspace:
    (run.files / "sub" / "deep").mkdir(parents=True)
    (run.files / "a.txt").write_bytes(b"0123456789")
    (run.files / "sub" / "deep" / "b.bin").write_bytes(bytes(range(256)) * 4096)
    (run.files / "page.html").write_text("<script>alert(1)</script>")
    (run.files / "image.svg").write_text("<svg/>")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    os.symlink(secret, run.files / "folder-link")
    os.symlink(secret / "key", run.files / "file-link")
    os.symlink("a.txt", run.files / "inside-link")
    os.mkfifo(run.files / "fifo")
    return run


def read(relay: Relay, run: Workspace, path: str, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = httpx.URL(relay.url, raw_path=f"/api/v1/workflows/{run.run_id}/files{path}".encode())
    return relay.client.get(url, headers=sent)


def test_list(relay: Relay, run: Workspace) -> None:
    recorded(run, 1)
    listing = read(relay, run, "").json()
    entries = {entry["path"]: entry for entry in listing["entries"]}
    assert entries["a.txt"]["type"] == "file" and entries["a.txt"]["size"] == 10
    assert entries["sub"]["type"] == "folder"
    assert entries["file-link"]["type"] == entries["folder-link"]["type"] == "symlink"
    assert entries["fifo"]["type"] == "other"
    assert {"run.json", "_stream.jsonl"} <= entries.keys()
    assert "_lock" not in entries
    assert entries["a.txt"]["mtime"].endswith("Z")
    below = read(relay, run, "/sub").json()
    assert [entry["path"] for entry in below["entries"]] == ["sub/deep"]
    whole = read(relay, run, "?recursive=true").json()
    paths = [entry["path"] for entry in whole["entries"]]
    assert "sub/deep/b.bin" in paths
    assert not any(path.startswith("folder-link/") for path in paths)


def test_read(relay: Relay, run: Workspace) -> None:
    answer = read(relay, run, "/a.txt")
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert read(relay, run, "/sub/deep/b.bin").content == bytes(range(256)) * 4096
    data = recorded(run, 3)
    stream = read(relay, run, "/_stream.jsonl")
    assert stream.content == data
    assert stream.headers["content-type"] == "application/x-ndjson"
    assert read(relay, run, "/run.json").json()["run_id"] == run.run_id
    # The working directory comes first: what is there under such a name is what is meant.
    (run.files / "run.json").write_text("mine")
    assert read(relay, run, "/run.json").text == "mine"


def test_an_odd_name(relay: Relay, run: Workspace) -> None:
    name = 'é "\\ %2F.txt'
    (run.files / name).write_text("odd")
    assert name in [entry["name"] for entry in read(relay, run, "").json()["entries"]]
    quoted = "/%C3%A9%20%22%5C%20%252F.txt"
    assert read(relay, run, quoted).text == "odd"


@pytest.mark.parametrize(
    "path",
    [
        "/../run.json",
        "/../../",
        "/%2e%2e/run.json",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/sub/../../run.json",
        "//etc/passwd",
        "/%2Fetc%2Fpasswd",
        "/a.txt%00.png",
        "/./a.txt",
        "/sub//deep",
    ],
)
def test_paths_that_lead_elsewhere(relay: Relay, run: Workspace, path: str) -> None:
    # By hand: a client would tidy up the dots.
    with Stream(relay, f"/api/v1/workflows/{run.run_id}/files{path}") as answer:
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/file-link", 403),
        ("/inside-link", 403),
        ("/folder-link", 403),
        ("/folder-link/key", 403),
        ("/folder-link/nothing", 403),
        ("/fifo", 403),
        ("/nothing", 404),
        ("/a.txt/below", 404),
        ("/_lock", 404),
        ("/sub/run.json", 404),
        ("/" + "x" * 300, 404),
        ("/%ff", 404),
    ],
)
def test_what_is_not_read(relay: Relay, run: Workspace, path: str, status: int) -> None:
    answer = read(relay, run, path)
    assert answer.status_code == status
    assert b"secret" not in answer.content
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


def test_files_itself_is_not_followed_as_a_link(
    relay: Relay, run: Workspace, tmp_path: Path
) -> None:
    os.rename(run.files, tmp_path / "moved")
    os.symlink(tmp_path / "secret", run.files)
    assert read(relay, run, "/key").status_code in (403, 404)
    assert all(entry["name"] != "key" for entry in read(relay, run, "").json()["entries"])


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=2-5", 206, b"2345"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-300", 206, b"0123456789"),
        ("bytes=0-100", 206, b"0123456789"),
        ("bytes=10-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=5-2", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
        ("bytes=0-" + "9" * 5000, 200, b"0123456789"),
    ],
)
def test_ranges(relay: Relay, run: Workspace, asked: str, status: int, body: bytes | None) -> None:
    answer = read(relay, run, "/a.txt", Range=asked)
    assert answer.status_code == status
    if body is not None:
        assert answer.content == body
    if status == 416:
        assert answer.headers["content-range"] == "bytes */10"
    if status == 206:
        assert answer.headers["content-range"].endswith("/10")


def test_etags(relay: Relay, run: Workspace) -> None:
    etag = read(relay, run, "/a.txt").headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = read(relay, run, "/a.txt", If_None_Match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert read(relay, run, "/a.txt", Range="bytes=0-1", If_Range=etag).status_code == 206
    with open(run.files / "a.txt", "ab") as file:
        file.write(b"more")
    assert read(relay, run, "/a.txt", If_None_Match=etag).status_code == 200
    assert read(relay, run, "/a.txt", Range="bytes=0-1", If_Range=etag).status_code == 200


def test_head(relay: Relay, run: Workspace) -> None:
    url = f"/api/v1/workflows/{run.run_id}/files"
    answer = relay.client.head(f"{url}/a.txt")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "10"
    assert relay.client.head(url).status_code == 200


@pytest.mark.parametrize(
    "name", ["page.html", "image.svg", "x.xhtml", "x.xml", "x.pdf", "x", "x.swf"]
)
def test_what_could_run_in_a_browser_is_a_download(relay: Relay, run: Workspace, name: str) -> None:
    (run.files / name).write_text("<script>alert(1)</script>")
    answer = read(relay, run, f"/{name}")
    assert answer.headers["content-disposition"].startswith("attachment")
    _is_safe(answer)


@pytest.mark.parametrize("name", ["x.js", "x.md", "x.png", "x.json", "x.css", "x.py", "X.TXT"])
def test_what_can_not_is_shown(relay: Relay, run: Workspace, name: str) -> None:
    (run.files / name).write_text("<script>alert(1)</script>")
    answer = read(relay, run, f"/{name}")
    assert "content-disposition" not in answer.headers
    assert "html" not in answer.headers["content-type"]
    assert "javascript" not in answer.headers["content-type"]
    _is_safe(answer)


def test_a_file_that_grows_is_read_as_long_as_it_was(relay: Relay, run: Workspace) -> None:
    path = run.files / "grows.log"
    path.write_bytes(b"x" * 3_000_000)
    url = f"/api/v1/workflows/{run.run_id}/files/grows.log"
    with relay.client.stream("GET", url) as answer, open(path, "ab") as file:
        file.write(b"y" * 1000)
        file.flush()
        assert b"".join(answer.iter_bytes()) == b"x" * 3_000_000


def _is_safe(answer: Any) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
