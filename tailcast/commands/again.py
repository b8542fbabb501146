"""`again`: start a run as another one was started."""

from pathlib import Path
from typing import Annotated, Any

import typer

from runlog import Workspace, create_run, read_manifest
from runlog.groups.deployments import read_deployment

from ..cli.asked import error_of, load_workflow, output_schema_of, params_hint, params_of, prompt_of
from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AnyRun, AsJson, Root, find_run, limits_of
from ..cli.runs import check_scripted
from ..cli.start_options import (
    Follow,
    Labels,
    OutputSchema,
    OwnRunId,
    Params,
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
from .run import begin_and_show, check_shown

__all__ = ["again"]


def again(
    run: AnyRun,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[PROMPT]", help="In place of its own")
    ] = None,
    param: Params = None,
    prompt_file: PromptFile = None,
    follow: Follow = False,
    wait: WaitForAnswer = False,
    timeout: WaitTimeout = None,
    run_id: OwnRunId = None,
    priority: RunPriority = None,
    limit: RunLimits = None,
    title: RunTitle = None,
    label: Labels = None,
    thread: RunThread = None,
    trace: RunTrace = None,
    output_schema: OutputSchema = None,
    scripted_model: ScriptedModel = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start a run as that one was started, but for what is given here.

    A --param, --label or --limit goes in place of the one of that name; --limit NAME=none takes it out. Of a run of a
    deployment, what its own start did not name is as that has it now, and --param sets what it allows. Nothing of the
    run's files comes along.
    """
    check_shown(follow=follow, wait=wait, timeout_s=timeout)
    workspace = find_run(root, run)
    made = read_manifest(workspace)
    params = "params" if made.deployment is None else "runtime_overrides"
    given: dict[str, Any] = {
        "prompt": prompt_of(words or [], prompt_file),
        params: params_of(None, param or []) or None,
        "run_id": run_id,
        "priority": priority,
        "limits": _limits_over(limit or []) or None,
        "title": title,
        "labels": labels_of(label) or None,
        "thread_id": thread,
        "trace": trace,
        "output_schema": output_schema_of(output_schema),
    }
    given = {name: value for name, value in given.items() if value is not None}
    start = _resolved(root, workspace, made.workflow, given)
    check_scripted(root, scripted_model)
    started = create_run(root, **start, run_id=run_id)
    return begin_and_show(
        started,
        scripted_model=scripted_model,
        follow=follow,
        wait=wait,
        timeout_s=timeout,
        as_json=as_json,
    )


def _limits_over(given: list[str]) -> dict[str, float | None]:
    """:raises BadLimit: see `limits_of`."""
    out = {text.partition("=")[0]: text for text in given if text.partition("=")[2] == "none"}
    kept = [text for text in given if text not in out.values()]
    parsed: dict[str, float | None] = {**limits_of(kept)}
    for name in out:
        limits_of([f"{name}=1"])  # there is such a limit
    return parsed | dict.fromkeys(out)


def _resolved(
    root: Path, workspace: Workspace, workflow: str, given: dict[str, Any]
) -> dict[str, Any]:
    """As the relay and the run process would, so that nothing is on the disk that they refuse."""
    from relay.http.asked import StartAgain
    from relay.starting.again import start_again
    from relay.starting.create_run import resolve_start
    from runlog.groups.faults import Refused
    from runner.attempt.catalog import check_params, describe
    from runner.attempt.workflow import RunFailed

    try:
        asked = start_again(root, workspace, StartAgain.model_validate(given))
        if asked.deployment is not None:
            workflow = read_deployment(root, asked.deployment).workflow  # as it is now
        loaded = load_workflow(workflow)
        start = resolve_start(root, {workflow: describe(workflow, loaded)}, asked)
        check_params(loaded, start.params)
    except Refused as refused:
        raise error_of(root, workflow, refused) from refused
    except RunFailed as error:
        raise CommandError(error.error, params_hint(root, workflow)) from error
    return start.fields()
