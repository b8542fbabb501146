"""Watches the limits of a run while one attempt of it is at work. To end it is for `process`.

Times are of the attempt. Cost, turns and output are of the whole run, as its stream tells them: a run that has passed
one of them has passed it still when it is reopened.
"""

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Mapping

from runlog import StateReader
from runlog.run.limits import passed_count

from .wakes import Waiter
from .workflow import RunFailed

__all__ = ["LimitPassed", "LimitWatch"]

# A limit is passed when more than it has gone by.
_OVER_S = 0.01
# Statuses in which the run waits for a person: no idling.
_WAITS = ("waiting", "paused")
_FORMATS = {
    "wall_time_s": "{:g} s",
    "idle_time_s": "{:g} s without an event",
    "cost_usd": "{:g} USD",
    "turns": "{:,} turns",
    "output_bytes": "{:,} bytes of output",
}


class LimitPassed(RunFailed):
    """The run has passed a limit; `reason` is the name of the limit."""

    def __init__(self, name: str, limit: float, reached: float) -> None:
        told = _FORMATS[name].format
        error = f"the limit {name} was passed: {told(reached)}, and {told(limit)} are allowed"
        super().__init__(name, error, limit=limit, reached=reached)


class LimitWatch:
    """The limits of one attempt, which began `elapsed_s` seconds ago. Used by one thread, with the `reader`.

    :param folder: what tells of changes to who waits by `watch`.
    """

    def __init__(
        self,
        limits: Mapping[str, float],
        reader: StateReader,
        folder: Waiter | None = None,
        *,
        elapsed_s: float = 0.0,
    ) -> None:
        self.limits = limits
        self._reader = reader
        self._written_at = time.monotonic()
        self._began_at = self._written_at - elapsed_s
        self._output_bytes = 0
        self._folder = folder

    def check_counts(self) -> None:
        """:raises LimitPassed: cost, turns or output are more than the run may have."""
        if self.limits and (passed := passed_count(self.limits, self._reader.read())):
            self._pass(*passed)

    def wall_left_s(self) -> float:
        """Of the limit of time; infinite without one."""
        return self.limits.get("wall_time_s", math.inf) - (time.monotonic() - self._began_at)

    def grown_to(self, output_bytes: int) -> None:
        """Look at once if the stream has now more bytes than it may have."""
        if output_bytes > self.limits.get("output_bytes", math.inf):
            assert self._folder is not None
            self._folder.wake(at_once=True)

    async def watch(self) -> None:
        """Wait until a limit is passed; for ever if there are none.

        :raises LimitPassed: that is it.
        """
        if not self.limits:
            await asyncio.Event().wait()
        assert self._folder is not None
        while True:
            self.look()
            # A change, or the second's sweep, comes before what it finds; a time runs out between them.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._left_s()):
                    await self._folder.change()

    def look(self) -> None:
        """:raises LimitPassed: a limit is passed. `FileNotFoundError`: there is no stream yet."""
        if not self.limits:
            return
        now = time.monotonic()
        output_bytes = self._output_bytes
        with contextlib.suppress(OSError):  # renamed this moment: the next append makes it anew
            output_bytes = os.lstat(self._reader.workspace.stream).st_size
        if output_bytes != self._output_bytes:
            self._output_bytes, self._written_at = output_bytes, now
            self._check("output_bytes", output_bytes)
            if self.limits.keys() & {"cost_usd", "turns"}:
                self.check_counts()
        self._check("wall_time_s", now - self._began_at)
        idle_s = now - self._written_at
        if idle_s > self.limits.get("idle_time_s", math.inf):
            if self._reader.read().status in _WAITS:
                self._written_at = now
            else:
                self._check("idle_time_s", idle_s)

    def _left_s(self) -> float:
        """Until the next limit of time may be passed."""
        now = time.monotonic()
        since = {"wall_time_s": self._began_at, "idle_time_s": self._written_at}
        left_s = [
            self.limits[name] - (now - at) for name, at in since.items() if name in self.limits
        ]
        return max(0.0, min(left_s, default=math.inf)) + _OVER_S

    def _check(self, name: str, reached: float) -> None:
        if reached > self.limits.get(name, math.inf):
            self._pass(name, reached)

    def _pass(self, name: str, reached: float) -> None:
        raise LimitPassed(name, self.limits[name], round(reached, 6))
