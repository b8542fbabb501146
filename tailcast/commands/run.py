"""`run`: start a workflow."""

import contextlib
import os
import time
from typing import Annotated, Any

import typer

from runlog import Workspace, create_run
from runlog.groups.deployments import read_deployment
from runlog.run.awaited import goal_of
from runlog.run.own_words import check_own_words

from ..cli.asked import (
    check_start,
    load_workflow,
    output_schema_of,
    params_of,
    prompt_of,
    start_of_deployment,
)
from ..cli.errors import CommandError
from ..cli.follow import Follower
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    command_line,
    complete_workflow,
    limits_of,
    shown_path,
)
from ..cli.printer import make_printer
from ..cli.runs import OurProcess, begin, check_scripted, tell_if_lost
from ..cli.start_options import (
    Follow,
    FromDeployment,
    Labels,
    OutputSchema,
    Overrides,
    OwnRunId,
    Params,
    ParamsFile,
    ParkAfter,
    PromptFile,
    RunLimits,
    RunPriority,
    RunThread,
    RunTitle,
    RunTrace,
    ScriptedModel,
    WaitForAnswer,
    WaitTimeout,
    labels_of,
)
from ..cli.waits import wait_and_tell
from ..terminal.output import note, print_json, print_line
from .describe import describe
from .tail import follow_to_end, tell_if_queued

__all__ = ["begin_and_show", "check_shown", "follow_ours", "run"]

_CLAUDE = "For claude"
_TAKEN_UP_S = 1.0


