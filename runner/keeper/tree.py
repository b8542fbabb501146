"""Process trees: whom a process has started, and how to end them all.

Linux only. Imports little, and nothing of this project: the guard loads this file by its path in
an isolated interpreter, where start-up time counts (that is also why `Proc` is no dataclass: 8 ms).

Two ways to find a tree, since neither finds everything. `descendants` follows parent pids: exact
below a subreaper, and lost once that subreaper is dead. `marked` reads environments: outlives any
death, and misses a process that cleared or overwrote its own environment.
"""

import ctypes
import os
import select
import signal
import time

__all__ = [
    "Proc",
    "TreeSurvived",
    "become_subreaper",
    "descendants",
    "die_with_parent",
    "end_marked",
    "has_parent",
    "marked",
    "proc_of",
    "signal_proc",
]

# prctl(2), linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# SIGKILL takes milliseconds; what is there after this is in uninterruptible sleep, or not ours to
# kill.
_KILL_LIMIT_S = 10.0
_KILL_STEP_S = 0.1
# A sweep takes some 5 ms; where processes are started all the time it would never see the last one.
_SWEEP_LIMIT_S = 0.25
# A tree of thousands must not run into the limit of open files.
_MAX_PIDFDS = 64


class Proc:
    """A process by pid and start time (clock ticks since boot): a reused pid is another one."""

    __slots__ = ("pid", "start_ticks")

    def __init__(self, pid: int, start_ticks: int) -> None:
        self.pid = pid
        self.start_ticks = start_ticks

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Proc):
            return NotImplemented
        return self.pid == other.pid and self.start_ticks == other.start_ticks

    def __hash__(self) -> int:
        return hash((self.pid, self.start_ticks))

    def __repr__(self) -> str:
        return f"Proc(pid={self.pid}, start_ticks={self.start_ticks})"


class TreeSurvived(Exception):
    """Processes that were sent SIGKILL for ten seconds and are still there: `procs`."""

    def __init__(self, procs: list[Proc]) -> None:
        pids = ", ".join(str(proc.pid) for proc in procs)
        super().__init__(f"processes survived SIGKILL: {pids}")
        self.procs = procs


def become_subreaper() -> None:
    """From now on orphaned descendants become our children, also after setsid or a double fork."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(sig: int) -> None:
    """Have the kernel send `sig` to this process when the *thread* that started it ends.

    A parent that is already dead sends nothing: ask `has_parent` afterwards. Survives exec, not
    fork.
    """
    _prctl(_PR_SET_PDEATHSIG, sig)


def has_parent(pid: int) -> bool:
    """Whether `pid` is still our parent. An orphan has been given to a subreaper, or to pid 1."""
    return os.getppid() == pid


def descendants(pid: int) -> list[Proc]:
    """Children of `pid`, their children, and so on. No zombies; may miss one just being born."""
    children: dict[int, list[_Stat]] = {}
    for other in _pids():
        stat = _read_stat(other)
        if stat is not None:
            children.setdefault(stat.parent, []).append(stat)
    found: list[Proc] = []
    open_ends = [pid]
    while open_ends:
        for stat in children.pop(open_ends.pop(), ()):
            open_ends.append(stat.proc.pid)
            if stat.lives:
                found.append(stat.proc)
    return found


def marked(marker: bytes) -> list[Proc]:
    """Every process with the entry `marker` (`b"NAME=value"`, whole) in its initial environment.

    Without ourselves, zombies, and processes whose environment we may not read (other users',
    setuid).
    """
    found: list[Proc] = []
    looked_at = {os.getpid()}
    deadline = time.monotonic() + _SWEEP_LIMIT_S
    # A chain of processes that each fork and exit ran ahead of a single pass for seconds: "nobody" is
    # only true of a listing that shows no pid we have not looked at.
    while fresh := [pid for pid in _pids() if pid not in looked_at]:
        found += [proc for pid in fresh if (proc := _marked_proc(pid, marker))]
        looked_at.update(fresh)
        if found or time.monotonic() > deadline:
            break
    return found


def proc_of(pid: int) -> Proc | None:
    """The process that has this pid now; None if there is none, or only a zombie."""
    stat = _read_stat(pid)
    return stat.proc if stat is not None and stat.lives else None


def signal_proc(proc: Proc, sig: int) -> bool:
    """Send `sig` to exactly this process; False if it is gone or not ours to signal.

    SIGTERM is followed by SIGCONT: a stopped process would never see it.
    """
    fd = _open_pidfd(proc)
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, sig)
        if sig == signal.SIGTERM:
            signal.pidfd_send_signal(fd, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)
    return True


def end_marked(marker: bytes, grace_s: float, keep: frozenset[int] = frozenset()) -> int:
    """End every `marked` process but those with a pid in `keep`; return how many there were.

    SIGTERM first; what is left after `grace_s` seconds gets SIGKILL, until two sweeps running find
    nobody: a process in mid-exec shows no environment, and one sweep can miss a child that is being
    born.

    :raises TreeSurvived: some outlived ten seconds of SIGKILL.
    """
    seen: set[Proc] = set()
    deadline = time.monotonic() + grace_s
    while procs := _marked_but(marker, keep):
        for proc in procs:
            if proc not in seen:
                signal_proc(proc, signal.SIGTERM)
        seen.update(procs)
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        _wait_gone(procs, left_s)

    deadline = time.monotonic() + _KILL_LIMIT_S
    empty_sweeps = 0
    while empty_sweeps < 2:
        procs = _marked_but(marker, keep)
        if not procs:
            empty_sweeps += 1
            continue
        empty_sweeps = 0
        if time.monotonic() > deadline:
            raise TreeSurvived(procs)
        for proc in procs:
            signal_proc(proc, signal.SIGKILL)
        seen.update(procs)
        _wait_gone(procs, _KILL_STEP_S)
    return len(seen)


class _Stat:
    """What `/proc/<pid>/stat` says that matters here."""

    __slots__ = ("lives", "parent", "proc")

    def __init__(self, proc: Proc, parent: int, lives: bool) -> None:
        self.proc = proc
        self.parent = parent
        self.lives = lives


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _pids() -> list[int]:
    """All pids, the newest first (until they wrap around): the short-lived are looked at soonest."""
    return [int(name) for name in reversed(os.listdir("/proc")) if name.isdecimal()]


def _read(path: str) -> bytes:
    """The file's bytes; empty if the process is gone or not ours to look at."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _read_stat(pid: int) -> _Stat | None:
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # proc_pid_stat(5). The second field, the name, may hold blanks and brackets: count from its
    # last bracket.
    fields = text[text.rindex(b")") + 2 :].split()
    state, parent, threads, start_ticks = (
        fields[0],
        int(fields[1]),
        int(fields[17]),
        int(fields[19]),
    )
    # A process whose first thread has ended shows as a zombie while its other threads run on.
    lives = state not in (b"Z", b"X") or threads > 1
    return _Stat(Proc(pid, start_ticks), parent, lives)


