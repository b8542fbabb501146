"""What the relay is told once, when it starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "LOOPBACK_HOSTS",
    "PAGE",
    "ConnectionLimits",
    "RelayError",
    "RelaySettings",
    "Watch",
]

PAGE = Path(__file__).parents[1] / "ui" / "dist"
Watch = Literal["watchfiles", "inotify"]
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class RelayError(Exception):
    """The relay can't start as it was told to; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What clients may cost before they have asked for anything.

    :param head_bytes: of a request line and its headers, together.
    :param head_s: from the first byte of a head to its last; a connection that asks for nothing is closed after it.
    :param connections: in all. Fewer where the process may not open as many descriptors.
    :param connections_per_peer: of an IPv4 address, or of the /64 of an IPv6 one. Those of this machine do not
        count: a proxy has the listeners of everyone.
    """

    head_bytes: int = 64 * 1024
    header_count: int = 100
    head_s: float = 20.0
    connections: int = 16_384
    connections_per_peer: int = 1024


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """:param token: what callers must send as `Authorization: Bearer …`; None lets everyone in who gets here.
    :param allowed_hosts: names that a `Host` header may carry, without port, in lower case; `*` allows all.
    :param keepalive_s: silence after which a stream sends a comment, so that nothing between cuts it.
    :param watch: what tells of changes: watchfiles in a thread of its own, or inotify in the event loop.
    :param dialects: whether front ends of other protocols are served, under `/dialects`.
    :param page: the folder of the built web page, which need not be there.
    """

    root: Path
    token: str | None = None
    allowed_hosts: frozenset[str] = LOOPBACK_HOSTS
    keepalive_s: float = 15.0
    page: Path = PAGE
    watch: Watch = "watchfiles"
    limits: ConnectionLimits = ConnectionLimits()
    dialects: bool = True
