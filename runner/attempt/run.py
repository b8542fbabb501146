"""The `Run` object: all that a workflow sees of the run it is."""

import asyncio
import collections
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from runlog import Event, InboxLine, Manifest, RunState, Workspace
from runlog.disk.read import read_tail
from runlog.disk.records import from_iso
from runlog.groups.dependencies import in_order
from runlog.run.planned import MAX_STEPS
from runlog.run.published import faults_of_fields
from runlog.run.state import Turn
from runlog.run.vouch import is_vouched
from runlog.run.words import PROMPT_ID

from .parking import Parking
from .pauses import Pauses
from .questions import Questions
from .signals import Signals
from .stream import RunStream
from .wakes import FolderWakes

__all__ = ["Inbox", "Run"]

Level = Literal["debug", "info", "warning", "error"]

# So long a run that keeps its process waits for the next message, unless it is told.
_IDLE_S = 1800.0
# How long an agent may take to give a message back.
_RECALL_S = 10.0


class Run:
    """One attempt of a run.

    `params` are checked; `earlier` is the state that the attempts before this one left (None for the first);
    the run process ends it when it passes one of `limits`. `taken_up`: it was parked, and goes on with this process.
    """

    def __init__(
        self,
        workspace: Workspace,
        manifest: Manifest,
        *,
        params: Any,
        attempt: int,
        earlier: RunState | None,
        grace_s: float,
        park_after_s: float = 0.0,
        taken_up: bool = False,
    ) -> None:
        self.workspace = workspace
        self.manifest = manifest
        self.run_id = manifest.run_id
        self.params = params
        self.prompt = manifest.prompt
        self.interactive = manifest.interactive
        # JSON Schema that the result has to fit; None unless the workflow is `structured`.
        self.output_schema = manifest.output_schema
        self.attempt = attempt
        self.earlier = earlier
        self.grace_s = grace_s
        self.limits: Mapping[str, float] = {}
        self.taken_up = taken_up
        self.wakes = FolderWakes(workspace.path)
        self.stream = RunStream(workspace)
        self.inbox = Inbox(self.stream)
        self.pauses = Pauses(self.stream, manifest.workflow)
        self.signals = Signals(self.stream, manifest.workflow)
        # What the workflow has published, over all attempts: change it by `publish`.
        self.fields: Mapping[str, Any] = dict(earlier.published) if earlier else {}
        self.questions = Questions(
            self.stream,
            partial(is_vouched, workspace),
            asked_before=earlier is not None,
            keeps_time=taken_up,
        )
        left_s = _seconds_until(earlier.parked_until) if earlier and taken_up else None
        self.parking = Parking(park_after_s, left_s)
        self.parking.busy += [
            self.inbox.has_more,
            self.signals.has_more,
            self.questions.has_answer,
            lambda: self.pauses.on or self.stopping.is_set(),
        ]
        # Set when the run is to stop: a workflow with `graceful_stop` then ends by itself, and its result counts.
        self.stopping = asyncio.Event()
        # Asked of the workflow before it is cancelled on stop: end the agent's turn so that its last words are told.
        self.on_stop: Callable[[], Awaitable[None]] | None = None
        # The turn as the stream tells it now; the run process knows.
        self.turn: Callable[[], Turn | None] = lambda: None
        self.awaits_model: Callable[[], bool] = lambda: False
        # A workflow that tells each end of a turn sets this: then the end of the run tells that of the last.
        self.tells_turns = False

    @property
    def files(self) -> Path:
        """The agent's working directory."""
        return self.workspace.files

    @property
    def paused(self) -> bool:
        """Whether a person has paused the run. One that is to stop is paused no longer."""
        return self.pauses.asked and not self.stopping.is_set()

    async def unpaused(self) -> None:
        """Wait while the run is paused; at once if it is not. For the safe points of a `pausable` workflow."""
        await self.pauses.over()

    def idle_s(self, given_s: float | None) -> float:
        """How long an interactive run may wait for a message: what is given, or as long as that costs nothing."""
        if given_s is not None:
            return given_s
        return math.inf if self.parking.after_s > 0 else _IDLE_S

    @contextlib.contextmanager
    def resting(self, until_s: float = math.inf) -> Iterator[float]:
        """Say that the run waits for a person while the block runs: after a while it may be parked.

        Then the block is cancelled, and the process ends; what comes for the run starts the next one, which begins
        the workflow anew (`earlier` is its state, `taken_up`). So rest where nothing is lost by that, and ask with a
        `question_id` that is the same each time.

        :param until_s: after so long the workflow goes on by itself. The block gets what is left of that.
        """
        left_s = self.parking.rest(until_s)
        try:
            yield left_s
        finally:
            self.parking.go_on()

    def earlier_events(self, *event_types: str) -> list[Event]:
        """The events of these types that earlier attempts have left, in order; reads the stream in this thread."""
        return [] if self.earlier is None else self.stream.earlier_events(*event_types)

    def emit(self, event_type: str, /, **fields: Any) -> int:
        """Append an event of ours to the stream and return the offset after it.

        :raises ValueError: a field holds what JSON cannot say.
        """
        return self.stream.emit(event_type, **fields)

    def append(self, lines: bytes, *, sync: bool = False) -> int:
        """Append whole lines as they are (an agent's own); returns the offset after them."""
        return self.stream.append(lines, sync=sync)

    def sync(self) -> None:
        """Bring the stream onto the disk, whoever wrote it."""
        self.stream.sync()

    def progress(
        self,
        progress: float | None = None,
        message: str | None = None,
        status: str | None = None,
        **counts: Any,
    ) -> int:
        """Say how far the work is: `progress` 0 to 100, a `message` for people, and what the workflow counts."""
        told = {"progress": progress, "message": message, "status": status}
        return self.emit(
            "progress_update", **{k: v for k, v in told.items() if v is not None}, **counts
        )

    def publish(self, **fields: Any) -> int:
        """Tell fields of the run, which show in its state, in listings and in the stream; None takes one away.

        `fields` has them all, those of earlier attempts too: so a run that goes on after a kill knows them.

        :raises ValueError: they would be more than 32, over 8 Ki characters of JSON, or have no good name.
        """
        now = {**self.fields, **fields}
        now = {name: value for name, value in now.items() if value is not None}
        if faults := faults_of_fields(now):
            raise ValueError("; ".join(faults))
        offset = self.emit("fields_published", fields=fields)
        self.fields = now
        return offset

    def plan(self, steps: Iterable[Mapping[str, Any] | str]) -> None:
        """Tell the steps that are to be done, so that what remains shows everywhere. A later plan replaces it.

        :param steps: each an `id`, or an object with `id`, and perhaps `name` and `depends_on` (ids). A
            `node_started` … or `task_started` … event tells of one by its id.
        :raises ValueError: an id comes twice, a step waits for none of them or for itself, or they are over 500.
        """
        told = [{"id": step} if isinstance(step, str) else dict(step) for step in steps]
        if len(told) > MAX_STEPS:
            raise ValueError(f"a plan has at most {MAX_STEPS} steps, not {len(told)}")
        in_order((step["id"], step.get("depends_on", [])) for step in told)
        before = self.earlier.steps.values() if self.earlier else ()
        if [_key(step.as_json()) for step in before] != [_key(step) for step in told]:
            self.emit("steps_planned", steps=told)

    def log(self, level: Level, message: str, **data: Any) -> int:
        return self.emit("log", level=level, message=message, **({"data": data} if data else {}))

    async def ask(
        self,
        questions: list[dict[str, Any]],
        *,
        smart_defaults: dict[str, Any] | None = None,
        timeout_s: float = 300.0,
        question_id: str | None = None,
    ) -> dict[str, Any]:
        """Ask a person; returns the answers, question -> label or free text.

        The time that is left is told (`countdown_tick`): each ten seconds, and each of the last ten.

        :param questions: of the shape of Claude's AskUserQuestion: `question`, `header`, `options`, `multiSelect`.
        :param smart_defaults: the answers that count when nobody answers in time.
        :param question_id: made if not given. With that of a question that an earlier attempt left open, an answer
            posted meanwhile counts.
        """
        return await self.questions.ask(questions, smart_defaults or {}, timeout_s, question_id)

    def take_prompt(self) -> InboxLine:
        """The prompt as the first message, with receipts like any; the agent is about to get it."""
        line = InboxLine(0, f"{PROMPT_ID}{self.run_id}", "message", {"content": self.prompt})
        self.inbox.expect(line)
        return line

    def end_turn(self, finish_reason: str = "completed") -> None:
        """Tell that the running turn is over, and how; nothing if none is running.

        For agents whose lines do not say it: a `result` line ends a turn by itself.
        """
        turn = self.turn()
        if turn is not None and turn.running:
            self.tell_turn(turn, finish_reason)

    def tell_turn(self, turn: Turn, finish_reason: str) -> None:
        """Write the `turn_ended` line."""
        told = {"turn": turn.number, "finish_reason": finish_reason}
        self.emit("turn_ended", **told, message_id=turn.message_id)

    def stderr_tail(self, max_bytes: int = 2000) -> str:
        """The last of `_stderr.log`."""
        return stderr_tail(self.workspace, max_bytes)

    def close(self) -> None:
        self.stream.close()
        self.wakes.close()


