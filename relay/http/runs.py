"""The state of runs, kept warm, and what a client sees of it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from runlog import (
    RunState,
    StateReader,
    Summary,
    Unusable,
    Workspace,
    open_workspace,
    read_manifest,
    run_status,
)
from runlog.groups.removal import remove_ended
from runlog.groups.troubles import read_trouble
from runlog.run.graves import remove_what_is_left
from runlog.run.manifest import readable_manifest
from runlog.run.status import broken_state, unfinished_bytes
from runlog.run.view import state_view

from .paths import own_path

__all__ = ["RunStates", "links_of", "remove_run", "run_view", "summary_view"]

# Each holds a descriptor and the folded state, some 10 KiB.
_WARM_RUNS = 256
_SUMMARY = [f.name for f in fields(Summary)]


class RunStates:
    """States of the runs that were asked for last, each folded on from where it was. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: OrderedDict[Workspace, _Warm] = OrderedDict()

    @contextmanager
    def read(self, workspace: Workspace) -> Iterator[RunState]:
        """The state up to now. It changes with the next read: take from it what you need inside the block."""
        with self._lock:
            warm = self._warm.setdefault(workspace, _Warm(workspace))
            self._warm.move_to_end(workspace)
            warm.users += 1
            self._cool()
        try:
            with warm.lock:
                yield warm.reader.read()
        finally:
            with self._lock:
                warm.users -= 1

    def forget(self, workspace: Workspace) -> None:
        """Let go of a run that was removed."""
        with self._lock:
            warm = self._warm.get(workspace)
            if warm is not None and not warm.users:
                self._warm.pop(workspace).reader.close()

    def close(self) -> None:
        with self._lock:
            for warm in self._warm.values():
                warm.reader.close()
            self._warm.clear()

    def _cool(self) -> None:
        excess = len(self._warm) - _WARM_RUNS
        if excess > 0:
            idle = [workspace for workspace, warm in self._warm.items() if not warm.users]
            for workspace in idle[:excess]:
                self._warm.pop(workspace).reader.close()


class _Warm:
    def __init__(self, workspace: Workspace) -> None:
        self.reader = StateReader(workspace)
        self.lock = threading.Lock()
        self.users = 0


def links_of(run_id: str) -> dict[str, str]:
    own = own_path(f"/api/v1/workflows/{run_id}")
    names = (
        "stream",
        "events",
        "history",
        "ws",
        "messages",
        "files",
        "stop",
        "wait",
        "again",
        "export",
    )
    return {"self": own} | {name: f"{own}/{name}" for name in names}


def summary_view(summary: Summary) -> dict[str, Any]:
    # Not by `asdict`, which copies deep and so takes most of the time of a page.
    row = {name: getattr(summary, name) for name in _SUMMARY}
    return row | {"links": links_of(summary.run_id)}


def run_view(
    states: RunStates, workspace: Workspace, queue_position: Callable[[str], int | None]
) -> dict[str, Any]:
    """What `GET /workflows/{id}` shows.

    :param queue_position: of a run that is queued.
    :raises UnknownRun: there is no such run.
    """
    try:
        manifest = read_manifest(workspace)
        with states.read(workspace) as state:
            status = run_status(workspace, state)
            place = queue_position(workspace.run_id) if status == "queued" else None
            trouble = read_trouble(workspace.root, workspace.run_id)
            unfinished = unfinished_bytes(workspace, state)
            view = state_view(manifest, state, status, place, trouble, unfinished)
    except Unusable as error:
        manifest = readable_manifest(workspace)
        view = state_view(manifest, broken_state(error), "failed", None)
    return view | {"links": links_of(manifest.run_id)}


def remove_run(run: Workspace) -> None:
    """Remove a run with all its files, for good; also one that can't be used, and that no process holds.

    Asked again, it goes on where it could not before.

    :raises RunActive: it has not ended.
    :raises NotRemovable: something of it can't be unlinked.
    :raises UnknownRun: there is no such run.
    """
    if not run.exists() and remove_what_is_left(run):
        return
    open_workspace(run.root, run.run_id)
    remove_ended(run, stop_by=f"POST /api/v1/workflows/{run.run_id}/stop")
