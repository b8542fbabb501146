"""Batches, and several runs on one stream: the part of both clients that is about many runs at once."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from . import batch_calls as calls
from .results import Batch, BatchStarted, Event, RunChange, Status
from .streams import ManyStream
from .transport import AsyncTransport, Transport

__all__ = ["AsyncBatchCalls", "BatchCalls"]


class BatchCalls(Transport):
    """Part of `Client`."""

    def start_batch(
        self,
        workflow: str | None = None,
        inputs: Iterable[str | Mapping[str, Any]] = (),
        *,
        deployment: str | None = None,
        params: Mapping[str, Any] | None = None,
        runtime_overrides: Mapping[str, Any] | None = None,
        max_running: int | None = None,
        description: str | None = None,
        batch_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        thread_id: str | None = None,
        trace: str | None = None,
        output_schema: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> BatchStarted:
        """Start a run for each input: all of them queued when this returns, or none.

        :param inputs: 1 to 1,000: each a prompt, or the fields of one run (`prompt`, `params`, `priority`, …).
        :param params: common to all inputs; with a deployment `runtime_overrides` are.
        :param labels: common to all inputs, as are `thread_id`, `trace` and
            `output_schema`; an input's own go before them.
        :param max_running: so many of them at once.
        :param idempotency_key: the same key gives the same batch for a day.
        """
        fields = {
            "workflow": workflow,
            "deployment": deployment,
            "params": params,
            "runtime_overrides": runtime_overrides,
            "max_running": max_running,
            "description": description,
            "batch_id": batch_id,
            "labels": labels,
            "thread_id": thread_id,
            "trace": trace,
            "output_schema": output_schema,
        }
        return self._do(calls.start_batch(inputs, idempotency_key, fields))

    def batch(
        self,
        batch_id: str,
        *,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Batch:
        """Totals of a batch, and a page of its runs, perhaps only those of a status."""
        return self._do(calls.batch(batch_id, status, limit, cursor))

    def batches(self) -> Iterator[Batch]:
        """All batches, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self._do(calls.list_batches(50, cursor))
            yield from page.batches
            cursor = page.next
            if cursor is None:
                return

    def stop_batch(self, batch_id: str) -> list[str]:
        """End all runs of a batch; those that are queued never start. The ids of those that had not ended."""
        return self._do(calls.stop_batch(batch_id))

    def remove_batch(self, batch_id: str, *, runs: bool = False) -> None:
        """Remove a batch that has ended; with `runs` its runs too, their folders and all."""
        self._do(calls.remove_batch(batch_id, runs))

    def stream_batch(
        self,
        batch_id: str,
        *,
        after: str | None = None,
        types: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> Iterator[Event]:
        """The events of all runs of a batch as they come, until the last has ended.

        Broken connections and restarts of the relay are not seen: each event comes once, those of a run in order.

        :param after: `cursor` of the last event you have.
        :raises StreamReset: the stream of a run was replaced: what you have of it means nothing any more.
        :raises ConnectionLost: the relay was out of reach for `give_up_s`.
        :raises ProblemError: there is no such batch (any more).
        """
        params = calls.many_params((), False, batch_id, types, exclude)
        for told in self._follow(ManyStream(after, params, self._give_up_s)):
            if isinstance(told, Event):
                yield told

    def stream_many(
        self,
        run_ids: Iterable[str] = (),
        *,
        feed: bool = False,
        after: str | None = None,
        types: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> Iterator[Event | RunChange]:
        """The events of up to 100 runs as they come, until all have ended; else as `stream_batch`.

        :param feed: add a `RunChange` for each run there is, and each time one changes; then it never ends.
        """
        params = calls.many_params(run_ids, feed, None, types, exclude)
        return self._follow(ManyStream(after, params, self._give_up_s))


class AsyncBatchCalls(AsyncTransport):
    """Part of `AsyncClient`."""

    async def start_batch(
        self,
        workflow: str | None = None,
        inputs: Iterable[str | Mapping[str, Any]] = (),
        *,
        deployment: str | None = None,
        params: Mapping[str, Any] | None = None,
        runtime_overrides: Mapping[str, Any] | None = None,
        max_running: int | None = None,
        description: str | None = None,
        batch_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        thread_id: str | None = None,
        trace: str | None = None,
        output_schema: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> BatchStarted:
        """Start a run for each input: all of them queued when this returns, or none.

        :param inputs: 1 to 1,000: each a prompt, or the fields of one run (`prompt`, `params`, `priority`, …).
        :param params: common to all inputs; with a deployment `runtime_overrides` are.
        :param labels: common to all inputs, as are `thread_id`, `trace` and
            `output_schema`; an input's own go before them.
        :param max_running: so many of them at once.
        :param idempotency_key: the same key gives the same batch for a day.
        """
        fields = {
            "workflow": workflow,
            "deployment": deployment,
            "params": params,
            "runtime_overrides": runtime_overrides,
            "max_running": max_running,
            "description": description,
            "batch_id": batch_id,
            "labels": labels,
            "thread_id": thread_id,
            "trace": trace,
            "output_schema": output_schema,
        }
        return await self._do(calls.start_batch(inputs, idempotency_key, fields))

    async def batch(
        self,
        batch_id: str,
        *,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Batch:
        """Totals of a batch, and a page of its runs, perhaps only those of a status."""
        return await self._do(calls.batch(batch_id, status, limit, cursor))

    async def batches(self) -> AsyncIterator[Batch]:
        """All batches, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = await self._do(calls.list_batches(50, cursor))
            for batch in page.batches:
                yield batch
            cursor = page.next
            if cursor is None:
                return

    async def stop_batch(self, batch_id: str) -> list[str]:
        """End all runs of a batch; those that are queued never start. The ids of those that had not ended."""
        return await self._do(calls.stop_batch(batch_id))

    async def remove_batch(self, batch_id: str, *, runs: bool = False) -> None:
        """Remove a batch that has ended; with `runs` its runs too, their folders and all."""
        await self._do(calls.remove_batch(batch_id, runs))

    async def stream_batch(
        self,
        batch_id: str,
        *,
        after: str | None = None,
        types: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> AsyncIterator[Event]:
        """The events of all runs of a batch as they come, until the last has ended.

        Broken connections and restarts of the relay are not seen: each event comes once, those of a run in order.

        :param after: `cursor` of the last event you have.
        :raises StreamReset: the stream of a run was replaced: what you have of it means nothing any more.
        :raises ConnectionLost: the relay was out of reach for `give_up_s`.
        :raises ProblemError: there is no such batch (any more).
        """
        params = calls.many_params((), False, batch_id, types, exclude)
        async for told in self._follow(ManyStream(after, params, self._give_up_s)):
            if isinstance(told, Event):
                yield told

    def stream_many(
        self,
        run_ids: Iterable[str] = (),
        *,
        feed: bool = False,
        after: str | None = None,
        types: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> AsyncIterator[Event | RunChange]:
        """The events of up to 100 runs as they come, until all have ended; else as `stream_batch`.

        :param feed: add a `RunChange` for each run there is, and each time one changes; then it never ends.
        """
        params = calls.many_params(run_ids, feed, None, types, exclude)
        return self._follow(ManyStream(after, params, self._give_up_s))
