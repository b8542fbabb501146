"""How long a call waits for its run: until its time is over, its client has left, or the run has changed."""

import asyncio
import contextlib
from collections.abc import Iterator

from starlette.requests import Request

from .shared_tail import SharedTail

__all__ = ["CallWait", "call_wait"]


class CallWait:
    """Of one call."""

    def __init__(self) -> None:
        self.is_over = False
        self._waiting: asyncio.Future[None] | None = None

    @contextlib.contextmanager
    def change(self, tail: SharedTail) -> Iterator[asyncio.Future[None]]:
        """Done at the next change from now on, or when the wait is over. Look at the run after this, then wait."""
        self._waiting = tail.waiter()
        try:
            yield self._waiting
        finally:
            tail.forget(self._waiting)

    def end(self) -> None:
        self.is_over = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@contextlib.contextmanager
def call_wait(request: Request, wait_s: float) -> Iterator[CallWait]:
    """Over after `wait_s`, or when the client leaves. By its own word and not the clock: uvloop's timers may ring a
    little early."""
    loop = asyncio.get_running_loop()
    one = CallWait()
    client = loop.create_task(_disconnect(request))
    client.add_done_callback(lambda _: one.end())
    timer = loop.call_later(wait_s, one.end)
    try:
        yield one
    finally:
        timer.cancel()
        client.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
