"""`POST …/again`: the same start once more, with what is asked to be otherwise."""

import json
import os
from dataclasses import asdict
from typing import Any

from runlog import Manifest, Workspace, append_lines, read_manifest
from tests.relay.live import Relay, say
from tests.relay.test_deployments import put, refused

ASK: dict[str, Any] = {
    "workflow": "claude",
    "prompt": [{"type": "text", "text": "look"}],
    "params": {"model": "large", "max_turns": 5},
    "interactive": True,
    "chat_history": [{"role": "user", "content": "before"}],
    "priority": 3,
    "limits": {"turns": 9, "cost_usd": 2},
    "title": "Mine",
    "labels": {"a": "1", "b": "2"},
    "thread_id": "t",
    "output_schema": {"type": "object"},
}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def start(relay: Relay, **asked: Any) -> str:
    answer = relay.post("/workflows", asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["run_id"])


def made(relay: Relay, run_id: str) -> Manifest:
    return read_manifest(Workspace(relay.root, run_id))  # type: ignore[arg-type]


def again(relay: Relay, run_id: str, body: Any = None, **more: Any) -> Manifest:
    answer = relay.post(f"/workflows/{run_id}/again", body, **more)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == answer.json()["links"]["self"]
    return made(relay, answer.json()["run_id"])


def rest(manifest: Manifest) -> dict[str, Any]:
    return {k: v for k, v in asdict(manifest).items() if k not in ("run_id", "created_at")}


def test_the_same_once_more(relay: Relay) -> None:
    run_id = start(relay, **ASK, trace=TRACE)
    first = rest(made(relay, run_id))
    first["words"]["trace"] = None  # this one is of another trace, or of none
    assert first["named"] is None  # of a workflow all of it is the run's own
    assert rest(again(relay, run_id)) == first
    assert rest(again(relay, run_id, {})) == first
    assert again(relay, run_id, {"run_id": "own-again", "trace": TRACE}).words.trace == TRACE
    refusal = relay.post(f"/workflows/{run_id}/again", {"run_id": "own-again"})
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/docs#run-exists")


def test_what_is_asked_is_otherwise(relay: Relay) -> None:
    run_id = start(relay, **ASK)
    asked = {
        "prompt": "else",
        "params": {"max_turns": 7, "allowed_tools": ["Read"]},
        "limits": {"turns": 1},
        "labels": {"b": "3", "c": "4"},
        "interactive": False,
        "priority": 0,
        "title": None,
        "output_schema": None,
        "chat_history": [],
    }
    other = again(relay, run_id, asked)
    assert other.prompt == "else" and other.interactive is False and other.priority == 0
    assert other.params == {"model": "large", "max_turns": 7, "allowed_tools": ["Read"]}
    assert other.limits == {"turns": 1, "cost_usd": 2}
    assert other.words.labels == {"a": "1", "b": "3", "c": "4"}
    assert (other.words.title, other.words.thread_id) == (None, "t")
    assert other.output_schema is None and other.chat_history == []


def test_what_can_not_be_asked(relay: Relay) -> None:
    run_id = start(relay, **ASK)
    path = f"/workflows/{run_id}/again"
    before = sorted(os.listdir(relay.root))
    refused(relay.post(path, {"params": {"max_turns": 0}}), "#/params/max_turns")
    refused(relay.post(path, {"runtime_overrides": {"model": "x"}}), "#/runtime_overrides")
    refused(relay.post(path, {"labels": {"a b": "c"}}), "#/labels/a b")
    refused(relay.post(path, {"limits": {"nothing": 1}}), "#/limits/nothing")
    refused(relay.post(path, {"workflow": "command"}), "#/workflow")
    assert relay.post("/workflows/nobody/again").status_code == 404
    external = Workspace(relay.root, "of-others")  # type: ignore[arg-type]
    external.path.mkdir(exist_ok=True)
    append_lines(external.stream, b'{"type":"log"}\n')
    answer = relay.post("/workflows/of-others/again")
    assert answer.status_code == 422 and "somebody else" in answer.json()["detail"]
    assert sorted(os.listdir(relay.root)) == sorted({*before, "of-others"})


def test_a_deployment_fixes_what_it_fixes_now(relay: Relay) -> None:
    body = {
        "workflow": "claude",
        "prompt": "look",
        "params": {"model": "large", "max_turns": 5},
        "allowed_overrides": ["max_turns"],
        "limits": {"turns": 9},
        "labels": {"team": "a"},
    }
    assert put(relay, "again", body).status_code == 201
    own = {"runtime_overrides": {"max_turns": 7}, "limits": {"turns": 4}, "labels": {"n": "1"}}
    run_id = start(relay, deployment="again", **own)
    assert rest(again(relay, run_id)) == rest(made(relay, run_id))
    other = again(relay, run_id, {"runtime_overrides": {"max_turns": 8}})
    assert other.params == {"model": "large", "max_turns": 8}
    path = f"/workflows/{run_id}/again"
    refused(relay.post(path, {"runtime_overrides": {"model": "x"}}), "#/runtime_overrides/model")
    refused(relay.post(path, {"params": {}}), "#/params")
    refused(relay.post(path, {"labels": {"team": "b"}}), "#/labels/team")

    changed = body | {"params": {"model": "small"}, "limits": {"turns": 2}, "labels": {"team": "b"}}
    assert put(relay, "again", changed).status_code == 200
    now = again(relay, run_id)
    assert now.params == {"model": "small", "max_turns": 7} and now.limits == {"turns": 2}
    assert now.words.labels == {"team": "b", "n": "1"} and now.deployment == "again"
    relay.client.delete("/api/v1/deployments/again")
    refused(relay.post(path), "#/deployment")


