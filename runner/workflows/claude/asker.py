"""Who asks a person for a permission or an answer: the call, the agent, and what the CLI says of the request."""

from typing import TYPE_CHECKING, Any

from runlog import Event, LogFile, Workspace
from runlog.disk.tail import records_of
from runlog.run.values import blocks_of

if TYPE_CHECKING:
    from claude_agent_sdk import ToolPermissionContext

__all__ = ["asker_of"]

_PLAN_TOOL = "ExitPlanMode"
# The line of the call is among the last: what came after it is of tools that run at the same time.
_CALL_WITHIN_BYTES = 16 * 1024 * 1024


def asker_of(
    workspace: Workspace, tool_name: str, tool_input: Event, context: "ToolPermissionContext"
) -> Event:
    """What `permission_requested` and `questions_presented` tell of it, as far as it is known."""
    if tool_name == "AskUserQuestion":
        told: Event = {"tool_use_id": context.tool_use_id, "agent_id": context.agent_id}
    else:
        told = {
            "tool_use_id": context.tool_use_id,
            "agent_id": context.agent_id,
            "title": context.title,
            "description": context.description,
            "reason": context.decision_reason,
            "blocked_path": context.blocked_path,
        }
    if tool_name == _PLAN_TOOL:
        told["plan"] = _plan(workspace, tool_input, context.tool_use_id)
    return {name: value for name, value in told.items() if isinstance(value, str) and value}


def _plan(workspace: Workspace, tool_input: Event, call_id: str | None) -> Any:
    """The CLI may take it out of the request: then it stands in the call itself, which is in the stream already."""
    if isinstance(tool_input.get("plan"), str) or not call_id:
        return tool_input.get("plan")
    mark = call_id.encode()
    with LogFile(workspace.stream) as log:
        offset = log.align(max(0, log.size() - _CALL_WITHIN_BYTES))
        while offset is not None and (chunk := log.read(offset)):
            for record in records_of(chunk) if mark in chunk.data else ():
                for block in blocks_of(record.event()) if mark in record.line else ():
                    if block.get("id") == call_id and isinstance(block.get("input"), dict):
                        return block["input"].get("plan")
            offset = chunk.end
    return None
