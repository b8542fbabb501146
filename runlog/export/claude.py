"""The conversation as Claude's CLI keeps a session: `claude --resume` goes on with it, and its readers show it.

Made of the run's own stream, so that nothing else is looked at: lines that were imported stand as they were, those of
the stream get what a session's have (`sessionId`, `parentUuid`, …). All are of one session, whose id is that of the
file's name. What went on between compactions stays in it, as in the CLI's own.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..disk.layout import Workspace
from ..disk.records import Event, encode, to_iso
from ..disk.tail import read_records
from ..errors import NoConversation
from ..run.manifest import readable_manifest
from ..run.own_words import clean_title
from ..run.spending import USAGE_KEYS
from ..run.state import RunState
from ..run.status import read_state
from ..run.transcript import is_kept
from ..run.values import text
from ..run.voice import is_of_subagent
from ..sessions.place import is_session_id

__all__ = ["session_id_of", "session_lines"]

# Of a stream that says of no line by which version it was written: what readers take for a present one.
_VERSION = "2.0.0"
_MARKS = (b'"user"', b'"assistant"', b'"init"', b'"compact_boundary"', b'"sessionId"')
_NAMES = {"tool_use_result": "toolUseResult", "isCompactSummary": "isCompactSummary"}
_EPOCH = datetime.fromtimestamp(0, UTC)
_SUMMARY_HEAD = "This session is being continued from a previous conversation"


def session_id_of(workspace: Workspace, state: RunState | None = None) -> str:
    """The id under which the conversation is exported: that of the run's session, or one made of the run's id."""
    told = (state or read_state(workspace)).session_id
    if is_session_id(told):
        return str(told).lower()
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tailcast:{workspace.run_id}"))


def session_lines(workspace: Workspace) -> Iterator[bytes]:
    """The file in lines. :raises NoConversation: nothing was said in the run. :raises OSError: it can't be read."""
    state = read_state(workspace)
    writer = _Writer(session_id_of(workspace, state))
    spoken = False
    for record in read_records(workspace.stream):
        if not any(mark in record.line for mark in _MARKS):
            continue
        line = writer.line(record.event())
        if line is not None:
            spoken = True
            yield encode(line)
    if spoken:
        yield from map(encode, _last_lines(workspace, state, writer.session_id, writer.title))
    else:
        raise NoConversation(
            f"nothing was said in {workspace.run_id!r} that a session of Claude's could hold",
            "Export it as markdown, html or jsonl",
        )


def _last_lines(
    workspace: Workspace, state: RunState, session_id: str, told_title: str | None
) -> Iterator[Event]:
    """What the CLI keeps at the end: what it is called, and what it has cost, of which its messages know less."""
    title = readable_manifest(workspace).words.title
    if title not in (None, told_title):
        yield {"type": "custom-title", "customTitle": title, "sessionId": session_id}
    if state.cost_usd is None:
        return
    models = {
        model: {theirs: int(usage.get(ours, 0)) for ours, theirs in USAGE_KEYS.items()}
        | {"webSearchRequests": 0, "costUSD": usage.get("cost_usd", 0.0)}
        for model, usage in state.spending.by_model.items()
    }
    durations = ("totalAPIDuration", "totalAPIDurationWithoutRetries", "totalToolDuration")
    others = ("totalLinesAdded", "totalLinesRemoved", "totalDuration", "startTime")
    sums: Event = {"type": "cost-state", "sessionId": session_id, "totalCostUSD": state.cost_usd}
    yield sums | dict.fromkeys((*durations, *others), 0) | {"modelUsage": models}


