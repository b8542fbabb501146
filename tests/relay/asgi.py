"""Listeners of a relay in this process, with a server of ours under the app that can do what a server may."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from starlette.types import Message

from relay.app import Relay, create_app
from relay.http.settings import RelaySettings
from runlog import Workspace
from tests.relay.sse_client import Decoder, Dispatched
from tests.support import DEADLINE_S

__all__ = ["Client", "running"]

OnBody = Callable[[bytes, bool], Awaitable[None]]


class Client:
    """One listener, as its server sees him. `on_body` is what `send` does with each part of a body; it is told
    whether it was called outside of any task."""

    def __init__(self, app: Relay, run: Workspace, on_body: OnBody | None = None) -> None:
        self.events: list[Dispatched] = []
        self.pushed = 0
        self._decoder = Decoder()
        self._on_body = on_body
        self._sending = False
        self._changed = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/api/v1/workflows/{run.run_id}/stream",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
        }
        self._bodies = [{"type": "http.request", "body": b"", "more_body": False}]
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def until(self, count: int) -> None:
        """Wait for so many events."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.events) < count:
                self._changed.clear()
                await self._changed.wait()

    async def _receive(self) -> Message:
        if self._bodies:
            return self._bodies.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        assert not self._sending, "two messages at once"
        body = message.get("body", b"")
        if not body:
            return
        outside = asyncio.current_task() is None
        self.pushed += outside
        if self._on_body is not None:
            self._sending = True
            try:
                await self._on_body(body, outside)
            finally:
                self._sending = False
        self.events += self._decoder.feed(body)
        self._changed.set()


@contextlib.asynccontextmanager
async def running(root: Path) -> AsyncIterator[Relay]:
    # As the server does it: before there is a loop.
    app = await asyncio.to_thread(create_app, RelaySettings(root=root))
    async with app.api.router.lifespan_context(app.api):
        yield app
