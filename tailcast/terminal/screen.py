"""Blocks of text: a sign in the margin, the text beside it; wrapped on a terminal, not in a pipe."""

from collections.abc import Iterator
from typing import IO

from rich.console import Console
from rich.text import Text

from .text import cells, clean

__all__ = ["Screen", "make_console"]

_MIN_WIDTH = 20


def make_console(file: IO[str] | None = None) -> Console:
    """A console that takes no markup from what it prints; colour only on a terminal (NO_COLOR is heeded)."""
    return Console(file=file, highlight=False, markup=False, emoji=False)


class Screen:
    """Prints blocks, and text that grows as it comes. What is given as `str` is cleaned here."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wraps = console.is_terminal
        self._column: int | None = None  # of text that grows; None while there is none
        self._indent = ""
        self._blank = True  # the last line is empty, or there is none yet

    @property
    def width(self) -> int:
        return max(_MIN_WIDTH, self._console.width)

    @property
    def is_terminal(self) -> bool:
        return self._wraps

    def gap(self) -> None:
        """An empty line, unless there is one already."""
        self.end_growing()
        if not self._blank:
            self._console.print()
            self._blank = True

    def block(
        self,
        sign: str,
        text: str | Text,
        style: str = "",
        *,
        sign_style: str = "",
        indent: str = "",
    ) -> None:
        """Print `text` with `sign` in the margin of its first line."""
        self.end_growing()
        body = text if isinstance(text, Text) else Text(clean(text), style=style)
        margin = " " * (cells(sign) + 1) if sign else ""
        for number, line in enumerate(self._lines(body, len(indent) + len(margin))):
            row = Text().append(indent, style="dim")
            if sign and number == 0:
                row.append(sign, style=sign_style or style).append(" ")
            elif line.plain:
                row.append(margin)
            self._console.print(row + line, soft_wrap=True)
        self._blank = False

    def line(self, sign: str, text: str, style: str = "dim", *, indent: str = "") -> None:
        """Print one line, cut to the width of a terminal."""
        shown = " ".join(clean(text).split())
        if self._wraps:
            room = self.width - len(indent) - cells(sign) - 1
            if cells(shown) > room:
                body = Text(shown)
                body.truncate(room, overflow="ellipsis")
                shown = body.plain
        self.block(sign, Text(shown, style=style), style, indent=indent)

    def unwrapped(self, text: str, style: str = "") -> None:
        """Print a line as it is, to be copied: a terminal may break it, we do not."""
        self.end_growing()
        self._console.print(Text(clean(text), style=style), soft_wrap=True)
        self._blank = False

    def grow(self, text: str, style: str = "", *, sign: str = "", indent: str = "") -> None:
        """Print more of a text that comes in pieces; the first piece begins a block."""
        if self._column is None:
            self.gap()
            head = (
                Text().append(indent, style="dim").append(f"{sign} " if sign else "", style=style)
            )
            self._console.print(head, end="", soft_wrap=True)
            self._column = len(head.plain)
            self._indent = " " * self._column
            self._blank = False
        shown = Text(style=style)
        for piece in _words(clean(text)):
            if piece == "\n":
                shown.append("\n")
                self._column = 0
                continue
            if self._column == 0:  # not before: an empty line stays empty
                shown.append(self._indent)
                self._column = len(self._indent)
            width = cells(piece.rstrip())
            if self._wraps and self._column + width > self.width > len(self._indent) + width:
                shown.append("\n" + self._indent)
                self._column = len(self._indent)
                piece = piece.lstrip()
            shown.append(piece)
            self._column += cells(piece)
        self._console.print(shown, end="", soft_wrap=True)
        self._console.file.flush()

    def end_growing(self) -> None:
        if self._column is not None:
            self._console.print()
            self._column = None

    def flush(self) -> None:
        self._console.file.flush()

    def _lines(self, body: Text, taken: int) -> Iterator[Text]:
        if not self._wraps:
            yield from body.split("\n", allow_blank=True)
            return
        room = max(_MIN_WIDTH, self.width - taken)
        for line in body.split("\n", allow_blank=True):
            if line.plain:
                yield from line.wrap(self._console, room)
            else:
                yield line


def _words(text: str) -> Iterator[str]:
    """Line ends by themselves, all else in pieces that end before a word begins."""
    for number, line in enumerate(text.split("\n")):
        if number:
            yield "\n"
        start = 0
        for at in range(1, len(line)):
            if line[at - 1] != " " and line[at] == " ":
                yield line[start:at]
                start = at
        if line[start:]:
            yield line[start:]
