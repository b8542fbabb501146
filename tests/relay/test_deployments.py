"""Deployments over HTTP: put, start, count, remove; and what is refused."""

import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from runlog import RunLock, Workspace, read_manifest
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, Relay, new_run, running_relay, say
from tests.support import DEADLINE_S, wait_until

REVIEW = {
    "workflow": "claude",
    "description": "Looks through the day's commits",
    "prompt": "Review them",
    "params": {"model": "large", "max_turns": 5},
    "interactive": False,
    "limits": {"wall_time_s": 600, "turns": 20},
    "priority": 3,
    "max_running": 2,
    "allowed_overrides": ["max_turns"],
}
ECHO = {"workflow": "command", "allowed_overrides": ["argv"]}


def put(relay: Relay, name: str, body: Any, **headers: str) -> httpx.Response:
    return relay.client.put(
        f"/api/v1/deployments/{name}",
        json=body,
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def refused(answer: httpx.Response, pointer: str, status: int = 422) -> dict[str, Any]:
    """The fault of that place, in an answer that is a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    problem: dict[str, Any] = answer.json()
    found = [fault for fault in problem["errors"] if fault.get("pointer") == pointer]
    assert found, problem
    fault: dict[str, Any] = found[0]
    return fault


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of a deployment that no other test has: they share a relay."""
    chars = [c if c.isalnum() and c.isascii() else "-" for c in request.node.name.lower()]
    return f"d-{'-'.join(''.join(chars).split('-'))}"[-70:].lstrip("-")


def test_make_replace_remove(relay: Relay, name: str) -> None:
    made = put(relay, name, REVIEW)
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/v1/deployments/{name}"
    body = made.json()
    assert {field: body[field] for field in REVIEW} == REVIEW
    assert body["name"] == name and body["created_at"] == body["updated_at"]
    assert body["statistics"]["runs"] == 0 and body["statistics"]["last_run"] is None
    read = relay.get(f"/deployments/{name}")
    assert read.json() == body and read.headers["etag"] == made.headers["etag"]

    # What was read, changed and put again; what is left out has its default.
    changed = body | {"description": "Another"}
    del changed["max_running"]
    replaced = put(relay, name, changed)
    assert replaced.status_code == 200 and "location" not in replaced.headers
    assert replaced.json()["description"] == "Another"
    assert replaced.json()["max_running"] is None
    assert replaced.json()["created_at"] == body["created_at"]
    assert replaced.headers["etag"] != made.headers["etag"]

    assert relay.client.delete(f"/api/v1/deployments/{name}").status_code == 204
    gone = relay.get(f"/deployments/{name}")
    assert gone.status_code == 404 and gone.json()["type"] == "/docs#unknown-deployment"
    assert relay.client.delete(f"/api/v1/deployments/{name}").status_code == 404
    assert name not in [each["name"] for each in relay.get("/deployments").json()["deployments"]]


def test_it_is_a_private_file_that_survives_a_restart(root: Path) -> None:
    with running_relay(root) as relay:
        put(relay, "kept", REVIEW)
    file = root / "_deployments" / "kept.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(file.parent) == ["kept.json"]
    on_disk = json.loads(file.read_text())
    assert {field: on_disk[field] for field in REVIEW} == REVIEW
    with running_relay(root) as relay:
        assert relay.get("/deployments/kept").json()["params"] == REVIEW["params"]
        assert relay.get("/workflows").json()["runs"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/workflow"),
        ({"workflow": "nope"}, "#/workflow"),
        ({"workflow": 7}, "#/workflow"),
        (REVIEW | {"params": {"max_turns": 0}}, "#/params/max_turns"),
        (REVIEW | {"params": {"max_turns": "many"}}, "#/params/max_turns"),
        (REVIEW | {"params": {"speed": 1}}, "#/params"),
        (REVIEW | {"params": []}, "#/params"),
        (REVIEW | {"prompt": " "}, "#/prompt"),
        (REVIEW | {"prompt": [{"no": "type"}]}, "#/prompt/0"),
        ({"workflow": "command", "params": {}}, "#/params"),
        (ECHO | {"params": {"argv": []}}, "#/params/argv"),
        (ECHO | {"prompt": "x"}, "#/prompt"),
        (ECHO | {"interactive": True}, "#/interactive"),
        (ECHO | {"allowed_overrides": ["argv", "speed"]}, "#/allowed_overrides/1"),
        (ECHO | {"allowed_overrides": "argv"}, "#/allowed_overrides"),
        (REVIEW | {"limits": {"speed": 1}}, "#/limits/speed"),
        (REVIEW | {"limits": {"turns": -1}}, "#/limits/turns"),
        (REVIEW | {"limits": {"turns": "9"}}, "#/limits/turns"),
        (REVIEW | {"priority": 10**6}, "#/priority"),
        (REVIEW | {"priority": 1.5}, "#/priority"),
        (REVIEW | {"max_running": 0}, "#/max_running"),
        (REVIEW | {"max_running": True}, "#/max_running"),
        (REVIEW | {"name": "another"}, "#/name"),
        (REVIEW | {"unknown": 1}, "#/unknown"),
        ([], "#"),
    ],
)
def test_what_can_not_be_put(relay: Relay, name: str, body: Any, pointer: str) -> None:
    assert refused(put(relay, name, body), pointer)["detail"]
    assert relay.get(f"/deployments/{name}").status_code == 404


