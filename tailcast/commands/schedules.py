"""`schedules ls|show|put|rm|pause|resume|run`: runs of deployments, started by the clock."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from runlog import RunIndex, Summary, create_run
from runlog.disk.layout import make_root
from runlog.disk.records import from_iso
from runlog.errors import BrokenNamed
from runlog.groups.cron import zone_of
from runlog.groups.schedule_state import ScheduleState, read_state_of, schedule_view
from runlog.groups.schedules import (
    READ_ONLY,
    Missed,
    Overlap,
    Schedule,
    check_schedule_name,
    list_schedules,
    read_schedule,
    remove_schedule,
    schedule_of,
    set_enabled,
    write_schedule,
)
from runlog.run.own_words import label_text

from ..cli.asked import (
    json_object,
    output_schema_of,
    params_of,
    read_text,
    start_of_schedule,
)
from ..cli.errors import CommandError
from ..cli.help import Group
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    command_line,
    complete_deployment,
    limits_of,
    none_in,
    root_to_complete,
)
from ..cli.removal import remove_named
from ..cli.runs import check_scripted, runner_is_at_work
from ..cli.start_options import (
    Follow,
    Labels,
    OutputSchema,
    Overrides,
    ParkAfter,
    PromptFile,
    RunLimits,
    RunPriority,
    RunThread,
    RunTitle,
    ScriptedModel,
    WaitForAnswer,
    WaitTimeout,
    labels_of,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, paint, print_table, terminal_width
from ..terminal.text import age, clean, cut, duration, one_line
from .run import begin_and_show, check_shown

__all__ = ["app"]

app = typer.Typer(
    name="schedules",
    help="Runs of deployments, started by the clock: `tailcast schedules put NAME --cron '30 7 * * MON-FRI'`.",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _complete(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    try:
        found, broken = list_schedules(root_to_complete(context))
    except OSError:
        return []
    told = [(each.name, f"{each.cron}  {each.deployment}") for each in found]
    told += [(name, "can't be used") for name in broken]
    return [each for each in sorted(told) if each[0].startswith(incomplete)]


_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Of a schedule", autocompletion=_complete)
]
_Deployment = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        "-d",
        metavar="NAME",
        help="What is started",
        autocompletion=complete_deployment,
    ),
]
_Names = Annotated[
    list[str], typer.Argument(metavar="NAME…", help="Of schedules", autocompletion=_complete)
]


@app.command("ls")
def ls(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """List the schedules, each with its next time and what became of the last."""
    found, broken = list_schedules(root)
    index = RunIndex(root)
    last_runs = [_last_run(index, each.name) for each in found]
    states = [read_state_of(root, each.name) for each in found]
    if as_json and (found or root.exists()):
        for each, state, last_run in zip(found, states, last_runs, strict=True):
            print_json(_view(each, state, last_run))
    elif found:
        columns = _columns(found, states, last_runs)
        print_table(columns, colour=colours(), width=terminal_width())
        _note_of_runner(root)
    elif not broken:
        put = command_line(root, "schedules", "put", "weekdays", "--cron", "30 7 * * MON-FRI", "…")
        note(f"{none_in(root, 'schedules')}. Make one: {put}")
    for error in broken.values():
        note(f"left out: {clean(str(error))}")


def _columns(
    found: list[Schedule], states: list[ScheduleState], last_runs: list[Summary | None]
) -> list[Column]:
    views = [schedule_view(*each) for each in zip(found, states, strict=True)]
    outcomes = [
        f"{state.last.outcome} {age(state.last.due_at)}" if state.last else "" for state in states
    ]
    return [
        Column("NAME", [each.name for each in found]),
        Column("CRON", [each.cron for each in found], max_cells=30, rank=2),
        Column("TIMEZONE", [each.timezone for each in found], max_cells=20, rank=5),
        Column("DEPLOYMENT", [each.deployment for each in found], max_cells=24, rank=4),
        Column("NEXT", [_in(view) for view in views], right=True),
        Column("LAST", outcomes, rank=1),
        Column("RUN", [run.status if run else "" for run in last_runs], rank=3),
        Column("DESCRIPTION", [each.description for each in found], last=True, rank=6),
    ]


def _in(view: dict[str, Any]) -> str:
    if not view["enabled"]:
        return "paused"
    due = from_iso(next(iter(view["next_times"]), None))
    return f"in {duration((due - datetime.now(UTC)).total_seconds())}" if due else ""


@app.command("show")
def show(name: _Name, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Show a schedule, its next times, and what became of the last.

    What `--json` prints can be changed and put again: `… put NAME -`.
    """
    _show(root, read_schedule(root, name), as_json=as_json)


