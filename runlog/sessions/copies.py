"""Copies of the files of a session, in a folder of ours: what is read later is what was copied, whatever the CLI
writes meanwhile."""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..disk.append import Unusable
from ..disk.below import blocks, whole_lines_end
from ..disk.durable import remove_tree
from ..disk.lock import RunLock, is_locked
from ..errors import BadSession, UnknownSession
from .place import SessionFile

__all__ = ["Copy", "copied", "digest_of", "remove_stale", "stage"]

_STAGE = ".new-import-"
_MADE_S = 60.0


@dataclass(slots=True)
class Copy:
    """One file in our own folder, as it was when it was read."""

    path: Path
    size: int
    unfinished_bytes: int


@contextlib.contextmanager
def stage(root: Path) -> Iterator[Path]:
    """A folder for copies, which is gone afterwards; of one who dies over it the next one removes it."""
    stage = root / f"{_STAGE}{secrets.token_hex(6)}"
    stage.mkdir(mode=0o700)
    lock = RunLock(stage / "_lock")
    lock.acquire()
    try:
        yield stage
    finally:
        lock.release()
        remove_tree(stage)


def remove_stale(root: Path) -> None:
    """Remove what one left who died over it. One that was just made may not be locked yet."""
    for name in os.listdir(root):
        if name.startswith(_STAGE):
            with contextlib.suppress(OSError):
                age_s = time.time() - os.lstat(root / name).st_mtime
                if age_s > _MADE_S and not is_locked(root / name / "_lock"):
                    remove_tree(root / name)


def copied(file: SessionFile, path: Path, max_bytes: int) -> Copy:
    """Copy the whole lines of a file, onto the disk.

    :raises BadSession: it is larger, or no plain file, or may not be read.
    :raises UnknownSession: it is gone.
    """
    try:
        source = file.open()
    except FileNotFoundError:
        raise UnknownSession(f"{file.path} is gone") from None
    except Unusable as error:
        raise BadSession(
            f"{file.path} can't be imported: {error.strerror}",
            "Import a plain file, or a copy of it",
        ) from error
    try:
        size = os.fstat(source).st_size
        if size > max_bytes:
            raise BadSession(
                f"{file.path} has {size:,} bytes, and {max(0, max_bytes):,} are allowed for a session",
                "Allow more with --max-size (max_bytes)",
            )
        end, wants_lf = whole_lines_end(source, size)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            for block in blocks(source, end):
                copy.write(block)
            if wants_lf:
                copy.write(b"\n")
            copy.flush()
            os.fsync(copy.fileno())
            return Copy(path, copy.tell(), size - end)
    finally:
        os.close(source)


def digest_of(copies: Iterable[Copy]) -> bytes:
    """Of what they hold, in this order."""
    told = hashlib.sha256()
    for copy in copies:
        with open(copy.path, "rb") as file:
            told.update(hashlib.file_digest(file, "sha256").digest())
    return told.digest()
