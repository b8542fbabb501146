"""What tells a file from another one of its name, and from itself after a change."""

import os
from pathlib import Path

__all__ = ["Stamp", "stamp_of"]

Stamp = tuple[int, int, int] | None
"""Inode, size in bytes, time of the last change in ns; None if there is no file."""


def stamp_of(path: str | Path) -> Stamp:
    """The stamp of a file. The inode alone will not do: the next file often gets that of one just removed.

    Of a link it is the link's own.
    """
    try:
        stat = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
