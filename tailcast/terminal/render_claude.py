"""Claude's stream-json lines as text for people: what was said, thought, done and spent; the rest is left out.

Who speaks in a line of the person's is told as the chat tells it (`runlog.run.history`).
"""

import json
from typing import Any

from runlog import Event
from runlog.run.history import ChatHistory, ChatMessage, Words, result_of
from runlog.run.reasons import finish_reason
from runlog.run.state import RunState
from runlog.run.transcript import Transcript, is_kept
from runlog.run.values import blocks_of
from runlog.run.voice import is_error_line, is_of_subagent, is_silence, local_command, voice_of

from .markdown import markdown
from .screen import Screen
from .text import clean, cost, count, cut, duration, one_line, plural, without_script

__all__ = ["ClaudeRenderer", "is_claudes"]

# Of these the stream says nothing that people look for; `--raw` and `--json` show them.
_QUIET_TYPES = frozenset(
    {
        "command_lifecycle",
        "conversation_reset",
        "control_cancel_request",
        "control_request",
        "control_response",
        "keep_alive",
        "rate_limit_event",
        "tool_progress",
        "transcript_mirror",
    }
)
_QUIET_SUBTYPES = frozenset(
    {
        "background_tasks_changed",
        "session_state_changed",
        "status",
        "stop_hook_summary",
        "thinking_tokens",
        "turn_duration",
    }
)
# Of tasks: what the chat tells, and what their end tells.
_TOLD_OTHERWISE = ("task_notification", "task_updated")
CLAUDE_TYPES = frozenset({"assistant", "result", "stream_event", "system", "user"}) | _QUIET_TYPES
# Of these the CLI's own files have many, with a session each or without.
_BOOKKEEPING = frozenset({"attachment", "file-history-snapshot", "queue-operation", "summary"})

# As far back as a line may go on with what was said.
_CHAT_MESSAGES = 50
_RESULT_LINES = 8
_RESULT_CHARS = 1200
_USER_LINES = 30
# What a tool call is about, by the name of its input's field, the best first.
_TELLING_INPUTS = (
    "command", "file_path", "notebook_path", "path", "pattern", "url", "query", "description", "prompt", "skill",
)  # fmt: skip
_NOT_REPEATED = "(a message that the agent did not repeat)"
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking"}
_THINKING_STYLE = "dim italic"


def is_claudes(event: Event) -> bool:
    """Whether a line is of Claude's CLI: of its stream, or of the files in which it keeps its sessions."""
    kind = event.get("type")
    return kind in CLAUDE_TYPES or kind in _BOOKKEEPING or is_kept(event)


