"""The life of a run process: take the lock, do one attempt, end the tree, write the terminal line.

Appends block the loop for the microseconds of a write and, once a second, a disk flush: it is the loop of this one
run, and an event that is written later is an event told in the wrong order.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runlog import (
    BadLimit,
    Busy,
    InboxLine,
    InboxReader,
    Manifest,
    RefusedLine,
    RunId,
    RunLock,
    StateReader,
    Workspace,
    encode,
    is_locked,
    read_manifest,
    run_status,
)
from runlog.disk.append import Unusable
from runlog.disk.layout import runner_lock
from runlog.disk.records import MAX_LINE_BYTES, from_iso
from runlog.run.events import PARKED
from runlog.run.inbox import inbox_closed
from runlog.run.limits import check_limits, tightest
from runlog.run.seal import new_seal, put_off_start
from runlog.run.status import BROKEN

from ..keeper.tree import TreeSurvived, end_marked
from .catalog import check_params, load_workflow
from .environment import mark_of
from .limits import LimitPassed, LimitWatch
from .options import RunOptions
from .process_title import show_in_ps
from .run import Run
from .stream import can_wait, is_no_room
from .wakes import Waiter
from .workflow import RunFailed, RunStopped, Workflow

__all__ = ["EXIT_REFUSED", "Begun", "attempt", "began", "main"]

EXIT_REFUSED = 75  # sysexits.h: EX_TEMPFAIL
_NO_ROOM_S = 1.0
_MOMENT_S = 0.25
# For posts under way to be through, some ms each, before the end is told.
_END_WAIT_S = 5.0
# The agent's last words on a stop: it is asked to end its turn first, so that the turn's cost is told. As long as
# its processes may take after that, if that is longer: who grants those more knows a slow machine.
_LAST_WORDS_S = 1.5


@dataclass(frozen=True, slots=True)
class _Outcome:
    event_type: str
    fields: dict[str, Any] = field(default_factory=dict)


def _finish_reason(outcome: _Outcome) -> str:
    """Of a turn that the end of the run cuts off."""
    if outcome.event_type == "workflow_completed":
        return "completed"
    return str(outcome.fields.get("reason") or outcome.event_type.removeprefix("workflow_"))


def main(folder: Path) -> None:
    """Do one attempt of the run in `folder`; how it ended is in the stream. Raises only if it could not begin.

    Exits with `EXIT_REFUSED` where the system refused something (a full disk, no descriptors): to be tried again.
    Does nothing if another process holds the run, or if it has ended and nobody asked it to go on.
    """
    try:
        _main(folder)
    except OSError as error:
        traceback.print_exception(error, file=sys.stderr)
        sys.exit(EXIT_REFUSED)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that this process holds."""

    workspace: Workspace
    manifest: Manifest
    reader: StateReader
    options: RunOptions
    lock: RunLock


def _main(folder: Path) -> None:
    workspace = Workspace(folder.parent, RunId(folder.name))
    with began(workspace, RunOptions.from_environment()) as begun:
        if begun is not None:
            show_in_ps(workspace.run_id)
            if (trace := begun.manifest.words.trace) is not None:
                # What the agent starts is of that trace: https://opentelemetry.io/docs/specs/otel/context/env-carriers/
                os.environ["TRACEPARENT"] = trace
            asyncio.run(attempt(begun))


@contextlib.contextmanager
def began(workspace: Workspace, options: RunOptions) -> Iterator[Begun | None]:
    """Take hold of a run; None if another process has it, or it has ended and nobody asked it to go on."""
    lock = RunLock(workspace.lock)
    if not lock.acquire():
        yield None
        return
    try:
        reader = StateReader(workspace)
        state = reader.read()
        if state.lifecycle is not None:
            lock.release()  # our own hold would read as "running"
            # Of a parked run by its last lines alone, as the runner asks: who takes it for due must find it so.
            status = run_status(workspace, None if state.parked else state)
            if status != "queued" or not lock.acquire():
                yield None
                return
        yield Begun(workspace, read_manifest(workspace), reader, options, lock)
    finally:
        lock.release()


