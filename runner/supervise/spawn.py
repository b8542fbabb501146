"""Start the process of a run: detached, in a session of its own, so that it outlives whoever started it."""

import os
import subprocess
import sys
from typing import IO

from runlog import Workspace
from runlog.disk.append import open_plain

from ..attempt.environment import agent_environment
from ..attempt.options import RunOptions, run_variables

__all__ = ["open_stderr_log", "start_run_process"]


def start_run_process(workspace: Workspace, options: RunOptions) -> subprocess.Popen[bytes]:
    """Start `python -m runner <workspace>`; its standard output and error go to `_stderr.log`.

    The caller reaps it. If another process holds the run's lock, it ends at once and changes nothing.
    """
    environment = agent_environment(os.environ, options.pass_env)
    with open_stderr_log(workspace) as log:
        return subprocess.Popen(
            # -P: the agent writes into folders of the run; none of them may be on the import path.
            [sys.executable, "-P", "-m", "runner", str(workspace.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=workspace.path,
            env=environment | run_variables(workspace, options),
            start_new_session=True,
            umask=0o077,
        )


def open_stderr_log(workspace: Workspace) -> IO[bytes]:
    """`_stderr.log`, to be appended to (0600). :raises OSError: see `open_plain`."""
    fd = open_plain(workspace.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    return open(fd, "wb", buffering=0)
