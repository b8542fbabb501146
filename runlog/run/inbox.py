"""Say something to a run: append to its inbox, and learn whether it can still be taken.

A post and the end of a run exclude each other by a lock on the folder: what was accepted is always answered by a
`message_received` line, be it `dropped`.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..disk.append import AppendFile, Unusable, lock_within
from ..disk.durable import LOCK_WAIT_S, open_folder
from ..disk.knock import knock
from ..disk.layout import Workspace
from ..disk.lock import is_locked
from ..disk.plain import may_be_unfit, unfit
from ..disk.records import MAX_LINE_BYTES, Event, encode, now_iso
from ..disk.stamp import Stamp, stamp_of
from ..disk.tail import LogReplaced, Record, read_records
from ..errors import BadMessage, RunFinished, UnknownMessage, UnknownRun
from .inbox_lines import (
    MAX_INBOX_BYTES,
    PLACE_ID,
    InboxLine,
    RefusedLine,
    check_message,
    parse_line,
)
from .limits import check_limits, passed_count
from .manifest import read_manifest
from .state import RunState
from .status import ended_status, is_alive, read_state, tail_state
from .vouch import vouched

__all__ = ["InboxReader", "Posted", "cancel_message", "find_message", "inbox_closed", "post"]


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands in the inbox. `repeated`: its id was there already, nothing was appended."""

    message_id: str
    offset: int
    repeated: bool = False


def post(workspace: Workspace, message: Event) -> Posted:
    """Append one line to the inbox of a run; when this returns it is on the disk (fsync).

    :param message: `type` (of `inbox_lines.INBOX_TYPES`) and what that type asks for. `id` if the caller has one:
        posted twice it takes effect once, and the second post changes nothing. `by`: who says it, if that is known. A
        `message` with `"resume": true` reopens a run that has ended.
    :raises BadMessage: the line would not be understood.
    :raises RunFinished: the run has ended; or is to be reopened, and has used up one of its limits.
    :raises UnknownRun: there is no such run.
    :raises Busy: another process has the folder or the inbox locked, and keeps it.
    :raises Unusable: what stands in the place of the inbox, or of what tells whether the run has ended, is no file.
    """
    given_id = message.get("id")
    body = {"id": given_id or f"msg-{secrets.token_hex(12)}", "timestamp": now_iso()} | message
    check_message(body)
    if body["type"] in ("answer", "permission"):
        body = vouched(workspace, body)
    line = _encode(body)
    reopens = body["type"] == "message" and body.get("resume") is True
    with inbox_closed(workspace):
        earlier = _find(workspace, body["id"]) if given_id is not None else None
        if earlier is None:
            ended = ended_status(workspace)
            if ended and not (reopens and os.path.lexists(workspace.manifest)):
                raise RunFinished(
                    f"run {workspace.run_id!r} has ended ({ended})",
                    'Send a message with "resume": true to reopen it, or start a new run',
                )
            if ended:
                _check_limits(workspace)
            elif not is_alive(workspace):
                read_manifest(workspace)  # or nobody would ever begin it
        inbox = _open_inbox(workspace)
        try:
            offset = inbox.append(line) if earlier is None else earlier.offset
        except BaseException:
            inbox.close()
            raise
    with inbox:  # outside the lock, so that posts of several writers share a disk flush
        inbox.sync()  # a repeat too, and the name of the file: whoever came first may not have come so far
    if not is_locked(
        workspace.lock
    ):  # nobody reads it now: it may begin, go on, or be stopped before
        knock(workspace.root, workspace.run_id)
    return Posted(body["id"], offset, repeated=earlier is not None)


def cancel_message(
    workspace: Workspace,
    message_id: str,
    receipts: Mapping[str, str] | None = None,
    *,
    by: str | None = None,
) -> Posted:
    """Take back a message that was not delivered yet. The run tells by a receipt (`dropped`) that it did.

    :param receipts: the last of each message, from a state at hand. Left out, the whole stream is read.
    :param by: who takes it back, if that is known.
    :raises UnknownMessage: no message of that id.
    :raises RunFinished: it was delivered, completed or dropped already, or the run has ended.
    """
    find_message(workspace, message_id)
    if receipts is None:
        receipts = read_state(workspace).messages
    receipt = receipts.get(message_id, "queued")
    if receipt != "queued":
        raise RunFinished(f"message {message_id!r} is {receipt} already", "It can't be taken back")
    cancel = {"type": "cancel", "message_id": message_id}
    return post(workspace, cancel if by is None else cancel | {"by": by})


def find_message(workspace: Workspace, message_id: str) -> InboxLine:
    """The message of that id in the inbox.

    :raises UnknownMessage: there is none.
    """
    line = _find(workspace, message_id)
    if line is None or line.type != "message":
        raise UnknownMessage(
            f"run {workspace.run_id!r} has no message {message_id[:128]!r}",
            f"See its inbox: {workspace.inbox.name}",
        )
    return line


