"""Serve a relay with uvicorn: one process, one loop. Prints nothing: it calls back when it is really listening."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from .app import Relay, create_app
from .http.access import MAX_BODY_BYTES
from .http.connection import Connections, HttpConnection
from .http.settings import LOOPBACK_HOSTS, RelayError, RelaySettings

__all__ = ["prepare_process", "serve"]

_BACKLOG = 4096
_SWITCH_S = 0.0005
# Open streams are ended politely first; a client that does not take even that is cut off after so long.
_POLITE_S = 0.3
# A call that is here whole gets its answer. What it does in a thread can't be stopped anyway; this is for a disk
# that hangs.
_CALLS_S = 60.0
_LOOK_S = 0.02


def serve(
    settings: RelaySettings,
    host: str,
    port: int,
    announce: Callable[[str], None],
    on_started: Callable[[Callable[[], None]], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, or until stopped.

    :param host: anything but a loopback address needs `settings.token`.
    :param port: 0 picks a free one.
    :param announce: called with `http://HOST:PORT` once connections are taken.
    :param on_started: called after that, with a function that stops the server from any thread.
    :return: the number of the signal that ended it; 0 if it was stopped.
    :raises RelayError: it can't be served there.
    """
    listener = _bind(host, port)
    try:
        settings = _admit(settings, host, listener)
        prepare_process()
        # What concerns a person is told by whoever called; uvicorn's own lines are for debugging it.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        relay = create_app(settings)
        config = uvicorn.Config(
            relay,
            loop="uvloop",
            http=Connections(settings.limits).protocol,  # type: ignore[arg-type] # called as the class would be
            ws="websockets-sansio",  # the one that is no wrapper of websockets' deprecated server
            ws_max_size=MAX_BODY_BYTES,
            ws_per_message_deflate=False,  # on this machine it costs more than it saves
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            workers=1,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config, relay, lambda: announce(_url(host, listener)), on_started)
        server.run(sockets=[listener])
        return server.ended_by
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn, but open streams do not hold it up (they would for ever), and its caller gets the signal told."""

    def __init__(
        self,
        config: uvicorn.Config,
        relay: Relay,
        announce: Callable[[], None],
        on_started: Callable[[Callable[[], None]], None] | None,
    ) -> None:
        super().__init__(config)
        self.ended_by = 0
        self._relay = relay
        self._announce = announce
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._announce()
            if self._on_started is not None:
                self._on_started(self._stop)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal once more at the end, and so die of SIGTERM instead of returning.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.ended_by = self.ended_by or sig
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._relay.end_streams()
        loop = asyncio.get_running_loop()
        await self._finish_calls(loop.time())
        cut = loop.call_later(_POLITE_S, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    async def _finish_calls(self, begun: float) -> None:
        """Wait until the calls that are here whole have their answers. Everyone else is cut off meanwhile."""
        loop = asyncio.get_running_loop()
        while not self.force_exit:
            calls = []
            for connection in self._http_connections():
                connection.shutdown()  # it is not kept alive
                if connection.awaits_answer:
                    calls.append(connection)
                elif loop.time() - begun >= _POLITE_S and not connection.transport.is_closing():
                    connection.transport.abort()
            if not calls or loop.time() - begun >= _CALLS_S:
                return
            await asyncio.sleep(_LOOK_S)

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()

    def _http_connections(self) -> list[HttpConnection]:
        return [c for c in self.server_state.connections if isinstance(c, HttpConnection)]

    def _stop(self) -> None:
        self.should_exit = True


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = "Choose another --port (0 picks a free one) or --host"
        raise RelayError(
            f"can't listen on {host}:{port}: {error.strerror or error}", hint
        ) from error
    # Accepted connections inherit it: a client whose machine vanished is noticed in the end.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


def _admit(settings: RelaySettings, host: str, listener: socket.socket) -> RelaySettings:
    """The settings with the names that this address goes by."""
    address = ipaddress.ip_address(listener.getsockname()[0])
    if settings.token is not None and not settings.token.strip():
        raise RelayError("the token is empty", "Give one that can't be guessed, or none at all")
    if not address.is_loopback and settings.token is None:
        raise RelayError(
            f"{host} can be reached from other machines, so a token is required",
            "Set --token or TAILCAST_TOKEN, or listen on 127.0.0.1",
        )
    names = settings.allowed_hosts
    if address.is_unspecified and names == LOOPBACK_HOSTS:
        # It has names we don't know. The token, which a re-pointed page does not have, is the door then.
        names = names | {"*"}
    return dataclasses.replace(settings, allowed_hosts=names | {host.lower(), str(address)})


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def prepare_process() -> None:
    """What a process that serves many listeners needs."""
    # A thread that computes, as the one that reads the root, keeps the loop waiting for so long at a time.
    sys.setswitchinterval(_SWITCH_S)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
