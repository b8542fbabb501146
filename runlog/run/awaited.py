"""What is waited for of a run, and whether it has come about."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ..disk.layout import Workspace
from ..disk.tail import LogReplaced
from .events import Status, is_terminal
from .inbox import find_message
from .inbox_lines import InboxLine, read_inbox
from .manifest import read_manifest
from .state import RunState, Turn
from .words import PROMPT_ID

__all__ = [
    "AWAITED",
    "Awaited",
    "Goal",
    "Reached",
    "check_message_known",
    "goal_of",
    "goal_of_message",
]

Awaited = Literal["end", "turn", "attention"]
"""`end`: the run has ended. `turn`: it is at rest, or has ended. `attention`: it asks a person, or has ended."""
AWAITED: tuple[Awaited, ...] = get_args(Awaited)


@dataclass(frozen=True, slots=True)
class Reached:
    """`turn`: the one that was waited for, or else the last, if the run has turns; `text`: what the agent said last
    in it, up to 256 Ki characters."""

    text: str | None = None
    turn: Turn | None = None

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "turn": asdict(self.turn) if self.turn else None}


Goal = Callable[[Workspace, RunState, Status], Reached | None]
"""Whether it has come about, by the state and status of a moment; None: not yet."""


def goal_of(awaited: Awaited) -> Goal:
    return {"end": _end, "turn": _rest, "attention": _attention}[awaited]


def goal_of_message(message_id: str) -> Goal:
    """The end of the turn that a message began or went into; or that it came to nothing; or that the run ended.

    Whether there is such a message is for the caller to know: see `check_message_known`.
    """

    def answered(workspace: Workspace, state: RunState, status: Status) -> Reached | None:
        state = state.shown_as(status)
        receipt = state.messages.get(message_id)
        number = state.talk.turn_of.get(message_id)
        turn = state.turn
        if receipt == "dropped":
            return Reached()
        if receipt != "completed" and not is_terminal(status):
            return None
        if turn is None or number is None:
            return Reached()  # of those that know no turns; or nobody has taken it
        if turn.number > number:
            return Reached(state.talk.answers.get(number))
        return None if turn.running else Reached(state.talk.answers.get(number), turn)

    return answered


def check_message_known(workspace: Workspace, state: RunState, message_id: str) -> None:
    """:raises UnknownMessage: neither the run nor its inbox knows it, so nobody will ever answer it.
    :raises Unusable: the inbox can't be read.
    """
    if message_id in state.messages or message_id in state.talk.turn_of:
        return
    if message_id != f"{PROMPT_ID}{workspace.run_id}" or read_manifest(workspace).prompt is None:
        find_message(workspace, message_id)


def _end(workspace: Workspace, state: RunState, status: Status) -> Reached | None:
    return _last(state.shown_as(status)) if is_terminal(status) else None


def _rest(workspace: Workspace, state: RunState, status: Status) -> Reached | None:
    if is_terminal(status):
        return _last(state.shown_as(status))
    if status != "waiting" or state.waiting_for != "message":
        return None
    # A run that was reopened, or taken up again, is at rest before it has taken what it was told.
    begins = "queued" in state.messages.values() or (state.turn is not None and state.turn.running)
    return None if begins or _has_more_to_do(workspace, state) else _last(state)


def _has_more_to_do(workspace: Workspace, state: RunState) -> bool:
    """Whether somebody has said something that a run at rest has not taken yet, or is about to begin."""
    try:
        for line in read_inbox(workspace.inbox, state.inbox_began or 0):
            if isinstance(line, InboxLine) and line.type == "message":
                if state.messages.get(line.id) in (None, "queued"):
                    return True
    except (LogReplaced, OSError):
        pass  # of what is no inbox nobody was told that it was taken
    return False


def _attention(workspace: Workspace, state: RunState, status: Status) -> Reached | None:
    asks = status == "waiting" and state.waiting_for == "answer"
    return _last(state.shown_as(status)) if asks or is_terminal(status) else None


def _last(state: RunState) -> Reached:
    turn = state.turn
    if turn is None:
        return Reached(state.talk.said)
    return Reached(state.talk.said if turn.running else state.talk.answers.get(turn.number), turn)
