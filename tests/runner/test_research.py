"""The `research` workflow on the real SDK and CLI, with the scripted model behind them."""

from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Event, Workspace
from runner.workflows.samples.research_plan import TaskParams, given_plan, standard_plan
from tests.support import (
    events,
    kill,
    receipts,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_tool,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")
GRACE_S = 20.0

BROKEN = script({"status": 400, "error": "no such luck"})


def start(root: Path, prompt: str = "tides", **params: Any) -> Workspace:
    params = {"task_retries": 0} | params
    return runlog.create_run(root, "research", prompt=prompt, params=params)


def task(key: str, prompt: str | None = None, *after: str) -> dict[str, Any]:
    prompt = prompt or script({"text": f"finding of {key}"})
    return {"id": key, "name": f"Task {key}", "prompt": prompt, "depends_on": list(after)}


def order(run: Workspace, *event_types: str) -> list[tuple[str, Any]]:
    """The events of these types, each with the task or iteration it is about."""
    return [
        (e["type"], e.get("task_id") or e.get("iteration"))
        for e in events(run)
        if e["type"] in event_types
    ]


def progress(run: Workspace) -> list[float]:
    return [e["progress"] for e in events(run) if e.get("progress") is not None]


def spent(run: Workspace) -> list[Event]:
    return events(run, "result")


def test_a_standard_plan_from_start_to_report(root: Path) -> None:
    run = start(root, breadth=2, depth=2, parallel=2)
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed", end
    told = order(run, "iteration_started", "iteration_completed", "task_started", "task_completed")
    assert [one for one in told if one[0].startswith("iteration")] == [
        ("iteration_started", 1),
        ("iteration_completed", 1),
        ("iteration_started", 2),
        ("iteration_completed", 2),
    ]
    (plan,) = events(run, "steps_planned")
    assert [step["id"] for step in plan["steps"]] == ["t1-1", "t1-2", "t2-1", "t2-2", "report"]
    assert plan["steps"][2]["depends_on"] == ["t1-1", "t1-2"]
    assert (end["stats"]["steps_done"], end["stats"]["steps_total"]) == (5, 5)
    ended = told.index(("iteration_completed", 1))
    assert {key for kind, key in told[:ended] if kind == "task_completed"} == {"t1-1", "t1-2"}
    assert {key for kind, key in told[ended:] if kind == "task_started"} == {"t2-1", "t2-2"}
    assert progress(run) == sorted(progress(run)) and progress(run)[-1] == 100
    # The scripted model repeats what it was asked: the report was asked of the findings of all.
    assert end["result"].startswith("# Topic\n\ntides")
    assert (run.files / "report.md").read_text() == end["result"].rstrip() + "\n"
    assert len({e["session_id"] for e in spent(run)}) == 5
    told_sessions = {e["data"]["session_id"] for e in events(run, "task_progress")}
    assert len(told_sessions) == 4 and told_sessions < {e["session_id"] for e in spent(run)}
    costs = [e["total_cost_usd"] for e in spent(run)]
    assert end["stats"]["cost_usd"] == pytest.approx(sum(costs), abs=1e-5)
    assert end["stats"]["tasks_completed"] == 4


def test_given_tasks_one_by_one_in_their_order(root: Path) -> None:
    tasks = [task("c", None, "a", "b"), task("b", None, "a"), task("a")]
    tasks[0]["prompt"] = "sum up"  # no script: it repeats what it is told
    run = start(root, tasks=tasks, parallel=1)
    wait_for_end(run)
    assert order(run, "task_started", "task_completed") == [
        (kind, key) for key in "abc" for kind in ("task_started", "task_completed")
    ]
    last = events(run, "task_completed")[-1]
    assert last["data"]["finding"].startswith("# Findings so far\n\n## Task a\n\nfinding of a")
    assert events(run, "task_started")[-1]["data"] == {"iteration": 3, "depends_on": ["a", "b"]}


def test_parallel_tasks_run_side_by_side(root: Path, tmp_path: Path) -> None:
    gates = {key: tmp_path / key for key in "abc"}
    tasks = [
        task(key, script({"tools": [wait_tool(gate)]}, {"text": f"finding of {key}"}))
        for key, gate in gates.items()
    ]
    run = start(root, tasks=tasks, parallel=2, allowed_tools=["Bash"])
    wait_for_tool(run, 2)
    assert order(run, "task_started") == [("task_started", "a"), ("task_started", "b")]
    gates["b"].touch()
    wait_for(run, "task_started", task_id="c")
    assert order(run, "task_completed") == [("task_completed", "b")]
    gates["a"].touch()
    gates["c"].touch()
    assert wait_for_end(run)["type"] == "workflow_completed"


def test_a_failed_task_fails_the_run(root: Path) -> None:
    run = start(root, tasks=[task("a", BROKEN), task("b", None, "a")])
    end = wait_for_end(run)
    assert (end["type"], end["reason"], end["task_id"]) == ("workflow_failed", "task_failed", "a")
    assert "no such luck" in end["error"]
    assert [key for _, key in order(run, "task_started")] == ["a"]
    assert events(run, "task_failed")[0]["data"]["skipped"] is False
    assert not (run.files / "report.md").exists()


def test_a_failed_task_is_skipped(root: Path) -> None:
    run = start(root, tasks=[task("a", BROKEN), task("b", "go on", "a")], on_task_failure="skip")
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed"
    assert events(run, "task_failed")[0]["data"]["skipped"] is True
    assert "this task failed" in events(run, "task_completed")[0]["data"]["finding"]
    assert "Task a" in end["result"]
    assert (end["stats"]["tasks_completed"], end["stats"]["tasks_failed"]) == (1, 1)


def test_when_all_fail_there_is_no_report(root: Path) -> None:
    run = start(root, tasks=[task("a", BROKEN)], on_task_failure="skip")
    assert wait_for_end(run)["reason"] == "no_findings"


def test_a_task_that_takes_too_long_is_tried_again(root: Path, tmp_path: Path) -> None:
    for task_timeout_s in (4, 12, 36):  # a busy machine may need more for the second try, too
        gate = tmp_path / f"gate-{task_timeout_s}"
        steps = script({"tools": [wait_tool(gate)]}, {"text": "in the end"})
        run = start(
            root,
            tasks=[task("a", steps)],
            allowed_tools=["Bash"],
            task_timeout_s=task_timeout_s,
            task_retries=1,
        )
        failed = wait_until(
            lambda run=run: [e for e in events(run, "task_progress") if e["data"].get("reason")],
            "a retry",
        )[0]
        assert failed["data"] == {"attempt": 1, "reason": "timeout"}
        assert "try 1 of 2 failed" in failed["message"]
        gate.touch()
        end = wait_for_end(run)
        if end["type"] == "workflow_completed":
            break
    assert end["type"] == "workflow_completed", end
    assert events(run, "task_completed")[0]["data"]["finding"] == "in the end"


def test_stopped_early_without_waiting(root: Path, tmp_path: Path) -> None:
    steps = script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "never"})
    run = start(root, tasks=[task("a", steps), task("b", steps)], allowed_tools=["Bash"])
    wait_for_tool(run, 2)
    runlog.post(run, {"type": "stop", "id": "s"})
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    assert end["duration_s"] > 0
    wait_until(lambda: not tree_of(run), "the end of its processes")
    assert events(run)[-1] == end


