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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

from runlog import RunId, Workspace

from ..attempt.environment import WORKSPACE_MARK, agent_environment
from ..attempt.options import RunOptions, run_variables
from ..keeper.mark import ROOM, show_mark
from .spawn import open_stderr_log

__all__ = ["ForkServer", "Spare", "Started", "serve_forks"]

# Once idle so long, it goes on to import what some workflows take seconds for.
_IDLE_S = 3.0
# What it says, a line each: that it takes work or for a while does not, and of a run its pid, then its exit code.
_READY, _BUSY, _FORKED, _ENDED = "ready", "busy", "forked", "ended"

_GO = b"g"  # through the gate of a process that waits for its run


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
        return self._fork(workspace, None)

    def is_ready(self) -> bool:
        """Whether it would fork at once."""
        self.listen()
        return self._ready

    def start_ahead(self, workspace: Workspace, key: str) -> "Spare | None":
        """Fork a process that gets ready for the run that is to have this folder; else as `start`.

        :param key: of the request, as `runlog.run.reserved` has it.
        """
        forked = self._fork(workspace, key)
        return None if forked is None else Spare(self, forked)

    def _fork(self, workspace: Workspace, ahead: str | None) -> "_Forked | None":
        open_stderr_log(workspace).close()  # the fork will; but only we can tell of it if it can't
        self.listen()
        if not self._ready:
            return None
        self._number += 1
        work = {
            "number": self._number,
            "workspace": str(workspace.path),
            "variables": run_variables(workspace, self._options),
            "ahead": ahead,
        }
        if not self.say(work):
            return None
        forked = self._forked[self._number] = _Forked(self, self._number)
        return forked

    def say(self, work: dict[str, Any]) -> bool:
        """Whether it could be said."""
        if self._process is None:
            return False
        try:
            self._stdin.write(json.dumps(work).encode() + b"\n")
            self._stdin.flush()
        except OSError:  # it died in this very moment
            self._ready = False
            return False
        return True

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
    def __init__(self, server: ForkServer, number: int) -> None:
        self._server = server
        self.number = number
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


class Spare:
    """A process that was started ahead of its run: it waits until it is told to begin, or to end."""

    def __init__(self, server: ForkServer, process: _Forked) -> None:
        self._server = server
        self.process = process

    def begin(self) -> Started | None:
        """Its run is there and may start; None if the process has ended, or can't be told."""
        if self.process.is_orphan or self.process.poll() is not None:
            return None
        return _Begun(self.process) if self._server.say({"begin": self.process.number}) else None

    def end(self) -> None:
        """It ends by itself where nobody can tell it anything any more."""
        if not self.process.is_orphan:
            self._server.say({"end": self.process.number})


class _Begun:
    """Of a run whose spare was told to begin: if it dies before it could, its run has nothing to do with that."""

    def __init__(self, process: _Forked) -> None:
        self._process = process

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def poll(self) -> int | None:
        return (
            None if self._process.poll() is None else 0
        )  # a run that is still queued is started again


def serve_forks() -> Callable[[], None] | None:
    """The server's side: returns in each fork, with what it is to do; in the server None, at the end."""
    from ..attempt import spare  # noqa: F401
    from ..attempt.catalog import all_workflows

    workflows = all_workflows().values()
    gc.freeze()  # what is shared with the forks stays so: no collection writes to it
    server = _Server()
    server.say(_READY)
    if (work := server.serve(_IDLE_S)) or server.is_over:
        return work
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
        self._gates: dict[int, int] = {}  # number of a process that waits -> our end of its gate
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)

    def say(self, word: str, *numbers: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(1, " ".join([word, *map(str, numbers)]).encode() + b"\n")

    def serve(self, idle_s: float | None) -> Callable[[], None] | None:
        """Fork for all that is told, until nothing is for `idle_s`, or the runner has gone."""
        while True:
            changed = self._poll.poll(None if idle_s is None else idle_s * 1000)
            if not changed:
                return None
            for fd, _ in changed:
                if fd != 0:
                    self._reap(fd)
                elif work := self._take_work():
                    return work
                if self.is_over:
                    return None

    def _take_work(self) -> Callable[[], None] | None:
        told = os.read(0, 65536)
        self.is_over = not told
        *lines, self._told = (self._told + told).split(b"\n")
        for line in lines:
            work = json.loads(line)
            if "begin" in work:
                self._close_gate(work["begin"], _GO)
            elif "end" in work:
                self._close_gate(work["end"], b"")
            elif found := self._fork(work):
                return found
        return None

    def _fork(self, work: dict[str, Any]) -> Callable[[], None] | None:
        gate, our_gate = os.pipe2(os.O_CLOEXEC) if work["ahead"] is not None else (-1, -1)
        pid = os.fork()
        if pid == 0:
            if our_gate >= 0:
                os.close(our_gate)
            return self._become(work, gate)
        if our_gate >= 0:
            os.close(gate)
            self._gates[work["number"]] = our_gate
        pidfd = os.pidfd_open(pid)
        self._forked[pidfd] = work["number"], pid
        self._poll.register(pidfd, select.POLLIN)
        self.say(_FORKED, work["number"], pid)
        return None

    def _close_gate(self, number: int, last_word: bytes) -> None:
        gate = self._gates.pop(number, None)
        if gate is not None:
            with contextlib.suppress(OSError):  # it has ended
                os.write(gate, last_word)
            os.close(gate)

    def _reap(self, pidfd: int) -> None:
        number, pid = self._forked.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        self._close_gate(number, b"")
        _, status = os.waitpid(pid, 0)
        self.say(_ENDED, number, os.waitstatus_to_exitcode(status))

    def _become(self, work: dict[str, Any], gate: int) -> Callable[[], None]:
        """In the fork: nothing of the server is left but what it has imported."""
        from ..attempt.process import main
        from ..attempt.spare import main_ahead

        os.setsid()
        for fd in (*self._forked, *self._gates.values()):
            os.close(fd)
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
        if gate >= 0:
            return partial(main_ahead, workspace, work["ahead"], gate, _GO)
        return partial(main, workspace)
