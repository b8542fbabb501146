"""The sign of life: a file that a process keeps locked for as long as it lives.

Open-file-description locks (fcntl(2), "Open file description locks") because `F_OFD_GETLK` asks without taking: a
probe that took the lock made real starters fail. The file is never unlinked, or two processes could hold "it".

Such a lock belongs to the open file, which a forked child shares: the child lets go of it at once. A fork that
Python does not know of (made in C) can't be caught here; the runner asks who holds the lock, with `holds_lock`.
"""

import errno
import fcntl
import os
import stat
import struct
import weakref
from pathlib import Path

from .append import open_plain

__all__ = ["RunLock", "holds_lock", "is_locked"]

# struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (OFD calls want 0 there).
_FLOCK = struct.Struct("hhqqi4x")
_WRITE_LOCK = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_F_OFD_GETLK, _F_OFD_SETLK = 36, 37


class RunLock:
    """Held from `acquire` until `release` or the death of the process. The descriptor is close-on-exec."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._content: bytes | None = None
        _ours.add(self)

    def acquire(self) -> bool:
        """Take the lock without waiting; False if another open file holds it.

        :raises OSError: see `open_plain`.
        """
        fd = self._locked()
        if fd is None:
            return False
        self.release()
        self._fd = fd
        return True

    def keep(self) -> bool:
        """Look whether the file that is held is still the one that others ask; if not, take the one that is there.

        :return: False if another open file holds that one: there are two who take themselves for the holder.
        :raises OSError: there is something that can't be locked.
        """
        if self._fd is None:
            return False
        try:
            if os.path.samestat(os.fstat(self._fd), os.lstat(self._path)):
                return True
        except FileNotFoundError:
            pass
        if not self.acquire():
            return False
        if self._content is not None:
            self.write(self._content)
        return True

    def _locked(self) -> int | None:
        fd = open_plain(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.fcntl(fd, _F_OFD_SETLK, _WRITE_LOCK)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
        return fd

    def read(self) -> bytes:
        """What is in the file; the lock is held."""
        assert self._fd is not None
        return os.pread(self._fd, 4096, 0)

    def write(self, content: bytes) -> None:
        """Make `content` that of the file, on the disk; the lock is held. It means nothing to the lock itself."""
        assert self._fd is not None
        self._content = content
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))
        os.fdatasync(self._fd)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


_ours: "weakref.WeakSet[RunLock]" = weakref.WeakSet()


def _let_go() -> None:
    for lock in _ours:
        lock.release()


os.register_at_fork(after_in_child=_let_go)


def holds_lock(pid: int, path: str | Path) -> bool:
    """Whether an open file of this very process holds the lock. A forked child that has the file open holds it too.

    False for a process of another user, whose files we may not see.
    """
    try:
        asked = os.stat(path)
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), asked):
                    continue
                with open(f"/proc/{pid}/fdinfo/{fd}", "rb") as info:
                    if b"OFDLCK" in info.read():
                        return True
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return False
    return False


def is_locked(path: str | Path) -> bool:
    """Whether someone holds the lock; asks without taking it. False if the file does not exist.

    :raises OSError: see `open_plain`.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (
        FileNotFoundError
    ):  # as of the thousands that may wait in a queue: not worth the open of its folder
        return False
    except OSError:
        fd = open_plain(path)  # says what is wrong with it
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(open_plain(path))  # likewise
        answer = fcntl.fcntl(fd, _F_OFD_GETLK, _WRITE_LOCK)
    finally:
        os.close(fd)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK
