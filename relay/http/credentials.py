"""What a request shows of who sends it, and whom that makes him: a token, a cookie, a name that a proxy gives."""

import hmac
import math
import time
from datetime import UTC, datetime

import anyio.to_thread
from starlette.types import Scope

from .callers import ANYONE, Caller
from .connection import HttpConnection
from .paths import own_path
from .peers import Proxies
from .problems import Problem
from .sessions import SESSION_AGE, begin_session, find_session
from .settings import RelaySettings
from .tokens import NAME, TokenFile, digest_of
from .tries import FailedTries

__all__ = ["Credentials", "Headers"]

Headers = dict[bytes, list[bytes]]

# What was found in files counts for so long; a token that was taken out opens nothing after it.
_KEPT_S = 1.0
_KEPT = 1024
# Nobody comes by guessing upon what is as long as this: it is looked at however many tries have failed before.
_UNGUESSABLE_BYTES = 32


class Credentials:
    """All that opens the doors of one relay. Lives on its event loop."""

    def __init__(self, settings: RelaySettings) -> None:
        """:raises RelayError: the token file can't be used."""
        self._root = settings.root
        self._own = None if settings.token is None else digest_of(settings.token.encode())
        self._file = None if settings.token_file is None else TokenFile(settings.token_file)
        self._are_needed = settings.is_guarded
        self._user_header = (settings.user_header or "").lower().encode()
        self._user_scope = settings.user_scope
        self._proxies = Proxies(settings.trusted_proxies)
        self._forwarding = Proxies(settings.forwarding_proxies, "--proxy-headers")
        self._tries = FailedTries()
        self._kept: dict[tuple[str, str], tuple[Caller, float]] = {}

    @property
    def are_needed(self) -> bool:
        """Whether nobody comes in without."""
        return self._are_needed

    async def caller(self, scope: Scope, headers: Headers, *, is_try: bool = True) -> Caller:
        """Who sends the request.

        :param is_try: a wrong token counts as one.
        :raises Problem: he shows nothing that opens, or has tried too often.
        """
        if not self.are_needed:
            return ANYONE
        user = self._user(scope, headers)
        found = await self._by_token(scope, headers, is_try) or await self._by_cookie(headers)
        if found is not None:
            return found if user is None else Caller(user, found.scope, found.deployments)
        if user is not None:
            return Caller(user, self._user_scope)
        raise _unauthorized()

    def trusts(self, scope: Scope) -> bool:
        """Whether the peer is a proxy whose word on others counts."""
        return self._proxies.trusts(_host(scope))

    async def open_link(self, code: str, scope: Scope, headers: Headers) -> str | None:
        """Use up a one-time link. :return: a `Set-Cookie` header, or None if it opens nothing (any more)."""
        made = await anyio.to_thread.run_sync(begin_session, self._root, code, self._own)
        if made is None:
            return None
        secret, _ = made
        age_s = int(SESSION_AGE.total_seconds())
        secure = "; Secure" if self._came_by_https(scope, headers) else ""
        path = own_path("") or "/"
        cookie = f"{_cookie_name(headers)}={secret}; Path={path}; Max-Age={age_s}"
        return f"{cookie}; HttpOnly; SameSite=Strict{secure}"

    def _came_by_https(self, scope: Scope, headers: Headers) -> bool:
        host = _host(scope)
        if not (self._proxies.trusts(host) or self._forwarding.trusts(host)):
            return False
        told = b",".join(headers.get(b"x-forwarded-proto", [])).lower().split(b",")
        return {scheme.strip() for scheme in told} == {b"https"}

    def _peer(self, scope: Scope, headers: Headers) -> str:
        """Whose tries are counted together."""
        told = [value.decode("latin-1") for value in headers.get(b"x-forwarded-for", [])]
        host = self._forwarding.client_of(_host(scope), ",".join(told))
        return HttpConnection.peer_of(host or "") or "local"

    async def stays(self, caller: Caller, scope: Scope, headers: Headers) -> bool:
        """Whether whom the request has let in would come in as the same."""
        try:
            return await self.caller(scope, headers, is_try=False) == caller
        except Problem:
            return False
        except OSError:
            return True  # nobody can tell now; the next look will

    async def _by_token(self, scope: Scope, headers: Headers, is_try: bool) -> Caller | None:
        shown = _shown_tokens(headers, is_socket=scope["type"] == "websocket")
        if not shown:
            return None
        peer = self._peer(scope, headers)
        wait_s = self._tries.wait_s(peer) if is_try else 0.0
        for token in shown:
            if wait_s and len(token) < _UNGUESSABLE_BYTES:
                continue
            caller = await self._caller_of_token(digest_of(token))
            if caller is not None:
                return caller
        if wait_s and is_try:
            raise _too_many_tries(wait_s)
        if is_try:
            self._tries.add(peer)
        raise _unauthorized()

    async def _caller_of_token(self, digest: str) -> Caller | None:
        if self._own is not None and hmac.compare_digest(digest, self._own):
            return ANYONE
        if self._file is None:
            return None
        if (kept := self._recall("token", digest)) is not None:
            return kept
        token = await anyio.to_thread.run_sync(self._file.find, digest)
        if token is None or not token.is_valid(datetime.now(UTC)):
            return None
        return self._keep("token", digest, token.caller)

    async def _by_cookie(self, headers: Headers) -> Caller | None:
        # A page of another origin can make a browser send it, if only from another port of this very host.
        if headers.get(b"sec-fetch-site", [b"none"])[-1] not in (b"none", b"same-origin"):
            return None
        secret = _cookie(headers)
        if not secret:
            return None
        digest = digest_of(secret.encode())
        if (kept := self._recall("session", digest)) is not None:
            return kept
        session = await anyio.to_thread.run_sync(find_session, self._root, secret)
        if session is None:
            return None
        if session.token is not None:
            caller = await self._caller_of_token(session.token)
        else:
            # It stood for whoever runs the relay; a token of his own that was set since has ended it.
            caller = ANYONE if self._own is None else None
        return None if caller is None else self._keep("session", digest, caller)

    def _user(self, scope: Scope, headers: Headers) -> str | None:
        """Whom a trusted proxy names. None: nobody, or there is no such proxy."""
        if not self._user_header or not self.trusts(scope):
            return None
        told = headers.get(self._user_header, [])
        if not told:
            return None
        try:
            (name,) = (value.decode() for value in told)
        except (UnicodeDecodeError, ValueError):
            name = ""
        if NAME.fullmatch(name) is None:
            raise Problem(
                400,
                "bad-user",
                f"The proxy must name one user in `{self._user_header.decode()}`, in 1 to 128 characters",
            )
        return name

    def _recall(self, kind: str, digest: str) -> Caller | None:
        caller, until = self._kept.get((kind, digest), (None, 0.0))
        return caller if time.monotonic() < until else None

    def _keep(self, kind: str, digest: str, caller: Caller) -> Caller:
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[kind, digest] = (caller, time.monotonic() + _KEPT_S)
        return caller


