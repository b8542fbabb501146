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
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..disk.append import AppendFile
from ..disk.below import blocks, whole_lines_end
from ..disk.durable import remove_tree, sync_folder
from ..disk.layout import RunId, Workspace, check_run_id, make_root
from ..disk.lock import RunLock, is_locked
from ..disk.records import Event, encode, from_epoch, from_iso, now_iso, to_iso
from ..disk.tail import Record, read_records
from ..errors import BadSession, RunExists, RunlogError
from ..run.events import Status, is_reserved
from ..run.manifest import Manifest, read_manifest, write_run
from ..run.own_words import OwnWords, check_own_words
from ..run.seal import new_seal
from ..run.state import RunState
from ..run.status import summarize
from .facts import SessionFacts
from .place import SessionFile, is_session_id, subagent_files

__all__ = ["MAX_SESSION_BYTES", "Imported", "SessionAsked", "import_session"]

WORKFLOW = "claude"
# With its subagents. Most are below 10 MB; one of more is a mistake as often as not.
MAX_SESSION_BYTES = 256 * 1024 * 1024

_STAGE = ".new-import-"
_HOME = Path("_home") / ".claude" / "projects"
_MAX_SUBAGENTS = 2000
_BATCH_BYTES = 1024 * 1024
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


@dataclass(slots=True)
class _Copy:
    """One file in our own folder, as it was when it was read."""

    path: Path
    size: int
    unfinished_bytes: int


def import_session(root: Path, session: SessionFile, asked: SessionAsked) -> Imported:
    """Make the run; when this returns it survives a power cut.

    :raises BadSession: the file is no session, or too large.
    :raises FileNotFoundError: it is gone.
    :raises Unusable: it is no plain file, or may not be read.
    :raises OSError: it can't be read, or the run not be written.
    """
    root = make_root(root)
    _remove_stale(root)
    with _stage(root) as stage:
        main = _copied(session, stage / "main.jsonl", asked.max_bytes)
        facts = _facts(main.path)
        session_id = _id_of(session, facts)
        aside = []
        left = asked.max_bytes - main.size
        for number, file in enumerate(subagent_files(session, session_id)[:_MAX_SUBAGENTS]):
            copy = _copied(file, stage / f"agent-{number}.jsonl", left)
            left -= copy.size
            aside.append((file, copy))
        digest = _digest(session_id, [main, *(copy for _, copy in aside)])
        run_id = check_run_id(_stem(session_id) + digest[:_HASH_CHARS])
        transcript = _Transcript(facts, session_id, session, main, [copy for _, copy in aside])
        earlier = _earlier(root, session_id, run_id)
        unfinished = main.unfinished_bytes
        workspace = Workspace(root, run_id)
        repeated = workspace.exists()
        if not repeated:
            manifest = _manifest(run_id, transcript, asked)

            def fill(building: Workspace) -> None:
                transcript.write(building, manifest)
                _keep(building, session, session_id, main, aside)

            try:
                write_run(root, manifest, fill=fill)
            except RunExists:
                repeated = True
        return Imported(
            workspace,
            session_id,
            summarize(workspace).status if repeated else transcript.status,
            facts.messages,
            len(aside),
            main.size + sum(copy.size for _, copy in aside),
            repeated,
            unfinished,
            transcript.broken_lines,
            earlier,
        )


@contextlib.contextmanager
def _stage(root: Path) -> Iterator[Path]:
    """A folder for copies, which is gone afterwards; of one who dies over it the next one removes it."""
    stage = root / f"{_STAGE}{secrets.token_hex(6)}"
    stage.mkdir(mode=0o700)
    lock = RunLock(stage / "_lock")
    lock.acquire()
    try:
        yield stage
    finally:
        lock.release()
        remove_tree(stage)


def _remove_stale(root: Path) -> None:
    for name in os.listdir(root):
        if name.startswith(_STAGE):
            with contextlib.suppress(OSError):
                if os.path.lexists(root / name / "_lock") and not is_locked(root / name / "_lock"):
                    remove_tree(root / name)


