"""Open what lies below a folder, part by part, so that no link on the way leads elsewhere; and its whole lines."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from .append import Unusable
from .records import MAX_LINE_BYTES, decode

__all__ = ["blocks", "open_below", "whole_lines_end"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: to open a FIFO would wait for its other end.
_ANY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SCAN_BYTES = 1024 * 1024
# errno of an `open` that met a link, or something else than a folder where one goes
_OTHER_KIND = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)


def open_below(folder: Path, parts: Sequence[str]) -> int:
    """A descriptor of a regular file with one name. Links in `folder` itself are followed: it was asked for.

    :raises FileNotFoundError: there is none.
    :raises Unusable: a part is a link, or it is no such file, or may not be read.
    :raises OSError: the system can't open anything now.
    """
    path = folder.joinpath(*parts)
    fd = os.open(folder, _FOLDER & ~os.O_NOFOLLOW)
    for index, name in enumerate(parts):
        try:
            below = os.open(name, _ANY if index == len(parts) - 1 else _FOLDER, dir_fd=fd)
        except OSError as error:
            if error.errno in _OTHER_KIND:
                told = f"{name!r} is a link, or no plain file, and is not followed"
                raise Unusable(error.errno, told, os.fspath(path)) from None
            if error.errno == errno.EACCES:
                told = "it may not be read: mend its permissions"
                raise Unusable(error.errno, told, os.fspath(path)) from None
            error.filename = os.fspath(path)
            raise
        finally:
            os.close(fd)
        fd = below
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return fd
    os.close(fd)
    if stat.S_ISREG(found.st_mode):
        told = f"it has {found.st_nlink} names, and may be a file of elsewhere: copy it"
        raise Unusable(errno.EMLINK, told, os.fspath(path))
    raise Unusable(errno.EINVAL, "it is no regular file", os.fspath(path))


def whole_lines_end(fd: int, size: int) -> tuple[int, bool]:
    """Where the whole lines among the first `size` bytes end, and whether the last of them lacks its LF.

    A last line without one is whole if it is a JSON object: the beginning of one never is.
    """
    end = size
    while end > 0:
        start = max(0, end - _SCAN_BYTES)
        lf = os.pread(fd, end - start, start).rfind(b"\n")
        if lf >= 0:
            end = start + lf + 1
            break
        end = start
    left = size - end
    if 0 < left <= MAX_LINE_BYTES and decode(os.pread(fd, left, end)) is not None:
        return size, True
    return end, False


def blocks(fd: int, end: int) -> Iterator[bytes]:
    """The first `end` bytes of a file, as they are."""
    at = 0
    while at < end and (block := os.pread(fd, min(_SCAN_BYTES, end - at), at)):
        yield block
        at += len(block)
