"""Run processes started ahead of their runs: interpreter up, imports done, waiting to be told a workspace.

They take the imports (0.15 s, with the Claude SDK 1 s) out of the start of a run, for 35 MB each, 70 with the SDK.
They hold nothing, and end when their standard input closes: with the runner, however that ends.
"""

import contextlib
import importlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO

from runlog import RunId, Workspace

from ..attempt.environment import WORKSPACE_MARK, agent_environment
from ..attempt.options import RunOptions, run_variables
from ..keeper.mark import ROOM, show_mark
from .spawn import open_stderr_log

__all__ = ["Spares", "wait_for_work"]

# Two, since starts come in pairs and bursts; more of a burst is started afresh.
_COUNT = 2
_READY, _BUSY = b"r", b"-"
_HEAVY, _LIGHT = "--spare-heavy", "--spare-light"
# One of them, once idle so long, goes on to import what some workflows take seconds for.
_IDLE_S = 3.0


class Spares:
    """The runner's side: a few processes, each used for one run at most."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._spares: list[_Spare] = []

    def tend(self) -> None:
        """Replace those that were taken or died."""
        self._spares = [spare for spare in self._spares if not spare.is_dead()]
        while len(self._spares) < _COUNT:
            heavy = not any(spare.heavy for spare in self._spares)
            self._spares.append(_Spare(self._options, heavy))

    def start(self, workspace: Workspace, heavy: bool) -> subprocess.Popen[bytes] | None:
        """Give the run to one that is ready; None if there is none. The process is the caller's from now on.

        :param heavy: whether the workflow needs what takes long to import.
        :raises OSError: the run's `_stderr.log` can't be written.
        """
        open_stderr_log(workspace).close()  # the spare will; but only we can tell of it if it can't
        for spare in sorted(self._spares, key=lambda spare: spare.heavy != heavy):
            if spare.is_ready():
                self._spares.remove(spare)
                with contextlib.suppress(BrokenPipeError):  # it died in this very moment
                    return spare.assign(workspace)
        return None

    def close(self) -> None:
        for spare in self._spares:
            spare.close()


class _Spare:
    def __init__(self, options: RunOptions, heavy: bool) -> None:
        self.heavy = heavy
        self._options = options
        self._told = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner", _HEAVY if heavy else _LIGHT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=agent_environment(os.environ, options.pass_env) | {WORKSPACE_MARK: ROOM},
            start_new_session=True,
            umask=0o077,
        )
        os.set_blocking(self._stdout.fileno(), False)

    def is_ready(self) -> bool:
        """Whether it would begin at once: neither dead nor in the midst of an import."""
        with contextlib.suppress(BlockingIOError):
            self._told += os.read(self._stdout.fileno(), 16)
        return self._told.endswith(_READY) and not self.is_dead()

    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def assign(self, workspace: Workspace) -> subprocess.Popen[bytes]:
        """Give it its run. :raises BrokenPipeError: it is dead."""
        work = {
            "workspace": str(workspace.path),
            "variables": run_variables(workspace, self._options),
        }
        with self._stdin as stdin:
            stdin.write(json.dumps(work).encode() + b"\n")
        self._stdout.close()
        return self._process

    def close(self) -> None:
        # It may be in the midst of an import, and has nothing to lose.
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def wait_for_work(kind: str) -> Path | None:
    """The spare's side: import, wait, and become the process of the run it is told; None if there is none to be.

    :param kind: the argument it was started with.
    """
    from ..attempt import process  # noqa: F401
    from ..attempt.catalog import all_workflows

    workflows = all_workflows().values()
    os.write(1, _READY)
    if kind == _HEAVY and not select.select([0], [], [], _IDLE_S)[0]:
        os.write(1, _BUSY)
        for workflow in workflows:
            for name in getattr(workflow, "imports", ()):
                importlib.import_module(name)
        os.write(1, _READY)
    told = sys.stdin.buffer.readline()
    if not told.endswith(b"\n"):
        return None
    work = json.loads(told)
    workspace = Path(work["workspace"])
    os.environ.update(work["variables"])
    show_mark(WORKSPACE_MARK, work["variables"][WORKSPACE_MARK])  # for what it forks, too
    os.chdir(workspace)
    nothing = os.open(os.devnull, os.O_RDONLY)
    with open_stderr_log(Workspace(workspace.parent, RunId(workspace.name))) as log:
        os.dup2(nothing, 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.close(nothing)
    return workspace
