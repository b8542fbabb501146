"""Append whole lines to a file that others append to and read at the same time; and open files without trusting them.

Standard library only, and nothing of this package: the guard loads this file by its path in an isolated
interpreter, where start-up time counts. So the one way to open what lies in a run's folder stands here too.

The rules of an append, each of them paid for (docs/contract.md, "Appending"):

* one `write` of whole lines on an O_APPEND descriptor: two writes tear half of all lines;
* under `flock` on the file itself: a finished write is not atomic, and a shell script can join by `flock FILE`;
* into the file that has the path now: one that was renamed or replaced is nobody's stream any more;
* if the file does not end in LF, a writer died in mid-line: its line is ended before ours begins. It is not cut
  off, since readers may hold the half of it;
* a full disk shows as a short write: what was written after its last line end is cut off again. Whole lines stay,
  since readers may hold them; the error says how many bytes of them, so that a repeated append repeats nothing.
"""

import errno
import fcntl
import os
import stat
import time
from types import TracebackType

__all__ = [
    "AppendFile",
    "Busy",
    "PartlyWritten",
    "Unusable",
    "append_lines",
    "lock_within",
    "open_plain",
]

# O_NONBLOCK: to open a FIFO would wait for its other end. On a regular file it changes nothing.
_CAREFUL = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT
# Of a stream: the run has nothing else to do, and whoever appends by hand is done sooner.
_WAIT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.0005, 0.02


class Unusable(OSError):
    """What stands at a path is none of our files, and will not be by itself: `strerror` says what it is."""

    def __str__(self) -> str:
        return f"{self.filename} can't be used: {self.strerror}"