def run(
    workflow: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKFLOW",
            help="Such as claude or command; not with --deployment",
            autocompletion=complete_workflow,
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT | -- ARGV…]",
            help="The prompt; for `command` the program and its arguments",
        ),
    ] = None,
    param: Params = None,
    params_file: ParamsFile = None,
    deployment: FromDeployment = None,
    override: Overrides = None,
    prompt_file: PromptFile = None,
    follow: Follow = False,
    wait: WaitForAnswer = False,
    timeout: WaitTimeout = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Keep it open for messages, and let it ask")
    ] = False,
    run_id: OwnRunId = None,
    priority: RunPriority = None,
    limit: RunLimits = None,
    title: RunTitle = None,
    label: Labels = None,
    thread: RunThread = None,
    trace: RunTrace = None,
    park_after_s: ParkAfter = None,
    output_schema: OutputSchema = None,
    scripted_model: ScriptedModel = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", rich_help_panel=_CLAUDE)
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="TOOL",
            help='Allow a tool, e.g. "Bash(git log:*)"; repeat it',
            rich_help_panel=_CLAUDE,
        ),
    ] = None,
    permission_mode: Annotated[
        str | None,
        typer.Option(
            "--permission-mode",
            metavar="MODE",
            help="What happens with other tools",
            rich_help_panel=_CLAUDE,
        ),
    ] = None,
    resume_session: Annotated[
        str | None,
        typer.Option(
            "--resume-session",
            metavar="ID",
            help="Take up a session of the Claude CLI",
            rich_help_panel=_CLAUDE,
        ),
    ] = None,
    fork: Annotated[
        bool, typer.Option("--fork", help="In a copy of that session", rich_help_panel=_CLAUDE)
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Stream text as it is made", rich_help_panel=_CLAUDE)
    ] = False,
    describes: Annotated[
        bool, typer.Option("--describe", help="Only show what WORKFLOW does, and its params")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start a workflow.

    It goes on by itself: Ctrl-C ends the following, not the run. Try `tailcast run command -- date`. With --wait:
    exit code 1 if it failed, 124 if it was not done within --timeout.
    """
    given = {
        "model": model,
        "allowed_tools": allow,
        "permission_mode": permission_mode,
        "resume_session_id": resume_session,
        "fork_session": fork or None,
        "include_partial_messages": partial or None,
    }
    given = {name: value for name, value in given.items() if value}
    check_shown(follow=follow, wait=wait, timeout_s=timeout)
    limits = limits_of(limit)
    schema = output_schema_of(output_schema)
    own_words = check_own_words(title, labels_of(label), thread, trace)
    if deployment is not None:
        chosen = read_deployment(root, deployment)
        workflow, words = chosen.workflow, [workflow, *(words or [])] if workflow else words
        if param or params_file:
            raise CommandError(
                f"{deployment} has its own params",
                "Set those that it allows with --override NAME=VALUE",
            )
        given = params_of(None, override or [], "--override") | given
    elif workflow is None:
        raise CommandError("no WORKFLOW is named", "Name one, or a --deployment")
    elif override:
        raise CommandError("--override goes with a --deployment", "Use --param")
    else:
        given = params_of(params_file, param or []) | given
    if describes:
        describe(workflow, load_workflow(workflow), as_json=as_json)
        return 0
    prompt = _words(workflow, words or [], prompt_file, given)
    if deployment is not None:
        asked = start_of_deployment(
            root,
            chosen,
            given,
            prompt=prompt,
            interactive=interactive or None,
            priority=priority,
            park_after_s=park_after_s,
            limits=limits,
            words=own_words,
            output_schema=schema,
        ).fields()
    else:
        check_start(root, workflow, given, prompt, interactive, schema)
        asked = {
            "workflow": workflow,
            "prompt": prompt,
            "params": given,
            "interactive": interactive,
            "priority": priority or 0,
            "limits": limits,
            "words": own_words,
            "park_after_s": park_after_s,
            "output_schema": schema,
        }
    check_scripted(root, scripted_model)
    workspace = create_run(root, **asked, run_id=run_id)
    return begin_and_show(
        workspace,
        scripted_model=scripted_model,
        follow=follow,
        wait=wait,
        timeout_s=timeout,
        as_json=as_json,
    )


def check_shown(*, follow: bool, wait: bool, timeout_s: float | None) -> None:
    """:raises CommandError: these options do not go together."""
    if follow and wait:
        raise CommandError("--follow shows the answer too", "Leave out --wait, or --follow")
    if timeout_s is not None and not wait:
        raise CommandError("--timeout goes with --wait", "Leave it out, or add --wait")


def begin_and_show(
    workspace: Workspace,
    *,
    scripted_model: bool,
    follow: bool,
    wait: bool,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    """See to it that a queued run begins, and show of it what was asked for; the exit code."""
    ours = begin(workspace, scripted_model=scripted_model)
    if wait:
        alive = ours.alive if ours else None
        return wait_and_tell(workspace, goal_of("turn"), timeout_s, alive=alive, as_json=as_json)
    if follow:
        if ours is None:
            _tell_if_it_waits(workspace)
        return follow_ours(
            Follower(workspace, alive=ours.alive if ours else None), ours, as_json=as_json
        )
    _tell(workspace, by_runner=ours is None, as_json=as_json)
    return 0


def follow_ours(follower: Follower, ours: OurProcess | None, *, as_json: bool) -> int:
    """Follow a run that this command began; the exit code is 1 if it failed."""
    workspace = follower.workspace
    try:
        with contextlib.closing(make_printer(workspace, as_json=as_json)) as printer:
            code = follow_to_end(follower, printer)
            if ours is not None:
                tell_if_lost(workspace, never_began=not ours.alive())
                for record in Follower(workspace, follower.offset).records():
                    printer.show(record)
    except KeyboardInterrupt:
        note(
            f"\nThe run goes on. Follow it: {command_line(workspace.root, 'tail', '-f', workspace.run_id)}"
        )
        note(f"         Or end it: {command_line(workspace.root, 'stop', workspace.run_id)}")
        raise
    return code


def _words(workflow: str, words: list[str], file: str | None, params: dict[str, Any]) -> str | None:
    """The prompt; what is given to `command` instead goes into the params."""
    if workflow == "command" and words:
        if "argv" in params:
            raise CommandError("the command is given twice", "Leave out --param argv=…")
        params["argv"] = words
        words = []
    return prompt_of(words, file)


def _tell_if_it_waits(workspace: Workspace) -> None:
    """A runner takes a run up at once, unless it has as many as it may."""
    deadline = time.monotonic() + _TAKEN_UP_S
    while not os.path.lexists(workspace.stream) and time.monotonic() < deadline:
        time.sleep(0.02)
    tell_if_queued(workspace)


def _tell(workspace: Workspace, *, by_runner: bool, as_json: bool) -> None:
    if as_json:
        body = {"run_id": workspace.run_id, "status": "queued", "path": str(workspace.path)}
        print_json(body)
        return
    print_line(workspace.run_id)
    who = "queued: the runner at work here starts it" if by_runner else "started"
    print_line(f"  {who}, in {shown_path(workspace.path)}")
    for words in (("tail", "-f"), ("send",), ("stop",)):
        tail = ("…",) if words == ("send",) else ()
        print_line(f"  {command_line(workspace.root, *words, workspace.run_id, *tail)}")
