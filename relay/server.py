"""Serve a relay with uvicorn: one process, one loop. Prints nothing: it calls back when it is really listening."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import logging
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from .app import Relay, create_app
from .http.access import MAX_BODY_BYTES
from .http.connection import FIXED_HEADERS, HttpConnection
from .http.connections import Connections
from .http.origins import read_origin
from .http.paths import read_root_path
from .http.peers import Proxies, SameUser
from .http.secrecy import conceal
from .http.settings import LOOPBACK_HOSTS, RelayError, RelaySettings, read_dialect_start

__all__ = ["prepare_process", "serve"]

_BACKLOG = 4096
_SWITCH_S = 0.0005
# Open streams are ended politely first; a client that does not take even that is cut off after so long.
_POLITE_S = 0.3
# A call that is here whole gets its answer. What it does in a thread can't be stopped anyway; this is for a disk
# that hangs.
_CALLS_S = 60.0
_LOOK_S = 0.02

# Tries are slowed down; so few will do for what only this machine reaches.
_TOKEN_LENGTH = 6
_TOKEN_LENGTH_ABROAD = 16
_TOKEN_VARIETY = 4
_TOKEN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")


def serve(
    settings: RelaySettings,
    host: str,
    port: int,
    announce: Callable[[str], None],
    on_started: Callable[[Callable[[], None]], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, or until stopped.

    :param host: anything but a loopback address needs a token. Passed over with `settings.uds`, as is `port`.
    :param port: 0 picks a free one.
    :param announce: called with `http://HOST:PORT` and the root path, or `unix:PATH`, once connections are taken.
    :param on_started: called after that, with a function that stops the server from any thread.
    :return: the number of the signal that ended it; 0 if it was stopped.
    :raises RelayError: it can't be served there.
    """
    settings = checked(settings)
    listener = _bind(host, port) if settings.uds is None else _bind_unix(settings)
    own_user = None
    try:
        settings = _admit(settings, host, listener)
        if settings.is_guarded:
            conceal(settings.token)
        else:
            own_user = SameUser(Proxies(settings.trusted_proxies))
        prepare_process()
        # What concerns a person is told by whoever called; uvicorn's own lines are for debugging it.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        relay = create_app(settings)
        refusal = own_user.refusal if own_user else lambda _: None
        connections = Connections(settings.limits, refusal)
        config = uvicorn.Config(
            relay,
            loop="uvloop",
            http=partial(HttpConnection, connections),  # type: ignore[arg-type] # called as the class
            ws="websockets-sansio",  # the one that is no wrapper of websockets' deprecated server
            ws_max_size=MAX_BODY_BYTES,
            ws_per_message_deflate=False,  # on this machine it costs more than it saves
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=list(FIXED_HEADERS),
            proxy_headers=False,
            backlog=_BACKLOG,
            workers=1,
            timeout_graceful_shutdown=1,
        )
        server = _Server(
            config, relay, lambda: announce(_url(host, listener, settings.root_path)), on_started
        )
        server.run(sockets=[listener])
        return server.ended_by
    finally:
        listener.close()
        if own_user is not None:
            own_user.close()
        if settings.uds is not None:
            settings.uds.unlink(missing_ok=True)


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


