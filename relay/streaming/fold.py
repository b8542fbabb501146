"""A run in another protocol: what its lines are there, folded one after the other.

Such frames depend on what came before. So where a plain listener has a `Variant`, one of these has a `Fold`: the
state so far, as a value. Listeners who are at the same place with equal states share their frames, so a line is
parsed and said once, however many listen, and wherever each of them began.
"""

from collections.abc import Hashable
from typing import Protocol

from runlog import Status
from runlog.disk.tail import Chunk

__all__ = ["Fold"]


class Fold(Hashable, Protocol):
    """A value: never changed, equal and of the same hash if it goes on in the same way. Knows no files."""

    @property
    def over(self) -> bool:
        """The answer ends here, though the run may go on."""

    @property
    def outlasts(self) -> bool:
        """The answer goes on when the run has ended, since that may be reopened."""

    @property
    def always(self) -> bool:
        """There is an answer, and no 204, though nothing is left to say."""

    def begin(self) -> bytes:
        """What comes first, before any line."""

    def take(self, chunk: Chunk) -> "tuple[bytes, Fold]":
        """The frames of the lines of a chunk, and the state after them. Not called once it is `over`."""

    def mark(self, offset: int, *, at_end: bool) -> bytes:
        """What goes after each chunk, to a client who is now at this offset; at the end of the file or before it."""

    def quiet(self) -> bytes:
        """What breaks a long silence, so that nothing between cuts the connection."""

    def end(self, offset: int, status: Status) -> bytes:
        """What comes last, when the run has ended and its last line has been taken."""

    def reset(self, reason: str) -> "tuple[bytes, Fold]":
        """The file is another one: what to say, and the state at its beginning."""
