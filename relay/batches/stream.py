"""All runs of a batch on one connection, a thousand perhaps: only those that have something to tell are followed.

A run is followed when it begins, and let go when it has ended. Of those that wrote before the client came a few are
read at a time. So what a connection costs, and how long its ids are, goes by the runs that live at once.
"""

import os
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field

from starlette.types import Receive, Send

from runlog import Batch, RunId, Workspace

from ..dependencies import Services, in_thread
from ..streaming.multi_cursor import MAX_OPEN_RUNS, BatchCursor
from ..streaming.multiplex import Multiplex
from ..streaming.responses import SSE_HEADERS, LateResponse
from ..streaming.sse import Variant
from .views import batch_view, rows_of

__all__ = ["BatchQuery", "BatchStream"]

# Of the runs that are followed, those with more to tell: before another is begun, they get on.
_BUSY_RUNS = 16


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """`places` are where to begin."""

    batch: Batch
    places: BatchCursor
    variant: Variant = field(default_factory=Variant)


class BatchStream(LateResponse):
    """The answer to one listener of a batch; 204 if he has been told of its end."""

    def __init__(self, services: Services, query: BatchQuery) -> None:
        super().__init__()
        self._services = services
        self._query = query

    async def stream(self, receive: Receive, send: Send) -> None:
        if self._query.places.over:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            return
        tails = self._services.tails
        listener = _ManySubscriber(self._services, self._query, send)
        with ExitStack() as stack:
            stack.callback(listener.close_all)
            stack.enter_context(tails.told_of_closing(listener.nudge))
            stack.enter_context(tails.told_of_begin(listener.unbegun, listener.on_begin))
            await listener.begin()
            await send({"type": "http.response.start", "status": 200, "headers": SSE_HEADERS})
            await listener.run(receive)


class _ManySubscriber(Multiplex):
    def __init__(self, services: Services, query: BatchQuery, send: Send) -> None:
        runs = [Workspace(services.root, RunId(run_id)) for run_id in query.batch.run_ids]
        keepalive_s = services.settings.keepalive_s
        super().__init__(services.tails, runs, query.places, query.variant, keepalive_s, send)
        self._services = services
        self._batch = query.batch
        self._batch_places = query.places
        left = set(range(len(runs))) - query.places.done
        # Those that were being told go on first, or the id would hold more of them than it may.
        self._begun = deque(sorted(query.places.offsets))
        self._unbegun = {runs[n].run_id: n for n in sorted(left - query.places.offsets.keys())}

    @property
    def unbegun(self) -> list[Workspace]:
        return [self._runs[number] for number in self._unbegun.values()]

    def on_begin(self, run: Workspace) -> None:
        number = self._unbegun.pop(run.run_id, None)
        if number is not None:
            self._begun.append(number)
            self.nudge()

    async def begin(self) -> None:
        """Look which runs have begun before."""
        waiting = self.unbegun

        def look() -> list[Workspace]:
            return [run for run in waiting if os.path.lexists(run.stream)]

        for run in await self._tails.on_disk(look):
            self.on_begin(run)

    async def _attend(self) -> None:
        while self._begun and len(self._open) < MAX_OPEN_RUNS and len(self._ready) < _BUSY_RUNS:
            number = self._begun.popleft()
            self.open(number, self._batch_places.offsets.get(number, 0))
            self._ready[number] = None

    def _is_over(self) -> bool:
        return len(self._batch_places.done) == len(self._runs)

    async def _say_goodbye(self) -> None:
        rows = await in_thread(rows_of, self._services, self._batch)
        self._batch_places.close()
        await self._say("end", batch_view(self._batch, rows))

    def _finished(self, number: int) -> None:
        self.close(number)
        self._tails.let_go(self._runs[number])
