"""What is asked on a command line: params and prompts as they are written there, checked before anything is made."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runlog.disk.plain import loads_plain

from .errors import CommandError
from .options import command_line

if TYPE_CHECKING:
    from runlog.groups.deployments import Deployment
    from runlog.groups.faults import Refused
    from runlog.groups.resolution import Start
    from runlog.groups.schedules import Schedule
    from runner.attempt.workflow import Workflow

__all__ = [
    "check_deployment",
    "check_start",
    "error_of",
    "json_object",
    "load_workflow",
    "params_hint",
    "params_of",
    "output_schema_of",
    "prompt_of",
    "read_text",
    "start_of_deployment",
    "start_of_schedule",
]


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`.

    :raises CommandError: it can't be read, or is not UTF-8.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} can't be read: {error}") from error


def json_object(text: str, source: str) -> dict[str, Any]:
    """:param source: where the text is from, for the error.
    :raises CommandError: it is not a JSON object.
    """
    try:
        found = loads_plain(text)
    except ValueError as error:
        raise CommandError(f"{source} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{source} holds no JSON object", 'Write {"name": value, …}')
    return found


def params_of(file: Path | None, assignments: list[str], option: str = "--param") -> dict[str, Any]:
    """The object in `file`, and over it each NAME=VALUE, as JSON or else as text.

    :param option: by which the assignments were given.
    :raises CommandError: they can't be read so.
    """
    params = json_object(read_text(str(file)), str(file)) if file is not None else {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise CommandError(
                f"{option} {assignment!r} has no value", f"Write {option} NAME=VALUE"
            )
        try:
            params[name] = loads_plain(value)
        except ValueError:
            params[name] = value
    return params


def output_schema_of(file: Path | None) -> dict[str, Any] | None:
    """The object in `--output-schema FILE`; None without."""
    return None if file is None else json_object(read_text(str(file)), str(file))


def prompt_of(words: list[str], file: str | None) -> str | None:
    """Of PROMPT, which may be `-`, or `--prompt-file`; None without either."""
    if len(words) > 1:
        raise CommandError(f"{len(words)} words where one PROMPT goes", "Put the prompt in quotes")
    if words and file is not None:
        raise CommandError("the prompt is given twice", "Leave out --prompt-file, or PROMPT")
    if file is not None:
        return read_text(file)
    if words == ["-"]:
        return read_text("-")
    return words[0] if words else None


def load_workflow(workflow: str) -> "type[Workflow]":
    """:raises CommandError: there is none of that name, or it can't be imported."""
    from runner.attempt.catalog import load_workflow
    from runner.attempt.workflow import RunFailed

    try:
        return load_workflow(workflow)
    except RunFailed as error:
        broken = error.reason == "broken_workflow"
        raise CommandError(
            error.error, "`tailcast doctor` looks at it" if broken else ""
        ) from error


def check_start(
    root: Path,
    workflow: str,
    params: dict[str, Any],
    prompt: Any,
    interactive: bool,
    output_schema: dict[str, Any] | None = None,
) -> None:
    """What the run process would refuse, refused before anything is on the disk.

    :raises CommandError: what is wrong, and what to do.
    """
    asked = load_workflow(workflow)
    _check_params(root, workflow, asked, params)
    empty = not prompt.strip() if isinstance(prompt, str) else not prompt
    if asked.prompt == "required" and empty and not interactive:
        raise CommandError(f"{workflow} needs a prompt", f'Write: tailcast run {workflow} "…"')
    if asked.prompt == "none" and prompt is not None:
        raise CommandError(f"{workflow} takes no prompt", "Leave it out")
    if interactive and not asked.interactive:
        raise CommandError(f"{workflow} can't be interactive", "Leave out --interactive")
    if output_schema is not None:
        _check_output_schema(workflow, asked, output_schema)


def _check_output_schema(name: str, workflow: "type[Workflow]", schema: dict[str, Any]) -> None:
    from runlog.run.output_schema import faults_of_schema

    if not getattr(workflow, "structured", False):
        raise CommandError(f"{name} gives no result by a schema", "Leave out --output-schema")
    for place, told in faults_of_schema(schema).items():
        raise CommandError(f"the --output-schema can't be used{place and f' at {place}'}: {told}")


def check_deployment(root: Path, deployment: "Deployment") -> None:
    """Check it as the relay does, and what only the workflow itself can tell of params that are all there.

    :raises CommandError: what is wrong.
    """
    from runlog.groups import faults, resolution
    from runner.attempt.catalog import describe

    workflow = load_workflow(deployment.workflow)
    entry = describe(deployment.workflow, workflow)
    try:
        resolution.check_deployment(entry, deployment)
    except faults.Refused as refused:
        raise error_of(root, deployment.workflow, refused) from refused
    if deployment.params.keys() >= set(entry.params.get("required", ())):
        _check_params(root, deployment.workflow, workflow, deployment.params)


def start_of_deployment(
    root: Path, deployment: "Deployment", overrides: dict[str, Any], **sent: Any
) -> "Start":
    """The start that it comes to with what was asked beside (see `runlog.groups.resolution`), checked.

    :raises CommandError: what is wrong.
    """
    from runlog.groups import faults, resolution
    from runner.attempt.catalog import describe

    entry = describe(deployment.workflow, load_workflow(deployment.workflow))
    try:
        start = resolution.start_of_deployment(deployment, overrides=overrides, **sent)
        resolution.check_start(entry, start, overrides)
    except faults.Refused as refused:
        raise error_of(root, deployment.workflow, refused) from refused
    check_start(root, start.workflow, start.params, start.prompt, start.interactive)
    return start


def start_of_schedule(root: Path, schedule: "Schedule") -> "Start":
    """The start of its run now, checked.

    :raises CommandError: what is wrong.
    """
    from runlog.groups import faults, schedule_starts
    from runlog.groups.deployments import read_deployment
    from runner.attempt.catalog import describe

    workflow = read_deployment(root, schedule.deployment).workflow
    entries = {workflow: describe(workflow, load_workflow(workflow))}
    try:
        start = schedule_starts.start_of_schedule(root, entries, schedule, None)
    except faults.Refused as refused:
        raise error_of(root, workflow, refused) from refused
    check_start(root, start.workflow, start.params, start.prompt, start.interactive)
    return start


def _check_params(
    root: Path, name: str, workflow: "type[Workflow]", params: dict[str, Any]
) -> None:
    from runner.attempt.catalog import check_params
    from runner.attempt.workflow import RunFailed

    try:
        check_params(workflow, params)
    except RunFailed as error:
        raise CommandError(error.error, params_hint(root, name)) from error


def error_of(root: Path, workflow: str, refused: "Refused") -> CommandError:
    told = []
    for fault in refused.faults:
        place = fault.pointer[1:].replace("/", ".")
        told.append(f"{place}: {fault.detail}")
    hint = params_hint(root, workflow) if refused.kind == "bad-params" else ""
    return CommandError("; ".join(told), hint)


def params_hint(root: Path, workflow: str) -> str:
    return f"`{command_line(root, 'run', workflow, '--describe')}` lists its params"
