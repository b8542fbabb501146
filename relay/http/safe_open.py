"""Open files beneath a folder and never outside it, whatever the path says and whatever an agent has put there.

Part by part from the folder's descriptor, and no symlink is followed anywhere: a check of the path alone would
miss links, and a check of the resolved path could be outrun by a rename.
"""

import errno
import os
import stat

from runlog import Busy
from runlog.disk.read import is_of_file

from .problems import Problem

__all__ = ["open_beneath", "split_path"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO would wait for its writer.
_ANY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def split_path(path: str) -> list[str]:
    """The parts of a relative path. :raises Problem: it leads elsewhere, or can't be a path."""
    parts = path.removesuffix("/").split("/") if path else []
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise Problem(
            400,
            "bad-path",
            "A path is names joined by single '/', relative to the workspace: no '..', '.', NUL or '/' in front",
        )
    return parts


def open_beneath(folder: str | os.PathLike[str], parts: list[str]) -> int:
    """A descriptor of a regular file or a folder.

    :raises FileNotFoundError: there is none.
    :raises OSError: nothing can be opened now.
    :raises Problem: a part of the path is a symlink, or it is neither file nor folder, or has several names (hard
        links), or may not be read.
    """
    try:
        fd = os.open(folder, _FOLDER)
    except OSError as error:
        if not is_of_file(error):
            raise
        raise FileNotFoundError(os.fspath(folder)) from error
    for index, name in enumerate(parts):
        flags = _ANY if index == len(parts) - 1 else _FOLDER
        try:
            below = os.open(name, flags, dir_fd=fd)
        except OSError as error:
            raise _why(error, name, fd) from error
        finally:
            os.close(fd)
        fd = below
    found = os.fstat(fd)
    mode = found.st_mode
    if stat.S_ISREG(mode) and found.st_nlink > 1:
        os.close(fd)
        told = f"{parts[-1]!r} has {found.st_nlink} names: it may be a file of elsewhere, and is not given out"
        raise Problem(403, "hard-link", f"{told}. Make a copy of it")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        os.close(fd)
        raise Problem(403, "not-a-file", f"{parts[-1]!r} is neither a file nor a folder")
    return fd


def _why(error: OSError, name: str, folder_fd: int) -> Exception:
    try:
        is_link = stat.S_ISLNK(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)
    except OSError:
        is_link = error.errno == errno.ELOOP
    if is_link:
        return Problem(
            403,
            "symlink",
            f"{name!r} is a symlink, and none is followed: ask for what it points to",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.ENXIO):
        return Problem(403, "not-readable", f"{name!r} can't be read by the relay")
    if error.errno == errno.EAGAIN:
        return Busy(errno.EAGAIN, "another process holds a lease on it", name)
    if not is_of_file(error):
        return error
    return FileNotFoundError(name)
