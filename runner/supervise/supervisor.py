"""The runner: starts queued runs, at most so many at once, and tells of those whose process died.

It keeps nothing that it can't read from the disk: killed and started again, it adopts what runs. Only one runner
of a root is at work, by a lock; a second one stands by.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from runlog import (
    BadLimit,
    Manifest,
    RunId,
    RunLock,
    RunlogError,
    Status,
    Unusable,
    Workspace,
    check_run_id,
    encode,
    is_locked,
    is_terminal,
    read_inbox,
    read_manifest,
    run_status,
)
from runlog.disk.layout import make_root
from runlog.disk.read import read_object
from runlog.disk.stamp import Stamp, stamp_of
from runlog.disk.watch import FolderWatch
from runlog.groups.catalog import write_catalog
from runlog.groups.queue import startable
from runlog.run.inbox_lines import InboxLine
from runlog.run.limits import check_limits
from runlog.run.manifest import EXTERNAL
from runlog.run.status import is_alive, tail_state

from ..attempt.catalog import describe_all, heavy_workflows
from ..attempt.options import RunOptions
from .lost import end_run
from .spare import Spares
from .spawn import start_run_process

__all__ = ["Supervisor", "active_options", "runner_is_active"]

_LOCK_NAME = "_runner.lock"
# A wake-up comes when a folder is made or a run reopened; this is for what no wake-up tells: a process's end.
_LOOK_S = 0.1
_SWEEP_S = 1.0
# Between two tries, where the system or a folder is in disorder: twice as long each time.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_OPTIONS_TRIES = 100


T = TypeVar("T")


@dataclass(slots=True)
class _Run:
    """What the runner remembers of a run, only to look less often."""

    manifest: Manifest
    stamp: Stamp
    ended: bool = False
    unbegun: bool = False  # queued, and nothing of it was there but what was asked and said
    trouble: str = ""  # why the last try failed; it was told
    rests_until: float = 0.0  # by the monotonic clock: after such a try
    pause_s: float = 0.0
    inbox_bytes: int = 0


class Supervisor:
    """One runner of one root. `tell` gets a line for each thing it does, for the terminal."""

    def __init__(
        self,
        root: Path,
        *,
        max_running: int = 4,
        options: RunOptions | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.root = make_root(root)
        self._max_running = max_running
        self._options = options or RunOptions()
        self._tell = tell
        self._lock_path = self.root / _LOCK_NAME
        self._lock = RunLock(self._lock_path)
        self._runs: dict[str, _Run] = {}
        self._unreadable: dict[str, str] = {}  # of which was told why
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._running: set[str] = set()
        self._wake = threading.Event()
        self._root_mtime_ns = -1
        self._swept_at = 0.0
        self._spares = Spares(self._options)
        self._heavy: frozenset[str] = frozenset()

    def work(self, stop: threading.Event) -> None:
        """Work until `stop` is set (and `wake` called). The runs go on."""
        if not self._stand_by(stop):
            return
        watch = FolderWatch(lambda _: self._wake.set())
        try:
            self._persist(stop, self._tell_options)
            self._heavy = heavy_workflows()
            watch.set(frozenset({self.root}))
            while not stop.is_set():
                self._persist(stop, self.look)
                self._persist(stop, self._spares.tend)
                self._wake.wait(_LOOK_S)
                self._wake.clear()
        finally:
            watch.close()
            self._spares.close()
            with contextlib.suppress(OSError):
                self._lock.write(b"")  # the next one's options are not these
            self._lock.release()

    def _tell_options(self) -> None:
        self._lock.write(encode(asdict(self._options)))  # for `active_options`
        write_catalog(self.root, describe_all())

    def _persist(self, stop: threading.Event, call: Callable[[], T]) -> T | None:
        """Call until the system does not refuse; None if it did until `stop`. No error of it ends a runner."""
        pause_s, told = _FIRST_PAUSE_S, ""
        while not stop.is_set():
            try:
                return call()
            except OSError as error:
                if str(error) != told:
                    told = str(error)
                    self._tell(f"the runner waits, and tries again: {told}")
            stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return None

    def wake(self) -> None:
        """Have the next look at once; safe in a signal handler."""
        self._wake.set()

    def look(self) -> None:
        """One look at the root: reap, find, tell of the dead, start what is queued."""
        died = self._reap()
        self._find()
        self._running = {run_id for run_id in self._running if self._lives(run_id)}
        queued, now = [], time.monotonic()
        for run_id, run in self._runs.items():
            if run.ended or run.rests_until > now:
                continue
            if run_id not in self._running and run_id not in self._started:
                with self._disorder(run):
                    if self._tend(run_id, run, died.get(run_id, 0)) == "queued":
                        queued.append(run.manifest)
                    if run.trouble and not run.ended and run_id not in self._running:
                        continue  # it may be the start that fails
                    run.trouble, run.pause_s = "", 0.0
        for manifest in startable(self.root, queued, self._at_work(), self._max_running):
            run = self._runs[manifest.run_id]
            with self._disorder(run):
                self._start(run)

    @contextlib.contextmanager
    def _disorder(self, run: _Run) -> Iterator[None]:
        """One folder in disorder must not keep the others from running. It is tried again, after a pause."""
        try:
            yield
        except (OSError, RunlogError) as error:
            if str(error) != run.trouble:
                run.trouble = str(error)
                self._tell(f"{run.manifest.run_id} is left alone for now: {error}")
            run.pause_s = min(2 * run.pause_s or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            run.rests_until = time.monotonic() + run.pause_s

    def _stand_by(self, stop: threading.Event) -> bool:
        told = False
        while not self._persist(stop, self._lock.acquire):
            if not told and not stop.is_set():
                self._tell(f"another runner is at work in {self.root}; standing by")
                told = True
            if stop.wait(_SWEEP_S):
                return False
        return True

    def _find(self) -> None:
        """Learn of new, removed and reopened runs; cheap while the root's own time stands still."""
        mtime_ns = os.stat(self.root).st_mtime_ns
        now = time.monotonic()
        if mtime_ns == self._root_mtime_ns and now < self._swept_at + _SWEEP_S:
            return
        self._root_mtime_ns, self._swept_at = mtime_ns, now
        # By its manifest: the folder of a run that is removed and made anew often has the same inode.
        found = {name: stamp_of(f"{self.root}/{name}/run.json") for name in _folders(self.root)}
        for gone in self._runs.keys() - found.keys():
            del self._runs[gone]
        for gone in self._unreadable.keys() - found.keys():
            del self._unreadable[gone]
        for name, stamp in found.items():
            run = self._runs.get(name)
            if stamp is not None and (run is None or run.stamp != stamp):
                try:
                    manifest = read_manifest(Workspace(self.root, RunId(name)))
                except (RunlogError, OSError) as error:
                    # Looked at again by the next sweep. What was known of it counts on: it may have a process.
                    if self._unreadable.get(name) != str(error):
                        self._unreadable[name] = str(error)
                        self._tell(f"{name} can't be read: {error}")
                    continue
                self._unreadable.pop(name, None)
                if manifest.workflow != EXTERNAL:
                    self._runs[name] = _Run(manifest, stamp)
            elif (
                run is not None
                and run.ended
                and _size(f"{self.root}/{name}/_inbox.jsonl") != run.inbox_bytes
            ):
                run.ended = False  # someone wrote to it: perhaps it is to go on

    def _reap(self) -> dict[str, int]:
        """Exit codes of our children that have ended."""
        died = {}
        for run_id, process in list(self._started.items()):
            if (code := process.poll()) is not None:
                died[run_id] = code
                del self._started[run_id]
        return died

    def _tend(self, run_id: str, run: _Run, exit_code: int) -> Status:
        """The status of a run that has no process of ours; one that died (with `exit_code`) is ended."""
        if run.unbegun and not exit_code and self._is_as_before(run_id, run):
            return "queued"
        workspace = self._workspace(run_id)
        inbox_bytes = _size(workspace.inbox)
        status = run_status(workspace)
        if is_locked(workspace.lock):
            self._running.add(run_id)
            return "running"
        # To end a run is to hold its lock: one that has told its end would seem to live meanwhile.
        untold = status == "failed" and not is_terminal(tail_state(workspace).status)
        if untold and end_run(workspace, "workflow_failed", "lost", "the run's process died"):
            self._tell(f"{run_id} lost: its process died")
            return status
        if status == "queued" and exit_code != 0:
            error = f"the run's process ended with exit code {exit_code} before it could begin"
            end_run(workspace, "workflow_failed", "cannot_start", error, began=False)
            self._tell(f"{run_id} failed: {error}")
            return "failed"
        if status == "queued" and _stop_asked(workspace, run):
            end_run(workspace, "workflow_stopped", "stopped before it began")
            self._tell(f"{run_id} stopped before it began")
            return status if not os.path.lexists(workspace.stream) else "stopped"
        run.ended = is_terminal(status)
        run.inbox_bytes = inbox_bytes
        run.unbegun = status == "queued" and not os.path.lexists(workspace.stream)
        return status

    def _is_as_before(self, run_id: str, run: _Run) -> bool:
        """Of a run that waits for its turn: ten times a second, and there may be thousands."""
        folder = f"{self.root}/{run_id}"
        begun = os.path.lexists(f"{folder}/_stream.jsonl") or is_locked(f"{folder}/_lock")
        return not begun and _size(f"{folder}/_inbox.jsonl") == run.inbox_bytes

    def _start(self, run: _Run) -> None:
        run_id = run.manifest.run_id
        workspace = self._workspace(run_id)
        try:
            spare = self._spares.start(workspace, run.manifest.workflow in self._heavy)
            self._started[run_id] = spare or start_run_process(workspace, self._options)
        except Unusable as error:
            end_run(workspace, "workflow_failed", "cannot_start", f"no process: {error}")
            self._tell(f"{run_id} failed: {error}")
            return
        self._tell(f"{run_id} started")

    def _at_work(self) -> list[Manifest]:
        # One that was started may have been removed since.
        at_work = self._running | self._started.keys()
        return [run.manifest for run_id in at_work if (run := self._runs.get(run_id))]

    def _lives(self, run_id: str) -> bool:
        return run_id in self._runs and is_alive(self._workspace(run_id))

    def _workspace(self, run_id: str) -> Workspace:
        return Workspace(self.root, RunId(run_id))


