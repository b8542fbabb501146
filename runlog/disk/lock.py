"""The sign of life: a file that a process keeps locked for as long as it lives.

Open-file-description locks (fcntl(2), "Open file description locks") because `F_OFD_GETLK` asks without taking: a
probe that took the lock made real starters fail. The file is never unlinked, or two processes could hold "it".
"""

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from .append import open_plain

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
        """Take the lock without waiting; False if another open file holds it.

        :raises OSError: see `open_plain`.
        """
        fd = open_plain(self._path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.fcntl(fd, _F_OFD_SETLK, _WRITE_LOCK)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        self._fd = fd
        return True

    def write(self, body: bytes) -> None:
        """Replace what the file holds, while we hold it: it can't be replaced itself, being the lock."""
        assert self._fd is not None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, body, 0)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


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
