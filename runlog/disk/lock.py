"""The sign of life: a file that a process keeps locked for as long as it lives.

Open-file-description locks (fcntl(2), "Open file description locks") because `F_OFD_GETLK` asks without taking: a
probe that took the lock made real starters fail. The file is never unlinked, or two processes could hold "it".
"""

import errno
import fcntl
import os
import struct
from pathlib import Path

__all__ = ["RunLock", "is_locked"]

# struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (OFD calls want 0 there).
_FLOCK = struct.Struct("hhqqi4x")
_WRITE_LOCK = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_F_OFD_GETLK, _F_OFD_SETLK = 36, 37


class RunLock:
    """Held from `acquire` until `release` or the death of the process. The descriptor is close-on-exec."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False if another open file holds it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.fcntl(fd, _F_OFD_SETLK, _WRITE_LOCK)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        self._fd = fd
        return True

    def is_in_place(self) -> bool:
        """Whether the file that is held is the one at its path. It is not once the folder was removed, or made anew.

        Asked of a lock that is held: the open descriptor keeps the number of its inode from being given to another.
        """
        assert self._fd is not None
        try:
            there = os.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.samestat(there, os.fstat(self._fd))

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_locked(path: str | Path) -> bool:
    """Whether someone holds the lock; asks without taking it. False if the file does not exist."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(fd, _F_OFD_GETLK, _WRITE_LOCK)
    finally:
        os.close(fd)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK
