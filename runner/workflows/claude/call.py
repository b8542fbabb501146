"""One-shot calls of Claude for workflows of many steps: a prompt in, a text out, each a session of its own.

The CLI's lines go into the run's stream as they are, of all calls in one. `session_id` tells them apart (`on_session`
is told it), and the state sums the cost per session.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ...attempt.run import Run
from ...attempt.workflow import Plain
from ...keeper.tree import TreeSurvived, end_marked
from .environment import process_as_claude
from .params import ClaudeParams, PermissionMode, claude_options, find_cli
from .session import write_launcher

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, ResultMessage

__all__ = ["CallFailed", "CallParams", "ClaudeCaller", "claude_caller"]

# Every process of one call carries it, so that a call that took too long is ended with what it started.
_CALL_MARK = "TAILCAST_CALL"
# The SDK may take ten seconds to close a CLI that is dead already; nobody waits for it.
_CLOSE_S = 2.0
# A repeat would fail like the first.
_FINAL = frozenset({400, 401, 403, 404, 413})


class CallParams(BaseModel):
    """What all calls of a workflow share."""

    model_config = ConfigDict(extra="forbid")

    model: Plain | None = Field(default=None, description="Model name or alias; the CLI's default")
    allowed_tools: list[Plain] = Field(
        default=[], description='Tools that need no permission, e.g. "Read", "WebSearch"'
    )
    disallowed_tools: list[Plain] = Field(default=[], description="Tools that are never run")
    permission_mode: PermissionMode | None = Field(
        default=None, description="What happens with tools that are not allowed: denied by default"
    )
    max_turns: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Model calls in one step at most"
    )
    max_budget_usd: float | None = Field(
        default=None, gt=0, le=1_000_000, description="Cost of one step at most, in USD"
    )


class CallFailed(Exception):
    """A call gave no answer.

    :param reason: `timeout`, `agent_exit`, or the word of Claude's result, such as `max_turns`.
    :param final: a repeat would fail too.
    """

    def __init__(self, reason: str, error: str, *, final: bool = False) -> None:
        super().__init__(f"{reason}: {error}")
        self.reason = reason
        self.error = error
        self.final = final


@contextmanager
def claude_caller(run: Run, params: CallParams) -> Iterator["ClaudeCaller"]:
    """What calls Claude while the block runs. The environment of this process becomes the agents'.

    :raises RunFailed: there is no Claude CLI.
    """
    with process_as_claude(run.workspace):
        named = CallParams.model_fields
        claude = ClaudeParams(**{name: getattr(params, name) for name in named})
        yield ClaudeCaller(run, claude, write_launcher(run, find_cli(claude)))


class ClaudeCaller:
    """Calls may run side by side; each is a process of some 250 MB."""

    def __init__(self, run: Run, params: ClaudeParams, cli: Path) -> None:
        self._run = run
        self._params = params
        self._cli = cli

    async def ask(
        self,
        prompt: str,
        *,
        system_prompt: str | None = None,
        timeout_s: float,
        on_session: Callable[[str], Any] = lambda session_id: None,
    ) -> str:
        """The text of Claude's answer.

        When this is cancelled it lets go at once: the processes of the call are ended with those of the run.

        :param system_prompt: comes after Claude Code's own.
        :param on_session: told the session's id once the CLI has one.
        :raises CallFailed: no answer in time, or an error in its place.
        """
        call = secrets.token_hex(8)
        params = self._params.model_copy(update={"append_system_prompt": system_prompt})
        options = claude_options(self._run, params, cli=self._cli, session_id=None, ask=None)
        options = replace(options, env={_CALL_MARK: call})
        asking = asyncio.create_task(_converse(prompt, options, on_session))
        try:
            await asyncio.wait({asking}, timeout=timeout_s)
        except asyncio.CancelledError:
            asking.cancel()
            asking.add_done_callback(_forget)
            raise
        if not asking.done():
            await self._end(call)
            asking.cancel()
            asking.add_done_callback(_forget)
            await asyncio.wait({asking}, timeout=_CLOSE_S)
            raise CallFailed("timeout", f"no answer within {timeout_s:g} s")
        return _text_of(asking.result())

    async def _end(self, call: str) -> None:
        mark = f"{_CALL_MARK}={call}".encode()
        try:
            await asyncio.to_thread(end_marked, mark, self._run.grace_s)
        except TreeSurvived as error:
            self._run.log("error", str(error))


async def _converse(
    prompt: str, options: "ClaudeAgentOptions", on_session: Callable[[str], Any]
) -> "ResultMessage":
    from claude_agent_sdk import ResultMessage, SystemMessage, query

    last: ResultMessage | None = None
    try:
        async for message in query(prompt=prompt, options=options):
            if isinstance(message, SystemMessage) and message.subtype == "init":
                on_session(str(message.data.get("session_id")))
            elif isinstance(message, ResultMessage):
                last = message
    except Exception as error:
        # After a result with an error the SDK raises too; the result tells more.
        if last is None:
            raise CallFailed("agent_exit", str(error)) from error
    if last is None:
        raise CallFailed("agent_exit", "the Claude CLI ended without a result")
    return last


def _forget(ended: asyncio.Future[Any]) -> None:
    # How a call ends that nobody waits for any more is no news; asyncio would log it.
    if not ended.cancelled():
        ended.exception()


def _text_of(result: "ResultMessage") -> str:
    if not result.is_error and isinstance(result.result, str):
        return result.result
    status, terminal = result.api_error_status, result.terminal_reason
    reason = terminal if terminal not in (None, "completed") else result.subtype
    if status in (401, 403):
        reason = "authentication"
    text = result.result or "; ".join(result.errors or []) or str(reason)
    raise CallFailed(
        str(reason) if reason != "success" else "api_error", text, final=status in _FINAL
    )
