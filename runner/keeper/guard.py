"""Runs one program and ends its whole process tree with it.

    python -I -S guard.py [--tee STREAM_FILE [--tee-waits]] [--grace-s 5] --parent PID -- PROGRAM [ARGUMENT...]

A program of its own, since only a process between the run and its agent can do all of this: be
told by the kernel when the run dies, adopt what the agent leaves behind (setsid and double forks
too), and see every line first.

* The parent's death, SIGTERM, SIGINT and SIGHUP end the tree: SIGTERM and SIGCONT to the program,
  at most `grace-s` seconds for it to exit, then SIGKILL to every descendant until none is left. A
  second signal cuts the waiting short.
* When the program exits, what it left behind gets SIGTERM and at most a second, then SIGKILL.
* `--tee`: see `tee`. Without it, the program has our standard output itself. `--tee-waits`: the
  file is begun by another process; what comes before is held until then.

Exit code: the program's, or 128 + n if signal n ended it; 127 not found, 126 not startable, 2
wrong usage, 74 the stream file could not be written, 143 the parent was dead before the start. What
SIGKILL to the guard itself leaves: the program gets SIGTERM from the kernel, the rest is for
`tree.end_marked`.

Isolated mode (`-I -S`) keeps site packages, their start-up hooks and `PYTHON*` out; the price is
that `tree`, `tee` and `runlog/disk/append` are loaded by path. None imports anything slow: the start
takes 12 ms more than a bare interpreter's.
"""

import os
import select
import signal
import sys
import time
from importlib.machinery import SourceFileLoader
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from runlog.disk import append

    from . import tee, tree

__all__ = ["main"]

_EXIT_USAGE = 2
_EXIT_IO_ERROR = 74  # sysexits.h: EX_IOERR
_EXIT_NOT_STARTABLE = 126
_EXIT_NOT_FOUND = 127

_STRAGGLER_GRACE_S = 1.0
# Uninterruptible sleep can outlast this; then the guard says so and goes.
_KILL_LIMIT_S = 10.0
# A process killed in mid-fork leaves a child that only the next look finds.
_KILL_STEP_S = 0.02
# For a reader that no longer reads: how long we offer it the rest, and how long the record of it
# may take.
_FLUSH_S = 1.0


def main(arguments: list[str]) -> int:
    """Guard one program; the exit code is for `sys.exit`. Takes over this process's signals."""
    options = _Options.parse(arguments)
    if options is None:
        _say(
            "usage: guard.py [--tee FILE [--tee-waits]] [--grace-s SECONDS] --parent PID -- PROGRAM [ARGUMENT...]"
        )
        return _EXIT_USAGE
    _fill_standard_descriptors()
    tree.die_with_parent(signal.SIGTERM)
    if not tree.has_parent(options.parent_pid):
        return 128 + signal.SIGTERM
    tree.become_subreaper()
    stream: append.AppendFile | _StreamToCome | None = None
    if options.stream_path is not None:
        try:
            open_stream = _load("runlog.disk", "append").AppendFile
            if options.stream_waits:
                stream = _StreamToCome(options.stream_path, open_stream)
            else:
                stream = open_stream(options.stream_path)
        except OSError as error:
            _say(f"cannot open the stream file: {error}")
            return _EXIT_IO_ERROR
    return _Guard(options.grace_s).run(options.program, stream)


class _StreamToCome:
    """A stream that another process begins. Only the tee's thread appends."""

    def __init__(self, path: str, open_stream: "Callable[[str], append.AppendFile]") -> None:
        self._path = path
        self._open = open_stream
        self._file: append.AppendFile | None = None
        self._held = b""

    def append(self, lines: bytes) -> int:
        self._held += lines
        if self._file is None:
            if not os.path.lexists(self._path):
                return 0
            self._file = self._open(self._path)
        lines, self._held = self._held, b""
        return self._file.append(lines)


class _Options:
    """The command line. By hand: argparse costs more than all the rest of the start."""

    def __init__(self) -> None:
        self.stream_path: str | None = None
        self.stream_waits = False
        self.grace_s = 5.0
        self.parent_pid = 0
        self.program: list[str] = []

    @classmethod
    def parse(cls, arguments: list[str]) -> "_Options | None":
        options = cls()
        rest = iter(arguments)
        try:
            for name in rest:
                if name == "--":
                    options.program = list(rest)
                elif name == "--tee":
                    options.stream_path = next(rest)
                elif name == "--tee-waits":
                    options.stream_waits = True
                elif name == "--grace-s":
                    options.grace_s = float(next(rest))
                elif name == "--parent":
                    options.parent_pid = int(next(rest))
                else:
                    return None
        except (StopIteration, ValueError):
            return None
        # Written so that NaN fails too.
        usable = 0 <= options.grace_s <= 3600 and options.parent_pid > 0 and options.program
        return options if usable else None


