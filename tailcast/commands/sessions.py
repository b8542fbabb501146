"""`sessions` and `import`: what somebody's Claude CLI has kept, and runs made of it."""

import os
import re
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from runlog import RunlogError
from runlog.disk.records import from_iso
from runlog.errors import UnknownSession
from runlog.run.own_words import check_own_words
from runlog.run.text_filter import sought_words
from runlog.sessions.intake import (
    WORKFLOW,
    Imported,
    SessionAsked,
    import_session,
)
from runlog.sessions.listing import SessionRow, list_sessions
from runlog.sessions.place import SessionFile, config_folder, find_session, given_file

from ..cli.asked import check_start, params_of
from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AsJson, Root, command_line, parse_age, shown_path
from ..cli.start_options import Labels, Params, ParamsFile, RunTitle, labels_of
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, print_table, terminal_width
from ..terminal.text import age, count, plural, size, without_script

__all__ = ["import_", "sessions"]

_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

ClaudeDir = Annotated[
    Path | None,
    typer.Option(
        "--claude-dir",
        envvar="CLAUDE_CONFIG_DIR",
        metavar="DIR",
        help="Where the Claude CLI keeps its things [default: ~/.claude]",
        show_default=False,
    ),
]
OfProject = Annotated[
    str | None,
    typer.Option(
        "--project", "-P", metavar="DIR", help="Of this working directory, or a part of its name"
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="AGE|TIME", help="Changed since, e.g. 7d or 2025-01-19"),
]


def sessions(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]…", help="All stand in the title, project, branch or what was said"
        ),
    ] = None,
    project: OfProject = None,
    since: Since = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, help="The newest N")
    ] = 20,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of them")] = False,
    claude_dir: ClaudeDir = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions of Claude Code on this machine, newest first. They are only read.

    `tailcast import ID` makes a run of one.
    """
    config = _config(claude_dir)
    found = _matching(config, project, since, tuple(words or ()))
    rows = islice(found, None if every else limit)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    shown = list(rows)
    if not shown:
        of = "such sessions" if project or since or words else "sessions"
        hint = "" if (config / "projects").is_dir() else ", which has no `projects`"
        note(f"No {of} in {shown_path(config)}{hint}. Another folder: --claude-dir DIR")
        return
    columns = [
        Column("SESSION", [row.session_id for row in shown]),
        Column("PROJECT", [row.cwd or row.project for row in shown], max_cells=40, rank=3),
        Column("CHANGED", [age(row.changed_at) for row in shown], right=True),
        Column("SIZE", [size(row.size_bytes) for row in shown], right=True, rank=2),
        Column("SAID", [count(row.messages) for row in shown], right=True, rank=1),
        Column("TITLE", [without_script(row.title) for row in shown], last=True),
    ]
    print_table(columns, colour=colours(), width=terminal_width())


def import_(
    chosen: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SESSION]…",
            help="A session id, the beginning of one, or a .jsonl file; instead: --project, --since or --all",
        ),
    ] = None,
    project: OfProject = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of this machine")] = False,
    param: Params = None,
    params_file: ParamsFile = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Resumed, it stays open, and may ask")
    ] = False,
    keep_cwd: Annotated[
        bool,
        typer.Option("--keep-cwd", help="Resumed, it works where it did, not in the run's files/"),
    ] = False,
    title: RunTitle = None,
    label: Labels = None,
    max_size: Annotated[
        str,
        typer.Option("--max-size", metavar="SIZE", help="Of a session and its subagents, e.g. 2G"),
    ] = "256M",
    claude_dir: ClaudeDir = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Make ended runs of sessions of Claude Code: shown, searched, exported and resumed as any other.

    The session is only read: what you say to the run goes into a fork of it.

    Imported again it is the same run; if it has grown since, another one. Exit code 1: one could not be imported.
    """
    if chosen and (project or since or every):
        raise CommandError("sessions are named twice", "Name them, or say which with --project …")
    if not chosen and not (project or since or every):
        raise CommandError(
            "no session is named",
            f"`{command_line(root, 'sessions')}` lists them; --project . imports those of this folder",
        )
    params = params_of(params_file, param or [])
    check_start(root, WORKFLOW, params, "…", interactive)
    asked = SessionAsked(
        params,
        interactive,
        check_own_words(title, labels_of(label)),
        keep_cwd,
        _bytes(max_size),
    )
    config = _config(claude_dir)
    if chosen and len(chosen) == 1:
        _tell(root, import_session(root, _file(config, chosen[0]), asked), as_json=as_json)
        return 0
    done = failed = 0
    for name in chosen or _names(config, project, since):
        try:
            file = _file(config, name)
            _tell(root, import_session(root, file, asked), as_json=as_json)
            done += 1
        except (RunlogError, OSError) as error:
            failed += 1
            note(f"not imported: {error}")
    if not done and not failed:
        raise UnknownSession(f"no such sessions in {shown_path(config)}", "See `tailcast sessions`")
    if not as_json:
        told = f"{plural(done, 'session')} imported"
        note(f"{told}, {failed:,} not" if failed else told)
    return 1 if failed else 0