def _copied(file: SessionFile, path: Path, max_bytes: int) -> _Copy:
    source = file.open()
    try:
        size = os.fstat(source).st_size
        if size > max_bytes:
            raise BadSession(
                f"{file.path} has {size:,} bytes, and {max(0, max_bytes):,} are allowed for a session",
                "Allow more with --max-size (max_bytes)",
            )
        end, wants_lf = whole_lines_end(source, size)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            for block in blocks(source, end):
                copy.write(block)
            if wants_lf:
                copy.write(b"\n")
            copy.flush()
            os.fsync(copy.fileno())
            return _Copy(path, copy.tell(), size - end)
    finally:
        os.close(source)


def _stem(session_id: str) -> str:
    return f"session-{session_id[:_ID_CHARS]}-"


def _digest(session_id: str, copies: list[_Copy]) -> str:
    told = hashlib.sha256(session_id.encode())
    for copy in copies:
        with open(copy.path, "rb") as file:
            told.update(hashlib.file_digest(file, "sha256").digest())
    return told.hexdigest()


def _facts(path: Path) -> SessionFacts:
    facts = SessionFacts()
    for record in read_records(path):
        facts.line(record.line)
    return facts


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


def _earlier(root: Path, session_id: str, run_id: str) -> tuple[str, ...]:
    found = []
    for name in sorted(os.listdir(root)):
        if name.startswith(_stem(session_id)) and name != run_id:
            with contextlib.suppress(RunlogError, OSError):
                made = read_manifest(Workspace(root, check_run_id(name)))
                if made.params.get("resume_session_id") == session_id:
                    found.append(name)
    return tuple(found)


def _manifest(run_id: RunId, transcript: "_Transcript", asked: SessionAsked) -> Manifest:
    words = asked.words
    params = dict(asked.params)
    # What is said to the run goes into a fork: the session stays as it is, here and where it was found.
    params |= {"resume_session_id": transcript.session_id, "fork_session": True}
    cwd = transcript.facts.cwd
    if asked.keep_cwd:
        if cwd is None or not os.path.isdir(cwd):
            raise BadSession(
                f"the session's working directory {cwd!r} is not here", "Leave out --keep-cwd"
            )
        params["cwd"] = cwd
    return Manifest(
        run_id,
        WORKFLOW,
        transcript.started_at,
        params=params,
        interactive=asked.interactive,
        words=check_own_words(
            words.title or transcript.facts.title,
            words.labels,
            words.thread_id or transcript.session_id,
            words.trace,
        ),
    )


