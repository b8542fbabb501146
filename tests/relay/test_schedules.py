"""Schedules over HTTP: put, look, pause, run now; and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from runlog.groups.schedules import MAX_SCHEDULES
from tests.relay.live import Relay, running_relay
from tests.relay.test_deployments import refused

GREET = {"workflow": "command", "params": {"argv": ["true"]}, "allowed_overrides": ["argv"]}
ASK = {"workflow": "claude", "labels": {"team": "a"}, "limits": {"turns": 5}}
WEEKDAYS = {
    "cron": "30 7 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "deployment": "greet",
    "overlap": "queue",
    "missed": "once",
    "enabled": True,
    "description": "Says hello",
    "runtime_overrides": {"argv": ["echo", "hello"]},
    "labels": {"by": "clock"},
    "title": "Hello of {date}",
    "priority": 3,
    "limits": {"wall_time_s": 60},
}


def put(relay: Relay, name: str, body: Any, **headers: str) -> httpx.Response:
    return relay.client.put(
        f"/api/v1/schedules/{name}",
        json=body,
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


@pytest.fixture(autouse=True, scope="module")
def deployments(relay: Relay) -> None:
    for name, body in (("greet", GREET), ("ask", ASK)):
        assert relay.client.put(f"/api/v1/deployments/{name}", json=body).status_code == 201


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Of a schedule that no other test has."""
    chars = [c if c.isalnum() and c.isascii() else "-" for c in request.node.name.lower()]
    return f"s-{''.join(chars)}"[-70:].lstrip("-")


def test_make_replace_pause_remove(relay: Relay, name: str) -> None:
    made = put(relay, name, WEEKDAYS)
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/v1/schedules/{name}"
    body = made.json()
    assert {field: body[field] for field in WEEKDAYS} == WEEKDAYS
    assert body["created_at"] == body["updated_at"] == body["since"]
    assert len(body["next_times"]) == 3 and body["next_times"] == sorted(body["next_times"])
    assert (body["last"], body["last_run"], body["waits_since"]) == (None, None, None)
    read = relay.get(f"/schedules/{name}")
    assert read.json() == body and read.headers["etag"] == made.headers["etag"]
    assert body in relay.get("/schedules").json()["schedules"]

    # What was read, changed and put again; times of before stay as they are decided.
    replaced = put(relay, name, body | {"description": "Another"})
    assert replaced.status_code == 200
    assert replaced.json()["description"] == "Another"
    assert replaced.json()["since"] == body["since"]
    assert put(relay, name, WEEKDAYS, if_match=made.headers["etag"]).status_code == 412
    assert put(relay, name, WEEKDAYS, if_none_match="*").status_code == 412

    paused = relay.post(f"/schedules/{name}/pause")
    assert paused.status_code == 200 and paused.headers["etag"] != replaced.headers["etag"]
    assert (paused.json()["enabled"], paused.json()["next_times"]) == (False, [])
    assert relay.post(f"/schedules/{name}/pause").json() == paused.json()
    assert relay.post(f"/schedules/{name}/resume").json()["enabled"] is True

    assert relay.client.delete(f"/api/v1/schedules/{name}").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause")):
        gone = relay.client.request(method, f"/api/v1/schedules/{name}{path}")
        assert gone.status_code == 404 and gone.json()["type"] == "/docs#unknown-schedule"


def test_resumed_without_what_was_missed_it_counts_from_then(relay: Relay, name: str) -> None:
    before = put(relay, name, WEEKDAYS | {"missed": "none"}).json()
    relay.post(f"/schedules/{name}/pause")
    assert relay.post(f"/schedules/{name}/resume").json()["since"] > before["since"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/cron"),
        ({"cron": "* * * * *"}, "#/deployment"),
        (WEEKDAYS | {"cron": 5}, "#/cron"),
        (WEEKDAYS | {"cron": ""}, "#/cron"),
        (WEEKDAYS | {"cron": "0 0 30 2 *"}, "#/cron"),
        (WEEKDAYS | {"cron": "0 0 31 4,6 *"}, "#/cron"),
        (WEEKDAYS | {"cron": "0 * * * * *"}, "#/cron"),
        (WEEKDAYS | {"cron": "@daily"}, "#/cron"),
        (WEEKDAYS | {"cron": "@every 5m"}, "#/cron"),
        (WEEKDAYS | {"cron": "*/0 * * * *"}, "#/cron"),
        (WEEKDAYS | {"cron": ",".join(["1"] * 200) + " * * * *"}, "#/cron"),
        (WEEKDAYS | {"timezone": "Europe/Nowhere"}, "#/timezone"),
        (WEEKDAYS | {"timezone": "../../etc/passwd"}, "#/timezone"),
        (WEEKDAYS | {"timezone": "Europe"}, "#/timezone"),
        (WEEKDAYS | {"timezone": "a\x00b"}, "#/timezone"),
        (WEEKDAYS | {"deployment": "nobody"}, "#/deployment"),
        (WEEKDAYS | {"deployment": "No Name"}, "#/deployment"),
        (WEEKDAYS | {"overlap": "wait"}, "#/overlap"),
        (WEEKDAYS | {"missed": "all"}, "#/missed"),
        (WEEKDAYS | {"enabled": "yes"}, "#/enabled"),
        (WEEKDAYS | {"prompt": "takes none"}, "#/prompt"),
        (WEEKDAYS | {"runtime_overrides": {"speed": 1}}, "#/runtime_overrides/speed"),
        (WEEKDAYS | {"runtime_overrides": {"argv": []}}, "#/runtime_overrides/argv"),
        (WEEKDAYS | {"title": "a\nb"}, "#/title"),
        (WEEKDAYS | {"title": "x" * 201}, "#/title"),
        (WEEKDAYS | {"labels": {"a b": "c"}}, "#/labels/a b"),
        (WEEKDAYS | {"limits": {"speed": 1}}, "#/limits/speed"),
        (WEEKDAYS | {"priority": 1000}, "#/priority"),
        (WEEKDAYS | {"name": "another"}, "#/name"),
        (WEEKDAYS | {"unknown": 1}, "#/unknown"),
        ({"cron": "* * * * *", "deployment": "ask"}, "#/prompt"),
        (
            {"cron": "* * * * *", "deployment": "ask", "prompt": "x", "limits": {"turns": 9}},
            "#/limits/turns",
        ),
        (
            {"cron": "* * * * *", "deployment": "ask", "prompt": "x", "labels": {"team": "b"}},
            "#/labels/team",
        ),
    ],
)
def test_what_can_not_be_put(relay: Relay, name: str, body: Any, pointer: str) -> None:
    assert refused(put(relay, name, body), pointer)["detail"]
    assert relay.get(f"/schedules/{name}").status_code == 404


