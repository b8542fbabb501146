"""Claude by the real Agent SDK and its CLI. The CLI's own lines are the stream, written by the guard as they are.

A message of the inbox goes to the CLI under its own id, and the CLI's `command_lifecycle` frames of that id become
its receipts. docs/claude.md says what was measured of the CLI.
"""

import asyncio
import collections
import math
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from runlog import Event, InboxLine, RunState
from runlog.run.reasons import finish_reason
from runlog.run.voice import local_command
from runlog.sessions.place import config_folder, has_session

from ...attempt.run import Run
from ...attempt.workflow import Ahead, RunFailed, RunStopped
from .asker import asker_of
from .carried import carried
from .connection import Connection, connect
from .environment import process_as_claude
from .frames import AgentEnded, follow_frames, prompt_was_read
from .params import ClaudeParams
from .session import import_session, with_history
from .silence import Silence

if TYPE_CHECKING:
    from claude_agent_sdk import (
        ClaudeSDKClient,
        PermissionResultAllow,
        PermissionResultDeny,
        ToolPermissionContext,
    )

__all__ = ["Claude"]

_CONTROL_S = (
    10.0  # the CLI answers a control request in 20 ms; one that does not in 10 s never will
)
_IDLE_CHECK_S = 1.0

# The SDK's words for "its stderr went elsewhere"; ours adds what it was.
_PLACEHOLDER = "\nError output: Check stderr output for details"


class Claude:
    """Run Claude Code on a prompt, by the Claude Agent SDK: one-shot, or `interactive` and kept open for messages."""

    Params: ClassVar[type[BaseModel]] = ClaudeParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "required"
    interactive: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    structured: ClassVar[bool] = True
    imports: ClassVar[tuple[str, ...]] = ("claude_agent_sdk",)  # 0.75 to 1.2 s

    def __init__(self) -> None:
        self._ahead: tuple[_Conversation, Connection, AsyncExitStack] | None = None

    @classmethod
    def can_prepare(cls, params: ClaudeParams) -> bool:
        # The CLI reads at its start what stands in a folder of others, and in a session.
        return not (params.cwd or params.setting_sources or params.resume_session_id)

    @asynccontextmanager
    async def prepare(self, ahead: Ahead) -> AsyncIterator[asyncio.Task[None]]:
        conversation = _Conversation(ahead.params)
        async with AsyncExitStack() as opened:
            opened.enter_context(process_as_claude(ahead.workspace))
            ask = conversation.ask if self._asks(ahead) else None
            connection = await opened.enter_async_context(connect(ahead, None, ask))
            self._ahead = conversation, connection, opened
            yield connection.ended

    async def run(self, run: Run) -> Any:
        params = run.params = carried(run, run.params)
        if self._ahead is not None:
            conversation, connection, opened = self._ahead
            if await _answers(connection):
                return await conversation.hold(run, _left_by(opened, connection), None)
            await opened.aclose()  # nothing was said to it yet
        conversation = _Conversation(params)
        if run.taken_up and run.parking.is_over and not run.inbox.has_more():
            return conversation.outcome(run)  # nobody came in time: no need of the CLI
        with process_as_claude(run.workspace) as environment:
            session_id = run.earlier.session_id if run.earlier else None
            config = config_folder(environment)
            if session_id and not has_session(config, session_id):
                session_id = (
                    None  # killed before the CLI wrote anything: begin anew, with the prompt
                )
            if session_id is None and params.resume_session_id:
                session_id = params.resume_session_id
                import_session(run, session_id, config)
            ask = conversation.ask if self._asks(run) else None
            return await conversation.hold(run, connect(run, session_id, ask), session_id)

    def _asks(self, run: Run | Ahead) -> bool:
        params: ClaudeParams = run.params
        return run.interactive if params.ask_permissions is None else params.ask_permissions


