"""What is said to a run: messages and commands, each a line of its inbox."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from runlog import (
    Event,
    LogFile,
    LogReplaced,
    Posted,
    RunFinished,
    Workspace,
    cancel_message,
    post,
    read_manifest,
    read_records,
    run_status,
)
from runlog.run.inbox_lines import DELIVERIES, check_message

from ..cli.asked import load_workflow, read_text
from ..cli.errors import CommandError
from ..cli.follow import Follower
from ..cli.options import DEFAULT_ROOT, AnyRun, AsJson, LiveRun, Root, command_line, find_run
from ..cli.printer import make_printer
from ..cli.runs import (
    OurProcess,
    begin,
    check_scripted,
    is_parked,
    runner_is_at_work,
    tell_if_lost,
)
from ..terminal.output import note, print_json, print_line

__all__ = [
    "cancel",
    "interrupt",
    "mode",
    "model",
    "pause",
    "post_and_tell",
    "resume",
    "send",
    "signal",
]

# A run takes a command within some 20 ms, the agent's answer comes soon after; a busy machine gets its time too.
_RECEIPT_S = 15.0
_POLL_S = 0.02
_DONE = ("completed", "dropped")


def send(
    run: AnyRun,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The message, or - for stdin")],
    delivery: Annotated[
        str | None,
        typer.Option(
            "--delivery",
            metavar="HOW",
            help="steer: into the running turn (default); queue: after it; interrupt: end it first",
            autocompletion=lambda: list(DELIVERIES),
        ),
    ] = None,
    message_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Sent twice under one id, it counts once"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Reopen the run if it has ended")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Show events until the message is done with")
    ] = False,
    scripted_model: Annotated[
        bool, typer.Option("--scripted-model", help="With --resume: no key, no network")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Say something to a run, also while it works."""
    workspace = find_run(root, run)
    if resume:
        _check_resumable(workspace)
        check_scripted(root, scripted_model)
        tell_if_lost(workspace)
    message: Event = {"type": "message", "content": read_text("-") if text == "-" else text}
    message |= {"delivery": delivery} if delivery else {}
    message |= {"id": message_id} if message_id else {}
    message |= {"resume": True} if resume else {}
    end = _size(workspace)
    try:
        posted = post(workspace, message)
    except RunFinished as error:
        raise _with_hint(error, workspace) from error
    ours = None
    if resume and run_status(workspace) == "queued":
        ours = begin(workspace, scripted_model=scripted_model)
    elif is_parked(workspace) and not runner_is_at_work(root):
        note(
            "The run is parked: a runner takes it up once it is at work here, and --resume at once"
        )
        wait = False
    if wait:
        return _wait(workspace, posted, end, ours, as_json=as_json)
    if as_json:
        print_json(
            {"message_id": posted.message_id, "offset": posted.offset, "repeated": posted.repeated}
        )
    else:
        print_line(f"{posted.message_id} {'was sent before' if posted.repeated else 'sent'}")
    return 0


def cancel(
    run: LiveRun,
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="As `send` printed it")],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Take back a message that the run has not read yet."""
    workspace = find_run(root, run)
    end = _size(workspace)
    return _tell_receipt(workspace, "cancel", cancel_message(workspace, message_id), end, as_json)


def interrupt(run: LiveRun, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> int:
    """End the running turn.

    An interactive run then waits for the next message; another one ends.
    """
    return post_and_tell(root, run, {"type": "interrupt"}, as_json=as_json)


def pause(run: LiveRun, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> int:
    """Pause a run, if its workflow can."""
    return post_and_tell(root, run, {"type": "pause"}, as_json=as_json)


def resume(run: LiveRun, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> int:
    """Have a paused run go on.

    One that has ended is reopened by a message: `tailcast send RUN TEXT --resume`.
    """
    return post_and_tell(root, run, {"type": "resume"}, as_json=as_json)


def model(
    run: LiveRun,
    name: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or alias")],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Change the model of a running Claude."""
    return post_and_tell(root, run, {"type": "set_model", "model": name}, as_json=as_json)


