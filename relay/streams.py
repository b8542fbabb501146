"""A run as an event stream: an ASGI response that sends what its listener's tail has, until the run has ended.

Below Starlette's StreamingResponse, on ASGI's own `send`: many lines in one message, and one task for each listener
beside the request's own (measured: two to four times the events a second; see benchmarks/).
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runlog import LogReplaced, Record, Workspace, decode
from runlog.records import from_iso
from runlog.tail import records_of

from .problems import Problem, ProblemResponse
from .ring import Framed
from .sse import KEEPALIVE, PREAMBLE, Variant, end_frame, frame_record, id_frame, reset_frame
from .tail import Tail
from .tails import Tails

__all__ = [
    "LOST_GRACE_S",
    "MESSAGE_BYTES",
    "SSE_HEADERS",
    "EventStream",
    "HandOver",
    "LateResponse",
    "StreamQuery",
]

# A message to the server. uvicorn holds `send` back at 64 KiB unsent, but takes each message whole.
_SEND_BYTES = 128 * 1024
MESSAGE_BYTES = 256 * 1024
# How far to search for what a filter takes before others get a turn.
_LOOK_AHEAD_BYTES = 1024 * 1024
# A filter that lets little through still has to move the client's cursor, or a reconnect would search it all again.
_UNTOLD_BYTES = 4 * 1024 * 1024
# How long to go on listening to a run whose process died without a word: the runner will say so, if there is one.
LOST_GRACE_S = 15.0
# A recorded gap is cut at this; and a replay that fell behind (a slow reader) makes up for this much at most.
_MAX_GAP_S = 10.0
_MAX_BEHIND_S = 1.0

_HANDED = "tailcast.streams"

SSE_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


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


class HandOver:
    """ASGI middleware for the outside of the app: streams begin here, when the app is through with their request.

    So the dozen calls of routes and middleware that lead to an answer do not stay in memory for as long as somebody
    listens, nor stand between him and the server.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handed: list[LateResponse] = []
        # A scope of its own, or all that the app hangs into it would live as long as the stream.
        await self._app({**scope, _HANDED: handed}, receive, send)
        if handed:
            await handed.pop().stream(receive, send)


