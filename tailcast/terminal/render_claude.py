"""Claude's stream-json lines as text for people: what was said, thought, done and spent; the rest is left out."""

import json
from typing import Any

from runlog import Event

from .markdown import markdown
from .screen import Screen
from .text import clean, cost, count, cut, duration, one_line, plural, without_script

__all__ = ["CLAUDE_TYPES", "ClaudeRenderer"]

# Of these the stream says nothing that people look for; `--raw` and `--json` show them.
_QUIET_TYPES = frozenset(
    {
        "command_lifecycle",
        "control_cancel_request",
        "control_request",
        "control_response",
        "keep_alive",
        "rate_limit_event",
        "tool_progress",
        "transcript_mirror",
    }
)
_QUIET_SUBTYPES = frozenset({"session_state_changed", "status", "thinking_tokens"})
CLAUDE_TYPES = frozenset({"assistant", "result", "stream_event", "system", "user"}) | _QUIET_TYPES

_RESULT_LINES = 8
_RESULT_CHARS = 1200
_USER_LINES = 30
# What a tool call is about, by the name of its input's field, the best first.
_TELLING_INPUTS = (
    "command", "file_path", "notebook_path", "path", "pattern", "url", "query", "description", "prompt", "skill",
)  # fmt: skip
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking"}
_THINKING_STYLE = "dim italic"


