"""A connection of a client: uvicorn's, with bounds on what one may cost before it has asked for anything.

httptools keeps of a head whatever comes, for as long as it comes. Here its bytes, fields and time are bounded,
and so are connections (`connections`). A refusal is a problem, as any other; after it we read on for a
little, since a client that is still sending would lose the answer to a reset.

Nothing here knows a route. Bodies are bounded by the doors, which know whether they want one.
"""

import ipaddress
import sys
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn import Config
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidMessage, SecurityError

from runlog import encode

from .connections import Connections
from .problems import PROBLEM_CONTENT_TYPE, Problem
from .settings import ConnectionLimits

__all__ = ["FIXED_HEADERS", "HttpConnection"]

FIXED_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
"""Of every answer: what an agent wrote is never taken for more than it is called, and no page elsewhere gets
hold of a window of ours, nor puts an answer into a page of its own."""

# After an answer that ends a connection: how long, and how much, of what still comes is read and thrown away.
_LINGER_S = 5.0
_LINGER_BYTES = 64 * 1024 * 1024
# Requests that wait for the answers before theirs. Each is some KiB, and browsers send none ahead.
_MAX_PIPELINED = 16
# A client that is to get a 503 waits for it with its request, as HTTP has it.
_REFUSED_S = 2.0

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class HttpConnection(HttpToolsProtocol):
    """One connection.

    :ivar peer: what is counted as one client: an IPv4 address or the /64 of an IPv6 one. None: not counted, as
        on loopback, where a proxy has the listeners of everyone.
    """

    # Beside the dict of what is uvicorn's: 1.4 KB less for each listener (measured).
    __slots__ = (
        "_all",
        "_all_here",
        "_deaf",
        "_head_begun",
        "_head_bytes",
        "_idle_bytes",
        "_left_bytes",
        "_limits",
        "_outgoing",
        "_refused",
        "_timer",
        "peer",
    )

    def __init__(
        self,
        all_of_them: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.peer: str | None = None
        self._all = all_of_them
        self._limits = all_of_them.limits
        self._outgoing: Transport | None = None
        self._head_begun = False
        self._head_bytes = 0
        # Bytes in a row that led to nothing: part of a line, trailers, sizes of chunks.
        self._idle_bytes = 0
        self._timer: TimerHandle | None = None
        self._refused: Problem | None = None  # what the next request is answered
        self._deaf = False  # nothing more is taken in
        self._all_here = False  # nothing more will come, so there is nothing to linger for
        self._left_bytes: int | None = None  # while we linger

    @property
    def awaits_answer(self) -> bool:
        """Whether a whole request is here, and its answer has not begun."""
        asked = [self.cycle, *(cycle for cycle, _ in self.pipeline)]
        return any(c and not (c.more_body or c.response_started) for c in asked)

    @staticmethod
    def peer_of(host: str) -> str | None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address):
            # Whoever has one address of IPv6 has the whole /64.
            mapped = address.ipv4_mapped
            if mapped is None and not address.is_loopback:
                return str(ipaddress.ip_network((int(address), 64), strict=False))
            address = mapped or address
        return None if address.is_loopback else str(address)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._outgoing = cast(Transport, _Outgoing(transport, self._close))
        self.peer = self.peer_of(self.client[0] if self.client else "")
        self._refused = self._all.look_at(self, transport) or self._all.admit(
            self, _descriptor(transport)
        )
        if self._refused is None:
            self._all.rests(self)
            self._set_timer(self._limits.head_s)
        elif self._all.is_crowd_refused:
            self._write(self._refused)
            transport.close()
        else:
            self._set_timer(_REFUSED_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_timer()
        self._all.leave(self)
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Close it now, for another one."""
        self._all.leave(self)
        if self._head_begun:
            self._write(_request_timeout(self._limits.head_s))
        self.transport.close()

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
            if self._left_bytes < 0:
                self.transport.close()
            return
        if self._deaf:
            self.flow.pause_reading()
            return
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        if self._idle_bytes > self._limits.head_bytes:
            self._refuse(_head_too_large(self._limits))
        elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._set_timer(self._limits.head_s)

    def on_message_begin(self) -> None:
        self._head_begun = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)  # and ": ", CR, LF
        if len(self.headers) >= self._limits.header_count:
            raise _Refusal(_head_too_large(self._limits))
        super().on_header(name, value)

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > self._limits.head_bytes:
            raise _Refusal(_head_too_large(self._limits))

    def on_headers_complete(self) -> None:
        if self._refused is not None:
            self._all_here = _BODY_HEADERS.isdisjoint(name for name, _ in self.headers)
            raise _Refusal(self._refused)
        if len(self.pipeline) >= _MAX_PIPELINED:
            # The answers that are owed are given, and then it is over (RFC 9112, 9.3.2): the rest is asked anew.
            self.pipeline[0][0].keep_alive = False
            raise _Refusal(None)
        self._head_begun = False
        self._idle_bytes = 0
        self._drop_timer()
        self._all.asks(self)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self._outgoing is not None:
            self.cycle.transport = self._outgoing

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._idle_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it for whatever the parser did not take."""
        raised = getattr(sys.exception(), "__context__", None)
        if isinstance(raised, _Refusal):
            self._refuse(raised.problem)
        else:
            told = "This is not HTTP/1.1, so the rest of the connection can't be read"
            self._refuse(Problem(400, "bad-request", told))

    # What goes out

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        is_old = cycle.scope["http_version"] != "1.1"
        super()._start_asgi_task(cycle, _until_closed(cycle, app) if is_old else app)

    def on_response_complete(self) -> None:
        if self._left_bytes is not None:
            return  # it was the last
        super().on_response_complete()
        if self.pipeline or not self.cycle.response_complete:
            return
        if self._deaf:
            self._finish()
        elif not self.transport.is_closing():
            self._all.rests(self)

    def _refuse(self, problem: Problem | None) -> None:
        """Take nothing more in; answer, after what is to be answered before."""
        cycle = self.cycle
        self._deaf = True
        self._refused = problem
        self._drop_timer()
        self.flow.pause_reading()
        if cycle is None:
            self._finish()
        elif cycle.response_complete and not self.pipeline:
            if not self._head_begun:
                self._refused = None  # it is of a request that has its answer
            self._finish()
        elif cycle.more_body and not cycle.response_started and not self.pipeline:
            # The body of this request will never be whole, so this is its answer.
            cycle.disconnected = True
            cycle.message_event.set()
            self._finish()

    def _finish(self) -> None:
        if self._refused is not None:
            self._write(self._refused)
        if self._all_here:
            self.transport.close()
        else:
            self._linger()

    def _write(self, problem: Problem) -> None:
        if not self.transport.is_closing() and self._left_bytes is None:
            self.transport.write(_answer(problem))

    def _close(self) -> None:
        """An answer is complete and ends the connection."""
        if self._deaf or self.cycle.more_body:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        if self._left_bytes is not None or self.transport.is_closing():
            return
        self._left_bytes = _LINGER_BYTES
        self._unset_keepalive_if_required()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._set_timer(_LINGER_S)

    # Time

    def _set_timer(self, seconds: float) -> None:
        self._drop_timer()
        self._timer = self.loop.call_later(seconds, self._on_time)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        if self._left_bytes is None and (self._head_begun or self._refused is not None):
            self._refuse(self._refused or _request_timeout(self._limits.head_s))
        else:
            # Nothing was begun, so nothing is answered: it was opened ahead, and came to nothing.
            self.transport.close()

    def handle_websocket_upgrade(self) -> None:
        self._deaf = True  # what comes from now on is the WebSocket's
        self.ws_protocol_class = partial(_WebSocketConnection, partial(self._all.leave, self))  # type: ignore[assignment]
        super().handle_websocket_upgrade()


class _WebSocketConnection(WebSocketsSansIOProtocol):
    """:param on_lost: called when it is closed."""

    def __init__(self, on_lost: Callable[[], None], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self._refuse(self.conn.handshake_exc)

    def _refuse(self, error: Exception | None) -> None:
        """websockets reads the head, which came whole, once more, and takes less than we do; uvicorn would wait."""
        told = (isinstance(error, InvalidMessage) and error.__cause__) or error
        # Older versions of websockets call one that is too large invalid, for this reason.
        if isinstance(told, SecurityError) or not isinstance(error, InvalidMessage):
            problem = Problem(431, "head-too-large", f"For a WebSocket: {told}")
        else:
            problem = Problem(400, "bad-request", f"It can't become a WebSocket: {told}")
        self.transport.write(_answer(problem))
        self.transport.close()


class _Refusal(Exception):
    """Raised in a callback of the parser, which stops there. :param problem: None: no answer of its own."""

    def __init__(self, problem: Problem | None) -> None:
        super().__init__()
        self.problem = problem


class _Outgoing:
    """What the answer to one request needs of a transport; `close` is ours."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def _until_closed(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """The app for a client of HTTP/1.0, which knows no chunks: a body ends where the connection does (RFC 9112, 6.3).

    uvicorn would send chunks to it, for lack of a length.
    """

    async def plain(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        is_sized = True

        async def send_plain(message: ASGISendEvent) -> None:
            nonlocal is_sized
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                is_sized = b"content-length" in names
                # To uvicorn chunks are announced already, and then there are none.
                cycle.chunked_encoding = None if is_sized else True
                await send(message)
                cycle.chunked_encoding = False
                return
            if not is_sized and message["type"] == "http.response.body":
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return plain


def _descriptor(transport: Transport) -> int:
    return int(transport.get_extra_info("socket").fileno())


def _answer(problem: Problem) -> bytes:
    body = encode(problem.body())
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        f"content-type: {PROBLEM_CONTENT_TYPE}",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        *(f"{name}: {value}" for name, value in FIXED_HEADERS),
        "connection: close",
        *(f"{name}: {value}" for name, value in (problem.headers or {}).items()),
    ]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def _head_too_large(limits: ConnectionLimits) -> Problem:
    told = (
        f"Send a head of at most {limits.head_bytes // 1024} KiB and {limits.header_count} headers"
    )
    return Problem(431, "head-too-large", told)


def _request_timeout(head_s: float) -> Problem:
    return Problem(
        408, "request-timeout", f"The head was not whole after {head_s:g} s: send it at once"
    )