async def attempt(begun: Begun, made: Workflow | None = None) -> None:
    """:param made: the run's workflow, where it was got ready ahead."""
    workspace, manifest, reader = begun.workspace, begun.manifest, begun.reader
    options, lock = begun.options, begun.lock
    state = reader.read()
    taken_up = state.parked
    elapsed_s = _lasts_s(state.attempt_at) if taken_up else 0.0
    began_s = time.monotonic() - elapsed_s
    first = state.lifecycle is None
    # What was delivered stays taken; what was only queued when the last attempt died is taken again.
    taken = frozenset(key for key, receipt in state.messages.items() if receipt != "queued")
    run = Run(
        workspace,
        manifest,
        params=None,
        attempt=state.attempt if taken_up else state.attempt + 1,
        earlier=None if first else state.copy(),  # the reader's own goes on with the stream
        grace_s=options.grace_s,
        park_after_s=_park_after_s(manifest, options),
        taken_up=taken_up,
    )
    try:
        inbox_bytes = os.stat(workspace.inbox).st_size
    except OSError:
        inbox_bytes = 0
    run.turn = lambda: reader.read().turn
    run.awaits_model = lambda: reader.read().awaits_model
    process = {"pid": os.getpid(), "attempt": run.attempt, "inbox_offset": inbox_bytes}
    put_off_start(lock)
    if taken_up:
        began_at = run.emit("workflow_unparked", **process)
    else:
        asked = {"workflow": manifest.workflow, "params": manifest.params}
        began_at = run.emit("workflow_started", **asked, **process)
    # From here on, and before anything of the agent's runs: nobody else can tell how this attempt began, or its end.
    # On a full disk the line may come to stand elsewhere.
    written = began_at <= os.stat(workspace.stream).st_size
    seal = new_seal(lock, began_at if written else None)
    place = _Place(workspace)
    inbox = InboxReader(workspace, taken)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    limits = LimitWatch({}, reader, run.wakes.waiter(), elapsed_s=elapsed_s)
    outcome = await _work_until_ended(run, made, inbox, stop, begun, limits, place)
    loop.set_exception_handler(lambda *_: None)
    try:
        # In this thread, with the loop standing still: nothing of the run may be written while its tree ends.
        end_marked(mark_of(workspace.path), options.grace_s, frozenset({os.getpid()}))
    except TreeSurvived as error:
        run.log("error", str(error))
    fields = {"duration_s": round(time.monotonic() - began_s, 3)} | outcome.fields | {"seal": seal}
    _tell_end(run, inbox, _Outcome(outcome.event_type, fields), reader, lock, place)


def _tell_end(
    run: Run,
    inbox: InboxReader,
    outcome: _Outcome,
    reader: StateReader,
    lock: RunLock,
    place: "_Place",
) -> None:
    """As soon as there is room for it: how the run ended is known here, and others could only guess it."""
    while not place.is_gone():  # else there is nowhere to tell it
        if _end_is_told(run, inbox, outcome, reader, lock):
            run.close()
            return
        time.sleep(_NO_ROOM_S)


def _end_is_told(
    run: Run, inbox: InboxReader, outcome: _Outcome, reader: StateReader, lock: RunLock
) -> bool:
    """Write the last receipts and the terminal line, and give the lock back; False if it has to wait."""
    told = reader.read()  # the long part of the fold, before others are kept waiting
    if outcome.event_type == PARKED:
        # Nobody is kept waiting or answered: what the inbox has beyond its offset is for the next process.
        return _is_told(run, inbox, outcome, reader, lock)
    with _posts_kept_out(run.workspace):
        for line in _rest_of(inbox, run):
            if not isinstance(line, InboxLine):
                continue
            if line.type == "stop" and outcome.event_type == "workflow_stopped":
                run.inbox.receipt(line, "completed")  # a signal was quicker
            else:
                run.inbox.put(line)
        if run.tells_turns:
            run.end_turn(_finish_reason(outcome))
        run.questions.drop_all("the run ended")
        run.signals.drop_all("the run ended")
        run.inbox.drop_all("the run ended", {key: told.messages[key] for key in told.unreceipted})
        return _is_told(run, inbox, outcome, reader, lock)


