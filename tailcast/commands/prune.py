"""`prune`: remove runs that ended long ago."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from runlog import STATUSES, RunlogError, Status, is_terminal
from runlog.groups.removal import EndedRun, ended_before, remove_all
from runlog.run.manifest import remove_leftovers

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AsJson, Root, none_in, parse_age
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, print_table, terminal_width
from ..terminal.text import age, plural, size, without_script

__all__ = ["prune"]

_ENDED: tuple[Status, ...] = tuple(status for status in STATUSES if is_terminal(status))


def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Since they ended, e.g. 30d or 12h")
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="STATUS",
            help=f"But none of these, {', '.join(_ENDED)}; repeat it",
            autocompletion=lambda incomplete: [s for s in _ENDED if s.startswith(incomplete)],
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would be removed")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Remove runs that ended long ago, with all their files.

    On a terminal it shows them and asks. Runs that have not ended stay, whatever their age. Exit code 1 if one could
    not be removed.
    """
    moment = datetime.now(UTC) - parse_age(older_than, "--older-than")
    kept = [_ended_status(status) for status in keep or []]
    if not dry_run:
        try:
            remove_leftovers(root)
        except (RunlogError, OSError) as refused:
            note(f"left of removed runs: {refused}")
    runs = list(ended_before(root, moment, keep=kept))
    if not runs:
        note(none_in(root, f"{'such ' if kept else ''}runs that ended so long ago"))
        return 0
    if dry_run:
        _show(runs, print_line, as_json=as_json)
        note(f"{_total(runs)} would be removed")
        return 0
    if not yes and sys.stdin.isatty():
        _show(runs, note)
        if not typer.confirm(f"Remove {_total(runs)}?", err=True):
            note("Nothing removed.")
            return 1
    removed, failed = [], 0
    for run, error in remove_all(root, runs):
        if as_json:
            print_json(asdict(run) | {"removed": error is None, "error": error and str(error)})
        elif error is None:
            print_line(f"removed {run.run_id}")
        else:
            note(f"left {run.run_id}: {error}")
        if error is None:
            removed.append(run)
        else:
            failed += 1
    note(f"{_total(removed)} removed")
    return 1 if failed else 0


def _ended_status(text: str) -> Status:
    for status in _ENDED:
        if status == text:
            return status
    raise CommandError(f"no run ends as {text!r}", f"--keep takes {', '.join(_ENDED)}")


def _show(runs: list[EndedRun], write: Callable[[str], None], *, as_json: bool = False) -> None:
    if as_json:
        for run in runs:
            print_json(asdict(run) | {"removed": False, "error": None})
        return
    columns = [
        Column("RUN", [run.run_id for run in runs]),
        Column("STATUS", [run.status for run in runs]),
        Column("ENDED", [f"{age(run.ended_at)} ago" for run in runs], right=True, rank=2),
        Column("SIZE", [size(run.disk_bytes) for run in runs], right=True, rank=1),
        Column(
            "TITLE", [run.title and without_script(run.title) for run in runs], last=True, rank=3
        ),
    ]
    print_table(columns, colour=colours(), width=terminal_width(), write=write)


def _total(runs: list[EndedRun]) -> str:
    return f"{plural(len(runs), 'run')}, {size(sum(run.disk_bytes for run in runs))}"
