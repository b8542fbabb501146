"""Append whole lines to a file that others append to and read at the same time.

Standard library only, and nothing of this package: the guard loads this file by its path in an isolated
interpreter, where start-up time counts.

The rules, each of them paid for (docs/contract.md, "Appending"):

* one `write` of whole lines on an O_APPEND descriptor: two writes tear half of all lines;
* under `flock` on the file itself: a finished write is not atomic, and a shell script can join by `flock FILE`;
* if the file does not end in LF, a writer died in mid-line: its line is ended before ours begins. It is not cut
  off, since readers may hold the half of it;
* a full disk shows as a short write: what was written is cut off again, so a repeated append repeats nothing.
"""

import fcntl
import os
from types import TracebackType

__all__ = ["AppendFile", "append_lines"]

_OPEN_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class AppendFile:
    """An open file that only grows by whole lines. One thread at a time.

    The file is made (0600) when absent. If it was deleted or replaced since, the next append opens it anew.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd = os.open(self.path, _OPEN_FLAGS, 0o600)

    def append(self, lines: bytes) -> int:
        """Write `lines` (one or more, the last ended by LF) and return the offset just after them.

        :raises ValueError: `lines` is empty or does not end in LF.
        :raises OSError: the write failed, or was short (ENOSPC); the file is as it was before.
        """
        if not lines.endswith(b"\n"):
            raise ValueError("append takes whole lines: the last byte must be a line feed")
        if os.fstat(self._fd).st_nlink == 0:
            self._reopen()
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            before = os.lseek(self._fd, 0, os.SEEK_END)
            if before and os.pread(self._fd, 1, before - 1) != b"\n":
                lines = b"\n" + lines
            try:
                _write_whole(self._fd, lines)
            except BaseException:
                os.ftruncate(self._fd, before)
                raise
            return before + len(lines)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Bring what was appended onto the disk (fdatasync: some 0.1 ms, much more on a busy disk)."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def _reopen(self) -> None:
        fd = os.open(self.path, _OPEN_FLAGS, 0o600)
        os.close(self._fd)
        self._fd = fd

    def __enter__(self) -> "AppendFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def append_lines(path: str | os.PathLike[str], lines: bytes) -> int:
    """Open, append, close; see `AppendFile.append`."""
    with AppendFile(path) as file:
        return file.append(lines)


def _write_whole(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        # A short write is a signal or a full disk: the next call tells which, by going on or by raising.
        written += os.write(fd, memoryview(data)[written:])
