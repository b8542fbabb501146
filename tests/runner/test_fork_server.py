"""Run processes come from one that has done their imports; it may die, and nothing is shared but those."""

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

import runlog
from runlog import Workspace
from runner.supervise.supervisor import runner_is_active
from tests.support import wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")

SHOW_ENVIRONMENT = [
    "python3",
    "-c",
    "import json, os; print(json.dumps({'type': 'told'} | dict(os.environ)))",
]


def start(root: Path, *argv: str) -> Workspace:
    return runlog.create_run(root, "command", params={"argv": list(argv)})


def process_of(run: Workspace) -> psutil.Process:
    event = wait_for(run, "workflow_started")
    return psutil.Process(event["pid"])


def fork_server(root: Path) -> psutil.Process:
    """Of the root's runner, once it is ready: a run that it forked tells. Other tests may have runners at work."""
    (runner,) = (child for child in psutil.Process().children() if str(root) in _command(child))

    def server() -> psutil.Process | None:
        found = [child for child in runner.children() if "--fork-server" in _command(child)]
        return found[0] if found else None

    return wait_until(server, "the fork server")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def forked(root: Path, server: psutil.Process) -> Workspace:
    """A run that the server forked: of the first ones some may come before it is ready."""

    def one() -> Workspace | None:
        run = start(root, "sleep", "600")
        if process_of(run).ppid() == server.pid:
            return run
        runlog.post(run, {"type": "stop"})
        wait_for_end(run)
        return None

    run: Workspace = wait_until(one, "a run that was forked")
    return run


def test_ps_shows_the_run(root: Path) -> None:
    run = start(root, "sleep", "600")
    process = process_of(run)
    wait_until(lambda: _command(process)[:1] == [f"tailcast {run.run_id}"], "its title")
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"


def test_a_burst_is_forked_and_each_has_its_own(root: Path) -> None:
    server = fork_server(root)
    runlog.post(forked(root, server), {"type": "stop"})
    runs = [start(root, *SHOW_ENVIRONMENT) for _ in range(8)]
    for run in runs:
        assert wait_for_end(run)["type"] == "workflow_completed"
        told: dict[str, Any] = wait_for(run, "told")
        assert told["TAILCAST_WORKSPACE"] == str(run.path)
        assert not {name for name in told if name.startswith("SPT_")}
    assert server.is_running()


def test_its_death_ends_no_run_and_a_new_one_comes(root: Path) -> None:
    server = fork_server(root)
    run = forked(root, server)
    server.send_signal(signal.SIGKILL)
    server.wait(60)
    after = start(root, "true")
    assert wait_for_end(after)["type"] == "workflow_completed"
    assert runlog.run_status(run) == "running"
    forked(root, fork_server(root))
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"


def test_a_run_that_dies_is_reaped_and_told(root: Path) -> None:
    run = forked(root, fork_server(root))
    process = process_of(run)
    os.kill(process.pid, signal.SIGKILL)
    assert wait_for_end(run)["reason"] == "lost"
    wait_until(lambda: not process.is_running(), "the process to be reaped")
    assert runner_is_active(root)
