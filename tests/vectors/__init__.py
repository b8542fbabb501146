"""Shared vectors: lines of a stream, and what a fold makes of them. Python and the page are held to the same files.

`NAME.json` holds `about`, `lines` (as they stand in a stream), `earlier` where the run had a chat before, and what is
derived from them: `state`, `history`, and `trace`, which says of each line who speaks in it.

    python -m tests.vectors --write          derive them anew, when the folds change; look at the difference
    python -m tests.vectors --record [NAME]  play the runs anew, on the real CLI with the scripted model
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from runlog import Event, Manifest, RunState
from runlog.run.history import ChatHistory
from runlog.run.transcript import line_alone
from runlog.run.view import state_view
from runlog.run.voice import is_posted, speaker_of

__all__ = ["HERE", "derived", "events_of", "names", "read"]

HERE = Path(__file__).parent

# What the page claims too, and all that is summed. Times and sizes are of the run that was recorded.
_STATE = """status waiting_for attempt counts turn current_tool current_node usage model_usage subagents cost_usd
    session_id model reason progress message activity fields steps steps_done steps_total""".split()


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return vector


def events_of(lines: list[str]) -> Iterator[tuple[Event, int]]:
    """Each with the offset just after it."""
    offset = 0
    for line in lines:
        offset += len(line.encode()) + 1
        yield json.loads(line), offset


def derived(lines: list[str], earlier: Sequence[Any] = ()) -> dict[str, Any]:
    """What the folds of Python make of the lines.

    :param earlier: the `chat_history` of the run.
    """
    state, chat = RunState(), ChatHistory(1000, earlier)
    chat.begin()
    trace = []
    for event, offset in events_of(lines):
        state.apply(event, offset)
        chat.apply(event, offset)
        posted = is_posted(event, state.messages)
        trace.append(speaker_of(line_alone(event), posted=posted))
    view = state_view(
        Manifest("r", "external", "2025-01-19T10:30:45.123Z"), state, state.status, None
    )
    asked = {
        "open_questions": list(state.open_questions),
        "open_permissions": list(state.open_permissions),
    }
    return {
        "state": {name: view[name] for name in _STATE} | asked,
        "history": [message.view() for message in chat.messages],
        "trace": trace,
    }
