"""A parked run over HTTP: it waits, its stream stays open, and what is said to it makes it queued."""

import json
from typing import Any

import pytest

from runlog import RunLock, Workspace, read_manifest
from runlog.run.seal import new_seal
from tests.relay.live import Relay, new_run, say
from tests.relay.sse_client import Stream
from tests.support import wait_until

STATS = {"events": 1, "turns": 0, "tool_calls": 0, "attempt": 1}


def park(run: Workspace, *, until: str | None = None, seal: bool = True) -> None:
    """As the run's process does it."""
    lock = RunLock(run.lock)
    assert lock.acquire()
    own = new_seal(lock) if seal else "forged"
    say(run, "workflow_parked", until=until, duration_s=1, stats=STATS, inbox_offset=0, seal=own)
    lock.release()


def parked(relay: Relay, **fields: Any) -> Workspace:
    run = new_run(relay.root, "claude", interactive=True, **fields)
    say(run, "workflow_started", workflow="claude", params={}, pid=1, attempt=1, inbox_offset=0)
    park(run, until="2999-01-01T00:00:00.000Z")
    return run


def row_of(relay: Relay, run: Workspace) -> dict[str, Any]:
    rows = relay.get("/workflows", params={"limit": 200}).json()["runs"]
    return next(row for row in rows if row["run_id"] == run.run_id)


def test_it_waits_and_what_is_said_makes_it_queued(relay: Relay) -> None:
    run = parked(relay)
    state = relay.get(f"/workflows/{run.run_id}").json()
    assert (state["status"], state["waiting_for"], state["reason"]) == ("waiting", "message", None)
    assert (state["parked"], state["parked_until"]) == (True, "2999-01-01T00:00:00.000Z")
    row = row_of(relay, run)
    assert (row["status"], row["waiting_for"], row["parked"]) == ("waiting", "message", True)
    refused = relay.client.delete(relay.workflow_url(run))
    assert (refused.status_code, refused.json()["type"]) == (409, "/docs#run-active")

    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        told_types = (json.loads(event.data)["type"] for event in stream)
        kinds = [next(told_types), next(told_types)]
        assert kinds == ["workflow_started", "workflow_parked"]
        told = relay.post(f"/workflows/{run.run_id}/messages", {"message": "hello", "id": "m1"})
        assert told.status_code == 202
        # In the same breath: nobody needs to look at its stream for that.
        assert row_of(relay, run)["status"] == "queued"
        assert row_of(relay, run)["queue_position"] == 1
        lock = RunLock(run.lock)
        assert lock.acquire()
        say(run, "workflow_unparked", pid=2, attempt=1, inbox_offset=0)
        new_seal(lock)
        assert next(told_types) == "workflow_unparked"  # no `end` came in between
        wait_until(lambda: row_of(relay, run)["status"] == "running", "it goes on")
        state = relay.get(f"/workflows/{run.run_id}").json()
        assert (state["parked"], state["parked_until"], state["attempt"]) == (False, None, 1)
        lock.release()


def test_a_line_that_is_not_of_its_process_parks_nothing(relay: Relay) -> None:
    run = parked(relay)
    park(run, seal=False)
    lock = RunLock(run.lock)
    assert lock.acquire()
    new_seal(lock)
    say(run, "workflow_unparked", pid=2, attempt=1, inbox_offset=0)
    say(run, "workflow_parked", until=None, duration_s=1, stats=STATS, inbox_offset=0)
    assert relay.get(f"/workflows/{run.run_id}").json()["parked"] is False
    lock.release()
    state = relay.get(f"/workflows/{run.run_id}").json()
    assert (state["status"], state["reason"], state["parked"]) == ("failed", "lost", False)


def test_when_it_is_parked_can_be_said_at_the_start(relay: Relay) -> None:
    asked = {"workflow": "claude", "prompt": "hi", "park_after_s": 60}
    run_id = relay.post("/workflows", asked).json()["run_id"]
    assert relay.get(f"/workflows/{run_id}").json()["park_after_s"] == 60

    deployment = {"workflow": "claude", "prompt": "hi", "park_after_s": 0}
    made = relay.client.put("/api/v1/deployments/kept", json=deployment)
    assert (made.status_code, made.json()["park_after_s"]) == (201, 0)
    for own, counts in ((None, 0), (5.5, 5.5)):
        body = {"deployment": "kept"} | ({} if own is None else {"park_after_s": own})
        run_id = relay.post("/workflows", body).json()["run_id"]
        assert read_manifest(Workspace(relay.root, run_id)).park_after_s == counts

    batch = {"workflow": "claude", "inputs": [{"prompt": "hi", "park_after_s": 7}]}
    (run_id,) = relay.post("/batches", batch).json()["run_ids"]
    assert read_manifest(Workspace(relay.root, run_id)).park_after_s == 7


@pytest.mark.parametrize("bad", [-1, "soon", 1e12, True, [1]])
def test_what_is_no_time_is_refused(relay: Relay, bad: object) -> None:
    asked = {"workflow": "claude", "prompt": "hi", "park_after_s": bad}
    refused = relay.post("/workflows", asked)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/park_after_s"
    assert relay.client.put("/api/v1/deployments/bad", json=asked).status_code == 422