class _Conversation:
    """One session of the CLI, from its first prompt to its last turn.

    `_sent` are the messages that the CLI has and has not done with; `_held` those that wait for a turn of their own.
    """

    def __init__(self, params: ClaudeParams) -> None:
        self._run: Run  # there from `hold` on: before, the CLI has nothing to ask
        self._params = params
        self._client: ClaudeSDKClient
        self._silence: Silence
        self._sent: dict[str, InboxLine | None] = {}
        self._known: set[str] = set()  # ids of which the CLI has said anything
        self._held: collections.deque[InboxLine] = collections.deque()
        self._unheard: list[Any] = []  # of the chat before the run: told with the first message
        self._busy = False
        self._idle = asyncio.Event()
        self._idle_until = math.inf  # by the monotonic clock
        self._background: set[str] = set()  # tasks that would end with the CLI
        self._last_result: Event | None = None
        self._last_reason = "completed"
        self._controlled = False  # the CLI is told something that it has not answered
        self._began = False  # the CLI has told its session
        # Folds what the CLI says of itself: which turn it is. The lines are those of `frames`, so no more is known.
        self._turns = RunState()
        self._done = asyncio.Event()

    async def hold(
        self, run: Run, opened: AbstractAsyncContextManager[Connection], session_id: str | None
    ) -> Any:
        """:param opened: the connection, which is closed at the end."""
        from claude_agent_sdk import ClaudeSDKError

        self._run = run
        self._silence = Silence(run.workspace.stream, self._params.answer_timeout_s)
        if run.earlier is not None:
            self._turns = run.earlier.copy()
        start = run.workspace.stream.stat().st_size
        run.tells_turns = True
        run.inbox.recall = self._recall
        run.on_stop = self._end_turn
        run.parking.busy.append(lambda: self._controlled or bool(self._background))
        try:
            async with opened as connection:
                self._client = connection.client
                await self._converse(start, session_id, connection.ended)
        except (ClaudeSDKError, AgentEnded) as error:
            code = getattr(error, "exit_code", None)
            fields = {} if code is None else {"exit_code": code}
            reason = "agent_exit" if self._began else "cannot_start"
            raise RunFailed(reason, str(error).replace(_PLACEHOLDER, ""), **fields) from error
        return self.outcome(run)

    async def _converse(
        self, start: int, session_id: str | None, ended: asyncio.Task[None]
    ) -> None:
        run = self._run
        prompt_id = f"prompt-{run.run_id}"
        goes_on = session_id is not None and run.earlier is not None
        heard = goes_on and (not run.prompt or prompt_was_read(run.workspace, prompt_id))
        if not heard:
            self._unheard = run.manifest.chat_history
        if run.prompt and not heard:
            await self._send(prompt_id, run.prompt, run.take_prompt())
        elif run.interactive:
            await self._settle()  # else a message is on its way, that asked the run to go on
        parts: list[Coroutine[Any, Any, None]] = [
            self._follow(start),
            self._take_messages(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        ending = asyncio.create_task(self._done.wait())
        try:
            while not ending.done() and not self._idle_too_long():
                done, _ = await asyncio.wait(
                    [ended, *tasks, ending],
                    timeout=_IDLE_CHECK_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    task.result()
                if self._silence.is_too_long() and run.awaits_model():
                    told = f"the model has not answered for {self._params.answer_timeout_s:g} s"
                    raise RunFailed("no_answer", told)
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _follow(self, start: int) -> None:
        async for frame in follow_frames(self._run.workspace, start, self._run.wakes.waiter()):
            kind = frame.get("type")
            self._turns.apply(frame, 0)
            if kind == "command_lifecycle":
                self._on_lifecycle(str(frame.get("command_uuid")), frame.get("state"))
            elif kind == "result":
                self._on_result(frame)
                self._run.sync()  # the guard wrote it; a turn that is told as done stays done
                if frame.get("api_error_status") in (401, 403):
                    self._done.set()  # no message will mend it
            elif kind == "user":
                self._on_replay(str(frame.get("uuid")))
            elif kind == "system" and frame.get("subtype") == "init":
                self._began = True
            elif kind == "system" and str(frame.get("subtype")).startswith("task_"):
                self._on_task(frame)
            elif kind == "system":
                self._busy = frame.get("state") != "idle"
            await self._settle()

    def _on_task(self, frame: Event) -> None:
        task = str(frame.get("task_id"))
        if frame.get("subtype") == "task_started":
            self._background.add(task)
        elif frame.get("subtype") == "task_notification":
            self._background.discard(task)

    def _on_lifecycle(self, message_id: str, state: object) -> None:
        self._known.add(message_id)
        line = self._sent.get(message_id)
        if state == "started" and line is not None:
            self._run.inbox.receipt(line, "delivered")
        elif state in ("completed", "cancelled") and message_id in self._sent:
            del self._sent[message_id]
            if line is not None:
                cut = {"reason": "its turn was cut short"} if state == "cancelled" else {}
                self._run.inbox.receipt(line, "completed", **cut)

    def _on_result(self, result: Event) -> None:
        self._last_result, self._last_reason = result, finish_reason(result)
        turn = self._turns.turn
        if local_command(result) is None and turn is not None:
            self._last_reason = turn.finish_reason or self._last_reason
            self._run.tell_turn(turn, self._last_reason)

    def _on_replay(self, message_id: str) -> None:
        # An id that the session has read in an earlier life comes back at once, without a lifecycle of its own.
        if message_id in self._sent and message_id not in self._known:
            line = self._sent.pop(message_id)
            if line is not None:
                self._run.inbox.receipt(line, "completed", reason="an earlier attempt had read it")

    async def _settle(self) -> None:
        """Between two turns: give the next held message its turn, or see that the work is done."""
        if self._busy or self._sent:
            self._idle.clear()
            self._run.parking.go_on()
            return
        first = not self._idle.is_set()
        self._idle.set()
        if self._held and not self._run.stopping.is_set():
            line = self._held.popleft()
            await self._send(line.id, line.content, line)
        elif not self._run.interactive:
            self._done.set()
        elif first:
            run, idle_s = self._run, self._run.idle_s(self._params.idle_timeout_s)
            run.progress(status="waiting", message="waiting for a message")
            self._idle_until = time.monotonic() + run.parking.rest(idle_s)

    async def _send(
        self, message_id: str, content: str | list[Any], line: InboxLine | None
    ) -> None:
        self._sent[message_id] = line
        self._busy = True
        self._idle.clear()
        self._run.parking.go_on()
        content, self._unheard = with_history(self._unheard, content), []

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield {
                "type": "user",
                "message": {"role": "user", "content": content},
                "parent_tool_use_id": None,
                "uuid": message_id,
            }

        await self._client.query(one())

    async def _take_messages(self) -> None:
        while True:
            line = await self._run.inbox.get()
            if line.type == "message":
                await self._take(line)
            else:
                self._controlled = True
                await self._control(line)
                self._controlled = False

    async def _take(self, line: InboxLine) -> None:
        if line.delivery == "queue" and (self._busy or self._sent or self._held):
            self._held.append(line)
            return
        if line.delivery == "interrupt" and self._busy:
            self._sent[line.id] = (
                line  # first, so that the end of this turn is not the end of the run
            )
            await asyncio.wait_for(self._client.interrupt(), _CONTROL_S)
        if not self._run.stopping.is_set():
            await self._send(line.id, line.content, line)

    async def _control(self, line: InboxLine) -> None:
        inbox = self._run.inbox
        try:
            async with asyncio.timeout(_CONTROL_S):
                if line.type == "interrupt":
                    if not self._busy:
                        inbox.receipt(line, "dropped", reason="no turn is running")
                        return
                    await self._client.interrupt()
                elif line.type == "set_model":
                    await self._client.set_model(line.body.get("model"))
                elif line.type == "set_permission_mode":
                    await self._client.set_permission_mode(line.body["mode"])
                else:
                    inbox.receipt(
                        line, "dropped", reason=f"a claude run can't be told to {line.type}"
                    )
                    return
        except Exception as error:
            inbox.receipt(line, "dropped", reason=str(error) or repr(error))
            return
        inbox.receipt(line, "completed")

    async def _recall(self, line: InboxLine) -> bool:
        if line in self._held:
            self._held.remove(line)
            return True
        if line.id not in self._sent:
            return False  # done with, or asked for already
        sent = self._sent.pop(line.id)  # first: its `cancelled` frame comes before the answer
        # No public method of the SDK asks for this (0.2.186); the test of cancelling holds the name.
        taken_back = False
        try:
            answer = await self._client._query._send_control_request(  # type: ignore[union-attr]
                {"subtype": "cancel_async_message", "message_uuid": line.id}
            )
            taken_back = bool(answer.get("cancelled"))
        finally:
            if not taken_back:
                self._sent[line.id] = sent
        if taken_back:
            await self._settle()
        return taken_back

    async def _end_turn(self) -> None:
        if self._busy:
            await self._client.interrupt()
            await self._idle.wait()

    def _idle_too_long(self) -> bool:
        quiet = not (self._busy or self._sent or self._held)
        return self._run.interactive and quiet and time.monotonic() > self._idle_until

    def outcome(self, run: Run) -> Any:
        """What the last turn came to. :raises RunFailed: it failed. `RunStopped`: it was interrupted."""
        last = self._last_result
        if last is None and run.earlier and run.taken_up and (told := run.earlier_events("result")):
            last, turn = told[-1], run.earlier.turn
            self._last_reason = (turn and turn.finish_reason) or finish_reason(last)
        if last is None:
            return None
        reason = self._last_reason
        if reason == "interrupted":
            raise RunStopped("interrupt")
        if reason != "completed":
            errors = last.get("errors")
            text = last.get("result") or "; ".join(map(str, errors or [reason]))
            raise RunFailed(reason, str(text))
        if self._run.output_schema is None:
            return last.get("result")
        if "structured_output" not in last:
            text = "Claude gave a text in place of an output that fits the output_schema"
            raise RunFailed("bad_output", text, result=last.get("result"))
        return last["structured_output"]

    async def ask(
        self, tool_name: str, tool_input: dict[str, Any], context: "ToolPermissionContext"
    ) -> "PermissionResultAllow | PermissionResultDeny":
        from claude_agent_sdk import PermissionResultAllow, PermissionResultDeny, PermissionUpdate

        asker = asker_of(self._run.workspace, tool_name, tool_input, context)
        if tool_name == "AskUserQuestion":
            answers = await self._run.questions.ask(
                tool_input["questions"],
                smart_defaults=_first_options(tool_input["questions"]),
                timeout_s=self._params.question_timeout_s,
                asker=asker,
            )
            given = {question: _as_text(answer) for question, answer in answers.items()}
            return PermissionResultAllow(updated_input={**tool_input, "answers": given})
        decided = await self._run.questions.permission(
            tool_name,
            tool_input,
            [suggestion.to_dict() for suggestion in context.suggestions],
            self._params.permission_timeout_s,
            asker,
        )
        if decided["decision"] == "allow":
            taken_up = decided.get("updated_permissions") or []
            changed = decided.get("updated_input")
            return PermissionResultAllow(
                updated_input=tool_input if changed is None else changed,
                updated_permissions=[PermissionUpdate.from_dict(update) for update in taken_up],
            )
        return PermissionResultDeny(message=decided.get("message") or "a person said no")


async def _answers(connection: Connection) -> bool:
    """Whether a CLI that has waited is alive: that it ended may not have been heard yet."""
    asking = asyncio.create_task(connection.client.get_mcp_status())
    await asyncio.wait(
        {asking, connection.ended}, timeout=_CONTROL_S, return_when=asyncio.FIRST_COMPLETED
    )
    asking.cancel()
    await asyncio.wait({asking})
    return not (asking.cancelled() or asking.exception())


@asynccontextmanager
async def _left_by(opened: AsyncExitStack, connection: Connection) -> AsyncIterator[Connection]:
    """A connection that was opened before, with all that was opened for it."""
    async with opened.pop_all():
        yield connection


def _first_options(questions: list[dict[str, Any]]) -> dict[str, str]:
    return {
        question["question"]: question["options"][0]["label"]
        for question in questions
        if question.get("options")
    }


def _as_text(answer: Any) -> str:
    return ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
