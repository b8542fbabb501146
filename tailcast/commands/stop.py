"""`stop`: end runs, and see them end."""

import time
from typing import Annotated

import typer

from runlog import (
    RunFinished,
    RunIndex,
    Status,
    Workspace,
    is_terminal,
    post,
    run_status,
)

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AsJson, LiveRuns, Root, find_run
from ..cli.runs import is_parked
from ..terminal.output import note, print_json, print_line

__all__ = ["ask_to_stop", "await_end", "stop"]

# The agent's last words, then its grace after SIGTERM (5 s unless the runner was told otherwise), then SIGKILL.
_WAIT_S = 20.0
_POLL_S = 0.05


def stop(
    runs: LiveRuns = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="All runs that have not ended")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="See it end")] = True,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait at most so long")
    ] = _WAIT_S,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """End runs, with every process they have started."""
    chosen = [find_run(root, run) for run in runs or []]
    if every:
        known = {workspace.run_id for workspace in chosen}
        chosen += [
            find_run(root, row.run_id)
            for row in RunIndex(root).live()
            if row.run_id not in known
            and not is_terminal(row.status)
            and row.workflow != "external"
        ]
    elif not chosen:
        raise CommandError("no run is named", "Name runs, or use --all")
    asked = []
    for workspace in chosen:
        try:
            ask_to_stop(workspace)
            asked.append(workspace)
        except RunFinished as error:
            if len(chosen) == 1 and not every:
                raise CommandError(error.message, "There is nothing to stop") from error
            note(error.message)
    deadline = time.monotonic() + (timeout_s if wait else 0)
    code = 0
    for workspace in asked:
        status = await_end(workspace, deadline)
        if as_json:
            print_json({"run_id": workspace.run_id, "status": status})
        elif is_terminal(status):
            print_line(f"{workspace.run_id} {status}")
        elif not wait:
            print_line(f"{workspace.run_id} was asked to stop")
        else:
            note(f"{workspace.run_id} has not ended after {timeout_s:g} s; it is {status}")
            code = 1
    if every and not chosen:
        note("No run is going on.")
    return code


def ask_to_stop(workspace: Workspace) -> None:
    """:raises RunFinished: it has ended."""
    status, parked = run_status(workspace), is_parked(workspace)
    post(workspace, {"type": "stop"})
    if status != "queued" and not parked:
        return
    from runner.supervise.lost import end_run
    from runner.supervise.supervisor import runner_is_active

    # A runner sees the line. With none at work nobody would, until one is.
    if not runner_is_active(workspace.root) and run_status(workspace) == "queued":
        end_run(workspace, "workflow_stopped", "stop" if parked else "stopped before it began")


def await_end(workspace: Workspace, deadline: float) -> Status:
    """Its status when it has ended, or at the monotonic time `deadline`."""
    while True:
        status = run_status(workspace)
        if is_terminal(status) or time.monotonic() >= deadline:
            return status
        time.sleep(_POLL_S)
