"""A listener who is told a run in another protocol."""

from starlette.types import Send

from runlog import Status

from .chunk_cache import Framed
from .fold import Fold
from .registry import TailRegistry
from .shared_tail import SharedTail
from .subscriber import StreamQuery, Subscriber

__all__ = ["FoldedSubscriber"]


class FoldedSubscriber(Subscriber):
    """A cursor that carries its `Fold` along. The stream ends when that is over, or with the run."""

    __slots__ = ("_fold", "_next")

    def __init__(
        self,
        tails: TailRegistry,
        tail: SharedTail,
        query: StreamQuery,
        keepalive_s: float,
        send: Send,
        *,
        fold: Fold,
    ) -> None:
        super().__init__(tails, tail, query, keepalive_s, send)
        self._fold = self._next = fold

    @property
    def _over(self) -> bool:
        return self._fold.over

    def _preamble(self) -> bytes:
        return self._fold.begin()

    def _frames(self, framed: Framed) -> bytes:
        frames, self._next = self._tail.folded(framed, self._fold)
        return frames

    def _passed(self) -> None:
        self._fold = self._next

    def _end_frame(self, status: Status) -> bytes:
        return self._fold.end(status)

    def _reset_frame(self, reason: str) -> bytes:
        frames, self._fold = self._fold.reset(reason)
        return frames

    def _id_frame(self) -> bytes:
        return b""  # the cursor, where the protocol has one, is the fold's
