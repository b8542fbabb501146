"""`send`, `cancel`, `interrupt`, `model`, `mode`, `pause`, `stop`: on the real CLI, with no server."""

import sys
from pathlib import Path

import pytest

from runlog import Workspace, create_run, run_status
from tests.support import (
    DEADLINE_S,
    events,
    kill,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_tool,
    wait_until,
)
from tests.tailcast.conftest import Cli, external, started

ALLOWED = {"allowed_tools": ["Bash"]}
HOLD = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def waiting_claude(root: Path, gate: Path, *more: dict[str, object], **asked: object) -> Workspace:
    """A run whose tool waits for the file `gate`."""
    prompt = script({"text": "wait", "tools": [wait_tool(gate)]}, *more)
    run = started(root, prompt=prompt, params=ALLOWED, run_id="talk", **asked)
    wait_for_tool(run)
    return run


def test_send_into_a_running_turn(cli: Cli, tmp_path: Path) -> None:
    run = waiting_claude(cli.root, tmp_path / "go", {"text": "heard: {{last_user}}"})
    done = cli("send", "talk", "the blue one", "--id", "m1")
    assert done.stdout == "m1 sent\n"
    assert "sent before" in cli("send", "talk", "the blue one", "--id", "m1").stdout
    with cli.popen("send", "talk", "-w", "--id", "m2", "--delivery", "queue", "later") as process:
        wait_for(run, "message_received", message_id="m2", state="queued")
        (tmp_path / "go").touch()
        told = process.stdout.read().decode()
        assert process.wait(DEADLINE_S) == 0
    assert "● heard: the blue one" in told
    assert "message m2 queued → delivered → completed" in told
    assert wait_for_end(run)["type"] == "workflow_completed"


def test_send_from_stdin_as_json(cli: Cli, tmp_path: Path) -> None:
    run = waiting_claude(cli.root, tmp_path / "go", {"text": "heard: {{last_user}}"})
    told = cli("send", "last", "-", "--json", told="several\nlines").stdout
    assert '"repeated":false' in told
    (tmp_path / "go").touch()
    assert "several\nlines" in wait_for_end(run)["result"]


def test_what_can_not_be_sent(cli: Cli) -> None:
    external(cli.root, {"type": "workflow_completed"})
    create_run(cli.root, "command", run_id="q")
    done = cli("send", "outside", "hello", code=2)
    assert "has ended" in done.stderr and "--resume" in done.stderr
    assert "empty" in cli("send", "q", " ", code=2).stderr
    assert "delivery" in cli("send", "q", "x", "--delivery", "pigeon", code=2).stderr
    assert "message id" in cli("send", "q", "x", "--id", "a b", code=2).stderr
    assert "can't be reopened" in cli("send", "q", "x", "--resume", code=2).stderr


def test_an_ended_run_is_reopened(cli: Cli) -> None:
    run = started(cli.root, prompt="first words", run_id="talk")
    wait_for_end(run)
    words = ["send", "talk", "second words", "--resume", "--scripted-model", "--wait"]
    told = cli(*words).stdout
    assert "claude started, attempt 2" in told
    assert "● second words" in told
    assert wait_for_end(run, attempt=2)["type"] == "workflow_completed"
    sessions = {e["session_id"] for e in events(run, "result")}
    assert len(sessions) == 1


def test_a_killed_run_is_reopened(cli: Cli, tmp_path: Path) -> None:
    run = waiting_claude(cli.root, tmp_path / "go", {"text": "after all"})
    kill(wait_for(run, "workflow_started")["pid"])
    wait_until(lambda: run_status(run) == "failed", "the loss")
    assert "lost" in cli("show", "talk").stdout
    (tmp_path / "go").touch()
    told = cli("send", "talk", "go on", "--resume", "--scripted-model", "--wait").stdout
    assert "attempt 2" in told and "completed" in told
    wait_for_end(run)


def test_cancel_takes_back_what_waits(cli: Cli, tmp_path: Path) -> None:
    run = waiting_claude(cli.root, tmp_path / "go", {"text": "done"})
    cli("send", "talk", "later", "--id", "m1", "--delivery", "queue")
    wait_for(run, "message_received", message_id="m1", state="queued")
    assert cli("cancel", "talk", "m1").stdout == "cancel: completed\n"
    assert "no message 'nope'" in cli("cancel", "talk", "nope", code=2).stderr
    (tmp_path / "go").touch()
    wait_for_end(run)
    last = wait_for(run, "message_received", message_id="m1", state="dropped")
    assert last["reason"] == "cancelled"


def test_interrupt_model_mode_and_what_claude_does_not_know(cli: Cli, tmp_path: Path) -> None:
    run = waiting_claude(cli.root, tmp_path / "go", interactive=True)
    assert cli("model", "talk", "claude-haiku-4-5").stdout == "set_model: completed\n"
    assert cli("mode", "talk", "plan").stdout == "set_permission_mode: completed\n"
    done = cli("pause", "talk", code=1)
    assert "can't be told to pause" in done.stderr
    assert cli("interrupt", "talk").stdout == "interrupt: completed\n"
    wait_until(lambda: run_status(run) == "waiting", "the end of the turn")
    (told,) = cli.json("interrupt", "talk", code=1)
    assert told["state"] == "dropped" and "no turn" in told["reason"]
    assert cli("stop", "talk", "--timeout", "80").stdout == "talk stopped\n"
    assert "has ended" in cli("interrupt", "talk", code=2).stderr


def test_stop_ends_the_tree(cli: Cli) -> None:
    run = started(cli.root, "command", params={"argv": HOLD}, run_id="one")
    wait_for(run, "log", message="up")
    assert cli.json("stop", "one", "--timeout", "80") == [{"run_id": "one", "status": "stopped"}]
    wait_until(lambda: not tree_of(run), "the end of its processes")
    assert "nothing to stop" in cli("stop", "one", code=2).stderr


def test_stop_several_and_all(cli: Cli) -> None:
    runs = [started(cli.root, "command", params={"argv": HOLD}, run_id=f"r{n}") for n in range(3)]
    for run in runs:
        wait_for(run, "log", message="up")
    external(cli.root, {"type": "log"})
    assert "was asked to stop" in cli("stop", "r0", "--no-wait").stdout
    wait_for_end(runs[0])
    done = cli("stop", "r0", "r1", "--timeout", "80")
    assert done.stdout == "r1 stopped\n" and "r0" in done.stderr
    assert cli("stop", "--all").stdout == "r2 stopped\n"
    assert run_status(external(cli.root)) == "running"
    cli("stop", "--all")


def test_a_queued_run_with_no_runner_is_ended_at_once(cli: Cli) -> None:
    run = create_run(cli.root, "command", params={"argv": HOLD}, run_id="one")
    assert cli("stop", "one").stdout == "one stopped\n"
    assert [e["type"] for e in events(run)] == ["message_received", "workflow_stopped"]


def test_stop_that_comes_to_nothing_is_told(cli: Cli) -> None:
    external(cli.root, {"type": "log"})
    done = cli("stop", "outside", "--timeout", "0.2", code=1)
    assert "has not ended" in done.stderr


@pytest.mark.parametrize("command", ["interrupt", "pause", "resume", "stop"])
def test_commands_to_a_run_that_was_never(cli: Cli, command: str) -> None:
    cli.root.mkdir()
    assert "no run" in cli(command, "nothing", code=2).stderr
