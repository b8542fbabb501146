"""Small files that are replaced whole: safe on the disk when the call returns, and never seen half written."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from .append import Unusable, lock_within

__all__ = [
    "LOCK_WAIT_S",
    "folder_locked",
    "names_in",
    "open_folder",
    "remove_file",
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
            shutil.rmtree(path)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, or what else has its name. :raises FileNotFoundError: there is nothing."""
    try:
        path.unlink()
    except IsADirectoryError:
        shutil.rmtree(path)
    sync_folder(path.parent)


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
