"""Processes of the project, forked from one that has imported it: a start takes 0.05 s of a core instead of 0.6, and
the tests start a thousand.

A `Forked` is a `Popen` otherwise: a process of its own, with its words, environment, folder, standard streams,
signals and exit code. Only what `/proc` shows as its command line and first environment is not its own, nor does it
heed PYTHON… variables: a test of those, or of the start itself, takes a `Popen`.
"""

import atexit
import functools
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

__all__ = ["TAILCAST", "WATCHED_RELAY", "Forked", "run_forked"]

_PROJECT = Path(__file__).resolve().parents[1]
TAILCAST = str(Path(sys.executable).with_name("tailcast"))
WATCHED_RELAY = "tests.relay.watched"
# What can be run, a script or a module: the options of Python, and what is imported before the first fork.
_PROGRAMS: dict[str, tuple[list[str], list[str]]] = {
    TAILCAST: (
        [],
        ["tailcast.app", "tailcast.client", "relay.server", "runner.supervise.supervisor"],
    ),
    WATCHED_RELAY: (["-W", "error"], ["blockbuster", "relay.server"]),
}
_NUMBER_BYTES = 8  # of a pid, and of what `waitpid` says


class Forked(subprocess.Popen[Any]):
    """`TAILCAST WORDS…` or `WATCHED_RELAY WORDS…`. Takes the streams, `cwd`, `env` and `text` as `Popen` does."""

    def __init__(self, program: str, *words: str, **options: Any) -> None:
        self._ended: socket.socket | None = None
        super().__init__([program, *words], **options)

    def _execute_child(self, words: list[str], *given: Any) -> None:
        cwd, env, streams = given[4], given[5], given[9:15]
        ours, theirs = socket.socketpair()
        with theirs:
            work = {
                "argv": words[1:],
                "cwd": str(cwd or os.getcwd()),
                "env": dict(os.environ if env is None else env),
            }
            # Of the pipes those ends that are the child's; without one, what this process has itself.
            ends = enumerate((streams[0], streams[3], streams[5]))
            child = [own if end == -1 else end for own, end in ends]
            _server(words[0]).fork(work, [*child, theirs.fileno()])
        self._ended = ours
        self.pid = _read_number(ours)
        self._close_pipe_fds(*streams)

    def _try_wait(self, flags: int) -> tuple[int, int]:
        assert self._ended is not None
        if flags & os.WNOHANG and not select.select([self._ended], [], [], 0)[0]:
            return 0, 0
        status = _read_number(self._ended)
        self._ended.close()
        return self.pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def run_forked(
    program: str, *words: str, told: str | None = None, timeout: float, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end. `told` is its standard input; output and error come as text."""
    stdin = subprocess.DEVNULL if told is None else subprocess.PIPE
    streams = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Forked(program, *words, text=True, **streams, **options) as process:
        try:
            printed = process.communicate(told, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess([program, *words], process.returncode, *printed)


class _Server:
    """The side of the tests. Ends when they do, as its socket closes."""

    def __init__(self, program: str) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        options, _ = _PROGRAMS[program]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *options, "-m", "tests.forks", program, str(theirs.fileno())],
                cwd=_PROJECT,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()

    def fork(self, work: dict[str, Any], fds: list[int]) -> None:
        text = json.dumps(work).encode()
        with self._lock:
            socket.send_fds(self._socket, [len(text).to_bytes(_NUMBER_BYTES)], fds)
            self._socket.sendall(text)


@functools.cache
def _server(program: str) -> _Server:
    return _Server(program)


def _read_number(source: socket.socket) -> int:
    return int.from_bytes(_read(source, _NUMBER_BYTES), signed=True)


def _read(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = source.recv(count - len(found))
        assert more, "the tests' fork server died"
        found += more
    return found


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for each order. Returns in a fork what that is to run, and None at the end of the tests."""
    children: dict[int, tuple[int, socket.socket]] = {}  # by their pidfd
    while True:
        for ready in select.select([orders, *children], [], [])[0]:
            if ready is not orders:
                pid, told = children.pop(ready)
                _, status = os.waitpid(pid, 0)
                os.close(ready)
                with told:
                    _tell(told, status)
                continue
            head, fds, _, _ = socket.recv_fds(orders, _NUMBER_BYTES, 4)
            if not head:
                return None
            head += _read(orders, _NUMBER_BYTES - len(head)) if len(head) < _NUMBER_BYTES else b""
            work: dict[str, Any] = json.loads(_read(orders, int.from_bytes(head)))
            told = socket.socket(fileno=fds.pop())
            if not (pid := os.fork()):
                for own, fd in enumerate(fds):
                    os.dup2(fd, own)
                for ours in (orders, told, *(socket for _, socket in children.values())):
                    ours.detach()
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                return work
            for fd in fds:
                os.close(fd)
            children[os.pidfd_open(pid)] = pid, told
            _tell(told, pid)


def _tell(who: socket.socket, number: int) -> None:
    try:
        who.sendall(number.to_bytes(_NUMBER_BYTES, signed=True))
    except OSError:
        pass  # the test has forgotten it


def _become(program: str, work: dict[str, Any]) -> None:
    """What Python does at its start, as far as it depends on what the process was given."""
    os.environ.clear()
    os.environ.update(work["env"])
    os.chdir(work["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    plain = bool(os.environ.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = _text(0, "rb", plain)
    sys.stdout = sys.__stdout__ = _text(1, "wb", plain)
    sys.stderr = sys.__stderr__ = _text(2, "wb", plain)
    sys.argv = [program, *work["argv"]]
    if program == TAILCAST:
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def _text(fd: int, mode: str, plain: bool) -> io.TextIOWrapper:
    file = open(fd, mode, 0 if plain and mode == "wb" else -1, closefd=False)
    return io.TextIOWrapper(
        file,
        errors="backslashreplace" if fd == 2 else "strict",
        line_buffering=fd == 2 or file.isatty(),
        write_through=plain,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends the tests, and with them this
    for name in _PROGRAMS[sys.argv[1]][1]:
        importlib.import_module(name)
    gc.freeze()  # so that a collection in a fork copies no memory
    if (order := _serve(socket.socket(fileno=int(sys.argv[2])))) is not None:
        _become(sys.argv[1], order)
