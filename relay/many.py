"""Many runs on one connection: a cursor for each, their lines in an envelope, and the states of all runs if asked.

The id of an event resumes all of them: it holds the offset of each run, in the order of the request, behind a mark of
which runs those are.
"""

import asyncio
import binascii
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice

from starlette.types import Receive, Send

from runlog import BadCursor, Workspace, encode, is_terminal, parse_cursor
from runlog.tail import Chunk, records_of

from .cursors import Cursor, End, Gone, Reset, Step
from .feed import Change, Feed
from .outlet import MESSAGE_BYTES
from .problems import Problem, ProblemResponse
from .runs import summary_view
from .splice import spliceable
from .sse import KEEPALIVE, PREAMBLE, Variant
from .streams import SSE_HEADERS, LateResponse
from .tail import Tail
from .tails import Tails

__all__ = ["MAX_RUNS", "ManyQuery", "ManyStream", "parse_cursors"]

MAX_RUNS = 100
# The longest there can be: a name, an offset and two marks for each run.
_CURSOR_CHARS = MAX_RUNS * (80 + 1 + 16 + 1)
# With `feed`, told at the beginning. More of them are in the listing.
_SNAPSHOT_RUNS = 200
# Lines of one write: each carries an id of up to 1.7 KiB.
_LINES_AT_ONCE = 256
# A filter that lets little through still has to move the client's cursor.
_UNTOLD_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ManyQuery:
    """`after` has a place for each run, in order; `again`: the client had a cursor, so he has been here before."""

    runs: tuple[Workspace, ...]
    after: tuple[int, ...]
    again: bool = False
    feed: bool = False
    variant: Variant = field(default_factory=Variant)


def parse_cursors(text: str, run_ids: Sequence[str]) -> tuple[int, ...]:
    """The place in each run, from an `id` of ours or from `A:123,B:456`; runs that are not named begin at 0.

    :raises BadCursor: it is neither, or of other runs.
    """
    hint = "Send the id of the last event you have, with the same runs in the same order, or RUN:OFFSET,RUN:OFFSET"
    if len(text) > _CURSOR_CHARS:
        raise BadCursor("the cursor is too long", hint)
    if ":" not in text and text:
        mark, _, rest = text.partition("-")
        places = tuple(map(parse_cursor, rest.split(","))) if rest else ()
        if mark != _mark_of(run_ids) or len(places) != len(run_ids):
            raise BadCursor(f"cursor {text[:40]!r} is of other runs", hint)
        return places
    named: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        run_id, _, place = part.rpartition(":")
        if run_id not in run_ids:
            raise BadCursor(f"cursor {part[:100]!r} is of a run that was not asked for", hint)
        named[run_id] = parse_cursor(place)
    return tuple(named.get(run_id, 0) for run_id in run_ids)


