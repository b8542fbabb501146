"""Who calls, and what he may: decided once at the doors, asked by the routes that need to know more.

The scopes form a ladder. Whoever came in without a name (no token, or the one of `--token`) may do all.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import anyio
from starlette.types import Message, Receive

from .problems import Problem
from .settings import ScopeName

__all__ = [
    "ANYONE",
    "SCOPES",
    "Caller",
    "Stays",
    "caller_of",
    "scope_needed",
    "set_caller",
    "stays_of",
    "watched",
]

SCOPES: tuple[ScopeName, ...] = get_args(ScopeName)
"""Each may what those before it may: look; say and answer; start; remove, and change deployments."""

_KEY, _STAYS_KEY = "tailcast.caller", "tailcast.stays"
# What starts a run, beside the name of a thing.
_STARTS = (("workflows", "again"), ("schedules", "run"))
# Between two looks at whether who listens may still do so.
_LOOK_S = 10.0

Stays = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Caller:
    """:param name: stands in what he says; None says nothing of who it was.
    :param deployments: only these may he start, and only their runs may he talk to. None is no such bound.
    """

    name: str | None = None
    scope: ScopeName = "admin"
    deployments: frozenset[str] | None = None

    def may(self, scope: ScopeName) -> bool:
        return SCOPES.index(scope) <= SCOPES.index(self.scope)

    def check_scope(self, scope: ScopeName) -> None:
        """:raises Problem: 403, it is not his."""
        if not self.may(scope):
            raise Problem(
                403,
                "not-allowed",
                f"{self._shown} has the scope `{self.scope}`, and this needs `{scope}`. Ask whoever runs the relay "
                "for a token of that scope",
            )

    def check_deployment(self, deployment: str | None, *, to: str) -> None:
        """:param deployment: what a run is, or is to be, started from.

        :raises Problem: 403, it is none of his.
        """
        if self.deployments is None or deployment in self.deployments:
            return
        names = ", ".join(map(repr, sorted(self.deployments))) or "none"
        what = "no deployment" if deployment is None else f"the deployment {deployment!r}"
        raise Problem(403, "not-allowed", f"{self._shown} may not {to} of {what}. Allowed: {names}")

    @property
    def _shown(self) -> str:
        return "This caller" if self.name is None else repr(self.name)


ANYONE = Caller()


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Whom the doors let in with a request. :param scope: ASGI's, of the request."""
    caller: Caller = scope.get("state", {}).get(_KEY, ANYONE)
    return caller


def set_caller(scope: MutableMapping[str, Any], caller: Caller, stays: Stays | None) -> None:
    """:param stays: whether he would still be let in; None: for as long as the relay lives."""
    # In place: what is behind the doors may hold a copy of the scope.
    scope.setdefault("state", {}).update({_KEY: caller, _STAYS_KEY: stays})


def stays_of(scope: Mapping[str, Any]) -> Stays | None:
    """See `set_caller`."""
    stays: Stays | None = scope.get("state", {}).get(_STAYS_KEY)
    return stays


def watched(
    receive: Receive, stays: Stays, kind: Literal["http", "websocket"], on_cut: Callable[[], None]
) -> Receive:
    """What a connection that lives long receives: that it is closed, soon after its caller would be kept out.

    :param on_cut: called before that.
    """

    async def receive_while_let_in() -> Message:
        while True:
            with anyio.move_on_after(_LOOK_S):
                return await receive()
            if not await stays():
                on_cut()
                return {"type": f"{kind}.disconnect", "code": 1008}

    return receive_while_let_in


def scope_needed(method: str, path: str) -> ScopeName:
    """The least that a call needs, whatever its body says. What is not known here is for `admin`.

    :param method: `WEBSOCKET` needs `read`: its lines are looked at one by one.
    """
    path = path.removeprefix("/dialects/relay")  # the same calls
    if method in ("GET", "HEAD", "OPTIONS", "WEBSOCKET"):
        return "read"
    if method == "POST" and path.startswith("/dialects/"):
        return "talk"  # what starts or reopens a run there asks for more
    parts = path.strip("/").split("/")[2:]  # after /api/v1
    if method == "POST" and parts in (["workflows"], ["batches"]):
        return "start"
    if method == "POST" and len(parts) == 3 and (parts[0], parts[2]) in _STARTS:
        return "start"
    if method == "POST" and len(parts) == 3 and parts[0] in ("workflows", "batches"):
        return "talk"
    if method == "POST" and len(parts) == 4 and parts[::2] == ["workflows", "signals"]:
        return "talk"
    if method == "DELETE" and len(parts) == 4 and parts[2] == "messages":
        return "talk"
    return "admin"
