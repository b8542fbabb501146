"""Where a command's output goes: JSON for programs, or events rendered for people."""

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from runlog import Record, Workspace, encode

from .options import command_line
from .text import clean, escaped

__all__ = ["Printer", "make_printer", "note", "print_json", "print_line"]


def print_line(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """A word to the person, beside the output."""
    sys.stdout.flush()
    sys.stderr.write(clean(line) + "\n")
    sys.stderr.flush()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    _print_bytes(encode(value))


class Printer(Protocol):
    """Shows the records of one run. `close` ends what has no line end yet."""

    def show(self, record: Record) -> None: ...

    def close(self) -> None: ...


def make_printer(
    workspace: Workspace, *, as_json: bool = False, raw: bool = False, full: bool = False
) -> Printer:
    """:param raw: the bytes of each line as they are; on a terminal, controls escaped.
    :param as_json: `{"offset", "event"}` for each record. Neither: rendered for people.
    :param full: cut nothing when rendering.
    """
    if raw:
        return _RawPrinter()
    return _JsonPrinter() if as_json else _Rendered(workspace, full=full)


class _RawPrinter:
    def show(self, record: Record) -> None:
        if record.length == len(record.line):
            _print_bytes(record.line + b"\n")
        else:
            note(f"left out: a line of {record.length:,} bytes that ends at {record.offset}")

    def close(self) -> None:
        pass


class _JsonPrinter:
    def show(self, record: Record) -> None:
        print_json({"offset": record.offset, "event": record.event()})

    def close(self) -> None:
        pass


class _Rendered:
    def __init__(self, workspace: Workspace, *, full: bool) -> None:
        # Imported where people read: programs need neither.
        from .render import Renderer
        from .screen import Screen, make_console

        def command(word: str, *words: str) -> str:
            return command_line(workspace.root, word, workspace.run_id, *words)

        self._renderer = Renderer(Screen(make_console()), command, full=full)

    def show(self, record: Record) -> None:
        self._renderer.show(record.event())

    def close(self) -> None:
        self._renderer.close()


def _print_bytes(line: bytes) -> None:
    """As they are; but what an agent wrote has no power over a terminal."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        line = escaped(line.decode(errors="replace")).encode(errors="replace")
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
