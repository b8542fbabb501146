"""Where Claude's CLI keeps its sessions: `<config>/projects/<project>/<session_id>.jsonl`. Only looked at, never
written.

A project is the working directory with a dash for whatever is no letter or digit. Of a session's subagents there are
files of their own: `<session_id>/subagents/…/agent-<id>.jsonl`, in earlier versions `agent-<id>.jsonl` beside it. No
link below `projects` is followed.
"""

import contextlib
import os
import re
import stat
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..disk.append import Unusable
from ..disk.below import open_below
from ..disk.durable import names_in
from ..errors import BadSession, UnknownSession

__all__ = [
    "SESSION_ID",
    "SessionFile",
    "config_folder",
    "find_session",
    "given_file",
    "has_session",
    "is_session_id",
    "project_of",
    "session_files",
    "session_id_of",
    "subagent_files",
]

SESSION_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SUFFIX = ".jsonl"
_AGENT = "agent-"
# Of the first line of a subagent's file: it names its session near its beginning or its end.
_HEAD_BYTES = 256 * 1024
# Of folders within that of the subagents: those of a workflow have one of their own.
_DEPTH = 3


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A file of lines: the `parts` are below `folder`. `mtime` is a time of the epoch, `size` in bytes."""

    folder: Path
    parts: tuple[str, ...]
    size: int
    mtime: float

    @property
    def path(self) -> Path:
        return self.folder.joinpath(*self.parts)

    @property
    def stem(self) -> str:
        return self.parts[-1].removesuffix(_SUFFIX)

    @property
    def project(self) -> str:
        """The name of the folder in which it lies."""
        return self.path.parent.name

    def open(self) -> int:
        """A descriptor of it. :raises OSError: see `open_below`."""
        return open_below(self.folder, self.parts)


def is_session_id(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(SESSION_ID, text) is not None


def session_id_of(told: object) -> str | None:
    """The id that a line tells, in lower case. Of one that no CLI gives, as in made-up sessions, a UUID is made."""
    if not isinstance(told, str) or not told:
        return None
    if is_session_id(told):
        return told.lower()
    return str(uuid.uuid5(uuid.NAMESPACE_OID, told.encode(errors="replace").decode()))


def config_folder(environment: Mapping[str, str]) -> Path:
    """Where the CLI of somebody with that environment keeps what it keeps."""
    told = environment.get("CLAUDE_CONFIG_DIR")
    if told:
        return Path(told)
    return Path(environment.get("HOME", "~")).expanduser() / ".claude"


def project_of(folder: str) -> str:
    """The name of the project of a working directory."""
    return re.sub(r"[^A-Za-z0-9]", "-", folder)


def has_session(config: Path, session_id: str) -> bool:
    """Whether the CLI finds it there. Links count, as they do for the CLI: nothing is read."""
    found = (config / "projects").glob(f"*/{session_id}{_SUFFIX}")
    return is_session_id(session_id) and any(found)


def find_session(config: Path, text: str) -> SessionFile:
    """The session of that id, or of the one id that begins so.

    :raises UnknownSession: there is none.
    :raises BadSession: there are several; or it can't be the beginning of an id.
    """
    if not re.fullmatch(r"[0-9a-fA-F-]{4,36}", text):
        raise BadSession(
            f"{text[:100]!r} is neither a session id nor a file",
            "Name an id that `tailcast sessions` shows, or the first characters of one (4 or more), or a .jsonl file",
        )
    projects = config / "projects"
    exact = list(_named(projects, text)) if is_session_id(text) else []
    found = exact or [one for one in session_files(config) if one.stem.startswith(text.lower())]
    if not found:
        raise UnknownSession(
            f"there is no session {text!r} below {projects}",
            "`tailcast sessions --all` lists those there are",
        )
    if len({one.stem for one in found}) > 1:
        some = ", ".join(one.stem for one in found[:4]) + (", …" if len(found) > 4 else "")
        raise BadSession(f"{text!r} is the beginning of {len(found)} sessions", f"One of {some}")
    return max(found, key=lambda one: one.mtime)


def given_file(path: Path) -> SessionFile:
    """A file that somebody names, wherever it lies. Links lead to its folder, but it is none itself.

    :raises UnknownSession: there is no such file.
    """
    folder = path.parent.resolve()
    try:
        found = os.stat(folder / path.name, follow_symlinks=False)
    except OSError as error:
        raise UnknownSession(f"{path} can't be read: {error.strerror}") from None
    return SessionFile(folder, (path.name,), found.st_size, found.st_mtime)


def session_files(config: Path) -> list[SessionFile]:
    """All that may be a session, the newest first. Links and what else is no plain file are passed over."""
    projects = config / "projects"
    found = []
    try:
        names = os.listdir(projects)
    except (FileNotFoundError, NotADirectoryError):
        return []
    for project in names:
        try:
            inside = names_in(projects / project)
        except PermissionError:
            continue  # another user's: the rest is to be seen all the same
        for name in inside:
            if name.endswith(_SUFFIX) and not name.startswith(_AGENT):
                found += _plain(projects, (project, name))
    return sorted(found, key=lambda one: one.mtime, reverse=True)


def subagent_files(session: SessionFile, session_id: str) -> list[SessionFile]:
    """Those of its subagents, by name."""
    above = session.parts[:-1]
    found = list(_below(session.folder, (*above, session.stem, "subagents"), _DEPTH))
    for name in sorted(names_in(session.path.parent)):
        if name.startswith(_AGENT) and name.endswith(_SUFFIX):
            beside = _plain(session.folder, (*above, name))
            found += [one for one in beside if _names_session(one, session_id)]
    return found


def _below(folder: Path, parts: tuple[str, ...], depth: int) -> Iterator[SessionFile]:
    try:
        inside = sorted(names_in(folder.joinpath(*parts)))
    except PermissionError:
        return
    for name in inside:
        if name.startswith(_AGENT) and name.endswith(_SUFFIX):
            yield from _plain(folder, (*parts, name))
        elif depth:
            yield from _below(folder, (*parts, name), depth - 1)


def _named(projects: Path, session_id: str) -> Iterator[SessionFile]:
    if is_session_id(session_id):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for project in os.listdir(projects):
                if stat.S_ISDIR(os.lstat(projects / project).st_mode):
                    yield from _plain(projects, (project, session_id + _SUFFIX))


def _plain(folder: Path, parts: tuple[str, ...]) -> list[SessionFile]:
    """The file, if it is one. Its folders are looked at again when it is opened."""
    try:
        found = os.stat(folder.joinpath(*parts), follow_symlinks=False)
    except OSError:
        return []
    if not stat.S_ISREG(found.st_mode):
        return []
    return [SessionFile(folder, parts, found.st_size, found.st_mtime)]


def _names_session(file: SessionFile, session_id: str) -> bool:
    try:
        fd = file.open()
    except (FileNotFoundError, Unusable):
        return False
    try:
        head = os.pread(fd, _HEAD_BYTES, 0)
    finally:
        os.close(fd)
    return re.search(rb'"sessionId"\s*:\s*"%b"' % re.escape(session_id.encode()), head) is not None
