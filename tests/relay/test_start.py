"""Starting runs: all checked before anything is made, and made once."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, check_run_id, new_run_id, read_manifest
from runlog.groups.catalog import CatalogEntry, write_catalog
from runlog.run.manifest import remove_run
from runlog.run.reserved import request_key, reserve
from runner.attempt.catalog import describe
from runner.workflows.samples.research import Research
from tests.relay.live import CATALOG, Relay, running_relay
from tests.support import DEADLINE_S

ASK = {"workflow": "command", "params": {"argv": ["true"]}}
TALK = {"workflow": "claude", "prompt": "go on"}
SAID = {"role": "user", "content": "before"}
TOLD = {"type": "text", "text": "look"}


@pytest.fixture
def nothing_new(relay: Relay) -> Iterator[None]:
    """The root is afterwards as it was before."""
    before = sorted(os.listdir(relay.root))
    yield
    assert sorted(os.listdir(relay.root)) == before


def test_start(relay: Relay) -> None:
    answer = relay.post("/workflows", ASK)
    assert answer.status_code == 201
    body = answer.json()
    assert body["status"] == "queued"
    assert body["run_id"].startswith("command-")
    assert answer.headers["location"] == body["links"]["self"]
    assert relay.client.get(answer.headers["location"]).json()["status"] == "queued"
    manifest = read_manifest(Workspace(relay.root, body["run_id"]))
    assert (manifest.workflow, manifest.params) == ("command", {"argv": ["true"]})


def test_everything_asked_is_in_the_manifest(relay: Relay) -> None:
    asked = {
        "workflow": "claude",
        "prompt": [{"type": "text", "text": "a whole \U0001f600 character"}],
        "params": {"max_turns": 3},
        "run_id": "whole",
        "interactive": True,
        "chat_history": [{"role": "user", "content": "before"}],
        "priority": -100,
        "limits": {"wall_time_s": 0.5, "turns": 3},
    }
    body = json.dumps(asked).encode()
    headers = {"content-type": "application/json"}
    answer = relay.client.post("/api/v1/workflows", content=body, headers=headers)
    assert answer.status_code == 201
    manifest = json.loads((relay.root / "whole" / "run.json").read_text())
    assert {name: manifest[name] for name in asked} == asked
    assert (relay.root / "whole").stat().st_mode & 0o777 == 0o700
    state = json.loads(relay.get("/workflows/whole").content)
    assert state["prompt"] == asked["prompt"]


@pytest.mark.usefixtures("nothing_new")
@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"workflow": "nope"}, "#/workflow"),
        ({"workflow": 7}, "#/workflow"),
        ({}, "#/workflow"),
        ({"workflow": "command"}, "#/params"),
        ({"workflow": "command", "params": {"argv": []}}, "#/params/argv"),
        ({"workflow": "command", "params": {"argv": [1]}}, "#/params/argv/0"),
        ({"workflow": "command", "params": ["x"]}, "#/params"),
        ({"workflow": "claude"}, "#/prompt"),
        ({"workflow": "claude", "prompt": "  "}, "#/prompt"),
        ({"workflow": "claude", "prompt": []}, "#/prompt"),
        ({"workflow": "claude", "prompt": [{"no": "type"}]}, "#/prompt"),
        ({"workflow": "claude", "prompt": "x", "params": {"max_turns": 0}}, "#/params/max_turns"),
        ({"workflow": "claude", "prompt": "x", "params": {"unknown": 0}}, "#/params"),
        (ASK | {"prompt": "x"}, "#/prompt"),
        (ASK | {"interactive": True}, "#/interactive"),
        (TALK | {"chat_history": ["hi"]}, "#/chat_history/0"),
        (TALK | {"chat_history": {"role": "user"}}, "#/chat_history"),
        (TALK | {"chat_history": [{"content": "hi"}]}, "#/chat_history/0/role"),
        (TALK | {"chat_history": [SAID, {"actor": "x", "content": ""}]}, "#/chat_history/1/actor"),
        (TALK | {"chat_history": [{"role": 7, "content": "hi"}]}, "#/chat_history/0/role"),
        (TALK | {"chat_history": [{"role": "user"}]}, "#/chat_history/0/content"),
        (TALK | {"chat_history": [{"role": "ai", "text": None}]}, "#/chat_history/0/text"),
        (TALK | {"chat_history": [SAID | {"content": [{}]}]}, "#/chat_history/0/content"),
        (TALK | {"chat_history": [SAID | {"content": []}]}, "#/chat_history/0/content"),
        (TALK | {"chat_history": [SAID, {}]}, "#/chat_history/1/role"),
        (TALK | {"chat_history": [SAID | {"actor": "assistant"}]}, "#/chat_history/0/actor"),
        (TALK | {"chat_history": [SAID | {"actor": "user"}]}, "#/chat_history/0/actor"),
        (TALK | {"chat_history": [SAID | {"type": "ai"}]}, "#/chat_history/0/type"),
        (TALK | {"chat_history": [SAID | {"text": "other"}]}, "#/chat_history/0/text"),
        (TALK | {"chat_history": [SAID | {"content": " "}]}, "#/chat_history/0/content"),
        (
            TALK | {"chat_history": [SAID | {"content": [TOLD, {"type": "text"}]}]},
            "#/chat_history/0/content/1/text",
        ),
        (
            TALK | {"chat_history": [SAID | {"content": [TOLD | {"text": ""}]}]},
            "#/chat_history/0/content/0/text",
        ),
        (
            TALK | {"chat_history": [SAID | {"content": [{"type": "hologram"}]}]},
            "#/chat_history/0/content/0/type",
        ),
        (TALK | {"prompt": [TOLD, {"type": "text"}]}, "#/prompt/1/text"),
        (TALK | {"prompt": [{"type": "text", "text": 7}]}, "#/prompt/0/text"),
        (TALK | {"prompt": [{"type": "hologram"}]}, "#/prompt/0/type"),
        (TALK | {"prompt": [{"type": "image"}]}, "#/prompt/0/source"),
        (ASK | {"interactive": "yes"}, "#/interactive"),
        (ASK | {"unknown": 1}, "#/unknown"),
        (ASK | {"priority": 101}, "#/priority"),
        (ASK | {"priority": "high"}, "#/priority"),
        (ASK | {"limits": {"patience": 1}}, "#/limits/patience"),
        (ASK | {"limits": {"wall_time_s": 0}}, "#/limits/wall_time_s"),
        (ASK | {"limits": {"wall_time_s": True}}, "#/limits/wall_time_s"),
        (ASK | {"limits": {"turns": 1.5}}, "#/limits/turns"),
        (ASK | {"limits": {"cost_usd": None}}, "#/limits/cost_usd"),
        (ASK | {"limits": [1]}, "#/limits"),
        (ASK | {"deployment": "nightly"}, "#"),
        (ASK | {"runtime_overrides": {}}, "#"),
        (ASK | {"run_id": ".."}, "#/run_id"),
        (ASK | {"run_id": "../../etc"}, "#/run_id"),
        (ASK | {"run_id": "a\0b"}, "#/run_id"),
        (ASK | {"run_id": "x" * 200}, "#/run_id"),
        (ASK | {"run_id": "Upper"}, "#/run_id"),
        (ASK | {"run_id": "trailing\n"}, "#/run_id"),
        (ASK | {"run_id": "_idempotency"}, "#/run_id"),
        (ASK | {"run_id": ""}, "#/run_id"),
        ([], "#"),
        ("text", "#"),
    ],
)
def test_what_can_not_be_granted_is_a_422_that_says_where(
    relay: Relay, asked: Any, pointer: str
) -> None:
    answer = relay.post("/workflows", asked, headers={"idempotency-key": "never-noted"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem = answer.json()
    assert problem["status"] == 422 and problem["detail"]
    assert any(error.get("pointer", "").startswith(pointer) for error in problem["errors"])


@pytest.mark.parametrize("role_key", ["role", "actor", "author", "sender", "type"])
@pytest.mark.parametrize("content_key", ["content", "text", "message"])
def test_a_chat_of_others_is_understood(relay: Relay, role_key: str, content_key: str) -> None:
    roles = {"user": "user", "Human": "user", "ai": "assistant", "agent": "assistant"}
    blocks = [{"type": "text", "text": "look"}]
    said = [{role_key: role, content_key: blocks, "at": 7} for role in roles]
    answer = relay.post("/workflows", TALK | {"chat_history": said})
    assert answer.status_code == 201
    run = Workspace(relay.root, answer.json()["run_id"])
    expected = [{"role": role, "content": blocks} for role in roles.values()]
    assert read_manifest(run).chat_history == expected
    told = relay.get(f"/workflows/{run.run_id}/history").json()["messages"]
    assert [(m["role"], m["content"]) for m in told] == [(r, "look") for r in roles.values()]
    calls = told[1] | {"content": "", "tool_calls": [{"id": "t", "name": "Bash", "input": {}}]}
    named = SAID | {"author": "Anna", "type": "message", "actor": None}
    told = [*told, calls, named]
    again = relay.post("/workflows", TALK | {"chat_history": told})  # what comes out goes in
    assert again.status_code == 201


def test_unknown_workflows_are_told_the_known_ones(relay: Relay) -> None:
    assert "claude, command" in relay.post("/workflows", {"workflow": "nope"}).json()["detail"]


def test_all_faults_of_the_params_are_told(relay: Relay) -> None:
    asked = {"workflow": "claude", "prompt": "x", "params": {"model": 1, "max_turns": "x", "z": 0}}
    assert len(relay.post("/workflows", asked).json()["errors"]) == 3


@pytest.mark.usefixtures("nothing_new")
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 422),
        (b"\xff\xfe{", "application/json", 422),
        (b'{"workflow": NaN}', "application/json", 422),
        (b'{"workflow": -Infinity}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"1" * 10_000, "application/json", 422),
        (b'{"workflow": 1e999}', "application/json", 422),
        (json.dumps(ASK).encode(), "text/plain", 422),
        (json.dumps(ASK).encode(), "", 422),
        (b"workflow=command", "application/x-www-form-urlencoded", 422),
    ],
)
def test_a_body_that_is_no_json(relay: Relay, body: bytes, content_type: str, status: int) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = relay.client.post("/api/v1/workflows", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert answer.json()["detail"]


@pytest.mark.usefixtures("nothing_new")
def test_a_body_over_10_mib(relay: Relay) -> None:
    big = json.dumps(ASK | {"prompt": "x" * (10 << 20)}).encode()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(big), 1 << 18):
            yield big[start : start + (1 << 18)]

    headers = {"content-type": "application/json"}
    answers = [_told_length(relay, len(big)), _told_length(relay, 10**17)]
    chunked = relay.client.post("/api/v1/workflows", content=chunks(), headers=headers)
    answers.append((chunked.status_code, chunked.headers["content-type"]))
    assert answers == [(413, "application/problem+json; charset=utf-8")] * 3


def test_a_body_just_below_10_mib(relay: Relay) -> None:
    asked = {"workflow": "claude", "prompt": "x" * ((10 << 20) - 100)}
    assert relay.post("/workflows", asked).status_code == 201


def test_the_same_id_twice_is_a_409(relay: Relay) -> None:
    asked = ASK | {"run_id": "twice"}
    assert relay.post("/workflows", asked).status_code == 201
    answer = relay.post("/workflows", asked, headers={"idempotency-key": "fresh"})
    assert answer.status_code == 409
    assert "another run_id" in answer.json()["detail"]
    assert not (relay.root / "_idempotency" / "fresh").exists()


def test_old_keys_are_dropped(root: Path) -> None:
    """By the next key that comes to a relay; what is younger than a day stays."""
    folder = root / "_idempotency"
    with running_relay(root) as relay:
        relay.post("/workflows", ASK, headers={"Idempotency-Key": "kept"})
        (kept,) = folder.iterdir()
    for number, age_h in enumerate((23, 25, 1000)):
        note = folder / f"{number:064d}.json"
        note.write_bytes(kept.read_bytes())
        os.utime(note, (time.time() - age_h * 3600,) * 2)
    with running_relay(root) as relay:
        relay.post("/workflows", ASK, headers={"Idempotency-Key": "another"})
        assert len(list(folder.iterdir())) == 3
        assert kept.exists() and (folder / f"{0:064d}.json").exists()


@pytest.mark.parametrize("key", [None, "just-once"])
def test_a_start_takes_the_folder_that_is_ready_for_it(relay: Relay, key: str | None) -> None:
    """The folder of an agent that waits: before there is no run of its name, then the run is there as any."""
    waiting = Workspace(relay.root, new_run_id("command"))
    waiting.files.mkdir(parents=True)
    params = {"argv": ["true", str(key)]}
    reserve(relay.root, waiting.run_id, request_key("command", params, False, {}), "ready")
    assert relay.client.get(f"/api/v1/workflows/{waiting.run_id}").status_code == 404
    assert waiting.run_id not in listed(relay)
    headers = {} if key is None else {"Idempotency-Key": key}
    asked = {"workflow": "command", "params": params}
    others = [{"params": ASK["params"]}, {"interactive": True}, {"limits": {"wall_time_s": 9}}]
    for other in others if key is None else ():
        relay.post("/workflows", asked | other)
        assert not waiting.exists()
    answer = relay.post("/workflows", asked, headers=headers)
    assert (answer.status_code, answer.json()["run_id"]) == (201, waiting.run_id)
    assert waiting.run_id in listed(relay)
    again = relay.post("/workflows", asked, headers=headers)
    assert (again.json()["run_id"] == waiting.run_id) == (key is not None)


def listed(relay: Relay) -> list[str]:
    runs = relay.client.get("/api/v1/workflows?limit=200").json()["runs"]
    return [run["run_id"] for run in runs]


def test_an_idempotency_key_starts_one_run(root: Path) -> None:
    with running_relay(root) as relay:

        def start(number: int) -> Any:
            # The same body in another order of its keys is the same.
            asked = dict(sorted(ASK.items(), reverse=bool(number % 2)))
            return relay.post("/workflows", asked, headers={"Idempotency-Key": "k 1"})

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(start, range(16)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        run_id = answers[0].json()["run_id"]
    with running_relay(root) as relay:  # it is on the disk
        assert start(0).json()["run_id"] == run_id
        other = relay.post(
            "/workflows", ASK | {"run_id": "other"}, headers={"Idempotency-Key": "k 1"}
        )
        assert other.status_code == 422
        assert run_id in other.json()["detail"]
        for bad in ("", "é", "x" * 256):
            answer = relay.post("/workflows", ASK, headers={"Idempotency-Key": bad.encode()})
            assert answer.status_code == 400, bad
        assert len(relay.get("/workflows").json()["runs"]) == 1
        remove_run(Workspace(root, run_id))
        assert start(0).status_code == 410
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (root / "_idempotency").iterdir())


def test_a_key_that_was_noted_before_its_run_was_made(root: Path) -> None:
    """As after a relay that was killed in between."""
    with running_relay(root) as relay:
        headers = {"Idempotency-Key": "k"}
        run_id = relay.post("/workflows", ASK, headers=headers).json()["run_id"]
        (note,) = (root / "_idempotency").iterdir()
        note.write_text(note.read_text().replace('"made":true', '"made":false'))
        remove_run(Workspace(root, run_id))
        assert relay.post("/workflows", ASK, headers=headers).json()["run_id"] == run_id
        assert Workspace(root, run_id).exists()


def test_a_noted_id_that_someone_else_took_is_not_given_out(root: Path) -> None:
    """The relay was killed before it made the run; then another client took the id for another run."""
    with running_relay(root) as relay:
        headers, asked = {"Idempotency-Key": "k"}, ASK | {"run_id": "mine"}
        relay.post("/workflows", asked, headers=headers)
        (note,) = (root / "_idempotency").iterdir()
        note.write_text(note.read_text().replace('"made":true', '"made":false'))
        assert relay.post("/workflows", asked, headers=headers).status_code == 201
        note.write_text(note.read_text().replace('"made":true', '"made":false'))
        remove_run(Workspace(root, check_run_id("mine")))
        other = {"workflow": "command", "params": {"argv": ["false"]}, "run_id": "mine"}
        assert relay.post("/workflows", other).status_code == 201
        assert relay.post("/workflows", asked, headers=headers).status_code == 409


def test_a_refused_start_keeps_no_key(root: Path) -> None:
    with running_relay(root) as relay:
        relay.post("/workflows", ASK | {"run_id": "taken"})
        headers = {"Idempotency-Key": "k"}
        asked = ASK | {"run_id": "taken"}
        assert relay.post("/workflows", asked, headers=headers).status_code == 409
        assert relay.post("/workflows", ASK, headers=headers).status_code == 201


def test_without_a_runner_nothing_can_be_started(tmp_path: Path) -> None:
    with running_relay(tmp_path / "new") as relay:
        for answer in (relay.get("/catalog"), relay.post("/workflows", ASK)):
            assert answer.status_code == 503
            assert "tailcast runner" in answer.json()["detail"]
        write_catalog(tmp_path / "new", CATALOG)
        assert relay.post("/workflows", ASK).status_code == 201


def test_catalog(root: Path) -> None:
    with running_relay(root) as relay:
        told = relay.get("/catalog").json()["workflows"]
        assert [entry["name"] for entry in told] == ["claude", "command"]
        assert told[1]["params"] == CATALOG[1].params
        write_catalog(root, [*CATALOG, CatalogEntry("more", "", {})])
        assert len(relay.get("/catalog").json()["workflows"]) == 3
        assert relay.post("/workflows", {"workflow": "more"}).status_code == 201


def _told_length(relay: Relay, length: int) -> tuple[int, str]:
    """The answer comes before the body would."""
    with socket.create_connection(relay.address, timeout=DEADLINE_S) as client:
        client.sendall(
            b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
        )
        answer = client.makefile("rb").read().decode()
    status = int(answer.split()[1])
    content_type = answer.lower().partition("content-type: ")[2].partition("\r\n")[0]
    return status, content_type


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "in a cycle: a -> b -> c -> a"),
        ({"a": ["a"]}, "in a cycle: a -> a"),
        ({"a": ["x"]}, "'a' depends on 'x', which is not there"),
        ({"a": [], "b": ["a"]}, None),
    ],
)
def test_tasks_that_wait_for_each_other_are_a_422(
    tmp_path: Path, tasks: dict[str, list[str]], told: str | None
) -> None:
    write_catalog(tmp_path, [describe("research", Research)])
    plan = [{"id": key, "prompt": key, "depends_on": after} for key, after in tasks.items()]
    with running_relay(tmp_path) as relay:
        asked = {"workflow": "research", "prompt": "tails", "params": {"tasks": plan}}
        answer = relay.post("/workflows", asked)
        if told is None:
            assert answer.status_code == 201
            return
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "#/params/tasks"
        assert told in error["detail"]
        assert relay.get("/workflows").json()["runs"] == []
