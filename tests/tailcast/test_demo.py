"""`demo`: all of it, as `make demo` shows it; and what it prints works when it is pasted."""

import json
import os
import re
import shlex
import signal
from pathlib import Path

import psutil

from runlog import Workspace, list_runs, open_workspace, run_status
from tests.support import DEADLINE_S, end_runs, events, tree_of, wait_until
from tests.tailcast.conftest import Cli


def files_of(folder: Path) -> set[str]:
    return {os.path.join(path, name) for path, _, names in os.walk(folder) for name in names}


def test_the_demo(cli: Cli, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    for folder in (home, temporary):
        folder.mkdir()
    cli.environment |= {"HOME": str(home), "TMPDIR": str(temporary)}
    told = cli("demo").stdout
    (row,) = list_runs(cli.root)
    run = open_workspace(cli.root, row.run_id)
    assert row.status == "completed"
    order = [
        "listening on http://127.0.0.1:",
        "POST /workflows",
        "claude started",
        "I look at the folder",
        "⏺ Bash",
        "you: By the way",
        "three seconds later",
        "While the command ran you said: “By the way: the file is the log.”",
        "✔ completed",
        "?after=",
        "✔ identical to the file",
        row.run_id,
        "Try next:",
    ]
    shown, at = _without_receipts(told), 0
    for part in order:
        assert part in shown[at:], (part, told)
        at = shown.index(part, at)
    assert "\n● While " in told
    assert tree_of(run) == []
    assert not _is_running(events(run, "workflow_started")[0]["pid"])
    assert [
        p for p in psutil.process_iter(["cmdline"]) if str(cli.root) in str(p.info["cmdline"])
    ] == []
    assert files_of(home) == files_of(temporary) == set()
    _commands_work(cli, told)


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _without_receipts(told: str) -> str:
    """They may come in the midst of a sentence, which then goes on below them."""
    return " ".join(re.sub(r"(?m)^✉ .*$", "", told).replace("●", " ").split())


def _commands_work(cli: Cli, told: str) -> None:
    commands = [
        line.strip() for line in told.splitlines() if " claude-" in line and "tailcast" in line
    ]
    commands = [command for command in commands if command.split()[0].endswith("tailcast")]
    assert [shlex.split(c)[1] for c in commands] == ["tail", "send", "replay"]
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "tailcast" or Path(program).exists()
        if words[0] == "replay":
            words[words.index("--speed") + 1] = "100"
        assert "● And now?" in cli(*words).stdout or words[0] == "tail"


def test_the_demo_as_json_and_a_runner_on_the_real_model(cli: Cli) -> None:
    with cli.popen("runner") as process:
        assert process.stdout.readline()
        assert "real model" in cli("demo", code=2).stderr
    told = json.loads(cli("demo", "--json").stdout)
    assert told["identical"] is True and told["status"] == "completed"
    assert told["replayed_after"] > 0


def test_a_demo_that_is_broken_off_leaves_nothing_running(cli: Cli) -> None:
    with cli.popen("demo") as process:
        wait_until(lambda: list_runs(cli.root), "the run")
        run: Workspace = open_workspace(cli.root, list_runs(cli.root)[0].run_id)
        wait_until(lambda: run_status(run) == "running", "its start")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130 and b"Traceback" not in err
    assert run_status(run) == "stopped"
    _, alive = psutil.wait_procs(children, timeout=DEADLINE_S)
    assert alive == []
    end_runs(cli.root)