@contextlib.contextmanager
def inbox_closed(workspace: Workspace, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Keep all others from posting while the block runs: to post, or to end the run. Keep it short.

    Locks the folder, since the inbox may not exist yet; lines that are written by hand are not kept out.

    :raises UnknownRun: there is no such run.
    :raises Busy: another process has it locked, and keeps it.
    """
    try:
        folder = open_folder(workspace.path)
    except (FileNotFoundError, Unusable):
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}") from None
    try:
        lock_within(folder, wait_s, workspace.path)
        yield
    finally:
        os.close(folder)


def _open_inbox(workspace: Workspace) -> AppendFile:
    """To append to. :raises Unusable: among other things, it is longer than the run would read."""
    inbox = AppendFile(workspace.inbox, LOCK_WAIT_S)
    if os.lstat(workspace.inbox).st_size > MAX_INBOX_BYTES:
        inbox.close()
        told = f"it is over {MAX_INBOX_BYTES:,} bytes"
        raise Unusable(errno.EFBIG, told, os.fspath(workspace.inbox))
    return inbox


def _check_limits(workspace: Workspace) -> None:
    limits = check_limits(read_manifest(workspace).limits)
    if passed := limits and passed_count(limits, _ended_state(workspace)):
        name, reached = passed
        raise RunFinished(
            f"run {workspace.run_id!r} has passed its limit {name} of {limits[name]:g}: it came to {reached:g}",
            "It can't be reopened; start a new run with a higher limit",
        )


def _ended_state(workspace: Workspace) -> RunState:
    """What counts for the limits of a run that has ended. All others who post wait for it."""
    state = tail_state(workspace)
    turns = state.stats.get("turns")
    if not isinstance(turns, int):  # its last line was written by somebody else
        return read_state(workspace)
    state.turns = max(state.turns, turns)
    return state


class InboxReader:
    """The run process's eye on its inbox: each line once, across restarts too, and whatever is done to the file.

    One that was cut, written anew or replaced, also while this process did not look, is read from its beginning. Told
    by the inode, the size, and the last line that was read, which is to stand where it stood.

    :param taken: ids that earlier attempts have taken, from their receipts.
    """

    def __init__(self, workspace: Workspace, taken: frozenset[str] = frozenset()) -> None:
        self._path = workspace.inbox
        # A line without an id goes by its place: another line in the same place is another one.
        self._seen: dict[str, bytes | None] = dict.fromkeys(taken)
        self._refused: set[tuple[int, bytes]] = set()
        self._stamp: Stamp = None
        self._last: Record | None = None  # it ends at `offset`
        self.offset = 0

    def read(self) -> list[InboxLine | RefusedLine]:
        """What came since the last call, in order. A repeated id is passed over.

        :raises OSError: what has the place of the inbox can't be read.
        """
        stamp = stamp_of(self._path)
        if stamp is None or (stamp == self._stamp and stamp[1] == self.offset):
            return []
        if self._stamp is not None and stamp[0] != self._stamp[0]:
            self._begin_again()
        try:
            fresh = self._records()
        except LogReplaced:
            self._begin_again()
            fresh = self._records()
        self._stamp = stamp
        lines: list[InboxLine | RefusedLine] = []
        for record in fresh:
            self.offset, self._last = record.offset, record
            line = parse_line(record)
            if not self._is_repeat(line, record.line):
                lines.append(line)
        return lines

    def _begin_again(self) -> None:
        self.offset, self._last = 0, None

    def _records(self) -> list[Record]:
        """From the last line that was read on. :raises LogReplaced: it is not there any more."""
        last = self._last
        begin = max(0, last.offset - last.length - 1) if last else 0
        found = list(read_records(self._path, begin, MAX_INBOX_BYTES))
        if last is None:
            return found
        # One that was taken without its LF may have got it since.
        ends = (last.offset, last.offset + 1)
        if not found or found[0].offset not in ends or found[0].line != last.line:
            raise LogReplaced(f"{self._path} has not the line any more that ended at {self.offset}")
        return found[1:]

    def _is_repeat(self, line: InboxLine | RefusedLine, raw: bytes) -> bool:
        if isinstance(line, RefusedLine):
            known = (line.offset, raw) in self._refused
            self._refused.add((line.offset, raw))
            return known
        body = raw if line.id.startswith(PLACE_ID) and "id" not in line.body else None
        known = line.id in self._seen and (body is None or self._seen[line.id] in (body, None))
        self._seen[line.id] = body
        return known


def _encode(body: Event) -> bytes:
    try:
        line = encode(body)
    except ValueError as error:
        raise BadMessage(str(error), "Send plain JSON") from error
    if may_be_unfit(line) and (faults := unfit(body)):
        told = "; ".join(f"`{place[1:]}`: {what}" for place, what in faults.items())
        raise BadMessage(told, "Send it without")
    if len(line) - 1 > MAX_LINE_BYTES:
        raise BadMessage(
            f"the message is {len(line) - 1} bytes long, over the {MAX_LINE_BYTES} of a line",
            "Put it in a file of the workspace and send its name",
        )
    return line


def _find(workspace: Workspace, message_id: str) -> InboxLine | None:
    # A look at the bytes before the parser's: each post with an id goes through the whole inbox.
    plain, by_place = message_id.encode(errors="replace"), message_id.startswith(PLACE_ID)
    for record in read_records(workspace.inbox, max_bytes=MAX_INBOX_BYTES):
        if plain in record.line or b"\\u" in record.line or by_place:
            line = parse_line(record)
            if isinstance(line, InboxLine) and line.id == message_id:
                return line
    return None
