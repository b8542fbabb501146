"""A place in one run, for connections that carry more than its plain stream: it says what comes next there."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from runlog import LogReplaced, Status
from runlog.disk.tail import Chunk

from .shared_tail import SharedTail

__all__ = ["Cursor", "End", "Gone", "Reset", "Step"]


@dataclass(frozen=True, slots=True)
class Reset:
    """What was told of the run means nothing any more; it goes on from the start."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The run has ended, and all of it was given."""

    status: Status


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such run (any more), or its stream can't be read."""


Step = Chunk | Reset | End | Gone


class Cursor:
    """One task moves it, by `next`. After `End` and `Gone` it rests until `revive`.

    :param after: where to begin: a cursor as clients have it.
    :param on_wake: called on the loop when it is worth calling `next` again, after it gave None.
    """

    def __init__(self, tail: SharedTail, after: int, on_wake: Callable[[], None]) -> None:
        self.finished = False
        self._tail = tail
        self._after = after
        self._on_wake = on_wake
        tail.look()  # what was written before is part of the answer
        self._generation = tail.generation
        self._offset: int | None = (
            None  # None: `after` was not looked for, or its line is not whole yet
        )
        self._asked = False
        self._since = time.monotonic()
        self._waiting: asyncio.Future[None] | None = None

    @property
    def offset(self) -> int:
        """After the last line that was given."""
        return self._after if self._offset is None else self._offset

    async def next(self) -> Step | None:
        """The next chunk, or what happened to the run; None if nothing did yet, and `on_wake` will tell."""
        try:
            return await self._next()
        except OSError:  # for `doctor` to tell; the other runs of the connection go on
            return self._finish(Gone())

    async def _next(self) -> Step | None:
        tail = self._tail
        while not self.finished:
            if tail.generation != self._generation:
                return self._start_over("the stream file was replaced")
            if self._offset is None:
                try:
                    self._offset = await tail.align(self._after)
                except LogReplaced:
                    return self._start_over(
                        f"the stream has no byte {self._after}: it was replaced, or is another run's"
                    )
            framed = None if self._offset is None else await self._tail.fetch(self._offset)
            if tail.generation != self._generation:
                continue
            if framed is not None:
                self._offset = framed.chunk.end
                return framed.chunk
            # In the breath of the look that found nothing: what is written from now on wakes it.
            waiting = tail.waiter()
            step = await self._look_for_end()
            if waiting.done():
                continue
            if step is None:
                self._waiting = waiting
                waiting.add_done_callback(self._woken)
                return None
            tail.forget(waiting)
            return self._finish(step)
        return None

    def revive(self) -> None:
        """The run goes on, or came into being."""
        self.finished = self._asked = False
        self._tail.look()

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.remove_done_callback(self._woken)
            self._tail.forget(self._waiting)

    async def _look_for_end(self) -> End | Gone | None:
        if self._tail.removed or self._tail.fault is not None:
            return Gone()
        if self._asked and not self._tail.suspect:
            return None
        since, self._since = self._since, 0.0
        self._asked = True
        ending = await self._tail.ending(since=since)
        self._tail.look()
        if ending is None:
            return None
        return End(ending.status) if ending.told or ending.overdue else None

    def _start_over(self, reason: str) -> Step:
        self._generation = self._tail.generation
        self._offset = self._after = 0
        self._asked = False
        if self._tail.removed:
            return self._finish(Gone())
        return Reset(reason)

    def _finish(self, step: Step) -> Step:
        self.finished = True
        return step

    def _woken(self, waiting: asyncio.Future[None]) -> None:
        self._waiting = None
        self._on_wake()