def runner_is_active(root: Path) -> bool:
    """Whether a runner is at work in this root."""
    try:
        return is_locked(root / _LOCK_NAME)
    except Unusable:
        return False


def active_options(root: Path) -> RunOptions | None:
    """With which options the runner at work in this root starts its runs; None if there is no runner."""
    for _ in range(_OPTIONS_TRIES):
        if not runner_is_active(root):
            return None
        try:
            told = read_object(root.resolve() / _LOCK_NAME)
            return RunOptions(
                grace_s=float(told["grace_s"]),
                scripted_model=told["scripted_model"] is True,
                pass_env=tuple(map(str, told["pass_env"])),
                limits=check_limits(told["limits"]),
            )
        except (OSError, KeyError, TypeError, ValueError, BadLimit):
            time.sleep(0.01)  # it has the lock, and is about to write them
    return RunOptions()


def _stop_asked(workspace: Workspace, run: _Run) -> bool:
    if not _size(workspace.inbox) or os.path.lexists(workspace.stream):
        return False
    try:
        lines = list(read_inbox(workspace.inbox))
    except Unusable:
        return False  # its process says so, in the stream
    return any(isinstance(line, InboxLine) and line.type == "stop" for line in lines)


def _folders(root: Path) -> list[str]:
    found = []
    with os.scandir(root) as entries:
        for entry in entries:
            try:
                check_run_id(entry.name)
            except RunlogError:
                continue
            if entry.is_dir(follow_symlinks=False):
                found.append(entry.name)
    return found


def _size(path: str | Path) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
