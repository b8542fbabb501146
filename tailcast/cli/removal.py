"""Remove things that have a name: deployments, schedules."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from runlog.errors import BrokenNamed

from ..terminal.output import note, print_json, print_line
from ..terminal.text import plural

__all__ = ["remove_named"]


def remove_named(
    root: Path,
    names: list[str],
    noun: str,
    read: Callable[[Path, str], Any],
    remove: Callable[[Path, str], None],
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """All of them or, where one is not there, none; on a terminal it asks, unless `yes`. The exit code.

    :raises UnknownNamed: there is no such thing.
    """
    for name in names:
        try:
            read(root, name)
        except BrokenNamed:
            continue  # that is one more reason
    what = names[0] if len(names) == 1 else plural(len(names), noun)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Remove {what}?", err=True):
        note("Nothing removed.")
        return 1
    for name in dict.fromkeys(names):
        remove(root, name)
        if as_json:
            print_json({"name": name, "removed": True})
        else:
            print_line(f"removed {name}")
    return 0
