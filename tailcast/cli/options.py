"""Arguments and options that commands share: the root, `--json`, RUN arguments, and their completion."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from runlog import (
    STATUSES,
    RunId,
    RunlogError,
    UnknownRun,
    Workspace,
    check_run_id,
    is_terminal,
    list_batches,
    list_runs,
)
from runlog.groups.deployments import list_deployments
from runlog.run.limits import LIMITS, parse_limit, tightest

from ..terminal.text import one_line
from .errors import CommandError

__all__ = [
    "DEFAULT_ROOT",
    "AnyRun",
    "AsJson",
    "DeploymentFilter",
    "DeploymentName",
    "DeploymentNames",
    "EndedRuns",
    "GlobalJson",
    "GlobalRoot",
    "LiveRun",
    "LiveRuns",
    "ROOT_VARIABLE",
    "Root",
    "StatusFilter",
    "WorkflowName",
    "command_line",
    "complete_batch",
    "complete_deployment",
    "complete_limit",
    "complete_workflow",
    "find_run",
    "limits_of",
    "none_in",
    "parse_age",
    "root_to_complete",
    "shown_path",
]

DEFAULT_ROOT = Path("workspaces")
ROOT_VARIABLE = "TAILCAST_ROOT"

_NEWEST = ("last", "@")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_COMPLETED_RUNS = 60  # more than a screen of completions helps nobody


def _root(context: typer.Context, value: Path) -> Path:
    source = context.get_parameter_source("root")
    if source is None or source.name == "DEFAULT":
        value = context.find_root().params.get("root") or value
    return value.resolve()


def _json(context: typer.Context, value: bool) -> bool:
    return value or bool(context.find_root().params.get("as_json"))


def _complete_status(incomplete: str) -> list[str]:
    return [status for status in STATUSES if status.startswith(incomplete)]


def _complete_workflow(incomplete: str) -> list[str]:
    from importlib.metadata import entry_points

    names = {entry.name for entry in entry_points(group="tailcast.workflows")}
    return sorted(name for name in names if name.startswith(incomplete))


def root_to_complete(context: typer.Context) -> Path:
    return Path(
        context.params.get("root") or context.find_root().params.get("root") or DEFAULT_ROOT
    )


def complete_deployment(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    try:
        found, broken = list_deployments(root_to_complete(context))
    except OSError:
        return []
    told = [(each.name, one_line(each.description or each.workflow, 50)) for each in found]
    told += [(name, "can't be used") for name in broken]
    return [each for each in sorted(told) if each[0].startswith(incomplete)]


def complete_batch(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    try:
        batches = list_batches(root_to_complete(context))
    except OSError:
        return []
    told = [(each.batch_id, one_line(each.description or each.workflow, 50)) for each in batches]
    return [each for each in told if each[0].startswith(incomplete)][:_COMPLETED_RUNS]


def _complete_runs(
    wanted: Callable[[str], bool],
) -> Callable[[typer.Context, str], list[tuple[str, str]]]:
    def complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
        try:
            runs = list_runs(root_to_complete(context), limit=500)
        except (RunlogError, OSError):
            return []
        return [
            (run.run_id, one_line(f"{run.status}  {run.title}", 50))
            for run in runs
            if run.run_id.startswith(incomplete) and wanted(run.status)
        ][:_COMPLETED_RUNS]

    return complete


_complete_any = _complete_runs(lambda status: True)
_complete_live = _complete_runs(lambda status: not is_terminal(status))  # type: ignore[arg-type]
_complete_ended = _complete_runs(is_terminal)  # type: ignore[arg-type]

GlobalRoot = Annotated[
    Path | None,
    typer.Option(
        "--root",
        envvar=ROOT_VARIABLE,
        metavar="DIR",
        help="Folder of all runs [default: workspaces]",
        show_default=False,
    ),
]
GlobalJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs")]

_RUN_HELP = "Run id, the beginning of one, or `last`"
# Of a command: they win over those before the command's name. The value that a command gets is resolved.
Root = Annotated[
    Path,
    typer.Option(
        "--root", metavar="DIR", help="Folder of all runs", show_default=False, callback=_root
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs", callback=_json)]
AnyRun = Annotated[str, typer.Argument(metavar="RUN", help=_RUN_HELP, autocompletion=_complete_any)]
LiveRun = Annotated[
    str, typer.Argument(metavar="RUN", help=_RUN_HELP, autocompletion=_complete_live)
]
LiveRuns = Annotated[
    list[str] | None, typer.Argument(metavar="RUN…", help=_RUN_HELP, autocompletion=_complete_live)
]
EndedRuns = Annotated[
    list[str] | None, typer.Argument(metavar="RUN…", help=_RUN_HELP, autocompletion=_complete_ended)
]
StatusFilter = Annotated[
    str | None,
    typer.Option(
        "--status",
        "-s",
        metavar="STATUS",
        help=", ".join(STATUSES),
        autocompletion=_complete_status,
    ),
]
WorkflowName = Annotated[
    str | None,
    typer.Option("--workflow", "-w", metavar="WORKFLOW", autocompletion=_complete_workflow),
]
complete_workflow = _complete_workflow
DeploymentName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Of a deployment", autocompletion=complete_deployment),
]
DeploymentNames = Annotated[
    list[str],
    typer.Argument(metavar="NAME…", help="Of deployments", autocompletion=complete_deployment),
]
DeploymentFilter = Annotated[
    str | None,
    typer.Option("--deployment", "-d", metavar="NAME", autocompletion=complete_deployment),
]


def limits_of(given: list[str] | None) -> dict[str, float]:
    """What `--limit NAME=VALUE` says, given any number of times; the lowest of one name counts.

    :raises BadLimit: there is no such limit, or that can't be its value.
    """
    return tightest(*map(parse_limit, given or []))


def parse_age(text: str, option: str) -> timedelta:
    """`30d`, `12h`, `45m`, `90s`, `2w`: whole, above 0.

    :raises CommandError: it is no such thing.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhdw])", text)
    if match is None:
        raise CommandError(
            f"{option} {text} is no age", "Give a number and a unit, e.g. 30d, 12h, 45m, 2w"
        )
    return int(match[1]) * _UNITS[match[2]]