class ClaudeRenderer:
    """Remembers what partial text it has shown, so that the whole message that follows is not shown again.

    :param words: what people posted, by id.
    """

    def __init__(self, screen: Screen, *, full: bool, words: Words) -> None:
        self._screen = screen
        self._chat = ChatHistory(_CHAT_MESSAGES, (), words)
        self._state = RunState()
        self._transcript = Transcript()
        self._line: Event = {}  # the present one, in the words of the stream
        self._lines = 0
        self._command: ChatMessage | None = None  # the last whose name was shown
        self._full = full
        self._session = ""
        self._error = ""  # the last that the CLI told in the model's place
        self._background: set[str] = set()  # tasks that go on beside the turn
        self._partial: list[str] = []
        self._partial_kind = ""
        self.last_result: Any = None

    def show(self, event: Event) -> None:
        """:raises TypeError, AttributeError, KeyError: the event is not of Claude's shape."""
        told = self.hear(event)
        event = self._line
        kind = event["type"]
        if kind == "stream_event":
            self._stream_event(event)
        elif kind == "assistant":
            unheard, is_shown = self._chat.unheard, bool(self._partial)
            if not is_shown:
                self._unheard(unheard)
            self._assistant(event)
            if is_shown:  # the answer stands there already
                self._unheard(unheard)
        elif kind == "user":
            self._user(event, told)
        elif kind == "system":
            self._system(event, told)
        elif kind == "result":
            self._result(event, told)

    def hear(self, event: Event) -> ChatMessage | None:
        """Take in what is shown elsewhere: receipts say who asked for what."""
        self._lines += 1
        self._line = self._transcript.line(event)
        self._state.apply(event, self._lines)
        return self._chat.apply(event, self._lines)

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
        if is_silence(event):
            return
        if is_error_line(event):
            self._error = "\n".join(str(b["text"]) for b in blocks_of(event) if "text" in b)
            self._screen.gap()
            self._screen.block("✘", clean(self._error), "red", indent=indent)
            return
        if local_command(event) is not None:
            return  # what a command gave: shown once its name is known
        for block in blocks_of(event):
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
            elif str(kind).endswith("tool_use"):
                self._screen.gap()
                self._screen.line("⏺", _call(block), "bold", indent=indent)
            elif str(kind).endswith("tool_result"):  # of a tool that ran on the model's side
                self._tool_result(block, indent)

    def _user(self, event: Event, heard: ChatMessage | None) -> None:
        content = event["message"]["content"]
        indent = _indent(event)
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_result":
                self._tool_result(block, indent)
        if indent:
            voice = voice_of(event)
            if voice.kind == "person":
                self._said(voice.text, indent)
        elif heard is not None and heard.kind == "command":
            self._show_command(heard, voice_of(event).text)
        elif heard is not None and heard.kind == "compaction" and voice_of(event).kind == "command":
            self._said(heard.command or "")
        elif heard is not None:
            self._show_message(heard)

    def _said(self, text: str, indent: str = "") -> None:
        self._screen.gap()
        said = self._folded(without_script(text), _USER_LINES)
        self._screen.block("❯", said, "bold blue", indent=indent)

    def _unheard(self, messages: list[ChatMessage]) -> None:
        for message in messages:
            self._said(message.content or _NOT_REPEATED)

    def _show_command(self, command: ChatMessage, told: str) -> None:
        """A command is shown once its name is known, and what it gave below."""
        output: str | None = told
        if command is not self._command:
            if not command.content:
                return
            self._command = command
            self._said(command.content)
            output = command.output
        if output:
            style = "red" if command.is_error else "dim"
            self._screen.block("  ⎿", self._folded(output, _RESULT_LINES, _RESULT_CHARS), style)

    def _show_message(self, told: ChatMessage) -> None:
        if told.kind == "message":
            self._said(told.content)
        elif told.kind == "interrupt":
            self._screen.gap()
            self._screen.line("■", told.content, "yellow")
        elif told.kind == "task":
            self._screen.line("◇", told.content, "yellow" if told.is_error else "blue")
        elif self._full:  # the summary of a compaction
            self._screen.block(" ", clean(told.content), "dim")

    def _tool_result(self, block: dict[str, Any], indent: str) -> None:
        content, failed = result_of(block)
        shown = self._folded(content or "(no output)", _RESULT_LINES, _RESULT_CHARS)
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

    def _system(self, event: Event, heard: ChatMessage | None) -> None:
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
        elif subtype == "compact_boundary" and heard is not None:
            self._screen.gap()
            self._screen.line("✂", _compacted(heard), "magenta")
        elif heard is not None and heard.kind == "task":
            self._show_message(heard)
        elif str(subtype).startswith("task_"):
            self._task(event)
        elif subtype not in _QUIET_SUBTYPES:
            said = event.get("message") or event.get("content") or event.get("description") or ""
            shown = said if isinstance(said, str) else ""
            self._screen.line("·", f"{str(subtype).replace('_', ' ')} {shown}")

    def _task(self, event: Event) -> None:
        """What goes on in the background. Of others the tool's own lines tell, of an end the chat."""
        task_id = str(event.get("task_id"))
        if event.get("is_backgrounded") is True:
            self._background.add(task_id)
        if task_id not in self._background or event["subtype"] in _TOLD_OTHERWISE:
            return
        step = str(event["subtype"]).removeprefix("task_")
        status = event.get("status") or step
        told = event.get("summary") or event.get("description") or task_id
        self._screen.line("◇", f"in the background, {status}: {told}")

    def _result(self, event: Event, heard: ChatMessage | None) -> None:
        self._forget_partial()
        self.last_result = event.get("result")
        failed = event.get("is_error") is True
        if local_command(event) is not None and not failed:
            if heard is not None and heard is not self._command:
                self._show_command(heard, "")
            return  # it was no turn
        parts = []
        milliseconds, usd = event.get("duration_ms"), self._state.cost_usd
        if isinstance(milliseconds, int | float):
            parts.append(duration(milliseconds / 1000))
        if usd is not None:  # of the run: what the line tells is of its session
            parts.append(f"{cost(usd)} so far")
        usage = event.get("usage")
        if isinstance(usage, dict):
            told = (("input_tokens", "in"), ("output_tokens", "out"))
            parts += [f"{count(usage[k])} {word}" for k, word in told if count(usage.get(k))]
        denied = event.get("permission_denials")
        if isinstance(denied, list) and denied:
            names = sorted({str(call.get("tool_name")) for call in denied})
            parts.append(f"denied: {', '.join(names)}")
        interrupted = finish_reason(event) == "interrupted"
        failed = failed and not interrupted
        what = "turn, interrupted" if interrupted else "turn"
        self._screen.gap()
        self._screen.line("—", " · ".join([what, *parts]), "red" if failed else "dim")
        if failed:
            errors = event.get("errors")
            why = str(event.get("result") or "; ".join(map(str, errors or [event.get("subtype")])))
            if why != self._error:
                self._screen.block(" ", why, "red")
        self._error = ""


def _compacted(told: ChatMessage) -> str:
    before, after = (count(n) if n else "?" for n in (told.tokens_before, told.tokens_after))
    return f"compacted: {before} → {after} tokens"


def _indent(event: Event) -> str:
    return "│ " if is_of_subagent(event) else ""


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