@pytest.mark.parametrize(
    "bad",
    ["Upper", "a_b", "-a", ".hidden", "x" * 81, "x" * 200, "a%00b", "a%0A", "%C3%A9", "a.json"],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_bad_names(relay: Relay, method: str, bad: str) -> None:
    body = REVIEW if method == "PUT" else None
    answer = relay.client.request(method, f"/api/v1/deployments/{bad}", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "/docs#bad-deployment-name"


@pytest.mark.parametrize("target", ["..", "../x", "..%2Fx", "a%2Fb", "%2E%2E", "%2E%2E%2Fcatalog"])
def test_names_that_would_lead_elsewhere(relay: Relay, target: str) -> None:
    """As bytes on a socket: clients tidy such paths up."""
    before = sorted(os.listdir(relay.root.parent))
    body = json.dumps(REVIEW)
    with socket.create_connection(relay.address, timeout=DEADLINE_S) as connection:
        connection.sendall(
            f"PUT /api/v1/deployments/{target} HTTP/1.1\r\nHost: 127.0.0.1:{relay.address[1]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            f"{body}".encode()
        )
        answer = b""
        while block := connection.recv(65536):
            answer += block
    assert answer.split()[1] in (b"400", b"404", b"405"), answer
    assert sorted(os.listdir(relay.root.parent)) == before
    assert not list(relay.root.rglob("b.json"))


def test_start(relay: Relay, name: str) -> None:
    put(relay, name, REVIEW)
    asked = {"deployment": name, "runtime_overrides": {"max_turns": 9}}
    answer = relay.post("/workflows", asked)
    assert answer.status_code == 201
    run_id = answer.json()["run_id"]
    assert run_id.startswith("claude-")
    made = read_manifest(Workspace(relay.root, run_id))
    assert (made.workflow, made.deployment, made.prompt) == ("claude", name, "Review them")
    assert made.params == {"model": "large", "max_turns": 9}
    assert (made.priority, made.limits) == (3, {"wall_time_s": 600, "turns": 20})
    assert relay.get(f"/workflows/{run_id}").json()["deployment"] == name

    # A later change of the deployment is for later runs.
    put(relay, name, REVIEW | {"params": {"model": "small"}})
    assert read_manifest(Workspace(relay.root, run_id)).params["model"] == "large"
    relay.client.delete(f"/api/v1/deployments/{name}")
    assert relay.get(f"/workflows/{run_id}").json()["params"]["model"] == "large"
    listed = relay.get("/workflows", params={"deployment": name}).json()["runs"]
    assert [row["run_id"] for row in listed] == [run_id]


def test_a_start_may_bring_everything_but_workflow_and_params(relay: Relay, name: str) -> None:
    put(relay, name, REVIEW)
    asked = {
        "deployment": name,
        "run_id": f"own-{name}",
        "prompt": [{"type": "text", "text": "These instead"}],
        "chat_history": [{"role": "user", "content": "before"}],
        "interactive": True,
        "priority": -2,
        "limits": {"turns": 4, "cost_usd": 1.5},
    }
    assert relay.post("/workflows", asked).status_code == 201
    made = read_manifest(Workspace(relay.root, asked["run_id"]))  # type: ignore[arg-type]
    assert (made.prompt, made.chat_history) == (asked["prompt"], asked["chat_history"])
    assert made.interactive and made.priority == -2
    assert made.limits == {"wall_time_s": 600, "turns": 4, "cost_usd": 1.5}


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"workflow": "claude"}, "#/workflow"),
        ({"params": {}}, "#/params"),
        ({"runtime_overrides": {"model": "small"}}, "#/runtime_overrides/model"),
        ({"runtime_overrides": {"nope": 1}}, "#/runtime_overrides/nope"),
        ({"runtime_overrides": {"max_turns": "x"}}, "#/runtime_overrides/max_turns"),
        ({"runtime_overrides": {"max_turns": 0}}, "#/runtime_overrides/max_turns"),
        ({"runtime_overrides": {"max_turns": None}}, "#/runtime_overrides/max_turns"),
        ({"runtime_overrides": ["max_turns"]}, "#/runtime_overrides"),
        ({"limits": {"turns": 21}}, "#/limits/turns"),
        ({"limits": {"turns": 0}}, "#/limits/turns"),
        ({"limits": {"speed": 1}}, "#/limits/speed"),
        ({"prompt": ""}, "#/prompt"),
        ({"run_id": ".."}, "#/run_id"),
        ({"deployment": "not-there"}, "#/deployment"),
        ({"deployment": "../catalog"}, "#/deployment"),
        ({"deployment": "a\0b"}, "#/deployment"),
        ({"deployment": "x" * 200}, "#/deployment"),
        ({"deployment": 7}, "#/deployment"),
    ],
)
def test_starts_that_are_refused(relay: Relay, name: str, asked: Any, pointer: str) -> None:
    put(relay, name, REVIEW)
    headers = {"idempotency-key": f"key-{name}"}
    answer = relay.post("/workflows", {"deployment": name} | asked, headers=headers)
    assert refused(answer, pointer)["detail"]
    assert relay.get("/workflows", params={"deployment": name}).json()["runs"] == []


