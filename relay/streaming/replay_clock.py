"""When to send what was recorded, so that a replay goes as the run went."""

import asyncio
from collections import deque
from datetime import datetime

from runlog import Record, decode
from runlog.disk.records import from_iso

__all__ = ["ReplayClock"]

# A recorded gap is cut at this; and a replay that fell behind (a slow reader) makes up for this much at most.
_MAX_GAP_S = 10.0
_MAX_BEHIND_S = 1.0


class ReplayClock:
    """When to send each record of a replay: as far apart as their timestamps say, by `speed`.

    `records` are those of the present chunk that are still to be sent.
    """

    def __init__(self, speed: float, now: float) -> None:
        self.records: deque[Record] = deque()
        self._speed = speed
        self._due = now
        self._known = False  # whether `_due` is that of records[0]
        self._last: datetime | None = None

    def due(self) -> float:
        """The time, by the loop's clock, at which records[0] is to be sent."""
        if not self._known:
            stamp = from_iso((decode(self.records[0].line) or {}).get("timestamp"))
            if stamp is not None:
                if self._last is not None:
                    gap_s = (stamp - self._last).total_seconds()
                    self._due += min(max(gap_s, 0.0), _MAX_GAP_S) / self._speed
                self._last = stamp
            now = asyncio.get_running_loop().time()
            self._due = max(self._due, now - _MAX_BEHIND_S)
            self._known = True
        return self._due

    def pop(self) -> Record:
        self._known = False
        return self.records.popleft()
