"""The CLI, started and connected: for a run, or ahead of one."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...attempt.run import Run
from ...attempt.workflow import Ahead, RunFailed
from .frames import AgentEnded
from .params import ClaudeParams, claude_options, find_cli
from .session import write_launcher

if TYPE_CHECKING:
    from claude_agent_sdk import CanUseTool, ClaudeSDKClient

__all__ = ["Connection", "connect"]


@dataclass(frozen=True, slots=True)
class Connection:
    """:param ended: ends with the CLI, and then raises why."""

    client: "ClaudeSDKClient"
    ended: asyncio.Task[None]


@asynccontextmanager
async def connect(
    run: Run | Ahead, session_id: str | None, ask: "CanUseTool | None"
) -> AsyncIterator[Connection]:
    """:param session_id: of the session to go on with.
    :raises RunFailed: it can't be started with these params.
    :raises ClaudeSDKError: it could not be started, or ended badly.
    """
    from claude_agent_sdk import CanUseToolShadowedWarning, ClaudeSDKClient

    # That allowed tools are not asked about is what our params say they are for.
    warnings.simplefilter("ignore", CanUseToolShadowedWarning)
    params: ClaudeParams = run.params
    cwd = run.files / (params.cwd or "")
    if not cwd.is_dir():
        raise RunFailed("bad_params", f"params.cwd: {cwd} is no directory")
    launcher = write_launcher(run, find_cli(params))
    options = claude_options(run, params, cli=launcher, session_id=session_id, ask=ask)
    async with ClaudeSDKClient(options) as client:
        ended = asyncio.create_task(_drain(client))
        try:
            yield Connection(client, ended)
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)


async def _drain(client: "ClaudeSDKClient") -> None:
    """Take the SDK's typed messages off its queue; their lines are in the stream already."""
    async for _ in client.receive_messages():
        pass
    raise AgentEnded("the Claude CLI ended while the run still needed it")
