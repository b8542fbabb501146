"""Runs that rest are parked: no process at all, until something comes for them."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from claude_runs import control, cli_pid, receipt, say, texts
from conftest import runner_process

import runlog
from runlog import Workspace, is_locked, run_status
from runlog.run.status import read_state, summarize
from runner.supervise.supervisor import runner_is_active
from tests.support import (
    bash,
    end_runs,
    events,
    receipts,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")


def chat(root: Path, prompt: str | None, *, park_after_s: float = 0.2, **fields: Any) -> Workspace:
    params = {"allowed_tools": ["Bash"]} | fields.pop("params", {})
    return runlog.create_run(
        root,
        "claude",
        prompt=prompt,
        interactive=True,
        params=params,
        park_after_s=park_after_s,
        **fields,
    )


def parked(run: Workspace, count: int = 1) -> dict[str, Any]:
    """Wait until it was parked `count` times, and is."""

    def is_parked() -> dict[str, Any] | None:
        told = events(run, "workflow_parked")
        return told[count - 1] if len(told) >= count and not is_locked(run.lock) else None

    found: dict[str, Any] = wait_until(is_parked, f"{run.run_id} parked {count} times")
    return found


@pytest.mark.claude
def test_a_chat_is_parked_and_a_message_takes_it_up(root: Path) -> None:
    run = chat(root, "one", params={"model": "claude-opus-4-1"})
    wait_until(lambda: run_status(run) == "waiting", "the first turn")
    first = parked(run)
    assert first["until"] is None
    assert not tree_of(run)
    assert run_status(run) == "waiting"
    row = summarize(run)
    assert (row.status, row.waiting_for, row.parked) == ("waiting", "message", True)

    model = control(run, "set_model", model="claude-sonnet-4-5")
    receipt(run, model, "completed")
    parked(run, 2)
    say(run, "two", "m2")
    receipt(run, "m2", "completed")
    assert texts(run) == ["one", "two"]
    assert receipts(run, "m2") == ["queued", "delivered", "completed"]
    state = read_state(run)
    assert len({e["session_id"] for e in events(run, "assistant")}) == 1
    assert (state.attempt, state.turn.number if state.turn else None) == (1, 2)
    inits = [e for e in events(run, "system") if e.get("subtype") == "init"]
    assert inits[-1]["model"] == "claude-sonnet-4-5"
    assert len(events(run, "workflow_started")) == 1

    parked(run, 3)
    runlog.post(run, {"type": "stop"})
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    assert len(events(run, "workflow_unparked")) == 2  # for the model, and the message
