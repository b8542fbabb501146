"""Which connections a server takes: so many in all and of each peer, and who makes room when there is none."""

from asyncio import Transport
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from .descriptors import has_room
from .problems import Problem
from .settings import ConnectionLimits

__all__ = ["Client", "Connections"]

# Clients that are to get a 503 wait for it with their request; more of them get it at once.
_REFUSED_AT_ONCE = 8


class Client(Protocol):
    """One connection."""

    @property
    def peer(self) -> str | None:
        """What is counted as one client; None: not counted."""

    def make_room(self) -> None:
        """Close it: it rests, and another one has something to ask."""


class Connections:
    """All connections of a server. Lives on one event loop.

    :param refusal: why a new connection can't be served, whatever it costs; None: it can.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        refusal: Callable[[Transport], Problem | None] = lambda _: None,
    ) -> None:
        self.limits = limits
        self._refusal = refusal
        self._of_peer: Counter[str] = Counter()
        self._admitted: set[Client] = set()
        # Those that ask for nothing now, the longest first: they make room when there is none.
        self._idle: dict[Client, None] = {}
        self._refused: set[Client] = set()

    def look_at(self, connection: Client, transport: Transport) -> Problem | None:
        """Whose it is, before it is counted. :return: why it can't be served."""
        problem = self._refusal(transport)
        if problem is not None:
            self._refused.add(connection)
        return problem

    def admit(self, connection: Client, descriptor: int) -> Problem | None:
        """Count a new connection. :return: why it can't be served."""
        peer = connection.peer
        if peer is not None and self._of_peer[peer] >= self.limits.connections_per_peer:
            self._refused.add(connection)
            return _overloaded(f"{peer} has {self._of_peer[peer]:,} connections already")
        if len(self._admitted) >= self.limits.connections or not has_room(descriptor):
            if not self._idle:
                self._refused.add(connection)
                return _overloaded("The relay has as many connections as it can hold")
            next(iter(self._idle)).make_room()
        self._admitted.add(connection)
        if peer is not None:
            self._of_peer[peer] += 1
        return None

    @property
    def is_crowd_refused(self) -> bool:
        return len(self._refused) > _REFUSED_AT_ONCE

    def leave(self, connection: Client) -> None:
        """It is closed, or about to be. Again does nothing."""
        self._refused.discard(connection)
        self._idle.pop(connection, None)
        if connection not in self._admitted:
            return
        self._admitted.remove(connection)
        if (peer := connection.peer) is not None:
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]

    def rests(self, connection: Client) -> None:
        if connection in self._admitted:
            self._idle[connection] = None

    def asks(self, connection: Client) -> None:
        self._idle.pop(connection, None)


def _overloaded(reason: str) -> Problem:
    told = f"{reason}: close those you don't need, or come again"
    return Problem(503, "overloaded", told, headers={"retry-after": "2"})
