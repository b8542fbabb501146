"""A listener who asked for a `speed`: each record comes as long after the one before as when the run wrote it."""

from starlette.types import Send

from runlog.disk.tail import records_of

from .registry import TailRegistry
from .replay_clock import ReplayClock
from .shared_tail import SharedTail
from .sse import frame_record
from .subscriber import SEND_BYTES, StreamQuery, Subscriber

__all__ = ["TimedSubscriber"]


class TimedSubscriber(Subscriber):
    """Holds the records of one chunk, and sends those whose time has come."""

    _pushable = False

    __slots__ = ("_clock",)

    def __init__(
        self,
        tails: TailRegistry,
        tail: SharedTail,
        query: StreamQuery,
        keepalive_s: float,
        send: Send,
        *,
        speed: float,
    ) -> None:
        super().__init__(tails, tail, query, keepalive_s, send)
        self._clock = ReplayClock(speed, self._loop.time())

    def _is_behind(self) -> bool:
        return True  # what has come due is found by gathering alone

    def _next_due(self) -> float | None:
        return self._clock.due() if self._clock.records else None

    async def _gather(self) -> bytes:
        clock = self._clock
        parts: list[bytes] = []
        size = 0
        while size < SEND_BYTES:
            if not clock.records:
                framed = await self._tail.fetch(self._offset or 0)
                if framed is None or self._tail.generation != self._generation:
                    break
                clock.records.extend(records_of(framed.chunk))
                if not clock.records:  # blank lines alone
                    self._offset = framed.chunk.end
                    continue
            if clock.due() > self._loop.time():
                break
            record = clock.pop()
            self._offset = record.offset
            frame = frame_record(record, self._variant)
            parts.append(frame)
            size += len(frame)
        return b"".join(parts)

    async def _start_over(self) -> None:
        self._clock.records.clear()
        await super()._start_over()
