"""One record = one JSON object on one line. Objects in, bytes out, and back; no files here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import orjson

__all__ = [
    "MAX_LINE_BYTES",
    "Event",
    "decode",
    "encode",
    "from_epoch",
    "from_iso",
    "head_of",
    "is_well_formed",
    "malformed",
    "now_iso",
    "stamp",
    "to_iso",
]

Event = dict[str, Any]

# The longest line that is given out as an event. Claude's own lines stay below 10 MiB (a tool result with images);
# the bound keeps one bad writer from costing every reader its memory.
MAX_LINE_BYTES = 16 * 1024 * 1024

_HEAD_BYTES = 200
_SPACE = b" \t\r"


def now_iso() -> str:
    """The present moment as `2025-01-19T10:30:45.123Z`."""
    return to_iso(datetime.now(UTC))


def to_iso(moment: datetime) -> str:
    """An aware time as `2025-01-19T10:30:45.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_epoch(epoch_s: float) -> datetime | None:
    """A time of a file, in UTC; None for one that no year has."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC)
    except (ValueError, OverflowError):
        return None


def from_iso(text: object) -> datetime | None:
    """The time in UTC that `text` says, or None if it says none (events are written by anyone)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter: an offset that leads out of year 1 or 9999
        return None


def encode(event: Mapping[str, Any]) -> bytes:
    """One line of JSON with its LF. NaN and infinities become null, as JavaScript writes them.

    :raises ValueError: the event holds what JSON cannot say (an object of ours), or is nested too deep.
    """
    try:
        return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # orjson refuses lone surrogates and integers over 64 bits, which JSON and agents both know.
        try:
            plain = json.loads(json.dumps(event), parse_constant=lambda _: None)
            return json.dumps(plain, separators=(",", ":")).encode() + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"not an event that JSON can hold: {error}") from error


def decode(line: bytes) -> Event | None:
    """The event of a line, or None if it is not a JSON object that a browser would read too.

    Integers over 64 bits come as floats, as a browser has them.
    """
    try:
        event = orjson.loads(line)
    except ValueError:
        try:
            # Lone surrogates (`"\\ud800"`) are refused by orjson only.
            event = json.loads(line.decode(), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return None
    return event if isinstance(event, dict) else None


def stamp(line: bytes, timestamp: str) -> bytes:
    """Add `"timestamp"` to a line (with its LF) that lacks it at top level; nothing else changes.

    A line that is no JSON object comes back as it is.
    """
    event = decode(line)
    if event is None or "timestamp" in event:
        return line
    comma = b"," if event else b""
    return b'%b%b"timestamp":"%b"}\n' % (line.rstrip()[:-1], comma, timestamp.encode())


def is_well_formed(line: bytes) -> bool:
    """The cheap test that decides between an event and `event: malformed`; `line` without its LF, not blank.

    It looks at the length, the first and last byte, and UTF-8; it does not parse.
    """
    trimmed = line.strip(_SPACE)
    if len(line) > MAX_LINE_BYTES or not (trimmed[:1] == b"{" and trimmed[-1:] == b"}"):
        return False
    if trimmed.isascii():
        return True
    try:
        trimmed.decode()
    except UnicodeDecodeError:
        return False
    return True


def head_of(line: bytes) -> str:
    """The first 200 bytes of a line as text; what is not UTF-8 shows as U+FFFD."""
    return line[:_HEAD_BYTES].decode(errors="replace")


def malformed(offset: int, length: int, head: str) -> Event:
    """What stands in for a line that can't be given out.

    :param offset: of the byte just after the line, as for any event.
    :param length: of the line in bytes, without its LF.
    """
    return {"type": "malformed", "offset": offset, "length": length, "head": head}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
