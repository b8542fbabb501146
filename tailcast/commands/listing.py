"""`ls` and `rm`: the runs of a root."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from runlog import (
    STATUSES,
    RunActive,
    RunIndex,
    Status,
    Summary,
    Unusable,
    Workspace,
    is_terminal,
    run_status,
)
from runlog.disk.records import from_iso
from runlog.groups.removal import check_ended, is_untold, remove_ended
from runlog.index import ORDERS, Counts, Filters, Order
from runlog.run.own_words import label_text, parse_label
from runlog.run.status import BROKEN

from ..cli.errors import CommandError
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    DeploymentFilter,
    EndedRuns,
    Root,
    StatusFilter,
    WorkflowName,
    command_line,
    complete_batch,
    find_run,
    none_in,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, print_table, terminal_width
from ..terminal.text import age, cost, duration, plural, without_script

__all__ = ["ls", "remove", "rm", "run_columns"]

_STATUS_STYLES = {
    "queued": "dim",
    "running": "cyan",
    "waiting": "yellow",
    "paused": "yellow",
    "completed": "green",
    "failed": "red",
    "stopped": "dim",
}
_WATCH_S = 1.0
_PAGE = 200


def ls(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]…",
            help="All begin words of the run's id, title, labels, prompt, command or result",
        ),
    ] = None,
    status: StatusFilter = None,
    workflow: WorkflowName = None,
    deployment: DeploymentFilter = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="BATCH", autocompletion=complete_batch)
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="WORD", help="How it failed, or stopped, e.g. lost"),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="NAME=VALUE",
            help="Or NAME, with any value; repeat it: all of them",
        ),
    ] = None,
    thread: Annotated[
        str | None, typer.Option("--thread", metavar="ID", help="Of that conversation or case")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="NAME", help="That started them")
    ] = None,
    created_after: Annotated[
        str | None,
        typer.Option("--created-after", metavar="TIME", help="Or at it, e.g. 2025-01-19, in UTC"),
    ] = None,
    created_before: Annotated[str | None, typer.Option("--created-before", metavar="TIME")] = None,
    cost_over: Annotated[
        float | None, typer.Option("--cost-over", metavar="USD", min=0, help="More than that")
    ] = None,
    order: Annotated[
        str, typer.Option("--order", metavar="ORDER", help=", ".join(ORDERS))
    ] = "newest",
    counts: Annotated[
        bool, typer.Option("--counts", help="Instead, how many runs have each status, workflow, …")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="The newest N")
    ] = 20,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of them")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again each second, until Ctrl-C")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """List the runs, newest first."""
    if status is not None and status not in STATUSES:
        raise CommandError(f"there is no status {status!r}", f"One of {', '.join(STATUSES)}")
    if order not in ORDERS:
        raise CommandError(f"there is no order {order!r}", f"One of {', '.join(ORDERS)}")
    filters = Filters(
        q=" ".join(words or ()) or None,
        status=next((s for s in get_args(Status) if s == status), None),
        workflow=workflow,
        deployment=deployment,
        batch_id=batch,
        reason=reason,
        labels=[parse_label(text) for text in label] if label else None,
        thread_id=thread,
        schedule=schedule,
        created_after=_time(created_after),
        created_before=_time(created_before),
        cost_over=cost_over,
    )
    chosen: Order = next(o for o in get_args(Order) if o == order)
    filtered = any(value is not None for value in filters.values())
    index = RunIndex(root)
    while True:
        if watch and sys.stdout.isatty():
            sys.stdout.write("\x1b[2J\x1b[H")
        if counts:
            _print_counts(index.counts(**filters), as_json=as_json)
        else:
            rows = _rows(index, None if every else limit, chosen, filters)
            _print(root, rows, filtered=filtered, as_json=as_json)
        if not watch:
            return
        time.sleep(_WATCH_S)


def _time(text: str | None) -> datetime | None:
    moment = from_iso(text)
    if text is not None and moment is None:
        raise CommandError(f"{text!r} is no time", "Write it as 2025-01-19 or 2025-01-19T10:30:00Z")
    return moment


def _print_counts(counts: Counts, *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
        return
    told = [(facet, value, n) for facet, values in counts.items() for value, n in values.items()]
    columns = [
        Column("FACET", [facet for facet, _, _ in told]),
        Column("VALUE", [value for _, value, _ in told]),
        Column("RUNS", [f"{n:,}" for _, _, n in told], right=True),
    ]
    print_table(columns, colour=colours(), width=terminal_width())


def _rows(
    index: RunIndex,
    limit: int | None = None,
    order: Order = "newest",
    filters: Filters | None = None,
) -> list[Summary]:
    rows: list[Summary] = []
    cursor: str | None = None
    while limit is None or len(rows) < limit:
        count = _PAGE if limit is None else min(_PAGE, limit - len(rows))
        page = index.page(limit=count, cursor=cursor, order=order, **(filters or {}))
        rows += page.runs
        cursor = page.next
        if cursor is None:
            break
    return rows


def _print(root: Path, rows: list[Summary], *, filtered: bool, as_json: bool) -> None:
    if as_json and (rows or root.exists()):
        for row in rows:
            print_json(asdict(row))
        return
    if not rows:
        start = command_line(root, "run", "claude", "…")
        note(f"{none_in(root, 'such runs' if filtered else 'runs')}. Start one: {start}")
        return
    print_table(run_columns(rows), colour=colours(), width=terminal_width())


def run_columns(rows: list[Summary]) -> list[Column]:
    """Of a table of runs."""
    columns = [Column("RUN", [row.run_id for row in rows])]
    # An id that we made begins with its workflow: on a narrow terminal once is enough.
    told = all(row.run_id.startswith(f"{row.workflow}-") for row in rows)
    if not told or (terminal_width() or 200) >= 110:
        columns.append(Column("WORKFLOW", [row.workflow for row in rows], max_cells=20, rank=6))
    marks = [_mark(row) for row in rows]
    columns += [
        Column(
            "STATUS",
            [f"{_status(row)}{mark}" for row, mark in zip(rows, marks, strict=True)],
            styles=[_STATUS_STYLES[row.status] for row in rows],
        ),
        Column("AGE", [age(row.created_at) for row in rows], right=True, rank=2),
        Column("TOOK", [duration(row.duration_s) for row in rows], right=True, rank=3),
        Column("DONE", [_percent(row) for row in rows], right=True, rank=4),
        Column("COST", [cost(row.cost_usd) for row in rows], right=True, rank=5),
        Column("LABELS", [label_text(row.labels) for row in rows], max_cells=30, rank=7),
        Column("TITLE", [_title(row) for row in rows], last=True, rank=1),
    ]
    always = {"RUN", "STATUS", "AGE", "TITLE"}
    # Into a pipe go the same columns whatever the runs, but those that only some people use.
    always |= set() if terminal_width() else {column.name for column in columns} - {"LABELS"}
    return [c for c in columns if c.name in always or any(c.cells)]


def _title(row: Summary) -> str:
    if row.reason == BROKEN:
        return row.message or ""
    return without_script(row.title) if row.title else row.message or ""


def _status(row: Summary) -> str:
    """One that waits for the next message needs nobody."""
    if row.waiting_for != "message":
        return row.status
    return "parked" if row.parked else "idle"


def _mark(row: Summary) -> str:
    """Of the status: how many are to begin before it, or that it asks."""
    if row.queue_position is not None:
        return f" {row.queue_position}"
    return "?" if row.open_questions else ""


def _percent(row: Summary) -> str:
    """How far it is: in steps, where they were planned."""
    if row.steps_total is not None:
        return f"{row.steps_done} of {row.steps_total}"
    return "" if row.progress is None else f"{row.progress:.0f}%"


def rm(
    runs: EndedRuns = None,
    all_finished: Annotated[
        bool, typer.Option("--all-finished", help="Every run that has ended")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what others write, though it never says it ended")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Remove runs that have ended, with all their files."""
    chosen = [find_run(root, run) for run in runs or []]
    for workspace in chosen:
        _check(workspace, force=force)
    if all_finished:
        known = {workspace.run_id for workspace in chosen}
        ended = [row for row in _rows(RunIndex(root)) if is_terminal(row.status)]
        chosen += [find_run(root, row.run_id) for row in ended if row.run_id not in known]
    elif not chosen:
        raise CommandError("no run is named", "Name runs, or use --all-finished")
    if not chosen:
        note(none_in(root, "runs that have ended"))
        return 0
    if not yes and not _confirmed(chosen, asks=all_finished):
        note("Nothing removed.")
        return 1
    for workspace in chosen:
        remove(workspace, force=force)
        if as_json:
            print_json({"run_id": workspace.run_id, "removed": True})
        else:
            print_line(f"removed {workspace.run_id}")
    return 0


