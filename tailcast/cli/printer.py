"""The events of a run on standard output: rendered for people, or as they are for programs."""

from typing import Protocol

from runlog import Record, Workspace
from runlog.run.words import InboxWords

from ..terminal.output import note, print_bytes, print_json
from .options import command_line

__all__ = ["Printer", "make_printer"]


class Printer(Protocol):
    """Shows the records of one run. `close` ends what has no line end yet.

    `hear` takes in one that is not shown: it may say what a later one means.
    """

    def show(self, record: Record) -> None: ...

    def hear(self, record: Record) -> None: ...

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
            print_bytes(record.line + b"\n")
        else:
            note(f"left out: a line of {record.length:,} bytes that ends at {record.offset}")

    def hear(self, record: Record) -> None:
        pass

    def close(self) -> None:
        pass


class _JsonPrinter:
    def show(self, record: Record) -> None:
        print_json({"offset": record.offset, "event": record.event()})

    def hear(self, record: Record) -> None:
        pass

    def close(self) -> None:
        pass


class _Rendered:
    def __init__(self, workspace: Workspace, *, full: bool) -> None:
        # Imported where people read: programs need neither.
        from ..terminal.render import Renderer
        from ..terminal.screen import Screen, make_console

        def command(word: str, *words: str) -> str:
            return command_line(workspace.root, word, workspace.run_id, *words)

        self._renderer = Renderer(
            Screen(make_console()), command, full=full, words=InboxWords(workspace)
        )

    def show(self, record: Record) -> None:
        self._renderer.show(record.event())

    def hear(self, record: Record) -> None:
        self._renderer.hear(record.event())

    def close(self) -> None:
        self._renderer.close()
