"""What the relay is told once, when it starts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = [
    "DIALECT_STARTS",
    "LOOPBACK_HOSTS",
    "PAGE",
    "ConnectionLimits",
    "RelayError",
    "RelaySettings",
    "ScopeName",
    "Watch",
    "read_dialect_start",
]

PAGE = Path(__file__).parents[1] / "ui" / "dist"
ScopeName = Literal["read", "talk", "start", "admin"]
Watch = Literal["watchfiles", "inotify"]
# What dialects start whose calls do not say it, by name; a deployment of that name goes first.
DIALECT_STARTS = {
    "trace": "monty",
    "trace-chat": "chat",
    "tasks": "research",
    "reasons": "design",
}
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class RelayError(Exception):
    """The relay can't start as it was told to; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


def read_dialect_start(text: str) -> tuple[str, str]:
    """`DIALECT=NAME` in its two parts. :raises RelayError: it is not that."""
    dialect, _, name = text.partition("=")
    if not name or dialect not in DIALECT_STARTS:
        raise RelayError(
            f"--dialect-start {text!r} is none",
            f"Write DIALECT=NAME, with one of {', '.join(DIALECT_STARTS)}",
        )
    return dialect, name


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What clients may cost before they have asked for anything.

    :param head_bytes: of a request line and its headers, together.
    :param head_s: from the first byte of a head to its last; a connection that asks for nothing is closed after it.
    :param body_s: from the end of a head to that of its body, however it comes.
    :param connections: in all. Fewer where the process may not open as many descriptors.
    :param connections_per_peer: of an IPv4 address, or of the /64 of an IPv6 one. Those of this machine do not
        count: a proxy has the listeners of everyone.
    """

    head_bytes: int = 64 * 1024
    header_count: int = 100
    head_s: float = 20.0
    body_s: float = 120.0
    connections: int = 16_384
    connections_per_peer: int = 1024


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """:param token: what callers must send as `Authorization: Bearer …`; None lets everyone in who gets here,
        unless one of the next three is there.
    :param token_file: tokens with names and scopes, as `http.tokens` reads them.
    :param links_only: people come in by one-time links, and programs not at all.
    :param user_header: in which a trusted proxy names the user.
    :param user_scope: of whom such a proxy names, and who shows no token.
    :param uds: the path of a Unix socket to listen on, instead of an address.
    :param trusted_proxies: addresses, networks, or `unix`: as `http.peers.Proxies` takes them.
    :param allowed_hosts: names that a `Host` header may carry, without port, in lower case; `*` allows all.
    :param allowed_origins: of pages elsewhere that may call, as a browser writes them: `https://app.example`.
    :param root_path: below which a proxy serves it, as `/tailcast`; empty at the root of the host.
    :param forwarding_proxies: peers whose `X-Forwarded-For` and `-Proto` say who asks, and how; as `trusted_proxies`
        are written. Unlike those they let nobody in.
    :param keepalive_s: silence after which a stream sends a comment, so that nothing between cuts it.
    :param watch: what tells of changes: watchfiles in a thread of its own, or inotify in the event loop.
    :param claude_folder: of whose sessions runs may be made over HTTP; None: of nobody's.
    :param dialects: whether front ends of other protocols are served, under `/dialects`.
    :param dialect_starts: in place of some of `DIALECT_STARTS`, `DIALECT=NAME` each.
    :param page: the folder of the built web page, which need not be there.
    """

    root: Path
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    links_only: bool = False
    user_header: str | None = None
    user_scope: ScopeName = "start"
    uds: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: frozenset[str] = LOOPBACK_HOSTS
    allowed_origins: tuple[str, ...] = ()
    root_path: str = ""
    forwarding_proxies: tuple[str, ...] = ()
    keepalive_s: float = 15.0
    page: Path = PAGE
    watch: Watch = "watchfiles"
    limits: ConnectionLimits = ConnectionLimits()
    dialects: bool = True
    dialect_starts: tuple[str, ...] = ()
    claude_folder: Path | None = None

    def dialect_start(self, of: str) -> str:
        """The deployment or workflow that calls of a dialect start. :param of: a name of `DIALECT_STARTS`."""
        return (DIALECT_STARTS | dict(map(read_dialect_start, self.dialect_starts)))[of]

    @property
    def is_guarded(self) -> bool:
        """Whether nobody comes in who shows nothing."""
        shown = (self.token, self.token_file, self.user_header)
        return self.links_only or any(each is not None for each in shown)
