"""A log, a lock and an inbox under any order of what may be done to them, against a plain model: real files.

`make soak` gives it longer, by TAILCAST_STEPS: so many examples of each machine.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import runlog
from runlog import (
    AppendFile,
    InboxLine,
    InboxReader,
    Posted,
    RunLock,
    StateReader,
    create_run,
    encode,
    is_locked,
    post,
)
from runlog.disk.records import decode
from runlog.disk.tail import LogFile, LogReplaced, records_of
from runlog.run.state import RunState

_EXAMPLES = int(os.environ.get("TAILCAST_STEPS", "15"))
_SETTINGS = settings(max_examples=_EXAMPLES, stateful_step_count=25, deadline=None)

_EVENTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("log"), "message": st.text(max_size=20)}),
    st.fixed_dictionaries(
        {
            "type": st.just("message_received"),
            "message_id": st.sampled_from("abc"),
            "state": st.sampled_from(["queued", "delivered", "completed", "dropped"]),
        }
    ),
    st.fixed_dictionaries({"type": st.just("workflow_started"), "attempt": st.integers(1, 3)}),
    st.fixed_dictionaries({"type": st.just("progress_update"), "progress": st.integers(0, 100)}),
    st.just({"type": "assistant", "message": {"id": "m", "content": [{"type": "tool_use"}]}}),
)
# What a writer leaves that dies in the middle of a line; never a whole object.
_TORN = st.sampled_from([b"{", b'{"type":"lo', b'{"type":"log"', b"\xc3", b"x"])


def _lines(data: bytes) -> list[tuple[int, bytes]]:
    """The offset after each whole line that is not blank, and the line."""
    found, offset = [], 0
    *whole, _ = data.split(b"\n")
    for line in whole:
        offset += len(line) + 1
        if line.strip():
            found.append((offset, line))
    return found


class LogMachine(RuleBasedStateMachine):
    """One stream: two who append, one who tails it, one who folds it. `data` is what the file has to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.run = create_run(self.folder / "runs", "command", run_id="r")
        self.path = self.run.stream
        self.data: bytes | None = b""
        self.writers = [AppendFile(self.path) for _ in range(2)]
        self.folded = StateReader(self.run)
        self.log: LogFile | None = None
        self.cursor, self.got = 0, list[tuple[int, bytes]]()

    def teardown(self) -> None:
        for file in (*self.writers, self.folded, self.log):
            if file is not None:
                file.close()
        shutil.rmtree(self.folder)

    @rule(writer=st.integers(0, 1), events=st.lists(_EVENTS, min_size=1, max_size=3))
    def append(self, writer: int, events: list[dict[str, object]]) -> None:
        lines = b"".join(map(encode, events))
        before = self.data or b""
        if before and not before.endswith(b"\n"):
            lines = b"\n" + lines
        self.data = before + lines
        assert self.writers[writer].append(lines.removeprefix(b"\n")) == len(self.data)

    @precondition(lambda self: self.data is not None)
    @rule(torn=_TORN)
    def tear(self, torn: bytes) -> None:
        with open(self.path, "ab", buffering=0) as file:
            file.write(torn)
        self.data = (self.data or b"") + torn

    @precondition(lambda self: self.data)
    @rule(part=st.floats(0, 1))
    def truncate(self, part: float) -> None:
        assert self.data is not None
        size = int(len(self.data) * part)
        os.truncate(self.path, size)
        self.data = self.data[:size]
        # Who does not look before it has grown again can't know: docs/contract.md, "What can't be told".
        self.tail()
        self.fold()

    @rule(events=st.lists(_EVENTS, max_size=3))
    def replace(self, events: list[dict[str, object]]) -> None:
        other = self.folder / "other"
        self.data = b"".join(map(encode, events))
        other.write_bytes(self.data)
        other.rename(self.path)

    @precondition(lambda self: self.data is not None)
    @rule()
    def remove(self) -> None:
        self.path.unlink()
        self.data = None

    @rule()
    def tail(self) -> None:
        """Up to the end; after a reset from the beginning. All that was got since is what the file holds."""
        if self.log is not None and not self.log.is_current():
            self._reset()
        try:
            self.log = self.log or LogFile(self.path)
        except FileNotFoundError:
            assert self.data is None
            return
        try:
            self._read_on(self.log)
        except LogReplaced:
            self._reset()
            self.log = LogFile(self.path)
            self._read_on(self.log)
        assert self.data is not None
        assert self.got == _lines(self.data)

    def _read_on(self, log: LogFile) -> None:
        while chunk := log.read(self.cursor):
            self.got += [(record.offset, record.line) for record in records_of(chunk)]
            self.cursor = chunk.end

    def _reset(self) -> None:
        assert self.log is not None
        self.log.close()
        self.log, self.cursor, self.got = None, 0, []

    @rule()
    def fold(self) -> None:
        expected = RunState()
        if self.data is not None:
            expected.lifecycle = "running"
            for offset, line in _lines(self.data):
                event = decode(line) or {"type": "malformed"}
                expected.apply(event, offset)
            expected.offset = self.data.rfind(b"\n") + 1
        assert self.folded.read() == expected

    @invariant()
    def file_is_as_written(self) -> None:
        assert (self.path.read_bytes() if self.path.exists() else None) == self.data


