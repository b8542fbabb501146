"""The body of one answer on its way to one client, on ASGI's own `send` and `receive`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine
from typing import Any, cast

from starlette.types import Receive, Send

from .registry import TailRegistry

__all__ = ["MESSAGE_BYTES", "Sender"]

# uvicorn holds `send` back at 64 KiB unsent, but takes each message whole.
MESSAGE_BYTES = 256 * 1024


class Sender:
    """Lives on one event loop. One caller at a time writes.

    :param on_gone: called when the client has gone.
    """

    __slots__ = ("_loop", "_on_gone", "_send", "_tails", "gone", "wrote_at")

    def __init__(self, send: Send, tails: TailRegistry, on_gone: Callable[[], None]) -> None:
        self.gone = False
        self._send = send
        self._tails = tails
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self.wrote_at = self._loop.time()

    async def write(self, payload: bytes) -> None:
        """Send it, in several messages if it is long; waits while the client does not take what was sent before."""
        for start in range(0, len(payload), MESSAGE_BYTES):
            if self.gone:
                return
            await self._send(_message(payload[start : start + MESSAGE_BYTES]))
        self._note(len(payload))

    def push(self, payload: bytes) -> Awaitable[None] | None:
        """Send at most `MESSAGE_BYTES`, from outside of any task.

        None if that was all. Else the server holds it back, and what is returned waits as `write` would: await it
        before anything else is written.

        A server's `send` has nothing to wait for but a full buffer, so nearly every call ends in its first step; to
        wake a task for it would double the cost of an event.
        """
        sending = cast(Coroutine[Any, Any, None], self._send(_message(payload)))
        self._note(len(payload))
        try:
            awaited = sending.send(None)
        except StopIteration:
            return None
        return _rest(sending, awaited)

    async def end(self) -> None:
        """The last message, unless nobody is there to get it."""
        if not self.gone:
            await self._send({"type": "http.response.body"})

    async def watch(self, receive: Receive) -> None:
        """Wait until the client goes."""
        while (await receive())["type"] != "http.disconnect":
            pass  # what is left of a request body
        self.gone = True
        self._on_gone()

    def _note(self, length: int) -> None:
        self._tails.sent_bytes += length
        self.wrote_at = self._loop.time()


def _message(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


@coroutine
def _rest(begun: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """All but the first step of a coroutine, which gave `awaited`: what `yield from` does, begun in its midst."""
    try:
        while True:
            try:
                told = yield awaited
            except GeneratorExit:
                begun.close()
                raise
            except BaseException as error:
                awaited = begun.throw(error)
            else:
                awaited = begun.send(told)
    except StopIteration:
        return