class ManyStream(LateResponse):
    """The answer to one listener of many runs.

    204 if he has been here before, all his runs have ended and nothing is left; 404 if none of the runs is there.
    """

    def __init__(self, tails: Tails, feed: Feed, query: ManyQuery, keepalive_s: float) -> None:
        super().__init__()
        self._tails = tails
        self._feed = feed
        self._query = query
        self._keepalive_s = keepalive_s

    async def stream(self, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            listener = _Listener(self._tails, self._feed, self._query, self._keepalive_s, send)
            stack.callback(listener.close)
            for number, run in enumerate(self._query.runs):
                listener.add(number, stack.enter_context(self._tails.follow(run)))
            stack.enter_context(self._tails.told_of_closing(listener.nudge))
            if self._query.feed:
                stack.enter_context(self._feed.listen(listener.nudge))
            steps = await listener.begin()
            if not self._query.feed and all(isinstance(step, End | Gone) for step in steps):
                if self._query.again or not all(isinstance(step, Gone) for step in steps):
                    await send({"type": "http.response.start", "status": 204, "headers": []})
                    await send({"type": "http.response.body"})
                    return
                problem = Problem(404, "unknown-run", "There is none of these runs")
                await ProblemResponse(problem)({"type": "http"}, receive, send)
                return
            start = {"type": "http.response.start", "status": 200, "headers": SSE_HEADERS}
            await send(start)
            await listener.run(receive)


class _Listener:
    """The cursors of one client, and the loop that serves them in turn. Only its request's task moves them."""

    def __init__(
        self, tails: Tails, feed: Feed, query: ManyQuery, keepalive_s: float, send: Send
    ) -> None:
        self._tails = tails
        self._feed = feed
        self._query = query
        self._send = send
        self._keepalive_s = keepalive_s
        self._run_ids: list[str] = [run.run_id for run in query.runs]
        self._mark = _mark_of(self._run_ids)
        self._places = list(query.after)
        self._untold = 0
        self._cursors: list[Cursor] = []
        self._first: deque[tuple[int, Step]] = deque()
        self._ready: dict[int, None] = {}  # in the order of their turns
        self._seen: int | None = None  # version of the feed
        self._gone = False
        self._wake = asyncio.Event()

    def add(self, number: int, tail: Tail) -> None:
        def on_wake() -> None:
            self._ready[number] = None
            self._wake.set()

        self._cursors.append(Cursor(tail, self._query.after[number], on_wake))

    async def begin(self) -> list[Step | None]:
        """What comes first of each run."""
        steps = [await cursor.next() for cursor in self._cursors]
        for number, step in enumerate(steps):
            if step is not None:
                self._first.append((number, step))
                self._ready[number] = None
        return steps

    async def run(self, receive: Receive) -> None:
        client = asyncio.get_running_loop().create_task(self._watch_client(receive))
        try:
            await self._write(PREAMBLE)
            if self._query.feed:
                await self._feed.look()
            while not (self._gone or self._tails.closing):
                await self._tell_changes()
                while self._first:
                    await self._tell(*self._first.popleft())
                if self._ready:
                    await self._serve(next(iter(self._ready)))
                    await asyncio.sleep(0)
                elif not self._query.feed and all(c.finished for c in self._cursors):
                    break
                else:
                    await self._rest()
            if not self._gone:
                await self._send({"type": "http.response.body"})
        finally:
            client.cancel()

    def nudge(self) -> None:
        self._wake.set()

    def close(self) -> None:
        for cursor in self._cursors:
            cursor.close()

    async def _serve(self, number: int) -> None:
        """One step of one run; then it is the next one's turn."""
        del self._ready[number]
        step = await self._cursors[number].next()
        if step is not None:
            self._ready.setdefault(number)
            await self._tell(number, step)

    async def _tell(self, number: int, step: Step) -> None:
        run_id = self._run_ids[number]
        match step:
            case Chunk():
                before, self._places[number] = self._places[number], step.end
                told = False
                for frames in self._frames(number, step):
                    told = True
                    await self._write(frames)
                self._untold = 0 if told else self._untold + step.end - before
                if self._untold > _UNTOLD_BYTES:
                    self._untold = 0
                    await self._write(b"id: %b\n\n" % self._id())
            case Reset(reason):
                self._places[number] = 0
                await self._say("reset", {"run_id": run_id, "reason": reason})
            case End(status):
                await self._say("end", {"run_id": run_id, "status": status})
            case Gone():
                self._places[number] = 0
                await self._say("gone", {"run_id": run_id})

    def _frames(self, number: int, chunk: Chunk) -> Iterator[bytes]:
        """The lines of a chunk, some of them at a time."""
        run_id = self._run_ids[number].encode()
        before, after = self._id_around(number)
        variant = self._query.variant
        records = records_of(chunk)
        while batch := list(islice(records, _LINES_AT_ONCE)):
            parts = []
            for record in batch:
                told = spliceable(record, variant)
                if told is None:
                    continue
                line = told.line
                if b"\r" in line:
                    line = line.replace(b"\r", b"\ndata: ")
                parts.append(
                    b'id: %b%d%b\n%bdata: {"run_id":"%b","offset":%d,"event":%b}\n\n'
                    % (
                        before,
                        record.offset,
                        after,
                        b"event: malformed\n" if told.is_malformed else b"",
                        run_id,
                        record.offset,
                        line,
                    )
                )
            if parts:
                yield b"".join(parts)

    async def _tell_changes(self) -> None:
        if not self._query.feed or self._seen == self._feed.version:
            return
        changes = self._feed.since(self._seen, _SNAPSHOT_RUNS)
        self._seen = self._feed.version
        for change in changes:
            await self._say("run", _view(change))
            if change.run_id in self._run_ids and change.summary is not None:
                number = self._run_ids.index(change.run_id)
                cursor = self._cursors[number]
                if cursor.finished and not is_terminal(change.summary.status):
                    cursor.revive()
                    self._ready[number] = None

    async def _say(self, event: str, data: dict[str, object]) -> None:
        """Something of the relay's own, by name; with an id only if it concerns a place."""
        place = b"" if event in ("run", "reset") else b"id: %b\n" % self._id()
        await self._write(b"%bevent: %b\ndata: %b\n" % (place, event.encode(), encode(data)))

    def _id(self) -> bytes:
        return b"%b-%b" % (self._mark.encode(), b",".join(b"%d" % n for n in self._places))

    def _id_around(self, number: int) -> tuple[bytes, bytes]:
        """The id before and after the place of one run."""
        places = [b"%d" % place for place in self._places]
        before = b"".join(place + b"," for place in places[:number])
        after = b"".join(b"," + place for place in places[number + 1 :])
        return b"%b-%b" % (self._mark.encode(), before), after

    async def _rest(self) -> None:
        self._wake.clear()
        if self._ready or self._gone or self._tails.closing:
            return
        if self._query.feed and self._seen != self._feed.version:
            return
        try:
            async with asyncio.timeout(self._keepalive_s):
                await self._wake.wait()
        except TimeoutError:
            await self._write(KEEPALIVE)

    async def _write(self, payload: bytes) -> None:
        for start in range(0, len(payload), MESSAGE_BYTES):
            if self._gone:
                return
            body = payload[start : start + MESSAGE_BYTES]
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._tails.sent_bytes += len(payload)

    async def _watch_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._wake.set()


def _view(change: Change) -> dict[str, object]:
    if change.summary is None:
        return {"run_id": change.run_id, "removed": True}
    return summary_view(change.summary)


def _mark_of(run_ids: Sequence[str]) -> str:
    return f"{binascii.crc32(','.join(run_ids).encode()):08x}"
