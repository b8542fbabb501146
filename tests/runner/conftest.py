"""A runner for a module, on one root. A test that needs a runner or a root of its own starts it itself."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from runlog import RunlogError, is_terminal, list_runs, open_workspace, post, run_status
from runner.supervise.supervisor import runner_is_active
from tests.support import end_runs, spawned, wait_until

RUNNER = """
import signal, sys, threading
from pathlib import Path
from runner.attempt.options import RunOptions
from runner.supervise.supervisor import Supervisor
grace_s = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
supervisor = Supervisor(
    Path(sys.argv[1]), max_running=int(sys.argv[2]), options=RunOptions(grace_s, True), tell=print
)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: (stop.set(), supervisor.wake()))
supervisor.work(stop)
"""


def runner_process(
    root: Path, slots: int, *, grace_s: float = 1.0, program: str = RUNNER, **options: Any
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """A runner with the scripted model, on a root of its own."""
    return spawned(sys.executable, "-c", program, str(root), str(slots), str(grace_s), **options)


@pytest.fixture(scope="module")
def module_runner(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Its root. A module whose runs end by themselves when asked may say GRACE_S: nobody waits so long but on a
    busy machine, where an agent needs the time."""
    folder = tmp_path_factory.mktemp("runner") / "workspaces"
    folder.mkdir(mode=0o700)
    try:
        with runner_process(folder, 4, grace_s=getattr(request.module, "GRACE_S", 1.0)):
            wait_until(lambda: runner_is_active(folder), "the runner")
            yield folder
    finally:
        end_runs(folder)


@pytest.fixture
def runner(module_runner: Path) -> Iterator[None]:
    """The module's, with four slots. What a test leaves at work is ended."""
    yield
    left = [row for row in list_runs(module_runner, limit=1000) if not is_terminal(row.status)]
    for run in (open_workspace(module_runner, row.run_id) for row in left):
        with contextlib.suppress(RunlogError):  # it has ended by itself
            post(run, {"type": "stop"})
        wait_until(lambda run=run: is_terminal(run_status(run)), f"the end of {run.run_id}")


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where the module's runner is at work, if the test takes that; else a folder of the test's own."""
    if "runner" in request.fixturenames:
        shared: Path = request.getfixturevalue("module_runner")
        yield shared
        return
    folder = tmp_path / "workspaces"
    folder.mkdir(mode=0o700)
    yield folder
    end_runs(folder)


@pytest.fixture
def claude_cli() -> None:
    """Says that a test starts Claude's CLI, where nothing else does (`tests/needs.py`)."""
