"""A run in another protocol: what its lines are there, folded one after the other.

Such frames depend on what came before. So where a plain listener has a `Variant`, one of these has a `Fold`: the
state so far, as a value. Listeners who are at the same place with equal states share their frames, so a line is
parsed and said once, however many listen, and wherever each of them began.
"""

from collections.abc import Hashable
from typing import Protocol

from runlog import Record, Status
from runlog.disk.tail import Chunk, records_of

__all__ = ["Fold", "fold_chunk"]


class Fold(Hashable, Protocol):
    """A value: never changed, equal and of the same hash if it goes on in the same way. Knows no files."""

    @property
    def over(self) -> bool:
        """The answer ends here, though the run may go on."""

    def begin(self) -> bytes:
        """What comes first, before any line."""

    def take(self, record: Record) -> "tuple[bytes, Fold]":
        """The frames of one line, and the state after it. Not called once it is `over`."""

    def end(self, status: Status) -> bytes:
        """What comes last, when the run has ended and its last line has been taken."""

    def reset(self, reason: str) -> "tuple[bytes, Fold]":
        """The file is another one: what to say, and the state at its beginning."""


def fold_chunk(chunk: Chunk, fold: Fold) -> tuple[bytes, Fold]:
    """All frames of a chunk, and the state after it."""
    parts: list[bytes] = []
    for record in records_of(chunk):
        if fold.over:
            break
        frames, fold = fold.take(record)
        parts.append(frames)
    return b"".join(parts), fold