def _is_told(
    run: Run, inbox: InboxReader, outcome: _Outcome, reader: StateReader, lock: RunLock
) -> bool:
    try:
        run.stream.emit_now(
            outcome.event_type,
            **outcome.fields,
            stats=reader.read().summary_stats(),
            inbox_offset=inbox.offset,
        )
    except OSError as error:
        if not can_wait(error):
            raise
        return False
    # In the same breath: a terminal line counts only once the lock is free, and listeners wait for it.
    lock.release()
    return True


async def _work_until_ended(
    run: Run,
    made: Workflow | None,
    inbox: InboxReader,
    stop: asyncio.Event,
    begun: Begun,
    limits: LimitWatch,
    place: "_Place",
) -> _Outcome:
    """The work to its end: by itself, by a stop, or by a limit. Or until the run is parked."""
    options, lock = begun.options, begun.lock
    try:
        workflow = _prepare(run, options, made)
        run.signals.begin(workflow)
        limits.limits = run.limits
        limits.check_counts()  # of earlier attempts
        if run.taken_up:
            limits.look()  # its time may be over
    except (Exception, SystemExit) as error:
        return _failure(run, error)
    run.stream.on_append = limits.grown_to
    reading = asyncio.create_task(_read_inbox(run, inbox, stop))
    leaving = asyncio.create_task(_keep_hold(place, lock, run.wakes.waiter()))
    work = asyncio.create_task(_work(run, workflow))
    signalled = asyncio.create_task(run.signals.work(run))
    stopping = asyncio.create_task(stop.wait())
    watching = asyncio.create_task(limits.watch())
    tasks = {reading, leaving, work, signalled, stopping, watching}
    run.parking.busy.append(lambda: stop.is_set() or _has_more(run, inbox))
    try:
        if await _is_due(run, tasks):
            reading.cancel()  # in this very step: what it has not handed on stays in the inbox
            outcome = await _park(run, work, options, limits)
            return _Outcome("workflow_stopped", {"reason": "stop"}) if stop.is_set() else outcome
        if reading.done() and not work.done():
            reading.result()  # the inbox can't be read: a run that nobody can reach is ended as failed
        if leaving.done() and not work.done():
            leaving.result()  # another process holds the run
        if signalled.done() and not work.done():
            signalled.result()  # a handler has ended the run
        over = watching.done()
        if not work.done():
            await _stop(run, work, workflow, options, "the run ended" if over else "stopped")
            if not over:
                return _Outcome("workflow_stopped", {"reason": "stop", **_kept(work)})
        try:
            if over:
                watching.result()
            limits.check_counts()  # what its last line told, such as the cost
        except LimitPassed as passed:
            failure = _failure(run, passed)
            return replace(failure, fields=failure.fields | _kept(work))
        return work.result()
    except Exception as error:
        return _failure(run, error)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=options.grace_s)


