"""Lines of `_inbox.jsonl`: what people may say to a run. Reading and checking; posting is in `inbox`.

Anyone may append by hand: a line needs only a `type` and what that type asks for. Without an `id` it gets one from
its place in the file, so it too takes effect once.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from ..disk.append import Unusable
from ..disk.layout import Workspace
from ..disk.records import Event
from ..disk.tail import LogFile, LogReplaced, Record, read_records
from ..errors import BadMessage
from .content import BadContent, check_content
from .state import RunState

__all__ = [
    "DELIVERIES",
    "INBOX_TYPES",
    "MAX_INBOX_BYTES",
    "PLACE_ID",
    "SIGNAL_NAME_PATTERN",
    "Delivery",
    "InboxLine",
    "RefusedLine",
    "answer_id",
    "check_message",
    "input_sha256",
    "is_signal_name",
    "has_pending_resume",
    "parse_line",
    "pending_lines",
    "read_inbox",
]

# Each post with an id goes through the whole inbox. People don't write that much; and a file may say to hold more
# than any disk.
MAX_INBOX_BYTES = 1024 * 1024 * 1024

Delivery = Literal["steer", "queue", "interrupt"]
DELIVERIES: tuple[Delivery, ...] = ("steer", "queue", "interrupt")

# type -> fields it must have, each a text
INBOX_TYPES: dict[str, tuple[str, ...]] = {
    "message": (),
    "cancel": ("message_id",),
    "answer": ("question_id",),
    "permission": ("request_id", "decision"),
    "interrupt": (),
    "pause": (),
    "resume": (),
    "stop": (),
    "set_model": (),
    "set_permission_mode": ("mode",),
    "signal": ("name",),
}

# What a decision may carry.
_OF_DECISION: dict[str, type] = {
    "message": str,
    "updated_input": dict,
    "updated_permissions": list,
}

# A line without an `id` gets this and its offset.
PLACE_ID = "inbox-"

SIGNAL_NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
_SIGNAL_NAME = re.compile(SIGNAL_NAME_PATTERN.removeprefix("^").removesuffix("$"))
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# With its kind before it, it still is an id.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True, slots=True)
class InboxLine:
    """A checked line. `offset` is just after it; `body` is the whole object."""

    offset: int
    id: str
    type: str
    body: Event

    @property
    def delivery(self) -> Delivery:
        delivery: Delivery = self.body.get("delivery", "steer")
        return delivery

    @property
    def by(self) -> dict[str, str]:
        """Who said it, as events have it; nothing if that is not known."""
        by = self.body.get("by")
        return {"by": by} if isinstance(by, str) else {}

    @property
    def content(self) -> str | list[Any]:
        """Of a `message`: text, or Claude content blocks."""
        content: str | list[Any] = self.body["content"]
        return content


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that can't be used, and why."""

    offset: int
    why: str


def check_message(body: Event) -> None:
    """:raises BadMessage: what is wrong with an inbox line, and how to write it right."""
    kind = body.get("type")
    if not isinstance(kind, str) or kind not in INBOX_TYPES:
        raise BadMessage(
            f"inbox type {_shown(kind)} is unknown", f"Use one of {', '.join(INBOX_TYPES)}"
        )
    if "id" in body and not (isinstance(body["id"], str) and _ID.fullmatch(body["id"])):
        raise BadMessage(
            f"message id {_shown(body['id'])} can't be used",
            "An id is 1 to 128 of A-Z, a-z, 0-9 and . _ : -",
        )
    for name in INBOX_TYPES[kind]:
        if not (isinstance(body.get(name), str) and body[name]):
            raise BadMessage(f"`{kind}` needs `{name}`", f"Add `{name}`, a text that is not empty")
    if kind == "message":
        try:
            check_content(body.get("content"))
        except BadContent as error:
            raise BadMessage(
                f"the message can't be used: {error.detail}",
                "Send a text, or a list of Claude content blocks",
                pointer=error.pointer,
            ) from None
        if body.get("delivery", "steer") not in DELIVERIES:
            raise BadMessage(
                f"delivery {_shown(body['delivery'])} is unknown",
                f"Use one of {', '.join(DELIVERIES)}",
            )
    if kind == "permission":
        _check_decision(body)
    if kind == "signal" and not is_signal_name(body["name"]):
        raise BadMessage(
            f"signal {_shown(body['name'])} can't be one",
            "A name is 1 to 64 of A-Z, a-z, 0-9 and _ . -, a letter or _ first",
        )
    if kind == "answer" and not isinstance(body.get("answers"), dict):
        raise BadMessage("`answer` needs `answers`", "Send an object: question -> answer")


