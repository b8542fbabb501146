"""`GET …/export` and `POST /workflows/import`."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, append_lines, encode, read_manifest
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, Relay, new_run, running_relay
from tests.sessions import ONE, OTHER, session_one, session_two, write

HOSTILE = "<script>alert(1)</script> ![p](http://evil.example/p.png) [j](javascript:alert(1))"
SAID: list[dict[str, Any]] = [
    {"type": "user", "uuid": "a", "message": {"role": "user", "content": HOSTILE}},
    {
        "type": "assistant",
        "uuid": "b",
        "session_id": "s",
        "message": {
            "id": "m",
            "model": "big",
            "content": [
                {"type": "text", "text": f"**So** it is. {HOSTILE}"},
                {"type": "tool_use", "id": "t", "name": "<img src=x>", "input": {"q": HOSTILE}},
            ],
        },
    },
    {
        "type": "user",
        "uuid": "c",
        "message": {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": HOSTILE}],
        },
    },
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("claude")


@pytest.fixture(scope="module")
def open_relay(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One that imports sessions."""
    root = tmp_path_factory.mktemp("root")
    write_catalog(root, CATALOG)
    with running_relay(root, "--claude-folder", str(config)) as started:
        yield started


@pytest.fixture
def chat(relay: Relay) -> Workspace:
    run = new_run(relay.root)
    append_lines(run.stream, b"".join(map(encode, SAID)))
    return run


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("#")[2]


@pytest.mark.parametrize(
    ("name", "content_type", "suffix"),
    [
        ("claude", "application/x-ndjson", ".jsonl"),
        ("jsonl", "application/x-ndjson", ".jsonl"),
        ("markdown", "text/markdown; charset=utf-8", ".md"),
        ("html", "text/html; charset=utf-8", ".html"),
    ],
)
def test_a_file_of_each_format(
    relay: Relay, chat: Workspace, name: str, content_type: str, suffix: str
) -> None:
    answer = relay.get(f"/workflows/{chat.run_id}/export", params={"format": name})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    given = answer.headers["content-disposition"]
    assert given.startswith('attachment; filename="') and given.endswith(f'{suffix}"')
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert "alert(1)" in answer.text


def test_the_stream_as_it_is(relay: Relay, chat: Workspace) -> None:
    append_lines(chat.stream, b"no json\n")
    with open(chat.stream, "ab") as file:
        file.write(b'{"type":"to')  # is being written
    answer = relay.get(f"/workflows/{chat.run_id}/export", params={"format": "jsonl"})
    assert answer.content == chat.stream.read_bytes()[:-11]


def test_nothing_in_a_page_is_markup(relay: Relay, chat: Workspace) -> None:
    page = relay.get(f"/workflows/{chat.run_id}/export", params={"format": "html"}).text
    assert "<strong>So</strong>" in page and "default-src 'none'" in page
    for markup in ("<script", "<img", 'href="javascript', 'src="'):
        assert markup not in page
    assert page.count("<details") == page.count("</details>") == 1
    assert page.endswith("</html>\n")


def test_nothing_said_is_no_session(relay: Relay, run: Workspace) -> None:
    at = f"/workflows/{run.run_id}/export"
    assert refused(relay.get(at, params={"format": "claude"})) == (409, "no-conversation")
    assert refused(relay.get(at, params={"format": "pdf"})) == (422, "invalid-request")
    assert refused(relay.get("/workflows/none/export")) == (404, "unknown-run")
    for name in ("jsonl", "markdown", "html"):
        assert relay.get(at, params={"format": name}).status_code == 200
    run.stream.symlink_to("/etc/passwd")
    for name in ("claude", "jsonl", "markdown", "html"):
        answer = relay.get(at, params={"format": name})
        assert refused(answer) == (503, "unreadable-stream")


def test_sessions_are_imported_where_it_is_allowed(relay: Relay) -> None:
    answer = relay.post("/workflows/import", {"session_id": ONE})
    assert refused(answer) == (403, "not-allowed") and "--allow-import" in answer.json()["detail"]


