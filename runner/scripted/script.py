"""The script that a scripted model plays: found in the user's messages, a step for a model call.

    <<SCRIPT>>[{"text": "Listing.", "tools": [{"name": "Bash", "input": {"command": "ls"}}]},
               {"text": "You said: {{last_user}}", "chunk_delay_s": 0.05}]<<END>>

The newest script of the conversation counts, and its step is the number of assistant messages
after it: nothing is kept between calls, so retries, resumed sessions and the CLI's own side calls
(titles, model checks) can't put a script out of step. Without a script, or past its end, the answer
repeats what the user said. Messages in, a step out; no HTTP here.

Keys of a step, all optional: `text`, `thinking`, `tools` (`[{"name", "input"}]`), `delay_s` (before
the answer), `chunk_delay_s` (between words), `stop_reason` (why the model ends: `refusal`, `max_tokens`),
`status` and `error` (an API error instead of an answer), `fault` (an answer that goes wrong half-way: `cut`, the
connection ends; `bad_json`; `silence`, nothing more comes), `times` (so many calls meet the status or fault, the
next one, as of a retry, gets the answer; left out: all do), `id` of the answer and `tool_id` of each of its calls (as
of a model proxy that gives all the same; left out: new ones). `{{last_user}}` in `text` is what the user
said since the script, also in mid-turn.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

__all__ = ["MAX_WAIT_S", "ScriptError", "Step", "next_step", "parse_script"]

# Of one answer, the delays of its chunks included. The CLI itself gives up after 600 s.
MAX_WAIT_S = 600.0

_TOOL_RESULT_HEAD_CHARS = 200

_BEGIN, _END = "<<SCRIPT>>", "<<END>>"
# What the CLI puts among the user's words by itself.
_REMINDER = re.compile(
    r"<system-reminder>.*?</system-reminder>|^\[Request interrupted by user[^\]]*\]$",
    re.DOTALL | re.MULTILINE,
)
# How CLI 2.1 shows the model what a user sends in mid-turn: in a message with role "system" or, to
# models that don't take those, as a reminder at the end of a tool result.
_MID_TURN = re.compile(
    r"The user sent a new message while you were working:\n(.*?)"
    r"(?=\n\nThis is how Claude Code surfaces messages|\n?</system-reminder>|\Z)",
    re.DOTALL,
)
# The CLI's own words, in the model's place, when it resumes a session that was cut off in mid-turn.
_RESUME_FILLER = "No response requested."
_EXAMPLE = (
    f'{_BEGIN}[{{"text": "Listing.", "tools": [{{"name": "Bash", "input": {{"command": "ls"}}}}]}},'
    f' {{"text": "Done."}}]{_END}'
    " (keys of a step: text, thinking, tools, delay_s, chunk_delay_s, stop_reason, status, error, fault, times, id,"
    " tool_id)"
)

# What may go wrong with an answer that has begun.
_FAULTS = ("cut", "bad_json", "silence")


class ScriptError(ValueError):
    """A script that can't be played; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one model call is answered with; see the module's docstring for the keys."""

    text: str = ""
    thinking: str = ""
    tools: tuple[tuple[str, dict[str, Any]], ...] = ()
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    stop_reason: str = ""
    status: int | None = None
    error: str = ""
    fault: str = ""
    times: int | None = None
    id: str | None = None
    tool_id: str | None = None


def parse_script(source: str) -> list[Step]:
    """The steps of a script's JSON text.

    :raises ScriptError: it is not JSON, not a list of objects, or has an unknown or wrong key.
    """
    try:
        steps = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"it is not JSON: {error}") from error
    if not isinstance(steps, list):
        raise ScriptError("it must be a JSON list of steps")
    return [_parse_step(number, step) for number, step in enumerate(steps)]


def next_step(messages: Sequence[dict[str, Any]]) -> Step:
    """What to answer a conversation with: the step of its newest script, or the user's last words.

    A script that can't be played is answered with a text that says why.
    """
    told = [
        (index, text) for index, message in enumerate(messages) for text in _user_texts(message)
    ]
    at = next((n for n in reversed(range(len(told))) if _BEGIN in told[n][1]), None)
    if at is None:
        return Step(text=_echo(messages, told))
    index, text = told[at]
    source = _script_sources(text)[-1]
    try:
        if source is None:
            raise ScriptError(f"{_END} is missing after it")
        steps = parse_script(source)
    except ScriptError as error:
        return Step(text=f"I can't play this script: {error}.\nMend it like this: {_EXAMPLE}")
    number = sum(_is_answer(message) for message in messages[index + 1 :])
    if number >= len(steps):
        return Step(text=_echo(messages, told))
    step = steps[number]
    if "{{last_user}}" not in step.text:
        return step
    last = told[-1][1] if at < len(told) - 1 else _without_scripts(text)
    return replace(step, text=step.text.replace("{{last_user}}", last or "nothing yet"))


def _parse_step(number: int, step: Any) -> Step:
    if not isinstance(step, dict):
        raise ScriptError(f"step {number} must be an object")
    known = {f.name for f in fields(Step)}
    if unknown := sorted(set(step) - known):
        raise ScriptError(f"step {number} has unknown keys: {', '.join(unknown)}")
    for key in ("text", "thinking", "stop_reason", "error", "fault", "id", "tool_id"):
        if not isinstance(step.get(key, ""), str):
            raise ScriptError(f"`{key}` of step {number} must be a string")
    for key in ("delay_s", "chunk_delay_s"):
        seconds = step.get(key, 0.0)
        if type(seconds) not in (int, float) or not 0 <= seconds <= MAX_WAIT_S:
            raise ScriptError(f"`{key}` of step {number} must be a number, 0 to {MAX_WAIT_S:.0f}")
    status = step.get("status")
    if status is not None and not (type(status) is int and 400 <= status <= 599):
        raise ScriptError(f"`status` of step {number} must be an error's: 400 to 599")
    if "error" in step and status is None:
        raise ScriptError(f"`error` of step {number} needs a `status`")
    fault, times = step.get("fault", ""), step.get("times")
    if fault and (fault not in _FAULTS or status is not None):
        raise ScriptError(
            f"`fault` of step {number} must be one of {', '.join(_FAULTS)}, without a `status`"
        )
    answers = step.get("text") or step.get("thinking") or step.get("tools")
    if times is not None and not (type(times) is int and times > 0 and answers):
        raise ScriptError(
            f"`times` of step {number} must be 1 or more, beside text, thinking or tools for afterwards"
        )
    if times is not None and not fault and status is None:
        raise ScriptError(f"`times` of step {number} needs a `status` or a `fault`")
    if status is None and not fault and not answers:
        raise ScriptError(f"step {number} needs one of text, thinking, tools, status and fault")
    return Step(
        text=step.get("text", ""),
        thinking=step.get("thinking", ""),
        tools=_parse_tools(number, step.get("tools", [])),
        delay_s=float(step.get("delay_s", 0)),
        chunk_delay_s=float(step.get("chunk_delay_s", 0)),
        stop_reason=step.get("stop_reason", ""),
        status=status,
        error=step.get("error", ""),
        fault=fault,
        times=times,
        id=step.get("id"),
        tool_id=step.get("tool_id"),
    )


def _parse_tools(number: int, tools: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    wrong = ScriptError(
        f'`tools` of step {number} must be a list of {{"name": "…", "input": {{…}}}}'
    )
    if not isinstance(tools, list):
        raise wrong
    calls = []
    for tool in tools:
        if (
            not isinstance(tool, dict)
            or set(tool) - {"name", "input"}
            or not isinstance(tool.get("name"), str)
        ):
            raise wrong
        if not isinstance(tool.get("input", {}), dict):
            raise wrong
        calls.append((tool["name"], tool.get("input", {})))
    return tuple(calls)


def _script_spans(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Where each script begins and ends, and its JSON; None where `<<END>>` is missing.

    The JSON decides where a script ends, since it may hold another one (the prompt of a subagent).
    """
    start = text.find(_BEGIN)
    while start >= 0:
        body = start + len(_BEGIN)
        body += len(text[body:]) - len(text[body:].lstrip())
        try:
            _, end = json.JSONDecoder().raw_decode(text, body)
        except (ValueError, RecursionError):
            end = body
        end = text.find(_END, end)
        stop = len(text) if end < 0 else end + len(_END)
        yield start, stop, None if end < 0 else text[body:end]
        start = text.find(_BEGIN, stop)


