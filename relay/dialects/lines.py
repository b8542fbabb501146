"""What dialects of whole runs have in common: each line is told in a frame of its own.

The end is told when the run has ended, and not where a line says so: agents write lines too, and a run that was
reopened has ends in its midst, at which the pages of these families would stop to listen.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from runlog import Event, Status, encode, parse_cursor
from runlog.disk.records import now_iso
from runlog.disk.tail import Chunk, records_of
from runlog.run.events import TERMINAL_STATUS

from ..streaming.sse import KEEPALIVE

__all__ = ["BOOKKEEPING", "LineFold", "cursor_of", "frame"]

# Fields of events of ours that are no news to a page.
BOOKKEEPING = frozenset(
    {"type", "timestamp", "run_id", "message", "pid", "inbox_offset", "seal", "stats"}
)
_FAILED = "workflow_failed"


@dataclass(unsafe_hash=True, slots=True)
class LineFold:
    """A state, never changed once it was handed out.

    `last`: the last line, if that is an end and nothing came after it.
    """

    run_id: str
    over: bool = False
    last: bytes = b""

    # What a protocol says. Each returns frames, and may be empty.

    def begin(self) -> bytes:
        return b""

    def say(self, event: Event, offset: int) -> bytes:
        """An event. `offset` is the one just after its line."""
        raise NotImplementedError

    # The fold.

    @property
    def outlasts(self) -> bool:
        return False

    @property
    def always(self) -> bool:
        return False

    def quiet(self) -> bytes:
        return KEEPALIVE

    def mark(self, offset: int, *, at_end: bool) -> bytes:
        return b""  # the ids of the frames say it

    def take(self, chunk: Chunk) -> "tuple[bytes, LineFold]":
        frames, now = [], copy(self)
        for record in records_of(chunk):
            event = record.event()
            if event.get("type") in TERMINAL_STATUS:
                now.last = now.say(event, record.offset)
            else:
                now.last = b""
                frames.append(now.say(event, record.offset))
        return b"".join(frames), now

    def end(self, offset: int, status: Status) -> bytes:
        if self.last:
            return self.last
        # Its process died, and nobody has written so yet.
        told = {"type": _FAILED, "timestamp": now_iso(), "error": f"the run has {status}"}
        return copy(self).say(told | {"reason": "lost"}, offset)

    def reset(self, reason: str) -> "tuple[bytes, LineFold]":
        now = copy(self)
        now.over = True
        told = {"type": _FAILED, "timestamp": now_iso(), "error": reason, "reason": "removed"}
        return copy(self).say(told, 0), now


def frame(data: Any, *, event_id: str | int | None = None, name: str = "") -> bytes:
    """An event of an event stream, whose data is JSON in one line."""
    head = b"" if event_id is None else f"id: {event_id}\n".encode()
    head += f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n" % (head, encode(data))


def cursor_of(request: Request) -> int | None:
    """The offset that a browser sends when it connects again."""
    told = request.headers.get("last-event-id", "").rpartition(":")[2]
    return parse_cursor(told) if told else None
