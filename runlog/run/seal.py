"""Who may say that a run has ended: only a holder of its `_lock`.

Whoever writes the end of an attempt picks a secret, the seal, and puts its hash into `_lock` before anybody else can
write into the stream: the run process right after `workflow_started`, the runner before it ends a dead run. The
terminal line shows the seal. What an agent appends to the stream can't: it does not know it, and one that was shown
is of an attempt that is over. A run whose `_lock` holds no hash (of another writer, or of an earlier version) is
believed as before.
"""

import hashlib
import os
import secrets
from pathlib import Path

from ..disk.append import open_plain
from ..disk.layout import Workspace
from ..disk.lock import RunLock
from ..disk.read import is_of_file
from ..disk.records import Event

__all__ = ["is_genuine", "new_seal"]

_HASH_CHARS = 64


def new_seal(lock: RunLock) -> str:
    """A secret for the `seal` of the next terminal line; its hash is in the lock's file, on the disk, from now on.

    Where there is no room for it every terminal line is believed, as of an earlier version.
    """
    seal = secrets.token_hex(16)
    try:
        lock.write(_hash(seal).encode())
    except OSError:
        lock.write(b"")
    return seal


def is_genuine(workspace: Workspace, event: Event) -> bool:
    """Whether a terminal line is of the last who could write one. True if nobody has said how to tell.

    :raises OSError: the system can't open anything now.
    """
    told = _told(workspace.lock)
    seal = event.get("seal")
    return not told or (isinstance(seal, str) and len(seal) < 100 and _hash(seal) == told)


def _told(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if not is_of_file(error):
            os.close(open_plain(path))  # says what it is; else a forged end would count, and be kept
            raise
        return ""
    try:
        return os.read(fd, _HASH_CHARS).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def _hash(seal: str) -> str:
    return hashlib.sha256(seal.encode(errors="replace")).hexdigest()
