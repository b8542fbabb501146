"""Which queued runs are started, and in which order: the same for the runner that starts them and for who asks."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from ..disk.layout import RunId, Workspace
from ..errors import RunlogError
from ..run.manifest import Manifest, start_order
from .batches import read_batch
from .deployments import read_deployment

__all__ = ["startable"]


def startable(
    root: Path, queued: Iterable[Manifest], running: Iterable[Manifest], max_running: int
) -> Iterator[Manifest]:
    """Of the queued runs those that may be started now, in their order.

    A run whose deployment or batch has as many at work as it may is passed over, and so is one whose batch is not
    made yet; those behind it are not kept waiting.

    :param running: all that are at work.
    """
    at_work = list(running)
    free = max_running - len(at_work)
    if free <= 0:
        return
    taken = Counter(group for run in at_work for group in _groups(run))
    bounds: dict[_Group, int | None] = {}
    for run in start_order(queued):
        groups = _groups(run)
        for group in groups:
            if group not in bounds:
                bounds[group] = _bound(root, group)
        if not all(_has_room(root, run, bounds[group], taken[group]) for group in groups):
            continue
        yield run
        taken.update(groups)
        free -= 1
        if free == 0:
            return


_Group = tuple[Literal["deployment", "batch"], str]
# The bound of a batch that is being made, or was removed.
_NO_BATCH = 0


def _groups(run: Manifest) -> list[_Group]:
    groups: list[_Group] = []
    if run.deployment is not None:
        groups.append(("deployment", run.deployment))
    if run.batch_id is not None:
        groups.append(("batch", run.batch_id))
    return groups


def _bound(root: Path, group: _Group) -> int | None:
    kind, name = group
    if kind == "batch":
        batch = read_batch(root, name)
        return batch.max_running if batch is not None else _NO_BATCH
    try:
        return read_deployment(root, name).max_running
    except RunlogError:  # removed since, or not to be read: the run itself holds all it needs
        return None


def _has_room(root: Path, run: Manifest, bound: int | None, taken: int) -> bool:
    if bound == _NO_BATCH:
        # Reopened, it began once, and so its batch was made.
        return os.path.lexists(Workspace(root, RunId(run.run_id)).stream)
    return bound is None or taken < bound
