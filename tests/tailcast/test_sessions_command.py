"""`sessions`, `import` and `export`, as they are typed."""

import json
import os
from pathlib import Path

import pytest

from runlog import append_lines, open_workspace, read_manifest, summarize
from tests.sessions import ONE, OTHER, session_one, session_two, told, write
from tests.tailcast.conftest import Cli, external


@pytest.fixture
def config(cli: Cli, tmp_path: Path) -> Path:
    folder = tmp_path / "claude"
    cli.environment["CLAUDE_CONFIG_DIR"] = str(folder)
    return folder


@pytest.fixture
def both(config: Path) -> Path:
    """Two sessions of two projects, the second newer."""
    old = write(config, session_one())
    write(config, session_two(), session=OTHER, project="-srv-app")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    return config


def test_the_sessions_of_this_machine(cli: Cli, both: Path) -> None:
    shown = cli("sessions").stdout.splitlines()
    assert shown[0].split() == ["SESSION", "PROJECT", "CHANGED", "SIZE", "SAID", "TITLE"]
    assert [line.split()[0] for line in shown[1:]] == [OTHER, ONE]
    assert [row["session_id"] for row in cli.json("sessions")] == [OTHER, ONE]
    assert [row["session_id"] for row in cli.json("sessions", "-n", "1")] == [OTHER]
    assert [row["title"] for row in cli.json("sessions", "Pay", "failed")] == ["Tests of the shop"]
    assert [row["title"] for row in cli.json("sessions", "--since", "1d")] == ["Mend the cart"]
    assert len(cli.json("sessions", "--since", "2001-01-01")) == 2
    assert [row["session_id"] for row in cli.json("sessions", "-P", "app")] == [OTHER]
    assert "is no age" in cli("sessions", "--since", "soon", code=2).stderr


def test_where_there_are_none(cli: Cli, config: Path) -> None:
    assert "has no `projects`" in cli("sessions").stderr
    assert cli.json("sessions") == []
    assert "no such sessions" in cli("import", "--all", code=2).stderr
    write(config, session_one())
    assert "No such sessions" in cli("sessions", "zebra").stderr
    assert ONE in cli("sessions", "--claude-dir", str(config)).stdout


def test_one_by_its_id_or_file(cli: Cli, both: Path) -> None:
    shown = cli("import", ONE[:8])
    run_id = shown.stdout.split()[0]
    assert "completed, 3 messages" in shown.stdout and f"send {run_id}" in shown.stdout
    path = both / "projects" / "-home-dev-shop" / f"{ONE}.jsonl"
    (again,) = cli.json("import", str(path))
    assert (again["run_id"], again["repeated"]) == (run_id, True)
    assert "imported already" in cli("import", ONE).stdout
    assert run_id in cli("ls", "shop").stdout
    write(both, [*session_one(), told(ONE, 7, "More")], end=b'{"type":')
    longer = cli("import", ONE)
    assert run_id in longer.stdout and "its last 8 bytes" in longer.stderr


def test_what_is_asked_of_the_run(cli: Cli, both: Path) -> None:
    options = ["-p", "max_turns=2", "-i", "--title", "Mine", "-l", "a=b"]
    (made,) = cli.json("import", OTHER, *options)
    manifest = read_manifest(open_workspace(cli.root, made["run_id"]))
    assert manifest.params["max_turns"] == 2 and manifest.interactive
    assert (manifest.words.title, dict(manifest.words.labels)) == ("Mine", {"a": "b"})
    assert "max_turns" in cli("import", ONE, "-p", "max_turns=x", code=2).stderr
    assert "no size" in cli("import", ONE, "--max-size", "much", code=2).stderr
    assert "--max-size" in cli("import", ONE, "--max-size", "1k", code=2).stderr
    assert "--keep-cwd" in cli("import", ONE, "--keep-cwd", code=2).stderr


def test_several_at_once(cli: Cli, both: Path) -> None:
    broken = both / "projects" / "-srv-app" / "broken.jsonl"
    broken.write_text("{}\n")
    (only,) = cli.json("import", "--project", "shop")
    assert only["session_id"] == ONE
    told_all = cli("--json", "import", "--all")
    made = [json.loads(line) for line in told_all.stdout.splitlines()]
    assert [(row["session_id"], row["repeated"]) for row in made] == [(ONE, True), (OTHER, False)]
    some = cli("import", ONE, str(broken), "nope.jsonl", OTHER, code=1)
    assert some.stderr.count("not imported:") == 2 and "2 sessions imported, 2 not" in some.stderr
    assert "named twice" in cli("import", ONE, "--all", code=2).stderr
    assert "no session is named" in cli("import", code=2).stderr


def test_a_run_goes_out(cli: Cli, both: Path, tmp_path: Path) -> None:
    (made,) = cli.json("import", ONE)
    run = open_workspace(cli.root, made["run_id"])
    shown = cli("export", "last").stdout
    assert shown.startswith("# Tests of the shop\n\n- Run: session-")
    assert "## User · 2025-06-01 10:01:00 UTC\n\nWhich tests fail?\n" in shown
    assert "**Bash**\n\n```sh\nmake test\n```\n\nResult:\n\n```\n2 failed\n```" in shown
    assert cli("export", "last", "-f", "jsonl").stdout == run.stream.read_text()
    page = tmp_path / "page.html"
    assert cli("export", "last", "-f", "html", "-o", str(page)).stdout == ""
    assert page.read_text().startswith("<!doctype html>")
    assert "is there already" in cli("export", "last", "-o", str(page), code=2).stderr
    cli("export", "last", "-o", str(page), "--force")
    assert page.read_text() == shown
    cli("export", "last", "-f", "claude", "-o", str(tmp_path))
    assert (tmp_path / f"{ONE}.jsonl").stat().st_mode & 0o077 == 0
    lost = tmp_path / "none" / "x.md"
    assert "can't be written" in cli("export", "last", "-o", str(lost), code=1).stderr
    assert sorted(os.listdir(tmp_path)) == [f"{ONE}.jsonl", "claude", "page.html", "workspaces"]


def test_a_run_of_another_workflow_goes_out(cli: Cli) -> None:
    run = external(cli.root, {"type": "log", "message": "x"})
    assert "- Workflow: external" in cli("export", "outside").stdout
    assert cli("export", "outside", "-f", "jsonl").stdout == run.stream.read_text()
    assert "nothing was said" in cli("export", "outside", "-f", "claude", code=2).stderr
    append_lines(run.stream, b'{"type":"workflow_completed","result":"it is `done`"}\n')
    assert summarize(run).status == "completed"
    assert "## Result\n\n```\nit is `done`\n```" in cli("export", "outside").stdout