class LockMachine(RuleBasedStateMachine):
    """Two who want to be the sign of life, in a place where the file may be replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "_lock"
        self.locks = [RunLock(self.path) for _ in range(2)]
        self.file = 0  # a number for each file that had the path; 0: there is none
        self.made = 0
        self.held: list[int] = [0, 0]  # the file that each holds

    def teardown(self) -> None:
        for lock in self.locks:
            lock.release()
        shutil.rmtree(self.folder)

    def _take(self, who: int) -> bool:
        if not self.file:
            self.made += 1
            self.file = self.made
        if self.file in self.held:
            return False
        self.held[who] = self.file
        return True

    @rule(who=st.integers(0, 1))
    def acquire(self, who: int) -> None:
        expected = self._take(who)
        assert self.locks[who].acquire() is expected

    @rule(who=st.integers(0, 1))
    def release(self, who: int) -> None:
        self.locks[who].release()
        self.held[who] = 0

    @rule(who=st.integers(0, 1))
    def keep(self, who: int) -> None:
        if not self.held[who]:
            expected = False
        else:
            expected = self.held[who] == self.file or self._take(who)
        assert self.locks[who].keep() is expected

    @rule()
    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.file = 0

    @rule()
    def replace(self) -> None:
        other = self.folder / "other"
        other.write_bytes(b"")
        other.rename(self.path)
        self.made += 1
        self.file = self.made

    @invariant()
    def asked_without_taking(self) -> None:
        assert is_locked(self.path) is (self.file != 0 and self.file in self.held)


class InboxMachine(RuleBasedStateMachine):
    """Messages to a run, posted and by hand, in a file that may be torn, cut, replaced; and the run that reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.run = create_run(self.folder / "runs", "command", run_id="r")
        self.reader = InboxReader(self.run)
        self.ids: list[str] = []  # in the file, in order, each once
        self.heard: list[str] = []
        self.number = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(name=st.sampled_from("abcdef"), size=st.integers(0, 300))
    def say(self, name: str, size: int) -> None:
        posted = post(self.run, {"type": "message", "content": "x" * (size + 1), "id": name})
        assert isinstance(posted, Posted)
        assert posted.repeated is (name in self.ids)
        if not posted.repeated:
            self.ids.append(name)
            assert posted.offset == self.run.inbox.stat().st_size

    @rule(torn=_TORN)
    def tear(self, torn: bytes) -> None:
        with open(self.run.inbox, "ab") as file:
            file.write(torn)

    @precondition(lambda self: self.run.inbox.exists())
    @rule(keep=st.integers(0, 3))
    def cut(self, keep: int) -> None:
        """To its first lines."""
        data = self.run.inbox.read_bytes()
        lines = _lines(data)[:keep]
        os.truncate(self.run.inbox, lines[-1][0] if lines else 0)
        self.ids = self._of_file()

    @rule(names=st.lists(st.sampled_from("abcdef"), unique=True), size=st.integers(1, 300))
    def replace(self, names: list[str], size: int) -> None:
        other = self.folder / "other"
        lines = [{"type": "message", "content": "y" * size, "id": name} for name in names]
        other.write_bytes(b"".join(map(encode, lines)))
        other.rename(self.run.inbox)
        self.ids = names.copy()

    @rule()
    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.run.inbox.unlink()
        self.ids = []

    @rule()
    def hear(self) -> None:
        fresh = [line.id for line in self.reader.read() if isinstance(line, InboxLine)]
        assert fresh == [name for name in self.ids if name not in self.heard]
        self.heard += fresh

    @invariant()
    def each_once(self) -> None:
        assert self._of_file() == self.ids
        assert len(set(self.heard)) == len(self.heard)

    def _of_file(self) -> list[str]:
        return [
            line.id for line in runlog.read_inbox(self.run.inbox) if isinstance(line, InboxLine)
        ]


TestLog = LogMachine.TestCase
TestLog.settings = _SETTINGS
TestLock = LockMachine.TestCase
TestLock.settings = _SETTINGS
TestInbox = InboxMachine.TestCase
TestInbox.settings = _SETTINGS
