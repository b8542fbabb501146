"""Who may come in, and with how much: the checks before any route, as plain ASGI.

* `Host` is one of ours. A page whose name was re-pointed at 127.0.0.1 (DNS rebinding) sends its own name.
* `Origin`, if a browser sent one with a call that changes something, is this very host: a page elsewhere can post to
  us without reading the answer. Browsers that send no `Origin` say `Sec-Fetch-Site`.
* The bearer token, if one is set. The probes need none: who runs them can't always add a header. Nor does the page,
  which holds nothing of a run: a browser can't send one with an address that is typed in.
* A WebSocket passes the same doors. It always counts as a change; its token may come as the subprotocol
  `bearer.TOKEN`.
* A body has at most 10 MiB, told or not (chunked).
"""

import hmac
import re
from collections.abc import Callable, Sequence

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, ProblemResponse

__all__ = ["MAX_BODY_BYTES", "Access", "chosen_subprotocol"]

MAX_BODY_BYTES = 10 * 1024 * 1024

# For the next piece of a body that was begun.
_BODY_WAIT_S = 30.0

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(rb"(https?)://([^/]+)")
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}

_Headers = dict[bytes, list[bytes]]


class Access:
    """ASGI middleware. Answers what may not come in; hands on everything else as it is.

    :param is_public: what needs no token, beside the probes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: frozenset[str],
        token: str | None,
        is_public: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._is_public = is_public
        self._allowed_hosts = allowed_hosts
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        is_socket = scope["type"] == "websocket"
        # Lines come in by a WebSocket too: it is none of the methods that only read.
        method = "WEBSOCKET" if is_socket else scope["method"]
        headers: _Headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        problem = (
            self._check_host(headers)
            or self._check_token(scope, headers, is_socket)
            or _check_origin(method, headers)
            or _check_length(headers)
        )
        if problem is not None:
            await ProblemResponse(problem)(scope, receive, send)
        elif method in _READING or is_socket:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)

    def _check_host(self, headers: _Headers) -> Problem | None:
        hosts = headers.get(b"host", [])
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return Problem(400, "bad-host", "Send exactly one `Host` header, a name or an address")
        name = match[1].decode().lower().strip("[]")
        if "*" in self._allowed_hosts or name in self._allowed_hosts:
            return None
        return Problem(
            421,
            "host-not-allowed",
            f"This relay does not go by the name {name!r}. Use one of "
            f"{', '.join(sorted(self._allowed_hosts))}, or start it with --allow-host {name}",
        )

    def _check_token(self, scope: Scope, headers: _Headers, is_socket: bool) -> Problem | None:
        if self._token is None or scope["path"] in _OPEN_PATHS or self._is_public(scope):
            return None
        sent = headers.get(b"authorization", [])
        scheme, _, credentials = (sent[0] if len(sent) == 1 else b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(credentials.strip(), self._token):
            return None
        if is_socket and any(hmac.compare_digest(t, self._token) for t in _offered(headers)):
            return None
        return Problem(
            401,
            "unauthorized",
            "Send `Authorization: Bearer TOKEN` with the token that the relay was started with (--token or "
            "TAILCAST_TOKEN). EventSource can't; read the stream with fetch instead",
            headers={"www-authenticate": 'Bearer realm="tailcast"'},
        )


def chosen_subprotocol(offered: Sequence[str]) -> str | None:
    """What a WebSocket is accepted with: a browser that offered some closes it if none was taken."""
    if "tailcast" in offered:
        return "tailcast"
    return next((name for name in offered if name.startswith("bearer.")), None)


def _offered(headers: _Headers) -> list[bytes]:
    """The tokens among the subprotocols, `bearer.TOKEN`: a page can't set a header of a WebSocket."""
    names = b",".join(headers.get(b"sec-websocket-protocol", [])).split(b",")
    return [n.strip().removeprefix(b"bearer.") for n in names if n.strip().startswith(b"bearer.")]


def _check_origin(method: str, headers: _Headers) -> Problem | None:
    if method in _READING:
        return None
    host = headers[b"host"][0].lower()
    for origin in headers.get(b"origin", []):
        match = _ORIGIN.fullmatch(origin.lower())
        if match is None:
            break
        port = _DEFAULT_PORTS[match[1]]
        if match[2].removesuffix(port) != host.removesuffix(port):
            break
    else:
        site = headers.get(b"sec-fetch-site", [b"none"])
        if b"origin" in headers or site[-1] in (b"none", b"same-origin"):
            return None
    return Problem(
        403,
        "foreign-origin",
        "A page of another origin may not change anything here. Serve the page from this host and port, or call from "
        "a program, which sends no `Origin`",
    )


def _check_length(headers: _Headers) -> Problem | None:
    for told in headers.get(b"content-length", []):
        # The server has checked that they are digits; but int() of a very long number is slow, then an error.
        if len(told) > 15 or int(told) > MAX_BODY_BYTES:
            return Problem(
                413,
                "content-too-large",
                "Send at most 10 MiB; put more into a file of the workspace",
                headers={"connection": "close"},
            )
    return None


def _limited(receive: Receive) -> Receive:
    seen = 0
    complete = False

    async def limited() -> Message:
        nonlocal seen, complete
        try:
            with anyio.fail_after(None if complete else _BODY_WAIT_S):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        complete = not message.get("more_body", False)
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise HTTPException(413)
        return message

    return limited
