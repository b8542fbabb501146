"""The chat of a run from its first message to its last, some hundred of them in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..disk.layout import Workspace
from ..disk.records import from_iso
from ..disk.tail import read_records
from ..run.history import ChatHistory, ChatMessage, may_speak
from ..run.manifest import Manifest, readable_manifest, title_of
from ..run.status import read_state, run_status
from ..run.view import state_view
from ..run.words import InboxWords

__all__ = ["Heading", "heading_of", "messages_of", "shown_time", "speaker"]

# A result that comes so many messages after its call is not told with it.
_WINDOW = 500
_NO_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the chat: a title, and facts of the run as name and text."""

    title: str
    facts: list[tuple[str, str]]
    outcome: str | None  # what the run came to, for one without a chat


def heading_of(workspace: Workspace) -> Heading:
    """:raises UnknownRun: there is no such run. :raises Unusable: its stream can't be read."""
    manifest = readable_manifest(workspace)
    state = read_state(workspace)
    view = state_view(manifest, state, run_status(workspace, state), None)
    facts = [
        ("Run", workspace.run_id),
        ("Workflow", manifest.workflow),
        ("Status", _status(view)),
        ("Model", view["model"]),
        ("Session", view["session_id"]),
        ("Started", shown_time(view["started_at"])),
        ("Ended", shown_time(view["ended_at"])),
        ("Tokens", _tokens(view["usage"])),
        ("Cost", None if view["cost_usd"] is None else f"${view['cost_usd']:.4f}"),
    ]
    outcome = view["error"] if view["error"] is not None else view["result"]
    told = None if outcome is None else outcome if isinstance(outcome, str) else repr(outcome)
    return Heading(_title(manifest), [(n, str(v)) for n, v in facts if v not in (None, "")], told)


def messages_of(workspace: Workspace) -> Iterator[ChatMessage]:
    """All of them, the oldest first, each with the results of its calls."""
    earlier = readable_manifest(workspace).chat_history
    chat = ChatHistory(_NO_LIMIT, earlier, InboxWords(workspace))  # what is taken bounds it
    chat.begin()
    for record in read_records(workspace.stream):
        if may_speak(record.line):
            chat.apply(record.event(), record.offset)
            yield from chat.take(_WINDOW)
    yield from chat.take(0)


def shown_time(timestamp: str | None) -> str:
    """`2025-01-19 10:30:45 UTC`; empty for none."""
    moment = from_iso(timestamp)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def speaker(message: ChatMessage) -> str:
    """Whose word it is, as a heading."""
    named = {
        "command": "Command",
        "compaction": "Compaction",
        "interrupt": "Interrupted",
        "task": "Background task",
        "error": "Error",
    }
    own = {"user": "User", "assistant": "Assistant", "system": "System"}
    return named.get(message.kind) or own[message.role]


def _title(manifest: Manifest) -> str:
    return title_of(manifest) or manifest.run_id


def _status(view: dict[str, Any]) -> str:
    return f"{view['status']}: {view['reason']}" if view["reason"] else str(view["status"])


def _tokens(usage: dict[str, int]) -> str | None:
    if not usage:
        return None
    return f"{usage.get('input_tokens', 0):,} in, {usage.get('output_tokens', 0):,} out"
