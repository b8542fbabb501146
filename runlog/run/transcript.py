"""Lines of the files in which Claude's CLI keeps its sessions, in the words of its stream. Pure.

Such a transcript (`~/.claude/projects/…/<session>.jsonl`) has the same `user`, `assistant` and `system` lines as the
stream under other names, and tells in lines of its own what a person said while a turn ran. Lines of the stream come
back as they are. The page reads transcripts by the same rules (relay/ui/src/model/transcript.ts).
"""

from dataclasses import dataclass, field, replace
from typing import Any

from ..disk.records import Event
from .values import text

__all__ = ["Transcript", "is_kept", "line_alone"]

_NAMES = {"sessionId": "session_id", "toolUseResult": "tool_use_result"}
# Of a `queue-operation` that took a message into the running turn; earlier versions gave no reason.
_ABSORBED = (None, "absorbed_mid_turn")


def is_kept(event: Event) -> bool:
    """Whether it is a line of a transcript, and of no stream."""
    return "sessionId" in event or "parentUuid" in event


def line_alone(event: Event) -> Event:
    """A line as the stream has it, by itself. What the queue tells stands in other lines too."""
    kind = event.get("type")
    return event if kind == "queue-operation" else Transcript(_has_begun=True).line(event)


@dataclass(slots=True)
class Transcript:
    """Reads one file, line by line."""

    _has_begun: bool = False
    _agent_id: str | None = None  # the whole file is this subagent's
    _has_attachments: bool = False
    # Earlier versions do not say which subagent speaks: uuid of a line aside -> that of the first in its chain
    _firsts: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "Transcript":
        return replace(self, _firsts=dict(self._firsts))

    def line(self, event: Event) -> Event:
        """The same line as the stream has it; itself where nothing is to be told otherwise.

        `steered` is added to what a running turn took in.
        """
        kind = event.get("type")
        if kind in ("assistant", "user"):
            if not self._has_begun:
                self._has_begun = True
                if event.get("isSidechain") is True:
                    self._agent_id = text(event.get("agentId"), 200)
        elif kind == "attachment":
            self._has_attachments = True
            event = _queued_command(event)
        elif kind == "queue-operation":
            event = self._queue_operation(event)
        elif kind == "system":
            event = _local_command(event)
        if not is_kept(event):
            return event
        told = {_NAMES[name]: event[name] for name in _NAMES if name in event} | event
        if event.get("isSidechain") is True:
            if self._agent_id is not None and event.get("agentId") == self._agent_id:
                told["isSidechain"] = False
            elif "agentId" not in event:
                told["agentId"] = self._first_of(event)
        return told

    def _first_of(self, event: Event) -> str | None:
        line, parent = text(event.get("uuid"), 200), text(event.get("parentUuid"), 200)
        first = self._firsts.get(parent or "", line)
        if line is not None and first is not None:
            self._firsts[line] = first
        return first

    def _queue_operation(self, event: Event) -> Event:
        """Earlier versions keep no attachments: what they took into a turn stands in the queue alone."""
        absorbed = event.get("operation") == "remove" and event.get("reason") in _ABSORBED
        content = event.get("content")
        if self._has_attachments or not absorbed or not isinstance(content, str):
            return event
        return _said(event, content, event.get("commandUuid")) | {"steered": True}


def _queued_command(event: Event) -> Event:
    """What came while a turn ran, and was taken into it."""
    about = event.get("attachment")
    if not isinstance(about, dict) or about.get("type") != "queued_command":
        return event
    said = _said(event, about.get("prompt"), about.get("source_uuid") or event.get("uuid"))
    told = {name: about[name] for name in ("origin", "isMeta", "commandMode") if name in about}
    return said | told | {"steered": True}


def _local_command(event: Event) -> Event:
    """Later versions keep in a `system` line what a command gave."""
    content = event.get("content")
    if not isinstance(content, str):
        return event
    if event.get("subtype") == "local_command":
        return _said(event, content, event.get("uuid"))
    if event.get("subtype") == "local_command_output":
        told = f"<local-command-stdout>{content}</local-command-stdout>"
        return _said(event, told, event.get("uuid"))
    return event


def _said(event: Event, content: Any, message_id: Any) -> Event:
    message = {"role": "user", "content": content}
    return event | {"type": "user", "message": message, "uuid": message_id}
