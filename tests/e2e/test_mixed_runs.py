"""Twenty runs of every kind, posted at once to a runner with four slots: each ends as it should."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runlog import RunId, Workspace
from tests.e2e.conftest import House, relay_of, runner_of
from tests.e2e.listener import Listener, ours
from tests.support import bash, most_at_once, script

ENDLESS = {"min_sleep_s": 600, "max_sleep_s": 600}
SHORT = {"min_sleep_s": 0.1, "max_sleep_s": 0.3, "count": 2}
GRAPH = {"graph": "graphs.py:graph", "app_dir": str(Path(__file__).parent)}
DONE, FAILED, STOPPED = "completed", "failed", "stopped"

# name -> the body of its POST, how it ends, and why
RUNS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "echo": ({"workflow": "command", "params": {"argv": ["echo", "hi"]}}, DONE, None),
    "true": ({"workflow": "command", "params": {"argv": ["true"]}, "priority": 5}, DONE, None),
    "false": ({"workflow": "command", "params": {"argv": ["false"]}}, FAILED, "exit_code"),
    "nothing": (
        {"workflow": "command", "params": {"argv": ["no-such-thing"]}},
        FAILED,
        "cannot_start",
    ),
    "deployed": ({"deployment": "greet"}, DONE, None),
    "deployed-too": ({"deployment": "greet"}, DONE, None),
    "monty": ({"workflow": "monty", "params": SHORT}, DONE, None),
    "monty-too": ({"workflow": "monty", "params": SHORT | {"seed": 3}}, DONE, None),
    "too-long": (
        {"workflow": "monty", "params": ENDLESS, "limits": {"wall_time_s": 1}},
        FAILED,
        "wall_time_s",
    ),
    "too-much": (
        {"workflow": "command", "params": {"argv": ["yes"]}, "limits": {"output_bytes": 10_000}},
        FAILED,
        "output_bytes",
    ),
    "research": (
        {"workflow": "research", "prompt": "tides", "params": {"breadth": 2, "task_retries": 0}},
        DONE,
        None,
    ),
    "design": (
        {"workflow": "design", "prompt": "a shed", "params": {"question_timeout_s": 0.3}},
        DONE,
        None,
    ),
    "design-alone": (
        {"workflow": "design", "prompt": "a hut", "params": {"ask_after": []}},
        DONE,
        None,
    ),
    "claude": ({"workflow": "claude", "prompt": "hello"}, DONE, None),
    "claude-tool": (
        {
            "workflow": "claude",
            "prompt": script({"tools": [bash("echo hi > made.txt")]}, {"text": "made"}),
            "params": {"allowed_tools": ["Bash"]},
        },
        DONE,
        None,
    ),
    "claude-refused": (
        {"workflow": "claude", "prompt": script({"status": 400, "error": "no such luck"})},
        FAILED,
        "api_error",
    ),
    "chat": ({"workflow": "chat", "prompt": "hi", "params": {"idle_timeout_s": 0.3}}, DONE, None),
    "graph": (
        {"workflow": "langgraph", "prompt": "hi", "params": GRAPH | {"question_timeout_s": 0.3}},
        DONE,
        None,
    ),
    "stopped-at-work": (
        {"workflow": "monty", "params": ENDLESS, "priority": 10},
        STOPPED,
        "stop",
    ),
    # Stands behind all the others, so it never begins.
    "stopped-in-the-queue": (
        {"workflow": "command", "params": {"argv": ["true"]}, "priority": -100},
        STOPPED,
        "stopped before it began",
    ),
}


@pytest.fixture
def house(root: Path) -> Iterator[House]:
    root.mkdir(mode=0o700)
    with runner_of(root, "--max-running", "4"), relay_of(root, 0) as house:
        greet = {"workflow": "command", "params": {"argv": ["echo", "hello"]}}
        house.client.put("/api/v1/deployments/greet", json=greet).raise_for_status()
        yield house


@pytest.mark.timeout(600)
def test_twenty_mixed_runs_in_four_slots(house: House) -> None:
    assert len(RUNS) == 20
    runs = {name: Workspace(house.root, RunId(name)) for name in RUNS}

    def post(name: str) -> int:
        body = RUNS[name][0] | {"run_id": name}
        return house.client.post("/api/v1/workflows", json=body).status_code

    *first, last = RUNS
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(post, first)) == {201}
    assert post(last) == 201  # with all the others before it
    # At once, while all the others stand before it.
    house.client.post("/api/v1/workflows/stopped-in-the-queue/stop").raise_for_status()
    with ExitStack() as listening:
        told = {name: listening.enter_context(Listener(house, run)) for name, run in runs.items()}
        told["stopped-at-work"].wait_for("progress_update")
        house.client.post("/api/v1/workflows/stopped-at-work/stop").raise_for_status()
        ends = {name: told[name].to_end(RUNS[name][1])[-1] for name in RUNS}
    assert {name: end.get("reason") for name, end in ends.items()} == {
        name: reason for name, (_, _, reason) in RUNS.items()
    }
    # "design" gives its slot away while it asks.
    assert most_at_once(runs[name] for name in RUNS if name != "stopped-in-the-queue") in (4, 5)
    assert ours(told["stopped-in-the-queue"].events) == ["message_received", "workflow_stopped"]
    rows = house.client.get("/api/v1/workflows").json()["runs"]
    assert {row["run_id"]: row["status"] for row in rows} == {n: r[1] for n, r in RUNS.items()}
    statistics = house.client.get("/api/v1/deployments/greet").json()["statistics"]
    assert statistics["runs"] == 2
