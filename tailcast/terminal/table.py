"""A table in columns: aligned, coloured on a terminal only, the last column cut to its width."""

import os
import sys
from dataclasses import dataclass, field

from .output import print_line
from .text import cells, clean, cut_cells

__all__ = ["Column", "colours", "paint", "print_table"]

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


@dataclass(frozen=True, slots=True)
class Column:
    """:param styles: one for each cell, or none.
    :param last: takes what room is left, and is not padded.
    """

    name: str
    cells: list[str]
    right: bool = False
    last: bool = False
    max_cells: int = 80
    styles: list[str] = field(default_factory=list)


def colours() -> bool:
    """Whether standard output takes colour (https://no-color.org, https://force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, *, colour: bool) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and style else text


def print_table(columns: list[Column], *, colour: bool, width: int | None) -> None:
    """:param width: of the terminal; None: nothing is cut."""
    shown = [[" ".join(clean(cell).split()) for cell in column.cells] for column in columns]
    widths = [
        min(column.max_cells, max(map(cells, [column.name, *texts])))
        for column, texts in zip(columns, shown, strict=True)
    ]
    room = None
    if width is not None:
        taken = sum(w + len(_GAP) for c, w in zip(columns, widths, strict=True) if not c.last)
        room = max(8, width - taken)
    _print_row([(c, c.name, "dim") for c in columns], widths, room, colour)
    for number in range(len(columns[0].cells)):
        row = [
            (column, texts[number], column.styles[number] if column.styles else "")
            for column, texts in zip(columns, shown, strict=True)
        ]
        _print_row(row, widths, room, colour)


def _print_row(
    row: list[tuple[Column, str, str]], widths: list[int], room: int | None, colour: bool
) -> None:
    parts = []
    for (column, text, style), column_width in zip(row, widths, strict=True):
        if column.last:
            parts.append(
                paint(text if room is None else cut_cells(text, room), style, colour=colour)
            )
            continue
        text = cut_cells(text, column_width)
        blank = " " * (column_width - cells(text))
        painted = paint(text, style, colour=colour)
        parts.append(blank + painted if column.right else painted + blank)
    print_line(_GAP.join(parts).rstrip())
