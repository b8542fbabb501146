"""The stream of a run as its own process writes it: events and receipts, brought onto the disk in time.

While the disk is full, or somebody holds the file or keeps us out of it, what the run itself has to say is kept, in
order, and written once that is over.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

from runlog import AppendFile, Busy, Event, InboxLine, Workspace, encode, now_iso, read_records
from runlog.disk.append import PartlyWritten

__all__ = ["RunStream", "can_wait", "is_no_room"]

# The stream is brought onto the disk at most this often, and at the lines that people wait for.
_SYNC_S = 1.0
_SYNCED_TYPES = frozenset({"permission_requested", "questions_presented"})
# Kept of our own lines while the disk is full; a workflow that has more to say fails.
_OWED_BYTES = 4 * 1024 * 1024
# An immutable file (`chattr +i`), a file system that was made read-only: people mend that.
_KEPT_OUT = frozenset({errno.EPERM, errno.EROFS})


class RunStream:
    """`_stream.jsonl`, opened to append. `began_at` is its length in bytes before this attempt."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.stream
        self._run_id = workspace.run_id
        self._file = AppendFile(self._path)
        self.began_at = os.lstat(self._path).st_size
        # Told of each append how long the stream is now.
        self.on_append: Callable[[int], None] = lambda offset: None
        self._sync_at = 0.0
        self._owed = b""  # of ours, for which there was no room
        self._held: bytes | None = None  # to be written together

    def emit(self, event_type: str, /, **fields: Any) -> int:
        """Append an event of ours and return the offset after it; on a full disk that where it would stand.

        :raises ValueError: a field holds what JSON cannot say.
        """
        line = self._line(event_type, fields)
        if self._held is not None:
            self._held += line
            return os.stat(self._path).st_size + len(self._owed) + len(self._held)
        return self._tell(line, sync=event_type in _SYNCED_TYPES)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is emitted in the block, which waits for nothing, is written in one piece at its end. Left by an
        exception, nothing of it is.
        """
        self._held = b""
        try:
            yield
            lines = self._held
        finally:
            self._held = None
        self._tell(lines, sync=True)

    def _tell(self, line: bytes, *, sync: bool) -> int:
        try:
            return self.append(line, sync=sync)
        except OSError as error:
            if not can_wait(error) or len(self._owed) + len(line) > _OWED_BYTES:
                raise
        self._owed += line
        return os.stat(self._path).st_size + len(self._owed)

    def emit_now(self, event_type: str, /, **fields: Any) -> int:
        """As `emit`, and all that is still owed before it; nothing of it is kept for later.

        :raises OSError: not written, and what was owed is owed still.
        """
        return self.append(self._line(event_type, fields), sync=True)

    def receipt(self, line: InboxLine, state: str, **fields: Any) -> None:
        """Write a `message_received` line; `state` is queued, delivered, completed or dropped."""
        self.emit(
            "message_received",
            message_id=line.id,
            state=state,
            inbox_offset=line.offset,
            message_type=line.type,
            **line.by,
            **fields,
        )

    def append(self, lines: bytes, *, sync: bool = False) -> int:
        """Append whole lines as they are (an agent's own); returns the offset after them.

        :raises OSError: not written; of several lines perhaps the first are.
        """
        try:
            offset = self._file.append(self._owed + lines)
        except PartlyWritten as error:
            self._owed = self._owed[error.kept :]
            raise
        self._owed = b""
        self.on_append(offset)
        now = asyncio.get_running_loop().time()
        if sync or now >= self._sync_at:
            self._file.sync()
            self._sync_at = now + _SYNC_S
        return offset

    def _line(self, event_type: str, fields: dict[str, Any]) -> bytes:
        event = {"type": event_type, "timestamp": now_iso(), "run_id": self._run_id, **fields}
        return encode(event)

    def earlier_events(self, *event_types: str) -> list[Event]:
        """The events of these types before this attempt, in order; reads the stream in this thread."""
        marks = [event_type.encode() for event_type in event_types]
        found: list[Event] = []
        for record in read_records(self._path):
            if record.offset > self.began_at:
                break
            if any(mark in record.line for mark in marks):
                event = record.event()
                if event.get("type") in event_types:
                    found.append(event)
        return found

    def sync(self) -> None:
        """Bring the stream onto the disk, whoever wrote it."""
        self._file.sync()

    def close(self) -> None:
        self._file.sync()
        self._file.close()


def can_wait(error: BaseException) -> bool:
    """Whether a line can be written later: there is no room, somebody holds the stream, or has made it read-only."""
    kept_out = isinstance(error, OSError) and error.errno in _KEPT_OUT
    return is_no_room(error) or isinstance(error, Busy) or kept_out


def is_no_room(error: BaseException) -> bool:
    """Whether the disk, or the share of it that we may use, is full: waiting may help."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
