"""Read a small file whole: the other way, beside `tail`, in which anything of a root is read."""

import errno
import os
from pathlib import Path

from .append import Unusable, open_plain
from .records import Event, decode

__all__ = ["MAX_FILE_BYTES", "is_of_file", "read_object", "read_plain", "read_tail"]

# What we write ourselves is a request body of at most 10 MiB, and may be escaped to some more.
MAX_FILE_BYTES = 64 * 1024 * 1024

# Of the system, or of this moment: another process has a lease on the file, and has to give it back.
_PASSES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


def read_plain(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """All of a file.

    :raises Unusable: it is not a regular file of one name, or over `max_bytes`.
    :raises OSError: see `open_plain`.
    """
    fd = open_plain(path)
    with open(fd, "rb") as file:
        # By its size first: a file may say to hold more than there is memory.
        body = b"" if os.fstat(fd).st_size > max_bytes else file.read(max_bytes + 1)
        if len(body) > max_bytes or os.fstat(fd).st_size > max_bytes:
            raise Unusable(errno.EFBIG, f"it is over {max_bytes:,} bytes", os.fspath(path))
    return body


def read_object(path: Path, max_bytes: int = MAX_FILE_BYTES) -> Event:
    """The JSON object that a file holds.

    :raises Unusable: it holds something else; or see `read_plain`.
    """
    found = decode(read_plain(path, max_bytes))
    if found is None:
        raise Unusable(errno.EINVAL, "it is not a JSON object", os.fspath(path))
    return found


def read_tail(path: Path, max_bytes: int) -> bytes:
    """The last bytes of a file. :raises OSError: see `open_plain`."""
    fd = open_plain(path)
    try:
        return os.pread(fd, max_bytes, max(0, os.fstat(fd).st_size - max_bytes))
    finally:
        os.close(fd)


def is_of_file(error: OSError) -> bool:
    """Whether an error tells of a file as it is; if not, it tells of us, or of this moment."""
    return error.errno not in _PASSES
