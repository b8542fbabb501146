"""What is shown of a run: over HTTP and by the command line alike, under the same names."""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ..disk.records import from_iso
from .events import Status, is_terminal
from .manifest import EXTERNAL, Manifest, title_of
from .state import RunState, WaitingFor

__all__ = ["activity_of", "duration_of", "reason_of", "state_view", "waiting_for", "workflow_of"]


# A model that thinks may be silent for a while, unless its partial text is told.
_SILENT_S = 60.0


def state_view(
    manifest: Manifest,
    state: RunState,
    status: Status,
    queue_position: int | None,
    trouble: str | None = None,
    unfinished: int | None = None,
) -> dict[str, Any]:
    """All that is known of a run at one moment, as plain JSON data.

    :param unfinished: see `unfinished_bytes`.
    A copy as deep as the state changes in place: it stays as it is while the state is folded on.
    """
    state = state.shown_as(status)
    return {
        "run_id": manifest.run_id,
        "workflow": workflow_of(manifest, state),
        "status": status,
        "waiting_for": waiting_for(state, status),
        "parked": state.parked,
        "parked_until": state.parked_until,
        "attempt": state.attempt,
        "created_at": manifest.created_at,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "duration_s": duration_of(state, status),
        "last_event_at": state.last_event_at,
        "progress": state.progress,
        "message": state.message,
        "activity": activity_of(state, status),
        "fields": state.fields | state.published,
        "steps": [step.as_json() for step in state.steps.values()],
        "steps_done": state.steps_done,
        "steps_total": state.steps_total,
        "counts": {
            "events": dict(state.event_counts),
            "tool_calls": state.tool_calls,
            "turns": state.turns,
            "messages": dict(Counter(state.messages.values())),
        },
        "turn": asdict(state.turn) if state.turn else None,
        "current_node": state.current_node,
        "current_tool": state.current_tool,
        "open_questions": list(state.open_questions.values()),
        "open_permissions": list(state.open_permissions.values()),
        "usage": dict(state.usage),
        "model_usage": {model: dict(usage) for model, usage in state.spending.by_model.items()},
        "subagents": list(state.subagents.values()),
        "cost_usd": state.cost_usd,
        "output_bytes": state.offset,
        "unfinished": unfinished,
        "session_id": state.session_id,
        "model": state.model,
        "result": state.result,
        "error": state.error,
        "reason": reason_of(state, status),
        **manifest.words.as_json() | {"title": title_of(manifest)},
        "prompt": manifest.prompt,
        "params": manifest.params,
        "interactive": manifest.interactive,
        "deployment": manifest.deployment,
        "batch_id": manifest.batch_id,
        "schedule": manifest.schedule,
        "due_at": manifest.due_at,
        "priority": manifest.priority,
        "queue_position": queue_position,
        "trouble": None if is_terminal(status) else trouble,
        "limits": manifest.limits,
        "park_after_s": manifest.park_after_s,
        "output_schema": manifest.output_schema,
        "offset": state.offset,
    }


def workflow_of(manifest: Manifest, state: RunState) -> str:
    """Of an external run: the name that it gives itself, if it does."""
    if manifest.workflow == EXTERNAL:
        return state.workflow or EXTERNAL
    return manifest.workflow


def waiting_for(state: RunState, status: Status) -> WaitingFor | None:
    """What a run waits for, if `waiting` is its status."""
    return state.waiting_for if status == "waiting" else None


def activity_of(state: RunState, status: Status) -> str | None:
    """What a run says that it does; of one that has waited for its model for a while, that."""
    if status == "running" and state.awaits_model and (last := from_iso(state.last_event_at)):
        silent_s = (datetime.now(UTC) - last).total_seconds()
        if silent_s >= _SILENT_S:
            return f"no answer of the model for {silent_s:,.0f} s"
    return state.activity


def duration_of(state: RunState, status: Status) -> float | None:
    """In seconds; of a run that goes on: until now."""
    if is_terminal(status):
        return state.duration_s
    began = from_iso(state.started_at)
    return None if began is None else max(0.0, (datetime.now(UTC) - began).total_seconds())


def reason_of(state: RunState, status: Status) -> str | None:
    """As the terminal line tells it; `lost` where the process died and nobody has said so yet."""
    lost = status == "failed" and state.ended_at is None
    return state.reason or ("lost" if lost else None)
