"""The formats by name, and a run in each of them, piece by piece."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..disk.append import open_plain
from ..disk.below import blocks, whole_lines_end
from ..disk.layout import Workspace
from ..run.manifest import readable_manifest
from .claude import session_id_of, session_lines
from .html import html_of
from .markdown import markdown_of

__all__ = ["FORMATS", "Format", "FormatName", "export_run", "file_name"]

FormatName = Literal["claude", "jsonl", "markdown", "html"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a file of it is called and served."""

    suffix: str
    media_type: str
    about: str


FORMATS: dict[FormatName, Format] = {
    "claude": Format(".jsonl", "application/x-ndjson", "a session that `claude --resume` takes up"),
    "jsonl": Format(".jsonl", "application/x-ndjson", "the stream as it is"),
    "markdown": Format(".md", "text/markdown; charset=utf-8", "the chat, for people"),
    "html": Format(
        ".html", "text/html; charset=utf-8", "the chat as a page that needs no other file"
    ),
}


def export_run(workspace: Workspace, name: FormatName) -> Iterator[bytes]:
    """What there is of the run now, in pieces.

    :raises UnknownRun: there is no such run.
    :raises NoConversation: nothing was said in it, and a session is asked for.
    :raises OSError: its stream can't be read.
    """
    if name == "claude":
        yield from session_lines(workspace)
    elif name == "jsonl":
        yield from _stream(workspace)
    else:
        pieces = markdown_of(workspace) if name == "markdown" else html_of(workspace)
        for piece in pieces:
            yield piece.encode(errors="replace")  # agents write lone surrogates


def file_name(workspace: Workspace, name: FormatName) -> str:
    """Of a file for it: a session is called by its id."""
    stem = session_id_of(workspace) if name == "claude" else workspace.run_id
    return f"{stem}{FORMATS[name].suffix}"


def _stream(workspace: Workspace) -> Iterator[bytes]:
    try:
        fd = open_plain(workspace.stream)
    except FileNotFoundError:
        readable_manifest(workspace)
        return  # it has not begun
    try:
        end, wants_lf = whole_lines_end(fd, os.fstat(fd).st_size)
        yield from blocks(fd, end)
        if wants_lf:
            yield b"\n"
    finally:
        os.close(fd)
