"""Remove runs that have ended: one, or all that ended long ago. Whoever removes a run for people does it here.

What has not ended stays: a run that lives, one that waits for its turn, and one whose process died without the
stream saying so yet, for then something that it started may still be at work in its folder.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..disk.append import Unusable
from ..disk.layout import RunId, Workspace
from ..disk.lock import RunLock
from ..disk.records import from_epoch, from_iso, to_iso
from ..errors import RunActive, RunlogError, UnknownRun
from ..index import RunIndex
from ..run.events import Status, is_terminal
from ..run.inbox import inbox_closed
from ..run.manifest import remove_run
from ..run.status import (
    Summary,
    check_usable,
    is_alive,
    read_state,
    run_status,
    tail_state,
)

__all__ = [
    "EndedRun",
    "check_ended",
    "disk_bytes",
    "ended_before",
    "is_untold",
    "remove_all",
    "remove_ended",
]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that may go. `ended_at` is an ISO time in UTC; `disk_bytes` is what its folder takes on the disk."""

    run_id: str
    status: Status
    ended_at: str
    disk_bytes: int
    title: str


def remove_ended(workspace: Workspace, *, stop_by: str = "", force: bool = False) -> None:
    """Remove a run with all its files, while nobody can reopen it.

    :param stop_by: how it would be stopped from here, for the hint of the error.
    :param force: also one of the workflow `external` that never said that it ended.
    :raises RunActive: it has not ended.
    :raises UnknownRun: there is no such run.
    """
    # First without the lock: this may read a long stream to its end, and the second time it need not.
    gave_up = _check_ended(workspace, stop_by, force)
    with inbox_closed(workspace):
        _check_ended(workspace, stop_by, force, gave_up=gave_up)
        if not os.path.lexists(workspace.manifest):  # written by others, who know no lock
            _remove(workspace)
            return
        lock = RunLock(workspace.lock)
        # What is no file can't be held; what may not be opened is asked in vain.
        with contextlib.suppress(Unusable, PermissionError):
            if not lock.acquire():
                told = f"the process of {workspace.run_id} is about to end"
                raise RunActive(told, "Try again soon")
        try:
            _remove(workspace)
        finally:
            lock.release()


def check_ended(workspace: Workspace, *, stop_by: str = "", force: bool = False) -> None:
    """See `remove_ended`; this only says whether it could be done now.

    :raises RunActive: it has not ended.
    :raises UnknownRun: there is no such run.
    """
    _check_ended(workspace, stop_by, force)


def _check_ended(workspace: Workspace, stop_by: str, force: bool, *, gave_up: bool = False) -> bool:
    """Whether it is one that died, and whose stream can't be told so; with `gave_up` that is known."""
    try:
        check_usable(workspace)
        status = run_status(workspace)
    except Unusable as error:
        if is_alive(workspace):
            hint = f"Stop it first: {stop_by}" if stop_by else "Stop it first"
            raise RunActive(f"{workspace.run_id} still has a process", hint) from error
        return False
    if not os.path.lexists(workspace.manifest):
        if not force and not is_terminal(status):
            raise RunActive(
                f"{workspace.run_id} is written by others and has not said that it ended",
                "Write its last line, `workflow_completed`, or remove the folder yourself",
            )
    elif not is_terminal(status):
        hint = f"Stop it first: {stop_by}" if stop_by else "Stop it first"
        raise RunActive(f"{workspace.run_id} has not ended: it is {status}", hint)
    elif is_untold(workspace):
        if not gave_up and _can_be_told(workspace):
            raise RunActive(
                f"the process of {workspace.run_id} died, and what it started may still be at work",
                "A runner on this root ends that within a second, and says so in the stream. Is none at work? "
                "`tailcast runner` starts one, and `tailcast rm` does what it would",
            )
        return True
    return False


def _can_be_told(workspace: Workspace) -> bool:
    """Whether a runner can read the stream to its end, and so write what is missing there."""
    try:
        read_state(workspace)
    except Unusable:
        return False
    return True


def is_untold(workspace: Workspace) -> bool:
    """Of a run that has ended: whether its process died, and no terminal line says so."""
    return os.path.lexists(workspace.manifest) and not is_terminal(tail_state(workspace).status)


def ended_before(
    root: Path, moment: datetime, *, keep: Collection[Status] = ()
) -> Iterator[EndedRun]:
    """Runs that had ended by then, those that were made first before the others.

    :param keep: runs of these statuses are left out.
    """
    index = RunIndex(root)
    rows: list[Summary] = []
    cursor: str | None = None
    while True:
        page = index.page(limit=_PAGE, cursor=cursor)
        rows += page.runs
        cursor = page.next
        if cursor is None:
            break
    for row in reversed(rows):
        if not is_terminal(row.status) or row.status in keep:
            continue
        workspace = Workspace(root, RunId(row.run_id))
        try:
            ended_at = _ended_at(workspace)
            if ended_at > moment:
                continue
            check_ended(workspace)
        except (RunlogError, OSError):
            continue  # not ended after all, or gone
        yield EndedRun(
            run_id=row.run_id,
            status=row.status,
            ended_at=to_iso(ended_at),
            disk_bytes=disk_bytes(workspace.path),
            title=row.title,
        )


def remove_all(
    root: Path, runs: Iterable[EndedRun]
) -> Iterator[tuple[EndedRun, RunlogError | OSError | None]]:
    """Remove these, one by one, each with what kept it from going. Passed over is one that has gone already."""
    for run in runs:
        workspace = Workspace(root, RunId(run.run_id))
        try:
            if to_iso(_ended_at(workspace)) != run.ended_at:
                raise RunActive(f"{run.run_id} went on since", "It may go when it is old again")
            remove_ended(workspace)
        except (UnknownRun, FileNotFoundError):
            continue
        except (RunlogError, OSError) as error:
            yield run, error
        else:
            yield run, None


def disk_bytes(folder: str | Path) -> int:
    """What a folder and all in it take on the disk. What can't be looked at counts as nothing."""
    total = 0
    linked: set[tuple[int, int]] = set()  # files with several names, which are there once
    for path, _, names in os.walk(folder):
        for inner in (path, *(os.path.join(path, name) for name in names)):
            try:
                found = os.lstat(inner)
            except OSError:
                continue  # it went this moment
            if found.st_nlink > 1 and inner is not path:
                if (found.st_dev, found.st_ino) in linked:
                    continue
                linked.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total


def _ended_at(workspace: Workspace) -> datetime:
    """As its last line says; if that has no time, when it was written."""
    told = from_iso(tail_state(workspace).ended_at)
    return told or from_epoch(os.stat(workspace.stream).st_mtime) or datetime.now(UTC)


def _remove(workspace: Workspace) -> None:
    try:
        remove_run(workspace)
    except FileNotFoundError:
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}") from None