class ClaudeRenderer:
    """Remembers what partial text it has shown, so that the whole message that follows is not shown again."""

    def __init__(self, screen: Screen, *, full: bool) -> None:
        self._screen = screen
        self._full = full
        self._session = ""
        self._background: set[str] = set()  # tasks that go on beside the turn
        self._partial: list[str] = []
        self._partial_kind = ""
        self.last_result: Any = None

    def show(self, event: Event) -> None:
        """:raises TypeError, AttributeError, KeyError: the event is not of Claude's shape."""
        kind = event["type"]
        if kind == "stream_event":
            self._stream_event(event)
        elif kind == "assistant":
            self._assistant(event)
        elif kind == "user":
            self._user(event)
        elif kind == "system":
            self._system(event)
        elif kind == "result":
            self._result(event)

    def tool_input(self, call: dict[str, Any]) -> str:
        """What a tool is to do, for someone who decides on it: all of its input."""
        given = call.get("input")
        if isinstance(given, dict) and isinstance(given.get("command"), str):
            return str(given["command"])
        return cut(json.dumps(given, ensure_ascii=False, indent=2), 4000)

    def _stream_event(self, event: Event) -> None:
        if event.get("parent_tool_use_id"):
            return  # of a subagent: it would tear the main text; its whole message comes later
        delta = event["event"].get("delta")
        kind = _DELTAS.get(str(delta.get("type"))) if isinstance(delta, dict) else None
        if kind is None:
            if event["event"].get("type") == "content_block_start":
                self._forget_partial()
            return
        piece = delta[kind]
        if not isinstance(piece, str):
            return
        if kind != self._partial_kind:
            self._forget_partial()
            self._partial_kind = kind
        self._partial.append(piece)
        if kind == "text":
            self._screen.grow(piece, sign="●")
        else:
            self._screen.grow(piece, _THINKING_STYLE, sign="✻")

    def _forget_partial(self) -> None:
        self._screen.end_growing()
        self._partial.clear()
        self._partial_kind = ""

    def _was_shown(self, kind: str, text: str) -> bool:
        shown = self._partial_kind == kind and "".join(self._partial) == text
        if shown:
            self._forget_partial()
        return shown

    def _assistant(self, event: Event) -> None:
        indent = _indent(event)
        for block in event["message"]["content"]:
            kind = block.get("type")
            if kind == "text" and block["text"].strip():
                if indent or not self._was_shown("text", block["text"]):
                    self._screen.gap()
                    self._screen.block("●", markdown(clean(block["text"])), indent=indent)
            elif kind == "thinking" and block["thinking"].strip():
                if indent or not self._was_shown("thinking", block["thinking"]):
                    self._screen.gap()
                    self._screen.block(
                        "✻", block["thinking"].strip(), _THINKING_STYLE, indent=indent
                    )
            elif kind == "tool_use":
                self._screen.gap()
                self._screen.line("⏺", _call(block), "bold", indent=indent)

    def _user(self, event: Event) -> None:
        content = event["message"]["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        indent = _indent(event)
        for block in blocks:
            if block.get("type") == "tool_result":
                self._tool_result(block, indent)
            elif block.get("type") == "text" and event.get("isSynthetic") is not True:
                said = without_script(block["text"])
                self._screen.gap()
                self._screen.block("❯", self._folded(said, _USER_LINES), "bold blue", indent=indent)

    def _tool_result(self, block: dict[str, Any], indent: str) -> None:
        content = block.get("content")
        if isinstance(content, list):
            content = "\n".join(
                str(part.get("text")) if part.get("type") == "text" else f"({part.get('type')})"
                for part in content
            )
        failed = block.get("is_error") is True
        shown = self._folded(str(content or "(no output)"), _RESULT_LINES, _RESULT_CHARS)
        self._screen.block("  ⎿", shown, "red" if failed else "dim", indent=indent)

    def _folded(self, text: str, max_lines: int, max_chars: int = 6000) -> str:
        text = clean(text).strip("\n")
        if self._full:
            return text
        lines = text.split("\n")
        kept = "\n".join(lines[:max_lines])
        left = len(lines) - max_lines
        if len(kept) > max_chars:
            kept = kept[:max_chars]
            return f"{kept}… ({len(text) - len(kept):,} more characters, --full shows all)"
        return f"{kept}\n… ({plural(left, 'more line')}, --full shows all)" if left > 0 else kept

    def _system(self, event: Event) -> None:
        subtype = event.get("subtype")
        if subtype == "init":
            session = str(event.get("session_id", ""))
            if session != self._session:
                self._session = session
                told = [f"session {session}", str(event.get("model", "")), _mode(event)]
                self._screen.line("·", " · ".join(part for part in told if part))
        elif subtype == "permission_denied":
            self._screen.line("✘", f"denied: {event.get('tool_name', 'a tool')}", "yellow")
        elif subtype == "api_retry":
            why = f": {event['error']}" if event.get("error") else ""
            number = f"{event.get('attempt')} of {event.get('max_retries')}"
            self._screen.line("!", f"the model does not answer, try {number}{why}", "yellow")
        elif str(subtype).startswith("task_"):
            self._task(event)
        elif subtype not in _QUIET_SUBTYPES:
            said = event.get("message") or event.get("content") or event.get("description") or ""
            shown = said if isinstance(said, str) else ""
            self._screen.line("·", f"{str(subtype).replace('_', ' ')} {shown}")

    def _task(self, event: Event) -> None:
        """Of commands that run in the foreground the tool's own lines tell."""
        task_id = str(event.get("task_id"))
        if event.get("is_backgrounded") is True:
            self._background.add(task_id)
        if task_id not in self._background:
            return
        step = str(event["subtype"]).removeprefix("task_")
        status = event.get("status") or step
        told = event.get("summary") or event.get("description") or task_id
        self._screen.line("◇", f"in the background, {status}: {told}")

    def _result(self, event: Event) -> None:
        self._forget_partial()
        self.last_result = event.get("result")
        parts = []
        milliseconds, usd = event.get("duration_ms"), event.get("total_cost_usd")
        if isinstance(milliseconds, int | float):
            parts.append(duration(milliseconds / 1000))
        if isinstance(usd, int | float):
            parts.append(f"{cost(float(usd))} so far")
        usage = event.get("usage")
        if isinstance(usage, dict):
            told = (("input_tokens", "in"), ("output_tokens", "out"))
            parts += [f"{count(usage[k])} {word}" for k, word in told if count(usage.get(k))]
        denied = event.get("permission_denials")
        if isinstance(denied, list) and denied:
            names = sorted({str(call.get("tool_name")) for call in denied})
            parts.append(f"denied: {', '.join(names)}")
        failed = event.get("is_error") is True
        self._screen.gap()
        self._screen.line("—", " · ".join(["turn", *parts]), "red" if failed else "dim")
        if failed:
            errors = event.get("errors")
            why = event.get("result") or "; ".join(map(str, errors or [event.get("subtype")]))
            self._screen.block(" ", str(why), "red")


def _indent(event: Event) -> str:
    return "│ " if event.get("parent_tool_use_id") else ""


def _mode(event: Event) -> str:
    mode = event.get("permissionMode")
    return "" if mode in (None, "default") else f"{mode}"


def _call(block: dict[str, Any]) -> str:
    given = block.get("input")
    given = given if isinstance(given, dict) else {}
    told = next((given[k] for k in _TELLING_INPUTS if isinstance(given.get(k), str)), None)
    if told is None:
        told = json.dumps(given, ensure_ascii=False) if given else ""
    first, _, more = clean(told).strip().partition("\n")
    return f"{block.get('name')}  {one_line(first, 1000)}{' …' if more else ''}"
