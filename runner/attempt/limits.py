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

from .workflow import RunFailed

__all__ = ["LimitPassed", "LimitWatch"]

# A look is a `stat`; where cost or turns are limited, also a parse of what is new.
_LOOK_S = 0.05
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
    """The limits of one attempt, which begins now. Used by the thread of the loop alone, with the `reader`."""

    def __init__(self, limits: Mapping[str, float], reader: StateReader) -> None:
        self.limits = limits
        self._reader = reader
        self._began_at = self._written_at = time.monotonic()
        self._output_bytes = 0
        self._grown = asyncio.Event()

    def check_counts(self) -> None:
        """:raises LimitPassed: cost, turns or output are more than the run may have."""
        if self.limits and (passed := passed_count(self.limits, self._reader.read())):
            self._pass(*passed)

    def grown_to(self, output_bytes: int) -> None:
        """Look at once if the stream has now more bytes than it may have."""
        if output_bytes > self.limits.get("output_bytes", math.inf):
            self._grown.set()

    async def watch(self) -> None:
        """Wait until a limit is passed; for ever if there are none.

        :raises LimitPassed: that is it.
        """
        if not self.limits:
            await asyncio.Event().wait()
        while True:
            self._look()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._grown.wait()
            except TimeoutError:
                pass

    def _look(self) -> None:
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

    def _check(self, name: str, reached: float) -> None:
        if reached > self.limits.get(name, math.inf):
            self._pass(name, reached)

    def _pass(self, name: str, reached: float) -> None:
        raise LimitPassed(name, self.limits[name], round(reached, 6))