def _bind_unix(settings: RelaySettings) -> socket.socket:
    path = settings.uds
    assert path is not None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        # Who may open it: its user, and where a proxy of another user is told of, its group.
        old = os.umask(0o117 if "unix" in settings.trusted_proxies else 0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        told = error.strerror or str(error)  # a path that is too long has no number
        hint = "Choose another --uds: a path of up to 107 bytes, in a folder of yours"
        raise RelayError(f"can't listen on {path}: {told}", hint) from error
    return listener


def _remove_stale(path: Path) -> None:
    """The socket of a relay that was killed. :raises OSError: someone listens there, or it is something else."""
    if not path.is_socket():
        return  # whatever else is there, `bind` refuses
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


def checked(settings: RelaySettings) -> RelaySettings:
    """The settings in the form that the app wants.

    :raises RelayError: they open a door that is meant to be shut, or can't mean what was written."""
    if settings.token is not None:
        _check_token(settings.token)
    for name in sorted(settings.allowed_hosts):
        _check_name(name)
    if "*" in settings.allowed_hosts and not settings.is_guarded:
        raise RelayError(
            "--allow-host '*' lets any web page in that gets its name to point here",
            "Name the hosts one by one, or set --token or --token-file",
        )
    Proxies(settings.trusted_proxies)
    Proxies(settings.forwarding_proxies, "--proxy-headers")
    if settings.user_header is not None:
        if not _HEADER_NAME.fullmatch(settings.user_header):
            raise RelayError(
                f"--trust-user-header {settings.user_header!r} is no name of a header",
                "Write it as X-Forwarded-User",
            )
        if not settings.trusted_proxies:
            raise RelayError(
                "--trust-user-header needs to know whose word counts",
                "Add --trust-proxy with the proxy's address, or `unix` with --uds",
            )
    for told in settings.dialect_starts:
        read_dialect_start(told)
    if "unix" in settings.trusted_proxies and settings.uds is None:
        raise RelayError("--trust-proxy unix needs a Unix socket", "Add --uds PATH")
    return dataclasses.replace(
        settings,
        root_path=read_root_path(settings.root_path),
        allowed_origins=tuple(read_origin(origin) for origin in settings.allowed_origins),
    )


def _check_token(token: str) -> None:
    remedy = "Give one that can't be guessed, as `openssl rand -hex 32` prints, or none at all"
    if not token.strip():
        raise RelayError("the token is empty", remedy)
    if not _TOKEN.fullmatch(token):
        raise RelayError(
            "the token has spaces around it, or characters that no header can carry",
            "Use letters, digits and signs of ASCII",
        )
    if len(token) < _TOKEN_LENGTH or len(set(token)) < _TOKEN_VARIETY:
        raise RelayError(
            f"the token is too easy to guess: under {_TOKEN_LENGTH} characters, or few different ones",
            remedy,
        )


def _check_name(name: str) -> None:
    if name == "*" or _HOST_NAME.fullmatch(name) or name in LOOPBACK_HOSTS:
        return
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return
    raise RelayError(
        f"--allow-host {name!r} is no name of a host",
        "Give the name alone, without a scheme, port or path: tail.example",
    )


def _admit(settings: RelaySettings, host: str, listener: socket.socket) -> RelaySettings:
    """The settings with the names that this address goes by."""
    if settings.uds is not None:
        return settings
    address = ipaddress.ip_address(listener.getsockname()[0])
    if not address.is_loopback:
        if not settings.is_guarded:
            raise RelayError(
                f"{host} can be reached from other machines, so a token is required",
                "Set --token, TAILCAST_TOKEN or --token-file, or listen on 127.0.0.1",
            )
        if settings.token is not None and len(settings.token) < _TOKEN_LENGTH_ABROAD:
            raise RelayError(
                f"{host} can be reached from other machines: a token needs {_TOKEN_LENGTH_ABROAD} characters there",
                "Give one that can't be guessed, as `openssl rand -hex 32` prints",
            )
    names = settings.allowed_hosts
    if address.is_unspecified and names == LOOPBACK_HOSTS:
        # It has names we don't know. The token, which a re-pointed page does not have, is the door then.
        names = names | {"*"}
    return dataclasses.replace(settings, allowed_hosts=names | {host.lower(), str(address)})


def _url(host: str, listener: socket.socket, root_path: str) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}{root_path}"


def prepare_process() -> None:
    """What a process that serves many listeners needs."""
    # A thread that computes, as the one that reads the root, keeps the loop waiting for so long at a time.
    sys.setswitchinterval(_SWITCH_S)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
