import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.supervise.supervisor import runner_is_active
from tests.support import end_runs, spawned, wait_until

RUNNER = """
import signal, sys, threading
from pathlib import Path
from runner.attempt.options import RunOptions
from runner.supervise.supervisor import Supervisor
supervisor = Supervisor(
    Path(sys.argv[1]), max_running=int(sys.argv[2]), options=RunOptions(1.0, True), tell=print
)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: (stop.set(), supervisor.wake()))
supervisor.work(stop)
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspaces"
    folder.mkdir(mode=0o700)
    yield folder
    end_runs(folder)


@pytest.fixture
def runner(root: Path) -> Iterator[None]:
    """A runner with four slots, the scripted model and a grace of 1 s."""
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        wait_until(lambda: runner_is_active(root), "the runner")
        yield