class _Transcript:
    """The lines of a session and of its subagents, in the order in which they came about."""

    def __init__(
        self,
        facts: SessionFacts,
        session_id: str,
        session: SessionFile,
        main: _Copy,
        aside: list[_Copy],
    ) -> None:
        self.facts = facts
        self.session_id = session_id
        self._session = session
        self._main = main
        self._aside = aside
        self.status: Status = "completed"
        self.broken_lines = 0
        written = from_epoch(session.mtime)
        written_at = to_iso(written) if written else now_iso()
        self.started_at = facts.started_at or written_at
        self._ended_at = facts.ended_at or self.started_at

    def write(self, building: Workspace, manifest: Manifest) -> None:
        """Write stream and seal of the run."""
        state = RunState()
        lock = RunLock(building.lock)
        lock.acquire()
        try:
            with AppendFile(building.stream) as stream:
                self._write(stream, state, manifest, lock)
                stream.sync()
        finally:
            lock.release()

    def _write(
        self, stream: AppendFile, state: RunState, manifest: Manifest, lock: RunLock
    ) -> None:
        facts = self.facts
        told = {
            "session_id": self.session_id,
            "path": os.fspath(self._session.path),
            "cwd": facts.cwd,
            "version": facts.version,
            "git_branch": facts.git_branch,
            "subagents": len(self._aside),
        }
        begun = {
            "type": "workflow_started",
            "timestamp": self.started_at,
            "run_id": manifest.run_id,
            "workflow": WORKFLOW,
            "params": manifest.params,
            "pid": os.getpid(),
            "attempt": 1,
            "imported": told,
        }
        batch = bytearray()
        offset = 0

        def take(event: Event, line: bytes) -> None:
            nonlocal offset
            offset += len(line)
            batch.extend(line)
            state.apply(event, offset)
            if len(batch) >= _BATCH_BYTES:
                stream.append(bytes(batch))
                batch.clear()

        take(begun, encode(begun))
        for record, event in self._records():
            take(*self._line_of(record, event, manifest.run_id))
        self.broken_lines = state.event_counts.get("malformed", 0)
        end = self._end(state, manifest.run_id) | {"seal": new_seal(lock)}
        end |= {"stats": state.summary_stats(), "inbox_offset": 0}
        stream.append(bytes(batch) + encode(end))

    def _records(self) -> Iterator[tuple[Record, Event]]:
        """A subagent's lines come before the first of the main agent that is later than all of them."""
        waiting = sorted((_ended_at(copy), copy.path) for copy in self._aside)
        begun = False
        for record in read_records(self._main.path):
            event = record.event()
            if waiting and begun and (at := from_iso(event.get("timestamp"))) is not None:
                while waiting and waiting[0][0] < at:
                    yield from _lines_aside(waiting.pop(0)[1])
            begun = begun or event.get("type") in ("user", "assistant")
            yield record, event
        for _, path in waiting:
            yield from _lines_aside(path)

    def _line_of(self, record: Record, event: Event, run_id: str) -> tuple[Event, bytes]:
        """As it stands, but for what only a run process may say, and what is longer than any event."""
        kind = event.get("type")
        if record.length != len(record.line):
            told = f"a line of {record.length:,} bytes was left out"
        elif isinstance(kind, str) and is_reserved(kind):
            told = f"the session holds a {kind!r} line, which only a run process may write"
        else:
            return event, record.line + b"\n"
        log: Event = {
            "type": "log",
            "timestamp": self.started_at,
            "run_id": run_id,
            "level": "warning",
        }
        log |= {"message": told, "data": {"source": "session", "line": event}}
        return log, encode(log)

    def _end(self, state: RunState, run_id: str) -> Event:
        """A session has no word for its end: it is that of its last turn."""
        turn = state.turn
        reason = None
        kind, self.status = "workflow_completed", "completed"
        if turn is not None and (turn.running or turn.finish_reason == "interrupted"):
            kind, self.status = "workflow_stopped", "stopped"
            reason = "unfinished" if turn.running else "interrupted"
        elif turn is not None and turn.finish_reason not in (None, "completed"):
            kind, self.status = "workflow_failed", "failed"
            reason = turn.finish_reason
        said = state.answers.get(turn.number) if turn is not None else None
        began, ended = from_iso(self.started_at), from_iso(self._ended_at)
        lasted = (ended - began).total_seconds() if began and ended else 0.0
        told: Event = {
            "type": kind,
            "timestamp": self._ended_at,
            "run_id": run_id,
            "duration_s": max(0.0, round(lasted, 3)),
        }
        if reason is not None:
            told["reason"] = reason
        if kind == "workflow_failed":
            told["error"] = said or reason
        return told | {"result": said or state.said}


def _keep(
    building: Workspace,
    session: SessionFile,
    session_id: str,
    main: _Copy,
    aside: list[tuple[SessionFile, _Copy]],
) -> None:
    """Put the copies where the CLI of this run finds them."""
    above = session.path.parent
    project = building.path / _HOME / (above.name or "session")
    _make_folders(building.path, project)
    os.replace(main.path, project / f"{session_id}.jsonl")
    for file, copy in aside:
        inner = project / file.path.parent.relative_to(above)
        if inner != project:
            inner = project / session_id / "subagents"
            _make_folders(project, inner)
        os.replace(copy.path, inner / file.path.name)
        sync_folder(inner)
    sync_folder(project)


def _make_folders(above: Path, folder: Path) -> None:
    for parent in [*reversed(folder.relative_to(above).parents), folder.relative_to(above)][1:]:
        with contextlib.suppress(FileExistsError):
            (above / parent).mkdir(mode=0o700)
            sync_folder((above / parent).parent)


def _ended_at(copy: _Copy) -> datetime:
    return from_iso(_facts(copy.path).ended_at) or datetime.min.replace(tzinfo=UTC)


def _lines_aside(path: Path) -> Iterator[tuple[Record, Event]]:
    """Of a subagent's file: what does not say to be one's is no word of the main agent either."""
    for record in read_records(path):
        event = record.event()
        if event.get("isSidechain") is True:
            yield record, event
