"""A stop: what is still queued begins no turn any more, and an agent that stands still keeps nobody waiting."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from tests.runner.claude_runs import (
    QUESTION,
    cli_pid,
    control,
    receipt,
    say,
    start,
)
from tests.support import (
    bash,
    events,
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

NEXT = script({"text": "a turn that nobody wants"})


def at_a_tool(root: Path) -> Workspace:
    run = start(root, script({"tools": [wait_tool(root / "never")]}, {"text": "no"}))
    wait_for_tool(run)
    return run


def at_a_permission(root: Path) -> Workspace:
    steps = script({"tools": [bash("touch a")]}, {"text": "no"})
    run = start(root, steps, interactive=True, allowed_tools=[])
    wait_for(run, "permission_requested")
    return run


def at_a_question(root: Path) -> Workspace:
    asked = {"name": "AskUserQuestion", "input": {"questions": [QUESTION]}}
    run = start(root, script({"tools": [asked]}, {"text": "no"}), ask_permissions=True)
    wait_for(run, "questions_presented")
    return run


@pytest.mark.parametrize("begin", [at_a_tool, at_a_permission, at_a_question])
@pytest.mark.parametrize("delivery", ["steer", "queue"])
def test_what_is_queued_begins_no_turn(
    root: Path, begin: Callable[[Path], Workspace], delivery: str
) -> None:
    run = begin(root)
    for name in ("m1", "m2"):
        say(run, NEXT, name, delivery=delivery)
        if delivery == "steer":
            wait_for(run, "command_lifecycle", command_uuid=name, state="queued")
        else:
            receipt(run, name, "queued")
    stop = control(run, "stop")
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    for name in ("m1", "m2"):
        assert receipts(run, name) == ["queued", "dropped"]
        assert receipt(run, name, "dropped")["reason"] == "stopped"
        assert not [e for e in events(run, "user") if e.get("uuid") == name]
    assert receipts(run, stop) == ["completed"]
    assert [e["subtype"] for e in events(run, "result")] == ["error_during_execution"]
    assert end["stats"]["turns"] == 1


def test_message_to_an_agent_that_stands_still_is_asked_back_in_vain(root: Path) -> None:
    """What waits for the agent's word keeps neither further lines nor a stop waiting, and fails no run."""
    run = at_a_tool(root)
    say(run, NEXT, "m1")
    wait_for(run, "command_lifecycle", command_uuid="m1", state="queued")
    os.kill(cli_pid(run), signal.SIGSTOP)
    cancel = runlog.cancel_message(run, "m1").message_id
    say(run, NEXT, "m2", delivery="queue")
    receipt(run, "m2", "queued")
    assert receipts(run, cancel) == []
    stop = control(run, "stop")
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    told = [e["message_id"] for e in events(run, "message_received") if e["state"] != "queued"]
    assert told.index(stop) < told.index(cancel)
    assert receipts(run, stop) == ["completed"]
    assert receipts(run, cancel) == ["dropped"]
    assert receipts(run, "m1") == receipts(run, "m2") == ["queued", "dropped"]
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_messages_that_a_graph_has_not_begun(root: Path) -> None:
    made = Path(__file__).parents[1] / "e2e" / "graphs.py"
    run = runlog.create_run(root, "langgraph", prompt="hello", params={"graph": f"{made}:graph"})
    wait_for(run, "questions_presented")
    for name in ("m1", "m2"):
        say(run, "later", name)
        receipt(run, name, "queued")
    control(run, "stop")
    assert wait_for_end(run)["type"] == "workflow_stopped"
    assert (
        receipt(run, "m1", "dropped")["reason"]
        == receipt(run, "m2", "dropped")["reason"]
        == "stopped"
    )
