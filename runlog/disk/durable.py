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
    behind (Go's module cache is one).

    :raises OSError: some of it can't be removed; all else is gone.
    """
    try:
        os.unlink(path)
        return
    except IsADirectoryError:
        pass
    top = _open_writable(path, None)
    try:
        while names := os.listdir(top):
            refused: OSError | None = None
            removed = 0
            for name in names:
                try:
                    _remove_entry(top, name)
                    removed += 1
                except FileNotFoundError:  # another one removes it too
                    removed += 1
                except OSError as error:
                    refused = refused or error
            if refused is not None and not removed:
                raise refused
    finally:
        os.close(top)
    os.rmdir(path)


def _remove_entry(top: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=top)
        return
    except IsADirectoryError:
        pass
    folder = _open_writable(name, top)
    try:
        for inner in os.listdir(folder):
            try:
                os.unlink(inner, dir_fd=folder)
            except IsADirectoryError:
                os.close(_open_writable(inner, folder))
                os.rename(inner, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _open_writable(name: str | Path, parent: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(name, flags, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        fd = os.open(name, flags, dir_fd=parent)
    with contextlib.suppress(OSError):  # somebody else's: then it is as it is
        os.fchmod(fd, 0o700)
    return fd


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
