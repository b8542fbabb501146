"""The runner: starts queued runs, at most so many at once, and tells of those whose process died.

It keeps nothing that it can't read from the disk: killed and started again, it adopts what runs. Only one runner
of a root is at work, by a lock; a second one stands by. Nothing else ends it: what the system refuses (descriptors,
processes, a disk that is full) is tried again after a pause, and said in `_troubles.json`.

What may take long, or hang, is done in threads: one beside each run at work (`overdue`), one for each that is ended.
"""

import contextlib
import errno
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runlog import (
    BadLimit,
    Manifest,
    RunId,
    RunIndex,
    RunLock,
    RunlogError,
    Status,
    Unusable,
    Workspace,
    decode,
    encode,
    is_locked,
    is_terminal,
    read_inbox,
    read_manifest,
    run_status,
)
from runlog.disk.layout import make_root, runner_lock
from runlog.disk.records import from_iso
from runlog.groups.catalog import write_catalog
from runlog.groups.queue import startable
from runlog.groups.troubles import write_troubles
from runlog.run.graves import remove_leftovers
from runlog.run.inbox_lines import InboxLine, pending_lines
from runlog.run.limits import check_limits, tightest
from runlog.run.manifest import EXTERNAL, UNKNOWN
from runlog.run.status import tail_state

from ..attempt.catalog import describe_all
from ..attempt.options import RunOptions
from ..attempt.process import EXIT_REFUSED
from .fork_server import ForkServer, Started
from .lost import end_run
from .overdue import Overdue, Verdict
from .spares import Spares
from .spawn import start_run_process

if TYPE_CHECKING:
    from .schedules import Schedules

__all__ = ["DEFAULT_MAX_WAITING", "Supervisor", "active_options", "runner_is_active"]

# A notice comes when a folder is made or a run reopened; this is for what none tells: a process's end.
_LOOK_S = 0.1
_SWEEP_S = 1.0
# Of 200 to 260 MB each, until they are parked: 4 GB.
DEFAULT_MAX_WAITING = 16
# All that wait are looked at again after so many times as long as that took.
_QUEUE_RESPITE = 50
# Of a look that may go into reading a root for the first time.
_PART_S = 0.05
_PAUSE_S = 0.01
_KEEP_S = 0.5
# Between two tries of what the system refused: from the first to the last, doubled each time.
_PAUSES_S = (0.5, 16.0)
# No trouble of the system: what is there is no such file. Waiting does not mend it.
_NOT_OURS = frozenset(
    {errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EEXIST, errno.ENOENT, errno.ENXIO}
)
# Between two tries to remove what is left of removed runs.
_LEFTOVERS_S = 60.0
_OPTIONS_TRIES = 100
# Whose turn is a person's: such a run holds no slot.
_WAITS = ("waiting", "paused")
# A stream to which nothing was written for so long may be that of a run that waits.
_QUIET_S = 0.3


@dataclass(slots=True)
class _Run:
    """What the runner remembers of a run that has not ended, only to look less often."""

    manifest: Manifest
    unbegun: bool = False  # queued, and nothing of it was there but what was asked and said
    exit_code: int = 0  # of our child, while its end is not dealt with
    trouble: str = ""  # why it rests
    tries: int = 0
    rests_until: float = 0.0  # by the monotonic clock
    inbox_bytes: int = 0
    parked: bool = False  # it waits without a process, and nothing had come for it
    parked_until: float = math.inf  # by the wall clock
    stream_bytes: int = -1  # when it was last asked whether the run waits
    waits: bool = False
    process: Started | None = None  # if it is our child
    ending: bool = False  # a thread is about to end it
    # Set when the thread beside the run may go; None while there is none.
    left: threading.Event | None = field(default=None, compare=False)

    def refused(self, error: Exception) -> str:
        """Rest before the next try; returns what to say of it, once for each kind of trouble."""
        first_s, longest_s = _PAUSES_S
        pause_s = min(longest_s, first_s * 2**self.tries)
        self.tries = min(self.tries + 1, 10)
        self.rests_until = time.monotonic() + pause_s
        before, self.trouble = self.trouble, str(error) or repr(error)
        new = self.trouble != before
        return f"{self.manifest.run_id}: {self.trouble}; it is tried again" if new else ""

    def went_well(self) -> None:
        self.trouble, self.tries = "", 0