class _Guard:
    """The process between the run and its agent. Signals only count, and wake its one thread."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._asked = 0
        self._child = 0
        self._status: int | None = None
        self._tree_is_empty = False
        self._tee: tee.Tee | None = None
        self._wake_fd, self._waker_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake_fd, select.POLLIN)
        signal.set_wakeup_fd(self._waker_fd, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_ask)
        signal.signal(signal.SIGCHLD, _on_child)
        # Whoever started us may have had them blocked.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def run(self, program: list[str], stream: "append.AppendFile | _StreamToCome | None") -> int:
        source_fd, out_fd = os.pipe2(os.O_CLOEXEC) if stream else (-1, 1)
        self._child, error = _spawn(program, out_fd)
        if error is not None:
            _say(f"cannot start {program[0]}: {error.strerror}")
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            return _EXIT_NOT_FOUND if missing else _EXIT_NOT_STARTABLE
        _let_go_of_standard_input()
        if stream:
            os.close(out_fd)
            self._tee = _load("runner.keeper", "tee").Tee(source_fd, 1, stream.append, self._wake)
            self._tee.start()

        self._wait(None, lambda: self._status is not None or self._must_end())
        self._end_tree()
        self._finish_tee()
        return self._exit_code()

    def _end_tree(self) -> None:
        hurry_at = self._asked + 1
        deadline = time.monotonic() + self._grace_s
        if self._status is None:
            # Not reaped yet, so the pid is still the child's.
            os.kill(self._child, signal.SIGTERM)
            os.kill(self._child, signal.SIGCONT)
            self._wait(self._grace_s, lambda: self._status is not None or self._asked >= hurry_at)
        if self._status is not None and not self._tree_is_empty and self._asked < hurry_at:
            for proc in tree.descendants(os.getpid()):
                tree.signal_proc(proc, signal.SIGTERM)
            left_s = min(_STRAGGLER_GRACE_S, deadline - time.monotonic())
            self._wait(left_s, lambda: self._tree_is_empty or self._asked >= hurry_at)

        deadline = time.monotonic() + _KILL_LIMIT_S
        while not self._tree_is_empty:
            left = tree.descendants(os.getpid())
            for proc in left:
                tree.signal_proc(proc, signal.SIGKILL)
            if time.monotonic() > deadline:
                _say(str(tree.TreeSurvived(left)))
                return
            self._wait(_KILL_STEP_S, lambda: self._tree_is_empty)

    def _finish_tee(self) -> None:
        copier = self._tee
        if copier is None:
            return
        copier.tree_ended()
        # Unasked, the last lines wait for their reader as they would in the agent's own pipe.
        self._wait(None, lambda: copier.finished or self._must_end())
        self._wait(_FLUSH_S, lambda: copier.finished)
        copier.abandon_output()
        self._wait(_FLUSH_S, lambda: copier.finished)
        if copier.error is not None:
            _say(f"cannot append to the stream file: {copier.error}")
        elif not copier.finished:
            _say("the last lines are not recorded: the stream file stays locked")

    def _exit_code(self) -> int:
        if self._tee is not None and (self._tee.error is not None or not self._tee.finished):
            return _EXIT_IO_ERROR
        if self._status is None:
            return 128 + signal.SIGKILL
        code = os.waitstatus_to_exitcode(self._status)
        return code if code >= 0 else 128 - code

    def _must_end(self) -> bool:
        return self._asked > 0 or (self._tee is not None and self._tee.error is not None)

    def _wait(self, timeout_s: float | None, done: "Callable[[], bool]") -> None:
        """Reap whatever ends until `done()`, or for `timeout_s` (None: without end)."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._reap()
            if done():
                return
            left_ms = None
            if deadline is not None:
                left_ms = (deadline - time.monotonic()) * 1000
                if left_ms <= 0:
                    return
            if self._poll.poll(left_ms):
                os.read(self._wake_fd, 4096)

    def _reap(self) -> None:
        """Collect the dead, adopted orphans too. No children at all: the tree is surely empty."""
        while not self._tree_is_empty:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._tree_is_empty = True
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = status

    def _on_ask(self, number: int, frame: "FrameType | None") -> None:
        self._asked += 1

    def _wake(self) -> None:
        try:
            os.write(self._waker_fd, b"\0")
        except BlockingIOError:
            pass  # full: awake anyway


def _on_child(number: int, frame: "FrameType | None") -> None:
    """A default or ignored SIGCHLD would not write to the wake-up descriptor."""


def _spawn(program: list[str], out_fd: int) -> tuple[int, OSError | None]:
    """Start the program with default signals; its pid, or 0 and why it could not be started.

    By fork, since posix_spawn cannot set the death signal. No other thread runs yet.
    """
    error_fd, child_error_fd = os.pipe2(os.O_CLOEXEC)
    guard = os.getpid()
    # A signal to the child must not run our handlers: it waits until they are gone.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        try:
            _become(program, out_fd, guard)
        except OSError as error:
            os.write(child_error_fd, str(error.errno).encode())
        finally:
            os._exit(_EXIT_NOT_STARTABLE)
    os.close(child_error_fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    number = os.read(error_fd, 16)
    os.close(error_fd)
    if not number:
        return pid, None
    os.waitpid(pid, 0)
    return 0, OSError(int(number), os.strerror(int(number)))


def _become(program: list[str], out_fd: int, guard: int) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.dup2(out_fd, 1)
    tree.die_with_parent(signal.SIGTERM)
    if not tree.has_parent(guard):
        return
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvp(program[0], program)


def _fill_standard_descriptors() -> None:
    """If we were started with one of 0-2 closed, a pipe of ours would get its number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def _let_go_of_standard_input() -> None:
    """Only the program reads it: when that ends, its writer must see a broken pipe."""
    fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(fd, 0)
    os.close(fd)


def _say(message: str) -> None:
    try:
        os.write(2, f"guard: {message}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # nobody is left to hear it


def _load(package: str, name: str) -> ModuleType:
    """A module of this project by its path: isolated mode has no import path to it."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(root, *package.split("."), f"{name}.py")
    loader = SourceFileLoader(f"{package}.{name}", path)
    module = ModuleType(loader.name)
    loader.exec_module(module)
    return module


if not TYPE_CHECKING:
    tree = _load("runner.keeper", "tree")

if __name__ == "__main__":
    # Not sys.exit: the tee's thread may be stuck for good, and there is nothing to clean up.
    os._exit(main(sys.argv[1:]))
