"""A table in columns: aligned; on a terminal coloured, and as wide as that, with fewer columns if need be."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from shutil import get_terminal_size

from .output import print_line
from .text import cells, clean, cut_cells

__all__ = ["Column", "colours", "paint", "print_table", "terminal_width"]

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}
_GAP = "  "
# With less room than this, the last column (a title) says nothing.
_LAST_CELLS = 12


@dataclass(frozen=True, slots=True)
class Column:
    """:param styles: one for each cell, or none.
    :param last: takes what room is left, and is not padded.
    :param rank: where the terminal is too narrow, the column of the highest rank goes first; of rank 0, none.
    """

    name: str
    cells: list[str]
    right: bool = False
    last: bool = False
    max_cells: int = 80
    styles: list[str] = field(default_factory=list)
    rank: int = 0


def colours() -> bool:
    """Whether standard output takes colour (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and style else text


def terminal_width() -> int | None:
    """In columns; None for a pipe, where nothing is cut."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(
    columns: list[Column],
    *,
    colour: bool,
    width: int | None,
    write: Callable[[str], None] = print_line,
) -> None:
    """:param width: of the terminal; None: nothing is cut."""
    texts = {c.name: [" ".join(clean(cell).split()) for cell in c.cells] for c in columns}
    widths = {c.name: min(c.max_cells, max(map(cells, [c.name, *texts[c.name]]))) for c in columns}
    room = None
    if width is not None:
        columns, room = _fitted(columns, widths, width)
    write(_row([(c, c.name, "dim") for c in columns], widths, room, colour))
    for number in range(len(columns[0].cells)):
        row = [(c, texts[c.name][number], c.styles[number] if c.styles else "") for c in columns]
        write(_row(row, widths, room, colour))


def _fitted(
    columns: list[Column], widths: dict[str, int], width: int
) -> tuple[list[Column], int | None]:
    """The columns that fit side by side, and the room of the last one. Cuts the first if nothing else helps."""

    def taken(shown: list[Column]) -> int:
        least = {
            c.name: min(_LAST_CELLS, widths[c.name]) if c.last else widths[c.name] for c in shown
        }
        return sum(least.values()) + len(_GAP) * (len(shown) - 1)

    while taken(columns) > width and any(c.rank for c in columns):
        highest = max(columns, key=lambda c: c.rank)
        columns = [c for c in columns if c is not highest]
    excess = taken(columns) - width
    if excess > 0:
        widths[columns[0].name] = max(1, widths[columns[0].name] - excess)
    fixed = sum(widths[c.name] + len(_GAP) for c in columns if not c.last)
    return columns, max(1, width - fixed)


def _row(
    row: list[tuple[Column, str, str]], widths: dict[str, int], room: int | None, colour: bool
) -> str:
    parts = []
    for column, text, style in row:
        if column.last:
            parts.append(
                paint(text if room is None else cut_cells(text, room), style, colour=colour)
            )
            continue
        text = cut_cells(text, widths[column.name])
        blank = " " * (widths[column.name] - cells(text))
        painted = paint(text, style, colour=colour)
        parts.append(blank + painted if column.right else painted + blank)
    return _GAP.join(parts).rstrip()
