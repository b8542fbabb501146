"""An `interrupt()` of a LangGraph graph, put to a person.

Its value may be a text (the question); Claude's AskUserQuestion shape (`questions`, perhaps `smart_defaults`); an
object with `question`, perhaps `options` and `default`; or the `action_requests` of LangChain's human-in-the-loop
middleware, which are asked as permissions. Anything else is shown as JSON, and answered by a text.
"""

from typing import Any

from langgraph.types import Interrupt

from runlog import encode

from ...attempt.run import Run
from ...attempt.workflow import RunFailed
from .events import plain

__all__ = ["answer_to"]


async def answer_to(run: Run, interrupt: Interrupt, timeout_s: float) -> Any:
    """What `interrupt()` returns in the graph: the answer, or for `questions` the answers by question.

    :raises RunFailed: `no_answer`, nobody answered in time and there is no default.
    """
    value = plain(interrupt.value)
    if isinstance(value, dict) and isinstance(value.get("action_requests"), list):
        decisions = [
            await _decision(run, f"{interrupt.id}-{number}", action, timeout_s)
            for number, action in enumerate(value["action_requests"])
        ]
        return {"decisions": decisions}
    questions, defaults, single = _questions(value)
    question_id = f"q-{interrupt.id}"
    if told := run.questions.closed("answer", question_id):
        answers = told["answers"]
    else:
        with run.resting(timeout_s):
            answers = await run.ask(
                questions, smart_defaults=defaults, timeout_s=timeout_s, question_id=question_id
            )
    if not answers:
        raise RunFailed(
            "no_answer",
            f"nobody answered within {timeout_s:g} s, and the interrupt has no default. "
            "A message with `resume` reopens the run; it asks again",
        )
    return next(iter(answers.values())) if single else answers


def _questions(value: Any) -> tuple[list[dict[str, Any]], dict[str, Any], bool]:
    """The questions, the defaults, and whether the graph waits for the answer alone."""
    if isinstance(value, dict) and isinstance(asked := value.get("questions"), list) and asked:
        given = value.get("smart_defaults")
        return asked, given if isinstance(given, dict) else {}, False
    if isinstance(value, dict) and isinstance(value.get("question"), str):
        text = value["question"]
        options = [_option(option) for option in value.get("options") or []]
        defaults = {text: value["default"]} if value.get("default") is not None else {}
        return [_question(text, options)], defaults, True
    text = value if isinstance(value, str) else encode({"value": value}).decode().strip()
    return [_question(text, [])], {}, True


def _question(text: str, options: list[Any]) -> dict[str, Any]:
    return {"question": text, "header": "Graph", "options": options, "multiSelect": False}


def _option(option: Any) -> dict[str, Any]:
    return option if isinstance(option, dict) else {"label": str(option), "description": ""}


async def _decision(run: Run, key: str, action: Any, timeout_s: float) -> dict[str, Any]:
    """Of one tool call, in the words of the middleware."""
    name, args = str(action.get("name")), action.get("args") or {}
    request_id = f"p-{key}-{run.attempt}"
    decided = run.questions.closed("permission", request_id)
    if decided is None:
        with run.resting(timeout_s):
            decided = await run.questions.permission(
                name, args, [], timeout_s, request_id=request_id
            )
    if decided["decision"] != "allow":
        return {"type": "reject", "message": decided.get("message") or "a person said no"}
    if decided.get("updated_input") is not None:
        edited = {"name": name, "args": decided["updated_input"]}
        return {"type": "edit", "edited_action": edited}
    return {"type": "approve"}