def test_it_says_what_is_allowed(relay: Relay, name: str) -> None:
    put(relay, name, REVIEW | {"allowed_overrides": ["max_turns", "model"]})
    asked = {"deployment": name, "runtime_overrides": {"nope": 1}}
    assert "Allowed: max_turns, model" in relay.post("/workflows", asked).json()["detail"]
    put(relay, name, REVIEW | {"allowed_overrides": []})
    assert "Allowed: none" in relay.post("/workflows", asked).json()["detail"]


def test_overrides_without_a_deployment(relay: Relay) -> None:
    asked = {"workflow": "command", "params": {"argv": ["true"]}, "runtime_overrides": {}}
    refused(relay.post("/workflows", asked), "#/runtime_overrides")


def test_a_required_param_that_is_left_to_the_start(relay: Relay, name: str) -> None:
    assert put(relay, name, ECHO).status_code == 201
    missing = refused(relay.post("/workflows", {"deployment": name}), "#/runtime_overrides")
    assert "'argv' is a required property" in missing["detail"]
    asked = {"deployment": name, "runtime_overrides": {"argv": ["echo", 1]}}
    refused(relay.post("/workflows", asked), "#/runtime_overrides/argv/1")
    asked["runtime_overrides"] = {"argv": ["echo", "1"]}
    assert relay.post("/workflows", asked).status_code == 201


def test_a_workflow_that_is_no_longer_there(root: Path) -> None:
    with running_relay(root) as relay:
        put(relay, "old", REVIEW)
        put(relay, "stricter", ECHO | {"params": {"argv": ["true"]}})
        write_catalog(root, [CATALOG[1]])
        told = refused(relay.post("/workflows", {"deployment": "old"}), "#/deployment")["detail"]
        assert "no workflow 'claude'" in told and "command" in told
        schema = {"type": "object", "properties": {"argv": {"type": "string"}}}
        write_catalog(root, [type(CATALOG[1])("command", "Changed", schema, prompt="none")])
        told = refused(relay.post("/workflows", {"deployment": "stricter"}), "#/deployment")[
            "detail"
        ]
        assert "Param argv of `stricter`" in told


def test_params_that_are_nested_deep(relay: Relay, name: str) -> None:
    """As deep as a start takes them."""
    schema_free: dict[str, Any] = {"workflow": "command", "params": {"argv": ["true"]}}
    deep: Any = "end"
    for _ in range(400):
        deep = [deep]
    schema_free["params"]["more"] = deep
    assert put(relay, name, schema_free).status_code == 201
    assert relay.get(f"/deployments/{name}").json()["params"]["more"] == deep
    run_id = relay.post("/workflows", {"deployment": name}).json()["run_id"]
    assert read_manifest(Workspace(relay.root, run_id)).params["more"] == deep