class LateResponse(Response):
    """An answer that begins when the app is through with its request; needs `HandOver` around the app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_HANDED].append(self)

    async def stream(self, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class EventStream(LateResponse):
    """The answer to one listener.

    204 if nothing is left to send and nothing will come: that is what stops an EventSource from coming back.
    """

    def __init__(
        self,
        tails: Tails,
        workspace: Workspace,
        query: StreamQuery,
        keepalive_s: float,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status_code=status_code, headers=headers)
        self._tails = tails
        self._workspace = workspace
        self._query = query
        self._keepalive_s = keepalive_s

    async def stream(self, receive: Receive, send: Send) -> None:
        extra = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        with self._tails.follow(self._workspace) as tail:
            listener = _Listener(self._tails, tail, self._query, self._keepalive_s, send)
            try:
                begun = await listener.begin()
            except OSError as error:
                detail = f"{self._workspace.stream} can't be read ({error.strerror}): mend the file"
                await ProblemResponse(Problem(500, "unreadable-stream", detail))(
                    {"type": "http"}, receive, send
                )
                return
            if not begun:
                await send({"type": "http.response.start", "status": 204, "headers": extra})
                await send({"type": "http.response.body"})
                return
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": SSE_HEADERS + extra,
                }
            )
            await listener.run(receive)


class _Listener:
    """A cursor, and the loop that moves it. Only the task of its request moves it; others may only `_nudge`."""

    def __init__(
        self, tails: Tails, tail: Tail, query: StreamQuery, keepalive_s: float, send: Send
    ) -> None:
        self._tails = tails
        self._tail = tail
        self._query = query
        self._variant = query.variant
        self._keepalive_s = keepalive_s
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._generation = tail.generation
        self._offset: int | None = 0  # None: `query.after` is inside a line that is not whole yet
        self._told = 0  # the last id that the client was sent, about
        self._reset: str | None = None
        self._asked = False  # whether we know of the run's end as much as the tail does
        self._gone = False
        self._quiet = False
        self._wrote_at = self._loop.time()
        self._waiting: asyncio.Future[None] | None = None
        self._pace = None if query.speed is None else _Pace(query.speed, self._loop.time())

    async def begin(self) -> bool:
        """Find the place to start from; False if nothing is there to send and nothing will come."""
        query = self._query
        now = time.monotonic()
        self._tail.look()  # what was written before the request came is part of the answer
        self._generation = self._tail.generation
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
        if self._offset is not None and await self._take(self._offset) is not None:
            return True
        if not query.follow:
            return False
        ending = await self._tail.ending(since=now)
        self._tail.look()
        over = ending is not None and ending.told and self._offset is not None
        return not over or await self._take(self._offset or 0) is not None

    async def run(self, receive: Receive) -> None:
        """Send the stream, up to and with the last message. The response has been started."""
        client = self._loop.create_task(self._watch_client(receive))
        self._alarm = self._loop.call_later(self._keepalive_s, self._on_alarm)
        try:
            await self._pump()
            if not self._gone:
                await self._send({"type": "http.response.body"})
        finally:
            self._alarm.cancel()
            client.cancel()

    async def _pump(self) -> None:
        await self._write(PREAMBLE + (reset_frame(self._reset) if self._reset else b""))
        while not (self._gone or self._tails.closing):
            if self._tail.generation != self._generation:
                await self._start_over()
            elif self._quiet:
                await self._write(self._sign_of_life())
            elif await self._advance():
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
        payload = await (self._gather() if self._pace is None else self._gather_paced(self._pace))
        if self._offset == before:
            return False  # with no await since the look that found nothing: see `_rest`
        if not payload and self._offset - self._told > _UNTOLD_BYTES:
            payload = id_frame(self._offset)
        if payload:
            self._told = self._offset
            await self._write(payload)
        return True

    async def _gather(self) -> bytes:
        offset = before = self._offset or 0
        parts: list[bytes] = []
        size = 0
        while size < _SEND_BYTES and offset - before < _LOOK_AHEAD_BYTES:
            framed = await self._take(offset)
            if framed is None or self._tail.generation != self._generation:
                break
            frames = self._tail.frames(framed, self._variant)
            offset = framed.chunk.end
            parts.append(frames)
            size += len(frames)
        self._offset = offset
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _gather_paced(self, pace: "_Pace") -> bytes:
        parts: list[bytes] = []
        size = 0
        while size < _SEND_BYTES:
            if not pace.records:
                framed = await self._take(self._offset or 0)
                if framed is None or self._tail.generation != self._generation:
                    break
                pace.records.extend(records_of(framed.chunk))
                if not pace.records:  # blank lines alone
                    self._offset = framed.chunk.end
                    continue
            if pace.due() > self._loop.time():
                break
            record = pace.pop()
            self._offset = record.offset
            frame = frame_record(record, self._variant)
            parts.append(frame)
            size += len(frame)
        return b"".join(parts)

    async def _take(self, offset: int) -> Framed | None:
        try:
            return self._tail.take(offset)
        except BlockingIOError:
            return await self._tail.load(offset)

    async def _rest(self) -> bool:
        """Wait until there may be more; True if there will be none. To be called in the breath that found nothing."""
        if self._tail.generation != self._generation:
            return False
        waiting = self._waiting = self._tail.waiter()
        timer = None
        try:
            if self._pace is not None and self._pace.records:
                timer = self._loop.call_at(self._pace.due(), self._nudge)
            elif self._tail.removed or await self._finish(waiting):
                return True
            # What happened while `_finish` was asking has woken us already.
            if not (self._gone or self._quiet or self._tails.closing):
                await waiting
            return False
        finally:
            self._tail.forget(waiting)
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
        if not ending.told and (not follow or time.monotonic() - ending.since < LOST_GRACE_S):
            return not follow
        if self._offset is not None:
            await self._write(end_frame(self._offset, ending.status))
        return True

    async def _start_over(self) -> None:
        self._generation = self._tail.generation
        self._offset = self._told = 0
        self._asked = False
        if self._pace is not None:
            self._pace.records.clear()
        gone = "the run was removed" if self._tail.removed else "the stream file was replaced"
        await self._write(reset_frame(gone))

    async def _write(self, payload: bytes) -> None:
        self._quiet = False
        for start in range(0, len(payload), MESSAGE_BYTES):
            if self._gone:
                return
            body = payload[start : start + MESSAGE_BYTES]
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._tails.sent_bytes += len(payload)
        self._wrote_at = self._loop.time()

    def _sign_of_life(self) -> bytes:
        if self._variant.filters and self._offset is not None and self._offset > self._told:
            self._told = self._offset
            return KEEPALIVE + id_frame(self._offset)
        return KEEPALIVE

    def _on_alarm(self) -> None:
        # One timer for each listener, set again when it rings: not moved at each write.
        silent_s = self._loop.time() - self._wrote_at
        left_s = self._keepalive_s - silent_s
        if left_s <= 0.001:
            self._quiet = True
            self._nudge()
            left_s = self._keepalive_s
        self._alarm = self._loop.call_later(left_s, self._on_alarm)

    async def _watch_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass  # what is left of a request body
        self._gone = True
        self._nudge()

    def _nudge(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class _Pace:
    """When to send each record of a replay: as far apart as their timestamps say, by `speed`.

    `records` are those of the present chunk that are still to be sent.
    """

    def __init__(self, speed: float, now: float) -> None:
        self.records: deque[Record] = deque()
        self._speed = speed
        self._due = now
        self._known = False  # whether `_due` is that of records[0]
        self._last: datetime | None = None

    def due(self) -> float:
        """The time, by the loop's clock, at which records[0] is to be sent."""
        if not self._known:
            stamp = from_iso((decode(self.records[0].line) or {}).get("timestamp"))
            if stamp is not None:
                if self._last is not None:
                    gap_s = (stamp - self._last).total_seconds()
                    self._due += min(max(gap_s, 0.0), _MAX_GAP_S) / self._speed
                self._last = stamp
            now = asyncio.get_running_loop().time()
            self._due = max(self._due, now - _MAX_BEHIND_S)
            self._known = True
        return self._due

    def pop(self) -> Record:
        self._known = False
        return self.records.popleft()
