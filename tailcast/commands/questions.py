"""`answer`, `approve`, `deny`: what a run asks people."""

import re
from typing import Annotated, Any, Literal

import typer

from runlog import Event, RunState, UnknownMessage, Workspace, post
from runlog.disk.plain import loads_plain
from runlog.run.answers import bound_decision, checked_answers
from runlog.run.inbox_lines import answer_id

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AsJson, LiveRun, Root, command_line, find_run
from ..cli.runs import look_at
from ..terminal.output import print_json, print_line
from ..terminal.text import one_line

__all__ = ["answer", "approve", "deny"]

Shown = Annotated[
    str | None,
    typer.Option(
        "--input-sha256",
        metavar="HEX",
        help="`input_sha256` of the request that you were shown: decide no other",
    ),
]


def answer(
    run: LiveRun,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUESTION_ID] ANSWER…",
            help="A label, an option's number or free text. Of several questions: NUMBER=ANSWER or QUESTION=ANSWER",
        ),
    ] = None,
    json_answers: Annotated[
        str | None,
        typer.Option("--json-answers", metavar="JSON", help="{question or header: answer, …}"),
    ] = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Answer a question of a run.

    Its id may be left out while one is open.
    """
    workspace = find_run(root, run)
    state = look_at(workspace).state
    open_ones = state.open_questions
    given = list(words or [])
    known = {*open_ones, *state.open_permissions}
    is_named = bool(given) and (given[0] in known or _looks_like_id(given[0]))
    question_id = _pick(workspace, "question", given.pop(0) if is_named else None, state)
    if json_answers is not None:
        answers = _parse_answers(json_answers)
    else:
        answers = _answers(open_ones[question_id].get("questions"), given)
    answers = checked_answers(open_ones[question_id], answers)
    line = {"type": "answer", "question_id": question_id, "answers": answers}
    _post_once(workspace, answer_id("answer", question_id, state.messages), question_id, line)
    if as_json:
        print_json({"question_id": question_id, "answers": answers})
        return
    for question, told in answers.items():
        print_line(f"{one_line(str(question))}: {one_line(str(told))}")


def approve(
    run: LiveRun,
    request_id: Annotated[str | None, typer.Argument(metavar="[REQUEST_ID]")] = None,
    updated_input: Annotated[
        str | None,
        typer.Option("--input", metavar="JSON", help="Run the tool with this input instead"),
    ] = None,
    always: Annotated[
        bool,
        typer.Option(
            "--always", help="Take up what the request suggests: the like is not asked again"
        ),
    ] = False,
    shown: Shown = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Let a run use the tool it asks for.

    The id of the request may be left out while one is open.
    """
    more: Event = {} if shown is None else {"input_sha256": shown}
    if updated_input is not None:
        more["updated_input"] = _parse_answers(updated_input)
    _decide(find_run(root, run), request_id, "allow", more, as_json, always=always)


