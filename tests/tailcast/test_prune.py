"""`prune`, and `--retain` of `serve` and `runner`: what ended long ago goes, on request alone."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runlog import RunLock, Workspace, create_run, open_workspace
from runlog.disk.records import to_iso
from runner.supervise.supervisor import runner_is_active
from tests.docs.samples import sample
from tests.support import wait_until
from tests.tailcast.conftest import Cli, external
from tests.tailcast.terminals import on_terminal, without_colour

TITLE = "\x1b]0;owned\x07 what it was about"


def ended(root: Path, run_id: str, days_ago: float, kind: str = "workflow_completed") -> Workspace:
    create_run(root, "command", run_id=run_id, prompt=TITLE)
    moment = to_iso(datetime.now(UTC) - timedelta(days=days_ago))
    return external(root, {"type": kind, "timestamp": moment}, run_id=run_id)


@pytest.fixture
def runs(root: Path) -> list[str]:
    """Three that ended long ago, one that ended lately, and two that have not ended."""
    ended(root, "old-1", 90)
    ended(root, "old-2", 50, "workflow_failed")
    ended(root, "old-3", 31, "workflow_stopped")
    ended(root, "young", 29)
    create_run(root, "command", run_id="queued")
    external(root, {"type": "log", "timestamp": "2024-01-01T00:00:00Z"}, run_id="outside")
    return sorted(os.listdir(root))


def test_in_a_pipe_it_asks_nothing(cli: Cli, runs: list[str]) -> None:
    done = cli("prune", "--older-than", "30d")
    assert done.stdout.splitlines() == ["removed old-1", "removed old-2", "removed old-3"]
    assert done.stderr.startswith("3 runs, ") and done.stderr.endswith(" removed\n")
    assert sorted(os.listdir(cli.root)) == ["outside", "queued", "young"]
    assert "so long ago" in cli("prune", "--older-than", "30d").stderr


def test_a_dry_run_removes_nothing(cli: Cli, runs: list[str]) -> None:
    done = cli("prune", "--older-than", "5w", "--dry-run")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["RUN", "STATUS", "ENDED", "SIZE", "TITLE"]
    assert [row.split()[:4] for row in rows] == [
        ["old-1", "completed", "90d", "ago"],
        ["old-2", "failed", "50d", "ago"],
    ]
    assert "what it was about" in rows[0] and "\x1b" not in rows[0]
    assert done.stderr.startswith("2 runs, ") and "would be" in done.stderr
    told = cli.json("prune", "--older-than", "5w", "--dry-run")
    assert [(each["run_id"], each["removed"]) for each in told] == [
        ("old-1", False),
        ("old-2", False),
    ]
    assert sorted(os.listdir(cli.root)) == runs


def test_what_is_kept(cli: Cli, runs: list[str]) -> None:
    told = cli.json("prune", "--older-than", "24h", "--keep", "failed", "--keep", "stopped")
    assert [each["run_id"] for each in told] == ["old-1", "young"]
    assert all(
        each["removed"] and each["disk_bytes"] > 0 and each["error"] is None for each in told
    )
    assert told[0]["ended_at"] < told[1]["ended_at"]
    assert told[0].keys() == json.loads(sample("contract.md", "pruned").code).keys()
    assert sorted(os.listdir(cli.root)) == ["old-2", "old-3", "outside", "queued"]


@pytest.mark.parametrize("typed", ["y\n", "n\n", "\n"])
def test_on_a_terminal_it_shows_them_and_asks(cli: Cli, runs: list[str], typed: str) -> None:
    agrees = typed == "y\n"
    words = ["prune", "--older-than", "30d"]
    told = without_colour(on_terminal(cli, *words, typed=typed, code=0 if agrees else 1))
    assert told.index("old-1") < told.index("Remove 3 runs, ")
    assert "\x1b" not in told and "\x07" not in told
    assert (cli.root / "old-1").exists() is not agrees


def test_on_a_terminal_with_yes_or_a_dry_run_it_does_not_ask(cli: Cli, runs: list[str]) -> None:
    words = ["prune", "--older-than", "30d"]
    assert "Remove" not in on_terminal(cli, *words, "--dry-run", typed="")
    assert sorted(os.listdir(cli.root)) == runs
    assert "Remove" not in on_terminal(cli, *words, "--yes", typed="")
    assert sorted(os.listdir(cli.root)) == ["outside", "queued", "young"]


def test_json_on_a_terminal_asks_too(cli: Cli, runs: list[str]) -> None:
    told = on_terminal(cli, "prune", "--older-than", "30d", "--json", typed="y\n")
    assert "Remove 3 runs" in told
    lines = re.findall(r"{.*}", told)  # the first comes after the question, on its line
    assert [json.loads(line)["run_id"] for line in lines] == ["old-1", "old-2", "old-3"]


def test_a_process_that_lives_keeps_its_run(cli: Cli, runs: list[str]) -> None:
    lock = RunLock(open_workspace(cli.root, "old-2").lock)
    assert lock.acquire()
    assert "old-2" not in cli("prune", "--older-than", "30d").stdout
    lock.release()
    assert cli("prune", "--older-than", "30d").stdout == "removed old-2\n"


@pytest.mark.parametrize(
    "age", ["30", "d", "0d", "-1d", "1.5h", "30 d", "1y", "٣d", "9999999d", ""]
)
@pytest.mark.parametrize(
    "words", [["prune", "--older-than"], ["serve", "--retain"], ["runner", "--retain"]]
)
def test_what_is_no_age(cli: Cli, words: list[str], age: str) -> None:
    assert "no age" in cli(*words, age, code=2).stderr


def test_usage(cli: Cli) -> None:
    assert "--older-than" in cli("prune", code=2).stderr
    assert (
        "completed, failed, stopped"
        in cli("prune", "--older-than", "1d", "--keep", "running", code=2).stderr
    )


@pytest.mark.parametrize(
    "words", [["serve", "--port", "0", "--retain", "30d"], ["runner", "--retain", "30d"]]
)
def test_retain(cli: Cli, runs: list[str], words: list[str]) -> None:
    (cli.root / ".old-left-0123abcd").mkdir()
    with cli.popen(*words) as process:
        wait_until(lambda: not (cli.root / "old-3").exists(), "the old ones to go")
        wait_until(lambda: runner_is_active(cli.root), "the runner")
        process.terminate()
        out, err = process.communicate(timeout=80)
    assert b"old-1 removed" in out + err
    left = [name for name in os.listdir(cli.root) if not name.startswith("_")]
    assert {"outside", "queued", "young"} <= set(left)
    assert not [name for name in left if name.startswith(("old", ".old"))]


def test_without_retain_nothing_goes(cli: Cli, runs: list[str]) -> None:
    with cli.popen("runner") as process:
        wait_until(lambda: (cli.root / "queued" / "_stream.jsonl").exists(), "a run to be started")
        process.terminate()
        assert process.wait(80) == 0
    assert {"old-1", "old-2", "old-3"} <= set(os.listdir(cli.root))