def _script_sources(text: str) -> list[str | None]:
    return [source for _, _, source in _script_spans(text)]


def _without_scripts(text: str) -> str:
    parts, at = [], 0
    for start, stop, _ in _script_spans(text):
        parts.append(text[at:start])
        at = stop
    return "".join([*parts, text[at:]]).strip()


def _user_texts(message: dict[str, Any]) -> list[str]:
    """What the user really said in a message, in mid-turn too: no reminders, no tool results."""
    texts: list[str] = []
    if message.get("role") == "system":
        for text in _texts(message.get("content")):
            texts += _MID_TURN.findall(text)
    elif message.get("role") == "user":
        for block in _blocks(message.get("content")):
            for text in _texts([block]) or _texts(block.get("content")):
                for reminder in _REMINDER.findall(text):
                    texts += _MID_TURN.findall(reminder)
            texts += [_REMINDER.sub("", text) for text in _texts([block])]
    return [text for text in texts if text.strip()]


def _is_answer(message: dict[str, Any]) -> bool:
    """Whether the model said it, as far as can be told from a conversation."""
    filler = _texts(message.get("content")) == [_RESUME_FILLER]
    return message.get("role") == "assistant" and not filler


def _echo(messages: Sequence[dict[str, Any]], told: Sequence[tuple[int, str]]) -> str:
    """Repeat the last words of the user, or tell what the tools gave if they came after those."""
    index, text = told[-1] if told else (-1, "")
    results = [
        block
        for message in messages[index + 1 :]
        for block in _blocks(message.get("content"))
        if block.get("type") == "tool_result"
    ]
    if results:
        given = _REMINDER.sub("", " ".join(_texts(results[-1].get("content")))).strip()
        return f"The tool gave: {given[:_TOOL_RESULT_HEAD_CHARS] or 'nothing'}"
    return _without_scripts(text) or "The script is over."


def _blocks(content: Any) -> list[dict[str, Any]]:
    """The content blocks of a message or a tool result, which may be a string for short."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if isinstance(block, dict)]


def _texts(content: Any) -> list[str]:
    return [
        block["text"]
        for block in _blocks(content)
        if block.get("type") == "text" and isinstance(block.get("text"), str)
    ]
