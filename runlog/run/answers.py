"""Answers and decisions, held against what was asked. Pure: relay, command line and the run itself ask here."""

from typing import Any

from ..disk.pointers import escaped
from ..disk.records import Event
from ..errors import BadAnswers, BadDecision
from .inbox_lines import input_sha256

__all__ = ["Answers", "bound_decision", "checked_answers"]

# question -> a label or a text of one's own; of a question with `multiSelect` a list of them too
Answers = dict[str, Any]


def checked_answers(asked: Event, answers: Answers) -> Answers:
    """The answers by the texts of the questions of a `questions_presented` event, in the order of those.

    A key may also be a question's header, if no other question has the same. Where the event does not tell what it
    asks (others may write such), any answers will do.

    :raises BadAnswers: a question has no answer, an answer no question, or is no text where one is needed.
    """
    questions = _questions(asked)
    if questions is None:
        return answers
    given: Answers = {}
    faults: dict[str, str] = {}
    for key, answer in answers.items():
        named = _named(questions, key)
        if len(named) != 1:
            known = ", ".join(repr(text) for text in questions)
            why = "is the header of several questions" if named else "is no question"
            faults[key] = f"{key[:80]!r} {why}; asked are {known}"
        elif named[0] in given:
            faults[key] = f"{named[0]!r} is answered twice"
        elif why := _fault(questions[named[0]], answer):
            faults[key] = f"the answer to {named[0]!r} {why}"
            given[named[0]] = None
        else:
            given[named[0]] = answer
    for text in questions:
        if text not in given:
            faults[text] = f"{text!r} has no answer"
    if faults:
        raise BadAnswers(faults)
    return {text: given[text] for text in questions}


def bound_decision(asked: Event, decision: Event) -> Event:
    """A `permission` line that decides a `permission_requested` event, with the `input_sha256` of what that asks.

    :raises BadDecision: it is for another call, takes up what was not suggested, changes what it denies, or has an
        input that can't be one of the call.
    """
    faults: dict[str, str] = {}
    bound = input_sha256(asked.get("tool_name"), asked.get("input"))
    shown = decision.get("input_sha256")
    if shown is not None and shown != bound:
        faults["input_sha256"] = "the decision is for another call than the one that is asked"
    offered = asked.get("suggestions")
    for number, update in enumerate(decision.get("updated_permissions") or []):
        if not isinstance(offered, list) or update not in offered:
            faults[f"updated_permissions/{number}"] = (
                "only what the request suggests can be taken up: send entries of its `suggestions` as they are"
            )
            break
    own, other = asked.get("input"), decision.get("updated_input")
    if decision.get("decision") != "allow":
        for name in ("updated_input", "updated_permissions"):
            if decision.get(name) is not None:
                faults[name] = f"`{name}` goes with `allow` only"
    elif isinstance(own, dict) and isinstance(other, dict):
        faults.update(_input_faults(own, other))
    if faults:
        raise BadDecision(faults)
    return decision | {"input_sha256": bound}


def _input_faults(own: Event, other: Event) -> dict[str, str]:
    """Nobody here knows what a tool takes, but what was asked is one of its inputs. To an empty one Claude's CLI does
    as if there were none."""
    if own and not own.keys() & other.keys():
        told = f"`updated_input` has none of the call's fields ({', '.join(own)[:200]}): send the whole input"
        return {"updated_input": told}
    return {
        f"updated_input/{escaped(name)}": f"`{name[:80]}` is of another type in the call"
        for name in own.keys() & other.keys()
        if own[name] is not None and _type(own[name]) is not _type(other[name])
    }


def _type(value: object) -> type:
    return float if type(value) is int else type(value)


def _questions(asked: Event) -> dict[str, Event] | None:
    """By their texts; None if there is none, or one that no answer could name."""
    questions = asked.get("questions")
    if not isinstance(questions, list) or not questions:
        return None
    by_text: dict[str, Event] = {}
    for question in questions:
        text = question.get("question") if isinstance(question, dict) else None
        if not isinstance(text, str):
            return None
        by_text[text] = question
    return by_text


def _named(questions: dict[str, Event], key: str) -> list[str]:
    if key in questions:
        return [key]
    return [text for text, question in questions.items() if question.get("header") == key]


def _fault(question: Event, answer: object) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if question.get("multiSelect") is True:
        texts = answer if isinstance(answer, list) else [answer]
        if texts and all(_is_text(text) for text in texts):
            return ""
        return "has to be a text or a list of texts, none of them empty"
    return "" if _is_text(answer) else "has to be a text that is not empty"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