def test_an_imported_session(open_relay: Relay, config: Path) -> None:
    write(config, session_one())
    answer = open_relay.post("/workflows/import", {"session_id": ONE})
    assert answer.status_code == 201
    told = answer.json()
    assert (told["session_id"], told["messages"], told["repeated"]) == (ONE, 3, False)
    assert answer.headers["location"] == told["links"]["self"]
    view = open_relay.get(f"/workflows/{told['run_id']}").json()
    assert (view["status"], view["title"]) == ("completed", "Tests of the shop")
    (row,) = open_relay.get("/workflows", params={"thread_id": ONE}).json()["runs"]
    assert row["run_id"] == told["run_id"]
    back = open_relay.get(f"/workflows/{told['run_id']}/export", params={"format": "claude"})
    assert back.headers["content-disposition"] == f'attachment; filename="{ONE}.jsonl"'
    lines = [json.loads(line) for line in back.text.splitlines()]
    assert lines[:-1] == [line for line in session_one() if "sessionId" in line]
    assert lines[-1] == {
        "type": "custom-title",
        "customTitle": "Tests of the shop",
        "sessionId": ONE,
    }
    again = open_relay.post("/workflows/import", {"session_id": ONE})
    assert again.status_code == 200 and again.json()["repeated"] is True


def test_what_is_asked_of_it(open_relay: Relay, config: Path) -> None:
    write(config, session_two(), session=OTHER)
    body = {"session_id": OTHER, "title": "Mine", "labels": {"a": "b"}, "interactive": True}
    answer = open_relay.post("/workflows/import", body | {"params": {"max_turns": 3}})
    manifest = read_manifest(Workspace(open_relay.root, answer.json()["run_id"]))
    assert (manifest.words.title, manifest.interactive) == ("Mine", True)
    assert manifest.params["max_turns"] == 3


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (422, "invalid-request")),
        ({"session_id": "../../etc/passwd"}, (422, "invalid-request")),
        ({"session_id": ONE[:8]}, (422, "invalid-request")),
        ({"session_id": ONE, "path": "/etc/passwd"}, (422, "invalid-request")),
        ({"session_id": ONE, "title": "a\nb"}, (422, "invalid-request")),
        ({"session_id": ONE, "max_bytes": 0}, (422, "invalid-request")),
        ({"session_id": ONE, "max_bytes": 10}, (422, "bad-session")),
        ({"session_id": ONE, "keep_cwd": True}, (422, "bad-session")),
        ({"session_id": "99999999-aaaa-4bbb-8ccc-000000000001"}, (404, "unknown-session")),
    ],
)
def test_what_can_not_be_imported(
    open_relay: Relay, config: Path, body: Any, refusal: tuple[int, str]
) -> None:
    write(config, [*session_one(), {"type": "x"}])  # another one than any that was imported
    before = sorted(open_relay.root.iterdir())
    assert refused(open_relay.post("/workflows/import", body)) == refusal
    assert sorted(open_relay.root.iterdir()) == before


def test_who_may_import(config: Path, tmp_path: Path) -> None:
    write(config, session_one())
    root = tmp_path / "root"
    root.mkdir()
    write_catalog(root, CATALOG)
    tokens = tmp_path / "tokens.json"
    entries = [
        {"name": scope, "scope": scope, "sha256": sha256(f"secret-{scope}".encode()).hexdigest()}
        for scope in ("read", "start", "admin")
    ]
    tokens.write_text(json.dumps({"tokens": entries}))
    tokens.chmod(0o600)
    options = ("--claude-folder", str(config), "--token-file", str(tokens))
    statuses = {}
    with running_relay(root, *options) as relay:
        for entry in entries:
            headers = {"authorization": f"Bearer secret-{entry['scope']}"}
            answer = relay.post("/workflows/import", {"session_id": ONE}, headers=headers)
            statuses[entry["scope"]] = answer.status_code
    assert statuses == {"read": 403, "start": 403, "admin": 201}