class Supervisor:
    """One runner of one root. `tell` gets a line for each thing it does, for the terminal.

    :param max_running: so many runs are at work at once; those that are answered go on beside them.
    :param max_waiting: so many may wait for a person, each with its process, without holding a slot of those.
    :param warm: so many spare processes for what is started most often, beside those of deployments.
    """

    def __init__(
        self,
        root: Path,
        *,
        max_running: int = 4,
        max_waiting: int = DEFAULT_MAX_WAITING,
        warm: int = 0,
        options: RunOptions | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.root = make_root(root)
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._options = options or RunOptions()
        self._tell = tell
        self._lock_path = runner_lock(self.root)
        self._lock = RunLock(self._lock_path)
        self._index = RunIndex(self.root, follows=False)
        self._runs: dict[str, _Run] = {}
        self._started: dict[str, Started] = {}
        self._running: set[str] = set()
        self._wake = threading.Event()
        self._reads_on = False
        self._queue_due = 0.0
        self._start_due = 0.0
        self._start_seen: object = None
        self._leftovers_due = 0.0
        self._fork_server = ForkServer(self._options)
        self._spares = Spares(self.root, self._fork_server, warm, self._options.grace_s, tell)
        self._schedules: Schedules | None = None  # until there are any
        self._troubles: dict[str, str] | None = None  # as they were last written

    def work(self, stop: threading.Event) -> None:
        """Work until `stop` is set (and `wake` called). The runs go on."""
        try:
            while self._stand_by(stop):
                self._work_while_locked(stop)
                if stop.is_set():
                    return
        finally:
            self._index.close()
            self._fork_server.close()
            self._forget()
            with contextlib.suppress(OSError):
                if self._lock.keep():
                    self._lock_path.write_bytes(b"")  # the next one's options are not these
            self._lock.release()

    def _work_while_locked(self, stop: threading.Event) -> None:
        begun, told, pause_s = False, "", _LOOK_S
        while not stop.is_set():
            try:
                if not self._lock.keep():
                    self._forget()  # the file was replaced, and another runner has the new one
                    return
                if not _size(self._lock_path):
                    # For `active_options`. Written over, never replaced: the file is the lock.
                    self._lock_path.write_bytes(encode(asdict(self._options)))
                if not begun:
                    write_catalog(self.root, describe_all())
                    self._index.listen(self._wake.set)
                    begun = True
                self.look()
                self._fork_server.tend()
                self._spares.tend()
                self._tend_leftovers()
                idle = not self._started and all(run.parked for run in self._runs.values())
                told = ""
                pause_s = _PAUSE_S if self._reads_on else _SWEEP_S if idle else _LOOK_S
            except Exception as error:  # whatever it is: the next look may do better
                if str(error) != told:
                    self._tell(f"the runner tries again: {type(error).__name__}: {error}")
                told, pause_s = str(error), _SWEEP_S
            self._wake.wait(pause_s)
            self._wake.clear()

    def _tend_leftovers(self) -> None:
        """Of removed runs: what kept it may be mended by now. `doctor` says what that is."""
        now = time.monotonic()
        if now < self._leftovers_due:
            return
        self._leftovers_due = now + _LEFTOVERS_S

        def work() -> None:
            with contextlib.suppress(RunlogError, OSError):
                remove_leftovers(self.root)

        _start_thread(work, "leftovers")

    def _forget(self) -> None:
        for run in self._runs.values():
            _leave(run)
        self._runs.clear()
        self._running.clear()

    def wake(self) -> None:
        """Have the next look at once; safe in a signal handler."""
        self._wake.set()

    def look(self) -> None:
        """One look at the root: reap, find, tell of the dead, start what is queued."""
        died = self._reap()
        self._tend_schedules()
        heard = self._find()
        self._running = {run_id for run_id in self._running if self._lives(run_id)}
        queued, began = [], time.monotonic()
        all_due = began >= self._queue_due
        for run_id, run in list(self._runs.items()):
            if run_id in self._running or run_id in self._started:
                self._keep(run_id, run)
                continue
            _leave(run)
            if run.ending or run.rests_until > began:
                continue
            if not (all_due or run_id in heard or run_id in died):
                if run.unbegun:
                    queued.append(run.manifest)
                if run.unbegun or run.parked:
                    continue
            with self._retried(run):
                if self._tend(run_id, run) == "queued":
                    queued.append(run.manifest)
        if all_due:
            now = time.monotonic()
            self._queue_due = now + max(_SWEEP_S, _QUEUE_RESPITE * (now - began))
        self._start_some(queued, began, bool(heard))
        self._tell_troubles()

    def _tend_schedules(self) -> None:
        if self._schedules is None:
            if not (self.root / "_schedules").is_dir():
                return
            from .schedules import Schedules  # who has none pays nothing for it

            self._schedules = Schedules(self.root, self._tell)
        self._schedules.tend(self._index.manifests)

    def _start_some(self, queued: list[Manifest], now: float, heard: bool) -> None:
        at_work = self._at_work(bool(queued))
        seen = len(queued), {manifest.run_id for manifest in at_work}
        if not heard and seen == self._start_seen and now < self._start_due:
            return  # none could start then, and nothing has moved
        self._start_seen, self._start_due = seen, now + _SWEEP_S
        for manifest in startable(self.root, queued, at_work, self._max_running):
            self._start_seen = None
            run = self._runs[manifest.run_id]
            with self._retried(run):
                as_before = run.unbegun and self._is_as_before(manifest.run_id, run)
                if as_before or self._tend(manifest.run_id, run) == "queued":
                    self._start(run)

    @contextlib.contextmanager
    def _retried(self, run: _Run) -> Iterator[None]:
        """What the system refuses to one run keeps the others from nothing, and is tried again."""
        try:
            yield
        except (
            Exception
        ) as error:  # of the system, mostly; and whatever it is, it is said and tried again
            if told := run.refused(error):
                self._tell(told)

    def _tell_troubles(self) -> None:
        troubles = {run_id: run.trouble for run_id, run in self._runs.items() if run.trouble}
        if troubles != self._troubles:
            with contextlib.suppress(OSError):  # a full disk is one of them
                write_troubles(self.root, troubles)
                self._troubles = troubles

    def _end(self, run: _Run, end: Callable[[], str]) -> None:
        """Have a thread end a run; `end` returns what to say of it. Meanwhile nothing else is done to the run."""

        def work() -> None:
            try:
                with self._retried(run):
                    if told := end():
                        self._tell(told)
                    run.exit_code = 0
                    run.went_well()
            finally:
                run.ending = False
                self._wake.set()

        run.ending = True
        try:
            _start_thread(work, f"end-{run.manifest.run_id}")
        except BaseException:
            run.ending = False
            raise

    def _keep(self, run_id: str, run: _Run) -> None:
        """Have a thread beside a run that is at work, which ends it where its own process does not."""
        if run.left is None and not run.ending:
            left = threading.Event()
            _start_thread(partial(self._keep_on, run_id, run, left), f"keep-{run_id}")
            run.left = left

    def _keep_on(self, run_id: str, run: _Run, left: threading.Event) -> None:
        overdue: Overdue | None = None
        verdict: Verdict | None = None
        pause_s = _KEEP_S
        # A verdict is carried out, however often it takes: how the run ends is not forgotten for a full disk.
        while not left.wait(pause_s) or verdict:
            pause_s = _KEEP_S
            with self._retried(run):
                if overdue is None:
                    workspace = self._workspace(run_id)
                    pid = run.process.pid if run.process else None
                    limits = _limits_of(workspace, self._options)
                    overdue = Overdue(workspace, limits, self._options.grace_s, pid)
                verdict = verdict or overdue.look()
                if verdict:
                    run.ending = True
                    if overdue.carry_out(verdict):
                        self._tell(f"{run_id} ended by the runner: {verdict.reason}")
                        break
                run.went_well()
            if run.trouble:
                pause_s = max(_KEEP_S, run.rests_until - time.monotonic())
            if left.is_set():
                time.sleep(pause_s)
            if self._runs.get(run_id) is not run:
                break  # removed
        run.ending = False
        if overdue is not None:
            overdue.close()

    def _stand_by(self, stop: threading.Event) -> bool:
        told = ""
        while True:
            try:
                if self._lock.acquire():
                    return True
                why = f"another runner is at work in {self.root}; standing by"
            except OSError as error:
                why = f"the runner can't lock {self._lock_path}, and tries again: {error}"
            if why != told:
                self._tell(why)
                told = why
            if stop.wait(_SWEEP_S):
                return False

    def _find(self) -> set[str]:
        """Learn of new, removed and reopened runs. Of which something was heard."""
        look = self._index.look(_PART_S)
        heard, self._reads_on = look.heard, look.more
        live = self._index.manifests()
        for run_id, run in list(self._runs.items()):
            # Another object for the same id: it was removed and made anew.
            if live.get(run_id) is not run.manifest:
                _leave(self._runs.pop(run_id))
        for run_id, manifest in live.items():
            if run_id not in self._runs and manifest.workflow not in (EXTERNAL, UNKNOWN):
                self._runs[run_id] = _Run(manifest)
        return heard

    def _reap(self) -> set[str]:
        """Take note of our children that have ended. Which they are."""
        died = set()
        for run_id, process in list(self._started.items()):
            if (code := process.poll()) is not None:
                died.add(run_id)
                del self._started[run_id]
                if run := self._runs.get(run_id):
                    run.exit_code = code
        return died

    def _tend(self, run_id: str, run: _Run) -> Status | None:
        """The status of a run that has no process of ours; None while one that died is being ended."""
        if run.unbegun and not run.exit_code and self._is_as_before(run_id, run):
            return "queued"
        if run.parked and self._is_still_parked(run_id, run):
            return "waiting"
        workspace = self._workspace(run_id)
        inbox_bytes = _size(workspace.inbox)
        status = run_status(workspace)
        if is_locked(workspace.lock):
            self._running.add(run_id)
            run.parked = False
            run.went_well()
            return "running"
        # To end a run is to hold its lock: one that has told its end would seem to live meanwhile.
        untold = status == "failed" and not is_terminal(tail_state(workspace).status)
        if untold:
            self._end(run, partial(_end_lost, workspace))
            return None
        if status == "queued" and run.exit_code == EXIT_REFUSED:
            run.exit_code = 0
            raise OSError(f"it could not begin; its {workspace.stderr.name} says why")
        if status == "queued" and run.exit_code != 0:
            self._end(run, partial(_end_unbegun, workspace, run.exit_code))
            return None
        if status == "queued" and _stop_asked(workspace, run):
            began = os.path.lexists(workspace.stream)
            self._end(run, partial(_end_parked if began else _end_stopped, workspace))
            return None
        run.exit_code = 0
        if is_terminal(status):
            # Told of again if it is to go on.
            _leave(self._runs.pop(run_id))
            self._index.settle(run_id)
            return status
        run.inbox_bytes = inbox_bytes
        run.parked = status == "waiting"
        if run.parked:
            until = from_iso(tail_state(workspace).parked_until)
            run.parked_until = until.timestamp() if until else math.inf
        run.unbegun = status == "queued" and not os.path.lexists(workspace.stream)
        return status

    def _is_as_before(self, run_id: str, run: _Run) -> bool:
        """Of a run that waits for its turn: ten times a second, and there may be thousands."""
        folder = f"{self.root}/{run_id}"
        unbegun = not os.path.lexists(f"{folder}/_stream.jsonl") and not is_locked(
            f"{folder}/_lock"
        )
        return unbegun and _size(f"{folder}/_inbox.jsonl") == run.inbox_bytes

    def _is_still_parked(self, run_id: str, run: _Run) -> bool:
        """Once a second, for each run that waits so; there may be thousands."""
        folder = f"{self.root}/{run_id}"
        return (
            _size(f"{folder}/_inbox.jsonl") == run.inbox_bytes
            and time.time() < run.parked_until
            and not is_locked(f"{folder}/_lock")
        )

    def _start(self, run: _Run) -> None:
        run_id = run.manifest.run_id
        workspace = self._workspace(run_id)
        try:
            forked = self._spares.take(run_id) or self._fork_server.start(workspace)
            process: Started = forked or start_run_process(workspace, self._options)
            self._spares.note(workspace)
        except OSError as error:
            if not isinstance(error, Unusable) and error.errno not in _NOT_OURS:
                raise
            self._end(run, partial(_end_not_startable, workspace, str(error)))
            return
        self._started[run_id] = process
        run.process = process
        run.went_well()
        self._tell(f"{run_id} started")

    def _at_work(self, asked: bool) -> list[Manifest]:
        """Those that hold a slot: all at work, but of those that wait for a person only what is too many.

        :param asked: whether any run wants a slot; without, nobody looks who waits.
        """
        # One that was started may have been removed since.
        ids = self._running | self._started.keys()
        runs = [run for run_id in ids if (run := self._runs.get(run_id))]
        waiting = [run for run in runs if asked and self._waits(run)]
        free = {run.manifest.run_id for run in waiting[: self._max_waiting]}
        return [run.manifest for run in runs if run.manifest.run_id not in free]

    def _waits(self, run: _Run) -> bool:
        """Whether a person's turn is what it waits for. Its stream is read once for each rest."""
        workspace = self._workspace(run.manifest.run_id)
        try:
            stream = os.stat(workspace.stream)
            if stream.st_size != run.stream_bytes:
                run.waits = False
                if time.time() - stream.st_mtime > _QUIET_S:
                    run.stream_bytes = stream.st_size
                    run.waits = run_status(workspace) in _WAITS
        except (OSError, RunlogError):
            return False  # it holds its slot; what is wrong with it others say
        return run.waits

    def _lives(self, run_id: str) -> bool:
        if run_id not in self._runs:
            return False
        try:
            return is_locked(self._workspace(run_id).lock)
        except OSError:
            return True  # nobody can tell; the thread beside it will say what is wrong

    def _workspace(self, run_id: str) -> Workspace:
        return Workspace(self.root, RunId(run_id))


def runner_is_active(root: Path) -> bool:
    """Whether a runner is at work in this root."""
    return is_locked(runner_lock(root))


def active_options(root: Path) -> RunOptions | None:
    """With which options the runner at work in this root starts its runs; None if there is no runner."""
    for _ in range(_OPTIONS_TRIES):
        if not runner_is_active(root):
            return None
        try:
            told = decode(runner_lock(root).read_bytes()) or {}
            return RunOptions(
                grace_s=float(told["grace_s"]),
                scripted_model=told["scripted_model"] is True,
                pass_env=tuple(map(str, told["pass_env"])),
                limits=check_limits(told["limits"]),
                park_after_s=float(told["park_after_s"]),
            )
        except (OSError, KeyError, TypeError, ValueError, BadLimit):
            time.sleep(0.01)  # it has the lock, and is about to write them
    return RunOptions()


def _start_thread(work: Callable[[], None], name: str) -> None:
    # A daemon: one that hangs on somebody's files keeps no shutdown waiting.
    threading.Thread(target=work, name=name, daemon=True).start()


def _leave(run: _Run) -> None:
    if run.left is not None:
        run.left.set()
        run.left = None


def _end_lost(workspace: Workspace) -> str:
    if end_run(workspace, "workflow_failed", "lost", "the run's process died"):
        return f"{workspace.run_id} lost: its process died"
    return ""


def _end_unbegun(workspace: Workspace, exit_code: int) -> str:
    error = f"the run's process ended with exit code {exit_code} before it could begin"
    end_run(workspace, "workflow_failed", "cannot_start", error, began=False)
    return f"{workspace.run_id} failed: {error}"


def _end_not_startable(workspace: Workspace, why: str) -> str:
    end_run(workspace, "workflow_failed", "cannot_start", f"no process: {why}")
    return f"{workspace.run_id} failed: {why}"


def _end_stopped(workspace: Workspace) -> str:
    end_run(workspace, "workflow_stopped", "stopped before it began")
    return f"{workspace.run_id} stopped before it began"


def _end_parked(workspace: Workspace) -> str:
    end_run(workspace, "workflow_stopped", "stop")
    return f"{workspace.run_id} stopped while it was parked"


def _limits_of(workspace: Workspace, options: RunOptions) -> dict[str, float]:
    """From its own `run.json`: the view keeps no limits."""
    try:
        return tightest(check_limits(read_manifest(workspace).limits), options.limits)
    except BadLimit:
        return {}  # the run itself says so


def _stop_asked(workspace: Workspace, run: _Run) -> bool:
    if not _size(workspace.inbox):
        return False
    try:
        if os.path.lexists(workspace.stream):
            state = tail_state(workspace)
            lines: Sequence[object] = pending_lines(workspace, state) if state.parked else ()
        else:
            lines = list(read_inbox(workspace.inbox))
    except Unusable:
        return False  # its process says so, in the stream
    return any(isinstance(line, InboxLine) and line.type == "stop" for line in lines)


def _size(path: str | Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