def _show(root: Path, schedule: Schedule, *, as_json: bool, done: str = "") -> None:
    """:param done: what was done to it, if anything."""
    state, last_run = read_state_of(root, schedule.name), _last_run(RunIndex(root), schedule.name)
    view = _view(schedule, state, last_run)
    if as_json:
        print_json(view)
        return
    colour = colours()
    print_line(paint(f"{done} {schedule.name}".strip(), "bold", colour=colour))
    for word, value in [
        *_facts(schedule),
        *_outcome(schedule, state, view["next_times"], last_run),
    ]:
        if value:
            print_line(f"  {paint(f'{word:<11}', 'dim', colour=colour)} {one_line(value, 300)}")
    print_line(f"\n  {command_line(root, 'ls', '--schedule', schedule.name)}")
    _note_of_runner(root)


def _facts(schedule: Schedule) -> list[tuple[str, str]]:
    prompt = schedule.prompt
    shown = prompt if isinstance(prompt, str | None) else json.dumps(prompt, ensure_ascii=False)
    pairs = schedule.runtime_overrides.items()
    return [
        ("about", schedule.description),
        ("cron", f"{schedule.cron}, in {schedule.timezone}"),
        ("deployment", schedule.deployment),
        ("overlap", schedule.overlap),
        ("missed", schedule.missed),
        ("prompt", cut(shown or "", 300)),
        ("overrides", ", ".join(f"{name}={value!r}" for name, value in pairs)),
        ("limits", ", ".join(f"{name}={value:g}" for name, value in schedule.limits.items())),
        ("title", schedule.title or ""),
        ("labels", label_text(schedule.labels)),
        ("thread", schedule.thread_id or ""),
        ("priority", str(schedule.priority or "")),
        ("changed", f"{schedule.updated_at}, {age(schedule.updated_at)} ago"),
    ]


def _outcome(
    schedule: Schedule, state: ScheduleState, next_times: list[str], last_run: Summary | None
) -> list[tuple[str, str]]:
    last = state.last
    detail = f": {last.run_id or last.detail}" if last and (last.run_id or last.detail) else ""
    return [
        ("next", ", ".join(_there(schedule, each) for each in next_times) or "paused"),
        ("last", f"{_there(schedule, last.due_at)} {last.outcome}{detail}" if last else ""),
        ("waits", _there(schedule, state.waits_since) if state.waits_since else ""),
        ("last run", f"{last_run.run_id}, {last_run.status}" if last_run else ""),
    ]


def _there(schedule: Schedule, moment: str) -> str:
    """A time as the clocks of its zone have it."""
    due = from_iso(moment)
    return f"{due.astimezone(zone_of(schedule.timezone)):%a %Y-%m-%d %H:%M %z}" if due else ""


