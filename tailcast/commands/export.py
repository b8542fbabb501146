"""`export`: a run for other readers."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from runlog.export.formats import FORMATS, FormatName, export_run, file_name

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AnyRun, Root, find_run
from ..terminal.output import note, print_bytes

__all__ = ["export"]


def export(
    run: AnyRun,
    chosen: Annotated[
        FormatName,
        typer.Option(
            "--format",
            "-f",
            help="; ".join(f"{name}: {format.about}" for name, format in FORMATS.items()),
        ),
    ] = "markdown",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Instead of standard output; in a folder it gets a name of its own",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over a file that is there")] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write what was said in a run for other readers; of one that goes on, what there is so far.

    `--format claude` makes a session: in a folder of ~/.claude/projects, `claude --resume` goes on with it.
    """
    workspace = find_run(root, run)
    pieces = export_run(workspace, chosen)
    if output is None:
        for piece in pieces:
            print_bytes(piece)
        return
    first = next(pieces, b"")  # what can't be exported leaves no file
    path = output / file_name(workspace, chosen) if output.is_dir() else output
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    if os.path.lexists(path) and not force:
        raise CommandError(f"{path} is there already", "Choose another --output, or add --force")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(first)
            file.writelines(pieces)
        os.replace(temporary, path)
    except OSError as error:
        raise CommandError(
            f"{path} can't be written: {error.strerror}", "Choose another --output", exit_code=1
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    if sys.stderr.isatty():
        note(str(path))
