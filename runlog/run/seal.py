"""Who may say that an attempt of a run begins or ends: only a holder of its `_lock`.

Whoever writes the end of an attempt picks a secret, the seal, and puts its hash into `_lock` before anybody else can
write into the stream: the run process right after `workflow_started`, the runner before it ends a dead run. The
terminal line shows the seal. What an agent appends to the stream can't: it does not know it, and one that was shown
is of an attempt that is over. A run whose `_lock` holds no hash (of another writer, or of an earlier version) is
believed as before.

Likewise `_lock` says where the present process has begun: the offset of its `workflow_started` or
`workflow_unparked`. A line of these types that stands after it is of nobody who may write one.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..disk.append import open_plain
from ..disk.layout import Workspace
from ..disk.lock import RunLock
from ..disk.read import is_of_file
from ..disk.records import Event

__all__ = ["Vouched", "is_genuine", "new_seal", "put_off_start", "vouched_by"]

# A hash and a number of at most 16 digits, each on a line of its own.
_MAX_BYTES = 64 + 1 + 16


@dataclass(frozen=True, slots=True)
class Vouched:
    """What `_lock` says of the lines by which attempts begin and end.

    `seal`: the hash of that of the end; empty if nobody has said. `began_at`: where the present process has begun;
    None while that is not known.
    """

    seal: str
    began_at: int | None

    def ends(self, event: Event) -> bool:
        """Whether a terminal line is of the last who could write one. True if nobody has said how to tell."""
        seal = event.get("seal")
        return not self.seal or (
            isinstance(seal, str) and len(seal) < 100 and _hash(seal) == self.seal
        )

    def begins(self, offset: int) -> bool:
        """Whether a line by which a process begins, and that ends at `offset`, is of one that has."""
        return self.began_at is None or offset <= self.began_at


def is_genuine(workspace: Workspace, event: Event) -> bool:
    """Whether a terminal line is of the last who could write one: see `Vouched.ends`.

    :raises OSError: the system can't open anything now.
    """
    return vouched_by(workspace).ends(event)


def new_seal(lock: RunLock, began_at: int | None = None) -> str:
    """A secret for the `seal` of the next terminal line; its hash is in the lock's file, on the disk, from now on.

    Where there is no room for it every terminal line is believed, as of an earlier version.

    :param began_at: offset of the line by which this process has begun. None leaves it as it is.
    """
    seal = secrets.token_hex(16)
    _write(lock, _hash(seal), _parsed(lock.read()).began_at if began_at is None else began_at)
    return seal


def put_off_start(lock: RunLock) -> None:
    """Have the next line by which a process begins believed, wherever it stands: before it is written."""
    _write(lock, _parsed(lock.read()).seal, None)


def vouched_by(workspace: Workspace) -> Vouched:
    """:raises OSError: the system can't open anything now."""
    return _parsed(_told(workspace.lock))


def _write(lock: RunLock, seal: str, began_at: int | None) -> None:
    try:
        lock.write(f"{seal}\n{'' if began_at is None else began_at}".encode())
    except OSError:
        lock.write(b"")


def _parsed(content: bytes) -> Vouched:
    seal, _, began_at = content.decode("ascii", "replace").partition("\n")
    return Vouched(seal, int(began_at) if began_at.isascii() and began_at.isdigit() else None)


def _told(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if not is_of_file(error):
            # It says what it is; else a forged end would count, and be kept.
            os.close(open_plain(path))
            raise
        return b""
    try:
        return os.read(fd, _MAX_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
