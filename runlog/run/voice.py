"""Who speaks in a line of Claude's. Pure.

The CLI writes into the person's name what it did itself: slash commands and what they gave, what background tasks
tell, that a turn was interrupted, the summary after a compaction. Format: stream-json and transcripts of the Claude
Code CLI; the page reads them by the same rules (relay/ui/src/model).
"""

import re
from dataclasses import dataclass
from typing import Literal

from ..disk.records import Event
from .values import blocks_of, text

__all__ = ["Answer", "Voice", "is_of_subagent", "local_command", "voice_of"]

Kind = Literal["person", "command", "output", "task", "interrupt", "summary", "nobody"]

_INTERRUPT = re.compile(r"\[Request interrupted by user(?: for tool use)?\]")
_COMMAND = re.compile(r"\s*<command-(?:name|message)>")
_OUTPUT = re.compile(r"\s*<(?:local-command|bash)-std(?:out|err)>")
_REMINDER = re.compile(r"\s*<system-reminder>.*</system-reminder>\s*", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_SUMMARY_HEAD = "This session is being continued from a previous conversation"
_DONE = ("completed", "success", "done", "")
_NAME_CHARS = 200


@dataclass(frozen=True, slots=True)
class Voice:
    """What a `user` line says beside tool results, and who says it.

    `nobody`: it is told to the agent alone. `text` is a command as typed, its output, the summary of a compaction, or
    what a task tells; `blocks` are a person's. `is_error`: a command or a task has failed.
    """

    kind: Kind
    text: str = ""
    blocks: tuple[Event, ...] = ()
    is_error: bool = False


_NOBODY = Voice("nobody")


def is_of_subagent(event: Event) -> bool:
    """Whether a line is a subagent's: streams say of which call, transcripts that it stands aside."""
    return bool(event.get("parent_tool_use_id")) or event.get("isSidechain") is True


def voice_of(event: Event, earlier: str = "") -> Voice:
    """Of a `user` line. `earlier` is a text block that the agent was told before a person's own words."""
    own = [b for b in blocks_of(event) if b.get("type") != "tool_result"]
    blocks = [b for b in own if not earlier or b.get("text") != earlier]
    if not blocks:
        return _NOBODY
    told = "\n".join(b["text"] for b in blocks if isinstance(b.get("text"), str))
    synthetic = event.get("isSynthetic") is True
    if event.get("isCompactSummary") is True or (synthetic and told.startswith(_SUMMARY_HEAD)):
        return Voice("summary", told)
    origin = event.get("origin")
    kind = origin.get("kind") if isinstance(origin, dict) else None
    if kind == "task-notification" or told.lstrip().startswith("<task-notification>"):
        return _task(told)
    if synthetic or event.get("isMeta") is True:
        return _NOBODY
    if _INTERRUPT.fullmatch(told.strip()):
        return Voice("interrupt")
    name = _tag(told, "command-name")
    if name is not None and _COMMAND.match(told):
        return Voice(
            "command", f"{name.strip()} {(_tag(told, 'command-args') or '').strip()}".strip()
        )
    shell = _tag(told, "bash-input")
    if shell is not None and told.lstrip().startswith("<bash-input>"):
        return Voice("command", f"! {shell.strip()}")
    if _OUTPUT.match(told):
        return _output(told)
    if told.lstrip().startswith("<local-command-caveat>"):
        return _NOBODY
    words = tuple(b for b in blocks if not _is_reminder(b))
    return Voice("person", told, words) if words else _NOBODY


def local_command(event: Event) -> str | None:
    """The command whose output an `assistant` line gives in the model's place, or that a `result` line ends, or None.

    The CLI names it there by what it is (`/usage`), in the `result` by what was typed (`/cost`). Empty: it does not.
    """
    typed = text(event.get("local_command"), _NAME_CHARS)
    if typed:
        return _slashed(typed)
    run = event.get("local_command_run")
    if not isinstance(run, dict):
        return "" if "local_command_source" in event else None
    name = text(run.get("command"), _NAME_CHARS) or ""
    return f"{_slashed(name)} {text(run.get('args')) or ''}".strip() if name else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the model as far as it was told, to know whether a line goes on with it.

    Its id alone does not tell: some model proxies give all answers the same. `input_tokens` is of all kinds, None if
    not told. A tool may be done before the rest of its answer is told.
    """

    id: str
    input_tokens: int | None = None
    has_results: bool = False  # a tool that it called has given its result
    is_over: bool = False  # somebody else has spoken, or its turn has ended

    def goes_on(self, event: Event) -> bool:
        """Whether an `assistant` line of the same thread is a part of this answer."""
        if _id_of(event) != self.id or self.is_over:
            return False
        if not self.has_results:
            return True
        tokens = _input_tokens(event)
        if None not in (tokens, self.input_tokens) and tokens != self.input_tokens:
            return False
        return all(str(b.get("type")).endswith("tool_use") for b in blocks_of(event))

    @classmethod
    def begun_by(cls, event: Event, else_id: str) -> "Answer":
        """:param else_id: of one whose line tells no id."""
        return cls(_id_of(event) or else_id, _input_tokens(event))


def _id_of(event: Event) -> str | None:
    message = event.get("message")
    return text(message.get("id"), 200) if isinstance(message, dict) else None


def _input_tokens(event: Event) -> int | None:
    message = event.get("message")
    usage = message.get("usage") if isinstance(message, dict) else None
    if not isinstance(usage, dict):
        return None
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(n for n in map(usage.get, names) if isinstance(n, int)) or None


def _is_reminder(block: Event) -> bool:
    told = block.get("text")
    return isinstance(told, str) and _REMINDER.fullmatch(told) is not None


def _output(told: str) -> Voice:
    out, failed = (
        [part for name in ("local-command", "bash") if (part := _tag(told, f"{name}-{stream}"))]
        for stream in ("stdout", "stderr")
    )
    out, failed = ([part for part in parts if part.strip()] for parts in (out, failed))
    return Voice("output", "\n".join(out + failed), is_error=bool(failed) and not out)


def _task(told: str) -> Voice:
    status = (_tag(told, "status") or "").strip()
    said = (_tag(told, "summary") or "").strip()
    task_id = (_tag(told, "task-id") or "").strip()
    if not said and task_id:
        said = f"Background task {task_id} {status or 'tells something'}"
    return Voice(
        "task", said or " ".join(_TAG.sub(" ", told).split()), is_error=status not in _DONE
    )


def _tag(told: str, name: str) -> str | None:
    """What stands between `<name>` and `</name>`."""
    _, found, rest = told.partition(f"<{name}>")
    inside, end, _ = rest.partition(f"</{name}>")
    return inside if found and end else None


def _slashed(name: str) -> str:
    return name if name.startswith("/") else f"/{name}"