class Busy(OSError):
    """Another process has held a lock for longer than we wait, or a lease (`fcntl(2)`, F_SETLEASE)."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


class PartlyWritten(OSError):
    """Of the lines that were to be appended only the first are in the file: `kept` bytes of them."""

    def __init__(self, error: OSError, path: str, kept: int) -> None:
        super().__init__(error.errno, error.strerror, path)
        self.kept = kept


def open_plain(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file that has one name only, in a folder that is none by a link. Never waits.

    All that lies in a run's folder was put there by anyone. A hard link would let in a file of elsewhere under our
    name, as a symbolic one would.

    :param flags: of `open(2)`. A file that is made gets the mode 0600.
    :raises FileNotFoundError: there is none, or no such folder.
    :raises Unusable: it is something else, or may not be read.
    :raises Busy: another process has a lease on it.
    :raises OSError: the system can't open anything now, or nothing can be written there.
    """
    name = os.fspath(path)
    parent, base = os.path.split(name)
    try:
        # Held open, so that nobody puts a link in its place meanwhile.
        folder = os.open(parent or ".", _FOLDER)
        try:
            fd = os.open(base, flags | _CAREFUL, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _reason(error, name, flags) from None
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return fd
    os.close(fd)
    if not found.st_nlink:
        raise FileNotFoundError(errno.ENOENT, "it was removed this moment", name)
    raise _unusable(found, name)


def lock_within(fd: int, wait_s: float, path: str | os.PathLike[str]) -> None:
    """Take the `flock` of an open file, as soon as nobody has it.

    :param path: for the error.
    :raises Busy: someone has held it for `wait_s` seconds.
    """
    deadline, pause_s = 0.0, _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = time.monotonic()
        deadline = deadline or now + wait_s
        if now >= deadline:
            told = f"another process holds it locked, for more than {wait_s:g} s"
            raise Busy(errno.EAGAIN, told, os.fspath(path))
        time.sleep(min(pause_s, deadline - now))
        # Of many who hold it briefly, who has waited for long must not be the one who looks least.
        is_late = deadline - now < wait_s / 2
        pause_s = _FIRST_PAUSE_S if is_late else min(2 * pause_s, _LONGEST_PAUSE_S)


class AppendFile:
    """An open file that only grows by whole lines. One thread at a time.

    The file is made (0600) when absent. If it was deleted or replaced since, the next append goes into the file that
    has its path then, and makes it if there is none.

    :param wait_s: so long an append waits for whoever holds the file locked.
    :raises OSError: see `open_plain`.
    """

    def __init__(self, path: str | os.PathLike[str], wait_s: float = _WAIT_S) -> None:
        self.path = os.fspath(path)
        self._wait_s = wait_s
        self._fd = -1
        self._named = False  # whether the file's name is safe on the disk
        self._open()

    def append(self, lines: bytes) -> int:
        """Write `lines` (one or more, the last ended by LF) and return the offset just after them.

        :raises ValueError: `lines` is empty or does not end in LF.
        :raises PartlyWritten: the write was short (ENOSPC), and the first lines are in the file.
        :raises OSError: none of them are: the write failed, or was short. `Busy` and `Unusable` are among them.
        """
        if not lines.endswith(b"\n"):
            raise ValueError("append takes whole lines: the last byte must be a line feed")
        self._lock()
        try:
            before = os.lseek(self._fd, 0, os.SEEK_END)
            mends = before and os.pread(self._fd, 1, before - 1) != b"\n"
            if mends:
                lines = b"\n" + lines
            try:
                _write_whole(self._fd, lines)
            except BaseException as error:
                written = os.lseek(self._fd, 0, os.SEEK_END) - before
                kept = lines.rfind(b"\n", 0, written) + 1
                os.ftruncate(self._fd, before + kept)
                if mends and kept:
                    kept -= 1
                if kept and isinstance(error, OSError):
                    raise PartlyWritten(error, self.path, kept) from error
                raise
            return before + len(lines)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Bring what was appended onto the disk (fdatasync: some 0.1 ms, much more on a busy disk).

        The first time with the file's name: whoever made it may have died before it was safe.
        """
        os.fdatasync(self._fd)
        if not self._named:
            folder = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._named = True

    def close(self) -> None:
        os.close(self._fd)

    def _lock(self) -> None:
        """Take the lock of the file that has the path now. To ask for that costs 0.8 us of an append of 6."""
        while True:
            lock_within(self._fd, self._wait_s, self.path)
            try:
                named = os.stat(self.path, follow_symlinks=False)
                if (named.st_dev, named.st_ino) == self._identity:
                    return
            except OSError:
                pass  # to open it says more
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._open()

    def _open(self) -> None:
        fd = _open_within(self.path, self._wait_s)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        held = os.fstat(fd)
        self._identity = (held.st_dev, held.st_ino)
        self._named = False

    def __enter__(self) -> "AppendFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _open_within(path: str, wait_s: float) -> int:
    """To append to, as soon as nobody has a lease on it. :raises Busy: somebody has had one for `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return open_plain(path, _APPEND)
        except Busy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_LONGEST_PAUSE_S)


def append_lines(path: str | os.PathLike[str], lines: bytes) -> int:
    """Open, append, close; see `AppendFile.append`."""
    with AppendFile(path) as file:
        return file.append(lines)


def _write_whole(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        # A short write is a signal or a full disk: the next call tells which, by going on or by raising.
        written += os.write(fd, memoryview(data)[written:])


def _reason(error: OSError, path: str, flags: int) -> OSError:
    """The error of an `open` as our callers know it."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        found = None
    if error.errno == errno.ENOTDIR:
        # Its folder is none, or a link: nothing of ours is there.
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO) and found is not None:
        return _unusable(found, path)
    if error.errno == errno.EAGAIN:
        # Asked for without waiting: until its holder lets go, or the kernel takes it from him (fs.lease-break-time).
        return Busy(errno.EAGAIN, "another process holds a lease on it", path)
    if error.errno == errno.EPERM and found is not None:
        error.strerror = "it is immutable or append-only: `chattr -i -a` mends that"
    if error.errno == errno.EACCES and not flags & (os.O_WRONLY | os.O_RDWR):
        return Unusable(errno.EACCES, "it may not be read: mend its permissions", path)
    error.filename = path
    return error


def _unusable(found: os.stat_result, path: str) -> Unusable:
    kinds = (
        (stat.S_ISLNK, errno.ELOOP, "it is a link, and no link is followed"),
        (stat.S_ISDIR, errno.EISDIR, "it is a folder"),
        (stat.S_ISFIFO, errno.ENXIO, "it is a FIFO"),
        (stat.S_ISSOCK, errno.ENXIO, "it is a socket"),
        (stat.S_ISREG, errno.EMLINK, f"it has {found.st_nlink} names: a hard link of elsewhere"),
    )
    for test, number, told in kinds:
        if test(found.st_mode):
            return Unusable(number, told, path)
    return Unusable(errno.ENXIO, "it is no regular file", path)
