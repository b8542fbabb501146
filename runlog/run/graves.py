"""What is left of a run that was removed: its folder under a name that is none of a run's, until all of it is gone.

A run is renamed before it is removed, so that nobody sees half of one. What can't be unlinked (a mount, an immutable
file, somebody else's) stays there: it is told, with what to do, and tried again by whoever comes by.
"""

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from ..disk.durable import remove_tree, sync_folder
from ..disk.layout import Workspace
from ..errors import NotRemovable

__all__ = ["GRAVE", "remove_leftovers", "remove_run", "remove_what_is_left"]

# Of names in a root: never a run's.
GRAVE = ".old-"
_CHANCE = re.compile("[0-9a-f]{8}")
_TOLD = 5
_OCTAL = re.compile(r"\\([0-7]{3})")
# What does not pass by itself -> what it is, and what to do: `{}` is where.
_WHY = {
    errno.EBUSY: ("something is mounted there", "`umount {}`"),
    errno.EXDEV: ("something is mounted there", "`umount {}`"),
    errno.EPERM: ("it, or its folder, is immutable or append-only", "`chattr -R -i -a {}`"),
    errno.EACCES: ("this user may not remove it", "remove {} as its owner, or as root"),
    errno.EROFS: ("its file system is read-only", "make that of {} writable"),
}
# Those of them that are of the run itself, also where nothing of it was touched yet.
_OF_THE_FOLDER = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM})


def remove_run(workspace: Workspace) -> None:
    """Remove the folder of a run. That it has ended is for the caller to know.

    :raises NotRemovable: something is mounted in it, and nothing was touched; or some of it can't be removed, and all
        else is gone: then that is left under another name, and the run is none any more.
    :raises FileNotFoundError: there is no such folder.
    :raises OSError: the system can't do it now: `remove_what_is_left` goes on.
    """
    if mounts := _mounts_in(workspace.path):
        raise _not_removable([OSError(errno.EBUSY, "", mount) for mount in mounts])
    grave = workspace.root / f"{GRAVE}{workspace.run_id}-{secrets.token_hex(4)}"
    try:
        os.rename(workspace.path, grave)
    except OSError as error:
        if error.errno not in _OF_THE_FOLDER:
            raise
        raise _not_removable([OSError(error.errno, "", str(workspace.path))]) from error
    _remove_grave(grave)


def remove_what_is_left(workspace: Workspace) -> bool:
    """Go on with the removal of a run; whether anything of it was left.

    :raises NotRemovable: some of it is left still.
    """
    prefix = f"{GRAVE}{workspace.run_id}-"
    left = [name for name in _graves(workspace.root) if name.startswith(prefix)]
    # The id of another run may begin with this one's.
    left = [name for name in left if _CHANCE.fullmatch(name.removeprefix(prefix))]
    for name in left:
        _remove_grave(workspace.root / name)
    return bool(left)


def remove_leftovers(root: Path) -> None:
    """Remove what is left of all runs: their remover died over it, or could not. Others may be at it too.

    :raises NotRemovable: some of it can't be removed.
    """
    refused: list[OSError] = []
    for name in _graves(root):
        try:
            _remove_grave(root / name)
        except NotRemovable as error:
            refused += error.causes
        except OSError as error:
            refused.append(error)
    if refused:
        raise _not_removable(refused)


def _graves(root: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(root) if name.startswith(GRAVE))
    except FileNotFoundError:
        return []


def _remove_grave(grave: Path) -> None:
    try:
        with contextlib.suppress(FileNotFoundError):  # another one removes it too
            remove_tree(grave)
    except OSError as error:
        if error.errno not in _WHY:
            raise
        raise _not_removable([error]) from error
    sync_folder(grave.parent)


def _not_removable(causes: list[OSError]) -> NotRemovable:
    told, todo = [], []
    for cause in causes[:_TOLD]:
        why, remedy = _WHY.get(cause.errno or 0, (cause.strerror or str(cause), "look at {}"))
        told.append(f"{cause.filename}: {why}")
        todo.append(remedy.format(cause.filename))
    more = f", and {len(causes) - _TOLD} more" if len(causes) > _TOLD else ""
    hint = f"Do this, and remove it again: {', '.join(dict.fromkeys(todo))}"
    return NotRemovable(f"not all can be removed: {'; '.join(told)}{more}", hint, causes)


def _mounts_in(folder: Path) -> list[str]:
    """Where something is mounted on a folder or below it, the innermost first. In our own mount namespace."""
    real = os.path.realpath(folder)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            points = [line.split(" ", 5)[4] for line in file]
    except (OSError, IndexError):
        return []  # to remove it tells
    points = [_OCTAL.sub(lambda found: chr(int(found[1], 8)), point) for point in points]
    return sorted({p for p in points if p == real or p.startswith(f"{real}/")}, reverse=True)