def _confirmed(chosen: list[Workspace], *, asks: bool) -> bool:
    if not sys.stdin.isatty():
        if asks:
            raise CommandError("nobody is here to ask", "Add --yes")
        return True
    what = chosen[0].run_id if len(chosen) == 1 else plural(len(chosen), "run")
    return typer.confirm(f"Remove {what} with all files?", err=True)


def remove(workspace: Workspace, *, force: bool = False) -> None:
    """Remove a run with all its files; also one that can't be used.

    :param force: also one of others that never says it ended.
    :raises RunActive: it has not ended.
    :raises UnknownRun: there is no such run.
    """
    _check(workspace, force=force)
    with _explained(workspace):
        remove_ended(workspace, stop_by=_stop(workspace), force=force)


def _check(workspace: Workspace, *, force: bool) -> None:
    with contextlib.suppress(Unusable):
        if run_status(workspace) == "failed" and is_untold(workspace):
            from runner.supervise.lost import end_run

            # No runner may be at work here who would; it ends what the dead process left running.
            end_run(workspace, "workflow_failed", "lost", "the run's process died")
    with _explained(workspace):
        check_ended(workspace, stop_by=_stop(workspace), force=force)


def _stop(workspace: Workspace) -> str:
    return command_line(workspace.root, "stop", workspace.run_id)


@contextlib.contextmanager
def _explained(workspace: Workspace) -> Iterator[None]:
    try:
        yield
    except RunActive as error:
        if os.path.lexists(workspace.manifest):
            raise
        raise RunActive(error.message, "Add --force to remove it all the same") from error
