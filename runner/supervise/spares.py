"""Processes that are started ahead of their runs: which, how many, and for how long.

For a deployment as many as its `warm` says; and as many as the operator asks for (`--warm`) for what was started most
often of late. Each takes some 200 MB. They end with the runner, and none outlives `_LIFE_S`.
"""

import collections
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runlog import BadLimit, RunlogError, Workspace, new_run_id, read_manifest
from runlog.disk.stamp import Stamp, stamp_of
from runlog.groups.deployments import DEPLOYMENTS_FOLDER, MAX_WARM, list_deployments
from runlog.run.manifest import takes_spare
from runlog.run.reserved import request_key, reservations, reserve

from ..attempt.run import stderr_tail
from ..attempt.spare import can_be_spare, discard
from ..attempt.workflow import RunFailed
from ..keeper.tree import TreeSurvived
from .fork_server import ForkServer, Spare, Started

__all__ = ["Spares"]

# What it reads at its start (credentials, the day) gets old.
_LIFE_S = 900.0
# Between two that are started: each takes a second or more of a core, and the run that just took one needs it too.
_APART_S = 2.0
# The fork server has done its imports by then, those that take long too: the spares share them.
_SETTLED_S = 5.0
_END_S = 30.0
# After one that ended before it was ready, doubled each time.
_PAUSES_S = (4.0, 300.0)
_REMEMBERED = 20
_LOOK_S = 30.0  # where the time of a folder tells nothing
# Before anything was started: what the page starts.
_FIRST = request_key("chat", {}, False, {})


@dataclass(slots=True)
class _Waiting:
    key: str
    workspace: Workspace
    spare: Spare
    began: float = field(default_factory=time.monotonic)
    was_ready: bool = False
    ends_by: float | None = None  # it was told to end