def _config(claude_dir: Path | None) -> Path:
    return claude_dir if claude_dir is not None else config_folder(os.environ)


def _matching(
    config: Path, project: str | None, since: str | None, words: tuple[str, ...] = ()
) -> Iterator[SessionRow]:
    if project is not None and (os.path.isdir(project) or project.startswith((".", "/", "~"))):
        project = os.path.realpath(os.path.expanduser(project))
    return list_sessions(
        config,
        project=project,
        changed_since=None if since is None else _moment(since),
        words=sought_words(" ".join(words)),
    )


def _names(config: Path, project: str | None, since: str | None) -> list[str]:
    """Paths: a session may have been copied into two projects. The oldest first, as runs come about."""
    return [row.path for row in _matching(config, project, since)][::-1]


def _file(config: Path, name: str) -> SessionFile:
    if "/" in name or name.endswith(".jsonl"):
        path = Path(name).expanduser()
        inside = config / "projects"
        if path.is_relative_to(inside) and ".." not in path.parts:
            given = given_file(path)
            # From there on, so that no folder on the way is a link.
            return SessionFile(inside, path.relative_to(inside).parts, given.size, given.mtime)
        return given_file(path)
    return find_session(config, name)


def _moment(since: str) -> float:
    if (moment := from_iso(since)) is not None:
        return moment.timestamp()
    return time.time() - parse_age(since, "--since").total_seconds()


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,11})([kMG]?)B?", text)
    if match is None:
        raise CommandError(f"--max-size {text} is no size", "Write it as 500M or 2G")
    return int(match[1]) * _SIZES[match[2]]


def _tell(root: Path, made: Imported, *, as_json: bool) -> None:
    run_id = made.workspace.run_id
    if made.unfinished_bytes:
        note(
            f"{run_id}: the session is being written: its last {made.unfinished_bytes:,} bytes, no whole line yet, "
            "are left out. Import it again when it is done"
        )
    if made.broken_lines:
        note(f"{run_id}: {plural(made.broken_lines, 'line')} can't be read, and say nothing")
    if as_json:
        print_json(made.as_json() | {"path": str(made.workspace.path)})
        return
    print_line(run_id)
    told = f"{made.status}, {plural(made.messages, 'message')}, {size(made.size_bytes)}"
    told += f", {plural(made.subagents, 'subagent')}" if made.subagents else ""
    if made.repeated:
        told = f"imported already: {told}"
    elif made.earlier:
        told += f"; of the same session: {', '.join(made.earlier)}"
    print_line(f"  {told}")
    if not made.repeated:
        print_line(f"  {command_line(root, 'show', run_id)}")
        print_line(f"  {command_line(root, 'send', run_id, '…', '--resume')}")
