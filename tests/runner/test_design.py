"""The `design` workflow on the real SDK and CLI, with the scripted model behind them."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace
from runner.attempt.questions import _next_tick_s
from runner.workflows.samples.design_nodes import NODES, questions_of, read_answer
from tests.support import events, kill, receipts, script, wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")
GRACE_S = 20.0

NAMES = ["requirements", "critique", "decisions", "plan"]
CARD_FIELDS = {
    "agent",
    "node",
    "reasoning",
    "decision",
    "confidence",
    "category",
    "priority",
    "inputs",
    "outputs",
    "alternatives_considered",
    "references",
    "duration_ms",
}
SAID = {
    "text": "the work",
    "reasoning": "it is so",
    "decision": "one file",
    "confidence": 0.75,
    "category": "storage",
    "priority": "high",
    "alternatives_considered": ["a database"],
    "references": ["RFC 1"],
    "questions": [
        {
            "question": "How many users?",
            "header": "Users",
            "options": [{"label": "Ten"}, {"label": "Many", "description": "over a thousand"}],
            "default": "Many",
        }
    ],
}
BRIEF = script({"text": f"Here it is:\n```json\n{json.dumps(SAID)}\n```"})


def start(root: Path, prompt: str = BRIEF, **params: Any) -> Workspace:
    params = {"node_retries": 0, "question_timeout_s": 600} | params
    return runlog.create_run(root, "design", prompt=prompt, params=params)


def ours(run: Workspace) -> list[str]:
    """The types of our own events, in order."""
    passed = {"system", "assistant", "user", "result", "command_lifecycle", "rate_limit_event"}
    return [e["type"] for e in events(run) if e["type"] not in passed]


def answer(run: Workspace, answers: dict[str, Any], message_id: str = "a") -> None:
    runlog.post(
        run,
        {"type": "answer", "question_id": "after-critique", "answers": answers, "id": message_id},
    )


def test_a_person_answers(root: Path) -> None:
    run = start(root)
    asked = wait_for(run, "questions_presented")
    assert asked["question_id"] == "after-critique"
    assert asked["timeout_s"] == 600
    assert asked["smart_defaults"] == {"How many users?": "Many"}
    assert asked["questions"] == [
        {
            "question": "How many users?",
            "header": "Users",
            "options": [
                {"label": "Ten", "description": ""},
                {"label": "Many", "description": "over a thousand"},
            ],
            "multiSelect": False,
        }
    ]
    state = runlog.read_state(run)
    assert state.paused and list(state.open_questions) == ["after-critique"]
    answer(run, {"How many users?": "Ten"})
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed", end
    node = ["progress_update", "node_started", "reason_card", "node_completed"]
    assert [kind for kind in ours(run) if kind != "countdown_tick"] == [
        "workflow_started",
        "steps_planned",
        *node * 2,
        "workflow_paused",
        "questions_presented",
        "responses_collected",
        "message_received",
        "workflow_resumed",
        *node * 2,
        "progress_update",
        "workflow_completed",
    ]
    assert (end["stats"]["steps_done"], end["stats"]["steps_total"]) == (4, 4)
    assert [e["node"] for e in events(run, "node_completed")] == NAMES
    collected = events(run, "responses_collected")[0]
    assert (collected["source"], collected["answers"]) == ("human", {"How many users?": "Ten"})
    assert end["result"]["answers"] == {"How many users?": "Ten"}
    assert "# Plan\n\nthe work" in (run.files / "design.md").read_text()
    cards = events(run, "reason_card")
    assert all(CARD_FIELDS <= card.keys() for card in cards)
    last = cards[-1]
    assert (last["agent"], last["node"], last["confidence"]) == ("planner", "plan", 0.75)
    assert last["alternatives_considered"] == ["a database"]
    assert last["inputs"]["answers"] == {"How many users?": "Ten"}
    assert isinstance(last["duration_ms"], int) and last["duration_ms"] > 0
    assert [e["progress"] for e in events(run, "progress_update")] == [0, 25, 50, 75, 100]


def test_nobody_answers(root: Path) -> None:
    run = start(root, question_timeout_s=2.4)
    end = wait_for_end(run)
    assert end["result"]["answers"] == {"How many users?": "Many"}
    ticks = events(run, "countdown_tick")
    kinds = ours(run)
    asked, resumed = kinds.index("workflow_paused"), kinds.index("workflow_resumed")
    assert kinds[asked : resumed + 1] == [
        "workflow_paused",
        "questions_presented",
        *["countdown_tick"] * len(ticks),
        "auto_approving",
        "responses_collected",
        "workflow_resumed",
    ]
    # A machine that stands still for a second skips one.
    assert [e["remaining_s"] for e in ticks] in ([2, 1], [2])
    assert {e["question_id"] for e in ticks} == {"after-critique"}
    assert events(run, "responses_collected")[0]["source"] == "default"
    runlog_state = runlog.read_state(run)
    assert not (runlog_state.open_questions or runlog_state.paused)


def test_each_ten_seconds_and_each_of_the_last_ten_are_told() -> None:
    left = {35.0: 30, 30.0: 20, 10.4: 10, 10.0: 9, 2.4: 2, 1.0: 0, 0.3: 0}
    assert {left_s: _next_tick_s(left_s) for left_s in left} == left


def test_it_asks_again_after_sigkill_and_redoes_nothing(root: Path) -> None:
    run = start(root)
    first = wait_for(run, "questions_presented")
    kill(events(run, "workflow_started")[0]["pid"])
    assert wait_for_end(run)["reason"] == "lost"
    runlog.post(run, {"type": "message", "content": "go on", "resume": True, "id": "again"})
    wait_until(lambda: len(events(run, "questions_presented")) == 2, "the question again")
    again = events(run, "questions_presented")[1]
    same = ("question_id", "questions", "smart_defaults", "timeout_s")
    assert [again[key] for key in same] == [first[key] for key in same]
    assert list(runlog.read_state(run).open_questions) == ["after-critique"]
    answer(run, {"How many users?": "Ten"})
    assert wait_for_end(run, attempt=2)["result"]["answers"] == {"How many users?": "Ten"}
    assert [e["node"] for e in events(run, "node_started")] == NAMES
    assert len(events(run, "questions_presented")) == 2
    assert receipts(run, "again") == ["queued", "completed"]
    assert receipts(run, "a") == ["completed"]


def test_an_answer_on_its_way_at_sigkill_counts(root: Path) -> None:
    run = start(root)
    wait_for(run, "questions_presented")
    pid = events(run, "workflow_started")[0]["pid"]
    # By hand, as if it had come in the moment before: nobody is there to read it.
    os.kill(pid, signal.SIGSTOP)
    stat = Path(f"/proc/{pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(") ")[2][0] == "T", "its standstill")
    line = {"type": "answer", "id": "a", "question_id": "after-critique"}
    with run.inbox.open("ab") as inbox:
        inbox.write(json.dumps(line | {"answers": {"How many users?": "Ten"}}).encode() + b"\n")
    kill(pid)
    assert wait_for_end(run)["reason"] == "lost"
    runlog.post(run, {"type": "message", "content": "go on", "resume": True})
    assert wait_for_end(run, attempt=2)["result"]["answers"] == {"How many users?": "Ten"}
    assert receipts(run, "a") == ["completed"]


def test_stopped_while_it_asks(root: Path) -> None:
    run = start(root)
    wait_for(run, "questions_presented")
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"
    assert events(run, "responses_collected") == []
    assert runlog.run_status(run) == "stopped"


def test_a_wrong_answer_harms_nothing(root: Path) -> None:
    run = start(root, ask_after=["requirements"], question_timeout_s=600)
    wait_for(run, "questions_presented", question_id="after-requirements")
    answer(run, {"x": "y"}, "unknown")
    told = wait_for(run, "message_received", message_id="unknown")
    assert (told["state"], told["reason"]) == ("dropped", "unknown or already answered")
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)


def test_a_node_that_fails(root: Path) -> None:
    run = start(root, script({"status": 400, "error": "no such luck"}))
    end = wait_for_end(run)
    assert (end["reason"], end["node"]) == ("node_failed", "requirements")
    assert "no such luck" in end["error"]
    assert ours(run)[-1] == "workflow_failed"


def test_asked_of_nobody_and_answered_without_json(root: Path) -> None:
    run = start(root, "a shed", ask_after=[])
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed"
    assert events(run, "questions_presented") == []
    card = events(run, "reason_card")[0]
    assert (card["confidence"], card["priority"]) == (None, "medium")
    assert card["category"] == "requirements"
    assert card["outputs"]["text"].startswith("# Brief\n\na shed")


def test_answers_of_a_wrong_shape() -> None:
    node = NODES[0]
    assert read_answer(node, '{"a": {"text": 1}} then {"text": "t", "confidence": 7}').text == "t"
    wrong = {
        "text": "t",
        "confidence": True,
        "priority": 3,
        "references": [1, "r"],
        "questions": [{"question": "one option?", "options": [{"label": "yes"}]}, 2],
    }
    said = read_answer(node, json.dumps(wrong))
    assert (said.confidence, said.priority, said.references, said.questions) == (
        None,
        "medium",
        ["r"],
        [],
    )
    questions, defaults = questions_of("critique", [])
    assert defaults == {questions[0]["question"]: "Go on"}
