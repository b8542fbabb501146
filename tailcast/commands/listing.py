"""`ls` and `rm`: the runs of a root."""

import contextlib
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, get_args

import typer

from runlog import (
    STATUSES,
    RunActive,
    RunIndex,
    RunLock,
    Status,
    Summary,
    Unusable,
    Workspace,
    is_terminal,
    run_status,
)
from runlog.run.inbox import inbox_closed
from runlog.run.manifest import remove_run
from runlog.run.status import check_usable

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
    find_run,
    shown_path,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, print_table
from ..terminal.text import age, cost, duration, plural, without_script

__all__ = ["ls", "remove_ended", "rm", "run_columns"]

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
    status: StatusFilter = None,
    workflow: WorkflowName = None,
    deployment: DeploymentFilter = None,
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
    index = RunIndex(root)
    wanted: Status | None = next((s for s in get_args(Status) if s == status), None)
    while True:
        rows = _rows(index, None if every else limit, wanted, workflow, deployment)
        if watch and sys.stdout.isatty():
            sys.stdout.write("\x1b[2J\x1b[H")
        filtered = bool(status or workflow or deployment)
        _print(root, rows, filtered=filtered, as_json=as_json)
        if not watch:
            return
        time.sleep(_WATCH_S)


def _rows(
    index: RunIndex,
    limit: int | None = None,
    status: Status | None = None,
    workflow: str | None = None,
    deployment: str | None = None,
) -> list[Summary]:
    rows: list[Summary] = []
    cursor: str | None = None
    while limit is None or len(rows) < limit:
        count = _PAGE if limit is None else min(_PAGE, limit - len(rows))
        page = index.page(
            limit=count, cursor=cursor, status=status, workflow=workflow, deployment=deployment
        )
        rows += page.runs
        cursor = page.next
        if cursor is None:
            break
    return rows


def _print(root: Path, rows: list[Summary], *, filtered: bool, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json(asdict(row))
        return
    if not rows:
        start = command_line(root, "run", "claude", "…")
        note(f"No {'such ' if filtered else ''}runs in {shown_path(root)}. Start one: {start}")
        return
    print_table(run_columns(rows), colour=colours(), width=_width())


def run_columns(rows: list[Summary]) -> list[Column]:
    """Of a table of runs."""
    columns = [Column("RUN", [row.run_id for row in rows])]
    # An id that we made begins with its workflow: on a narrow terminal once is enough.
    told = all(row.run_id.startswith(f"{row.workflow}-") for row in rows)
    if not told or (_width() or 200) >= 110:
        columns.append(Column("WORKFLOW", [row.workflow for row in rows], max_cells=20))
    marks = [_mark(row) for row in rows]
    columns += [
        Column(
            "STATUS",
            [f"{row.status}{mark}" for row, mark in zip(rows, marks, strict=True)],
            styles=[_STATUS_STYLES[row.status] for row in rows],
        ),
        Column("AGE", [age(row.created_at) for row in rows], right=True),
        Column("TOOK", [duration(row.duration_s) for row in rows], right=True),
        Column("DONE", [_percent(row) for row in rows], right=True),
        Column("COST", [cost(row.cost_usd) for row in rows], right=True),
        Column("TITLE", [_title(row) for row in rows], last=True),
    ]
    always = {"RUN", "STATUS", "AGE", "TITLE"}
    return [c for c in columns if c.name in always or any(c.cells) or _width() is None]


def _title(row: Summary) -> str:
    if row.reason == "broken":
        return row.message or ""
    return without_script(row.title) if row.title else row.message or ""


def _mark(row: Summary) -> str:
    """Of the status: how many are to begin before it, or that it asks."""
    if row.queue_position is not None:
        return f" {row.queue_position}"
    return "?" if row.open_questions else ""


def _percent(row: Summary) -> str:
    return "" if row.progress is None else f"{row.progress:.0f}%"


def _width() -> int | None:
    """Of the terminal; None for a pipe, where nothing is cut."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


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
        _check_ended(workspace, force=force)
    if all_finished:
        known = {workspace.run_id for workspace in chosen}
        ended = [row for row in _rows(RunIndex(root)) if is_terminal(row.status)]
        chosen += [find_run(root, row.run_id) for row in ended if row.run_id not in known]
    elif not chosen:
        raise CommandError("no run is named", "Name runs, or use --all-finished")
    if not chosen:
        note("No run has ended.")
        return 0
    if not yes and not _confirmed(chosen, asks=all_finished):
        note("Nothing removed.")
        return 1
    for workspace in chosen:
        remove_ended(workspace, force=force)
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


def _check_ended(workspace: Workspace, *, force: bool) -> None:
    try:
        check_usable(workspace)
        status = run_status(workspace)
    except Unusable:
        return
    owned = os.path.lexists(workspace.manifest)
    if is_terminal(status) or (force and not owned):
        return
    if not owned:
        raise RunActive(
            f"{workspace.run_id} is written by others and has not said that it ended",
            "Add --force to remove it all the same",
        )
    stop = command_line(workspace.root, "stop", workspace.run_id)
    raise RunActive(f"{workspace.run_id} has not ended: it is {status}", f"Stop it first: {stop}")


def remove_ended(workspace: Workspace, *, force: bool = False) -> None:
    """:param force: also one of others that never says it ended.
    :raises RunActive: it has not ended.
    """
    with inbox_closed(workspace):  # so that no message reopens it in between
        _check_ended(workspace, force=force)
        lock = RunLock(workspace.lock)
        with contextlib.suppress(Unusable):
            if not lock.acquire():
                stop = command_line(workspace.root, "stop", workspace.run_id)
                told = f"{workspace.run_id} still has a process"
                raise RunActive(told, f"Try again soon, or stop it: {stop}")
        try:
            remove_run(workspace)
        finally:
            lock.release()