def mode(
    run: LiveRun,
    name: Annotated[
        str, typer.Argument(metavar="MODE", help="default, acceptEdits, plan, dontAsk, …")
    ],
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Change the permission mode of a running Claude."""
    body = {"type": "set_permission_mode", "mode": name}
    return post_and_tell(root, run, body, as_json=as_json)


def signal(
    run: LiveRun,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As its workflow has it")],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]", help="What comes with it: JSON, or else text; - for stdin"
        ),
    ] = None,
    message_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Sent twice under one id, it is taken once"),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Send a signal to a run whose workflow takes it, and tell what became of it.

    `tailcast run WORKFLOW --describe` lists those that a workflow takes.
    """
    body: Event = {"type": "signal", "name": name}
    if data is not None:
        body["data"] = _json_or_text(read_text("-") if data == "-" else data)
    body |= {"id": message_id} if message_id else {}
    _check_signal(find_run(root, run), body)
    return post_and_tell(root, run, body, as_json=as_json)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _check_signal(workspace: Workspace, body: Event) -> None:
    """As the relay would: what is sure to be dropped is not posted."""
    from runlog.groups.faults import Refused
    from runlog.groups.signals import check_signal
    from runner.attempt.catalog import describe

    check_message(body)
    if not os.path.lexists(workspace.manifest):
        return  # whoever writes it knows
    workflow = read_manifest(workspace).workflow
    entry = describe(workflow, load_workflow(workflow))
    try:
        check_signal(entry, body["name"], body.get("data"))
    except Refused as refused:
        told = "; ".join(f"data{fault.pointer}: {fault.detail}" for fault in refused.faults)
        raise CommandError(told) from refused


def post_and_tell(root: Path, run: str, message: Event, *, as_json: bool) -> int:
    """Post a command and tell what became of it; exit code 1 if it was dropped."""
    workspace = find_run(root, run)
    end = _size(workspace)
    return _tell_receipt(workspace, str(message["type"]), post(workspace, message), end, as_json)


def _tell_receipt(
    workspace: Workspace, what: str, posted: Posted, after: int, as_json: bool
) -> int:
    receipt: dict[str, Any] = {}
    # Of a run that nobody has begun, or that others write, no receipt is to be expected.
    if os.path.lexists(workspace.manifest) and run_status(workspace) != "queued":
        receipt = _await_receipt(workspace, posted.message_id, after)
    state = receipt.get("state", "posted")
    reason = receipt.get("reason")
    if as_json:
        body = {"message_id": posted.message_id, "offset": posted.offset, "state": state}
        print_json(body | ({"reason": reason} if reason else {}))
    elif state == "dropped":
        note(f"{what}: dropped: {reason}" if reason else f"{what}: dropped")
    else:
        print_line(f"{what}: {state}")
    return 1 if state == "dropped" else 0


def _await_receipt(workspace: Workspace, message_id: str, after: int) -> Event:
    """The last receipt of a message; empty if none came in time."""
    deadline = time.monotonic() + _RECEIPT_S
    last: Event = {}
    while time.monotonic() < deadline:
        try:
            for record in read_records(workspace.stream, after):
                after = record.offset
                event = record.event()
                if (
                    event.get("type") == "message_received"
                    and event.get("message_id") == message_id
                ):
                    last = event
        except LogReplaced:
            return last
        if last.get("state") in _DONE:
            return last
        time.sleep(_POLL_S)
    return last


def _wait(
    workspace: Workspace, posted: Posted, after: int, ours: OurProcess | None, *, as_json: bool
) -> int:
    follower = Follower(workspace, 0 if posted.repeated else after, ours.alive if ours else None)
    printer = make_printer(workspace, as_json=as_json)
    state = None
    try:
        for record in follower.records():
            printer.show(record)
            event = record.event()
            if (
                event.get("type") == "message_received"
                and event.get("message_id") == posted.message_id
            ):
                state = event.get("state")
                if state in _DONE:
                    break
    finally:
        printer.close()
    if ours is not None:
        tell_if_lost(workspace, never_began=not ours.alive())
    return 0 if state == "completed" else 1


def _check_resumable(workspace: Workspace) -> None:
    from runner.attempt.catalog import load_workflow
    from runner.attempt.workflow import RunFailed

    workflow = read_manifest(workspace).workflow
    try:
        resumable = load_workflow(workflow).resumable
    except RunFailed as error:
        raise CommandError(error.error) from error
    if not resumable:
        raise CommandError(f"a {workflow} run can't be reopened", "Start a new one")


def _with_hint(error: RunFinished, workspace: Workspace) -> CommandError:
    again = command_line(workspace.root, "send", workspace.run_id, "…", "--resume")
    return CommandError(error.message, f"Reopen it: {again}")


def _size(workspace: Workspace) -> int:
    """Where the stream ends now: receipts of what is posted next come after it."""
    try:
        with LogFile(workspace.stream) as log:
            return log.start_of_tail(0)
    except FileNotFoundError:
        return 0