@pytest.mark.parametrize("bad", ["Upper", "a_b", "-a", "x" * 81, "a.state", "a%00b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_names(relay: Relay, bad: str, method: str) -> None:
    body = {"json": WEEKDAYS} if method == "PUT" else {}
    answer = relay.client.request(method, f"/api/v1/schedules/{bad}", **body)
    assert answer.status_code in (400, 422), answer.text
    assert "is not a name of a schedule" in answer.json()["detail"]


def test_run_now(relay: Relay, name: str) -> None:
    """Paused, and twice at a time: a person asked for it."""
    put(relay, name, WEEKDAYS | {"enabled": False})
    key = {"idempotency-key": f"key-{name}"}
    first = relay.post(f"/schedules/{name}/run", headers=key)
    assert first.status_code == 201, first.text
    again = relay.post(f"/schedules/{name}/run", headers=key)
    assert again.json()["run_id"] == first.json()["run_id"]
    other = relay.post(f"/schedules/{name}/run").json()["run_id"]
    assert other != first.json()["run_id"]
    rows = relay.get("/workflows", params={"schedule": name}).json()["runs"]
    assert {row["run_id"] for row in rows} == {other, first.json()["run_id"]}
    assert {row["schedule"] for row in rows} == {name}
    state = relay.get(f"/workflows/{other}").json()
    assert (state["schedule"], state["due_at"], state["deployment"]) == (name, None, "greet")
    assert state["params"] == {"argv": ["echo", "hello"]} and state["labels"] == {"by": "clock"}
    assert state["title"].startswith("Hello of 20")
    assert relay.get(f"/schedules/{name}").json()["last_run"]["run_id"] == rows[0]["run_id"]
    # The start again of one is a person's.
    same = relay.post(f"/workflows/{other}/again", {}).json()["run_id"]
    assert relay.get(f"/workflows/{same}").json()["schedule"] is None


def test_the_deployment_is_gone(relay: Relay, name: str) -> None:
    relay.client.put(f"/api/v1/deployments/{name}", json=GREET)
    put(relay, name, {"cron": "* * * * *", "deployment": name})
    relay.client.delete(f"/api/v1/deployments/{name}")
    assert relay.get(f"/schedules/{name}").status_code == 200
    assert refused(relay.post(f"/schedules/{name}/run"), "#/deployment")


@pytest.mark.parametrize("body", ["", "[]", '{"cron":"0 0 30 2 *","deployment":"x"}'])
def test_a_broken_file_is_shown_as_that(root: Path, body: str) -> None:
    with running_relay(root) as relay:
        relay.client.put("/api/v1/deployments/greet", json=GREET)
        put(relay, "good", WEEKDAYS)
        (root / "_schedules" / "bad.json").write_text(body)
        (root / "_schedules" / "good.state.json").write_text(body)
        told = relay.get("/schedules").json()
        assert [each["name"] for each in told["schedules"]] == ["good"]
        (broken,) = told["broken"]
        assert broken["name"] == "bad" and "bad.json" in broken["detail"]
        assert relay.get("/schedules/bad").json()["type"] == "/docs#broken-schedule"
        assert put(relay, "bad", WEEKDAYS).status_code == 200
        assert relay.get("/schedules").json()["broken"] == []


def test_there_are_not_too_many(root: Path) -> None:
    with running_relay(root) as relay:
        relay.client.put("/api/v1/deployments/greet", json=GREET)
        put(relay, "first", WEEKDAYS)
        body = (root / "_schedules" / "first.json").read_text()
        for number in range(MAX_SCHEDULES - 1):
            copy = json.dumps(json.loads(body) | {"name": f"n{number}"})
            (root / "_schedules" / f"n{number}.json").write_text(copy)
        assert len(relay.get("/schedules").json()["schedules"]) == MAX_SCHEDULES
        assert refused(put(relay, "one-more", WEEKDAYS), "#/name")
        assert put(relay, "first", WEEKDAYS).status_code == 200


def test_it_is_a_private_file(root: Path) -> None:
    with running_relay(root) as relay:
        relay.client.put("/api/v1/deployments/greet", json=GREET)
        put(relay, "kept", WEEKDAYS)
        run_id = relay.post("/schedules/kept/run").json()["run_id"]
    file = root / "_schedules" / "kept.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["kept.json"]
    with running_relay(root) as relay:
        assert relay.get("/schedules/kept").json()["last_run"]["run_id"] == run_id
        assert relay.get("/workflows", params={"schedule": "kept"}).json()["runs"] != []