def _shown_tokens(headers: Headers, *, is_socket: bool) -> list[bytes]:
    shown = []
    sent = headers.get(b"authorization", [])
    scheme, _, token = (sent[0] if len(sent) == 1 else b"").partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        shown.append(token.strip())
    if is_socket:
        # A page can't set a header of a WebSocket: it comes among the subprotocols, `bearer.TOKEN`.
        names = b",".join(headers.get(b"sec-websocket-protocol", [])).split(b",")
        bearers = [
            n.strip().removeprefix(b"bearer.") for n in names if n.strip().startswith(b"bearer.")
        ]
        shown += bearers[:1]  # each is a try
    return shown


def _cookie_name(headers: Headers) -> str:
    """Of this relay alone: browsers send cookies to all ports of a host."""
    _, _, port = headers[b"host"][0].rpartition(b"]")[2].partition(b":")
    return "tailcast-" + (port.decode() or "default")


def _cookie(headers: Headers) -> str | None:
    name = _cookie_name(headers)
    for line in headers.get(b"cookie", []):
        for pair in line.decode("latin-1").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
    return None


def _host(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _unauthorized() -> Problem:
    return Problem(
        401,
        "unauthorized",
        "Send `Authorization: Bearer TOKEN` with a token that the relay knows (--token, TAILCAST_TOKEN or "
        "--token-file). In a browser open a link of `tailcast link`: its cookie opens EventSource and WebSocket too",
        headers={"www-authenticate": 'Bearer realm="tailcast"'},
    )


def _too_many_tries(wait_s: float) -> Problem:
    seconds = math.ceil(wait_s)
    return Problem(
        429,
        "too-many-tries",
        f"Too many tokens of yours were wrong. Come again in {seconds} s; a token of {_UNGUESSABLE_BYTES} "
        "characters and more is looked at all the same",
        headers={"retry-after": str(seconds)},
    )