class _Writer:
    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.title: str | None = None  # that lines tell which were imported
        self._last: dict[str, str] = {}  # whose thread -> uuid of its last line
        self._seen: set[int] = set()
        self._common: Event = {
            "userType": "external",
            "cwd": "/",
            "sessionId": session_id,
            "version": _VERSION,
            "gitBranch": "",
        }

    def line(self, event: Event) -> Event | None:
        """A line of the session; None if the event is none."""
        if is_kept(event):
            return self._kept(event)
        kind = event.get("type")
        if kind == "system" and event.get("subtype") == "init":
            self._common["cwd"] = text(event.get("cwd")) or self._common["cwd"]
            version = text(event.get("claude_code_version"), 100)
            self._common["version"] = version or self._common["version"]
        elif kind == "system" and event.get("subtype") == "compact_boundary":
            return self._boundary(event)
        elif kind in ("user", "assistant") and isinstance(event.get("message"), dict):
            return self._said(str(kind), event)
        return None

    def _kept(self, event: Event) -> Event | None:
        if event.get("type") == "cost-state":
            return None  # the sums of all come at the end
        named = text(event.get("customTitle")) or text(event.get("aiTitle"))
        self.title = clean_title(named) if named else self.title
        told = event | {"sessionId": self.session_id} if "sessionId" in event else event
        own = text(event.get("uuid"), 200)
        if own is not None and self._is_repeated(own):
            return None
        if own is not None and not is_of_subagent(event):
            self._last[""] = own
            for name in ("cwd", "version", "gitBranch"):
                self._common[name] = text(event.get(name)) or self._common[name]
        if event.get("type") in ("user", "assistant"):
            told |= {name: value for name, value in self._common.items() if name not in told}
        return told

    def _said(self, kind: str, event: Event) -> Event | None:
        own = text(event.get("uuid"), 200) or str(uuid.uuid4())
        if self._is_repeated(own):
            return None  # a compaction has kept it, or a later attempt found it read
        aside = text(event.get("parent_tool_use_id"), 200) or ""
        line: Event = {"parentUuid": self._last.get(aside), "isSidechain": bool(aside)}
        if aside:
            line["agentId"] = text(event.get("agent_id"), 200) or aside
        line |= self._common | {
            "type": kind,
            "message": _message(kind, event["message"]),
            "uuid": own,
            "timestamp": _time(event),
        }
        for name, theirs in _NAMES.items():
            if name in event:
                line[theirs] = event[name]
        if event.get("isSynthetic") is True or event.get("isMeta") is True:
            if _is_summary(event):
                line |= {"isCompactSummary": True, "isVisibleInTranscriptOnly": True}
            else:
                line["isMeta"] = True
        for name in ("error", "isApiErrorMessage", "apiErrorStatus", "origin", "requestId"):
            if name in event:
                line[name] = event[name]
        self._last[aside] = own
        return line

    def _boundary(self, event: Event) -> Event:
        """What comes after it does not go on with what was before."""
        own = text(event.get("uuid"), 200) or str(uuid.uuid4())
        found = event.get("compact_metadata")
        about = found if isinstance(found, dict) else {}
        line = {
            "parentUuid": None,
            "logicalParentUuid": self._last.get(""),
            "isSidechain": False,
            **self._common,
            "type": "system",
            "subtype": "compact_boundary",
            "content": "Conversation compacted",
            "level": "info",
            "isMeta": False,
            "uuid": own,
            "timestamp": _time(event),
            "compactMetadata": {
                "trigger": about.get("trigger", "auto"),
                "preTokens": about.get("pre_tokens", 0),
            },
        }
        self._last[""] = own
        return line

    def _is_repeated(self, own: str) -> bool:
        known = hash(own) in self._seen
        self._seen.add(hash(own))
        return known


def _message(kind: str, message: Event) -> Event:
    """With what every reader asks for, also where a workflow of one's own wrote the line."""
    told: Event = {"role": kind, "content": message.get("content") or ""} | message
    if kind == "assistant":
        told = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "model": "<unknown>"} | told
        told = {"stop_reason": None, "stop_sequence": None} | told
        if isinstance(told["content"], str):
            told["content"] = [{"type": "text", "text": told["content"]}]
        if not isinstance(told.get("usage"), dict):
            told["usage"] = {"input_tokens": 0, "output_tokens": 0}
    return told


def _is_summary(event: Event) -> bool:
    content = event["message"].get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0].get("text")
    return isinstance(content, str) and content.startswith(_SUMMARY_HEAD)


def _time(event: Event) -> Any:
    return event.get("timestamp") or to_iso(_EPOCH)
