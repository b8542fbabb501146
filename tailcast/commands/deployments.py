"""`deployments ls|show|put|rm`: workflows with params and limits, under a name."""

import json
from typing import Annotated, Any

import typer

from runlog import RunIndex
from runlog.disk.layout import make_root
from runlog.errors import BrokenNamed
from runlog.groups.deployments import (
    MAX_WARM,
    READ_ONLY,
    Deployment,
    check_deployment_name,
    deployment_of,
    list_deployments,
    read_deployment,
    remove_deployment,
    write_deployment,
)
from runlog.groups.statistics import RunStatistics, deployment_view, statistics_by_deployment
from runlog.run.own_words import label_text

from ..cli.asked import check_deployment, json_object, output_schema_of, params_of, read_text
from ..cli.errors import CommandError
from ..cli.help import Group
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    DeploymentName,
    DeploymentNames,
    Root,
    WorkflowName,
    command_line,
    limits_of,
    none_in,
)
from ..cli.removal import remove_named
from ..cli.start_options import (
    Labels,
    OutputSchema,
    Params,
    ParamsFile,
    ParkAfter,
    PromptFile,
    RunLimits,
    RunPriority,
    RunThread,
    RunTitle,
    labels_of,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, paint, print_table, terminal_width
from ..terminal.text import age, clean, cost, cut, duration, one_line

__all__ = ["app"]

app = typer.Typer(
    name="deployments",
    help="Workflows with params and limits, under a name: `tailcast run --deployment NAME`.",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LIVE = ("queued", "running", "waiting", "paused")


@app.command("ls")
def ls(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """List the deployments, with what their runs came to."""
    found, broken = list_deployments(root)
    statistics = statistics_by_deployment(RunIndex(root), [each.name for each in found])
    if as_json and (found or root.exists()):
        for each in found:
            print_json(deployment_view(each, statistics[each.name]))
    elif found:
        columns = _columns(found, [statistics[each.name] for each in found])
        print_table(columns, colour=colours(), width=terminal_width())
    elif not broken:
        put = command_line(root, "deployments", "put", "nightly", "--workflow", "claude", "…")
        note(f"{none_in(root, 'deployments')}. Make one: {put}")
    for error in broken.values():
        note(f"left out: {clean(str(error))}")


def _columns(found: list[Deployment], statistics: list[RunStatistics]) -> list[Column]:
    live = [sum(each.by_status[status] for status in _LIVE) for each in statistics]
    last = [each.last_run.created_at if each.last_run else None for each in statistics]
    return [
        Column("NAME", [each.name for each in found]),
        Column("WORKFLOW", [each.workflow for each in found], max_cells=20, rank=7),
        Column("RUNS", [str(each.runs) for each in statistics], right=True, rank=2),
        Column("LIVE", [str(count or "") for count in live], right=True, rank=1),
        Column("SUCCESS", [_share(each.success_rate) for each in statistics], right=True, rank=3),
        Column("P50", [duration(each.duration_s.p50) for each in statistics], right=True, rank=6),
        Column("COST", [cost(each.cost_usd) for each in statistics], right=True, rank=5),
        Column("LAST", [age(moment) for moment in last], right=True, rank=4),
        Column("DESCRIPTION", [each.description for each in found], last=True, rank=8),
    ]


@app.command("show")
def show(name: DeploymentName, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Show a deployment, and what its runs came to.

    What `--json` prints can be changed and put again: `… put NAME -`.
    """
    deployment = read_deployment(root, name)
    statistics = statistics_by_deployment(RunIndex(root), [name])[name]
    if as_json:
        print_json(deployment_view(deployment, statistics))
        return
    colour = colours()
    print_line(paint(deployment.name, "bold", colour=colour))
    for word, value in [*_facts(deployment), *_outcome(statistics)]:
        if value:
            print_line(f"  {paint(f'{word:<11}', 'dim', colour=colour)} {one_line(value, 300)}")
    print_line(f"\n  {command_line(root, 'run', '--deployment', name)}")
    print_line(f"  {command_line(root, 'ls', '--deployment', name)}")


def _facts(deployment: Deployment) -> list[tuple[str, str]]:
    prompt = deployment.prompt
    shown = prompt if isinstance(prompt, str | None) else json.dumps(prompt, ensure_ascii=False)
    return [
        ("about", deployment.description),
        ("workflow", f"{deployment.workflow}{', interactive' if deployment.interactive else ''}"),
        ("prompt", cut(shown or "", 300)),
        ("params", _pairs(deployment.params)),
        ("overrides", ", ".join(deployment.allowed_overrides)),
        ("limits", _pairs(deployment.limits)),
        ("title", deployment.title or ""),
        ("labels", label_text(deployment.labels)),
        ("thread", deployment.thread_id or ""),
        ("output", json.dumps(deployment.output_schema) if deployment.output_schema else ""),
        ("priority", str(deployment.priority or "")),
        ("parked", _park(deployment.park_after_s)),
        ("at once", str(deployment.max_running or "")),
        ("warm", str(deployment.warm or "")),
        ("changed", f"{deployment.updated_at}, {age(deployment.updated_at)} ago"),
    ]


def _park(after_s: float | None) -> str:
    if after_s is None:
        return ""
    return f"after {after_s:g} s of rest" if after_s else "never"


def _outcome(statistics: RunStatistics) -> list[tuple[str, str]]:
    counts = [f"{count} {status}" for status, count in statistics.by_status.items() if count]
    took = statistics.duration_s
    last = statistics.last_run
    return [
        ("runs", f"{statistics.runs}{': ' if counts else ''}{', '.join(counts)}"),
        ("success", _share(statistics.success_rate)),
        (
            "took",
            f"p50 {duration(took.p50)}, mean {duration(took.mean)}, max {duration(took.max)}"
            if took.max is not None
            else "",
        ),
        ("cost", cost(statistics.cost_usd)),
        ("last run", f"{last.run_id}, {last.status}, {age(last.created_at)} ago" if last else ""),
    ]


def _share(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.0f}%"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


@app.command("put")
def put(
    name: DeploymentName,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A deployment as a JSON object, or - for stdin; options win"
        ),
    ] = None,
    workflow: WorkflowName = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is for")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="For starts that bring none")
    ] = None,
    prompt_file: PromptFile = None,
    param: Params = None,
    params_file: ParamsFile = None,
    params_json: Annotated[
        str | None, typer.Option("--params-json", metavar="JSON", help="Params as a JSON object")
    ] = None,
    allow_override: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-override",
            metavar="PARAM",
            help="A param that a start may set; or title, labels, thread_id, output_schema; repeat it",
        ),
    ] = None,
    limit: RunLimits = None,
    max_running: Annotated[
        int | None,
        typer.Option("--max-running", metavar="N", min=1, help="So many of its runs at once"),
    ] = None,
    warm: Annotated[
        int | None,
        typer.Option(
            "--warm",
            metavar="N",
            min=0,
            max=MAX_WARM,
            help="So many agents wait ready for its next runs, some 200 MB each",
        ),
    ] = None,
    priority: RunPriority = None,
    title: RunTitle = None,
    label: Labels = None,
    thread: RunThread = None,
    park_after_s: ParkAfter = None,
    output_schema: OutputSchema = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Keep its runs open for messages")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Replace none that is there")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Make a deployment, or replace it as a whole.

    Runs that were started from it go on as they are.
    """
    check_deployment_name(name)
    if prompt is not None and prompt_file is not None:
        raise CommandError("the prompt is given twice", "Leave out --prompt-file, or --prompt")
    body = json_object(read_text(file), file) if file is not None else {}
    given = {
        "workflow": workflow,
        "description": description,
        "prompt": read_text(prompt_file) if prompt_file is not None else prompt,
        "allowed_overrides": allow_override,
        "max_running": max_running,
        "warm": warm,
        "priority": priority,
        "park_after_s": park_after_s,
        "interactive": interactive or None,
        "limits": limits_of(limit) or None,
        "title": title,
        "labels": labels_of(label) or None,
        "thread_id": thread,
        "output_schema": output_schema_of(output_schema),
    }
    params = params_of(params_file, [])
    params |= json_object(params_json, "--params-json") if params_json is not None else {}
    params |= params_of(None, param or [])
    given["params"] = params or None
    body = {name: value for name, value in body.items() if name not in READ_ONLY}
    body |= {name: value for name, value in given.items() if value is not None}
    if "workflow" not in body:
        raise CommandError("no workflow is named", "Add --workflow NAME")
    deployment = deployment_of(name, body)
    check_deployment(root, deployment)

    def precondition(present: Deployment | BrokenNamed | None) -> None:
        if new and present is not None:
            raise CommandError(f"{name} is there already", "Leave out --new to replace it")

    written, is_new = write_deployment(make_root(root), deployment, precondition)
    if as_json:
        statistics = statistics_by_deployment(RunIndex(root), [name])[name]
        print_json(deployment_view(written, statistics))
        return
    print_line(f"{'made' if is_new else 'replaced'} {name}")
    print_line(f"  {command_line(root, 'run', '--deployment', name)}")


@app.command("rm")
def rm(
    names: DeploymentNames,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Remove deployments. Their runs stay, and those that run go on."""
    return remove_named(
        root, names, "deployment", read_deployment, remove_deployment, yes=yes, as_json=as_json
    )