async def _is_due(run: Run, tasks: set[asyncio.Task[Any]]) -> bool:
    """Wait until the run is to be parked, at once (True), or one of `tasks` is done."""
    while True:
        due = asyncio.create_task(run.parking.due())
        try:
            done, _ = await asyncio.wait({due, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            due.cancel()
        if done - {due}:
            return False
        if run.parking.is_due():
            return True
        # Something has come since it was.


async def _park(
    run: Run, work: asyncio.Task[_Outcome], options: RunOptions, limits: LimitWatch
) -> _Outcome:
    """End the work, which rests; what it came to if it has ended by itself in this moment."""
    until = run.parking.until(limits.wall_left_s())
    work.cancel()
    await asyncio.wait({work}, timeout=options.grace_s + _LAST_WORDS_S)
    if work.done() and not work.cancelled():
        outcome = work.result()
        if outcome.event_type != "workflow_failed":
            return outcome
        run.log("warning", f"the workflow failed while it was parked: {outcome.fields['error']}")
    return _Outcome(PARKED, {"until": until})


def _has_more(run: Run, inbox: InboxReader) -> bool:
    """Whether a line has come that was not read; or nobody is at work here who would take the run up again."""
    try:
        size = os.lstat(run.workspace.inbox).st_size
    except OSError:
        size = 0
    return size != inbox.offset or not is_locked(runner_lock(run.workspace.root))


def _lasts_s(began_at: str | None) -> float:
    began = from_iso(began_at)
    return max(0.0, (datetime.now(UTC) - began).total_seconds()) if began else 0.0


def _park_after_s(manifest: Manifest, options: RunOptions) -> float:
    return options.park_after_s if manifest.park_after_s is None else manifest.park_after_s


async def _stop(
    run: Run,
    work: asyncio.Task[_Outcome],
    workflow: Workflow,
    options: RunOptions,
    reason: str,
) -> None:
    """End the work. `reason` is for the messages that are still queued: they begin no turn any more."""
    run.stopping.set()
    last_words_s = max(_LAST_WORDS_S, options.grace_s)
    # First: an agent whose turn is ended goes on with the next message that it has.
    await _asked_in_time(run, run.inbox.close(reason), "give its messages back", last_words_s)
    if getattr(workflow, "graceful_stop", False):
        run.pauses.give_way()
        await asyncio.wait({work}, timeout=options.grace_s)
        if work.done():
            if "error" in (fields := work.result().fields):
                run.log("warning", f"the workflow failed while it stopped: {fields['error']}")
            return
        run.log("warning", f"the workflow did not end by itself within {options.grace_s:g} s")
    if run.on_stop is not None:
        await _asked_in_time(run, run.on_stop(), "end its turn", last_words_s)
    work.cancel()
    # A workflow that does not let itself be cancelled loses its processes all the same, by the sweep.
    await asyncio.wait({work}, timeout=options.grace_s + _LAST_WORDS_S)


async def _asked_in_time(run: Run, asked: Awaitable[None], what: str, time_s: float) -> None:
    try:
        await asyncio.wait_for(asked, time_s)
    except Exception as error:
        run.log("warning", f"the agent did not {what} when asked: {error!r}")


def _kept(work: asyncio.Task[_Outcome]) -> dict[str, Any]:
    """The result of a run that is told as stopped or failed, if it has one."""
    fields = work.result().fields if work.done() and not work.cancelled() else {}
    return {name: value for name, value in fields.items() if name == "result"}


def _prepare(run: Run, options: RunOptions, made: Workflow | None) -> Workflow:
    """The run's workflow; its request is checked. Before the inbox is read: what may be told depends.

    :raises RunFailed: it can't be run.
    """
    workflow = load_workflow(run.manifest.workflow)
    run.params = check_params(workflow, run.manifest.params)
    _check_request(workflow, run)
    run.pauses.allowed = getattr(workflow, "pausable", False)
    try:
        run.limits = tightest(check_limits(run.manifest.limits), options.limits)
    except BadLimit as error:
        raise RunFailed("bad_limit", str(error)) from error
    return made or workflow()


async def _work(run: Run, workflow: Workflow) -> _Outcome:
    try:
        result = await workflow.run(run)
    except RunStopped as stopped:
        return _Outcome("workflow_stopped", {"reason": stopped.reason})
    except (Exception, SystemExit) as error:
        return _failure(run, error)
    return _completed(result, run.output_schema)


def _completed(result: Any, output_schema: dict[str, Any] | None) -> _Outcome:
    """The result has to fit into a line of the stream, or nobody would learn of the end."""
    try:
        size = len(encode({"result": result}))
    except ValueError as error:
        text = f"the workflow's result can't be told: {error}"
        return _Outcome("workflow_failed", {"reason": "bad_result", "error": text})
    if size > MAX_LINE_BYTES // 2:
        text = f"the workflow's result has {size} bytes, too many for a line; put it into a file"
        return _Outcome("workflow_failed", {"reason": "bad_result", "error": text})
    if output_schema is not None:
        from runlog.run.output_schema import misfit

        if why := misfit(output_schema, result):
            text = f"the result does not fit the output_schema, {why}"
            told = {"reason": "bad_output", "error": text, "result": result}
            return _Outcome("workflow_failed", told)
    return _Outcome("workflow_completed", {"result": result})


def _check_request(workflow: type[Workflow], run: Run) -> None:
    if run.earlier is not None and not workflow.resumable:
        raise RunFailed("not_resumable", f"`{run.manifest.workflow}` can't go on after its end")
    # An imported session goes on with what it is told now.
    begins = run.earlier is None
    if workflow.prompt == "required" and not run.prompt and not run.interactive and begins:
        raise RunFailed("bad_params", f"`{run.manifest.workflow}` needs a prompt")
    if run.output_schema is not None and not getattr(workflow, "structured", False):
        told = f"`{run.manifest.workflow}` gives no result by an output_schema"
        raise RunFailed("bad_params", told)
    if run.interactive and not workflow.interactive:
        raise RunFailed("bad_params", f"`{run.manifest.workflow}` can't be interactive")


def _failure(run: Run, error: BaseException) -> _Outcome:
    if isinstance(error, RunFailed):
        reason, text, fields = error.reason, error.error, error.fields
    elif is_no_room(error):
        reason, text, fields = "disk_full", f"the disk is full: {error}", {}
    elif isinstance(error, Unusable):  # its inbox, most likely
        reason, text, fields = BROKEN, str(error), {}
    else:
        traceback.print_exception(error, file=sys.stderr)
        reason, text, fields = "error", f"{type(error).__name__}: {error}", {}
    tail = run.stderr_tail()
    if tail and tail not in text:
        text = f"{text}\n{tail}"
    return _Outcome("workflow_failed", {"reason": reason, "error": text, **fields})


async def _keep_hold(place: "_Place", lock: RunLock, folder: Waiter) -> None:
    """Return when someone has removed the run's folder: nobody could reach the run any more, or end it.

    A `_lock` that was replaced is taken again: others ask the file that is there.

    :raises RunFailed: another process holds that one.
    """
    while not (place.is_gone() and await _is_gone_still(place)):
        try:
            if not lock.keep():
                raise RunFailed("lock_lost", "another process holds the `_lock` that is there now")
        except OSError:
            pass  # no file that can be locked, or no descriptor free: ours is held all the same
        await folder.change()
        await asyncio.sleep(
            _MOMENT_S
        )  # while the stream grows all the time: not at each of its lines


async def _is_gone_still(place: "_Place") -> bool:
    """A file that is replaced is not there for a moment."""
    await asyncio.sleep(_MOMENT_S)
    return place.is_gone()


class _Place:
    """The folder of the run as it was found. Kept open: the number of its inode is given to no other meanwhile."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._fd = os.open(workspace.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def is_gone(self) -> bool:
        """Whether it was removed. Another run may have been made under its id since: its stream is none of ours."""
        try:
            there = os.lstat(self._workspace.path)
            os.lstat(self._workspace.manifest)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False  # a disk with troubles has not lost it
        return not os.path.samestat(there, os.fstat(self._fd))


@contextlib.contextmanager
def _posts_kept_out(workspace: Workspace) -> Iterator[None]:
    """As `inbox_closed`; where somebody else keeps the folder locked, that is who keeps posts out."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(inbox_closed(workspace, _END_WAIT_S))
        except Busy:
            pass
        yield


def _rest_of(inbox: InboxReader, run: Run) -> list[InboxLine | RefusedLine]:
    deadline = time.monotonic() + _END_WAIT_S
    try:
        while True:
            try:
                return inbox.read()
            except Busy:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_MOMENT_S)
    except OSError as error:
        run.log("error", f"the inbox can't be read to its end: {error}")
        return []


async def _read_inbox(run: Run, inbox: InboxReader, stop: asyncio.Event) -> None:
    """Hand on each line as it comes. What has to ask the agent runs beside: nothing there keeps a stop waiting."""
    told = (run.earlier.inbox_offset if run.earlier else None) or 0
    folder = run.wakes.waiter()
    calls: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                lines = inbox.read()
            except Busy:  # somebody has a lease on it, and the kernel takes that from him
                await asyncio.sleep(_MOMENT_S)
                continue
            for line in lines:
                if isinstance(line, RefusedLine):
                    if line.offset <= told:
                        continue  # an earlier attempt has said so
                    run.log("warning", f"inbox line ending at {line.offset} is refused: {line.why}")
                elif line.type == "stop":
                    run.inbox.receipt(line, "completed")
                    stop.set()
                elif line.type in ("answer", "permission"):
                    run.questions.answer(line)
                elif line.type in ("pause", "resume"):
                    run.pauses.take(line)
                elif line.type == "signal":
                    run.signals.put(line)
                elif line.type == "cancel":
                    calls.add(call := asyncio.create_task(run.inbox.cancel(line)))
                    call.add_done_callback(calls.discard)
                else:
                    run.inbox.put(line)
            await folder.change()
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