@app.command("put")
def put(
    name: _Name,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A schedule as a JSON object, or - for stdin; options win"
        ),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(
            "--cron",
            "-c",
            metavar="CRON",
            help="Minute, hour, day, month, weekday: 30 7 * * MON-FRI",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", "-z", metavar="ZONE", help="E.g. Europe/Berlin [default: UTC]"),
    ] = None,
    deployment: _Deployment = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            "--overlap",
            metavar="WORD",
            help="If the run of before has not ended: skip (default), queue, or stop that one",
        ),
    ] = None,
    missed: Annotated[
        str | None,
        typer.Option(
            "--missed",
            metavar="WORD",
            help="Of times without a runner, or in a pause: none (default), or once the last",
        ),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is for")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="TEXT", help="In place of the deployment's"),
    ] = None,
    prompt_file: PromptFile = None,
    override: Overrides = None,
    limit: RunLimits = None,
    priority: RunPriority = None,
    title: RunTitle = None,
    label: Labels = None,
    thread: RunThread = None,
    park_after_s: ParkAfter = None,
    output_schema: OutputSchema = None,
    paused: Annotated[bool, typer.Option("--paused", help="Begin with a pause")] = False,
    new: Annotated[bool, typer.Option("--new", help="Replace none that is there")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Make a schedule, or replace it as a whole. A runner starts its runs.

    In --title {date}, {time} and {schedule} are replaced.
    """
    check_schedule_name(name)
    if prompt is not None and prompt_file is not None:
        raise CommandError("the prompt is given twice", "Leave out --prompt-file, or --prompt")
    body = json_object(read_text(file), file) if file is not None else {}
    given = {
        "cron": cron,
        "timezone": timezone,
        "deployment": deployment,
        "overlap": _word("--overlap", overlap, get_args(Overlap)),
        "missed": _word("--missed", missed, get_args(Missed)),
        "enabled": False if paused else None,
        "description": description,
        "prompt": read_text(prompt_file) if prompt_file is not None else prompt,
        "runtime_overrides": params_of(None, override or [], "--override") or None,
        "limits": limits_of(limit) or None,
        "priority": priority,
        "title": title,
        "labels": labels_of(label) or None,
        "thread_id": thread,
        "park_after_s": park_after_s,
        "output_schema": output_schema_of(output_schema),
    }
    body = {name: value for name, value in body.items() if name not in READ_ONLY}
    body |= {name: value for name, value in given.items() if value is not None}
    for needed, option in (
        ("cron", "--cron '30 7 * * MON-FRI'"),
        ("deployment", "--deployment NAME"),
    ):
        if needed not in body:
            raise CommandError(f"no {needed} is named", f"Add {option}")
    schedule = schedule_of(name, body)
    start_of_schedule(root, schedule)

    def precondition(present: Schedule | BrokenNamed | None) -> None:
        if new and present is not None:
            raise CommandError(f"{name} is there already", "Leave out --new to replace it")

    written, is_new = write_schedule(make_root(root), schedule, precondition)
    _show(root, written, as_json=as_json, done="made" if is_new else "replaced")


def _word(option: str, given: str | None, words: tuple[str, ...]) -> str | None:
    if given is not None and given not in words:
        raise CommandError(f"{option} can't be {given!r}", f"One of {', '.join(words)}")
    return given


@app.command("pause")
def pause(name: _Name, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Start nothing by it until it is resumed. Its runs go on."""
    _show(root, set_enabled(root, name, False), as_json=as_json, done="paused")


@app.command("resume")
def resume(name: _Name, root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> None:
    """Go on after a pause."""
    _show(root, set_enabled(root, name, True), as_json=as_json, done="resumed")


@app.command("run")
def run(
    name: _Name,
    follow: Follow = False,
    wait: WaitForAnswer = False,
    timeout: WaitTimeout = None,
    scripted_model: ScriptedModel = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start its run now, whatever the time, and whether the run of before has ended."""
    check_shown(follow=follow, wait=wait, timeout_s=timeout)
    start = start_of_schedule(root, read_schedule(root, name))
    check_scripted(root, scripted_model)
    return begin_and_show(
        create_run(root, **start.fields()),
        scripted_model=scripted_model,
        follow=follow,
        wait=wait,
        timeout_s=timeout,
        as_json=as_json,
    )


@app.command("rm")
def rm(
    names: _Names,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Remove schedules. Their runs stay, and those that run go on."""
    return remove_named(
        root, names, "schedule", read_schedule, remove_schedule, yes=yes, as_json=as_json
    )


def _last_run(index: RunIndex, name: str) -> Summary | None:
    return next(iter(index.page(limit=1, schedule=name).runs), None)


def _view(schedule: Schedule, state: ScheduleState, last_run: Summary | None) -> dict[str, Any]:
    told = None if last_run is None else asdict(last_run)
    return schedule_view(schedule, state) | {"last_run": told}


def _note_of_runner(root: Path) -> None:
    if not runner_is_at_work(root):
        serve = command_line(root, "serve")
        note(f"No runner is at work here, so nothing is started by the clock. Start one: {serve}")
