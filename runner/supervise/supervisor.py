"""The runner: starts queued runs, at most so many at once, and tells of those whose process died.

It keeps nothing that it can't read from the disk: killed and started again, it adopts what runs. Only one runner
of a root is at work, by a lock; a second one stands by.
"""

import contextlib
import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from runlog import (
    BadLimit,
    Manifest,
    RunId,
    RunIndex,
    RunLock,
    RunlogError,
    Status,
    Workspace,
    decode,
    encode,
    is_locked,
    is_terminal,
    read_inbox,
    run_status,
)
from runlog.disk.layout import make_root
from runlog.groups.catalog import write_catalog
from runlog.groups.queue import startable
from runlog.run.inbox_lines import InboxLine
from runlog.run.limits import check_limits
from runlog.run.manifest import EXTERNAL
from runlog.run.status import tail_state

from ..attempt.catalog import describe_all, heavy_workflows
from ..attempt.options import RunOptions
from .lost import end_run
from .spare import Spares
from .spawn import start_run_process

__all__ = ["Supervisor", "active_options", "runner_is_active"]

_LOCK_NAME = "_runner.lock"
# A notice comes when a folder is made or a run reopened; this is for what none tells: a process's end.
_LOOK_S = 0.1
_SWEEP_S = 1.0
# All that wait are looked at again after so many times as long as that took.
_QUEUE_RESPITE = 50
# Of a look that may go into reading a root for the first time.
_PART_S = 0.05
_PAUSE_S = 0.01
_FULL_DISK_S = 5.0
_OPTIONS_TRIES = 100


