"""The `command` workflow: any program, its output as events, its whole tree ended with the run."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from jsonschema import Draft202012Validator

import runlog
from runlog import Workspace
from runner.workflows.command import Command
from tests.support import (
    events,
    kill,
    receipts,
    records,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")


def start(root: Path, *argv: str, **params: Any) -> Workspace:
    return runlog.create_run(root, "command", params={"argv": list(argv)} | params)


def python(root: Path, code: str, **params: Any) -> Workspace:
    return start(root, sys.executable, "-c", code, **params)


def test_json_lines_are_relayed_as_they_are(root: Path) -> None:
    line = '{"type": "mine",  "n": 1e2, "text": "\\u00e9 \\ud800", "timestamp": "2025-01-19T10:30:45.123Z"}'
    run = python(root, f"print({line!r})")
    assert wait_for_end(run)["result"] == {"exit_code": 0}
    assert records(run)[1].line == line.encode()


def test_a_missing_timestamp_is_all_that_is_added(root: Path) -> None:
    run = start(root, "echo", '{"type":"mine","data":{"timestamp":1}}')
    wait_for_end(run)
    line = records(run)[1].line
    assert line.startswith(b'{"type":"mine","data":{"timestamp":1},"timestamp":"2')


def test_other_output_is_wrapped(root: Path) -> None:
    run = start(root, "printf", 'plain\\r\\n\\n{"no":"type"}\n[1]\n\\377\nlast')
    wait_for_end(run)
    logs = [e["message"] for e in events(run, "log")]
    assert logs == ["plain", '{"no":"type"}', "[1]", "\ufffd", "last"]


@pytest.mark.parametrize(
    "kind", ["workflow_completed", "workflow_xyz", "message_received", "permission_resolved"]
)
def test_reserved_lines_change_nothing(root: Path, kind: str) -> None:
    printed = {"type": kind, "message_id": "m", "state": "completed"}
    run = python(root, f"print({json.dumps(printed)!r}); raise SystemExit(3)")
    end = wait_for_end(run)
    assert (end["type"], end["exit_code"]) == ("workflow_failed", 3)
    assert events(run, kind) == []
    assert events(run, "log")[0]["data"]["line"] == printed


def test_progress_of_a_shell_script(root: Path) -> None:
    run = start(root, "echo", '{"type":"progress_update","progress":40,"message":"half","n":2}')
    wait_for_end(run)
    state = runlog.read_state(run)
    assert (state.progress, state.message, state.fields["n"]) == (40, "half", 2)


@pytest.mark.parametrize(
    ("argv", "reason", "told"),
    [
        (["sh", "-c", "echo because >&2; exit 1"], "exit_code", "because"),
        (["sh", "-c", "kill -9 $$"], "signal", "signal 9"),
        (["no-such-program"], "cannot_start", "no-such-program"),
        (["/etc/hostname"], "exit_code", "126"),
        (["echo", "x" * 200_000], "cannot_start", "too long"),
    ],
)
def test_failures_tell_why(root: Path, argv: list[str], reason: str, told: str) -> None:
    end = wait_for_end(start(root, *argv))
    assert (end["type"], end["reason"]) == ("workflow_failed", reason)
    assert told in end["error"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"argv": []},
        {"argv": "echo"},
        {"argv": ["echo"], "more": 1},
        {"argv": ["echo"], "input": "x"},
        {"argv": ["echo"], "env": {"A=": "b"}},
    ],
)
def test_bad_params(root: Path, params: dict[str, Any]) -> None:
    schema = Command.Params.model_json_schema()
    assert not Draft202012Validator(schema).is_valid(params), "the relay refuses them"
    end = wait_for_end(runlog.create_run(root, "command", params=params))
    assert (end["type"], end["reason"]) == ("workflow_failed", "bad_params")


def test_unknown_workflow(root: Path) -> None:
    end = wait_for_end(runlog.create_run(root, "no-such-workflow"))
    assert (end["reason"], "command" in end["error"]) == ("unknown_workflow", True)


def test_environment_is_an_allow_list(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json,os; print(json.dumps({'type':'env','env':dict(os.environ)}))"
    run = python(root, code, env={"MINE": "1"})
    wait_for_end(run)
    env = events(run, "env")[0]["env"]
    assert env["MINE"] == "1" and env["TAILCAST_INBOX"] == str(run.inbox)
    assert not {"PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER"} & env.keys()


def test_long_lines(root: Path) -> None:
    code = "print('{\"type\":\"big\",\"x\":\"' + 'y'*5_000_000 + '\"}'); print('z'*40_000_000); print('end')"
    run = python(root, code)
    wait_for_end(run)
    assert len(events(run, "big")[0]["x"]) == 5_000_000
    assert "was cut" in events(run, "log")[0]["message"]
    assert events(run, "log")[-1]["message"] == "end"


def test_inbox_by_standard_input(root: Path) -> None:
    code = (
        "import sys,json\n"
        "for line in sys.stdin:\n"
        "    m=json.loads(line); print(json.dumps({'type':'got','text':m.get('content')}), flush=True)\n"
        "    if m.get('content')=='bye': break"
    )
    run = python(root, code, input="stdin")
    wait_for(run, "workflow_started")
    for text in ("one", "two", "bye"):
        runlog.post(run, {"type": "message", "content": text, "id": text})
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert [e["text"] for e in events(run, "got")] == ["one", "two", "bye"]
    assert receipts(run, "one") == ["queued", "delivered"]


FAMILY = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
subprocess.Popen([sys.executable, "-c", "import os,time; os.setsid(); time.sleep(600)"])
subprocess.Popen([sys.executable, "-c",
    "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print('{"type":"ready"}', flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("anew", ["at once", "when its tree has gone"])
def test_a_run_whose_folder_is_removed_ends(root: Path, anew: str) -> None:
    """Nobody could reach it any more; and of another that is made under its id it knows nothing."""
    run = start(root, "sh", "-c", "trap '' TERM; sleep 600 & echo up; sleep 600; sleep 600")
    wait_for(run, "log", message="up")
    shutil.rmtree(run.path)
    if anew != "at once":
        wait_until(lambda: not tree_of(run), "the end of its tree")
    again = runlog.create_run(root, "command", params={"argv": ["echo"]}, run_id=run.run_id)
    assert wait_for_end(again)["type"] == "workflow_completed"
    assert [e["type"] for e in events(again)] == ["workflow_started", "workflow_completed"]


def test_stop_ends_the_whole_tree(root: Path) -> None:
    run = python(root, FAMILY)
    wait_for(run, "ready")
    wait_until(lambda: len(tree_of(run)) >= 6, "all of its tree")
    runlog.post(run, {"type": "stop"})
    end = wait_for_end(run)
    assert end["type"] == "workflow_stopped"
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_what_a_command_leaves_behind_ends_with_it(root: Path) -> None:
    run = python(
        root,
        FAMILY.replace("time.sleep(600)\n", "sys.exit(0)\n", 2).replace("\ntime.sleep(600)", ""),
    )
    assert wait_for_end(run)["type"] in ("workflow_completed", "workflow_failed")
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_killed_guard_ends_the_run_and_its_tree(root: Path) -> None:
    run = python(root, FAMILY)
    wait_for(run, "ready")
    run_pid = wait_for(run, "workflow_started")["pid"]
    (guard,) = psutil.Process(run_pid).children()
    kill(guard.pid)
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_failed", "signal")
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_killed_run_process_takes_its_tree_along(root: Path) -> None:
    run = python(root, FAMILY)
    wait_for(run, "ready")
    kill(wait_for(run, "workflow_started")["pid"])
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_failed", "lost")
    assert not tree_of(run)
    assert runlog.run_status(run) == "failed"


def test_command_can_not_be_resumed(root: Path) -> None:
    run = start(root, "true")
    wait_for_end(run)
    wait_until(lambda: not tree_of(run), "its process to end")
    runlog.post(run, {"type": "message", "content": "more", "id": "m", "resume": True})
    end = wait_for_end(run, attempt=2)
    assert (end["type"], end["reason"]) == ("workflow_failed", "not_resumable")
    assert receipts(run, "m")[-1] == "dropped"
    assert len(events(run, "workflow_started")) == 2


@pytest.mark.parametrize("padding", [0, 300])
def test_an_inbox_that_was_replaced_while_the_run_stood_still(root: Path, padding: int) -> None:
    code = (
        "import json, sys\n"
        "for line in sys.stdin: print(json.dumps({'type': 'got', 'id': json.loads(line)['id']}), flush=True)"
    )
    run = python(root, code, input="stdin")
    pid = wait_for(run, "workflow_started")["pid"]
    runlog.post(run, {"type": "message", "content": "x" * 200, "id": "a"})
    wait_for(run, "got", id="a")
    os.kill(pid, signal.SIGSTOP)
    other = run.path / "other"
    said = [
        {"id": "b", "content": "y" * padding},
        {"id": "a", "content": "x"},
        {"id": "c", "content": "z"},
    ]
    other.write_bytes(
        b"".join(runlog.encode({"type": "message"} | line) for line in said[1 - bool(padding) :])
    )
    other.rename(run.inbox)
    os.kill(pid, signal.SIGCONT)
    wait_for(run, "got", id="c")
    expected = ["a", "b", "c"] if padding else ["a", "c"]
    assert [event["id"] for event in events(run, "got")] == expected
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"
