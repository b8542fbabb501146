"""A run as an event stream: an ASGI response that sends what its listener's tail has, until the run has ended.

Below Starlette's StreamingResponse, on ASGI's own `send`: many lines in one message, and one task for each listener
beside the request's own (measured: two to four times the events a second; see benchmarks/).
"""

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runlog import Workspace

from ..http.callers import Stays, stays_of, watched
from ..http.problems import ProblemResponse, unreadable_stream
from .fold import Fold
from .folded import FoldedSubscriber
from .registry import TailRegistry
from .shared_tail import SharedTail
from .subscriber import StreamQuery, Subscriber
from .timed_replay import TimedSubscriber

__all__ = ["SSE_HEADERS", "EventStream", "HandOver", "LateResponse"]

_HANDED = "tailcast.streams"
_LAST_S = 5.0

SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


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
        own = {**scope, _HANDED: handed}
        await self._app(own, receive, send)
        stays = stays_of(own)
        del own
        if not handed:
            return
        if stays is None:
            await handed.pop().stream(receive, send)
        else:
            await _stream_while_let_in(handed.pop(), stays, receive, send)


async def _stream_while_let_in(
    response: "LateResponse", stays: Stays, receive: Receive, send: Send
) -> None:
    cut = False

    def on_cut() -> None:
        nonlocal cut
        cut = True

    await response.stream(watched(receive, stays, "http", on_cut), send)
    if cut:
        with anyio.move_on_after(_LAST_S):  # he may not even take that
            await send({"type": "http.response.body"})


class LateResponse(Response):
    """An answer that begins when the app is through with its request; needs `HandOver` around the app."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_HANDED].append(self)

    async def stream(self, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class EventStream(LateResponse):
    """The answer to one listener.

    204 if nothing is left to send and nothing will come: that is what stops an EventSource from coming back.

    :param fold: tell the run in another protocol; `query` then says where to begin, and no more.
    """

    def __init__(
        self,
        tails: TailRegistry,
        workspace: Workspace,
        query: StreamQuery,
        keepalive_s: float,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        fold: Fold | None = None,
    ) -> None:
        super().__init__(status_code=status_code, headers=headers)
        self._fold = fold
        self._tails = tails
        self._workspace = workspace
        self._query = query
        self._keepalive_s = keepalive_s

    async def stream(self, receive: Receive, send: Send) -> None:
        extra = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        with self._tails.follow(self._workspace) as tail:
            listener = self._listener(tail, send)
            try:
                begun = await listener.begin()
            except OSError as error:
                problem = unreadable_stream(self._workspace.stream, error)
                await ProblemResponse(problem)({"type": "http"}, receive, send)
                return
            if not begun:
                await send({"type": "http.response.start", "status": 204, "headers": extra})
                await send({"type": "http.response.body"})
                return
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": _beside(extra) + extra,
                }
            )
            await listener.run(receive)

    def _listener(self, tail: SharedTail, send: Send) -> Subscriber:
        args = (self._tails, tail, self._query, self._keepalive_s, send)
        if self._fold is not None:
            return FoldedSubscriber(*args, fold=self._fold)
        if (speed := self._query.speed) is not None:
            return TimedSubscriber(*args, speed=speed)
        return Subscriber(*args)


def _beside(extra: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = {name for name, _ in extra}
    return [pair for pair in SSE_HEADERS if pair[0] not in given]