def none_in(root: Path, what: str) -> str:
    """That there are no `what` in the root, or that there is no root: its name may be wrong."""
    return (
        f"No {what} in {shown_path(root)}"
        if root.exists()
        else f"{shown_path(root)} does not exist"
    )


def complete_limit(incomplete: str) -> list[tuple[str, str]]:
    return [(f"{n}=", bounds) for n, bounds in LIMITS.items() if n.startswith(incomplete)]


def find_run(root: Path, text: str) -> Workspace:
    """The run that `text` names: its id, the unique beginning of its id, or `last` (`@`) for the newest.

    :raises BadRunId: it can't be the beginning of an id.
    :raises UnknownRun: there is none.
    :raises CommandError: there are several.
    """
    if text != "@":
        run_id = check_run_id(text)
        workspace = Workspace(root, run_id)
        if workspace.exists():
            return workspace
    if text in _NEWEST:
        newest = list_runs(root, limit=1)
        if not newest:
            raise _no_runs(root)
        return Workspace(root, RunId(newest[0].run_id))
    found = _beginning_with(root, text)
    if not found and not root.exists():
        raise _no_runs(root)
    if not found:
        raise UnknownRun(
            f"no run {text!r} under {shown_path(root)}",
            f"List the runs with `{command_line(root, 'ls')}`",
        )
    if len(found) > 1:
        some = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
        raise CommandError(f"{text!r} is the beginning of {len(found)} runs", f"One of {some}")
    return Workspace(root, RunId(found[0]))


def _beginning_with(root: Path, text: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(root) if name.startswith(text))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        try:
            if Workspace(root, check_run_id(name)).exists():
                found.append(name)
        except RunlogError:
            continue
    return found


def _no_runs(root: Path) -> UnknownRun:
    shown = shown_path(root)
    start = command_line(root, "run", "claude", "…")
    return UnknownRun(
        f"there are no runs under {shown}" if root.exists() else f"{shown} does not exist",
        f"Start a run with `{start}`, or name the folder of your runs with --root",
    )


def shown_path(path: Path) -> str:
    """Relative to the working directory if it is below it, else absolute."""
    try:
        relative = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return str(path)
    return str(relative)


def command_line(root: Path, *words: str) -> str:
    """A command as it can be pasted into this shell: this `tailcast`, on this root."""
    told = os.environ.get(ROOT_VARIABLE) or str(DEFAULT_ROOT)
    on_root = [] if Path(told).resolve() == root else ["--root", shown_path(root)]
    return f"{program()} {' '.join(shlex.quote(word) if word != '…' else word for word in [*on_root, *words])}"


def program() -> str:
    """How this `tailcast` is called from here: by its name if that finds it, else by its path."""
    ours = Path(sys.argv[0])
    if ours.name != "tailcast":
        return f"{shlex.quote(sys.executable)} -m tailcast"
    found = shutil.which("tailcast")
    ours = ours.absolute()
    if found is not None and Path(found).resolve() == ours.resolve():
        return "tailcast"
    return shlex.quote(shown_path(ours))
