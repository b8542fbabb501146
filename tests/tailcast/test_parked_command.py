"""Parked runs on the command line."""

import json
from pathlib import Path

from runlog import append_lines, create_run, encode, open_workspace, read_manifest, run_status
from runlog.groups.deployments import read_deployment
from tests.support import events
from tests.tailcast.conftest import Cli

ENDED = {
    "duration_s": 1,
    "until": None,
    "inbox_offset": 0,
    "stats": {"events": 1, "turns": 0, "tool_calls": 0, "attempt": 1},
}


def parked(root: Path, run_id: str) -> None:
    run = create_run(root, "chat", run_id=run_id, prompt="hello", park_after_s=5)
    time = "2025-01-19T10:30:45.123Z"
    for kind, fields in (
        ("workflow_started", {"workflow": "chat", "params": {}, "pid": 1, "attempt": 1}),
        ("workflow_parked", ENDED),
    ):
        event = {"type": kind, "timestamp": time, "run_id": run_id}
        append_lines(run.stream, encode(event | fields))


def test_a_parked_run_is_shown_spoken_to_and_stopped(cli: Cli) -> None:
    parked(cli.root, "one")
    assert cli("ls").stdout.splitlines()[1].split()[:3] == ["one", "chat", "parked"]
    (row,) = [json.loads(line) for line in cli("ls", "--json").stdout.splitlines()]
    assert (row["status"], row["parked"]) == ("waiting", True)
    shown = cli("show", "one").stdout
    assert "parked" in shown and "no process" in shown
    assert "parked" in cli("tail", "one").stdout
    assert json.loads(cli("show", "one", "--json").stdout)["park_after_s"] == 5

    sent = cli("send", "one", "hello", "--id", "m1")
    assert "a runner takes it up" in sent.stderr
    run = open_workspace(cli.root, "one")
    assert run_status(run) == "queued"

    # Nobody is at work here: who stops it ends it.
    assert cli("stop", "one").stdout.split() == ["one", "stopped"]
    assert events(run, "workflow_stopped")[0]["reason"] == "stop"
    assert [e["state"] for e in events(run, "message_received")] == ["dropped", "completed"]


def test_when_it_is_parked_is_told_at_the_start(cli: Cli) -> None:
    cli("deployments", "put", "kept", "--workflow", "command", "--param", 'argv=["true"]',
        "--park-after-s", "0")  # fmt: skip
    assert read_deployment(cli.root, "kept").park_after_s == 0
    assert "never" in cli("deployments", "show", "kept").stdout
    for words, counts in (((), 0), (("--park-after-s", "7.5"), 7.5)):
        made = cli("run", "--deployment", "kept", *words, "--json")
        run = open_workspace(cli.root, json.loads(made.stdout)["run_id"])
        assert read_manifest(run).park_after_s == counts
    assert "--park-after-s" in cli("run", "command", "--park-after-s", "-1", code=2).stderr