def test_with_a_key_it_is_one_run_and_with_wait_it_waits(relay: Relay) -> None:
    run_id = start(relay, workflow="command", params={"argv": ["true"]})
    headers = {"idempotency-key": "again-1"}
    first, second = (again(relay, run_id, {}, headers=headers) for _ in range(2))
    assert first.run_id == second.run_id
    late = relay.post(f"/workflows/{run_id}/again", params={"wait": 0})
    assert late.status_code == 202 and late.json()["done"] is False
    say(Workspace(relay.root, run_id), "workflow_started", attempt=1)  # type: ignore[arg-type]
    assert rest(again(relay, run_id)) == rest(made(relay, run_id))  # one that goes on, too


def test_what_the_deployment_gave_is_as_it_gives_it_now(relay: Relay) -> None:
    body: dict[str, Any] = {
        "workflow": "claude",
        "prompt": "look",
        "params": {"model": "large", "max_turns": 5},
        "allowed_overrides": ["model", "max_turns", "title", "labels"],
        "limits": {"turns": 9, "cost_usd": 5},
        "labels": {"team": "a"},
        "title": "Old",
        "priority": 3,
        "park_after_s": 60,
    }
    assert put(relay, "gives", body).status_code == 201
    plain = start(relay, deployment="gives")
    own = start(
        relay,
        deployment="gives",
        prompt="mine",
        priority=7,
        limits={"turns": 4},
        labels={"n/1": "1"},
        runtime_overrides={"max_turns": 7},
    )
    assert made(relay, plain).named == ()
    named = {"/prompt", "/priority", "/limits/turns", "/labels/n~11", "/params/max_turns"}
    assert set(made(relay, own).named or ()) == named
    now = body | {
        "prompt": "look again",
        "params": {"model": "small", "max_turns": 6},
        "limits": {"cost_usd": 2},
        "labels": {"team": "b"},
        "title": "New",
        "priority": 1,
        "park_after_s": None,
    }
    assert put(relay, "gives", now).status_code == 200
    other = again(relay, plain)
    assert (other.prompt, other.priority, other.park_after_s) == ("look again", 1, None)
    assert (other.params, other.limits) == (now["params"], now["limits"])
    assert (other.words.title, other.words.labels) == ("New", {"team": "b"})
    other = again(relay, own)
    assert (other.prompt, other.priority) == ("mine", 7)
    assert other.params == {"model": "small", "max_turns": 7}
    assert other.limits == {"turns": 4, "cost_usd": 2}
    assert other.words.labels == {"team": "b", "n/1": "1"}
    assert other.named == made(relay, own).named  # and so on, from one to the next
    # One of before, which does not tell: all that it had, as far as that is allowed.
    run = Workspace(relay.root, plain)  # type: ignore[arg-type]
    old = json.loads(run.manifest.read_bytes())
    del old["named"]
    run.manifest.write_bytes(json.dumps(old).encode())
    other = again(relay, plain)
    assert (other.prompt, other.priority, other.params) == ("look", 3, body["params"])
    assert other.limits == {"turns": 9, "cost_usd": 2}  # 5 is looser than what it allows by now


def test_null_takes_a_limit_and_a_label_out(relay: Relay) -> None:
    run_id = start(relay, **ASK)
    other = again(relay, run_id, {"limits": {"turns": None}, "labels": {"a": None, "x": None}})
    assert other.limits == {"cost_usd": 2} and other.words.labels == {"b": "2"}
    assert put(relay, "nulls", {"workflow": "claude", "limits": {"turns": 9}}).status_code == 201
    of_one = start(relay, deployment="nulls", prompt="x", limits={"turns": 4})
    assert again(relay, of_one, {"limits": {"turns": None}}).limits == {"turns": 9}
    refused(relay.post("/workflows", ASK | {"limits": {"turns": None}}), "#/limits/turns")


def test_all_that_is_wrong_is_told_at_once(relay: Relay) -> None:
    bad: dict[str, Any] = {
        "title": "",
        "labels": {"a b": "c"},
        "trace": "x",
        "thread_id": "",
        "limits": {"nothing": 1, "turns": -1},
        "run_id": "UP",
        "output_schema": {"type": 7},
        "chat_history": [{"role": "nobody", "content": "x"}],
    }
    places = ["/run_id", "/limits/nothing", "/limits/turns", "/title", "/labels/a b"]
    places += ["/thread_id", "/trace", "/chat_history/0/role"]
    answer = relay.post("/workflows", bad | {"workflow": "claude", "params": {"max_turns": 0}})
    assert answer.status_code == 422 and answer.json()["type"] == "/docs#invalid-request"
    told = {error["pointer"] for error in answer.json()["errors"]}
    assert {*(f"#{p}" for p in places), "#/output_schema/type", "#/params/max_turns"} <= told
    assert "#/prompt" in told
    assert put(relay, "faults", {"workflow": "claude", "title": "Its own"}).status_code == 201
    answer = relay.post(
        "/workflows",
        bad | {"deployment": "faults", "runtime_overrides": {"model": "x"}, "params": {}},
    )
    told = {error["pointer"] for error in answer.json()["errors"]}
    assert {*(f"#{p}" for p in places), "#/runtime_overrides/model", "#/params"} <= told
    batch = {"batch_id": "UP", "inputs": [bad, {"prompt": "x"}], "workflow": "claude"}
    told = {error["pointer"] for error in relay.post("/batches", batch).json()["errors"]}
    assert {"#/batch_id", *(f"#/inputs/0{place}" for place in places)} <= told
