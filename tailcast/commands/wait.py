"""`wait`: until a run has come so far."""

from typing import Annotated

import typer

from runlog.run.awaited import AWAITED, check_message_known, goal_of, goal_of_message
from runlog.run.status import read_state

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AnyRun, AsJson, Root, find_run
from ..cli.start_options import WaitTimeout
from ..cli.waits import wait_and_tell

__all__ = ["wait"]


def wait(
    run: AnyRun,
    awaited: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="WHAT",
            help="end; turn: it is at rest, or has ended; attention: it asks, or has ended",
            autocompletion=lambda: list(AWAITED),
        ),
    ] = "end",
    message_id: Annotated[
        str | None,
        typer.Option(
            "--message", metavar="ID", help="For the end of the turn that answers this message"
        ),
    ] = None,
    timeout: WaitTimeout = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Wait for a run, and print what it said last.

    Exit code 1 if it failed, 124 if the time was over before; then it goes on.
    """
    what = next((each for each in AWAITED if each == awaited), None)
    if what is None:
        raise CommandError(f"there is no --for {awaited!r}", f"One of {', '.join(AWAITED)}")
    if message_id is not None and what == "attention":
        raise CommandError("--message goes with --for turn", "Leave out --for")
    workspace, goal = find_run(root, run), goal_of(what)
    if message_id is not None:
        check_message_known(workspace, read_state(workspace), message_id)
        goal = goal_of_message(message_id)
    return wait_and_tell(workspace, goal, timeout, as_json=as_json)
