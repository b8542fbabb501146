"""`run`: start a workflow."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runlog import Workspace, create_run

from ..errors import CommandError
from ..follow import Follower
from ..options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    command_line,
    complete_workflow,
    shown_path,
)
from ..output import make_printer, note, print_json, print_line
from ..runs import OurProcess, begin, check_scripted, tell_if_lost
from .describe import describe
from .tail import follow_to_end, tell_if_queued

if TYPE_CHECKING:
    from runner.workflow import Workflow

__all__ = ["follow_ours", "read_text", "run"]

_CLAUDE = "For claude"
_TAKEN_UP_S = 1.0


def run(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="WORKFLOW", help="Such as claude or command", autocompletion=complete_workflow
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT | -- ARGV…]",
            help="The prompt; for `command` the program and its arguments",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="A param, as JSON or text; repeat it"
        ),
    ] = None,
    params_file: Annotated[
        Path | None,
        typer.Option("--params-file", metavar="FILE", help="Params as a JSON object", exists=True),
    ] = None,
    prompt_file: Annotated[
        str | None,
        typer.Option(
            "--prompt-file", metavar="FILE", help="Read the prompt from a file, or - for stdin"
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Show its events until it ends; exit code 1 if it failed"
        ),
    ] = False,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Keep it open for messages, and let it ask")
    ] = False,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="Instead of one made up")
    ] = None,
    scripted_model: Annotated[
        bool,
        typer.Option("--scripted-model", help="Play the script in the prompt: no key, no network"),
    ] = False,
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

    It goes on by itself: Ctrl-C ends the following, not the run. Try `tailcast run command -- date`.
    """
    if describes:
        describe(workflow, _load(workflow), as_json=as_json)
        return 0
    given = {
        "model": model,
        "allowed_tools": allow,
        "permission_mode": permission_mode,
        "resume_session_id": resume_session,
        "fork_session": fork or None,
        "include_partial_messages": partial or None,
    }
    params = _params(params_file, param or []) | {k: v for k, v in given.items() if v}
    prompt = _prompt(workflow, words or [], prompt_file, params)
    _check(root, workflow, params, prompt, interactive)
    check_scripted(root, scripted_model)
    workspace = create_run(
        root, workflow, prompt=prompt, params=params, interactive=interactive, run_id=run_id
    )
    ours = begin(workspace, scripted_model=scripted_model)
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
    printer = make_printer(workspace, as_json=as_json)
    try:
        code = follow_to_end(follower, printer)
        if ours is not None:
            tell_if_lost(workspace, never_began=not ours.alive())
            for record in Follower(workspace, follower.offset).records():
                printer.show(record)
    except KeyboardInterrupt:
        printer.close()
        note(
            f"\nThe run goes on. Follow it: {command_line(workspace.root, 'tail', '-f', workspace.run_id)}"
        )
        note(f"         Or end it: {command_line(workspace.root, 'stop', workspace.run_id)}")
        raise
    printer.close()
    return code


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`.

    :raises CommandError: it can't be read, or is not UTF-8.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} can't be read: {error}") from error


def _params(file: Path | None, assignments: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if file is not None:
        try:
            params = json.loads(read_text(str(file)))
        except ValueError as error:
            raise CommandError(f"{file} is not JSON: {error}") from error
        if not isinstance(params, dict):
            raise CommandError(f"{file} holds no JSON object", 'Write {"name": value, …}')
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise CommandError(f"--param {assignment!r} has no value", "Write --param NAME=VALUE")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params


def _prompt(
    workflow: str, words: list[str], file: str | None, params: dict[str, Any]
) -> str | None:
    if workflow == "command" and words:
        if "argv" in params:
            raise CommandError("the command is given twice", "Leave out --param argv=…")
        params["argv"] = words
        words = []
    if len(words) > 1:
        raise CommandError(f"{len(words)} words where one PROMPT goes", "Put the prompt in quotes")
    if words and file is not None:
        raise CommandError("the prompt is given twice", "Leave out --prompt-file, or PROMPT")
    if file is not None:
        return read_text(file)
    if words == ["-"]:
        return read_text("-")
    return words[0] if words else None


def _load(workflow: str) -> "type[Workflow]":
    from runner.catalog import load_workflow
    from runner.workflow import RunFailed

    try:
        return load_workflow(workflow)
    except RunFailed as error:
        broken = error.reason == "broken_workflow"
        raise CommandError(
            error.error, "`tailcast doctor` looks at it" if broken else ""
        ) from error


def _check(
    root: Path, workflow: str, params: dict[str, Any], prompt: str | None, interactive: bool
) -> None:
    """What the run process would refuse, refused before anything is on the disk."""
    from runner.catalog import check_params
    from runner.workflow import RunFailed

    asked = _load(workflow)
    try:
        check_params(asked, params)
    except RunFailed as error:
        hint = f"`{command_line(root, 'run', workflow, '--describe')}` lists its params"
        raise CommandError(error.error, hint) from error
    if asked.prompt == "required" and not (prompt or "").strip() and not interactive:
        raise CommandError(f"{workflow} needs a prompt", f'Write: tailcast run {workflow} "…"')
    if asked.prompt == "none" and prompt is not None:
        raise CommandError(f"{workflow} takes no prompt", "Leave it out")
    if interactive and not asked.interactive:
        raise CommandError(f"{workflow} can't be interactive", "Leave out --interactive")


def _tell_if_it_waits(workspace: Workspace) -> None:
    """A runner takes a run up at once, unless it has as many as it may."""
    deadline = time.monotonic() + _TAKEN_UP_S
    while not workspace.stream.exists() and time.monotonic() < deadline:
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
