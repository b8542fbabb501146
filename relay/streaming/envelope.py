"""Lines as part of a larger JSON: they go in as they stand, so each is parsed once, to be sure that it fits."""

from dataclasses import dataclass

from runlog import Record, decode, encode
from runlog.disk.records import head_of, is_well_formed, malformed

from .sse import Variant

__all__ = ["Spliceable", "spliceable"]


@dataclass(frozen=True, slots=True)
class Spliceable:
    """A line that is JSON; if the stored one is none, a `malformed` event in its place."""

    line: bytes
    is_malformed: bool


def spliceable(record: Record, variant: Variant) -> Spliceable | None:
    """The line of a record; None if the variant does not take it."""
    whole = record.length == len(record.line) and is_well_formed(record.line)
    event = decode(record.line) if whole else None
    kind = "malformed" if event is None else event.get("type")
    if not variant.takes(kind if isinstance(kind, str) else None):
        return None
    if event is not None:
        return Spliceable(record.line, False)
    told = malformed(record.offset, record.length, head_of(record.line))
    return Spliceable(encode(told).rstrip(), True)