@dataclass(slots=True)
class _Run:
    """What the runner remembers of a run that has not ended, only to look less often."""

    manifest: Manifest
    broken: bool = False  # never looked at again
    unbegun: bool = False  # queued, and nothing of it was there but what was asked and said
    rests_until: float = 0.0  # by the monotonic clock: the disk was full
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
        self._index = RunIndex(self.root, follows=False)
        self._runs: dict[str, _Run] = {}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._running: set[str] = set()
        self._wake = threading.Event()
        self._reads_on = False
        self._queue_due = 0.0
        self._start_due = 0.0
        self._start_seen: object = None
        self._spares = Spares(self._options)
        self._heavy: frozenset[str] = frozenset()

    def work(self, stop: threading.Event) -> None:
        """Work until `stop` is set (and `wake` called). The runs go on."""
        if not self._stand_by(stop):
            return
        # For `active_options`. Written over, never replaced: the file is the lock.
        self._lock_path.write_bytes(encode(asdict(self._options)))
        self._index.listen(self._wake.set)
        try:
            write_catalog(self.root, describe_all())
            self._heavy = heavy_workflows()
            while not stop.is_set():
                self.look()
                self._spares.tend()
                idle = not (self._runs or self._started)
                self._wake.wait(_PAUSE_S if self._reads_on else _SWEEP_S if idle else _LOOK_S)
                self._wake.clear()
        finally:
            self._index.close()
            self._spares.close()
            self._lock_path.write_bytes(b"")  # the next one's options are not these
            self._lock.release()

    def wake(self) -> None:
        """Have the next look at once; safe in a signal handler."""
        self._wake.set()

    def look(self) -> None:
        """One look at the root: reap, find, tell of the dead, start what is queued."""
        died = self._reap()
        heard = self._find()
        self._running = {run_id for run_id in self._running if self._lives(run_id)}
        queued, began = [], time.monotonic()
        all_due = began >= self._queue_due
        for run_id, run in list(self._runs.items()):
            if run.broken or run.rests_until > began:
                continue
            if run_id in self._running or run_id in self._started:
                continue
            if run.unbegun and not (all_due or run_id in heard or run_id in died):
                queued.append(run.manifest)
                continue
            with self._disorder(run):
                if self._tend(run_id, run, died.get(run_id, 0)) == "queued":
                    queued.append(run.manifest)
        if all_due:
            now = time.monotonic()
            self._queue_due = now + max(_SWEEP_S, _QUEUE_RESPITE * (now - began))
        self._start_some(queued, began, bool(heard))

    def _start_some(self, queued: list[Manifest], now: float, heard: bool) -> None:
        at_work = self._at_work()
        seen = len(queued), {manifest.run_id for manifest in at_work}
        if not heard and seen == self._start_seen and now < self._start_due:
            return  # none could start then, and nothing has moved
        self._start_seen, self._start_due = seen, now + _SWEEP_S
        for manifest in startable(self.root, queued, at_work, self._max_running):
            self._start_seen = None
            run = self._runs[manifest.run_id]
            with self._disorder(run):
                as_before = run.unbegun and self._is_as_before(manifest.run_id, run)
                if as_before or self._tend(manifest.run_id, run, 0) == "queued":
                    self._start(run)

    @contextlib.contextmanager
    def _disorder(self, run: _Run) -> Iterator[None]:
        """One folder in disorder must not keep the others from running."""
        try:
            yield
        except (OSError, RunlogError) as error:
            self._tell(f"{run.manifest.run_id} is left alone: {error}")
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                run.rests_until = time.monotonic() + _FULL_DISK_S
            else:
                run.broken = True

    def _stand_by(self, stop: threading.Event) -> bool:
        told = False
        while not self._lock.acquire():
            if not told:
                self._tell(f"another runner is at work in {self.root}; standing by")
                told = True
            if stop.wait(_SWEEP_S):
                return False
        return True

    def _find(self) -> set[str]:
        """Learn of new, removed and reopened runs. Of which something was heard."""
        look = self._index.look(_PART_S)
        heard, self._reads_on = look.heard, look.more
        live = self._index.manifests()
        for run_id, run in list(self._runs.items()):
            # Another object for the same id: it was removed and made anew.
            if live.get(run_id) is not run.manifest:
                del self._runs[run_id]
        for run_id, manifest in live.items():
            if run_id not in self._runs and manifest.workflow != EXTERNAL:
                self._runs[run_id] = _Run(manifest)
        return heard

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
            return status if not workspace.stream.exists() else "stopped"
        if is_terminal(status):
            # Told of again if it is to go on.
            del self._runs[run_id]
            self._index.settle(run_id)
            return status
        run.inbox_bytes = inbox_bytes
        run.unbegun = status == "queued" and not workspace.stream.exists()
        return status

    def _is_as_before(self, run_id: str, run: _Run) -> bool:
        """Of a run that waits for its turn: ten times a second, and there may be thousands."""
        folder = f"{self.root}/{run_id}"
        unbegun = not os.path.exists(f"{folder}/_stream.jsonl") and not is_locked(f"{folder}/_lock")
        return unbegun and _size(f"{folder}/_inbox.jsonl") == run.inbox_bytes

    def _start(self, run: _Run) -> None:
        run_id = run.manifest.run_id
        workspace = self._workspace(run_id)
        try:
            spare = self._spares.start(workspace, run.manifest.workflow in self._heavy)
            self._started[run_id] = spare or start_run_process(workspace, self._options)
        except OSError as error:
            end_run(workspace, "workflow_failed", "cannot_start", f"no process: {error}")
            self._tell(f"{run_id} failed: {error}")
            return
        self._tell(f"{run_id} started")

    def _at_work(self) -> list[Manifest]:
        # One that was started may have been removed since.
        at_work = self._running | self._started.keys()
        return [run.manifest for run_id in at_work if (run := self._runs.get(run_id))]

    def _lives(self, run_id: str) -> bool:
        return run_id in self._runs and is_locked(self._workspace(run_id).lock)

    def _workspace(self, run_id: str) -> Workspace:
        return Workspace(self.root, RunId(run_id))


def runner_is_active(root: Path) -> bool:
    """Whether a runner is at work in this root."""
    return is_locked(root / _LOCK_NAME)


def active_options(root: Path) -> RunOptions | None:
    """With which options the runner at work in this root starts its runs; None if there is no runner."""
    for _ in range(_OPTIONS_TRIES):
        if not runner_is_active(root):
            return None
        try:
            told = decode((root / _LOCK_NAME).read_bytes()) or {}
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
    if not _size(workspace.inbox) or workspace.stream.exists():
        return False
    return any(
        isinstance(li, InboxLine) and li.type == "stop" for li in read_inbox(workspace.inbox)
    )


def _size(path: str | Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
