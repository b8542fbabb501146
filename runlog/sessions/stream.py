"""The stream of an imported run: the lines of a session and of its subagents, between two lines of ours."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..disk.append import AppendFile
from ..disk.layout import Workspace
from ..disk.lock import RunLock
from ..disk.records import Event, encode, from_epoch, from_iso, now_iso, to_iso
from ..disk.tail import Record, read_records
from ..run.events import Status, is_reserved
from ..run.manifest import Manifest
from ..run.seal import new_seal
from ..run.state import RunState
from .copies import Copy
from .facts import SessionFacts
from .place import SessionFile

__all__ = ["ImportedStream", "facts_of"]

_BATCH_BYTES = 1024 * 1024


class ImportedStream:
    """Written once, into the folder of a run; `status` and `broken_lines` are known then."""

    def __init__(
        self,
        facts: SessionFacts,
        session_id: str,
        session: SessionFile,
        main: Copy,
        aside: list[Copy],
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
            "workflow": manifest.workflow,
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
        said = state.talk.answers.get(turn.number) if turn is not None else None
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
        return told | {"result": said or state.talk.said}


def facts_of(path: Path) -> SessionFacts:
    """What the lines of a copy tell of the session."""
    facts = SessionFacts()
    for record in read_records(path):
        facts.line(record.line)
    return facts


def _ended_at(copy: Copy) -> datetime:
    return from_iso(facts_of(copy.path).ended_at) or datetime.min.replace(tzinfo=UTC)


def _lines_aside(path: Path) -> Iterator[tuple[Record, Event]]:
    """Of a subagent's file: what does not say to be one's is no word of the main agent either."""
    for record in read_records(path):
        event = record.event()
        if event.get("isSidechain") is True:
            yield record, event
