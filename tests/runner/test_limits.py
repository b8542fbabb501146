"""Limits of real runs: each ends its run as `failed` with its name, and the whole tree with it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import RunFinished, Workspace
from runlog.disk.records import from_iso
from runlog.run.limits import LIMITS, parse_limit
from tests.runner.conftest import RUNNER, runner_process
from tests.support import (
    bash,
    events,
    receipts,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_tool,
    wait_until,
)

# Prints a line each 50 ms for two seconds, and then nothing more.
TALKS = "import time\nfor _ in range(40): print('.', flush=True); time.sleep(0.05)\ntime.sleep(600)"
CALLS = script(*({"tools": [bash(f"echo {number}")]} for number in range(6)), {"text": "done"})


def command(root: Path, *argv: str, **limits: float) -> Workspace:
    return runlog.create_run(root, "command", params={"argv": list(argv)}, limits=limits)


def claude(root: Path, prompt: str, *, interactive: bool = False, **limits: float) -> Workspace:
    return runlog.create_run(
        root,
        "claude",
        prompt=prompt,
        interactive=interactive,
        params={"allowed_tools": ["Bash"]},
        limits=limits,
    )


def ended_by(run: Workspace, name: str, attempt: int = 1) -> dict[str, Any]:
    """Its terminal line, which names the limit; nothing of the run is left."""
    end = wait_for_end(run, attempt=attempt)
    assert (end["type"], end["reason"]) == ("workflow_failed", name), end
    assert end["reached"] > end["limit"]
    assert name in end["error"]
    assert runlog.summarize(run).reason == name
    wait_until(lambda: not tree_of(run), "the tree to be gone")
    return end


@pytest.mark.usefixtures("runner")
def test_wall_time_ends_the_whole_tree(root: Path) -> None:
    stubborn = "trap '' TERM; setsid sleep 600 & (sleep 600 &) ; echo started; sleep 600; sleep 600"
    end = ended_by(command(root, "sh", "-c", stubborn, wall_time_s=0.5), "wall_time_s")
    assert end["limit"] == 0.5
    assert 0.5 < end["reached"] < end["duration_s"]


def test_time_in_the_queue_does_not_count(root: Path) -> None:
    run = command(root, "echo", "hello", wall_time_s=600, idle_time_s=600)
    manifest = json.loads(run.manifest.read_text()) | {"created_at": "2025-01-19T10:30:45.123Z"}
    run.manifest.write_text(json.dumps(manifest))
    with runner_process(root, 4):
        assert wait_for_end(run)["type"] == "workflow_completed"


@pytest.mark.usefixtures("runner")
def test_idle_command_is_ended(root: Path) -> None:
    run = command(root, sys.executable, "-c", TALKS, idle_time_s=1)
    end = ended_by(run, "idle_time_s")
    said = [from_iso(event["timestamp"]) for event in events(run, "log")]
    assert said, "a second is enough to begin"
    silent_s = (from_iso(end["timestamp"]) - said[-1]).total_seconds()
    assert silent_s >= 0.99, "counted from its last line, not from its beginning"


@pytest.mark.usefixtures("runner")
def test_waiting_for_a_person_is_not_idle(root: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        'print(\'{"type":"progress_update","status":"waiting"}\', flush=True)\n'
        "while not os.path.exists(sys.argv[1]): time.sleep(0.05)\n"
        'print(\'{"type":"progress_update","status":"working"}\', flush=True)\n'
        "time.sleep(600)"
    )
    run = command(root, sys.executable, "-c", code, str(tmp_path / "go"), idle_time_s=3)
    wait_until(lambda: runlog.run_status(run) == "waiting", "waiting")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        assert runlog.run_status(run) == "waiting"
        time.sleep(0.1)
    (tmp_path / "go").touch()
    ended_by(run, "idle_time_s")
    assert len(events(run, "progress_update")) == 2


@pytest.mark.usefixtures("runner")
def test_paused_is_not_idle(root: Path) -> None:
    params = {"min_sleep_s": 0.1, "max_sleep_s": 0.1}
    run = runlog.create_run(root, "monty", params=params, limits={"idle_time_s": 3.0})
    wait_for(run, "progress_update")
    runlog.post(run, {"type": "pause"})
    wait_until(lambda: runlog.run_status(run) == "paused", "the pause")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        assert runlog.run_status(run) == "paused"
        time.sleep(0.1)
    runlog.post(run, {"type": "resume"})
    wait_for(run, "workflow_resumed")
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize(
    "argv",
    [
        ["yes"],
        ["sh", "-c", "trap '' TERM; yes & while :; do echo '{\"type\":\"x\"}'; done"],
    ],
)
def test_endless_output_is_ended_at_once(root: Path, argv: list[str]) -> None:
    run = command(root, *argv, output_bytes=1_000_000)
    ended_by(run, "output_bytes")
    assert 1_000_000 < run.stream.stat().st_size < 1_200_000


@pytest.mark.usefixtures("runner")
def test_output_that_was_over_before_anybody_looked(root: Path) -> None:
    run = command(root, sys.executable, "-c", "print('x' * 50_000)", output_bytes=10_000)
    ended_by(run, "output_bytes")


@pytest.mark.usefixtures("runner")
def test_within_its_limits_a_run_completes(root: Path) -> None:
    generous = dict.fromkeys(LIMITS, 1_000_000)
    run = command(root, "echo", "hello", **generous)
    assert wait_for_end(run)["type"] == "workflow_completed"


@pytest.mark.usefixtures("runner")
def test_cost_is_kept_in_the_middle_of_a_turn(root: Path) -> None:
    run = claude(root, CALLS, cost_usd=0.1)
    end = ended_by(run, "cost_usd")
    assert 0.1 < end["stats"]["cost_usd"] == end["reached"]
    assert end["stats"]["tool_calls"] < 6


@pytest.mark.usefixtures("runner")
def test_cost_over_several_turns(root: Path) -> None:
    run = claude(root, "first", interactive=True, cost_usd=0.1)
    for number in range(9):
        wait_until(lambda: runlog.run_status(run) != "running", "the end of a turn")
        if runlog.run_status(run) == "failed":
            break
        text = {"type": "message", "content": "next", "id": f"m-{number}"}
        try:
            runlog.post(run, text)
        except RunFinished:
            break
        wait_until(
            lambda n=number: {"completed", "dropped"} & set(receipts(run, f"m-{n}")),
            "a word about the message",
        )
    ended_by(run, "cost_usd")


@pytest.mark.usefixtures("runner")
def test_turns(root: Path) -> None:
    run = claude(root, CALLS, turns=2)
    end = ended_by(run, "turns")
    assert (end["limit"], end["reached"]) == (2, 3)
    assert end["stats"]["tool_calls"] == 2
    assert end["stats"]["cost_usd"] > 0


@pytest.mark.usefixtures("runner")
def test_turns_of_several_messages(root: Path) -> None:
    run = claude(root, "first", interactive=True, turns=2)
    wait_for(run, "result", result="first")
    runlog.post(run, {"type": "message", "content": "second"})
    wait_for(run, "result", result="second")
    runlog.post(run, {"type": "message", "content": script({"tools": [wait_tool(root / "never")]})})
    end = ended_by(run, "turns")
    assert end["stats"]["turns"] == 3
    assert end["stats"]["cost_usd"] > 0  # the last turn was asked to end, and told its cost


@pytest.mark.usefixtures("runner")
def test_as_many_turns_as_allowed(root: Path) -> None:
    run = claude(root, script({"tools": [bash("echo 1")]}, {"text": "done"}), turns=2)
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert runlog.read_state(run).turns == 2


@pytest.mark.usefixtures("runner")
def test_what_is_used_up_can_not_be_reopened(root: Path) -> None:
    run = claude(root, CALLS, turns=2)
    ended_by(run, "turns")
    size = run.stream.stat().st_size
    with pytest.raises(RunFinished, match="turns"):
        runlog.post(run, {"type": "message", "content": "go on", "resume": True})
    assert run.stream.stat().st_size == size
    assert not run.inbox.exists()


@pytest.mark.usefixtures("runner")
def test_time_begins_anew_when_a_run_is_reopened(root: Path) -> None:
    params = {"min_sleep_s": 600, "max_sleep_s": 600}
    run = runlog.create_run(root, "monty", params=params, limits={"wall_time_s": 1})
    ended_by(run, "wall_time_s")
    runlog.post(run, {"type": "message", "content": "once more", "resume": True})
    assert ended_by(run, "wall_time_s", attempt=2)["duration_s"] > 1


@pytest.mark.usefixtures("runner")
def test_result_of_a_graceful_end_is_kept(root: Path) -> None:
    params = {"min_sleep_s": 0.2, "max_sleep_s": 0.2}
    run = runlog.create_run(root, "monty", params=params, limits={"wall_time_s": 1.5})
    assert ended_by(run, "wall_time_s")["result"]["iteration_count"] >= 1


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("limits", [{"patience": 1}, {"wall_time_s": "soon"}, {"turns": 0}])
def test_limits_that_are_none(root: Path, limits: dict[str, Any]) -> None:
    """As somebody may write them into a run.json; over HTTP and by the command line they never come so far."""
    run = runlog.create_run(root, "command", params={"argv": ["true"]}, limits=limits)
    end = wait_for_end(run)
    assert end["reason"] == "bad_limit"
    assert next(iter(limits)) in end["error"]


def test_no_run_has_higher_limits_than_the_operator(root: Path) -> None:
    strict = RUNNER.replace("(grace_s, True)", "(grace_s, True, (), {'turns': 2})")
    assert strict != RUNNER
    with runner_process(root, 4, grace_s=20, program=strict):
        plain, more, less = (claude(root, CALLS, **own) for own in ({}, {"turns": 9}, {"turns": 1}))
        assert ended_by(plain, "turns")["limit"] == 2
        assert ended_by(more, "turns")["limit"] == 2
        assert ended_by(less, "turns")["limit"] == 1
        # Nobody but the runner knows of its limit: it ends the run as soon as it begins again.
        runlog.post(plain, {"type": "message", "content": "go on", "resume": True})
        ended_by(plain, "turns", attempt=2)
    types = [event["type"] for event in events(plain)]
    assert not {"system", "assistant"} & set(types[types.index("workflow_failed") :])


def test_parse() -> None:
    assert parse_limit("wall_time_s=0.5") == {"wall_time_s": 0.5}
    assert parse_limit("turns=3") == {"turns": 3}
    for wrong in (
        "",
        "turns",
        "turns=",
        "turns=1.5",
        "turns=-1",
        "cost_usd=inf",
        "cost_usd=nan",
        "cpu=1",
    ):
        with pytest.raises(runlog.BadLimit):
            parse_limit(wrong)
