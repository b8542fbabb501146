"""`schedules`, `ls --schedule`: on the folders alone, and told the same over HTTP."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runlog import list_runs, open_workspace, read_manifest
from runlog.groups.catalog import write_catalog
from runner.attempt.catalog import describe_all
from tests.relay.live import running_relay
from tests.support import wait_for_end, wait_until
from tests.tailcast.conftest import Cli

PRINT = [sys.executable, "-c", "print('hello')"]


@pytest.fixture(autouse=True)
def hello(cli: Cli) -> None:
    given = ["-p", f"argv={json.dumps(PRINT)}", "--allow-override", "argv"]
    cli("deployments", "put", "hello", "-w", "command", *given)


def put(cli: Cli, *words: str, **options: Any) -> Any:
    return cli(
        "schedules", "put", "daily", "--cron", "30 7 * * *", "-d", "hello", *words, **options
    )


def test_put_show_ls_pause_rm(cli: Cli) -> None:
    words = ["-z", "Europe/Berlin", "--overlap", "queue", "--missed", "once", "-l", "by=clock"]
    done = put(cli, *words, "--description", "Says hello", "--title", "Hello of {date}")
    assert done.stdout.splitlines()[0] == "made daily"
    assert "07:30 +0" in done.stdout and "No runner is at work" in done.stderr
    (told,) = cli.json("schedules", "show", "daily")
    assert (told["cron"], told["timezone"]) == ("30 7 * * *", "Europe/Berlin")
    assert (told["overlap"], told["missed"], told["labels"]) == ("queue", "once", {"by": "clock"})
    assert len(told["next_times"]) == 3 and told["last"] is None and told["last_run"] is None
    assert cli.json("schedules", "ls") == [told]
    head, row = cli("schedules", "ls").stdout.splitlines()
    assert head.split()[:3] == ["NAME", "CRON", "TIMEZONE"]
    assert row.startswith("daily") and row.endswith("Says hello") and " in " in row
    (paused,) = cli.json("schedules", "pause", "daily")
    assert (paused["enabled"], paused["next_times"]) == (False, [])
    assert "paused" in cli("schedules", "ls").stdout
    (resumed,) = cli.json("schedules", "resume", "daily")
    assert resumed["enabled"] and resumed["since"] == told["since"]
    assert cli.json("schedules", "rm", "daily") == [{"name": "daily", "removed": True}]
    assert "no schedule 'daily'" in cli("schedules", "show", "daily", code=2).stderr
    assert "No schedules" in cli("schedules", "ls").stderr


def test_what_is_shown_can_be_changed_and_put_again(cli: Cli, tmp_path: Path) -> None:
    put(cli)
    (before,) = cli.json("schedules", "show", "daily")
    changed = json.dumps(before | {"priority": 4, "overlap": "stop"})
    assert "replaced daily" in cli("schedules", "put", "daily", "-", told=changed).stdout
    file = tmp_path / "daily.json"
    file.write_text(changed)
    (after,) = cli.json("schedules", "put", "daily", str(file), "--description", "Wins")
    assert (after["priority"], after["overlap"], after["description"]) == (4, "stop", "Wins")
    assert after["since"] == before["since"] and after["created_at"] == before["created_at"]
    assert "is there already" in put(cli, "--new", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cron", "0 0 30 2 *"], "no such day-of-month"),
        (["--cron", "@daily"], "Write 0 0 * * *"),
        (["--cron", "* * * * * *"], "there are no seconds"),
        (["--cron", "60 * * * *"], "no such minute"),
        (["--cron", "soon"], "Write five"),
        (["-z", "Europe/Nowhere"], "no time zone 'Europe/Nowhere'"),
        (["-d", "nobody"], "no deployment 'nobody'"),
        (["--overlap", "wait"], "One of skip, queue, stop"),
        (["--missed", "all"], "One of none, once"),
        (["--override", "speed=1"], "does not allow"),
        (["--override", "argv=[]"], "argv"),
        (["--title", "a\nb"], "one line"),
        (["--limit", "speed=1"], "speed"),
    ],
)
def test_what_can_not_be_put(cli: Cli, words: list[str], message: str) -> None:
    assert message in put(cli, *words, code=2).stderr
    assert not (cli.root / "_schedules").exists()


def test_it_needs_a_cron_and_a_deployment(cli: Cli) -> None:
    assert "--cron" in cli("schedules", "put", "x", "-d", "hello", code=2).stderr
    assert "--deployment" in cli("schedules", "put", "x", "-c", "* * * * *", code=2).stderr
    assert "is not a name" in cli("schedules", "put", "X", "-d", "hello", code=2).stderr


def test_run_now(cli: Cli, runner: None) -> None:
    put(cli, "--paused", "--title", "{schedule} {date}")
    cli("schedules", "run", "daily", "--follow")
    (row,) = cli.json("ls", "--schedule", "daily")
    assert row["schedule"] == "daily" and row["title"].startswith("daily 20")
    assert cli.json("ls", "--schedule", "other") == []
    (state,) = cli.json("show", row["run_id"])
    assert (state["schedule"], state["due_at"], state["deployment"]) == ("daily", None, "hello")
    assert "schedule  daily" in cli("show", row["run_id"]).stdout
    (told,) = cli.json("schedules", "show", "daily")
    assert told["last_run"]["run_id"] == row["run_id"]


def test_by_the_clock(cli: Cli, runner: None) -> None:
    """One that was due before it was looked at: as after a pause, made up for once."""
    put(cli, "--cron", "* * * * *", "--missed", "once")
    file = cli.root / "_schedules" / "daily.json"
    body = json.loads(file.read_text())
    file.write_text(json.dumps(body | {"since": "2025-01-19T10:30:45.123Z"}))

    def started() -> Any:
        return [row for row in list_runs(cli.root) if row.schedule == "daily"]

    (row,) = wait_until(started, "the run of the schedule")
    run = open_workspace(cli.root, row.run_id)
    assert read_manifest(run).due_at is not None
    wait_for_end(run)
    (told,) = cli.json("schedules", "show", "daily")
    assert told["last"]["outcome"] in ("started", "skipped")


def test_a_broken_one_is_left_out(cli: Cli) -> None:
    put(cli)
    (cli.root / "_schedules" / "bad.json").write_text("{")
    done = cli("schedules", "ls")
    assert "daily" in done.stdout and "bad.json" in done.stderr
    assert "can't be used" in cli("schedules", "show", "bad", code=2).stderr
    cli("schedules", "rm", "bad")
    assert not (cli.root / "_schedules" / "bad.json").exists()


def test_the_same_over_http(cli: Cli) -> None:
    put(cli)
    write_catalog(cli.root, describe_all())
    (told,) = cli.json("schedules", "show", "daily")
    with running_relay(cli.root) as relay:
        view = relay.get("/schedules/daily").json()
        del view["links"]
        assert view == told
        links = relay.get("/schedules/daily").json()["links"]
        assert relay.client.get(links["runs"]).json()["runs"] == []
        assert relay.client.get(links["deployment"]).json()["name"] == "hello"
