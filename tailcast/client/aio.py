"""The client with `await`; `sync` is the same without."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Unpack

from . import calls
from .batches import AsyncBatchCalls
from .calls import Delivery, Prompt
from .connection import (
    PAGE_EVENTS,
    POLL_S,
    stream_params,
    time_left_s,
)
from .results import (
    Awaited,
    Deployment,
    Event,
    EventPage,
    ExportFormat,
    FileListing,
    History,
    ImportedSession,
    Posted,
    Receipt,
    ReceiptState,
    Run,
    RunFilters,
    RunPage,
    RunSummary,
    Started,
    WorkflowInfo,
)
from .schedules import AsyncScheduleCalls
from .streams import RunStream

__all__ = ["AsyncClient"]


class AsyncClient(AsyncBatchCalls, AsyncScheduleCalls):
    """A relay, for programs on an event loop. Close it at the end, or use it as a context.

    Calls that fail on the way are tried again for `give_up_s` seconds, and take effect once all the same; `answer`,
    `approve`, `deny`, `cancel`, `remove`, `remove_deployment`, `remove_schedule` and a conditional
    `put_…` only if they can't have arrived. A refusal is a `ProblemError` at once.

    :param url: where the relay listens, or `unix:PATH` of its `--uds`.
    :param token: what the relay was started with (`--token`), or one of its --token-file, if it has any.
    :param give_up_s: how long a relay may be out of reach before `ConnectionLost`; None waits for ever.
    :param timeout_s: for each answer, beside what a call says itself.
    """

    async def start(
        self,
        workflow: str | None = None,
        prompt: Prompt | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        interactive: bool | None = None,
        chat_history: list[dict[str, Any]] | None = None,
        deployment: str | None = None,
        runtime_overrides: Mapping[str, Any] | None = None,
        priority: int | None = None,
        limits: Mapping[str, float] | None = None,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        thread_id: str | None = None,
        trace: str | None = None,
        park_after_s: float | None = None,
        output_schema: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Started:
        """Start a run: queued, when this returns.

        :param deployment: instead of `workflow` and `params`.
        :param runtime_overrides: params in place of the deployment's, of those that it allows to be set.
        :param labels: name -> value, to find the run by; `title` is shown in listings, `thread_id` names the
            conversation or case it is of.
        :param trace: W3C `traceparent`, handed to the agent as `TRACEPARENT`.
        :param park_after_s: so long it rests with its process, then without one until something comes; 0: for ever.
        :param output_schema: JSON Schema of the run's `result`, which is JSON then; one that does not fit fails the
            run with the reason `bad_output`.
        :param idempotency_key: the same key gives the same run for a day. Without one, each call is a run of its own.
        """
        fields = {
            "prompt": prompt,
            "params": params,
            "run_id": run_id,
            "interactive": interactive,
            "chat_history": chat_history,
            "deployment": deployment,
            "runtime_overrides": runtime_overrides,
            "priority": priority,
            "limits": limits,
            "title": title,
            "labels": labels,
            "thread_id": thread_id,
            "trace": trace,
            "park_after_s": park_after_s,
            "output_schema": output_schema,
        }
        return await self._do(calls.start(workflow, idempotency_key, fields))

    async def again(
        self, run_id: str, *, idempotency_key: str | None = None, **fields: Any
    ) -> Started:
        """Start a run as this one was started, but for `fields`: those of `start`; of `params` (of a deployment's run
        `runtime_overrides`), `labels` and `limits` those names that are given. None takes one out.
        """
        return await self._do(calls.again(run_id, idempotency_key, fields))

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        counts: bool = False,
        **filters: Unpack[RunFilters],
    ) -> RunPage:
        """A page of runs, newest first or as `order` says."""
        return await self._do(calls.list_runs(filters, limit, cursor, counts=counts))

    async def runs(self, **filters: Unpack[RunFilters]) -> AsyncIterator[RunSummary]:
        """All runs, newest first or as `order` says, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list(limit=200, cursor=cursor, **filters)
            for run in page.runs:
                yield run
            cursor = page.next
            if cursor is None:
                return

    async def get(self, run_id: str) -> Run:
        """The state of a run."""
        return await self._do(calls.get(run_id))

    async def remove(self, run_id: str) -> None:
        """Remove a run that has ended, its folder and all."""
        await self._do(calls.remove(run_id))

    def stream(
        self,
        run_id: str,
        *,
        after: int | None = None,
        tail: int | None = None,
        types: Iterable[str] = (),
        exclude: Iterable[str] = (),
        speed: float | None = None,
    ) -> AsyncIterator[Event]:
        """The events of a run as they come, from the beginning or after a cursor, until the run ends.

        Broken connections and restarts of the relay are not seen: each event comes once, in order.

        :param after: `offset` of the last event you have.
        :param tail: begin so many lines from the end.
        :param speed: replay with the recorded gaps, so many times as fast.
        :raises StreamReset: the stream was replaced: what you have of it means nothing any more.
        :raises ConnectionLost: the relay was out of reach for `give_up_s`.
        :raises ProblemError: there is no such run (any more).
        """
        params = stream_params(tail, types, exclude, speed)
        return self._follow(RunStream(run_id, after, params, self._give_up_s))

    async def read(
        self, run_id: str, *, after: int = 0, types: Iterable[str] = (), q: str | None = None
    ) -> AsyncIterator[Event]:
        """The events up to the present end, page by page, without waiting for more.

        :param q: only those that hold all of these words in their texts.
        """
        wanted = ",".join(types) or None
        while True:
            page = await self._do(calls.events(run_id, after, PAGE_EVENTS, wanted, q=q))
            for event in page.events:
                yield event
            if not page.events and page.next == after:
                return
            after = page.next

    async def wait(
        self,
        run_id: str,
        *,
        for_: Awaited = "end",
        message_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Run:
        """Wait until the run has come so far; its state then, with the `text` of the turn.

        :param for_: `end`: it has ended; `turn`: it is at rest, or has ended; `attention`: it asks a person, or has
            ended.
        :param message_id: with `turn`: the end of the turn that answers this message.
        :raises TimeoutError: that is not so within `timeout_s`; the run goes on.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = time_left_s(end)
            waited = await self._do(calls.wait(run_id, for_, message_id, min(left_s, POLL_S)))
            if waited.done:
                return waited.run
            if left_s <= POLL_S and time_left_s(end) <= 0:
                raise TimeoutError(f"waited {timeout_s} s in vain for run {run_id!r}")

    async def ask(
        self,
        run_id: str,
        message: Prompt,
        *,
        timeout_s: float | None = None,
        delivery: Delivery | None = None,
        resume: bool = False,
        id: str | None = None,
    ) -> Run:
        """Say something, and wait for the end of the turn that answers it: `text` is the answer, None if it came to
        nothing (`status` and `reason` may say why). The rest as `send`.

        :raises TimeoutError: not answered within `timeout_s`; the message stays said.
        """
        posted = await self.send(run_id, message, delivery=delivery, resume=resume, id=id)
        return await self.wait(
            run_id, for_="turn", message_id=posted.message_id, timeout_s=timeout_s
        )

    async def send(
        self,
        run_id: str,
        message: Prompt,
        *,
        delivery: Delivery | None = None,
        resume: bool = False,
        id: str | None = None,
    ) -> Posted:
        """Say something to a run: on the disk of the relay, when this returns.

        :param delivery: `steer` (into the running turn), `queue` (after it) or `interrupt` (end it first).
        :param resume: reopen the run if it has ended.
        :param id: sent twice under one id it takes effect once.
        """
        return await self._do(calls.send(run_id, message, delivery, resume, id))

    async def send_and_wait(
        self,
        run_id: str,
        message: Prompt,
        *,
        state: ReceiptState = "delivered",
        timeout_s: float | None = None,
        delivery: Delivery | None = None,
        resume: bool = False,
        id: str | None = None,
    ) -> Receipt:
        """Say something, and wait until the run tells `state` of it. Look at the receipt: it may be `dropped`."""
        posted = await self.send(run_id, message, delivery=delivery, resume=resume, id=id)
        # From the beginning: the message may be one that was sent before, under the same id.
        return await self.wait_for_receipt(
            run_id, posted.message_id, state=state, timeout_s=timeout_s
        )

    async def wait_for_receipt(
        self,
        run_id: str,
        message_id: str,
        *,
        state: ReceiptState = "delivered",
        timeout_s: float | None = None,
    ) -> Receipt:
        """What became of a message, as soon as it is `state` or further, or `dropped`.

        :raises NoReceipt: the run has ended without telling.
        :raises TimeoutError: not told within `timeout_s`.
        """
        async for page in self._poll(run_id, 0, "message_received", timeout_s):
            receipt = calls.receipt_in(page, message_id, state)
            if receipt is not None:
                return receipt
        raise AssertionError("a poll ends by an error only")

    async def cancel(self, run_id: str, message_id: str) -> Posted:
        """Take a message back that was not delivered yet. A receipt (`dropped`) tells whether it came in time."""
        return await self._do(calls.cancel(run_id, message_id))

    async def answer(self, run_id: str, question_id: str, answers: Mapping[str, Any]) -> Posted:
        """Answer an open question: question -> answer, or a list of answers."""
        return await self._do(calls.answer(run_id, question_id, answers))

    async def approve(
        self,
        run_id: str,
        request_id: str,
        *,
        updated_input: Mapping[str, Any] | None = None,
        input_sha256: str | None = None,
    ) -> Posted:
        """Allow a tool call, perhaps with another input.

        :param input_sha256: of the request that was shown: a decision for another call is refused.
        """
        call = calls.permission(run_id, request_id, "allow", None, updated_input, input_sha256)
        return await self._do(call)

    async def deny(
        self,
        run_id: str,
        request_id: str,
        message: str | None = None,
        *,
        input_sha256: str | None = None,
    ) -> Posted:
        """Deny a tool call; the agent is told `message`. `input_sha256` as in `approve`."""
        call = calls.permission(run_id, request_id, "deny", message, None, input_sha256)
        return await self._do(call)

    async def stop(self, run_id: str) -> Posted:
        """End a run and every process of it."""
        return await self._do(calls.command(run_id, "stop"))

    async def interrupt(self, run_id: str) -> Posted:
        """End the running turn."""
        return await self._do(calls.command(run_id, "interrupt"))

    async def pause(self, run_id: str) -> Posted:
        return await self._do(calls.command(run_id, "pause"))

    async def resume(self, run_id: str) -> Posted:
        """Go on after a pause. A run that has ended is reopened by `send(..., resume=True)`."""
        return await self._do(calls.command(run_id, "resume"))

    async def signal(
        self, run_id: str, name: str, data: Any = None, *, id: str | None = None
    ) -> Posted:
        """Send a signal to a workflow that takes it: `data` is any JSON.

        :param id: sent twice under one id it is taken once.
        """
        return await self._do(calls.signal(run_id, name, data, id))

    async def set_model(self, run_id: str, model: str | None) -> Posted:
        """From the next model request on; None is the default model."""
        return await self._do(calls.set_model(run_id, model))

    async def set_permission_mode(self, run_id: str, mode: str) -> Posted:
        return await self._do(calls.set_permission_mode(run_id, mode))

    async def history(self, run_id: str, *, limit: int = 200) -> History:
        """The newest messages of the chat."""
        return await self._do(calls.history(run_id, limit))

    async def export(self, run_id: str, *, format: ExportFormat = "markdown") -> bytes:
        """What was said in the run, for other readers: `claude` is a session that `claude --resume` takes up,
        `jsonl` the stream as it is, `markdown` and `html` are for people."""
        return await self._do(calls.export(run_id, format))

    async def import_session(
        self,
        session_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        interactive: bool | None = None,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        thread_id: str | None = None,
        keep_cwd: bool | None = None,
        max_bytes: int | None = None,
    ) -> ImportedSession:
        """Make an ended run of a session of Claude Code, of the user as whom the relay runs (`--allow-import`).

        :param params: of the workflow `claude`, for when the run is resumed; `interactive` likewise.
        :param keep_cwd: resumed, it works where the session did, not in the run's `files/`.
        """
        fields = {
            "params": params,
            "interactive": interactive,
            "title": title,
            "labels": labels,
            "thread_id": thread_id,
            "keep_cwd": keep_cwd,
            "max_bytes": max_bytes,
        }
        return await self._do(calls.import_session(session_id, fields))

    async def files(self, run_id: str, path: str = "", *, recursive: bool = False) -> FileListing:
        """A folder of the workspace."""
        return await self._do(calls.files(run_id, path, recursive))

    async def read_file(self, run_id: str, path: str) -> bytes:
        """A file of the workspace, whole."""
        return await self._do(calls.read_file(run_id, path))

    async def catalog(self) -> tuple[WorkflowInfo, ...]:
        """What can be started."""
        return await self._do(calls.catalog())

    async def deployments(self) -> tuple[Deployment, ...]:
        """All of them, by name, but those whose file is broken."""
        return await self._do(calls.deployments())

    async def deployment(self, name: str) -> Deployment:
        """With the statistics of its runs."""
        return await self._do(calls.deployment(name))

    async def put_deployment(
        self,
        name: str,
        workflow: str,
        *,
        if_match: str | None = None,
        create_only: bool = False,
        **fields: Any,
    ) -> Deployment:
        """Make a deployment or replace it as a whole: what is left out has its default again.

        :param fields: `description`, `prompt`, `params`, `allowed_overrides` (names of the params that a start may
            set), `limits`, `priority`, `max_running`, `warm`, `park_after_s`, `interactive`, `title`,
            `labels`, `thread_id`, `output_schema`.
        :param if_match: `etag` of the one you read; refused (412) if it was changed since.
        :param create_only: refused (412) if there is one of that name.
        """
        call = calls.put_deployment(name, fields | {"workflow": workflow}, if_match, create_only)
        return await self._do(call)

    async def remove_deployment(self, name: str) -> None:
        """Its runs stay, and those that run go on."""
        await self._do(calls.remove_deployment(name))

    async def _poll(
        self, run_id: str, after: int, types: str, timeout_s: float | None
    ) -> AsyncIterator[EventPage]:
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_s = time_left_s(end)
            page = await self._do(
                calls.events(run_id, after, PAGE_EVENTS, types, min(left_s, POLL_S))
            )
            yield page
            if left_s <= POLL_S and not page.events and time_left_s(end) <= 0:
                raise TimeoutError(f"waited {timeout_s} s in vain for run {run_id!r}")
            after = page.next
