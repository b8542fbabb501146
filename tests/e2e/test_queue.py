"""The queue and the limits as people meet them: over HTTP and by the command line, on real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, create_run, run_status
from runner.supervise.supervisor import runner_is_active
from tests.e2e.conftest import House, relay_of, runner_of
from tests.forks import TAILCAST, Forked, run_forked
from tests.support import DEADLINE_S, ending, events, tree_of, wait_for, wait_for_end, wait_until

WAITS = (
    "import os, sys, time\n"
    'print(\'{"type":"ready"}\', flush=True)\n'
    "end = time.time() + 600\n"
    "while not os.path.exists(sys.argv[1]) and time.time() < end: time.sleep(0.01)"
)


@pytest.fixture
def queue(root: Path) -> Iterator[House]:
    """One slot."""
    root.mkdir(mode=0o700)
    with runner_of(root, "--max-running", "1"), relay_of(root, 0) as house:
        wait_until(lambda: runner_is_active(root), "the runner")
        yield house


def gated(house: House, gate: Path, **body: Any) -> Workspace:
    """A run that says `ready`, and ends when the file `gate` is there."""
    params = {"argv": [sys.executable, "-c", WAITS, str(gate)]}
    return house.start("command", params=params, **body)


def state(house: House, run: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = house.client.get(f"/api/v1/workflows/{run.run_id}").json()
    return found


def place(house: House, run: Workspace) -> int | None:
    found: int | None = state(house, run)["queue_position"]
    return found


def cli(house: House, *words: str) -> str:
    done = run_forked(TAILCAST, "--root", str(house.root), *words, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_highest_priority_first_then_oldest(queue: House, tmp_path: Path) -> None:
    first, rest = tmp_path / "first", tmp_path / "rest"
    holder = gated(queue, first)
    wait_for(holder, "ready")
    asked = (("low", -5), ("old", 0), ("new", 0), ("high", 7))
    runs = {name: gated(queue, rest, run_id=name, priority=number) for name, number in asked}
    order = ["high", "old", "new", "low"]

    def places() -> list[int | None]:
        return [place(queue, runs[name]) for name in order]

    assert place(queue, holder) is None
    wait_until(lambda: places() == [1, 2, 3, 4], "the places")
    rows = queue.client.get("/api/v1/workflows").json()["runs"]
    told = {row["run_id"]: row["queue_position"] for row in rows}
    assert told == {"high": 1, "old": 2, "new": 3, "low": 4, holder.run_id: None}
    listed = [json.loads(line) for line in cli(queue, "--json", "ls").splitlines()]
    assert {row["run_id"]: row["queue_position"] for row in listed} == told
    shown = {line.split()[0]: line for line in cli(queue, "ls").splitlines()}
    assert "queued 3" in shown["new"]
    assert "number 1, priority 7" in cli(queue, "show", "high")

    first.touch()
    wait_for(runs["high"], "ready")
    wait_until(lambda: places() == [None, 1, 2, 3], "the places to move up")
    rest.touch()
    begun = [(wait_for_end(run), events(run, "workflow_started")[0]) for run in runs.values()]
    assert {end["type"] for end, _ in begun} == {"workflow_completed"}
    assert [e["run_id"] for _, e in sorted(begun, key=lambda b: str(b[1]["timestamp"]))] == order


def test_stopped_while_queued_never_starts(queue: House, tmp_path: Path) -> None:
    gate, trace = tmp_path / "go", tmp_path / "trace"
    holder = gated(queue, gate)
    wait_for(holder, "ready")
    doomed = queue.start("command", params={"argv": ["touch", str(trace)]})
    behind = gated(queue, gate)
    wait_until(lambda: (place(queue, doomed), place(queue, behind)) == (1, 2), "the places")
    queue.client.post(f"/api/v1/workflows/{doomed.run_id}/stop").raise_for_status()
    assert wait_for_end(doomed)["type"] == "workflow_stopped"
    wait_until(lambda: place(queue, behind) == 1, "the place to move up")
    gate.touch()
    assert wait_for_end(behind)["type"] == "workflow_completed"
    assert not trace.exists()
    assert events(doomed, "workflow_started") == []


def test_bound_of_a_deployment_keeps_no_other_waiting(root: Path, tmp_path: Path) -> None:
    root.mkdir(mode=0o700)
    gate = tmp_path / "go"
    with runner_of(root, "--max-running", "3"), relay_of(root, 0) as house:
        body = {
            "workflow": "command",
            "params": {"argv": [sys.executable, "-c", WAITS, str(gate)]},
            "max_running": 1,
        }
        house.client.put("/api/v1/deployments/one-by-one", json=body).raise_for_status()
        answers = [
            house.client.post("/api/v1/workflows", json={"deployment": "one-by-one"})
            for _ in range(2)
        ]
        one, two = (Workspace(root, answer.json()["run_id"]) for answer in answers)
        wait_for(one, "ready")
        other = gated(house, gate)
        wait_for(other, "ready")  # though it came last, and a slot more is free
        assert run_status(two) == "queued"
        assert place(house, two) == 1
        # To be told of while it runs: what is bound is read anew.
        house.client.put(
            "/api/v1/deployments/one-by-one", json=body | {"max_running": 2}
        ).raise_for_status()
        wait_for(two, "ready")
        gate.touch()
        for run in (one, two, other):
            assert wait_for_end(run)["type"] == "workflow_completed"


def test_batch_that_is_being_made_is_held_back(root: Path, tmp_path: Path) -> None:
    root.mkdir(mode=0o700)
    gate = tmp_path / "go"
    params = {"argv": [sys.executable, "-c", WAITS, str(gate)]}
    early = [create_run(root, "command", params=params, batch_id="later") for _ in range(2)]
    with runner_of(root, "--max-running", "4"):
        free = create_run(root, "command", params=params)
        wait_for(free, "ready")
        assert [run_status(run) for run in early] == ["queued", "queued"]
        (root / "_batches").mkdir(mode=0o700, exist_ok=True)
        building = tmp_path / "later.json"
        run_ids = [run.run_id for run in early]
        building.write_text(
            json.dumps({"workflow": "command", "run_ids": run_ids, "max_running": 1})
        )
        building.rename(root / "_batches" / "later.json")
        wait_until(lambda: any(events(run, "ready") for run in early), "the first of the batch")
        # One at a time, as the batch says.
        assert sorted(map(run_status, early)) == ["queued", "running"]
        gate.touch()
        for run in (free, *early):
            assert wait_for_end(run)["type"] == "workflow_completed"


def test_limit_over_http(house: House) -> None:
    run = house.start("command", params={"argv": ["sleep", "600"]}, limits={"wall_time_s": 0.5})
    stream = house.client.get(f"/api/v1/workflows/{run.run_id}/stream").text
    assert stream.rstrip().endswith('event: end\ndata: {"status":"failed"}')
    told = state(house, run)
    assert (told["status"], told["reason"]) == ("failed", "wall_time_s")
    assert told["limits"] == {"wall_time_s": 0.5}
    assert told["output_bytes"] == run.stream.stat().st_size
    row = house.client.get("/api/v1/workflows").json()["runs"][0]
    assert (row["status"], row["reason"]) == ("failed", "wall_time_s")
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_used_up_run_is_not_reopened_over_http(house: House) -> None:
    run = house.start("claude", prompt="hello", limits={"cost_usd": 0.000_001})
    assert wait_for_end(run)["reason"] == "cost_usd"
    answer = house.say(run, "go on", resume=True)
    assert answer.status_code == 409
    assert "cost_usd" in answer.json()["detail"]
    assert len(events(run, "workflow_started")) == 1


def test_limit_of_the_operator(root: Path) -> None:
    words = ["--root", str(root), "serve", "--port", "0"]
    limits = ["--limit", "wall_time_s=0.7", "--limit", "turns=50"]
    with ending(Forked(TAILCAST, *words, *limits, stdout=subprocess.PIPE)) as serving:
        try:
            wait_until(lambda: runner_is_active(root), "the runner")
            runs = [
                create_run(root, "command", params={"argv": ["sleep", "600"]}, limits=own)
                for own in ({}, {"wall_time_s": 3600}, {"wall_time_s": 0.3})
            ]
            ends = [wait_for_end(run) for run in runs]
        finally:
            serving.terminate()
    assert [end["reason"] for end in ends] == ["wall_time_s"] * 3
    assert [end["limit"] for end in ends] == [0.7, 0.7, 0.3]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "command", "--limit", "patience=1", "--", "true"],
        ["run", "command", "--limit", "turns=0.5", "--", "true"],
        ["run", "command", "--priority", "101", "--", "true"],
        ["runner", "--limit", "wall_time_s=never"],
        ["serve", "--port", "0", "--limit", "wall_time_s"],
    ],
)
def test_refused_by_the_command_line(root: Path, words: list[str]) -> None:
    done = run_forked(TAILCAST, "--root", str(root), *words, timeout=DEADLINE_S)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert not list(root.glob("command-*"))


def test_limit_and_priority_by_the_command_line(root: Path) -> None:
    words = ["--root", str(root), "--json", "run", "command"]
    given = ["--limit", "wall_time_s=0.5", "--priority", "-3", "-f", "--", "sleep", "600"]
    done = run_forked(TAILCAST, *words, *given, timeout=DEADLINE_S)
    assert done.returncode == 1
    manifest = json.loads(next(root.glob("command-*/run.json")).read_text())
    assert (manifest["limits"], manifest["priority"]) == ({"wall_time_s": 0.5}, -3)
    assert json.loads(done.stdout.splitlines()[-1])["event"]["reason"] == "wall_time_s"
