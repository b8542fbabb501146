"""What Claude's lines tell of subagents, by the id of the call that began each. Pure."""

from typing import Any

from ..disk.records import Event
from .values import count, text

__all__ = ["Subagents", "task_told", "with_result"]

Subagents = dict[str, Event]
"""Never changed in place: copies of a state share them."""

# That are told one by one; of further ones the sums tell.
_MAX_SUBAGENTS = 500
_COUNTS = ("total_tokens", "tool_uses", "duration_ms")


def task_told(known: Subagents, event: Event) -> Subagents:
    """What the CLI tells of a task (`system` of a subtype `task_…`): a subagent's, if it says of which kind."""
    call = text(event.get("tool_use_id"), 200)
    if call is None or not (call in known or text(event.get("subagent_type"))):
        return known
    told: Event = {
        "agent_id": text(event.get("task_id"), 200),
        "type": text(event.get("subagent_type"), 200),
        "description": text(event.get("description"), 200),
        "status": text(event.get("status"), 200),
    }
    if event["subtype"] == "task_progress":
        del told["description"]  # it says what is done now
    usage = event.get("usage")
    if isinstance(usage, dict):
        told |= {name: count(usage.get(name)) for name in _COUNTS}
    return _with(known, call, told)


def with_result(known: Subagents, event: Event, results: list[dict[str, Any]]) -> Subagents:
    """One that ran in the foreground is told with the result of its call: a `user` line.

    :param results: the blocks of that line.
    """
    told = event.get("tool_use_result")
    if not isinstance(told, dict) or len(results) != 1 or "totalTokens" not in told:
        return known
    call = text(results[0].get("tool_use_id"), 200)
    if not call:
        return known
    fields: Event = {
        "agent_id": text(told.get("agentId"), 200),
        "type": text(told.get("agentType"), 200),
        "status": text(told.get("status"), 200),
        "total_tokens": count(told.get("totalTokens")),
        "tool_uses": count(told.get("totalToolUseCount")),
        "duration_ms": count(told.get("totalDurationMs")),
    }
    return _with(known, call, fields)


def _with(known: Subagents, call: str, told: Event) -> Subagents:
    before = known.get(call)
    if before is None:
        if len(known) >= _MAX_SUBAGENTS:
            return known
        names = ("agent_id", "type", "description", "status", *_COUNTS)
        before = {"tool_use_id": call} | dict.fromkeys(names)
    return {**known, call: {**before, **{k: v for k, v in told.items() if v is not None}}}
