"""What wakes a run process: changes in its folder, told by the kernel. While nothing happens, it sleeps."""

import asyncio
import contextlib
from pathlib import Path

from runlog.disk.loop_watch import LoopWatch

__all__ = ["FolderWakes", "Waiter"]

# Where notifications can't be had we look by ourselves: a person's words are taken in this time.
_BLIND_S = 0.02
# What comes in a burst is looked at together.
_GATHER_S = 0.005


class FolderWakes:
    """Wakes its waiters when a file of the folder changed; and each second, for what no notification tells."""

    def __init__(self, folder: Path) -> None:
        self._waiters: list[Waiter] = []
        self._watch = LoopWatch(self._on_change, blind_s=_BLIND_S)
        self._watch.set(frozenset({folder}))

    def waiter(self) -> "Waiter":
        waiter = Waiter()
        self._waiters.append(waiter)
        return waiter

    def close(self) -> None:
        self._watch.close()

    def _on_change(self, _: frozenset[Path] | None) -> None:
        for waiter in self._waiters:
            waiter.wake()


class Waiter:
    """One who looks at the folder again and again."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._at_once = asyncio.Event()

    def wake(self, *, at_once: bool = False) -> None:
        """:param at_once: what there is to see can't wait for what comes with it."""
        if at_once:
            self._at_once.set()
        self._changed.set()

    async def change(self) -> None:
        """Wait for a change since the last call; at once if there was one. The look is the caller's."""
        await self._changed.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GATHER_S):
                await self._at_once.wait()
        self._changed.clear()
        self._at_once.clear()
