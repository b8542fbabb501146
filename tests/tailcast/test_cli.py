"""What all commands share: the root, JSON, run ids, exit codes, Ctrl-C, closed pipes, completion."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runlog import create_run, list_runs, open_workspace, run_status
from tailcast.app import app
from tests.support import DEADLINE_S, wait_until
from tests.tailcast.conftest import TAILCAST, Cli, external


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("tailcast 0.")
    told = cli("--help").stdout
    for command in "demo serve run ls show tail send answer approve deny stop rm doctor".split():
        assert f" {command} " in told
    assert "Usage" in cli("run", "--help").stdout
    assert "Usage" in cli("run", "-h").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "frobnicate"),
        (["ls", "--frobnicate"], "--frobnicate"),
        (["tail"], "RUN"),
        (["tail", ".."], "not a run id"),
        (["tail", "%2e%2e%2fetc"], "not a run id"),
        (["tail", "A" * 200], "not a run id"),
        (["tail", "nothing-there"], "does not exist"),
        (["show", "last"], "does not exist"),
        (["ls", "--status", "great"], "there is no status 'great'"),
        (["ls", "--limit", "0"], "--limit"),
        (["run", "frobnicate"], "there is no workflow 'frobnicate'"),
        (["rm"], "no run is named"),
        (["stop"], "no run is named"),
        (["serve", "--host", "0.0.0.0", "--port", "0"], "token"),
        (["serve", "--port", "99999"], "--port"),
    ],
)
def test_usage_errors_are_short(cli: Cli, words: list[str], message: str) -> None:
    done = cli(*words, code=2)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ") and message in lines[0]
    assert len(lines) <= 2 and all(line.startswith("hint: ") for line in lines[1:])


def test_a_wrong_root_makes_nothing(cli: Cli, tmp_path: Path) -> None:
    cli("ls", "--root", str(tmp_path / "nowhere"))
    cli("show", "last", "--root", str(tmp_path / "nowhere"), code=2)
    assert not (tmp_path / "nowhere").exists() and not cli.root.exists()


def test_root_and_json_before_and_after_the_name(cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    create_run(other, "command", run_id="there", params={"argv": ["true"]})
    for words in (
        ["--root", str(other), "--json", "ls"],
        ["ls", "--root", str(other), "--json"],
        ["--json", "ls", "--root", str(other)],
        ["--root", str(tmp_path), "ls", "--json", "--root", str(other)],
    ):
        assert json.loads(cli(*words).stdout)["run_id"] == "there"
    assert cli("ls", "--json").stdout == ""


def test_the_default_root_is_workspaces_in_the_present_folder(cli: Cli, tmp_path: Path) -> None:
    del cli.environment["TAILCAST_ROOT"]
    create_run(tmp_path / "workspaces", "command", run_id="here")
    done = subprocess.run(
        [TAILCAST, "ls", "--json"], cwd=tmp_path, env=cli.environment, capture_output=True
    )
    assert json.loads(done.stdout)["run_id"] == "here"


def test_runs_by_prefix_and_last(cli: Cli) -> None:
    for run_id in ("alpha-1", "alpha-2", "beta"):
        create_run(cli.root, "command", run_id=run_id)
    (cli.root / "_runs").mkdir()
    for text, found in (("alpha-1", "alpha-1"), ("be", "beta"), ("last", "beta"), ("@", "beta")):
        assert cli.json("show", text)[0]["run_id"] == found
    told = cli("show", "alpha", code=2).stderr
    assert "beginning of 2 runs" in told and "alpha-1, alpha-2" in told
    create_run(cli.root, "command", run_id="last")
    create_run(cli.root, "command", run_id="newer")
    assert cli.json("show", "last")[0]["run_id"] == "last"


def test_ctrl_c_ends_the_following_and_not_the_run(cli: Cli) -> None:
    code = "import time; print('up', flush=True); time.sleep(600)"
    argv = ["--", sys.executable, "-c", code]
    with cli.popen("run", "command", "--follow", *argv) as process:
        wait_until(lambda: list_runs(cli.root), "the run")
        run = open_workspace(cli.root, list_runs(cli.root)[0].run_id)
        assert process.stdout is not None
        while b"up" not in (line := process.stdout.readline()):
            assert line, "it ended before it showed the line"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"Traceback" not in err and b"The run goes on" in err
    assert run_status(run) == "running"
    cli("stop", run.run_id, "--timeout", "80")
    assert run_status(run) == "stopped"


@pytest.mark.parametrize("words", [["tail", "-f", "outside"], ["ls", "--watch"], ["runner"]])
def test_ctrl_c_is_130_without_a_traceback(cli: Cli, words: list[str]) -> None:
    external(cli.root, {"type": "log", "message": "hello"})
    with cli.popen(*words) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"Traceback" not in err and b"Error" not in err


def test_a_closed_pipe_is_quiet(cli: Cli) -> None:
    external(cli.root, *({"type": "log", "message": "x" * 100} for _ in range(20_000)))
    for words in (["tail", "outside"], ["tail", "outside", "--json"], ["tail", "outside", "--raw"]):
        with cli.popen(*words) as process:
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(DEADLINE_S) == -signal.SIGPIPE
            assert process.stderr.read() == b""


def test_ls_stays_light(cli: Cli) -> None:
    """What takes long to import is imported where it serves."""
    create_run(cli.root, "command", run_id="one")
    program = (
        "import sys; sys.argv = ['tailcast', 'ls']\n"
        "from tailcast.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=cli.environment, capture_output=True, text=True
    )
    assert "one" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    heavy = {
        "fastapi",
        "claude_agent_sdk",
        "httpx",
        "uvicorn",
        "asyncio",
        "watchfiles",
        "runner",
        "relay",
    }
    assert not loaded & heavy


def complete(cli: Cli, line: str) -> list[str]:
    """What a shell would offer at the end of `line`, by typer's protocol for bash."""
    words = line.split(" ")
    told = {
        "_TAILCAST_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [TAILCAST], env=cli.environment | told, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_completion(cli: Cli, tmp_path: Path) -> None:
    create_run(cli.root, "command", run_id="waits")
    external(cli.root, {"type": "workflow_completed"}, run_id="was")
    create_run(tmp_path / "other", "command", run_id="elsewhere")
    assert complete(cli, "tailcast sh") == ["show"]
    assert complete(cli, "tailcast show wa") == ["waits", "was"] or complete(
        cli, "tailcast show wa"
    ) == ["was", "waits"]
    assert complete(cli, "tailcast stop wa") == ["waits"]
    assert complete(cli, "tailcast rm wa") == ["was"]
    assert complete(cli, f"tailcast --root {tmp_path}/other show ") == ["elsewhere"]
    assert complete(cli, f"tailcast show --root {tmp_path}/other ") == ["elsewhere"]
    assert complete(cli, "tailcast run c") == ["chat", "claude", "command"]
    assert complete(cli, "tailcast ls --status st") == ["stopped"]


def test_python_m_tailcast(cli: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tailcast", "--version"], env=cli.environment, capture_output=True
    )
    assert done.stdout.startswith(b"tailcast ")


def test_a_terminal_that_knows_ascii_only(cli: Cli) -> None:
    external(cli.root, {"type": "workflow_started", "workflow": "grün ✓"}, b'{"type":"\\ud800"}')
    cli.fresh = True
    cli.environment |= {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert "gr?n" in cli("tail", "outside").stdout


def test_a_root_that_is_a_file_is_told_shortly(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    done = cli("run", "command", "--root", str(file), "--", "true", code=1)
    assert done.stderr.startswith("error: ") and os.fspath(file) in done.stderr
    cli("ls", "--root", str(file), code=1)


@pytest.fixture
def sigpipe() -> Iterator[None]:
    """The command sets how SIGPIPE is taken: for a process of its own."""
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


@pytest.mark.usefixtures("sigpipe")
def test_flags_take_no_value_and_name_no_type() -> None:
    """In this process: each of some thirty commands would take a second to start."""

    def told(*words: str) -> str:
        return str(CliRunner().invoke(app, [*words, "--help"]).output)

    commands = [[]] + [
        [*words, name]
        for words in ([], ["batches"], ["deployments"])
        for name in re.findall(r"^│ ([a-z]+) ", told(*words), re.MULTILINE)
    ]
    assert len(commands) > 25
    for words in commands:
        assert "--help" in told(*words) and "<bool>" not in told(*words), words
