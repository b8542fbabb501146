"""Pauses of a run: asked for by a person, or made by the workflow itself while it waits for one.

`workflow_paused` is told as each begins, `workflow_resumed` when the last is over: the last such line is the truth.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from runlog import InboxLine

from .stream import RunStream

__all__ = ["Pauses"]

# The `reason` of a pause that a person asked for.
_ASKED = "asked"


class Pauses:
    """Which pauses are on. `allowed`: the workflow has said (`pausable`) that people may pause it."""

    def __init__(self, stream: RunStream, workflow: str) -> None:
        self.allowed = False
        self._stream = stream
        self._workflow = workflow
        self._reasons: list[str] = []
        self._go = asyncio.Event()
        self._go.set()

    @property
    def asked(self) -> bool:
        """Whether a person has paused the run."""
        return _ASKED in self._reasons

    @property
    def on(self) -> bool:
        """Whether the run is told as paused, for whatever reason."""
        return bool(self._reasons)

    async def over(self) -> None:
        """Wait until no person wants the run paused, or it is to stop."""
        await self._go.wait()

    def take(self, line: InboxLine) -> None:
        """Take in a `pause` or `resume` line."""
        receipt = self._stream.receipt
        if not self.allowed:
            receipt(line, "dropped", reason=f"a {self._workflow} run can't be told to {line.type}")
        elif line.type == "pause" and self.asked:
            receipt(line, "dropped", reason="the run is paused already")
        elif line.type == "resume" and not self.asked:
            receipt(line, "dropped", reason="the run is not paused")
        elif line.type == "pause":
            self._go.clear()
            self._begin(_ASKED)
            receipt(line, "completed")
        else:
            self._end(_ASKED)
            self._go.set()
            receipt(line, "completed")

    def give_way(self) -> None:
        """Let whoever waits for the end of a pause go on: the run is to stop."""
        self._go.set()

    @contextmanager
    def held(self, reason: str) -> Iterator[None]:
        """Tell the run as paused while the block runs; if it is left by an exception, the run ends as it is."""
        self._begin(reason)
        yield
        self._end(reason)

    def _begin(self, reason: str) -> None:
        self._reasons.append(reason)
        self._stream.emit("workflow_paused", reason=reason)

    def _end(self, reason: str) -> None:
        self._reasons.remove(reason)
        if not self._reasons:
            self._stream.emit("workflow_resumed", reason=reason)
