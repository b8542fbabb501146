"""One listener of one run: his place in the file, and what he is sent until the run has ended."""

import asyncio
import errno
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field

from starlette.types import Receive, Send

from runlog import LogReplaced, Status

from .chunk_cache import Framed
from .registry import TailRegistry
from .sender import MESSAGE_BYTES, Sender
from .shared_tail import SharedTail
from .sse import KEEPALIVE, PREAMBLE, Variant, end_frame, id_frame, reset_frame

__all__ = ["SEND_BYTES", "StreamQuery", "Subscriber"]

SEND_BYTES = 128 * 1024
# How far to search for what a filter takes before others get a turn.
_LOOK_AHEAD_BYTES = 1024 * 1024
# A filter that lets little through still has to move the client's cursor, or a reconnect would search it all again.
_UNTOLD_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StreamQuery:
    """What a listener asks for.

    `after` is his cursor, None if he has none; `tail` counts lines from the end; `speed` None means at once.
    """

    after: int | None = None
    tail: int | None = None
    follow: bool = True
    speed: float | None = None
    variant: Variant = field(default_factory=Variant)


class Subscriber:
    """A cursor, and the loop that moves it. What is there is sent at once; `timed_replay` sends it as the run went.

    Only the task of its request moves it, but while that task has nothing to do: then the tail that learns of a new
    line does, in its own call (see `on_change`).
    """

    _pushable = True  # whether the tail may send a new line in its own call

    __slots__ = (
        "_alarm",
        "_asked",
        "_generation",
        "_held_back",
        "_idle",
        "_keepalive_s",
        "_loop",
        "_offset",
        "_sender",
        "_query",
        "_quiet",
        "_reset",
        "_tail",
        "_tails",
        "_told",
        "_until",
        "_variant",
        "_waiting",
    )

    def __init__(
        self,
        tails: TailRegistry,
        tail: SharedTail,
        query: StreamQuery,
        keepalive_s: float,
        send: Send,
    ) -> None:
        self._tails = tails
        self._tail = tail
        self._query = query
        self._variant = query.variant
        self._keepalive_s = keepalive_s
        self._sender = Sender(send, tails, self._nudge)
        self._loop = asyncio.get_running_loop()
        self._generation = tail.generation
        self._offset: int | None = 0  # None: `query.after` is inside a line that is not whole yet
        self._until: int | None = (
            None  # without `follow`: the end of the file as it was when we came
        )
        self._told = 0  # the last id that the client was sent, about
        self._reset: str | None = None
        self._asked = False  # whether we know of the run's end as much as the tail does
        self._quiet = False
        self._waiting: asyncio.Future[None] = self._loop.create_future()
        self._idle = False  # the task waits for a line to send, and for nothing else
        self._held_back: Awaitable[None] | None = None  # what is left of a message that was pushed

    async def begin(self) -> bool:
        """Find the place to start from; False if nothing is there to send and nothing will come.

        :raises OSError: the stream can't be read, or there is no descriptor for it.
        """
        query = self._query
        now = time.monotonic()
        self._tail.look()  # what was written before the request came is part of the answer
        if self._tail.crowded:
            raise OSError(errno.EMFILE, "no descriptor is left")
        if self._tail.fault is not None:
            raise self._tail.fault
        self._generation = self._tail.generation
        self._until = None if query.follow else self._tail.size
        try:
            if query.after is not None:
                self._offset = await self._tail.align(query.after)
            elif query.tail is not None:
                self._offset = await self._tail.start_of_tail(query.tail)
        except LogReplaced:
            self._generation = self._tail.generation
            self._reset = (
                f"the stream has no byte {query.after}: it was replaced, or is another run's"
            )
            return True
        self._told = self._offset or 0
        if self._offset is not None and await self._tail.fetch(self._offset) is not None:
            return True
        if not query.follow:
            return False
        ending = await self._tail.ending(since=now)
        self._tail.look()
        over = ending is not None and ending.told and self._offset is not None
        return not over or await self._tail.fetch(self._offset or 0) is not None

    async def run(self, receive: Receive) -> None:
        """Send the stream, up to and with the last message. The response has been started."""
        client = self._loop.create_task(self._sender.watch(receive))
        self._alarm = self._loop.call_later(self._keepalive_s, self._on_alarm)
        try:
            await self._pump()
            await self._sender.end()
        finally:
            self._alarm.cancel()
            client.cancel()

    async def _pump(self) -> None:
        reset = self._reset_frame(self._reset) if self._reset else b""
        await self._write(self._preamble() + reset)
        while not (self._sender.gone or self._tails.closing or self._over):
            if self._tail.generation != self._generation:
                await self._start_over()
            elif self._tail.fault is not None:
                return  # without `end`: who comes again is told why
            elif self._quiet:
                await self._write(self._sign_of_life())
            elif await self._advance():
                if self._is_behind():
                    if self._until is not None and (self._offset or 0) >= self._until:
                        return  # the rest was written since
                    # `send` comes back at once while the buffers have room: let the others have their turn.
                    await asyncio.sleep(0)
            elif await self._rest():
                return

    async def _advance(self) -> bool:
        """Send what is there; False if nothing is."""
        if self._offset is None:
            try:
                self._offset = await self._tail.align(self._query.after or 0)
            except LogReplaced:
                await self._start_over()
            return self._offset is not None
        before = self._offset
        payload = await self._gather()
        if self._offset == before:
            return False  # with no await since the look that found nothing: see `_rest`
        if payload := self._with_cursor(payload):
            await self._write(payload)
        return True

    def _with_cursor(self, frames: bytes) -> bytes:
        """What to send to a client who with these frames is at `_offset`."""
        offset = self._offset or 0
        if not frames and offset - self._told > _UNTOLD_BYTES:
            frames = self._id_frame()
        if frames:
            self._told = offset
        return frames

    def _is_behind(self) -> bool:
        """Whether there is more to do at once. Never waits for the disk."""
        if self._offset is None:
            return True
        try:
            return self._tail.take(self._offset) is not None
        except OSError:
            return True

    def on_change(self) -> None:
        """Called by the tail in the midst of its work. A new line is sent at once, which costs half of what it takes
        to wake the task for it; the task is woken for whatever else there is to do."""
        if not (self._idle and self._push()):
            self._nudge()

    def _push(self) -> bool:
        """Send the next chunk; False if there is more to do than that."""
        tail, offset = self._tail, self._offset
        if offset is None or self._tails.closing or tail.generation != self._generation:
            return False
        try:
            framed = tail.take(offset)
        except OSError:  # it would wait for the disk, or can't be read: for the task to meet
            return False
        if framed is not None:
            frames = self._frames(framed)
            if len(frames) > MESSAGE_BYTES:
                return False
            self._offset = framed.chunk.end
            self._passed()
            if payload := self._with_cursor(frames):
                try:
                    self._held_back = self._sender.push(payload)
                except Exception as error:  # the server's; the task raises it
                    self._waiting.set_exception(error)
                    return False
        # To take may have told us more of the tail, all of which is the task's.
        at_end = self._offset == tail.size and tail.generation == self._generation
        if self._over or tail.suspect or tail.removed:
            return False
        return at_end and self._held_back is None

    @property
    def _over(self) -> bool:
        """Whether the answer ends here, though the run may go on."""
        return False

    def _preamble(self) -> bytes:
        return PREAMBLE

    def _frames(self, framed: Framed) -> bytes:
        return self._tail.frames(framed, self._variant)

    def _passed(self) -> None:
        """The frames that were asked for last are told, and the cursor is past their chunk."""

    def _end_frame(self, status: Status) -> bytes:
        return end_frame(self._offset or 0, status)

    def _reset_frame(self, reason: str) -> bytes:
        return reset_frame(reason)

    def _id_frame(self) -> bytes:
        return id_frame(self._offset or 0)

    def _next_due(self) -> float | None:
        """When the next of what is held has to be sent, by the loop's clock; None if nothing is held."""
        return None

    async def _gather(self) -> bytes:
        """The frames of what is to be sent now; moves the cursor past them."""
        offset = before = self._offset or 0
        parts: list[bytes] = []
        size = 0
        while size < SEND_BYTES and offset - before < _LOOK_AHEAD_BYTES:
            framed = await self._tail.fetch(offset)
            if framed is None or self._tail.generation != self._generation:
                break
            frames = self._frames(framed)
            offset = framed.chunk.end
            self._passed()
            parts.append(frames)
            size += len(frames)
            if self._over:
                break
        self._offset = offset
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _rest(self) -> bool:
        """Wait until there may be more; True if there will be none. To be called in the breath that found nothing."""
        if self._tail.generation != self._generation or self._tail.fault is not None:
            return False
        waiting = self._waiting = self._loop.create_future()
        self._tail.rest(self)
        timer = None
        try:
            if (due := self._next_due()) is not None:
                timer = self._loop.call_at(due, self._nudge)
            elif self._tail.removed or await self._finish(waiting):
                return True
            # What happened while `_finish` was asking has woken us already.
            if not (self._sender.gone or self._quiet or self._tails.closing):
                self._idle = self._pushable
                await waiting
                if self._held_back is not None:
                    await self._held_back
            return False
        finally:
            self._idle = False
            self._held_back = None
            self._tail.rouse(self)
            if timer is not None:
                timer.cancel()

    async def _finish(self, waiting: asyncio.Future[None]) -> bool:
        """At the end of the file: whether it is the end of the stream. If so, the client has been told."""
        follow = self._query.follow
        if follow and self._asked and not self._tail.suspect:
            return False
        self._asked = True
        ending = await self._tail.ending()
        self._tail.look()
        if waiting.done():
            return False  # there is more to read
        if ending is None:
            return not follow
        if not (ending.told or (follow and ending.overdue)):
            return not follow
        if self._offset is not None:
            await self._write(self._end_frame(ending.status))
        return True

    async def _start_over(self) -> None:
        self._generation = self._tail.generation
        self._offset = self._told = 0
        self._asked = False
        gone = "the run was removed" if self._tail.removed else "the stream file was replaced"
        await self._write(self._reset_frame(gone))

    async def _write(self, payload: bytes) -> None:
        self._quiet = False
        await self._sender.write(payload)

    def _sign_of_life(self) -> bytes:
        if self._variant.filters and self._offset is not None and self._offset > self._told:
            self._told = self._offset
            return KEEPALIVE + self._id_frame()
        return KEEPALIVE

    def _on_alarm(self) -> None:
        # One timer for each listener, set again when it rings: not moved at each write.
        silent_s = self._loop.time() - self._sender.wrote_at
        left_s = self._keepalive_s - silent_s
        if left_s <= 0.001:
            self._quiet = True
            self._nudge()
            left_s = self._keepalive_s
        self._alarm = self._loop.call_later(left_s, self._on_alarm)

    def _nudge(self) -> None:
        self._idle = False
        if not self._waiting.done():
            self._waiting.set_result(None)
