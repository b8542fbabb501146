"""The steps that a workflow has told ahead, and how far each is. Pure.

A step is what a `node_…` or `task_…` event of its id tells of. Ends of the run are for whoever folds to tell here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..disk.records import Event
from .values import text

__all__ = ["MAX_STEPS", "Step", "StepState", "cut_steps", "done_steps", "planned", "stepped"]

# Told one by one in the state; a plan that has more is cut.
MAX_STEPS = 500
_ID_CHARS = 200

StepState = Literal["planned", "running", "completed", "failed", "cut"]

_TOLD: dict[str, tuple[str, StepState]] = {
    "node_started": ("node", "running"),
    "node_completed": ("node", "completed"),
    "task_started": ("task_id", "running"),
    "task_progress": ("task_id", "running"),
    "task_completed": ("task_id", "completed"),
    "task_failed": ("task_id", "failed"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is for people. `depends_on`: ids of steps that come before it. `cut`: the attempt ended over it."""

    id: str
    name: str
    depends_on: tuple[str, ...] = ()
    state: StepState = "planned"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"depends_on": list(self.depends_on)}


def planned(steps: Mapping[str, Step], event: Event) -> dict[str, Step]:
    """The plan of a `steps_planned` event; what is known of a step by its id stays known."""
    told = event.get("steps")
    found: dict[str, Step] = {}
    for entry in told if isinstance(told, list) else []:
        if len(found) >= MAX_STEPS:
            break
        if not isinstance(entry, dict) or not (key := text(entry.get("id"), _ID_CHARS)):
            continue
        before = entry.get("depends_on")
        depends_on = before[:MAX_STEPS] if isinstance(before, list) else []
        known = steps.get(key)
        found[key] = Step(
            key,
            text(entry.get("name"), _ID_CHARS) or key,
            tuple(one[:_ID_CHARS] for one in depends_on if isinstance(one, str)),
            known.state if known else "planned",
        )
    return found


def stepped(steps: dict[str, Step], event: Event) -> dict[str, Step]:
    """With what an event tells of one of them; the same object if it tells nothing new."""
    field, state = _TOLD[event["type"]]
    step = steps.get(text(event.get(field), _ID_CHARS) or "")
    if step is None or step.state == state:
        return steps
    return steps | {step.id: replace(step, state=state)}


def cut_steps(steps: dict[str, Step]) -> dict[str, Step]:
    """At the end of an attempt: what ran then was cut off."""
    return {
        key: replace(step, state="cut") if step.state == "running" else step
        for key, step in steps.items()
    }


def done_steps(steps: Mapping[str, Step]) -> int:
    """How many are over, however they ended."""
    return sum(step.state in ("completed", "failed") for step in steps.values())
