"""Say something to a run: append to its inbox, and learn whether it can still be taken.

A post and the end of a run exclude each other by a lock on the folder: what was accepted is always answered by a
`message_received` line, be it `dropped`.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from ..disk.append import AppendFile
from ..disk.durable import sync_folder
from ..disk.layout import Workspace
from ..disk.records import MAX_LINE_BYTES, Event, encode, now_iso
from ..disk.tail import LogReplaced, read_records
from ..errors import BadMessage, RunFinished, UnknownMessage, UnknownRun
from .inbox_lines import (
    PLACE_ID,
    InboxLine,
    RefusedLine,
    check_message,
    parse_line,
    read_inbox,
)
from .limits import check_limits, passed_count
from .manifest import read_manifest
from .status import ended_status, read_state

__all__ = ["InboxReader", "Posted", "cancel_message", "inbox_closed", "post"]


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
    """
    given_id = message.get("id")
    body = {"id": given_id or f"msg-{secrets.token_hex(12)}", "timestamp": now_iso()} | message
    check_message(body)
    line = _encode(body)
    reopens = body["type"] == "message" and body.get("resume") is True
    with inbox_closed(workspace):
        earlier = _find(workspace, body["id"]) if given_id is not None else None
        if earlier is None:
            ended = ended_status(workspace)
            if ended and not (reopens and workspace.manifest.exists()):
                raise RunFinished(
                    f"run {workspace.run_id!r} has ended ({ended})",
                    'Send a message with "resume": true to reopen it, or start a new run',
                )
            if ended:
                _check_limits(workspace)
        inbox = AppendFile(workspace.inbox)
        try:
            offset = inbox.append(line) if earlier is None else earlier.offset
        except BaseException:
            inbox.close()
            raise
    with inbox:  # outside the lock, so that posts of several writers share a disk flush
        inbox.sync()  # a repeat too: whoever posted first may not have come so far
    if offset == len(line):
        sync_folder(workspace.path)
    return Posted(body["id"], offset, repeated=earlier is not None)


def cancel_message(workspace: Workspace, message_id: str, *, by: str | None = None) -> Posted:
    """Take back a message that was not delivered yet. The run tells by a receipt (`dropped`) that it did.

    :param by: who takes it back, if that is known.
    :raises UnknownMessage: no message of that id.
    :raises RunFinished: it was delivered, completed or dropped already, or the run has ended.
    """
    line = _find(workspace, message_id)
    if line is None or line.type != "message":
        raise UnknownMessage(
            f"run {workspace.run_id!r} has no message {message_id[:128]!r}",
            f"See its inbox: {workspace.inbox.name}",
        )
    receipt = read_state(workspace).messages.get(message_id, "queued")
    if receipt != "queued":
        raise RunFinished(f"message {message_id!r} is {receipt} already", "It can't be taken back")
    cancel = {"type": "cancel", "message_id": message_id}
    return post(workspace, cancel if by is None else cancel | {"by": by})


@contextlib.contextmanager
def inbox_closed(workspace: Workspace) -> Iterator[None]:
    """Keep all others from posting while the block runs: to post, or to end the run. Keep it short.

    Locks the folder, since the inbox may not exist yet; lines that are written by hand are not kept out.

    :raises UnknownRun: there is no such run.
    """
    try:
        folder = os.open(workspace.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _check_limits(workspace: Workspace) -> None:
    limits = check_limits(read_manifest(workspace).limits)
    if passed := limits and passed_count(limits, read_state(workspace)):
        name, reached = passed
        raise RunFinished(
            f"run {workspace.run_id!r} has passed its limit {name} of {limits[name]:g}: it came to {reached:g}",
            "It can't be reopened; start a new run with a higher limit",
        )


class InboxReader:
    """The run process's eye on its inbox: each line once, across restarts too.

    :param taken: ids that earlier attempts have taken, from their receipts.
    """

    def __init__(self, workspace: Workspace, taken: frozenset[str] = frozenset()) -> None:
        self._path = workspace.inbox
        self._seen = set(taken)
        self.offset = 0

    def read(self) -> list[InboxLine | RefusedLine]:
        """What came since the last call, in order. A repeated id is passed over."""
        try:
            if os.stat(self._path).st_size == self.offset:
                return []
            fresh = list(read_inbox(self._path, self.offset))
        except FileNotFoundError:
            return []
        except LogReplaced:
            # Someone cut the inbox: begin again, the ids keep what was taken from being taken twice.
            self.offset = 0
            fresh = list(read_inbox(self._path))
        lines: list[InboxLine | RefusedLine] = []
        for line in fresh:
            self.offset = line.offset
            if isinstance(line, InboxLine):
                if line.id in self._seen:
                    continue
                self._seen.add(line.id)
            lines.append(line)
        return lines


def _encode(body: Event) -> bytes:
    try:
        line = encode(body)
    except ValueError as error:
        raise BadMessage(str(error), "Send plain JSON") from error
    if len(line) - 1 > MAX_LINE_BYTES:
        raise BadMessage(
            f"the message is {len(line) - 1} bytes long, over the {MAX_LINE_BYTES} of a line",
            "Put it in a file of the workspace and send its name",
        )
    return line


def _find(workspace: Workspace, message_id: str) -> InboxLine | None:
    # A look at the bytes before the parser's: each post with an id goes through the whole inbox.
    plain, by_place = message_id.encode(errors="replace"), message_id.startswith(PLACE_ID)
    for record in read_records(workspace.inbox):
        if plain in record.line or b"\\u" in record.line or by_place:
            line = parse_line(record)
            if isinstance(line, InboxLine) and line.id == message_id:
                return line
    return None
