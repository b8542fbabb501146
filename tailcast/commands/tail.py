"""`tail` and `replay`: a run's events, as they are written or as they came."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from runlog import LogFile, LogReplaced, Record, Workspace, parse_cursor, read_records, run_status
from runlog.disk.records import from_iso
from runlog.run.text_filter import holds, sought_words

from ..cli.errors import CommandError
from ..cli.follow import Follower
from ..cli.options import DEFAULT_ROOT, AnyRun, AsJson, Root, command_line, find_run
from ..cli.printer import Printer, make_printer
from ..terminal.output import note

__all__ = ["follow_to_end", "replay", "tail", "tell_if_queued"]

_MAX_GAP_S = 10.0  # of a replay, as over HTTP: nobody sits through a night's pause
_SPEEDS = (0.1, 100.0)

_After = Annotated[
    str,
    typer.Option("--after", metavar="OFFSET", help="Begin after this offset", show_default=False),
]
_Full = Annotated[bool, typer.Option("--full", help="Cut no long tool results")]
_Raw = Annotated[
    bool, typer.Option("--raw", help="The lines as they are in the file, byte for byte")
]
_Types = Annotated[
    str,
    typer.Option("--types", metavar="A,B", help="Only events of these types", show_default=False),
]
_Exclude = Annotated[
    str, typer.Option("--exclude", metavar="A,B", help="All but these types", show_default=False)
]


def tail(
    run: AnyRun,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends")
    ] = False,
    after: _After = "0",
    lines: Annotated[
        int | None, typer.Option("-n", metavar="N", min=0, help="Begin N lines from the end")
    ] = None,
    raw: _Raw = False,
    types: _Types = "",
    exclude: _Exclude = "",
    q: Annotated[
        str,
        typer.Option(
            "-q",
            metavar="WORDS",
            help="Only events that hold all of these words in their texts",
            show_default=False,
        ),
    ] = "",
    full: _Full = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Show the events of a run, with -f as they come.

    Rendered for people. With -f until the run ends: exit code 1 if it failed.
    """
    workspace = find_run(root, run)
    start = _start_of(workspace, after, lines)
    printer = make_printer(workspace, raw=raw, as_json=as_json, full=full)
    wanted = _Filter(types, exclude, q)
    try:
        if follow:
            if start == 0:
                tell_if_queued(workspace)
            return follow_to_end(Follower(workspace, start), printer, wanted)
        for record in read_records(workspace.stream, start):
            if wanted(record):
                printer.show(record)
    finally:
        printer.close()
    return 0


def replay(
    run: AnyRun,
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="X", min=0, max=_SPEEDS[1], help="0.1 to 100 times; 0: all at once"
        ),
    ] = 1.0,
    after: _After = "0",
    raw: _Raw = False,
    types: _Types = "",
    exclude: _Exclude = "",
    full: _Full = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Show the events of a run in the time they took.

    A gap of more than 10 s is cut to 10 s.
    """
    if 0 < speed < _SPEEDS[0]:
        raise CommandError(f"--speed {speed:g} is too slow", "Use 0.1 to 100, or 0 for all at once")
    workspace = find_run(root, run)
    start = _start_of(workspace, after, None)
    printer = make_printer(workspace, raw=raw, as_json=as_json, full=full)
    wanted = _Filter(types, exclude)
    try:
        for record in _paced(read_records(workspace.stream, start), speed):
            if wanted(record):
                printer.show(record)
    finally:
        printer.close()
    return 0


def follow_to_end(follower: Follower, printer: Printer, wanted: "_Filter | None" = None) -> int:
    """Show the records of a run until it has ended; the exit code is 1 if it failed, else 0."""
    while True:
        try:
            for record in follower.records():
                if wanted is None or wanted(record):
                    printer.show(record)
            return 1 if follower.status == "failed" else 0
        except LogReplaced:
            if not follower.workspace.exists():
                raise CommandError(
                    f"run {follower.workspace.run_id!r} was removed", exit_code=1
                ) from None
            note("the file was replaced: from its start")
            follower.offset = 0


def tell_if_queued(workspace: Workspace) -> None:
    """Say at once why nothing comes, and what to do about it."""
    if run_status(workspace) != "queued":
        return
    from runner.supervise.supervisor import runner_is_active

    if runner_is_active(workspace.root):
        note(f"{workspace.run_id} is queued: the runner here starts it when its turn comes")
    else:
        start = command_line(workspace.root, "runner")
        note(f"{workspace.run_id} is queued and no runner is at work here. Start one: {start}")


class _Filter:
    """Which events are asked for."""

    def __init__(self, types: str, exclude: str, q: str = "") -> None:
        self._words = sought_words(q)
        self._types = frozenset(filter(None, types.split(",")))
        self._exclude = frozenset(filter(None, exclude.split(",")))

    def __call__(self, record: Record) -> bool:
        if not (self._types or self._exclude or self._words):
            return True
        event = record.event()
        if self._words and not holds(event, self._words):
            return False
        kind = event.get("type")
        if not isinstance(kind, str):
            kind = ""
        return (not self._types or kind in self._types) and kind not in self._exclude


def _start_of(workspace: Workspace, after: str, lines: int | None) -> int:
    offset = parse_cursor(after)
    try:
        with LogFile(workspace.stream) as log:
            if offset > log.size():
                raise CommandError(
                    f"offset {offset} is past the end of the run at {log.size()}",
                    "The file was replaced since, or the offset is of another run",
                )
            return offset if lines is None else max(offset, log.start_of_tail(lines))
    except FileNotFoundError:
        if offset:
            raise CommandError(f"offset {offset} is past the end: nothing is written yet") from None
        return 0


def _paced(records: Iterator[Record], speed: float) -> Iterator[Record]:
    before: datetime | None = None
    for record in records:
        moment = from_iso(record.event().get("timestamp")) if speed else None
        if moment is not None:
            if before is not None and moment > before:
                time.sleep(min((moment - before).total_seconds(), _MAX_GAP_S) / speed)
            before = moment
        yield record
