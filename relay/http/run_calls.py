"""Calls that wait for the disk, in threads. Those of one run keep none from others, nor a relay from its end."""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio.to_thread

from runlog import Busy, Workspace

__all__ = ["RunCalls", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

# Of anyio's 40 threads. What one run can hold up (a lock that it keeps, a file of terabytes) holds up so many.
_THREADS_A_RUN = 8
# For a call to begin. One that has begun waits for a lock for a second at most.
_BEGIN_S = 2.0


async def in_thread(call: Callable[..., T], *args: object) -> T:
    """Call what waits for the disk. A relay that ends does not wait for it: see `server.serve`."""
    return await anyio.to_thread.run_sync(call, *args, abandon_on_cancel=True)


@dataclass(slots=True)
class _Gate:
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_THREADS_A_RUN))
    users: int = 0


class RunCalls:
    """Lives on one event loop."""

    def __init__(self) -> None:
        self._gates: dict[Path, _Gate] = {}

    async def __call__(self, run: Workspace, call: Callable[..., T], *args: object) -> T:
        """Like `in_thread`, for a call that has to do with one run.

        :raises Busy: earlier calls of this run do not come to their end.
        """
        gate = self._gates.setdefault(run.path, _Gate())
        gate.users += 1
        try:
            try:
                async with asyncio.timeout(_BEGIN_S):
                    await gate.free.acquire()
            except TimeoutError:
                told = "calls of this run wait for the disk or for a lock, and more are not begun"
                raise Busy(errno.EAGAIN, told, str(run.path)) from None
            try:
                return await in_thread(call, *args)
            finally:
                gate.free.release()
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[run.path]
