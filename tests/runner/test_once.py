"""A message is taken once: where the run process dies between reading and receipt, and by any clock."""

import os
import signal
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from runner.supervise.lost import end_run
from tests.runner.claude_runs import say, start
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


def read_in_log(run: Workspace, message_id: str) -> list[runlog.Event]:
    return [e for e in events(run, "user") if e.get("uuid") == message_id]


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("proof", ["command_lifecycle", "user"])
def test_read_and_then_killed_before_the_receipt(root: Path, proof: str) -> None:
    run = start(
        root,
        script(
            {"tools": [wait_tool(root / "go")]},
            {"tools": [wait_tool(root / "never")]},
            {"text": "no"},
        ),
    )
    wait_for_tool(run)
    say(run, "once", "m1")
    wait_for(run, "command_lifecycle", command_uuid="m1", state="queued")
    pid = wait_for(run, "workflow_started")["pid"]
    os.kill(pid, signal.SIGSTOP)
    (root / "go").touch()
    if proof == "user":
        wait_for(run, "user", uuid="m1", isReplay=True)

    else:
        wait_for(run, "command_lifecycle", command_uuid="m1", state="started")
    assert receipts(run, "m1") == ["queued"]
    kill(pid)
    assert wait_for_end(run)["reason"] == "lost"
    assert (
        receipts(run, "m1")[:2] == ["queued", "delivered"] or receipts(run, "m1")[-1] == "completed"
    )
    with pytest.raises(runlog.RunFinished, match="already"):
        runlog.cancel_message(run, "m1")
    wait_until(lambda: not tree_of(run), "the tree to be gone")
    say(run, script({"text": "on"}), "m2", resume=True)
    assert wait_for_end(run, attempt=2)["type"] == "workflow_completed"
    assert len(read_in_log(run, "m1")) == len(read_in_log(run, "m2")) == 1
    assert receipts(run, "m1").count("queued") == 1


@pytest.mark.parametrize("time", ["", '"timestamp":"2001-01-01T00:00:00.000Z",'])
@pytest.mark.parametrize("after", [True, False])
def test_resume_after_the_start_waits_whatever_its_time(root: Path, time: str, after: bool) -> None:
    """Of a run process that died: what came before its start it could not take, what came after is still to come."""
    run = runlog.create_run(root, "claude", prompt="hello")
    line = f'{{{time}"type":"message","content":"go on","resume":true}}\n'
    if not after:
        run.inbox.write_text(line)
    began = run.inbox.stat().st_size if run.inbox.exists() else 0
    told = {"type": "workflow_started", "timestamp": runlog.now_iso(), "run_id": run.run_id}
    told |= {"workflow": "claude", "params": {}, "pid": 1, "attempt": 1, "inbox_offset": began}
    runlog.append_lines(run.stream, runlog.encode(told))
    if after:
        run.inbox.write_text(line)
    assert end_run(run, "workflow_failed", "lost", "it died")
    assert runlog.run_status(run) == ("queued" if after else "failed")
    assert [e["state"] for e in events(run, "message_received")] == ([] if after else ["dropped"])
