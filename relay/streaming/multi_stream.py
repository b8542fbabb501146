"""A list of runs on one connection, and the states of all runs if asked."""

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field

from starlette.types import Receive, Send

from runlog import Workspace, is_terminal

from ..http.problems import Problem, ProblemResponse
from .feed import Feed
from .multi_cursor import ListCursor
from .multiplex import Multiplex
from .registry import TailRegistry
from .responses import SSE_HEADERS, LateResponse
from .run_cursors import End, Gone, Step
from .sse import Variant

__all__ = ["ManyQuery", "ManyStream"]

# With `feed`, told at the beginning. More of them are in the listing.
_SNAPSHOT_RUNS = 200
# Changes of one write: a thousand runs may have changed at once, and there are other listeners.
_CHANGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ManyQuery:
    """`places` are where to begin; `again`: the client had a cursor, so he has been here before."""

    runs: tuple[Workspace, ...]
    places: ListCursor
    again: bool = False
    feed: bool = False
    variant: Variant = field(default_factory=Variant)


class ManyStream(LateResponse):
    """The answer to one listener of many runs.

    204 if he has been here before, all his runs have ended and nothing is left; 404 if none of the runs is there.
    """

    def __init__(
        self, tails: TailRegistry, feed: Feed, query: ManyQuery, keepalive_s: float
    ) -> None:
        super().__init__()
        self._tails = tails
        self._feed = feed
        self._query = query
        self._keepalive_s = keepalive_s

    async def stream(self, receive: Receive, send: Send) -> None:
        with ExitStack() as stack:
            listener = _ManySubscriber(
                self._tails, self._feed, self._query, self._keepalive_s, send
            )
            stack.callback(listener.close_all)
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


class _ManySubscriber(Multiplex):
    """All runs are followed from the beginning to the end of the connection: with `feed` they may be reopened."""

    def __init__(
        self, tails: TailRegistry, feed: Feed, query: ManyQuery, keepalive_s: float, send: Send
    ) -> None:
        super().__init__(tails, query.runs, query.places, query.variant, keepalive_s, send)
        self._feed = feed if query.feed else None
        self._numbers: dict[str, int] = {
            run.run_id: number for number, run in enumerate(query.runs)
        }
        self._first: deque[tuple[int, Step]] = deque()
        self._seen: int | None = None  # version of the feed
        for number, offset in enumerate(query.places.offsets):
            self.open(number, offset)

    async def begin(self) -> list[Step | None]:
        """What comes first of each run."""
        steps = [await cursor.next() for cursor in self._cursors.values()]
        for number, step in enumerate(steps):
            if step is not None:
                self._first.append((number, step))
                self._ready[number] = None
        return steps

    async def _attend(self) -> None:
        if self._feed is not None:
            await self._tell_changes(self._feed)
        while self._first:
            await self._tell(*self._first.popleft())

    def _is_over(self) -> bool:
        return self._feed is None and all(c.finished for c in self._cursors.values())

    def _may_rest(self) -> bool:
        return self._feed is None or self._seen == self._feed.version

    async def _tell_changes(self, feed: Feed) -> None:
        if self._seen == feed.version:
            return
        changes = None if self._seen is None else feed.since(self._seen)
        self._seen = feed.version
        if changes is None:
            changes = await feed.newest(_SNAPSHOT_RUNS)
        for start in range(0, len(changes), _CHANGES_AT_ONCE):
            part = changes[start : start + _CHANGES_AT_ONCE]
            frames = [b"event: run\ndata: %b\n" % change.data for change in part]
            await self._sender.write(b"".join(frames))
            await asyncio.sleep(0)
        for change in changes:
            number = self._numbers.get(change.run_id)
            if number is not None and change.summary is not None:
                cursor = self._cursors[number]
                if cursor.finished and not is_terminal(change.summary.status):
                    cursor.revive()
                    self._ready[number] = None