def test_no_catalog(tmp_path: Path) -> None:
    with running_relay(tmp_path) as relay:
        assert put(relay, "early", REVIEW).status_code == 503
        assert relay.get("/deployments").json() == {"deployments": [], "broken": []}
        assert relay.get("/deployments/early").status_code == 404
        assert relay.client.delete("/api/v1/deployments/early").status_code == 404
        assert os.listdir(tmp_path) == ["_index"]  # what the relay keeps for itself


def test_statistics(relay: Relay, name: str, alive: Callable[[Workspace], RunLock]) -> None:
    put(relay, name, REVIEW)
    new_run(relay.root, deployment="another")

    def started() -> Workspace:
        return Workspace(
            relay.root, relay.post("/workflows", {"deployment": name}).json()["run_id"]
        )

    for duration_s, cost_usd in [(1.0, 0.25), (2.0, None), (6.0, 0.5)]:
        run = started()
        say(run, "workflow_started", workflow="claude", attempt=1)
        stats = {} if cost_usd is None else {"cost_usd": cost_usd}
        say(run, "workflow_completed", duration_s=duration_s, stats=stats, inbox_offset=0)
    run = started()
    say(run, "workflow_started", workflow="claude", attempt=1)
    say(run, "workflow_failed", duration_s=1.0, reason="x", stats={"cost_usd": 0.1})
    run = started()
    say(run, "workflow_started", workflow="claude", attempt=1)
    say(run, "workflow_stopped", duration_s=5.0, stats={})
    running = started()
    alive(running)
    say(running, "workflow_started", workflow="claude", attempt=1)
    newest = started()

    by_status = {
        "queued": 1,
        "running": 1,
        "waiting": 0,
        "paused": 0,
        "completed": 3,
        "failed": 1,
        "stopped": 1,
    }

    def statistics() -> dict[str, Any]:
        found: dict[str, Any] = relay.get(f"/deployments/{name}").json()["statistics"]
        return found

    wait_until(lambda: statistics()["by_status"] == by_status, "what was written")
    told = statistics()
    assert told["runs"] == 7
    assert told["success_rate"] == 0.75
    assert told["duration_s"] == {"p50": 2.0, "mean": 3.0, "max": 6.0}
    assert told["cost_usd"] == 0.85
    assert told["last_run"]["run_id"] in (newest.run_id, running.run_id)
    listed = relay.get("/deployments").json()["deployments"]
    assert next(each for each in listed if each["name"] == name)["statistics"] == told
    runs = relay.client.get(relay.get(f"/deployments/{name}").json()["links"]["runs"]).json()
    assert len(runs["runs"]) == 7


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b"[]", b'{"workflow": 7}', b'{"workflow": "claude", "name": "x"}', b"\xff", None],
)
def test_a_broken_file_hides_no_other(root: Path, content: bytes | None) -> None:
    with running_relay(root) as relay:
        put(relay, "whole", REVIEW)
        file = root / "_deployments" / "broken.json"
        if content is None:
            os.mkfifo(file)
        else:
            file.write_bytes(content)
        told = relay.get("/deployments").json()
        assert [each["name"] for each in told["deployments"]] == ["whole"]
        assert [each["name"] for each in told["broken"]] == ["broken"]
        assert "Mend the file" in told["broken"][0]["detail"]
        for answer in (
            relay.get("/deployments/broken"),
            relay.post("/workflows", {"deployment": "broken"}),
        ):
            assert answer.status_code == 409
            assert answer.json()["type"] == "/docs#broken-deployment"
        assert put(relay, "broken", REVIEW, if_none_match="*").status_code == 412
        assert put(relay, "broken", REVIEW).status_code == 200
        assert relay.get("/deployments").json()["broken"] == []


