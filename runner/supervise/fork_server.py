"""A process that has done the imports of a run, and forks one for each run it is told.

It takes the imports (0.15 s, with the Claude SDK 1 s) out of every start, however many come at once, and its memory
is shared by all that it forked. It runs nothing itself: no thread, no loop, no lock that a fork could copy. It ends
when its standard input closes, with the runner, however that ends; the runs go on.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, Protocol

from runlog import RunId, Workspace

from ..attempt.environment import WORKSPACE_MARK, agent_environment
from ..attempt.options import RunOptions, run_variables
from ..keeper.mark import ROOM, show_mark
from .spawn import open_stderr_log

__all__ = ["ForkServer", "Started", "serve_forks"]

# Once idle so long, it goes on to import what some workflows take seconds for.
_IDLE_S = 3.0
# What it says, a line each: that it takes work or for a while does not, and of a run its pid, then its exit code.
_READY, _BUSY, _FORKED, _ENDED = "ready", "busy", "forked", "ended"


class Started(Protocol):
    """The process of a run, as far as the runner needs to know."""

    @property
    def pid(self) -> int | None:
        """None until it is known."""

    def poll(self) -> int | None:
        """Its exit code once it has ended."""


class ForkServer:
    """The runner's side. One thread at a time."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._told = b""
        self._ready = False
        self._forked: dict[int, _Forked] = {}
        self._number = 0

    def tend(self) -> None:
        """Start it, if it has not been or died."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._leave()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner", "--fork-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=agent_environment(os.environ, self._options.pass_env) | {WORKSPACE_MARK: ROOM},
            start_new_session=True,
            umask=0o077,
        )
        os.set_blocking(self._stdout.fileno(), False)

    def start(self, workspace: Workspace) -> Started | None:
        """Fork the process of a run; None if there is no server that would do it at once.

        :raises OSError: the run's `_stderr.log` can't be written.
        """
        open_stderr_log(workspace).close()  # the fork will; but only we can tell of it if it can't
        self.listen()
        if not self._ready:
            return None
        self._number += 1
        work = {
            "number": self._number,
            "workspace": str(workspace.path),
            "variables": run_variables(workspace, self._options),
        }
        try:
            self._stdin.write(json.dumps(work).encode() + b"\n")
            self._stdin.flush()
        except OSError:  # it died in this very moment
            self._ready = False
            return None
        forked = self._forked[self._number] = _Forked(self)
        return forked

    def listen(self) -> None:
        """Take in what the server has said."""
        if self._process is None or self._process.stdout is None:
            return
        while True:
            try:
                said = os.read(self._stdout.fileno(), 65536)
            except BlockingIOError:
                return
            if not said:
                self._leave()
                return
            *lines, self._told = (self._told + said).split(b"\n")
            for line in lines:
                self._take(line.decode())

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()  # it may be in the midst of an import, and has nothing to lose
            self._leave()

    def _take(self, line: str) -> None:
        word, *numbers = line.split()
        if word in (_READY, _BUSY):
            self._ready = word == _READY
            return
        number, value = map(int, numbers)
        forked = self._forked[number]
        if word == _FORKED:
            forked.pid = value
        else:
            forked.exit_code = value
            del self._forked[number]

    def _leave(self) -> None:
        """It is dead, or as good as: what it forked lives, and is watched by its pid alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        self._process, self._ready, self._told = None, False, b""
        for forked in self._forked.values():
            forked.is_orphan = True
        self._forked.clear()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout


class _Forked:
    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.is_orphan = False

    def poll(self) -> int | None:
        self._server.listen()
        if self.exit_code is None and self.is_orphan and not self._is_there():
            self.exit_code = 0  # nobody can say: the run's lock and stream will
        return self.exit_code

    def _is_there(self) -> bool:
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True


def serve_forks() -> Path | None:
    """The server's side: returns in each fork, with the folder of its run; in the server None, at the end."""
    from ..attempt import process  # noqa: F401
    from ..attempt.catalog import all_workflows

    workflows = all_workflows().values()
    gc.freeze()  # what is shared with the forks stays so: no collection writes to it
    server = _Server()
    server.say(_READY)
    if (folder := server.serve(_IDLE_S)) or server.is_over:
        return folder
    server.say(_BUSY)
    for workflow in workflows:
        for name in getattr(workflow, "imports", ()):
            importlib.import_module(name)
    gc.freeze()
    server.say(_READY)
    return server.serve(None)


class _Server:
    def __init__(self) -> None:
        self.is_over = False
        self._told = b""
        self._forked: dict[int, tuple[int, int]] = {}  # pidfd -> (number, pid)
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)

    def say(self, word: str, *numbers: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(1, " ".join([word, *map(str, numbers)]).encode() + b"\n")

    def serve(self, idle_s: float | None) -> Path | None:
        """Fork for all that is told, until nothing is for `idle_s`, or the runner has gone."""
        while True:
            changed = self._poll.poll(None if idle_s is None else idle_s * 1000)
            if not changed:
                return None
            for fd, _ in changed:
                if fd != 0:
                    self._reap(fd)
                elif folder := self._take_work():
                    return folder
                if self.is_over:
                    return None

    def _take_work(self) -> Path | None:
        told = os.read(0, 65536)
        self.is_over = not told
        *lines, self._told = (self._told + told).split(b"\n")
        for line in lines:
            work = json.loads(line)
            pid = os.fork()
            if pid == 0:
                return self._become(work)
            pidfd = os.pidfd_open(pid)
            self._forked[pidfd] = work["number"], pid
            self._poll.register(pidfd, select.POLLIN)
            self.say(_FORKED, work["number"], pid)
        return None

    def _reap(self, pidfd: int) -> None:
        number, pid = self._forked.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        self.say(_ENDED, number, os.waitstatus_to_exitcode(status))

    def _become(self, work: dict[str, object]) -> Path:
        """In the fork: nothing of the server is left but what it has imported."""
        os.setsid()
        for pidfd in self._forked:
            os.close(pidfd)
        workspace = Path(str(work["workspace"]))
        assert isinstance(work["variables"], dict)
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
