"""Batches on a relay and a runner as their users start them: real runs, and nothing told twice."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from runlog import RunId, Workspace
from tests.e2e.conftest import House, relay_of, started
from tests.support import DEADLINE_S, events, most_at_once, records, wait_until

# Prints its number, waits until the gate is there, prints it again.
STEP = """
n=$1; gate=$2
printf '{"type":"log","level":"info","message":"begins","data":{"n":%s}}\\n' $n
until [ -e "$gate" ]; do sleep 0.05; done
printf '{"type":"log","level":"info","message":"ends","data":{"n":%s}}\\n' $n
"""


def argv(number: int, gate: Path) -> dict[str, Any]:
    return {"params": {"argv": ["sh", "-c", STEP, "step", str(number), str(gate)]}}


def start(house: House, inputs: list[dict[str, Any]], **fields: Any) -> tuple[str, list[Workspace]]:
    body = {"workflow": "command", "inputs": inputs} | fields
    answer = house.client.post("/api/v1/batches", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return made["batch_id"], [Workspace(house.root, RunId(r)) for r in made["run_ids"]]


def totals(house: House, batch_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = house.client.get(f"/api/v1/batches/{batch_id}").json()
    return shown


def listen(house: House, batch_id: str, last_id: str = "") -> Iterator[ServerSentEvent]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"{house.url}/api/v1/stream?batch={batch_id}"
    with (
        httpx.Client(timeout=DEADLINE_S, trust_env=False) as client,
        connect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.status_code == 200
        yield from source.iter_sse()


def told(seen: list[ServerSentEvent]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for event in seen:
        if event.event == "message":
            data = event.json()
            found.setdefault(data["run_id"], []).append((data["offset"], data["event"]))
    return found


def stored(runs: list[Workspace]) -> dict[str, list[Any]]:
    return {
        run.run_id: [(record.offset, record.event()) for record in records(run)] for run in runs
    }


def test_no_more_at_once_than_the_batch_may(house: House, tmp_path: Path) -> None:
    """The runner has four places, the batch takes two of them."""
    gate = tmp_path / "go"
    batch_id, runs = start(house, [argv(n, gate) for n in range(20)], max_running=2)
    wait_until(lambda: totals(house, batch_id)["by_status"]["running"] == 2, "two at work")
    _, others = start(house, [argv(99, gate)])
    wait_until(lambda: events(others[0], "log"), "another batch to begin beside it")
    shown = totals(house, batch_id)
    assert (shown["status"], shown["total"], shown["done"]) == ("running", 20, 0)
    assert shown["by_status"]["running"] == 2 and shown["by_status"]["queued"] == 18
    gate.touch()
    seen = list(listen(house, batch_id))
    assert told(seen) == stored(runs)
    assert most_at_once(runs) == 2
    ids = [run.run_id for run in runs]
    wait_until(lambda: {*ids} <= {*started(house.root)}, "the runner to say so")
    assert [run_id for run_id in started(house.root) if run_id in ids] == ids
    end = json.loads(seen[-1].data)
    assert seen[-1].event == "end" and end["batch_id"] == batch_id
    assert (end["status"], end["done"], end["progress"]) == ("completed", 20, 100.0)


def test_stop_all(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "never"
    batch_id, runs = start(house, [argv(n, gate) for n in range(6)], max_running=2)
    wait_until(lambda: totals(house, batch_id)["by_status"]["running"] == 2, "two at work")
    answer = house.client.post(f"/api/v1/batches/{batch_id}/stop")
    assert answer.status_code == 202 and len(answer.json()["stopped"]) == 6
    seen = list(listen(house, batch_id))
    assert json.loads(seen[-1].data)["status"] == "stopped"
    assert [len(events(run, "workflow_started")) for run in runs] == [1, 1, 0, 0, 0, 0]
    assert all(len(events(run, "workflow_stopped")) == 1 for run in runs)
    again = house.client.post(f"/api/v1/batches/{batch_id}/stop").json()
    assert again["stopped"] == []
    path = f"/api/v1/batches/{batch_id}?runs=true"
    wait_until(lambda: house.client.delete(path).status_code == 204, "the batch to be removed")
    assert not any(run.path.exists() for run in runs)


def test_a_failed_run_fails_the_batch(house: House) -> None:
    inputs = [{"params": {"argv": [name]}} for name in ("true", "false", "true")]
    batch_id, _ = start(house, inputs)
    end = json.loads(list(listen(house, batch_id))[-1].data)
    assert end["status"] == "failed"
    assert (end["by_status"]["completed"], end["by_status"]["failed"]) == (2, 1)


def test_the_relay_is_killed_in_the_midst_of_the_stream(house: House, tmp_path: Path) -> None:
    gates = [tmp_path / f"go-{n}" for n in range(8)]
    batch_id, runs = start(house, [argv(n, gate) for n, gate in enumerate(gates)])
    seen: list[ServerSentEvent] = []
    enough = threading.Event()

    def follow() -> None:
        try:
            for event in listen(house, batch_id):
                seen.append(event)
                if len(seen) >= 10:
                    enough.set()
        except httpx.TransportError:
            pass

    following = threading.Thread(target=follow)
    following.start()
    for gate in gates[:3]:  # some have ended, some are at work, some have not begun
        gate.touch()
    assert enough.wait(DEADLINE_S)
    house.kill_relay()
    following.join()
    for gate in gates[3:5]:  # and it goes on while nobody relays
        gate.touch()
    with relay_of(house.root, house.port) as second:
        rest: list[ServerSentEvent] = []
        for event in listen(second, batch_id, seen[-1].id):
            rest.append(event)
            for gate in gates[5:]:
                gate.touch()
    assert told(seen + rest) == stored(runs)
    ends = [event.json() for event in seen + rest if event.event == "end"]
    assert sorted(end["run_id"] for end in ends[:-1]) == sorted(run.run_id for run in runs)
    assert ends[-1]["batch_id"] == batch_id and ends[-1]["status"] == "completed"


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_three_hundred_short_runs(house: House) -> None:
    inputs = [{"params": {"argv": ["true"]}} for _ in range(300)]
    batch_id, runs = start(house, inputs, max_running=3)
    seen = list(listen(house, batch_id))
    assert told(seen) == stored(runs)
    assert json.loads(seen[-1].data)["by_status"]["completed"] == 300
    assert most_at_once(runs) <= 3
    assert max(len(event.id) for event in seen) < 200
    open_files = list(Path(f"/proc/{house.relay.pid}/fd").iterdir())
    assert len(open_files) < 100
