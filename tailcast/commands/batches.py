"""`batches ls|show|stop|rm`: what was started by `batch`, or over HTTP."""

import sys
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import typer

from runlog import (
    BatchActive,
    RunFinished,
    RunId,
    RunIndex,
    Summary,
    UnknownRun,
    Workspace,
    is_terminal,
    list_batches,
)
from runlog.groups.batch_state import BatchState, batch_rows, batch_state
from runlog.groups.batches import remove_batch, remove_unmade

from ..cli.batches import BatchWatch, find_batch, told_counts
from ..cli.help import Group
from ..cli.options import DEFAULT_ROOT, AsJson, Root, command_line, complete_batch, none_in
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, paint, print_table, terminal_width
from ..terminal.text import age, cost, duration, one_line, plural
from .batch import follow_batch
from .listing import remove, run_columns
from .stop import ask_to_stop, await_end

__all__ = ["app"]

app = typer.Typer(
    name="batches",
    help="Runs that were started together: `tailcast batch FILE`.",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_STOP_WAIT_S = 20.0
_STYLES = {"running": "cyan", "completed": "green", "failed": "red"}

AnyBatch = Annotated[
    str,
    typer.Argument(
        metavar="BATCH",
        help="Its id, the beginning of one, or `last`",
        autocompletion=complete_batch,
    ),
]


@app.command("ls")
def ls(
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="The newest N")
    ] = 20,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of them")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """List the batches, newest first."""
    remove_unmade(root)
    batches = list_batches(root)
    index = RunIndex(root)
    shown = batches if every else batches[:limit]
    states = [batch_state(batch, batch_rows(index, batch)) for batch in shown]
    if as_json and (states or root.exists()):
        for state in states:
            print_json(asdict(state))
    elif states:
        print_table(_columns(states), colour=colours(), width=terminal_width())
    else:
        start = command_line(root, "batch", "prompts.jsonl", "--workflow", "claude")
        note(f"{none_in(root, 'batches')}. Start one: {start}")


def _columns(states: list[BatchState]) -> list[Column]:
    columns = [
        Column("BATCH", [state.batch_id for state in states]),
        Column(
            "STATUS",
            [state.status for state in states],
            styles=[_STYLES.get(state.status, "dim") for state in states],
        ),
        Column("AGE", [age(state.created_at) for state in states], right=True, rank=3),
        Column("TOOK", [duration(state.duration_s) for state in states], right=True, rank=4),
        Column("DONE", [f"{state.done}/{state.total}" for state in states], right=True, rank=1),
        Column(
            "FAILED", [str(state.by_status["failed"] or "") for state in states], right=True, rank=2
        ),
        Column("COST", [cost(state.cost_usd) for state in states], right=True, rank=5),
        Column(
            "OF", [state.deployment or state.workflow for state in states], max_cells=20, rank=6
        ),
        Column("DESCRIPTION", [state.description or "" for state in states], last=True, rank=7),
    ]
    return [c for c in columns if c.name == "DESCRIPTION" or any(c.cells)]


@app.command("show")
def show(
    batch: AnyBatch,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Until it ends; exit code 1 if a run failed")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Show a batch: its totals and its runs."""
    found = find_batch(root, batch)
    if follow:
        return follow_batch(root, found, as_json=as_json)
    state, rows = BatchWatch(root, found).look()
    if as_json:
        print_json(asdict(state) | {"runs": [asdict(row) for row in rows]})
        return 0
    colour = colours()
    print_line(paint(state.batch_id, "bold", colour=colour))
    for word, value in _facts(state):
        if value:
            print_line(f"  {paint(f'{word:<9}', 'dim', colour=colour)} {one_line(value, 300)}")
    if rows:
        print_line()
        print_table(run_columns(rows), colour=colour, width=terminal_width())
    return 0


def _facts(state: BatchState) -> list[tuple[str, str]]:
    what = f"{state.deployment} ({state.workflow})" if state.deployment else state.workflow
    took = f", {duration(state.duration_s)}" if state.duration_s is not None else ""
    return [
        ("about", state.description or ""),
        ("of", what),
        ("status", f"{state.status}, {state.done} of {state.total} done{took}"),
        ("runs", told_counts(state)),
        ("at once", str(state.max_running or "")),
        ("asking", plural(state.open_questions, "question") if state.open_questions else ""),
        ("cost", cost(state.cost_usd)),
        ("made", f"{state.created_at}, {age(state.created_at)} ago"),
    ]


@app.command("stop")
def stop(
    batch: AnyBatch,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="See it end")] = True,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait at most so long")
    ] = _STOP_WAIT_S,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """End all runs of a batch that have not ended; those that are queued never start."""
    watch = BatchWatch(root, find_batch(root, batch))
    asked = []
    # What waits first: a place that becomes free would be taken by one of those.
    for row in sorted(_going(watch), key=lambda row: row.status != "queued"):
        workspace = Workspace(root, RunId(row.run_id))
        with suppress(RunFinished, UnknownRun):  # it came first
            ask_to_stop(workspace)
            asked.append(workspace)
    deadline = time.monotonic() + (timeout_s if wait else 0)
    for workspace in asked:
        with suppress(UnknownRun):
            await_end(workspace, deadline)
    state, _ = watch.look()
    left = state.total - state.done
    if as_json:
        print_json(asdict(state) | {"stopped": [workspace.run_id for workspace in asked]})
    elif not asked:
        note(f"No run of {state.batch_id} is going on.")
    elif not wait:
        print_line(f"{state.batch_id}: {plural(len(asked), 'run')} asked to stop")
    else:
        print_line(f"{state.batch_id} {state.status}: {told_counts(state)}")
    if wait and left:
        note(f"{plural(left, 'run')} of {state.batch_id} not ended after {timeout_s:g} s")
        return 1
    return 0


@app.command("rm")
def rm(
    batch: AnyBatch,
    runs: Annotated[bool, typer.Option("--runs", help="Its runs too, with all files")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Remove a batch that has ended. Its runs stay, unless told otherwise."""
    watch = BatchWatch(root, find_batch(root, batch))
    batch_id = watch.batch.batch_id
    if going := _going(watch):
        raise BatchActive(
            f"{batch_id} has not ended: {plural(len(going), 'run')} to go",
            f"Stop it first: {command_line(root, 'batches', 'stop', batch_id)}",
        )
    rows = watch.look()[1] if runs else []
    what = f"{batch_id} and {plural(len(rows), 'run')} with all files" if runs else batch_id
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Remove {what}?", err=True):
        note("Nothing removed.")
        return 1
    # The runs first: if one can't be removed now, the batch is there to be removed again.
    for row in rows:
        with suppress(UnknownRun):
            remove(Workspace(root, RunId(row.run_id)))
    remove_batch(root, batch_id)
    told: dict[str, Any] = {"batch_id": batch_id, "removed": True, "runs": len(rows)}
    if as_json:
        print_json(told)
    else:
        print_line(f"removed {what}")
    return 0


def _going(watch: BatchWatch) -> list[Summary]:
    return [row for row in watch.look()[1] if not is_terminal(row.status)]
