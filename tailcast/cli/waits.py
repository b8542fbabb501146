"""Wait until a run has come so far, without a server."""

import time
from collections.abc import Callable
from typing import Any

from runlog import StateReader, Unusable, Workspace, is_terminal, run_status
from runlog.run.awaited import Goal, Reached

from ..terminal.output import note, print_json, print_line
from .options import command_line
from .runs import look_at, tell_if_lost

__all__ = ["EXIT_LATE", "wait_and_tell"]

EXIT_LATE = 124
"""As of timeout(1): the time was over before it came about."""

_POLL_S = 0.03


def wait_and_tell(
    workspace: Workspace,
    goal: Goal,
    timeout_s: float | None,
    *,
    alive: Callable[[], bool] | None = None,
    as_json: bool,
) -> int:
    """Wait, and print what the agent said last; the exit code is 1 if the run failed.

    :param alive: whether a process that this command itself started for the run still lives; None if it did not.
    :raises UnknownRun: the run was removed.
    """
    reached = _reached(workspace, goal, timeout_s, alive)
    view = look_at(workspace)
    if as_json:
        told: dict[str, Any] = {"done": reached is not None, **(reached or Reached()).as_json()}
        print_json(told | {"state": view.as_json()})
    elif reached is None:
        follow = command_line(workspace.root, "wait", workspace.run_id)
        note(f"{workspace.run_id} is {view.status} still; it goes on. Wait for it: {follow}")
    else:
        text = reached.text if reached.text is not None else view.state.result
        if text is not None:
            print_line(text) if isinstance(text, str) else print_json(text)
        if view.status == "failed":
            note(f"{workspace.run_id} failed ({view.reason}): {view.state.error or ''}")
    if reached is None:
        return EXIT_LATE
    return 1 if view.status == "failed" else 0


def _reached(
    workspace: Workspace, goal: Goal, timeout_s: float | None, alive: Callable[[], bool] | None
) -> Reached | None:
    end = None if timeout_s is None else time.monotonic() + timeout_s
    reader = StateReader(workspace)
    try:
        while True:
            died = alive is not None and not alive()
            late = end is not None and time.monotonic() >= end
            try:
                state = reader.read()
                status = run_status(workspace, state)
            except Unusable:
                return Reached()
            if is_terminal(status) or (died and status == "queued"):
                tell_if_lost(workspace, never_began=died)
                state, status = reader.read(), run_status(workspace, reader.read())
            reached = goal(workspace, state, status)
            if reached is not None or late:
                return reached
            time.sleep(_POLL_S)
    finally:
        reader.close()
