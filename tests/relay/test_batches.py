"""Batches over HTTP: made whole or not at all, totals of their runs, all of them on one connection."""

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from runlog import RunId, RunLock, Workspace, create_run, read_batch, read_manifest
from runlog.groups.catalog import write_catalog
from runlog.run.manifest import remove_run
from tests.relay.live import CATALOG, Relay, recorded, running_relay, say
from tests.relay.sse_client import Dispatched, Stream, read_all, status_of
from tests.support import wait_until

Hold = Callable[[Workspace], RunLock]


def argv(*words: str) -> dict[str, Any]:
    return {"params": {"argv": list(words)}}


def start(relay: Relay, count: int, **fields: Any) -> tuple[str, list[Workspace]]:
    """A batch of that many queued runs."""
    body = {"workflow": "command", "inputs": [argv("echo", str(n)) for n in range(count)]}
    answer = relay.post("/batches", body | fields)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return made["batch_id"], [Workspace(relay.root, RunId(run_id)) for run_id in made["run_ids"]]


def totals(relay: Relay, batch_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = relay.get(f"/batches/{batch_id}").json()
    return shown


def pointers(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in answer.json()["errors"]]


def url(batch_id: str, **params: Any) -> str:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return f"/api/v1/stream?batch={batch_id}&{query}"


def told(events: list[Dispatched]) -> dict[str, list[int]]:
    """The offsets of each run, in the order in which they came."""
    found: dict[str, list[int]] = {}
    for event in events:
        if event.event == "message":
            data = json.loads(event.data)
            found.setdefault(data["run_id"], []).append(data["offset"])
    return found


def offsets_of(run: Workspace) -> list[int]:
    offset, found = 0, []
    for line in run.stream.read_bytes().splitlines(keepends=True):
        offset += len(line)
        found.append(offset)
    return found


def nothing_there(root: Path) -> bool:
    return not any(path for path in root.iterdir() if not path.name.startswith("_"))


def test_a_batch_is_made_in_the_order_of_its_inputs(relay: Relay) -> None:
    batch_id, runs = start(relay, 3, description="Count", max_running=2)
    assert [read_manifest(run).params["argv"][1] for run in runs] == ["0", "1", "2"]
    assert {read_manifest(run).batch_id for run in runs} == {batch_id}
    order = [(m.created_at, m.run_id) for m in map(read_manifest, runs)]
    assert order == sorted(order), "a runner starts the oldest first, and then by id"
    shown = totals(relay, batch_id)
    assert [row["run_id"] for row in shown["runs"]] == [run.run_id for run in runs]
    assert (shown["status"], shown["total"], shown["done"]) == ("queued", 3, 0)
    assert (shown["description"], shown["max_running"]) == ("Count", 2)
    listed = relay.get("/workflows", params={"batch_id": batch_id}).json()["runs"]
    assert {row["run_id"] for row in listed} == {run.run_id for run in runs}


def test_common_params_and_those_of_an_input(relay: Relay) -> None:
    body = {
        "workflow": "claude",
        "params": {"model": "small", "max_turns": 3},
        "inputs": [
            {"prompt": "one"},
            {"prompt": "two", "params": {"model": "large"}, "priority": 7, "run_id": "own-two"},
        ],
    }
    made = relay.post("/batches", body).json()
    one, two = (read_manifest(Workspace(relay.root, RunId(run_id))) for run_id in made["run_ids"])
    assert (one.prompt, one.params) == ("one", {"model": "small", "max_turns": 3})
    assert (two.prompt, two.params) == ("two", {"model": "large", "max_turns": 3})
    assert (two.run_id, two.priority) == ("own-two", 7)


def test_nothing_is_made_if_an_input_is_bad(root: Path) -> None:
    with running_relay(root) as relay:
        inputs = [argv("a"), argv(), {"prompt": "no"}, argv("b") | {"limits": {"sleep_s": 1}}]
        answer = relay.post("/batches", {"workflow": "command", "inputs": inputs})
        assert answer.status_code == 422
        assert pointers(answer) == [
            "#/inputs/1/params/argv",
            "#/inputs/2/prompt",
            "#/inputs/2/params",
            "#/inputs/3/limits/sleep_s",
        ]
        twice = [argv("a") | {"run_id": "same"}, argv("b") | {"run_id": "same"}]
        answer = relay.post("/batches", {"workflow": "command", "inputs": twice})
        assert pointers(answer) == ["#/inputs/1/run_id"]
        bad = [argv("a"), argv("b") | {"surprise": 1}]
        answer = relay.post("/batches", {"workflow": "command", "inputs": bad})
        assert pointers(answer) == ["#/inputs/1/surprise"]
        common = {"workflow": "command", "params": {"argv": []}, "inputs": [{}] * 30}
        assert pointers(relay.post("/batches", common)) == ["#/params/argv"]
        for body, pointer in (
            ({"workflow": "nothing", "inputs": [argv("a")]}, "#/workflow"),
            ({"deployment": "nothing", "inputs": [{}]}, "#/deployment"),
            ({"workflow": "command", "inputs": []}, "#/inputs"),
            ({"workflow": "command", "inputs": [argv("a")] * 1001}, "#/inputs"),
            ({"workflow": "command", "inputs": [argv("a")], "batch_id": "A b"}, "#/batch_id"),
            ({"workflow": "command", "inputs": [argv("a")], "max_running": 0}, "#/max_running"),
        ):
            answer = relay.post("/batches", body)
            assert (answer.status_code, pointers(answer)) == (422, [pointer])
        assert nothing_there(root) and relay.get("/batches").json()["batches"] == []


def test_of_a_deployment(relay: Relay) -> None:
    put = {"workflow": "claude", "params": {"model": "small"}, "allowed_overrides": ["max_turns"]}
    deployment = relay.client.put(
        "/api/v1/deployments/batched", json=put | {"limits": {"turns": 9}}
    )
    assert deployment.status_code == 201
    inputs: list[dict[str, Any]] = [
        {"prompt": "one"},
        {"prompt": "two", "runtime_overrides": {"max_turns": 7}, "limits": {"turns": 3}},
    ]
    body = {"deployment": "batched", "runtime_overrides": {"max_turns": 2}, "inputs": inputs}
    made = relay.post("/batches", body).json()
    one, two = (read_manifest(Workspace(relay.root, RunId(r))) for r in made["run_ids"])
    assert (one.params, one.limits) == ({"model": "small", "max_turns": 2}, {"turns": 9})
    assert (two.params, two.limits) == ({"model": "small", "max_turns": 7}, {"turns": 3})
    assert {one.deployment, two.deployment, totals(relay, made["batch_id"])["deployment"]} == {
        "batched"
    }
    inputs[0]["runtime_overrides"] = {"model": "large"}
    inputs[1]["params"] = {"max_turns": 1}
    answer = relay.post("/batches", body)
    assert answer.status_code == 422
    assert pointers(answer) == ["#/inputs/0/runtime_overrides/model", "#/inputs/1/params"]


def test_the_examples_of_the_docs_are_valid(relay: Relay) -> None:
    schemas = relay.client.get("/openapi.json").json()["components"]["schemas"]
    relay.client.put("/api/v1/deployments/nightly-review", json={"workflow": "claude"})
    for example in schemas["StartBatch"]["examples"]:
        assert relay.post("/batches", example).status_code == 201


def test_ids_that_are_taken(root: Path) -> None:
    with running_relay(root) as relay:
        create_run(root, "command", run_id="mine")
        inputs = [argv("a"), argv("b") | {"run_id": "mine"}]
        answer = relay.post("/batches", {"workflow": "command", "inputs": inputs})
        assert answer.status_code == 409 and pointers(answer) == ["#/inputs/1/run_id"]
        assert len(list(root.glob("[a-z]*/run.json"))) == 1
        start(relay, 1, batch_id="night")
        answer = relay.post(
            "/batches", {"workflow": "command", "inputs": [argv("a")], "batch_id": "night"}
        )
        assert answer.status_code == 409 and answer.json()["type"].endswith("#batch-exists")
        assert len(list(root.glob("[a-z]*/run.json"))) == 2


def test_a_key_makes_one_batch(relay: Relay) -> None:
    key = {"idempotency-key": "batch-key-1"}
    body = {"workflow": "command", "inputs": [argv("a"), argv("b")]}
    first, second = (relay.post("/batches", body, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    other = relay.post("/batches", body | {"inputs": [argv("a")]}, headers=key)
    assert other.status_code == 422 and other.json()["type"].endswith("#idempotency-key-reused")
    of_a_run = relay.post("/workflows", {"workflow": "command"} | argv("a"), headers=key)
    assert of_a_run.status_code == 422


def test_totals_follow_the_runs(relay: Relay, alive: Hold) -> None:
    batch_id, runs = start(relay, 4)
    alive(runs[0])
    say(runs[0], "workflow_started", workflow="command", attempt=1)
    say(runs[0], "progress_update", progress=50)
    wait_until(lambda: totals(relay, batch_id)["progress"] == 12.5, "the progress")
    shown = totals(relay, batch_id)
    assert shown["status"] == "running"
    assert shown["by_status"]["running"] == 1 and shown["by_status"]["queued"] == 3
    say(runs[0], "workflow_completed", duration_s=1.0)
    recorded(runs[1])
    say(runs[2], "workflow_stopped", duration_s=0.0, reason="stopped before it began")
    wait_until(lambda: totals(relay, batch_id)["done"] == 3, "the ends")
    shown = totals(relay, batch_id)
    assert (shown["progress"], shown["status"]) == (75.0, "running")
    remove_run(runs[3])
    wait_until(lambda: totals(relay, batch_id)["done"] == 4, "the removal")
    shown = totals(relay, batch_id)
    assert (shown["status"], shown["removed"]) == ("stopped", 1)
    assert shown["ended_at"] is not None and len(shown["runs"]) == 3
    assert shown["by_status"] == dict.fromkeys(shown["by_status"], 0) | {
        "completed": 2,
        "stopped": 1,
    }
    only = relay.get(f"/batches/{batch_id}", params={"status": "stopped"}).json()
    assert [row["run_id"] for row in only["runs"]] == [runs[2].run_id] and only["total"] == 4


def test_pages(root: Path) -> None:
    with running_relay(root) as relay:
        ids = [start(relay, 3)[0] for _ in range(3)]
        page = relay.get("/batches", params={"limit": 2}).json()
        rest = relay.get("/batches", params={"limit": 2, "cursor": page["next"]}).json()
        listed = [row["batch_id"] for row in (*page["batches"], *rest["batches"])]
        assert sorted(listed) == sorted(ids) and rest["next"] is None
        runs = relay.get(f"/batches/{ids[0]}", params={"limit": 2}).json()
        last = relay.get(f"/batches/{ids[0]}", params={"limit": 2, "cursor": runs["next"]}).json()
        batch = read_batch(root, ids[0])
        assert batch is not None and last["next"] is None
        assert [r["run_id"] for r in (*runs["runs"], *last["runs"])] == list(batch.run_ids)
        assert relay.get("/batches", params={"cursor": "x"}).status_code == 400


def test_unknown_ones(relay: Relay) -> None:
    for answer in (
        relay.get("/batches/nothing"),
        relay.post("/batches/nothing/stop"),
        relay.client.delete("/api/v1/batches/nothing"),
        relay.get("/stream", params={"batch": "nothing"}),
    ):
        assert answer.status_code == 404 and answer.json()["type"].endswith("#unknown-batch")
    both = relay.get("/stream", params={"batch": "nothing", "run": "other"})
    assert both.status_code == 422


def test_remove(relay: Relay) -> None:
    batch_id, runs = start(relay, 2)
    path = f"/api/v1/batches/{batch_id}"
    refused = relay.client.delete(path)
    assert refused.status_code == 409 and refused.json()["type"].endswith("#batch-active")
    for run in runs:
        recorded(run)
    assert relay.client.delete(path).status_code == 204
    assert relay.get(f"/batches/{batch_id}").status_code == 404 and runs[0].exists()
    batch_id, runs = start(relay, 2)
    for run in runs:
        recorded(run)
    assert relay.client.delete(f"/api/v1/batches/{batch_id}?runs=true").status_code == 204
    assert not any(run.path.exists() for run in runs)


def test_stream_from_the_first_begin_to_the_end_of_all(relay: Relay, alive: Hold) -> None:
    batch_id, runs = start(relay, 3)
    with Stream(relay, url(batch_id)) as stream:
        events = iter(stream)
        seen = []
        for run in (runs[2], runs[0], runs[1]):  # in whatever order they begin
            alive(run)
            say(run, "workflow_started", workflow="command", attempt=1)
            seen.append(next(events))
            assert told(seen[-1:]) == {run.run_id: offsets_of(run)}
        for run in runs:
            say(run, "workflow_completed", duration_s=1.0)
        seen += list(events)
    assert told(seen) == {run.run_id: offsets_of(run) for run in runs}
    ends = [json.loads(event.data) for event in seen if event.event == "end"]
    assert {end.get("run_id") for end in ends[:-1]} == {run.run_id for run in runs}
    assert ends[-1]["batch_id"] == batch_id and "run_id" not in ends[-1]
    assert (ends[-1]["status"], ends[-1]["total"], ends[-1]["done"]) == ("completed", 3, 3)
    assert seen[-1].event == "end"
    assert status_of(relay, url(batch_id), {"Last-Event-ID": seen[-1].id}) == 204
    # Who was told of all runs, but not of the batch, is told that.
    last, _ = read_all(relay, url(batch_id), Last_Event_ID=seen[-2].id)
    assert [event.event for event in last] == ["end"] and last[0].data == seen[-1].data


def test_resumed_after_any_event_nothing_is_lost_or_repeated(relay: Relay) -> None:
    batch_id, runs = start(relay, 5)
    for run in runs:
        recorded(run, 6)
    whole, _ = read_all(relay, url(batch_id))
    for number, event in enumerate(whole[:-1]):
        rest, _ = read_all(relay, url(batch_id), Last_Event_ID=event.id)
        assert told([*whole[: number + 1], *rest]) == told(whole)
        assert sum(e.event == "end" for e in (*whole[: number + 1], *rest)) == 6
    assert told(whole) == {run.run_id: offsets_of(run) for run in runs}


def test_ids_stay_short(root: Path) -> None:
    with running_relay(root) as relay:
        batch_id, runs = start(relay, 300)
        for run in runs:
            recorded(run, 2)
        events, _ = read_all(relay, url(batch_id))
        assert told(events) == {run.run_id: offsets_of(run) for run in runs}
        assert max(len(event.id) for event in events) < 400
        open_files = list(Path(f"/proc/{relay.process.pid}/fd").iterdir())
        assert len(open_files) < 100


def test_a_thousand_that_have_not_begun_cost_no_open_files(root: Path, alive: Hold) -> None:
    with running_relay(root) as relay:
        batch_id, runs = start(relay, 1000)
        fds = Path(f"/proc/{relay.process.pid}/fd")
        with Stream(relay, url(batch_id)) as stream:
            events = iter(stream)
            for run in (runs[999], runs[500]):
                alive(run)
                say(run, "workflow_started", workflow="command", attempt=1)
                assert told([next(events)]) == {run.run_id: offsets_of(run)}
            assert len(list(fds.iterdir())) < 60


def test_filters(relay: Relay) -> None:
    batch_id, runs = start(relay, 2)
    for run in runs:
        recorded(run, 3)
    events, _ = read_all(relay, url(batch_id, types="workflow_started"))
    assert [e.event for e in events].count("message") == 2 and events[-1].event == "end"
    events, _ = read_all(relay, url(batch_id, exclude="log"))
    assert [e.event for e in events].count("message") == 4


def test_runs_that_are_removed_are_gone(relay: Relay) -> None:
    batch_id, runs = start(relay, 2)
    with Stream(relay, url(batch_id)) as stream:
        remove_run(runs[0])
        recorded(runs[1], 1)
        events = list(stream)
    assert [json.loads(e.data) for e in events if e.event == "gone"] == [{"run_id": runs[0].run_id}]
    assert json.loads(events[-1].data)["removed"] == 1


def test_cursors_of_others_are_refused(relay: Relay) -> None:
    batch_id, runs = start(relay, 2)
    for run in runs:
        recorded(run, 1)
    events, _ = read_all(relay, url(batch_id))
    other, _ = start(relay, 2)
    mark = events[0].id.partition("-")[0]
    for bad in (
        "12",
        f"{mark}-0_1-0:5",
        f"{mark}-7-",
        f"{mark}-0_99999999999-",
        f"{mark}-x-",
        f"{mark}--0:x",
        f"{mark}-" + "1" * 9000,
    ):
        assert relay.get("/stream", params={"batch": batch_id, "after": bad}).status_code == 400
    assert relay.get("/stream", params={"batch": other, "after": events[0].id}).status_code == 400


def _killed_in_the_midst(root: Path) -> None:
    inputs = [argv("echo", "x" * 5000) for _ in range(1000)]
    body = {"workflow": "command", "inputs": inputs, "batch_id": "half"}
    with running_relay(root) as relay:

        def ask() -> None:
            with contextlib.suppress(httpx.TransportError):
                relay.post("/batches", body)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until(lambda: len(list(root.glob("command-*"))) > 20, "the first runs")
        relay.process.kill()
        asking.join()


def test_leftovers_of_a_relay_that_died_while_it_made_one(tmp_path: Path) -> None:
    """SIGKILL in the midst: what it made is never started, and goes when the next relay starts."""
    for number in range(10):  # it may be done before this process is given the time to kill it
        root = tmp_path / str(number)
        root.mkdir()
        write_catalog(root, CATALOG)
        _killed_in_the_midst(root)
        if read_batch(root, "half") is None:
            break
    assert read_batch(root, "half") is None and len(list(root.glob("command-*"))) > 20
    with running_relay(root) as relay:
        assert nothing_there(root) and not list((root / "_batches").iterdir())
        assert start(relay, 2, batch_id="half")[0] == "half"