def test_what_was_done_is_kept_after_sigkill(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    steps = script({"tools": [wait_tool(gate)]}, {"text": "finding of b"})
    run = start(root, tasks=[task("a"), task("b", steps, "a")], allowed_tools=["Bash"])
    wait_for_tool(run)
    kill(events(run, "workflow_started")[0]["pid"])
    assert wait_for_end(run)["reason"] == "lost"
    gate.touch()
    runlog.post(run, {"type": "message", "content": "go on", "resume": True, "id": "again"})
    assert wait_for_end(run, attempt=2)["type"] == "workflow_completed"
    assert [key for _, key in order(run, "task_started")] == ["a", "b", "b"]
    assert [key for _, key in order(run, "iteration_completed")] == [1, 2]
    assert receipts(run, "again") == ["queued", "completed"]


def test_paused_between_two_tasks(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    steps = script({"tools": [wait_tool(gate)]}, {"text": "finding of a"})
    tasks = [task("a", steps), task("b", None, "a")]
    run = start(root, tasks=tasks, allowed_tools=["Bash"])
    wait_for_tool(run)
    runlog.post(run, {"type": "pause"})
    wait_for(run, "workflow_paused")
    gate.touch()
    wait_for(run, "task_completed", task_id="a")
    runlog.post(run, {"type": "message", "content": "hello?", "id": "m"})
    wait_for(run, "message_received", message_id="m", state="dropped")
    assert [key for _, key in order(run, "task_started")] == ["a"]
    runlog.post(run, {"type": "resume"})
    assert wait_for_end(run)["type"] == "workflow_completed"


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], "in a cycle: a -> b -> c -> a"),
        ([("a", "a")], "in a cycle: a -> a"),
        ([("a", "x")], "'a' depends on 'x', which is not there"),
        ([("a",), ("a",)], "two have the id 'a'"),
    ],
)
def test_a_plan_that_can_not_be_worked_off(
    root: Path, tasks: list[tuple[str, ...]], told: str
) -> None:
    run = start(root, tasks=[task(key, "x", *after) for key, *after in tasks])
    end = wait_for_end(run)
    assert end["reason"] == "bad_params"
    assert told in end["error"] and "params.tasks" in end["error"]
    assert events(run, "task_started") == []


def test_plans() -> None:
    plan = standard_plan("x", breadth=9, depth=2)
    assert [t.iteration for t in plan] == [1] * 9 + [2] * 9
    assert set(plan[-1].depends_on) == {t.id for t in plan[:9]}
    given = given_plan(
        [
            TaskParams(id="c", prompt="c", depends_on=["b", "b"]),
            TaskParams(id="b", prompt="b"),
        ]
    )
    assert [(t.id, t.name, t.depends_on, t.iteration) for t in given] == [
        ("b", "b", (), 1),
        ("c", "c", ("b",), 2),
    ]
