"""A listener who is told a run in another protocol."""

import asyncio

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

    __slots__ = ("_fold", "_marked", "_next")

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
        self._marked = False  # whether the client was told where he is

    @property
    def _over(self) -> bool:
        return self._fold.over

    def _preamble(self) -> bytes:
        return self._fold.begin()

    def _frames(self, framed: Framed) -> bytes:
        frames, self._next = self._tail.folded(framed, self._fold)
        end = framed.chunk.end
        return frames + self._next.mark(end, at_end=end >= self._tail.size)

    def _passed(self) -> None:
        self._fold, self._marked = self._next, True

    async def begin(self) -> bool:
        return await super().begin() or self._fold.always

    async def _finish(self, waiting: asyncio.Future[None]) -> bool:
        over = False if self._fold.outlasts else await super()._finish(waiting)
        if not (over or self._marked or self._offset is None):
            self._marked = True
            if mark := self._fold.mark(self._offset, at_end=True):
                await self._write(mark)
        return over

    def _sign_of_life(self) -> bytes:
        return self._fold.quiet()

    def _end_frame(self, status: Status) -> bytes:
        return self._fold.end(self._offset or 0, status)

    def _reset_frame(self, reason: str) -> bytes:
        frames, self._fold = self._fold.reset(reason)
        return frames

    def _id_frame(self) -> bytes:
        return b""  # the cursor, where the protocol has one, is the fold's
