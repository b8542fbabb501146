"""Events of a run as text for people. Whoever wrote them: every field may be missing or of any type.

Tailcast's own events are here, Claude's in `render_claude`. An event that can't be shown as it should is shown as
JSON on one line; nothing an agent writes ends the reader.
"""

from collections.abc import Callable
from typing import Any

from runlog import Event, encode
from runlog.run.history import Words
from runlog.run.planned import planned
from runlog.run.words import PROMPT_ID

from .render_claude import ClaudeRenderer, is_claudes
from .screen import Screen
from .text import clean, cost, cut, duration, one_line, plural

__all__ = ["Renderer"]

_ERROR_LINES = 40
_TICK_STEP_S = 10
_COUNTS = 200  # names that are remembered; a stream may hold any


class Renderer:
    """Shows one event after the other.

    :param command: makes a command of this run for people to paste: `command("answer", …)`.
    :param full: cut nothing.
    :param words: what people posted, by the ids of the messages.
    """

    def __init__(
        self,
        screen: Screen,
        command: Callable[..., str],
        *,
        full: bool = False,
        words: Words = lambda message_id: None,
    ) -> None:
        self._screen = screen
        self._command = command
        self._full = full
        self._receipts: dict[str, list[str]] = {}
        self._counts: dict[str, Any] = {}  # what the last progress_update with that name said
        self._claude = ClaudeRenderer(screen, full=full, words=words)

    def show(self, event: Event) -> None:
        kind = event.get("type")
        try:
            if isinstance(kind, str) and kind in _SHOWN:
                self._claude.hear(event)
                _SHOWN[kind](self, event)
            elif is_claudes(event):
                self._claude.show(event)
            else:
                self._other(event)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):
            self._other(event)
        self._screen.flush()

    def hear(self, event: Event) -> None:
        """Take in an event that is not shown: it may say what a later one means."""
        self._claude.hear(event)

    def close(self) -> None:
        self._screen.end_growing()

    def _other(self, event: Event) -> None:
        rest = {k: v for k, v in event.items() if k not in ("type", "timestamp", "run_id")}
        body = encode(rest).decode().strip() if rest else ""
        self._screen.line("·", f"{event.get('type')} {cut(body, 2000)}")

    def _started(self, event: Event) -> None:
        self._screen.gap()
        attempt = event.get("attempt")
        told = f"{_text(event, 'workflow') or 'run'} started"
        if isinstance(attempt, int) and attempt > 1:
            told += f", attempt {attempt}"
        self._screen.line("▶", told, "bold cyan")

    def _completed(self, event: Event) -> None:
        self._ended("✔", "completed", "bold green", event)
        result = event.get("result")
        if result is not None and self._claude.last_result != result:
            shown = result if isinstance(result, str) else encode({"result": result}).decode()
            self._screen.line(" ", shown, "")

    def _failed(self, event: Event) -> None:
        reason = _text(event, "reason")
        self._ended("✘", f"failed ({reason})" if reason else "failed", "bold red", event)
        error = event.get("error")
        if isinstance(error, str) and error.strip():
            lines = clean(error).strip().split("\n")
            if len(lines) > _ERROR_LINES and not self._full:
                lines = [
                    f"… {plural(len(lines) - _ERROR_LINES, 'more line')}",
                    *lines[-_ERROR_LINES:],
                ]
            self._screen.block(" ", "\n".join(lines), "red")
        elif error is not None:
            self._screen.line(" ", encode({"error": error}).decode(), "red")

    def _stopped(self, event: Event) -> None:
        reason = _text(event, "reason")
        told = f"stopped ({reason})" if reason not in ("", "stop") else "stopped"
        self._ended("■", told, "bold yellow", event)

    def _ended(self, sign: str, told: str, style: str, event: Event) -> None:
        self._screen.gap()
        stats = event.get("stats")
        stats = stats if isinstance(stats, dict) else {}
        parts = [told]
        if (seconds := _number(event.get("duration_s"))) is not None:
            parts[0] += f" in {duration(seconds)}"
        for key, noun in (("turns", "turn"), ("tool_calls", "tool call")):
            if isinstance(stats.get(key), int) and stats[key]:
                parts.append(plural(stats[key], noun))
        if (usd := _number(stats.get("cost_usd"))) is not None:
            parts.append(cost(usd))
        self._screen.line(sign, " · ".join(parts), style)

    def _paused(self, event: Event) -> None:
        told = "paused" if event["type"] == "workflow_paused" else "goes on"
        reason = _text(event, "reason")
        self._screen.line("‖", f"{told}: {reason}" if reason else told, "yellow")

    def _parked(self, event: Event) -> None:
        parked = event["type"] == "workflow_parked"
        told = "parked: what comes takes it up" if parked else "taken up again"
        self._screen.line("‖", told, "dim")

    def _progress(self, event: Event) -> None:
        known = {"type", "timestamp", "run_id", "progress", "message", "status"}
        parts = [_percent(event), _text(event, "message"), _text(event, "status")]
        parts += [
            f"{k} {v}" for k, v in event.items() if k not in known and self._is_news(k, v, event)
        ]
        self._screen.line("↻", " · ".join(part for part in parts if part), "blue")

    def _is_news(self, name: str, value: Any, event: Event) -> bool:
        """Whether a count has to be shown: not as it was, and not what the message says."""
        before = self._counts.get(name)
        if name in self._counts or len(self._counts) < _COUNTS:
            self._counts[name] = value
        return (
            _is_plain(value) and value is not False and value not in (before, event.get("message"))
        )

    def _plan(self, event: Event) -> None:
        steps = planned({}, event).values()
        names = ", ".join(step.name for step in steps)
        self._screen.line("☰", f"{plural(len(steps), 'step')} planned: {names}", "blue")

    def _fields(self, event: Event) -> None:
        fields = event.get("fields")
        told = [f"{k} {v}" for k, v in fields.items()] if isinstance(fields, dict) else []
        self._screen.line("≔", " · ".join(told), "blue")

    def _task(self, event: Event) -> None:
        name = _text(event, "task_name") or _text(event, "task_id") or "task"
        step = str(event["type"]).removeprefix("task_")
        told = [f"{name} {_percent(event) if step == 'progress' else step}".strip()]
        self._screen.line(
            "◇",
            " · ".join([*told, *_given(event, "message")]),
            "red" if step == "failed" else "blue",
        )

    def _iteration(self, event: Event) -> None:
        of = f" of {event['iterations']}" if _is_plain(event.get("iterations")) else ""
        step = str(event["type"]).removeprefix("iteration_")
        told = f"iteration {event.get('iteration', '')}{of} {step}"
        self._screen.line("↻", " · ".join([told, *_given(event, "message")]), "blue")

    def _node(self, event: Event) -> None:
        step = str(event["type"]).removeprefix("node_")
        told = f"{_text(event, 'node') or 'node'} {step}"
        self._screen.line("◆", " · ".join([told, *_given(event, "message")]), "blue")

    def _reason(self, event: Event) -> None:
        who = "/".join(_given(event, "agent") + _given(event, "node"))
        parts = [_text(event, "decision") or _text(event, "category") or "a decision"]
        parts += [who] if who else []
        if (confidence := _number(event.get("confidence"))) is not None:
            parts.append(f"{confidence:.0%} sure")
        parts += [f"{priority} priority" for priority in _given(event, "priority")]
        self._screen.gap()
        self._screen.line("❖", " · ".join(parts), "magenta")
        if reasoning := _text(event, "reasoning"):
            self._screen.block(" ", reasoning, "dim")

    def _questions(self, event: Event) -> None:
        question_id = _text(event, "question_id")
        first = ""
        self._screen.gap()
        for question in event.get("questions") or []:
            asked = str(question.get("question", ""))
            self._screen.block("?", asked, "bold yellow")
            for number, option in enumerate(question.get("options") or [], 1):
                label = option.get("label") if isinstance(option, dict) else option
                told = [
                    str(label),
                    *(_given(option, "description") if isinstance(option, dict) else []),
                ]
                self._screen.line(f"  {number}.", " – ".join(told), "")
                first = first or str(label)
        self._screen.line(" ", self._deadline(event, "then the defaults count"))
        self._screen.block(" ", self._command("answer", question_id, first or "…"), "cyan")

    def _deadline(self, event: Event, then: str) -> str:
        seconds = _number(event.get("timeout_s"))
        return f"{duration(seconds)} to answer, {then}:" if seconds else "answer:"

    def _tick(self, event: Event) -> None:
        left = _number(event.get("remaining_s"))
        if left is not None and left % _TICK_STEP_S == 0:
            self._screen.line("…", f"{duration(left)} left to answer")

    def _defaults(self, event: Event) -> None:
        self._screen.line("…", "nobody answered: the defaults count", "yellow")

    def _responses(self, event: Event) -> None:
        answers = event.get("answers")
        told = [f"{k}: {v}" for k, v in answers.items()] if isinstance(answers, dict) else []
        if event.get("source") == "interrupt":
            self._screen.line("→", "taken back: the turn was ended", "yellow")
            return
        who = " (by default)" if event.get("source") == "default" else ""
        self._screen.line("→", ("; ".join(told) or "answered") + who, "yellow")

    def _permission(self, event: Event) -> None:
        request_id = _text(event, "request_id")
        self._screen.gap()
        who = " (a subagent asks)" if _text(event, "agent_id") else ""
        asked = _text(event, "title") or f"may it use {_text(event, 'tool_name')}?"
        self._screen.block("?", asked + who, "bold yellow")
        for name in ("plan", "reason"):
            if told := _text(event, name):
                self._screen.block(" ", told, "")
        if path := _text(event, "blocked_path"):
            self._screen.line(" ", f"path {path}")
        self._screen.block(" ", self._claude.tool_input(event), "")
        self._screen.line(" ", self._deadline(event, "then it is denied"))
        for word in ("approve", "deny"):
            self._screen.block(" ", self._command(word, request_id), "cyan")

    def _decision(self, event: Event) -> None:
        allowed = event.get("decision") == "allow"
        told = " · ".join(["allowed" if allowed else "denied", *_given(event, "message")])
        self._screen.line("→", told, "green" if allowed else "yellow")

    def _receipt(self, event: Event) -> None:
        message_id, state = _text(event, "message_id"), _text(event, "state")
        kind = event.get("message_type", "message")
        steps = self._receipts.setdefault(message_id, [])
        steps.append(state)
        if state != "dropped" and (
            kind in ("answer", "permission") or message_id.startswith(PROMPT_ID)
        ):
            return  # the line about the question says it, or the prompt itself
        what = f"message {message_id}" if kind == "message" else str(kind)
        told = [f"{what} {' → '.join(steps)}", *_given(event, "reason")]
        self._screen.line("✉", ": ".join(told), "yellow" if state == "dropped" else "dim")

    def _turn_ended(self, event: Event) -> None:
        reason = _text(event, "finish_reason")
        if reason not in ("", "completed", "interrupted"):
            self._screen.line("—", f"the turn ended: {reason}", "yellow")

    def _log(self, event: Event) -> None:
        level, data = event.get("level"), event.get("data")
        message = _text(event, "message")
        if isinstance(data, dict) and data.get("source") == "stdout" and level == "info":
            self._screen.block("", message)
            return
        style = {"error": "red", "warning": "yellow", "debug": "dim"}.get(str(level), "")
        self._screen.block("✘" if level == "error" else "·", message or "log", style)

    def _error(self, event: Event) -> None:
        self._screen.block("✘", _text(event, "message") or _text(event, "error") or "error", "red")

    def _malformed(self, event: Event) -> None:
        told = (
            f"a line that is no event, {event.get('length')} bytes, ends at {event.get('offset')}: "
        )
        self._screen.line("!", told + one_line(str(event.get("head", ""))), "yellow")