def test_what_else_lies_in_the_folder(root: Path) -> None:
    folder = root / "_deployments"
    (folder / "folder.json").mkdir(parents=True)
    (folder / ".hidden.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    with running_relay(root) as relay:
        told = relay.get("/deployments").json()
        assert told["deployments"] == []
        assert [each["name"] for each in told["broken"]] == ["folder"]


def test_preconditions(relay: Relay, name: str) -> None:
    assert put(relay, name, REVIEW, if_match='"none"').status_code == 412
    made = put(relay, name, REVIEW, if_none_match="*")
    assert made.status_code == 201
    again = put(relay, name, ECHO, if_none_match="*")
    assert again.status_code == 412 and again.json()["type"] == "/docs#precondition-failed"
    etag = made.headers["etag"]
    changed = put(relay, name, REVIEW | {"priority": 1}, if_match=f'"other", {etag}')
    assert changed.status_code == 200
    assert put(relay, name, REVIEW, if_match=etag).status_code == 412
    late = relay.client.delete(f"/api/v1/deployments/{name}", headers={"if-match": etag})
    assert late.status_code == 412
    assert relay.get(f"/deployments/{name}").json()["priority"] == 1
    now = {"if-match": changed.headers["etag"]}
    assert relay.client.delete(f"/api/v1/deployments/{name}", headers=now).status_code == 204


def test_puts_at_once(relay: Relay, name: str) -> None:
    """One is the first, the last one stays, and it is whole."""

    def write(number: int) -> int:
        body = REVIEW | {"description": str(number) * 10_000}
        return put(relay, name, body).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(write, range(24)))
    assert codes == [200] * 23 + [201]
    told = relay.get(f"/deployments/{name}").json()["description"]
    assert told in [str(number) * 10_000 for number in range(24)]
    folder = relay.root / "_deployments"
    assert [each for each in os.listdir(folder) if each.startswith(".")] == []


def test_makes_at_once_with_if_none_match(relay: Relay, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(put, relay, name, REVIEW, if_none_match="*") for _ in range(16)]
        codes = sorted(each.result().status_code for each in puts)
    assert codes == [201] + [412] * 15


def test_idempotent_start(relay: Relay, name: str) -> None:
    put(relay, name, REVIEW)
    asked = {"deployment": name, "runtime_overrides": {"max_turns": 2}}
    headers = {"idempotency-key": f"key-{name}"}

    def start(body: Any) -> httpx.Response:
        return relay.post("/workflows", body, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        ids = {answer.json()["run_id"] for answer in pool.map(start, [asked] * 8)}
    assert len(ids) == 1
    # Also once the deployment is another, or gone.
    put(relay, name, REVIEW | {"allowed_overrides": []})
    assert start(asked).json()["run_id"] in ids
    relay.client.delete(f"/api/v1/deployments/{name}")
    assert start(asked).json()["run_id"] in ids
    other = start(asked | {"runtime_overrides": {"max_turns": 3}})
    assert other.status_code == 422 and other.json()["type"] == "/docs#idempotency-key-reused"


def test_a_start_that_was_cut_off_is_found_again(relay: Relay, name: str) -> None:
    """A relay died just after it had made the run, and the deployment was changed before the client came again."""
    put(relay, name, REVIEW)
    asked = {"deployment": name, "run_id": f"cut-{name}"}
    headers = {"idempotency-key": f"key-{name}"}
    assert relay.post("/workflows", asked, headers=headers).status_code == 201
    for note in (relay.root / "_idempotency").iterdir():
        body = json.loads(note.read_text())
        if body.get("run_id") == asked["run_id"]:
            note.write_text(json.dumps(body | {"made": False}))
    put(relay, name, REVIEW | {"priority": 9})
    answer = relay.post("/workflows", asked, headers=headers)
    assert answer.status_code == 201 and answer.json()["run_id"] == asked["run_id"]


def test_openapi(relay: Relay) -> None:
    schema = relay.client.get("/openapi.json").json()
    paths = schema["paths"]
    assert set(paths["/api/v1/deployments/{name}"]) == {"get", "put", "delete"}
    asked = schema["components"]["schemas"]["PutDeployment"]
    assert asked["examples"][0]["allowed_overrides"] == ["max_turns"]
    answer = paths["/api/v1/deployments/{name}"]["put"]["responses"]["201"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/DeploymentView")
    start = schema["components"]["schemas"]["StartRunOfDeployment"]
    assert {"deployment", "runtime_overrides"} <= start["properties"].keys()
    assert "workflow" not in start["properties"] and start["required"] == ["deployment"]
    for example in asked["examples"]:
        assert put(relay, "example", example | {"params": {"max_turns": 10}}).status_code < 300


def test_nothing_waits_ready_for_runs_with_an_output_schema(relay: Relay) -> None:
    body = {"workflow": "claude", "warm": 1, "output_schema": {"type": "object"}}
    refused(put(relay, "both", body), "#/warm")
    assert put(relay, "both", body | {"warm": 0}).status_code == 201
