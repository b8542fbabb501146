"""The sessions of somebody's Claude CLI, newest first, each with what its file says of it."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..disk.append import Unusable
from ..disk.records import MAX_LINE_BYTES, decode, from_epoch, to_iso
from ..run.text_filter import holds
from .facts import SessionFacts
from .place import SessionFile, is_session_id, project_of, session_files

__all__ = ["SessionRow", "list_sessions"]

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionRow:
    """`path` is of the file, `size_bytes` its length; subagents have files of their own. Times are ISO.

    `started_at` and `ended_at` are of the first and last line that tell one, `changed_at` is the file's.
    `messages`: what the person and the agent said; results of tools are none.
    """

    session_id: str
    project: str
    path: str
    title: str
    cwd: str | None
    git_branch: str | None
    version: str | None
    started_at: str | None
    ended_at: str | None
    changed_at: str | None
    messages: int
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def list_sessions(
    config: Path,
    *,
    project: str | None = None,
    changed_since: float | None = None,
    words: tuple[str, ...] = (),
) -> Iterator[SessionRow]:
    """Those that match, one by one as they are read: whoever wants few has them soon.

    :param project: a working directory, or a part of one or of the project's name.
    :param changed_since: a time of the epoch.
    :param words: folded; each stands somewhere in the title, id, project or branch, or in what was said.
    """
    for file in session_files(config):
        if changed_since is not None and file.mtime < changed_since:
            return  # the rest is older
        if project is not None and not _may_be_of(file, project):
            continue
        row = _row(file, words)
        if row is not None and (project is None or _is_of(row, project)):
            yield row


def _may_be_of(file: SessionFile, project: str) -> bool:
    """By the name of its folder alone, which tells all but what dashes stand for."""
    return project_of(project).strip("-").lower() in file.project.lower()


def _is_of(row: SessionRow, project: str) -> bool:
    if not os.path.isabs(project):
        return True
    if row.cwd is None:
        return row.project == project_of(project)
    return row.cwd == project or row.cwd.startswith(f"{project.rstrip('/')}/")


def _row(file: SessionFile, words: tuple[str, ...]) -> SessionRow | None:
    """None if it is no session, or not one with these words."""
    facts = SessionFacts()
    left = set(words)
    try:
        fd = file.open()
    except (FileNotFoundError, Unusable):
        return None
    try:
        for line in _lines(fd):
            facts.line(line)
            if left:
                left -= _found(line, left)
    finally:
        os.close(fd)
    if not facts.messages:
        return None
    stem = file.stem.lower()
    session_id = stem if is_session_id(stem) else facts.session_id
    if session_id is None:
        return None
    told = f"{session_id} {facts.title} {file.project} {facts.git_branch}".casefold()
    if any(word not in told for word in left):
        return None
    changed = from_epoch(file.mtime)
    return SessionRow(
        session_id,
        file.project,
        os.fspath(file.path),
        facts.title or "",
        facts.cwd,
        facts.git_branch,
        facts.version,
        facts.started_at,
        facts.ended_at,
        to_iso(changed) if changed else None,
        facts.messages,
        file.size,
    )


def _found(line: bytes, words: set[str]) -> set[str]:
    """Of these words those that a message has. Its line is parsed only if they stand anywhere in it."""
    raw = line.decode(errors="replace").casefold()
    if not any(word in raw for word in words) or (event := decode(line)) is None:
        return set()
    said = {"message": event.get("message")}
    return {word for word in words if holds(said, (word,))}


def _lines(fd: int) -> Iterator[bytes]:
    """Without their LF; those that are longer than any event, not at all."""
    rest = b""
    skips = False
    while block := os.read(fd, _READ_BYTES):
        first, *more = block.split(b"\n")
        if not more:
            rest = b"" if skips else rest + first
            skips = skips or len(rest) > MAX_LINE_BYTES
            continue
        if not skips:
            yield rest + first
        skips = False
        *whole, rest = more
        yield from whole
    if rest and not skips:
        yield rest
