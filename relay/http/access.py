"""Who may come in, and with how much: the checks before any route, as plain ASGI.

* `Host` is one of ours. A page whose name was re-pointed at 127.0.0.1 (DNS rebinding) sends its own name.
* `Origin`, if a browser sent one with a call that changes something, is this very host: a page elsewhere can post to
  us without reading the answer. Browsers that send no `Origin` say `Sec-Fetch-Site`.
* Where nothing has to be shown, nobody stands in between: what came through a proxy came from elsewhere.
* `Sec-Fetch-Site` of another site or origin reads nothing of a run either: a page elsewhere can't read the answer,
  but learn by an `<object>` whether there is one. `--allow-origin` lets pages of some origins in: see `origins`.
* What opens (`credentials`), and whether its scope is enough. The probes need none: who runs them can't always add a
  header. Nor does the page, which holds nothing of a run. `/login/CODE` turns a one-time link into a cookie.
* A WebSocket passes the same doors, and always counts as a change. So does the one GET that starts a run, which a
  link or a picture can't be either.
* A body has at most 10 MiB, told or not (chunked); a query is UTF-8 without NULs.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import unquote_to_bytes

import anyio
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .callers import ANYONE, scope_needed, set_caller, stays_of, watched
from .credentials import Credentials, Headers
from .paths import own_path
from .problems import Problem, ProblemResponse, problem_of

__all__ = ["MAX_BODY_BYTES", "Access", "chosen_subprotocol"]

MAX_BODY_BYTES = 10 * 1024 * 1024

# For the next piece of a body that was begun.
_BODY_WAIT_S = 30.0

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz"})
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(rb"(https?)://([^/]+)")
# Besides X-Forwarded-…
_OF_PROXIES = frozenset({b"forwarded", b"via", b"x-real-ip"})
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}

# Of a dialect: an EventSource can only get, and this one starts a run.
_CHANGING_GETS = frozenset({"/dialects/trace/monty/stream"})
# What tells of runs. The page is not among it, nor are the probes.
_OF_RUNS = re.compile(r"/(api|dialects|metrics)(/|$)")
_OWN_SITES = (b"none", b"same-origin")
_LOGIN = re.compile(r"/login/([A-Za-z0-9_-]{16,64})")


class Access:
    """ASGI middleware. Answers what may not come in; hands on everything else as it is.

    :param is_public: what needs no token, beside the probes.
    :param body_s: a body is whole after so long, or refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: frozenset[str],
        allowed_origins: frozenset[str] = frozenset(),
        credentials: Credentials,
        is_public: Callable[[Scope], bool] = lambda _: False,
        body_s: float = 120.0,
    ) -> None:
        self._app = app
        self._is_public = is_public
        self._allowed_hosts = allowed_hosts
        self._allowed_origins = frozenset(origin.encode() for origin in allowed_origins)
        self._credentials = credentials
        self._body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        is_socket = scope["type"] == "websocket"
        # Lines come in by a WebSocket too: it is none of the methods that only read.
        method = "WEBSOCKET" if is_socket else scope["method"]
        if method == "GET" and scope["path"] in _CHANGING_GETS:
            method = "POST"
        headers: Headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        try:
            self._check_host(headers)
            self._check_proxy(scope, headers)
            if self._credentials.are_needed and (login := _login_of(scope)):
                response = await self._log_in(login, scope, headers)
                await response(scope, receive, send)
                return
            await self._check_caller(scope, headers, method)
            self._check_origin(scope, headers, method)
            _check_length(headers)
            _check_query(scope["query_string"])
        except (Problem, OSError) as error:
            await ProblemResponse(problem_of(error))(scope, receive, send)
            return
        if is_socket:
            if (stays := stays_of(scope)) is not None:
                receive = watched(receive, stays, "websocket", lambda: None)
                receive = self._still_let_in(scope, headers, receive, send)
            await self._app(scope, receive, send)
        elif method in _READING:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _limited(receive, self._body_s), send)

    def _check_host(self, headers: Headers) -> None:
        hosts = headers.get(b"host", [])
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            raise Problem(400, "bad-host", "Send exactly one `Host` header, a name or an address")
        name = match[1].decode().lower().strip("[]")
        if "*" in self._allowed_hosts or name in self._allowed_hosts:
            return
        raise Problem(
            421,
            "host-not-allowed",
            f"This relay does not go by the name {name!r}. Use one of "
            f"{', '.join(sorted(self._allowed_hosts))}, or start it with --allow-host {name}",
        )

    def _check_proxy(self, scope: Scope, headers: Headers) -> None:
        if self._credentials.are_needed or self._credentials.trusts(scope):
            return
        for name in headers:
            if name in _OF_PROXIES or name.startswith(b"x-forwarded-"):
                raise Problem(
                    403,
                    "behind-a-proxy",
                    f"This came through a proxy (`{name.decode('latin-1')}`), and the relay lets everyone in: who "
                    "reaches the proxy could start commands here. Start it with --token or --token-file; or, if the "
                    "proxy lets only the right ones through, with --trust-proxy and its address",
                )

    def _check_origin(self, scope: Scope, headers: Headers, method: str) -> None:
        origin = headers.get(b"origin", [])
        if len(origin) == 1 and origin[0].lower() in self._allowed_origins:
            return
        if method in _READING:
            _check_site(scope["path"], headers)
            return
        _check_origin(headers)
        if scope["type"] == "http" and scope["method"] == "GET":
            _check_is_fetch(headers)

    async def _check_caller(self, scope: Scope, headers: Headers, method: str) -> None:
        if (
            not self._credentials.are_needed
            or scope["path"] in _OPEN_PATHS
            or self._is_public(scope)
        ):
            return
        caller = await self._credentials.caller(scope, headers)
        caller.check_scope(scope_needed(method, scope["path"]))
        # `--token` alone can't change while the relay lives.
        is_fixed = caller is ANYONE and b"cookie" not in headers
        stays = partial(self._credentials.stays, caller, scope, headers)
        set_caller(scope, caller, None if is_fixed else stays)

    def _still_let_in(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> Receive:
        """A WebSocket lives long: a line counts only if its sender would still come in."""

        async def checked() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                try:
                    await self._check_caller(scope, headers, "WEBSOCKET")
                except Problem as problem:
                    await send({"type": "websocket.close", "code": 1008, "reason": problem.kind})
                    return {"type": "websocket.disconnect", "code": 1008}
            return message

        return checked

    async def _log_in(self, code: str, scope: Scope, headers: Headers) -> Response:
        # A picture or a frame of a foreign page would use it up.
        if headers.get(b"sec-fetch-dest", [b"document"]) != [b"document"]:
            raise Problem(403, "foreign-origin", "Open the link in a window of its own")
        cookie = await self._credentials.open_link(code, scope, headers)
        if cookie is None:
            raise Problem(
                410,
                "link-used",
                "This link has been used, or is too old: it works once. `tailcast link` makes another one",
            )
        return Response(
            status_code=303,
            headers={
                "location": own_path("/"),
                "set-cookie": cookie,
                "cache-control": "no-store",
                "referrer-policy": "no-referrer",
            },
        )


def chosen_subprotocol(offered: Sequence[str]) -> str | None:
    """What a WebSocket is accepted with: a browser that offered some closes it if none was taken."""
    if "tailcast" in offered:
        return "tailcast"
    return next((name for name in offered if name.startswith("bearer.")), None)


def _login_of(scope: Scope) -> str | None:
    """The code of a link that is opened."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    match = _LOGIN.fullmatch(scope["path"])
    return None if match is None else match[1]


def _check_site(path: str, headers: Headers) -> None:
    site = headers.get(b"sec-fetch-site", [b"none"])
    if site[-1] in _OWN_SITES or not _OF_RUNS.match(path):
        return
    raise Problem(
        403,
        "foreign-origin",
        "A page of another origin may not read this. Open it in a window of its own, or start the relay with "
        "--allow-origin and the origin of that page",
    )


def _check_origin(headers: Headers) -> None:
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
        if b"origin" in headers or site[-1] in _OWN_SITES:
            return
    raise Problem(
        403,
        "foreign-origin",
        "A page of another origin may not change anything here. Serve the page from this host and port, start the "
        "relay with --allow-origin and the page's own, or call from a program, which sends no `Origin`",
    )


def _check_is_fetch(headers: Headers) -> None:
    """Browsers say `navigate` or `no-cors` of what a page, a mail or a bookmark leads to without a script."""
    if headers.get(b"sec-fetch-mode", [b"cors"])[-1] in (b"navigate", b"no-cors"):
        raise Problem(
            403, "foreign-origin", "This starts a run: call it from a script, not by a link"
        )


def _check_length(headers: Headers) -> None:
    for told in headers.get(b"content-length", []):
        # The server has checked that they are digits; but int() of a very long number is slow, then an error.
        if len(told) > 15 or int(told) > MAX_BODY_BYTES:
            raise Problem(
                413,
                "content-too-large",
                "Send at most 10 MiB; put more into a file of the workspace",
                headers={"connection": "close"},
            )


def _check_query(query: bytes) -> None:
    """What is read of one with U+FFFD in place of what it holds, or up to a NUL, is not what was asked."""
    if b"%" not in query and query.isascii():
        return
    said = unquote_to_bytes(query)
    try:
        if "\0" not in said.decode():
            return
    except UnicodeDecodeError:
        pass
    raise Problem(400, "bad-request", "The query is not UTF-8 without NULs: escape it by its rules")


def _limited(receive: Receive, body_s: float) -> Receive:
    seen = 0
    until = anyio.current_time() + body_s
    complete = False

    async def limited() -> Message:
        nonlocal seen, complete
        try:
            # One that drips in comes soon enough each time, and for ever.
            left_s = min(_BODY_WAIT_S, until - anyio.current_time())
            with anyio.fail_after(None if complete else max(0.0, left_s)):
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
