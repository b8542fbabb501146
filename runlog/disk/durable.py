"""Small files that are replaced whole: safe on the disk when the call returns, and never seen half written."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .append import Unusable, lock_within

__all__ = [
    "LOCK_WAIT_S",
    "folder_locked",
    "names_in",
    "open_folder",
    "remove_file",
    "remove_tree",
    "replace_file",
    "sync_folder",
]

# Of a lock that is held for some ms each time: beyond, whoever has it hangs, or does not mean to give it back.
LOCK_WAIT_S = 1.0


def replace_file(path: Path, body: bytes) -> None:
    """Write a file (0600) in place of the one of that name, or of what else there is."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(fd)
        try:
            os.replace(temporary, path)
        except IsADirectoryError:
            remove_tree(path)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, or what else has its name. :raises FileNotFoundError: there is nothing."""
    remove_tree(path)
    sync_folder(path.parent)


def remove_tree(path: Path) -> None:
    """Remove what is there; of a folder all that is in it, however deep, with few descriptors and no recursion.

    Folders within are brought up to its top first. Those that are read-only are made writable: agents leave some
    behind (Go's module cache is one). Nothing is removed of what is mounted within.

    :raises OSError: some of it can't be removed (the error has its path); all else is gone.
    """
    try:
        os.unlink(path)
        return
    except IsADirectoryError:
        pass
    tree = _Tree(path)
    try:
        tree.empty()
    finally:
        tree.close()
    os.rmdir(path)


class _Tree:
    """A folder that is being emptied."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._mount = _mount_of(parent)
        finally:
            os.close(parent)
        self._top = self._open(path, None, self._path)

    def close(self) -> None:
        os.close(self._top)

    def empty(self) -> None:
        while names := os.listdir(self._top):
            refused: OSError | None = None
            removed = 0
            for name in names:
                try:
                    self._remove(name)
                    removed += 1
                except FileNotFoundError:  # another one removes it too
                    removed += 1
                except OSError as error:
                    refused = refused or error
            if refused is not None and not removed:
                raise refused

    def _remove(self, name: str) -> None:
        where = f"{self._path}/{name}"
        if self._unlinked(name, self._top, where):
            return
        folder = self._open(name, self._top, where)
        refused: OSError | None = None
        try:
            for inner in os.listdir(folder):
                try:
                    self._take_out(inner, folder, f"{where}/{inner}")
                except FileNotFoundError:
                    continue
                except OSError as error:
                    refused = refused or error
        finally:
            os.close(folder)
        if refused is not None:
            raise refused
        with _at(where):
            os.rmdir(name, dir_fd=self._top)

    def _take_out(self, inner: str, folder: int, where: str) -> None:
        if not self._unlinked(inner, folder, where):
            os.close(self._open(inner, folder, where))
            with _at(where):
                os.rename(inner, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=self._top)

    def _unlinked(self, name: str, folder: int, where: str) -> bool:
        """False of a folder."""
        try:
            with _at(where):
                os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            return False
        return True

    def _open(self, name: str | Path, parent: int | None, where: str) -> int:
        """A folder, made writable. :raises OSError: EBUSY, it is none of this tree's, but mounted there."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with _at(where):
            try:
                fd = os.open(name, flags, dir_fd=parent)
            except PermissionError:
                os.chmod(name, 0o700, dir_fd=parent)
                fd = os.open(name, flags, dir_fd=parent)
        if _mount_of(fd) != self._mount:
            os.close(fd)
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), where)
        with contextlib.suppress(OSError):  # somebody else's: then it is as it is
            os.fchmod(fd, 0o700)
        return fd


@contextlib.contextmanager
def _at(where: str) -> Iterator[None]:
    """Errors of calls by a folder's descriptor know the last name alone."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = where, None
        raise


def _mount_of(fd: int) -> bytes:
    """Of which mount an open file is: the device would not tell one that is bound there from the same disk."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
        return next((line for line in info if line.startswith(b"mnt_id:")), b"")


def sync_folder(path: Path) -> None:
    """Bring the names in a folder onto the disk: a new file is safe only after this."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_folder(path: Path) -> int:
    """A descriptor of a folder that is none by a link. :raises Unusable: it is something else."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        raise Unusable(errno.ENOTDIR, "it is no folder, or a link", os.fspath(path)) from None


def names_in(path: Path) -> list[str]:
    """Of a folder; none if there is something else, or nothing."""
    try:
        fd = open_folder(path)
    except (FileNotFoundError, Unusable):
        return []
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[Path]:
    """One at a time, also of several processes, for as long as one looks and then writes: some ms each.

    The folder is made (0700) if it is not there.

    :raises Busy: another process has it locked, and keeps it.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        sync_folder(folder.parent)
    fd = open_folder(folder)
    try:
        lock_within(fd, LOCK_WAIT_S, folder)
        yield folder
    finally:
        os.close(fd)