_SHOWN: dict[str, Callable[[Renderer, Event], None]] = {
    "workflow_started": Renderer._started,
    "workflow_completed": Renderer._completed,
    "workflow_failed": Renderer._failed,
    "workflow_stopped": Renderer._stopped,
    "workflow_parked": Renderer._parked,
    "workflow_unparked": Renderer._parked,
    "workflow_paused": Renderer._paused,
    "workflow_resumed": Renderer._paused,
    "progress_update": Renderer._progress,
    "steps_planned": Renderer._plan,
    "fields_published": Renderer._fields,
    "task_started": Renderer._task,
    "task_progress": Renderer._task,
    "task_completed": Renderer._task,
    "task_failed": Renderer._task,
    "iteration_started": Renderer._iteration,
    "iteration_completed": Renderer._iteration,
    "node_started": Renderer._node,
    "node_completed": Renderer._node,
    "reason_card": Renderer._reason,
    "questions_presented": Renderer._questions,
    "countdown_tick": Renderer._tick,
    "auto_approving": Renderer._defaults,
    "responses_collected": Renderer._responses,
    "permission_requested": Renderer._permission,
    "permission_resolved": Renderer._decision,
    "message_received": Renderer._receipt,
    "turn_ended": Renderer._turn_ended,
    "log": Renderer._log,
    "error": Renderer._error,
    "malformed": Renderer._malformed,
}


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def _given(event: Event, key: str) -> list[str]:
    value = _text(event, key)
    return [value] if value else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _percent(event: Event) -> str:
    number = _number(event.get("progress"))
    return "" if number is None else f"{number:g}%"


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
