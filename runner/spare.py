"""A run process started ahead of its run: interpreter up, imports done, waiting to be told its workspace.

It takes the imports (0.15 s, with the Claude SDK 1 s) out of the start of a run. It holds nothing: it ends when its
standard input closes, so with the runner, however that ends.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO

from runlog import RunId, Workspace

from .environment import agent_environment
from .spawn import RunOptions, open_stderr_log, run_variables

__all__ = ["Spare", "wait_for_work"]

_READY = b"r"
# An idle spare goes on to import the SDK; a run that comes in that second is started afresh instead.
_IDLE_S = 1.0


class Spare:
    """The runner's side: one process, used for one run at most."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._told = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner", "--spare"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=agent_environment(os.environ, options.pass_env),
            start_new_session=True,
            umask=0o077,
        )
        os.set_blocking(self._stdout.fileno(), False)

    def is_ready(self) -> bool:
        """Whether it would begin at once: neither dead nor in the midst of an import."""
        with contextlib.suppress(BlockingIOError):
            self._told += os.read(self._stdout.fileno(), 16)
        return self._told.endswith(_READY) and self._process.poll() is None

    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def assign(self, workspace: Workspace) -> subprocess.Popen[bytes]:
        """Give it its run; the process is the caller's from now on.

        :raises OSError: it died in this very moment.
        """
        with open_stderr_log(
            workspace
        ):  # here too, so that what can't be opened is told to the caller
            pass
        work = {
            "workspace": str(workspace.path),
            "variables": run_variables(workspace, self._options),
        }
        with self._stdin as stdin:
            stdin.write(json.dumps(work).encode() + b"\n")
        self._stdout.close()
        return self._process

    def close(self) -> None:
        """End it; it may be in the midst of an import, and has nothing to lose."""
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


def wait_for_work() -> Path | None:
    """The spare's side: import, wait, and become the process of the run it is told; None if there is none to be."""
    from . import process  # noqa: F401
    from .workflows import command  # noqa: F401

    os.write(1, _READY)
    if not select.select([0], [], [], _IDLE_S)[0]:
        os.write(1, b"-")
        import claude_agent_sdk  # noqa: F401

        os.write(1, _READY)
    told = sys.stdin.buffer.readline()
    if not told.endswith(b"\n"):
        return None
    work = json.loads(told)
    workspace = Path(work["workspace"])
    os.environ.update(work["variables"])
    os.chdir(workspace)
    nothing = os.open(os.devnull, os.O_RDONLY)
    with open_stderr_log(Workspace(workspace.parent, RunId(workspace.name))) as log:
        os.dup2(nothing, 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.close(nothing)
    return workspace