class Spares:
    """:param most_common: so many for what is started most often; 0 for none."""

    def __init__(
        self,
        root: Path,
        server: ForkServer,
        most_common: int,
        grace_s: float,
        tell: Callable[[str], None],
    ) -> None:
        self._root = root
        self._server = server
        self._most_common = min(most_common, MAX_WARM)
        self._grace_s = grace_s
        self._tell = tell
        self._waiting: dict[str, _Waiting] = {}
        self._started: collections.deque[str] = collections.deque(maxlen=_REMEMBERED)
        self._deployed: list[str] = []
        self._deployed_stamp: Stamp = None
        self._deployed_at = 0.0
        self._usable: dict[str, bool] = {}
        self._next_at = time.monotonic() + _SETTLED_S
        self._failures = 0
        self._swept_at = 0.0

    def note(self, workspace: Workspace) -> None:
        """A run was started. Those that no spare could do say nothing of what to get ready."""
        if not self._most_common:
            return
        manifest = read_manifest(workspace)  # with its params, which the view does not keep
        usable = takes_spare(manifest.words, manifest.output_schema)
        if usable and manifest.batch_id is None:
            asked = (manifest.workflow, manifest.params, manifest.interactive, manifest.limits)
            self._started.append(request_key(*asked))

    @property
    def noted(self) -> list[str]:
        """The requests of the runs that were started last, the oldest first."""
        return list(self._started)

    def take(self, run_id: str) -> Started | None:
        """Have the spare begin that waits in the folder of this run; None if there is none that can."""
        waiting = self._waiting.pop(run_id, None)
        if waiting is None:
            return None
        self._next_at = max(self._next_at, time.monotonic() + _APART_S)
        return waiting.spare.begin()

    def tend(self) -> None:
        """End those that are not wanted any more, and start one that is missing."""
        now = time.monotonic()
        self._sweep(now)
        wanted = self._wanted(now)
        if not wanted and not self._waiting:
            return
        self._hear()
        self._reap(now)
        missing = collections.Counter(wanted)
        for waiting in self._waiting.values():
            if waiting.ends_by is None:
                if missing[waiting.key] > 0 and now - waiting.began < _LIFE_S:
                    missing[waiting.key] -= 1
                else:
                    waiting.ends_by = now + _END_S
                    waiting.spare.end()
        key = next((key for key in wanted if missing[key] > 0), None)
        if key is not None and now >= self._next_at and self._server.is_ready():
            self._next_at = now + _APART_S
            self._start(key)

    def _sweep(self, now: float) -> None:
        """What an earlier runner left, or one who took a folder and died over it."""
        if now - self._swept_at < _LOOK_S and self._swept_at:
            return
        self._swept_at = now
        for one in reservations(self._root):
            if one.run_id not in self._waiting:
                self._end_tree(Workspace(self._root, one.run_id))

    def _wanted(self, now: float) -> list[str]:
        """A key for each; the first are started first."""
        stamp = stamp_of(self._root / DEPLOYMENTS_FOLDER)
        if stamp != self._deployed_stamp or (stamp and now - self._deployed_at > _LOOK_S):
            found, _ = list_deployments(self._root)
            self._deployed = [
                request_key(each.workflow, each.params, each.interactive, each.limits)
                for each in found
                if each.output_schema is None  # no spare is told of one
                for _ in range(each.warm)
            ]
            self._deployed_stamp, self._deployed_at = stamp, now
        common = [key for key, _ in collections.Counter(self._started).most_common()]
        common = [key for key in [*common, _FIRST] if self._can_be(key)][: self._most_common]
        if common:
            common += common[:1] * (self._most_common - len(common))
        deployed = [key for key in self._deployed if self._can_be(key)]
        return [*deployed, *common][:MAX_WARM]

    def _can_be(self, key: str) -> bool:
        if key not in self._usable:
            if len(self._usable) > 10 * _REMEMBERED:
                self._usable.clear()
            try:
                self._usable[key] = can_be_spare(key)
            except (RunFailed, BadLimit, RunlogError):
                self._usable[key] = False  # its runs say why
        return self._usable[key]

    def _start(self, key: str) -> None:
        workspace = Workspace(self._root, new_run_id(json.loads(key)["workflow"]))
        reserve(self._root, workspace.run_id, key, "starting")
        workspace.path.mkdir(mode=0o700)
        workspace.files.mkdir(mode=0o700)
        spare = self._server.start_ahead(workspace, key)
        if spare is None:
            discard(workspace, self._grace_s)
            return
        self._waiting[workspace.run_id] = _Waiting(key, workspace, spare)

    def _hear(self) -> None:
        unready = {run_id for run_id, waiting in self._waiting.items() if not waiting.was_ready}
        for one in reservations(self._root) if unready else ():
            if one.run_id in unready and one.state != "starting":
                self._waiting[one.run_id].was_ready = True
                self._failures = 0

    def _reap(self, now: float) -> None:
        for run_id, waiting in list(self._waiting.items()):
            ended = waiting.spare.process.poll() is not None
            overdue = waiting.ends_by is not None and now > waiting.ends_by
            if not (ended or overdue):
                continue
            del self._waiting[run_id]
            if waiting.ends_by is None and not waiting.was_ready:
                first_s, longest_s = _PAUSES_S
                pause_s = min(longest_s, first_s * 2**self._failures)
                self._failures = min(self._failures + 1, 10)
                self._next_at = max(self._next_at, now + pause_s)
                why = stderr_tail(waiting.workspace, 300)
                self._tell(f"a spare could not get ready, the next one in {pause_s:g} s: {why}")
            threading.Thread(
                target=self._end_tree, args=(waiting.workspace,), name="end-spare", daemon=True
            ).start()

    def _end_tree(self, workspace: Workspace) -> None:
        """Of a spare that has ended, or does not: nothing of it stays."""
        try:
            discard(workspace, self._grace_s)
        except (OSError, TreeSurvived) as error:
            self._tell(f"what is left of a spare in {workspace.path} stays: {error}")