def is_signal_name(name: str) -> bool:
    return _SIGNAL_NAME.fullmatch(name) is not None


def answer_id(
    kind: Literal["answer", "permission"],
    key: str,
    receipts: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """One id for all answers to the question or request `key`: the first of them counts, also of two at once.

    :param receipts: the last of each message. One that was dropped did not count, so the next has another id.
    """
    if not _PLAIN_KEY.fullmatch(key):
        key = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    first = f"{kind}:{key}"
    ids = itertools.chain([first], (f"{first}:{number}" for number in itertools.count(2)))
    return next(one for one in ids if receipts.get(one) != "dropped")


def input_sha256(tool_name: object, tool_input: object) -> str:
    """What binds a decision to the call that was shown: SHA-256 of the JSON array of both, keys sorted, no spaces,
    all but ASCII escaped. Empty for what can't be written so; that matches nothing.
    """
    try:
        text = json.dumps([tool_name, tool_input], sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def read_inbox(path: Path, after: int = 0) -> Iterator[InboxLine | RefusedLine]:
    """The lines from the cursor `after` up to the present end, in order, repeats of an id included.

    :raises LogReplaced: the file ends before `after`.
    :raises Unusable: it is no file of ours, or over `MAX_INBOX_BYTES`.
    """
    for record in read_records(path, after, MAX_INBOX_BYTES):
        yield parse_line(record)


def parse_line(record: Record) -> InboxLine | RefusedLine:
    """A record of an inbox, checked."""
    body = record.event()
    if body.get("type") == "malformed":
        return RefusedLine(record.offset, "it is not a JSON object on one line")
    try:
        check_message(body)
    except BadMessage as error:
        return RefusedLine(record.offset, str(error))
    return InboxLine(
        record.offset, body.get("id", f"{PLACE_ID}{record.offset}"), body["type"], body
    )


def pending_lines(workspace: Workspace, state: RunState) -> list[InboxLine]:
    """Lines posted since the run ended or was parked, not taken yet; none if `state` tells of neither."""
    if state.inbox_offset is None:
        return []
    taken: Container[str] = state.messages
    try:
        try:
            _check_place(workspace.inbox, state.inbox_offset)
            lines = list(read_inbox(workspace.inbox, state.inbox_offset))
        except LogReplaced:  # it was cut, or written anew: all of it may be new
            lines = list(read_inbox(workspace.inbox))
            taken = _taken(workspace)
    except (LogReplaced, Unusable):  # of what is no inbox nobody was told that it was taken
        return []
    return [line for line in lines if isinstance(line, InboxLine) and line.id not in taken]


def _check_place(path: Path, offset: int) -> None:
    """:raises LogReplaced: no line ends there."""
    try:
        log = LogFile(path)
    except FileNotFoundError:
        return
    with log:
        log.read(offset)


def _taken(workspace: Workspace) -> set[str]:
    """Ids of all messages that the run has a receipt of: a state of its last lines has but the last of them."""
    taken = set()
    for record in read_records(workspace.stream):
        if b'"message_received"' in record.line:
            event = record.event()
            if event.get("type") == "message_received" and isinstance(event.get("message_id"), str):
                taken.add(event["message_id"])
    return taken


def has_pending_resume(workspace: Workspace, state: RunState) -> bool:
    """Whether a message asks an ended run to go on, posted after its end and not taken yet."""
    return any(
        line.type == "message" and line.body.get("resume") is True
        for line in pending_lines(workspace, state)
    )


def _check_decision(body: Event) -> None:
    if body["decision"] not in ("allow", "deny"):
        raise BadMessage(f"decision {body['decision'][:40]!r} is unknown", "Use allow or deny")
    for name, kind in _OF_DECISION.items():
        if not isinstance(body.get(name), kind | None):
            raise BadMessage(
                f"`{name}` can't be {_shown(body[name])}", "Leave it out, or see the contract"
            )


def _shown(value: object) -> str:
    # Not `str(value)` of anything: that of a deeply nested list is a RecursionError.
    return repr(value[:40]) if isinstance(value, str) else f"(a {type(value).__name__})"
