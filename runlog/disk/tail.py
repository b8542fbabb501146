"""Read a growing file of lines by position. A reader is an offset plus this; replay and live tail are the same calls.

Only whole lines are given out. Bytes past the last LF are not kept: they are read again once the line is whole,
because what follows them may be a writer's repair (see `append`). A whole object at the end of a file that has not
grown for some seconds is a line too, though nobody wrote its LF.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ..errors import BadCursor
from .append import Unusable, open_plain
from .records import MAX_LINE_BYTES, Event, decode, head_of, is_well_formed, malformed

__all__ = [
    "CHUNK_BYTES",
    "Chunk",
    "LogFile",
    "LogReplaced",
    "Record",
    "follow_records",
    "parse_cursor",
    "read_records",
    "records_of",
]

# Framing is fastest between 64 and 128 KiB a read; over 256 KiB it gets slower (measured; see benchmarks/).
CHUNK_BYTES = 128 * 1024

_SCAN_BYTES = 1024 * 1024
# Of a line that is told as malformed. A file without line ends may say to be longer than any disk: to look through
# this much takes 0.1 s.
_LONGEST_LINE_BYTES = 256 * 1024 * 1024
_LF = 0x0A
_BOM = b"\xef\xbb\xbf"
# A file that has not grown for so long has been left by its writer, if its last line is whole.
_QUIET_S = 5.0


class LogReplaced(Exception):
    """The file under a reader was truncated, replaced or removed: its cursor means nothing any more."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a file: its bytes from `start` up to `end`, each with its LF.

    A byte order mark at the beginning of the file is left out, and a last line without LF has one in `data`. If
    `oversize`, the chunk is one line over `MAX_LINE_BYTES` and `data` holds only its head.
    """

    start: int
    end: int
    data: bytes
    oversize: bool = False

    def __post_init__(self) -> None:
        if self.start == 0 and self.data.startswith(_BOM):
            object.__setattr__(self, "start", len(_BOM))
            object.__setattr__(self, "data", self.data[len(_BOM) :])


@dataclass(frozen=True, slots=True)
class Record:
    """One line and the offset just after it. `line` has no LF; of an oversize line it is the head."""

    offset: int
    line: bytes
    length: int

    def event(self) -> Event:
        """The parsed line, or a `malformed` event in its place."""
        if self.length == len(self.line) and is_well_formed(self.line):
            event = decode(self.line)
            if event is not None:
                return event
        return malformed(self.offset, self.length, head_of(self.line))


class LogFile:
    """A file held open. It does not lock: appenders go on while it reads.

    The held descriptor keeps the inode from being used again, so `is_current` can tell a replaced file. What can't
    be told: a file truncated and regrown past the cursor, unseen, with an LF at the very byte before the cursor.
    """

    def __init__(self, path: Path) -> None:
        """:raises FileNotFoundError: there is no such file yet.
        :raises OSError: see `open_plain`.
        """
        self.path = path
        self._fd = open_plain(path)
        held = os.fstat(self._fd)
        self.identity = (held.st_dev, held.st_ino)
        self._unended = (0, 0)  # start of a long line without LF, and how far it was searched

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def fileno(self) -> int:
        return self._fd

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def is_current(self) -> bool:
        """Whether the path still names this file."""
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == self.identity

    def read(self, start: int, max_bytes: int = CHUNK_BYTES, *, wait: bool = True) -> Chunk | None:
        """Whole lines from `start` (a line start) on, about `max_bytes` of them; None if there is none yet.

        A single line longer than `max_bytes` is given whole.

        :param wait: if false, never wait for the disk: raise `BlockingIOError` where the page cache has no answer.
        :raises LogReplaced: the file is shorter than `start`, or no line starts there.
        :raises Unusable: the line there is longer than any.
        """
        before = 1 if start else 0
        data, got = self._read_into(start - before, max_bytes + before, wait)
        if before and not (got and data[0] == _LF):
            # The last line may have been taken without its LF: then nothing follows it, or the LF does.
            if not got or (got > 1 and data[1] != _LF) or data[0] != ord("}"):
                raise LogReplaced(f"{self.path} has no line that starts at {start}")
        end = data.rfind(b"\n", before, got)
        if end >= 0:
            return Chunk(start, start + end + 1 - before, bytes(memoryview(data)[before : end + 1]))
        if got - before < max_bytes:
            if not wait and start + got - before < self.size():
                raise BlockingIOError
            return self._left_line(start, bytes(memoryview(data)[before:got]))
        if not wait:
            raise BlockingIOError
        return self._read_long(start)

    def align(self, offset: int) -> int | None:
        """`offset` itself if a line starts there, else the start of the next line; None if that is not written yet.

        :raises LogReplaced: `offset` is past the end.
        """
        if offset == 0:
            return 0
        if offset > self.size():
            raise LogReplaced(f"{self.path} ends before {offset}")
        found = self._find_lf(offset - 1)
        return None if found is None else found + 1

    def start_of_tail(self, count: int) -> int:
        """Where the last `count` whole lines begin (0 if there are fewer)."""
        end = self.size()
        position, seen, ended_at = end, 0, end
        while position > 0:
            if ended_at - position > _LONGEST_LINE_BYTES:
                raise self._endless()
            block_start = max(0, position - _SCAN_BYTES)
            block = self._pread(block_start, position - block_start)
            cut = len(block)
            while (cut := block.rfind(b"\n", 0, cut)) >= 0:
                seen += 1
                ended_at = block_start
                if seen > count:
                    return block_start + cut + 1
            position = block_start
        return 0

    def _read_long(self, start: int) -> Chunk | None:
        size = self.size()  # before the search: what comes during it is searched again
        known, searched = self._unended
        lf = self._find_lf(searched if known == start and searched <= size else start)
        if lf is None:
            self._unended = (start, size)
            if self.unfinished_bytes(start) > MAX_LINE_BYTES:
                return None
            return self._left_line(start, self._pread(start, size - start))
        if lf - start <= MAX_LINE_BYTES:
            return Chunk(start, lf + 1, self._pread(start, lf + 1 - start))
        return Chunk(start, lf + 1, self._pread(start, 200), oversize=True)

    def unfinished_bytes(self, start: int) -> int:
        """The length of the last line, which begins at `start`, if it has not grown for some seconds; else 0."""
        stat = os.fstat(self._fd)
        return max(0, stat.st_size - start) if time.time() - stat.st_mtime > _QUIET_S else 0

    def _left_line(self, start: int, rest: bytes) -> Chunk | None:
        """The last line of a file that its writer has left without an LF, if it is whole all the same."""
        if not rest.endswith(b"}") or self.unfinished_bytes(start) != len(rest):
            return None
        if decode(rest.removeprefix(_BOM) if start == 0 else rest) is None:
            return None
        if start == 0 and rest.startswith(_BOM):
            start, rest = len(_BOM), rest[len(_BOM) :]
        # Begun one before, so that the offset after it is the end of the file.
        return Chunk(start - 1, start + len(rest), rest + b"\n")

    def _find_lf(self, position: int) -> int | None:
        start = position
        while block := self._pread(position, _SCAN_BYTES):
            found = block.find(b"\n")
            if found >= 0:
                return position + found
            position += len(block)
            if position - start > _LONGEST_LINE_BYTES:
                raise self._endless()
        return None

    def _endless(self) -> Unusable:
        told = f"it has a line of over {_LONGEST_LINE_BYTES:,} bytes"
        return Unusable(errno.EFBIG, told, os.fspath(self.path))

    def _pread(self, offset: int, count: int) -> bytes:
        buffer, got = self._read_into(offset, count, True)
        return bytes(memoryview(buffer)[:got])

    def _read_into(self, offset: int, count: int, wait: bool) -> tuple[bytearray, int]:
        """A buffer and how much of it was filled: `count` bytes, or less at the end of the file."""
        buffer = bytearray(count)
        if not wait:
            try:
                return buffer, os.preadv(self._fd, [buffer], offset, os.RWF_NOWAIT)
            except OSError as error:
                # Some file systems do not know RWF_NOWAIT (EOPNOTSUPP): the caller then reads in a thread.
                raise BlockingIOError from error
        filled = 0
        while filled < count:
            got = os.preadv(self._fd, [memoryview(buffer)[filled:]], offset + filled)
            if not got:
                break
            filled += got
        return buffer, filled


def records_of(chunk: Chunk) -> Iterator[Record]:
    """The records of a chunk; blank lines are passed over."""
    if chunk.oversize:
        yield Record(chunk.end, chunk.data, chunk.end - chunk.start - 1)
        return
    offset = chunk.start
    for line in BytesIO(chunk.data):
        offset += len(line)
        body = line[:-1]
        if body.strip(b" \t\r"):
            yield Record(offset, body, len(body))


def read_records(path: Path, after: int = 0, max_bytes: int | None = None) -> Iterator[Record]:
    """Every whole record from the cursor `after` up to the present end. An absent file has none.

    :raises LogReplaced: `after` is past the end.
    :raises Unusable: the file is longer than `max_bytes`; or see `open_plain`.
    """
    try:
        log = LogFile(path)
    except FileNotFoundError:
        return
    with log:
        if max_bytes is not None and log.size() > max_bytes:
            raise Unusable(errno.EFBIG, f"it is over {max_bytes:,} bytes", os.fspath(path))
        position = log.align(after)
        while position is not None and (chunk := log.read(position)):
            yield from records_of(chunk)
            position = chunk.end


def follow_records(
    path: Path, after: int = 0, *, until: Callable[[], bool] = lambda: False, poll_s: float = 0.05
) -> Iterator[Record]:
    """Like `read_records`, and then each record as it is written, until `until()` says so at the end of the file.

    Polls the size of the file; for many files at once use `runlog.disk.watch`.

    :raises LogReplaced: the file was truncated, replaced or removed.
    """
    while not os.path.lexists(path):
        if until():
            return
        time.sleep(poll_s)
    with LogFile(path) as log:
        position = None
        while True:
            ended = until()  # asked before the read: what was written before the end is then read
            if position is None:
                position = log.align(after)
            while position is not None and (chunk := log.read(position)):
                yield from records_of(chunk)
                position = chunk.end
            if ended:
                return
            if not log.is_current():
                raise LogReplaced(f"{path} was replaced")
            time.sleep(poll_s)


def parse_cursor(text: str) -> int:
    """A cursor as clients send it.

    :raises BadCursor: not `0` or up to 16 digits without sign or leading zero.
    """
    # int() would take "²", "+5", "1_000" and 5,000 digits.
    if text.isascii() and text.isdigit() and len(text) <= 16 and (text == "0" or text[0] != "0"):
        return int(text)
    raise BadCursor(
        f"cursor {text[:40]!r} is not a byte offset",
        "Send the id of the last event you have (a decimal number), or 0 for the beginning",
    )