class Inbox:
    """Messages and commands for the workflow, in order. Those about questions, stop and cancel come elsewhere.

    The workflow tells by `receipt` what it did with a line; what is left at the end is `dropped`.
    """

    def __init__(self, stream: RunStream) -> None:
        self._stream = stream
        self._lines: collections.deque[InboxLine] = collections.deque()
        self._arrived = asyncio.Event()
        self._open: dict[str, InboxLine] = {}  # messages that are queued, here or in the agent
        self._recalling = asyncio.Lock()  # one at a time: two may name the same message
        self._closed = ""  # why nothing is taken any more
        # A workflow that hands messages on before they are read sets this: takes one back, or returns False.
        self.recall: Callable[[InboxLine], Awaitable[bool]] | None = None

    def put(self, line: InboxLine) -> None:
        if self._closed:
            self.receipt(line, "dropped", reason=self._closed)
            return
        self._lines.append(line)
        if line.type == "message":
            self.expect(line)
        self._arrived.set()

    def expect(self, line: InboxLine) -> None:
        """From now on a message has receipts, the last of them at the end of the run."""
        self._open[line.id] = line
        self.receipt(line, "queued")

    def has_more(self) -> bool:
        """Whether a line is here that is not done with."""
        return bool(self._lines or self._open or self._recalling.locked())

    async def get(self) -> InboxLine:
        """The next line; waits until there is one."""
        while not self._lines:
            self._arrived.clear()
            await self._arrived.wait()
        return self._lines.popleft()

    async def decline(self, reason: str) -> None:
        """For a workflow that takes no messages: drop each as it comes, but one that asked the run to go on.

        Without end: run it as a task beside the work.
        """
        while True:
            line = await self.get()
            if line.body.get("resume") is True:
                self.receipt(line, "completed")
            else:
                self.receipt(line, "dropped", reason=reason)

    def receipt(self, line: InboxLine, state: str, **fields: Any) -> None:
        """Write a `message_received` line; `state` is queued, delivered, completed or dropped."""
        if state != "queued":
            self._open.pop(line.id, None)
        self._stream.receipt(line, state, **fields)

    async def cancel(self, line: InboxLine) -> None:
        """Take back the message that `line` names, if it was not delivered yet. Asks the agent, if that has it."""
        why = "the run ended"
        try:
            async with self._recalling:
                why = await self._take_back(line.body["message_id"])
        except Exception as error:  # the agent's, or that of the SDK
            why = f"the agent could not be asked: {type(error).__name__}: {error}"
        finally:
            if why:
                self.receipt(line, "dropped", reason=why)
            else:
                self.receipt(line, "completed")

    async def close(self, reason: str) -> None:
        """Drop what is still queued, here or in the agent, and from now on all that comes.

        What the agent has read, or does not give back, goes its way; the caller bounds the time.
        """
        self._closed = reason
        for line in self._lines:
            self.receipt(line, "dropped", reason=reason)
        self._lines.clear()
        if self.recall is not None:
            await asyncio.gather(*map(self._give_up, list(self._open.values())))

    async def _give_up(self, line: InboxLine) -> None:
        if self.recall is not None and await self.recall(line):
            self.receipt(line, "dropped", reason=self._closed)

    async def _take_back(self, message_id: str) -> str:
        """Why it can't be; empty if it was."""
        target = self._open.get(message_id)
        if target is None:
            return "that message is not queued any more"
        if target in self._lines:
            self._lines.remove(target)
        elif self.recall is None:
            return "that message was delivered meanwhile"
        else:
            try:
                async with asyncio.timeout(_RECALL_S):
                    if not await self.recall(target):
                        return "that message was delivered meanwhile"
            except TimeoutError:
                return f"the agent did not answer within {_RECALL_S:g} s"
        self.receipt(target, "dropped", reason="cancelled")
        return ""

    def drop_all(self, reason: str, proved: Mapping[str, str]) -> None:
        """Tell of everything that was never taken. A reason given to `close` goes before this one.

        :param proved: what the agent's own lines say of messages: those that it has read are `completed`.
        """
        for key in proved.keys() & self._open.keys():
            if proved[key] != "dropped":
                self.receipt(self._open[key], "completed", reason="its turn was cut short")
        for line in [*self._open.values(), *(li for li in self._lines if li.type != "message")]:
            self.receipt(line, "dropped", reason=self._closed or reason)
        self._lines.clear()


def _key(step: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    return step["id"], step.get("name") or step["id"], list(step.get("depends_on", ()))


def _seconds_until(time: str | None) -> float | None:
    """From now to an ISO time, 0 if it is over; None for none."""
    moment = from_iso(time)
    return None if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())


def stderr_tail(workspace: Workspace, max_bytes: int = 2000) -> str:
    """The last of what a run's processes wrote on their standard error, as text."""
    try:
        return read_tail(workspace.stderr, max_bytes).decode(errors="replace").strip()
    except OSError:
        return ""
