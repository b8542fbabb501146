"""Failed tries of tokens, by peer: a few are free, then they come so slowly that going through words is in vain."""

import time
from collections.abc import Callable

__all__ = ["FailedTries"]

_FREE = 20
_REGAINED_S = 6.0  # until one more is free
# Of so many peers; the longest silent is forgotten first.
_PEERS = 10_000


class FailedTries:
    """:param clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When all tries of the peer are free again.
        self._paid_at: dict[str, float] = {}

    def add(self, peer: str) -> None:
        now = self._clock()
        paid_at = max(now, self._paid_at.pop(peer, now)) + _REGAINED_S
        self._paid_at[peer] = min(paid_at, now + (_FREE + 1) * _REGAINED_S)
        if len(self._paid_at) > _PEERS:
            del self._paid_at[next(iter(self._paid_at))]

    def wait_s(self, peer: str) -> float:
        """Seconds until the peer may try again; 0 is now."""
        owed_s = self._paid_at.get(peer, 0.0) - self._clock()
        return max(0.0, owed_s - (_FREE - 1) * _REGAINED_S)
