"""Folders that are there before their run. `_warm/<run_id>` says for which request each is kept.

In such a folder a runner gets ready what takes long; the next run of just that request takes the folder over, by
putting its `run.json` there. Until then there is no run of that name. Whoever takes one, or gives it up, holds the
lock of `_warm`. None of it has to survive a power cut.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..disk.append import Busy
from ..disk.durable import folder_locked, names_in
from ..disk.knock import knock
from ..disk.layout import RunId, Workspace, check_run_id
from ..disk.read import read_object
from ..disk.records import encode
from ..errors import BadRunId

__all__ = ["Reservation", "request_key", "reservations", "reserve", "set_free", "take", "take_over"]

_FOLDER = "_warm"
# Whoever took a folder puts his run there at once: beyond this he died over it.
_TAKEN_S = 30.0

State = Literal["starting", "ready", "taken"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """`key` is of the request (`request_key`); `age_s` since it came into its state."""

    run_id: RunId
    key: str
    state: State
    age_s: float

    @property
    def is_lost(self) -> bool:
        """Whether whoever took it will not come any more."""
        return self.state == "taken" and self.age_s > _TAKEN_S


def request_key(
    workflow: str, params: Mapping[str, Any], interactive: bool, limits: Mapping[str, Any]
) -> str:
    """All of a start that a process has to know before it can get ready for it. As JSON, where 1 is not `true`."""
    request = {
        "workflow": workflow,
        "params": dict(params),
        "interactive": interactive,
        "limits": dict(limits),
    }
    return json.dumps(request, sort_keys=True)


def reserve(root: Path, run_id: RunId, key: str, state: Literal["starting", "ready"]) -> None:
    """Say for what a folder is kept; `ready` is one that a run may take."""
    with folder_locked(root / _FOLDER) as folder:
        _write(folder, run_id, key, state)


def reservations(root: Path) -> list[Reservation]:
    """All of a root; the oldest first."""
    found = (_read(root, name) for name in names_in(root / _FOLDER))
    return sorted((one for one in found if one is not None), key=lambda one: -one.age_s)


def take(
    root: Path,
    workflow: str,
    params: Mapping[str, Any],
    interactive: bool,
    limits: Mapping[str, Any],
) -> RunId | None:
    """The name of a folder that is ready for such a request, for the caller alone; None: there is none."""
    if not os.path.isdir(root / _FOLDER):
        return None
    try:
        key = request_key(workflow, params, interactive, limits)
        with folder_locked(root / _FOLDER) as folder:
            for one in reservations(root):
                if one.state == "ready" and one.key == key:
                    _write(folder, one.run_id, key, "taken")
                    return one.run_id
    except (OSError, ValueError, TypeError, RecursionError):
        pass  # a start without it is slower, and nothing else; what is wrong with it, it says itself
    return None


def take_over(workspace: Workspace, manifest: Path) -> bool:
    """Make a reserved folder that of a run, by moving its `run.json` there. False: it is none, or a run's already.

    :raises OSError: it can't be moved.
    """
    root = workspace.root
    if not os.path.isdir(root / _FOLDER):
        return False
    with folder_locked(root / _FOLDER) as folder:
        if _read(root, workspace.run_id) is None or os.path.lexists(workspace.manifest):
            return False
        os.rename(manifest, workspace.manifest)
        os.unlink(folder / workspace.run_id)
    knock(root, workspace.run_id)  # the root's folder has not changed
    return True


def set_free(workspace: Workspace) -> bool:
    """Give a reservation up, if nobody has taken it; whether its folder is now for the caller to remove."""
    root = workspace.root
    try:
        with folder_locked(root / _FOLDER) as folder:
            one = _read(root, workspace.run_id)
            if one is None or (one.state == "taken" and not one.is_lost):
                return False
            os.unlink(folder / workspace.run_id)
            return not os.path.lexists(workspace.manifest)
    except Busy:
        return False


def _read(root: Path, name: str) -> Reservation | None:
    path = root / _FOLDER / name
    try:
        run_id = check_run_id(name)
        told = read_object(path)
        changed_at = os.stat(path).st_mtime
    except (OSError, BadRunId):
        return None
    key, state = told.get("key"), told.get("state")
    if not isinstance(key, str) or state not in ("starting", "ready", "taken"):
        return None
    return Reservation(run_id, key, state, max(0.0, time.time() - changed_at))


def _write(folder: Path, run_id: str, key: str, state: State) -> None:
    temporary = folder / f".{run_id}"  # under the lock there is one writer
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(encode({"key": key, "state": state}))
    os.replace(temporary, folder / run_id)
