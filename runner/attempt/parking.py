"""When a run may be parked: it has rested for so long, and nothing is under way that its process alone knows of.

To end the process then, and to say so, is for `process`. What comes afterwards stays in the inbox, for the next one.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from runlog.disk.records import to_iso

__all__ = ["Parking"]

# Between two looks at a run that has rested long enough, and may not be parked yet.
_AGAIN_S = 0.5
# A limit of time is passed when more than it has gone by, by whichever clock.
_PASSED_S = 0.05


class Parking:
    """The rest of one attempt. For the loop's thread.

    :param after_s: so long a run rests before it is parked; 0 for never.
    :param left_s: of a run that was parked: what was left then of the wait that it was in; None: it was without end.
    """

    def __init__(self, after_s: float, left_s: float | None = None) -> None:
        self.after_s = after_s
        # Asked before: whether something is under way. Others add theirs.
        self.busy: list[Callable[[], bool]] = []
        self._left_s = left_s
        self._since: float | None = None  # by the monotonic clock
        self._until: float | None = None
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether the wait in which the run was parked is over."""
        return self._left_s == 0

    def rest(self, until_s: float = math.inf) -> float:
        """The workflow rests from now on, unless it does already: cancelled here, the next process goes on from here.

        :param until_s: after so long it goes on by itself. Returned: so long for this process, which is less if it
            has taken up a run that was parked in this very wait.
        """
        if self._left_s is not None:
            until_s, self._left_s = min(until_s, self._left_s), None
        if self._since is None:
            self._since = time.monotonic()
            self._until = None if math.isinf(until_s) else self._since + until_s
            self._changed.set()
        return until_s

    def go_on(self) -> None:
        """It rests no longer."""
        if self._since is not None:
            self._since = self._until = self._left_s = None
            self._changed.set()

    def is_due(self) -> bool:
        """Whether the run is to be parked at once. To be asked again after each step of the loop."""
        return self._waits_s() <= 0 and not any(busy() for busy in self.busy)

    async def due(self) -> None:
        """Wait until `is_due`; for ever if it never is."""
        while not self.is_due():
            left_s = self._waits_s()
            wait_s = left_s if left_s > 0 else _AGAIN_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                    await self._changed.wait()
            self._changed.clear()

    def until(self, wall_left_s: float = math.inf) -> str | None:
        """When a run that is parked now is to be taken up in any case, as an ISO time; None for never.

        :param wall_left_s: of its limit of time.
        """
        left_s = math.inf if self._until is None else max(0.0, self._until - time.monotonic())
        left_s = min(left_s, wall_left_s + _PASSED_S)
        if math.isinf(left_s):
            return None
        return to_iso(datetime.now(UTC) + timedelta(seconds=left_s))

    def _waits_s(self) -> float:
        if self._since is None or self.after_s <= 0:
            return math.inf
        return self._since + self.after_s - time.monotonic()