def _marked_proc(pid: int, marker: bytes) -> Proc | None:
    if not _has_marker(pid, marker):
        return None
    stat = _read_stat(pid)
    # Asked again now that the start time is known: the pid may have changed hands in between.
    if stat is None or not stat.lives or not _has_marker(pid, marker):
        return None
    return stat.proc


def _has_marker(pid: int, marker: bytes) -> bool:
    environ = _read(f"/proc/{pid}/environ")
    if marker not in environ:
        return not environ and _threads_have_marker(pid, marker)
    return b"\0" + marker + b"\0" in b"\0" + environ + b"\0"


def _threads_have_marker(pid: int, marker: bytes) -> bool:
    """When the first thread has ended, the process shows no environment; its threads still do."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return any(
        b"\0" + marker + b"\0" in b"\0" + _read(f"/proc/{pid}/task/{thread}/environ") + b"\0"
        for thread in threads
        if thread != str(pid)
    )


def _marked_but(marker: bytes, keep: frozenset[int]) -> list[Proc]:
    return [proc for proc in marked(marker) if proc.pid not in keep]


def _open_pidfd(proc: Proc) -> int | None:
    """A descriptor of this very process, or None. Checked after opening: it cannot move by then."""
    try:
        fd = os.pidfd_open(proc.pid)
    except ProcessLookupError:
        return None
    stat = _read_stat(proc.pid)
    if stat is None or stat.proc != proc:
        os.close(fd)
        return None
    return fd


def _wait_gone(procs: list[Proc], timeout_s: float) -> None:
    """Wait for `procs` (the first `_MAX_PIDFDS` of them) to exit, at most `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    poll = select.poll()
    waiting: set[int] = set()
    try:
        for proc in procs[:_MAX_PIDFDS]:
            fd = _open_pidfd(proc)
            if fd is not None:
                waiting.add(fd)
                poll.register(fd, select.POLLIN)
        while waiting and (left_s := deadline - time.monotonic()) > 0:
            for fd, _ in poll.poll(left_s * 1000):
                poll.unregister(fd)
                waiting.discard(fd)
                os.close(fd)
    finally:
        for fd in waiting:
            os.close(fd)
