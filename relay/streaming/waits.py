"""Who waits until a run has come so far. At each change one look is taken for all who wait for that run.

Nothing is asked of the disk while nothing changes: the shared tail of the run tells when.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from starlette.requests import Request

from runlog import RunState, Status, Unusable, Workspace, is_terminal, run_status
from runlog.run.awaited import Goal, Reached
from runlog.run.status import broken_state

from ..http.run_calls import RunCalls
from ..http.runs import RunStates
from .call_wait import call_wait
from .registry import TailRegistry

__all__ = ["MAX_WAIT_S", "Waits"]

MAX_WAIT_S = 600.0

# Between two looks at a run that writes all the time.
_BREATH_S = 0.02
# A process writes its terminal line and lets its lock go in the next microseconds; we may be there in between.
_LET_GO_S = (0.002, 0.01, 0.05)


@dataclass(slots=True, eq=False)
class _Waiter:
    goal: Goal
    reached: Reached | None = None


@dataclass(slots=True)
class _Looks:
    """Of one run, numbered as they begin. One that began after a change has seen it; `seen`: the last to end."""

    waiters: set[_Waiter] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: int = 0
    seen: int = 0
    next_at: float = 0.0


class Waits:
    """Lives on one event loop."""

    def __init__(self, tails: TailRegistry, states: RunStates, run_calls: RunCalls) -> None:
        self._tails = tails
        self._states = states
        self._run_calls = run_calls
        self._looks: dict[Path, _Looks] = {}

    async def until(
        self, request: Request, run: Workspace, goal: Goal, wait_s: float
    ) -> Reached | None:
        """What has come about; None if it has not: the time is over, the client is gone or the relay ends.

        :param wait_s: up to `MAX_WAIT_S`; 0 looks once.
        :raises UnknownRun: the run was removed.
        :raises Busy: see `RunCalls`.
        """
        looks = self._looks.setdefault(run.path, _Looks())
        waiter = _Waiter(goal)
        looks.waiters.add(waiter)
        try:
            with call_wait(request, wait_s) as left, self._tails.follow(run) as tail:
                while True:
                    with left.change(tail) as changed:
                        await self._look(run, looks)
                        over = wait_s <= 0 or left.is_over or self._tails.closing
                        if waiter.reached is not None or over:
                            return waiter.reached
                        await changed
        finally:
            looks.waiters.discard(waiter)
            if not looks.waiters:
                self._looks.pop(run.path, None)

    async def _look(self, run: Workspace, looks: _Looks) -> None:
        """Look for all who wait now, or take part in a look that begins after this call."""
        loop = asyncio.get_running_loop()
        before = looks.begun
        async with looks.turn:
            if looks.seen > before:
                return
            await asyncio.sleep(looks.next_at - loop.time())
            looks.begun += 1
            number = looks.begun
            asked = [waiter for waiter in looks.waiters if waiter.reached is None]
            found = await self._run_calls(run, self._ask, run, [waiter.goal for waiter in asked])
            for waiter, reached in zip(asked, found, strict=True):
                waiter.reached = reached
            looks.seen, looks.next_at = number, loop.time() + _BREATH_S

    def _ask(self, run: Workspace, goals: list[Goal]) -> list[Reached | None]:
        def ask(state: RunState, status: Status) -> list[Reached | None]:
            return [goal(run, state, status) for goal in goals]

        try:
            for wait_s in (*_LET_GO_S, 0.0):
                with self._states.read(run) as state:
                    status = run_status(run, state)
                    told = state.lifecycle is not None and is_terminal(state.lifecycle)
                    if not told or status != "running" or not wait_s:
                        return ask(state, status)
                sleep(wait_s)  # in a thread for the disk
        except Unusable as error:
            return ask(broken_state(error), "failed")
        raise AssertionError("the last look is taken as it is")
