"""Make an ended run of a session that Claude's CLI has kept. The session itself is only read.

The run's stream is the transcript, line by line as it stands, between `workflow_started` and a terminal line of
ours; its times, title and status are those that the lines tell. A copy of the session lies in the run's own Claude
home, and what comes after a `resume` goes into a fork of it.

The id of the run is made of the session's and of what it holds: the same session is imported once, a longer one of
later is another run.
"""

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..disk.durable import sync_folder
from ..disk.layout import RunId, Workspace, check_run_id, make_root
from ..errors import BadSession, RunExists, RunlogError
from ..run.events import Status
from ..run.manifest import Manifest, read_manifest, write_run
from ..run.own_words import OwnWords, check_own_words
from ..run.status import summarize
from .copies import Copy, copied, digest_of, remove_stale, stage
from .facts import SessionFacts
from .place import SessionFile, is_session_id, subagent_files
from .stream import ImportedStream, facts_of

__all__ = ["MAX_SESSION_BYTES", "Imported", "SessionAsked", "import_session"]

WORKFLOW = "claude"
# With its subagents. Most are below 10 MB; one of more is a mistake as often as not.
MAX_SESSION_BYTES = 256 * 1024 * 1024

_HOME = Path("_home") / ".claude" / "projects"
_MAX_SUBAGENTS = 2000
_ID_CHARS, _HASH_CHARS = 8, 10


@dataclass(frozen=True, slots=True)
class SessionAsked:
    """What the run is to have beside the session: see `Manifest`. `params` were checked, and hold for a resume."""

    params: Mapping[str, Any] = field(default_factory=dict)
    interactive: bool = False
    words: OwnWords = field(default_factory=OwnWords)
    keep_cwd: bool = False
    max_bytes: int = MAX_SESSION_BYTES


@dataclass(frozen=True, slots=True)
class Imported:
    """A run that was made of a session. `repeated`: it was there already, made of the same lines.

    `earlier`: runs made of the same session when it was shorter (or longer). `unfinished_bytes`: of a last line that
    was just being written, and is not in the run. `broken_lines` are in it, and say nothing.
    """

    workspace: Workspace
    session_id: str
    status: Status
    messages: int
    subagents: int
    size_bytes: int
    repeated: bool = False
    unfinished_bytes: int = 0
    broken_lines: int = 0
    earlier: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "workspace"}
        return {"run_id": self.workspace.run_id, **told, "earlier": list(self.earlier)}


def import_session(root: Path, session: SessionFile, asked: SessionAsked) -> Imported:
    """Make the run; when this returns it survives a power cut.

    :raises BadSession: the file is no session, or too large; it is no plain file, or may not be read.
    :raises UnknownSession: it is gone.
    :raises OSError: it can't be read, or the run not be written.
    """
    root = make_root(root)
    remove_stale(root)
    with stage(root) as folder:
        main = copied(session, folder / "main.jsonl", asked.max_bytes)
        facts = facts_of(main.path)
        session_id = _id_of(session, facts)
        aside = []
        left = asked.max_bytes - main.size
        for number, file in enumerate(subagent_files(session, session_id)[:_MAX_SUBAGENTS]):
            copy = copied(file, folder / f"agent-{number}.jsonl", left)
            left -= copy.size
            aside.append((file, copy))
        run_id = _run_id(session_id, [main, *(copy for _, copy in aside)])
        stream = ImportedStream(facts, session_id, session, main, [copy for _, copy in aside])
        earlier = _earlier(root, session_id, run_id)
        unfinished = main.unfinished_bytes
        workspace = Workspace(root, run_id)
        repeated = workspace.exists()
        if not repeated:
            manifest = _manifest(run_id, stream, asked)

            def fill(building: Workspace) -> None:
                stream.write(building, manifest)
                _keep(building, session, session_id, main, aside)

            try:
                write_run(root, manifest, fill=fill)
            except RunExists:
                repeated = True
        return Imported(
            workspace,
            session_id,
            summarize(workspace).status if repeated else stream.status,
            facts.messages,
            len(aside),
            main.size + sum(copy.size for _, copy in aside),
            repeated,
            unfinished,
            stream.broken_lines,
            earlier,
        )


def _id_of(session: SessionFile, facts: SessionFacts) -> str:
    if not facts.messages:
        told = "it has no message of a session"
        if facts.aside:
            told = "it is of a subagent"
        elif not facts.lines:
            told = "it is empty"
        raise BadSession(
            f"{session.path} is no session of Claude's CLI: {told}",
            f"Import the session itself: {facts.session_id}"
            if facts.aside and facts.session_id
            else "A session is a .jsonl file as `tailcast sessions` lists them, with `user` and `assistant` lines",
        )
    session_id = session.stem.lower() if is_session_id(session.stem) else facts.session_id
    if session_id is None:
        raise BadSession(
            f"{session.path} is no session of Claude's CLI: no line tells a `sessionId`",
            "Name the file after the session: <uuid>.jsonl",
        )
    return session_id


def _stem(session_id: str) -> str:
    return f"session-{session_id[:_ID_CHARS]}-"


def _run_id(session_id: str, copies: list[Copy]) -> RunId:
    told = hashlib.sha256(session_id.encode() + digest_of(copies)).hexdigest()
    return check_run_id(_stem(session_id) + told[:_HASH_CHARS])


def _earlier(root: Path, session_id: str, run_id: str) -> tuple[str, ...]:
    found = []
    for name in sorted(os.listdir(root)):
        if name.startswith(_stem(session_id)) and name != run_id:
            with contextlib.suppress(RunlogError, OSError):
                made = read_manifest(Workspace(root, check_run_id(name)))
                if made.params.get("resume_session_id") == session_id:
                    found.append(name)
    return tuple(found)


def _manifest(run_id: RunId, stream: ImportedStream, asked: SessionAsked) -> Manifest:
    words = asked.words
    params = dict(asked.params)
    # What is said to the run goes into a fork: the session stays as it is, here and where it was found.
    params |= {"resume_session_id": stream.session_id, "fork_session": True}
    cwd = stream.facts.cwd
    if asked.keep_cwd:
        if cwd is None or not os.path.isabs(cwd) or not os.path.isdir(cwd):
            told = f"the session's working directory {cwd!r} is not here"
            raise BadSession(told, "Leave out --keep-cwd (keep_cwd)")
        params["cwd"] = cwd
    return Manifest(
        run_id,
        WORKFLOW,
        stream.started_at,
        params=params,
        interactive=asked.interactive,
        words=check_own_words(
            words.title or stream.facts.title,
            words.labels,
            words.thread_id or stream.session_id,
            words.trace,
        ),
    )


def _keep(
    building: Workspace,
    session: SessionFile,
    session_id: str,
    main: Copy,
    aside: list[tuple[SessionFile, Copy]],
) -> None:
    """Put the copies where the CLI of this run finds them."""
    above = session.path.parent
    project = building.path / _HOME / (above.name or "session")
    _make_folders(building.path, project)
    os.replace(main.path, project / f"{session_id}.jsonl")
    for file, copy in aside:
        inside = file.path.parent.relative_to(above).parts
        inner = project.joinpath(session_id, *inside[1:]) if inside else project
        _make_folders(project, inner)
        os.replace(copy.path, inner / file.path.name)
        sync_folder(inner)
    sync_folder(project)


def _make_folders(above: Path, folder: Path) -> None:
    below = folder.relative_to(above)
    for parent in [*reversed(below.parents), below][1:]:
        with contextlib.suppress(FileExistsError):
            (above / parent).mkdir(mode=0o700)
            sync_folder((above / parent).parent)
