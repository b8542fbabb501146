"""The params of the `claude` workflow, and the SDK options they make."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ...attempt.run import Run
from ...attempt.workflow import Ahead, EnvName, Plain, RunFailed

if TYPE_CHECKING:
    from claude_agent_sdk import CanUseTool, ClaudeAgentOptions

__all__ = ["ClaudeParams", "claude_options", "find_cli"]

PermissionMode = Literal["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk", "auto"]

_Number = TypeVar("_Number", int, float)

# The SDK's reader breaks at a line over its buffer (1 MiB unless told). The guard lets through lines of any length.
_SDK_BUFFER_BYTES = 256 * 1024 * 1024


class ClaudeParams(BaseModel):
    """What the Claude Agent SDK can be told, by its own names, and how long people may take to answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"model": "claude-sonnet-5", "allowed_tools": ["Read", "Bash(git log:*)"]}]
        },
    )

    model: Plain | None = Field(default=None, description="Model name or alias; the CLI's default")
    fallback_model: Plain | None = Field(
        default=None, description="Used when the model is overloaded"
    )
    system_prompt: Plain | None = Field(
        default=None, description="Instead of Claude Code's own system prompt"
    )
    append_system_prompt: Plain | None = Field(
        default=None, description="After Claude Code's own system prompt"
    )
    tools: list[Plain] | None = Field(
        default=None, description="The tools there are; null for all, [] for none"
    )
    allowed_tools: list[Plain] = Field(
        default=[], description='Tools that need no permission, e.g. "Read", "Bash(git log:*)"'
    )
    disallowed_tools: list[Plain] = Field(default=[], description="Tools that are never run")
    permission_mode: PermissionMode | None = Field(
        default=None,
        description="What happens with tools that are not allowed. With nobody to ask they are denied",
    )
    ask_permissions: bool | None = Field(
        default=None, description="Ask people for permissions and answers; null: if interactive"
    )
    permission_timeout_s: float = Field(
        default=300, gt=0, le=86400, description="No answer in time denies the tool"
    )
    question_timeout_s: float = Field(
        default=300, gt=0, le=86400, description="No answer in time takes the first option"
    )
    idle_timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=366 * 86400,
        description="An interactive run ends after this long idle. Null: 1800, and never one that can be parked",
    )
    answer_timeout_s: float = Field(
        default=1800,
        gt=0,
        le=7 * 86400,
        description="The run fails when its model is silent for so long",
    )
    max_turns: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Answers of the model to one message at most"
    )
    max_budget_usd: float | None = Field(
        default=None, gt=0, le=1_000_000, description="Cost at most, in USD"
    )
    include_partial_messages: bool = Field(
        default=False, description="Stream text as it is made (`stream_event` lines)"
    )
    mcp_servers: dict[str, dict[str, Any]] = Field(
        default={}, description="MCP servers by name, in the form of the SDK's mcp_servers"
    )
    strict_mcp_config: bool = Field(
        default=True, description="Only those servers, none of the user's"
    )
    cwd: Plain | None = Field(
        default=None, description="Working directory; by default the run's files/, relative to it"
    )
    add_dirs: list[Plain] = Field(default=[], description="More folders the agent may work in")
    setting_sources: list[Literal["user", "project", "local"]] = Field(
        default=[], description="Claude settings files to load; none by default"
    )
    resume_session_id: str | None = Field(
        default=None,
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="Take up an existing session of the Claude CLI",
    )
    fork_session: bool = Field(
        default=False, description="Go on in a copy of that session, under a new id"
    )
    env: dict[EnvName, Plain] = Field(
        default={},
        description="Set in the agent's environment",
        json_schema_extra={"additionalProperties": False},
    )
    cli_path: Plain | None = Field(
        default=None, description="Another Claude CLI than the one that comes with the SDK"
    )


def claude_options(
    run: Run | Ahead,
    params: ClaudeParams,
    *,
    cli: Path,
    session_id: str | None,
    ask: "CanUseTool | None",
) -> "ClaudeAgentOptions":
    """The SDK's options; `session_id` is of the session to go on with, `cli` the program to start."""
    from claude_agent_sdk import ClaudeAgentOptions

    return ClaudeAgentOptions(
        model=params.model,
        fallback_model=params.fallback_model,
        system_prompt=_system_prompt(params),
        tools=params.tools,
        allowed_tools=params.allowed_tools,
        disallowed_tools=params.disallowed_tools,
        permission_mode=params.permission_mode,
        can_use_tool=ask,
        max_turns=_lower(params.max_turns, _turns_left(run)),
        # The CLI tells what a message costs when it is done with it: on the way only it can keep the limit.
        max_budget_usd=_lower(params.max_budget_usd, run.limits.get("cost_usd")),
        include_partial_messages=params.include_partial_messages,
        mcp_servers=params.mcp_servers,  # type: ignore[arg-type]  # checked by the CLI
        strict_mcp_config=params.strict_mcp_config,
        cwd=run.files / (params.cwd or ""),
        add_dirs=[run.files / folder for folder in params.add_dirs],
        setting_sources=list(params.setting_sources),
        resume=session_id,
        fork_session=params.fork_session and session_id == params.resume_session_id,
        env=params.env,
        cli_path=cli,
        output_format=_output_format(run),
        max_buffer_size=_SDK_BUFFER_BYTES,
        # Prompts and messages come back as `user` lines at the moment they are read: the stream is the whole story.
        extra_args={"replay-user-messages": None},
    )


def find_cli(params: ClaudeParams) -> Path:
    """The Claude CLI: the one asked for, the one in the SDK's package, or the one on the PATH.

    :raises RunFailed: `cannot_start`, there is none.
    """
    if params.cli_path is not None:
        chosen = shutil.which(params.cli_path)
        if chosen is None:
            raise RunFailed("cannot_start", f"params.cli_path: {params.cli_path} is no program")
        return Path(chosen).absolute()
    import claude_agent_sdk

    bundled = Path(claude_agent_sdk.__file__).parent / "_bundled" / "claude"
    found = str(bundled) if bundled.is_file() else shutil.which("claude")
    if found is None:
        raise RunFailed(
            "cannot_start",
            "there is no Claude CLI: reinstall claude-agent-sdk, or put `claude` on the PATH",
        )
    return Path(found)


def _output_format(run: Run | Ahead) -> dict[str, Any] | None:
    schema = run.output_schema
    return None if schema is None else {"type": "json_schema", "schema": schema}


def _turns_left(run: Run | Ahead) -> int | None:
    limit = run.limits.get("turns")
    if limit is None:
        return None
    earlier = run.earlier if isinstance(run, Run) else None
    return max(1, int(limit) - (earlier.turns if earlier else 0))


def _lower(one: _Number | None, other: _Number | None) -> _Number | None:
    return min((number for number in (one, other) if number is not None), default=None)


def _system_prompt(params: ClaudeParams) -> Any:
    if params.system_prompt is not None:
        parts = [params.system_prompt, params.append_system_prompt]
        return "\n\n".join(part for part in parts if part)
    preset = {"type": "preset", "preset": "claude_code"}
    if params.append_system_prompt:
        preset["append"] = params.append_system_prompt
    return preset