def deny(
    run: LiveRun,
    request_id: Annotated[str | None, typer.Argument(metavar="[REQUEST_ID]")] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="What to do instead")
    ] = None,
    shown: Shown = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Refuse a run the tool it asks for."""
    told = {"message": message, "input_sha256": shown}
    more = {name: value for name, value in told.items() if value is not None}
    _decide(find_run(root, run), request_id, "deny", more, as_json)


def _decide(
    workspace: Workspace,
    named: str | None,
    decision: str,
    more: Event,
    as_json: bool,
    *,
    always: bool = False,
) -> None:
    state = look_at(workspace).state
    request_id = _pick(workspace, "permission request", named, state)
    shown = state.open_permissions[request_id]
    tool = one_line(str(shown.get("tool_name")))
    if always:
        more = more | {"updated_permissions": shown.get("suggestions") or []}
    line = {"type": "permission", "request_id": request_id, "decision": decision} | more
    message_id = answer_id("permission", request_id, state.messages)
    _post_once(workspace, message_id, request_id, bound_decision(shown, line))
    if as_json:
        print_json({"request_id": request_id, "decision": decision})
    else:
        print_line(f"{tool}: {'allowed' if decision == 'allow' else 'denied'}")


def _pick(
    workspace: Workspace,
    what: Literal["question", "permission request"],
    named: str | None,
    state: RunState,
) -> str:
    open_ones, others = state.open_questions, state.open_permissions
    other, how = "permission request", "approve or deny"
    if what == "permission request":
        open_ones, others, other, how = others, open_ones, "question", "answer"
    if named is not None and named in open_ones:
        return named
    known = ", ".join(open_ones) or "none"
    if named in others:
        raise UnknownMessage(f"{named!r} is a {other}, no {what}", f"Use {how}")
    if named is not None:
        raise UnknownMessage(f"there is no open {what} {named[:80]!r}", f"Open now: {known}")
    if not open_ones:
        look = command_line(workspace.root, "show", workspace.run_id)
        raise UnknownMessage(f"{workspace.run_id} has no open {what}", f"See how it stands: {look}")
    if len(open_ones) > 1:
        raise CommandError(f"{len(open_ones)} are open: say which", f"One of {known}")
    return next(iter(open_ones))


def _post_once(workspace: Workspace, message_id: str, key: str, line: Event) -> None:
    if post(workspace, line | {"id": message_id}).repeated:
        raise CommandError(f"{key} has been answered", "The run is about to take it in")


def _looks_like_id(word: str) -> bool:
    return re.fullmatch(r"[qp]-[0-9a-f]{12}", word) is not None


def _parse_answers(text: str) -> dict[str, Any]:
    try:
        value = loads_plain(text)
    except ValueError as error:
        raise CommandError(f"that is not JSON: {error}", 'Write {"name": "value"}') from error
    if not isinstance(value, dict):
        raise CommandError("that is no JSON object", 'Write {"name": "value"}')
    return value


def _answers(questions: Any, words: list[str]) -> dict[str, Any]:
    asked = [q for q in questions or [] if isinstance(q, dict)]
    if not words:
        raise CommandError(
            "there is no answer", "Write a label, the number of an option, or a text"
        )
    if len(asked) == 1:
        question = asked[0]
        texts = [_value_for(question, 1, word) for word in words]
        return {str(question.get("question")): _chosen(question, texts)}
    found: dict[str, list[str]] = {}
    for word in words:
        number, value = _split(asked, word)
        found.setdefault(str(asked[number - 1].get("question")), []).append(value)
    missing = [n for n, q in enumerate(asked, 1) if str(q.get("question")) not in found]
    if missing:
        raise CommandError(
            f"question {', '.join(map(str, missing))} of {len(asked)} has no answer",
            "Answer them together: 1=… 2=…",
        )
    return {str(q.get("question")): _chosen(q, found[str(q.get("question"))]) for q in asked}


def _value_for(question: Event, number: int, word: str) -> str:
    """The answer in a word for the only question: its name before `=` may be there."""
    key, equals, value = word.partition("=")
    return value if equals and key in _names(question, number) else word


def _split(asked: list[Event], word: str) -> tuple[int, str]:
    for number, question in enumerate(asked, 1):
        for name in _names(question, number):
            if word.startswith(f"{name}="):
                return number, word[len(name) + 1 :]
    raise CommandError(f"{word!r} names no question", f"Write 1=… to {len(asked)}=…")


def _names(question: Event, number: int) -> list[str]:
    return [str(number), *(str(question[k]) for k in ("question", "header") if question.get(k))]


def _chosen(question: Event, texts: list[str]) -> str | list[str]:
    options = question.get("options") or []
    labels = [str(o.get("label")) if isinstance(o, dict) else str(o) for o in options]
    chosen = [_label(labels, text) for text in texts]
    if question.get("multiSelect") is True:
        return chosen
    if len(chosen) > 1:
        raise CommandError("one answer goes there", "Put an answer of several words in quotes")
    return chosen[0]


def _label(labels: list[str], text: str) -> str:
    """An option by its label, whatever its case, or by its number; else the text itself."""
    for label in labels:
        if label.casefold() == text.casefold():
            return label
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= len(labels):
        return labels[int(text) - 1]
    return text
