"""Lines of a run as Server-Sent Events: bytes in, bytes out. No files, no clock, no network.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. Its lines end at
CR and LF only. A line of ours holds no LF, and each CR in it becomes a line break of the data; so whatever an agent
writes, it can't end a frame or forge a field.
"""

from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from operator import itemgetter

from runlog import Record, Status, decode, encode
from runlog.records import head_of, is_well_formed, malformed
from runlog.tail import Chunk, records_of

__all__ = [
    "KEEPALIVE",
    "PREAMBLE",
    "Variant",
    "end_frame",
    "frame_chunk",
    "frame_record",
    "id_frame",
    "reset_frame",
]

# Neither ends in a blank line: the specification asks for none here, and some clients (httpx-sse 0.4) take a blank
# line after a comment or a `retry` for an event without data.
PREAMBLE = b"retry: 1000\n"
KEEPALIVE = b": keepalive\n"

# `event:` names that only the relay may use: an agent's own line of such a type comes without a name.
_RELAY_NAMES = frozenset({"end", "reset", "malformed"})


@dataclass(frozen=True, slots=True)
class Variant:
    """Which events a listener gets, and whether they carry an `event:` name. Equal variants share their frames.

    `types` None means all. A malformed line is of the type `malformed`.
    """

    named: bool = False
    types: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()

    @property
    def filters(self) -> bool:
        return self.types is not None or bool(self.exclude)

    def takes(self, event_type: str | None) -> bool:
        if self.types is not None and event_type not in self.types:
            return False
        return event_type not in self.exclude


PLAIN = Variant()

_first_byte, _last_byte = itemgetter(0), itemgetter(-2)
_OPENS, _CLOSES = set(b"{"), set(b"}")


def frame_chunk(chunk: Chunk, variant: Variant) -> bytes:
    """All frames of a chunk; empty if the variant takes none of its lines."""
    if variant == PLAIN and (lines := _smooth_lines(chunk)):
        offsets = list(accumulate(map(len, lines), initial=chunk.start))
        values: list[int | bytes] = [0] * (2 * len(lines))
        values[::2] = offsets[1:]
        values[1::2] = lines
        return (b"id: %d\ndata: %b\n" * len(lines)) % tuple(values)
    return b"".join(frame_record(record, variant) for record in records_of(chunk))


def frame_record(record: Record, variant: Variant) -> bytes:
    """The frame of one line; empty if the variant does not take it."""
    if record.length != len(record.line) or not is_well_formed(record.line):
        if not variant.takes("malformed"):
            return b""
        told = malformed(record.offset, record.length, head_of(record.line))
        return b"id: %d\nevent: malformed\ndata: %b\n" % (record.offset, encode(told))
    name = b""
    if variant.named or variant.filters:
        event_type = _type_of(record.line)
        if not variant.takes(event_type):
            return b""
        if variant.named and event_type is not None:
            name = _name_field(event_type)
    data = record.line.replace(b"\r", b"\ndata: ") if b"\r" in record.line else record.line
    return b"id: %d\n%bdata: %b\n\n" % (record.offset, name, data)


def id_frame(offset: int) -> bytes:
    """Moves a client's cursor without an event: the specification takes the id over and dispatches nothing."""
    return b"id: %d\n\n" % offset


def end_frame(offset: int, status: Status) -> bytes:
    return b'id: %d\nevent: end\ndata: {"status":"%b"}\n\n' % (offset, status.encode())


def reset_frame(reason: str) -> bytes:
    """The client's cursor means nothing any more; the stream goes on from the start. No id: an empty one, or 0,
    would be one more cursor to go wrong."""
    return b"event: reset\ndata: %b\n" % encode({"reason": reason})


def _smooth_lines(chunk: Chunk) -> list[bytes] | None:
    """The lines of a chunk, with their LF, if all of them are well-formed as they stand; None if any needs a look.

    All at once, by what C does for us: line by line is five times slower. UTF-8 never has an LF inside a character,
    so a chunk is valid if and only if its lines are.
    """
    data = chunk.data
    if chunk.oversize or b"\r" in data:
        return None
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return None
    lines = BytesIO(data).readlines()
    # A blank line begins with its LF, so it fails the first test; every line that passes has a last byte but one.
    if set(map(_first_byte, lines)) == _OPENS and set(map(_last_byte, lines)) == _CLOSES:
        return lines
    return None


def _type_of(line: bytes) -> str | None:
    # Always parsed: Claude's lines hold more keys named `type` further in, and of two at the top the last counts.
    event = decode(line)
    kind = event.get("type") if event is not None else None
    return kind if isinstance(kind, str) else None


def _name_field(event_type: str) -> bytes:
    if event_type in _RELAY_NAMES or "\n" in event_type or "\r" in event_type or not event_type:
        return b""
    return b"event: %b\n" % event_type.encode(errors="replace")
