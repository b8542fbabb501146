"""The nodes of a design: what each agent is asked, and how its answer becomes a reason card and outputs. Pure."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from runlog import decode

__all__ = ["NODES", "Answer", "Node", "NodeName", "node_prompt", "questions_of", "read_answer"]

NodeName = Literal["requirements", "critique", "decisions", "plan"]
Question = dict[str, Any]

_MAX_QUESTIONS = 4  # as many as Claude's AskUserQuestion takes
_FORM = """
Answer with one JSON object and nothing else:
{"text": "your work, in Markdown",
 "reasoning": "why, in two or three sentences",
 "decision": "what you settled, in one sentence",
 "confidence": 0.0 to 1.0,
 "category": "one word",
 "priority": "low", "medium" or "high",
 "alternatives_considered": ["..."],
 "references": ["..."],
 "questions": [{"question": "what only the person can tell?", "header": "at most 12 characters",
                "options": [{"label": "...", "description": "..."}], "default": "label of the likeliest"}]}
`questions`: at most four, two to four options each; [] if nothing needs a person."""


@dataclass(frozen=True, slots=True)
class Node:
    name: NodeName
    agent: str
    message: str
    role: str

    @property
    def system_prompt(self) -> str:
        return f"{self.role}\n{_FORM}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent said. Of an answer that is not the JSON asked for, all is text and nothing is guessed."""

    text: str
    reasoning: str
    decision: str
    confidence: float | None
    category: str
    priority: str
    alternatives_considered: list[str]
    references: list[str]
    questions: list[Question]

    def outputs(self) -> dict[str, Any]:
        """What `node_completed` keeps: enough to go on from after a restart."""
        said = asdict(self)
        return {key: said[key] for key in ("text", "decision", "questions")}


NODES = (
    Node(
        "requirements",
        "analyst",
        "Finding out what is wanted",
        "You are the analyst of a design team. From the brief, write down the requirements: what it must do, for "
        "whom, within which limits, and what it need not do. Number them. Ask what the brief leaves open.",
    ),
    Node(
        "critique",
        "critic",
        "Looking for what is wrong with it",
        "You are the critic of a design team. Find what is missing, contradictory, risky or needless in the "
        "requirements, the worst first. Ask the person what has to be settled before anything is decided.",
    ),
    Node(
        "decisions",
        "architect",
        "Deciding",
        "You are the architect of a design team. Decide how it is built, one decision after the other, each with "
        "its reason and with what was turned down. What the person answered is settled: build on it.",
    ),
    Node(
        "plan",
        "planner",
        "Making the plan",
        "You are the planner of a design team. Turn the decisions into a plan: steps in their order, each with what "
        "it delivers, how one sees that it is done, and what it depends on.",
    ),
)


def node_prompt(node: Node, brief: str, done: dict[str, str], answers: dict[str, Any]) -> str:
    """What the agent is asked: the brief, what the nodes before it made, and what people answered."""
    parts = [f"# Brief\n\n{brief}"]
    parts += [f"# {name.capitalize()}\n\n{text}" for name, text in done.items()]
    if answers:
        told = "\n".join(f"- {question} {_shown(answer)}" for question, answer in answers.items())
        parts.append(f"# What the person answered\n\n{told}")
    return "\n\n".join([*parts, f"# Your part: {node.name}"])


def read_answer(node: Node, text: str) -> Answer:
    """The answer as asked for, or the whole of it as text; a field of a wrong kind counts as left out."""
    said = _object_in(text) or {}
    body = _text(said.get("text")) or text.strip()
    confidence = said.get("confidence")
    known = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    priority = said.get("priority")
    return Answer(
        text=body,
        reasoning=_text(said.get("reasoning")) or body,
        decision=_text(said.get("decision")) or next(iter(body.splitlines()), ""),
        confidence=min(1.0, max(0.0, float(confidence))) if known else None,  # type: ignore[arg-type]
        category=_text(said.get("category")) or node.name,
        priority=priority if priority in ("low", "medium", "high") else "medium",
        alternatives_considered=_texts(said.get("alternatives_considered")),
        references=_texts(said.get("references")),
        questions=_questions(said.get("questions")),
    )


def questions_of(node: str, questions: list[Question]) -> tuple[list[Question], dict[str, str]]:
    """The questions to be put after a node, as AskUserQuestion has them, and the answers that count by default."""
    asked = questions or [
        {
            "question": f"Go on with the {node} as it is?",
            "header": "Go on",
            "options": [
                {"label": "Go on", "description": "The next agent builds on it as it is"},
                {
                    "label": "Keep it small",
                    "description": "Only what is needed; leave the rest out",
                },
                {
                    "label": "Be thorough",
                    "description": "Cover every point, even the unlikely ones",
                },
            ],
            "default": "Go on",
        }
    ]
    defaults = {one["question"]: one["default"] for one in asked}
    shape = ("question", "header", "options")
    return [{key: one[key] for key in shape} | {"multiSelect": False} for one in asked], defaults


def _object_in(text: str) -> dict[str, Any] | None:
    """The JSON object of an answer, also with words or a code fence around it."""
    start = text.find("{")
    while start >= 0:
        try:
            _, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        found = decode(text[start:end].encode(errors="replace"))
        if found and "text" in found:
            return found
        start = text.find("{", end)
    return None


def _questions(value: object) -> list[Question]:
    found: list[Question] = []
    for one in value if isinstance(value, list) else []:
        if not isinstance(one, dict) or not (question := _text(one.get("question"))):
            continue
        options = [
            {"label": label, "description": _text(option.get("description"))}
            for option in one.get("options") or []
            if isinstance(option, dict) and (label := _text(option.get("label")))
        ]
        labels = [option["label"] for option in options]
        if len(options) < 2 or any(question == other["question"] for other in found):
            continue
        default = one.get("default")
        found.append(
            {
                "question": question,
                "header": _text(one.get("header"))[:12] or "Question",
                "options": options,
                "default": default if default in labels else labels[0],
            }
        )
    return found[:_MAX_QUESTIONS]


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _shown(answer: Any) -> str:
    return ", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)
