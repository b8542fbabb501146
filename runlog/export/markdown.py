"""The chat as Markdown (CommonMark). What was said stands as it was written; what tools got and gave is fenced."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ..disk.layout import Workspace
from ..run.history import ChatMessage, ToolCall
from .chat import heading_of, messages_of, shown_time, speaker

__all__ = ["markdown_of"]

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")


def markdown_of(workspace: Workspace) -> Iterator[str]:
    """The document in pieces. :raises OSError: the run can't be read."""
    heading = heading_of(workspace)
    yield f"# {_inline(heading.title)}\n\n"
    yield "".join(f"- {name}: {_inline(value)}\n" for name, value in heading.facts)
    spoken = False
    for message in messages_of(workspace):
        spoken = True
        yield _message(message)
    if not spoken and heading.outcome:
        yield f"\n## Result\n\n{_fenced(heading.outcome)}"


def _message(message: ChatMessage) -> str:
    time = shown_time(message.timestamp)
    parts = [f"\n## {speaker(message)}{f' · {time}' if time else ''}\n"]
    if message.thinking:
        parts.append(f"\n{_quoted(message.thinking)}\n")
    if message.content:
        code = message.kind == "command"
        parts.append(f"\n{_fenced(message.content) if code else _closed(message.content)}\n")
    if message.output:
        parts.append(f"\n{_fenced(message.output)}")
    parts += [_call(call) for call in message.tool_calls]
    return "".join(parts)


def _call(call: ToolCall) -> str:
    language, text = _input(call.input)
    told = f"\n**{_inline(call.name)}**\n\n{_fenced(text, language)}"
    if call.result is not None:
        told += f"\n{'Failed' if call.is_error else 'Result'}:\n\n{_fenced(call.result)}"
    return told


def _input(value: Any) -> tuple[str, str]:
    if isinstance(value, dict) and isinstance(value.get("command"), str):
        rest = {k: v for k, v in value.items() if k not in ("command", "description")}
        if not rest:
            return "sh", value["command"]
    return "json", json.dumps(value, indent=2, ensure_ascii=False)


def _fenced(text: str, language: str = "") -> str:
    """A block that nothing in the text can end."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def _closed(text: str) -> str:
    """What was said, with its last fence closed and no comment begun: it must not swallow what follows."""
    fence = ""
    lines = []
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence) and not found[2].strip():
            fence = ""
        lines.append(line if fence else line.replace("<!--", "&lt;!--"))
    return "\n".join([*lines, fence] if fence else lines)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.replace("<!--", "&lt;!--").split("\n"))


def _inline(text: str) -> str:
    """On one line, with what would be markup as it is."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(text.split()))
