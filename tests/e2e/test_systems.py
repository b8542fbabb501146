"""Every system as its users meet it: started and steered over HTTP, its events told by SSE, each as published."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runlog import Event, Workspace
from tests.e2e.conftest import House
from tests.e2e.listener import Listener, ours
from tests.support import bash, kill, script, wait_for_end, wait_tool

RECEIPT = "message_received"
NODE = ["progress_update", "node_started", "reason_card", "node_completed"]
QUESTION = {
    "question": "How many users?",
    "header": "Users",
    "options": [{"label": "Ten"}, {"label": "Many"}],
    "default": "Many",
}
FOUND = {"text": "the work", "reasoning": "it is so", "decision": "a file", "questions": [QUESTION]}
GRAPH = {"graph": "graphs.py:graph", "app_dir": str(Path(__file__).parent)}


def tell(house: House, run: Workspace, call: str, **body: Any) -> None:
    house.client.post(f"/api/v1/workflows/{run.run_id}/{call}", json=body).raise_for_status()


def answer(house: House, run: Workspace, asked: Event, said: str) -> None:
    answers = {asked["questions"][0]["question"]: said}
    tell(house, run, "answers", question_id=asked["question_id"], answers=answers)


def again(house: House, run: Workspace, before: Listener) -> Listener:
    """Reopen a run that has ended, and go on after what its listener had."""
    assert house.say(run, "go on", resume=True).status_code == 202
    return Listener(house, run, before.last_id)


def lose(run: Workspace, started: Event, attempt: int) -> None:
    kill(started["pid"])
    assert wait_for_end(run, attempt=attempt)["reason"] == "lost"


def fields(events: list[Event], event_type: str, name: str) -> list[Any]:
    return [event.get(name) for event in events if event["type"] == event_type]


def test_monty(house: House) -> None:
    params = {"min_sleep_s": 0.6, "max_sleep_s": 0.6, "seed": 1}
    run = house.start("monty", params=params)
    with Listener(house, run) as told:
        told.wait_for("progress_update", status="iteration_1_quote")
        tell(house, run, "pause")
        told.wait_for("workflow_paused", reason="asked")
        tell(house, run, "resume")
        told.wait_for("progress_update", status="iteration_2_quote")
        tell(house, run, "stop")
        events = told.to_end("stopped")
    kinds = ours(events)
    pause, on = kinds.index("workflow_paused"), kinds.index("workflow_resumed")
    assert kinds[pause : pause + 2] == ["workflow_paused", RECEIPT]
    assert kinds[on : on + 2] == ["workflow_resumed", RECEIPT]
    updates = [*dict.fromkeys(ours(events, "workflow_paused", "workflow_resumed", RECEIPT))]
    assert updates == ["workflow_started", "progress_update", "workflow_stopped"]
    said = fields(events, "progress_update", "status")
    first = ["iteration_1_quote", *["iteration_1_sleeping"] * 2, "iteration_2_quote"]
    assert said[:4] == first and said[-1] == "stopping"


def test_monty_is_stopped(house: House) -> None:
    run = house.start("monty", params={"min_sleep_s": 600, "max_sleep_s": 600})
    with Listener(house, run) as told:
        told.wait_for("progress_update")
        tell(house, run, "stop")
        events = told.to_end("stopped")
    assert ours(events)[-3:] == [RECEIPT, "progress_update", "workflow_stopped"]
    assert events[-1]["result"]["total_quotes_delivered"] == 1


def test_command(house: House) -> None:
    lines = [
        {"type": "task_started", "task_id": "t", "task_name": "Count"},
        {"type": "iteration_completed", "iteration": 1, "iterations": 1},
        {"type": "workflow_completed", "result": "forged"},
        {"type": "task_completed", "task_id": "t", "task_name": "Count"},
    ]
    code = "import sys\nfor line in sys.argv[1:]: print(line)\nprint('plain')\nsys.exit(3)"
    argv = [sys.executable, "-c", code, *map(json.dumps, lines)]
    run = house.start("command", params={"argv": argv})
    with Listener(house, run) as told:
        events = told.to_end("failed")
    assert ours(events) == [
        "workflow_started",
        "task_started",
        "iteration_completed",
        "log",
        "task_completed",
        "log",
        "workflow_failed",
    ]
    assert fields(events, "log", "level") == ["warning", "info"]
    assert (events[-1]["reason"], events[-1]["exit_code"]) == ("exit_code", 3)


def test_claude(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    prompt = script({"tools": [wait_tool(gate)]}, {"text": "heard: {{last_user}}"})
    run = house.start("claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
    with Listener(house, run) as told:
        told.wait_for("assistant")
        assert house.say(run, "the blue one", id="m1").status_code == 202
        told.wait_for("command_lifecycle", command_uuid="m1")
        gate.touch()
        events = told.to_end("completed")
    assert ours(events, RECEIPT) == ["workflow_started", "turn_ended", "workflow_completed"]
    steps = ["queued", "delivered", "completed"]
    for message_id in {event["message_id"] for event in events if event["type"] == RECEIPT}:
        mine = [event for event in events if event.get("message_id") == message_id]
        assert fields(mine, RECEIPT, "state") == steps
    assert events[-1]["result"] == "heard: the blue one"


def test_chat_asks_and_is_answered(house: House) -> None:
    asks = {"name": "AskUserQuestion", "input": {"questions": [QUESTION | {"multiSelect": False}]}}
    for option in asks["input"]["questions"][0]["options"]:
        option["description"] = "so many"
    prompt = script({"tools": [asks]}, {"tools": [bash("touch made.txt")]}, {"text": "Done."})
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    run = house.start("chat", prompt=prompt, chat_history=history)
    with Listener(house, run) as told:
        answer(house, run, told.wait_for("questions_presented"), "Ten")
        request = told.wait_for("permission_requested")
        decision = {"request_id": request["request_id"], "decision": "allow"}
        tell(house, run, "permissions", **decision)
        told.wait_for("progress_update", status="waiting")
        tell(house, run, "model", model="claude-sonnet-4-5")
        told.wait_for(RECEIPT, message_type="set_model")
        assert house.say(run, script({"text": "And on."}), id="m1").status_code == 202
        told.wait_for("progress_update", 2, status="waiting")
        tell(house, run, "stop")
        events = told.to_end("stopped")
    assert ours(events, "countdown_tick") == [
        "workflow_started",
        *[RECEIPT] * 2,  # of the prompt
        "questions_presented",
        "responses_collected",
        RECEIPT,
        "permission_requested",
        "permission_resolved",
        RECEIPT,
        "turn_ended",
        RECEIPT,
        "progress_update",
        RECEIPT,
        *[RECEIPT] * 2,
        "turn_ended",
        RECEIPT,
        "progress_update",
        RECEIPT,
        "workflow_stopped",
    ]
    assert "stream_event" in {event["type"] for event in events}
    assert (run.files / "made.txt").exists()
    chat = house.client.get(f"/api/v1/workflows/{run.run_id}/history").json()["messages"]
    assert [m["content"] for m in chat if m["role"] == "assistant" and m["content"]] == [
        "hi",
        "Done.",
        "And on.",
    ]


def test_chat_asks_and_nobody_answers(house: House) -> None:
    options = [{"label": "Ten", "description": ""}, {"label": "Many", "description": ""}]
    question = QUESTION | {"multiSelect": False, "options": options}
    asks = {"name": "AskUserQuestion", "input": {"questions": [question]}}
    prompt = script({"tools": [asks]}, {"tools": [bash("touch made.txt")]}, {"text": "Done."})
    params = {"question_timeout_s": 0.3, "permission_timeout_s": 0.3, "idle_timeout_s": 0.3}
    run = house.start("chat", prompt=prompt, params=params)
    with Listener(house, run) as told:
        events = told.to_end("completed")
    assert ours(events, RECEIPT) == [
        "workflow_started",
        "questions_presented",
        "auto_approving",
        "responses_collected",
        "permission_requested",
        "permission_resolved",
        "turn_ended",
        "progress_update",
        "workflow_completed",
    ]
    assert fields(events, "responses_collected", "answers") == [{"How many users?": "Ten"}]
    assert fields(events, "permission_resolved", "decision") == ["deny"]
    assert not (run.files / "made.txt").exists()


@pytest.mark.parametrize("human", [True, False], ids=["answered", "timed out"])
def test_langgraph(house: House, human: bool) -> None:
    params = GRAPH | {"question_timeout_s": 600 if human else 1.2}
    run = house.start("langgraph", prompt="hello", params=params)
    with Listener(house, run) as told:
        asked = told.wait_for("questions_presented")
        if human:
            answer(house, run, asked, "yes")
        events = told.to_end("completed")
    done = ["node_completed", "progress_update"]
    tail = ["responses_collected", RECEIPT] if human else ["auto_approving", "responses_collected"]
    assert ours(events, "countdown_tick") == [
        "workflow_started",
        "steps_planned",
        *[RECEIPT] * 2,  # of the prompt
        "node_started",
        *done,
        "node_started",
        "progress_update",
        "questions_presented",
        *tail,
        "node_started",
        *done,
        "turn_ended",
        RECEIPT,
        "progress_update",
        "workflow_completed",
    ]
    assert fields(events, "node_started", "node") == ["talk", "ask", "ask"]
    assert fields(events, "responses_collected", "source") == ["human" if human else "default"]
    said = [message["content"] for message in events[-1]["result"]["messages"]]
    assert said == ["hello", "you said hello", "answer: yes" if human else "answer: no"]


def test_langgraph_paused_stopped_and_killed(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    params = GRAPH | {"configurable": {"gate": str(gate)}}
    run = house.start("langgraph", prompt="hello", params=params)
    with Listener(house, run) as first:  # paused while a node is at work, stopped at the question
        first.wait_for("node_started", node="talk")
        tell(house, run, "pause")
        first.wait_for("workflow_paused", reason="asked")
        gate.touch()
        first.wait_for("stream_event")
        assert "node_completed" not in {event["type"] for event in first.events}
        tell(house, run, "resume")
        asked = first.wait_for("questions_presented")
        tell(house, run, "stop")
        told = first.to_end("stopped")
    kinds = ours(told, RECEIPT, "progress_update")
    assert kinds == [
        "workflow_started",
        "steps_planned",
        "node_started",
        "workflow_paused",
        "workflow_resumed",
        "node_completed",
        "node_started",
        "questions_presented",
        "turn_ended",
        "workflow_stopped",
    ]
    with again(house, run, first) as second:  # killed at the question
        assert second.wait_for("questions_presented")["question_id"] == asked["question_id"]
        lose(run, second.wait_for("workflow_started"), 2)
        second.to_end("failed")
    with again(house, run, second) as third:
        answer(house, run, third.wait_for("questions_presented"), "yes")
        third.wait_for("node_completed", node="ask")
        third.wait_for("user")  # the message that reopened it: a turn of its own
        tell(house, run, "stop")
        told = third.to_end("stopped")
    assert fields(told, "node_completed", "node")[0] == "ask"
    assert fields(told, "questions_presented", "question_id")[0] == asked["question_id"]


@pytest.mark.parametrize("human", [True, False], ids=["answered", "timed out"])
def test_design(house: House, human: bool) -> None:
    params = {"question_timeout_s": 600 if human else 1.2, "ask_after": ["requirements"]}
    run = house.start("design", prompt=script({"text": json.dumps(FOUND)}), params=params)
    with Listener(house, run) as told:
        asked = told.wait_for("questions_presented")
        if human:
            state = house.client.get(f"/api/v1/workflows/{run.run_id}").json()
            assert (state["status"], state["waiting_for"]) == ("waiting", "answer")
            assert [q["question_id"] for q in state["open_questions"]] == [asked["question_id"]]
            answer(house, run, asked, "Ten")
        events = told.to_end("completed")
    assert ours(events, "countdown_tick", RECEIPT, "auto_approving") == [
        "workflow_started",
        "steps_planned",
        *NODE,
        "workflow_paused",
        "questions_presented",
        "responses_collected",
        "workflow_resumed",
        *NODE * 3,
        "progress_update",
        "workflow_completed",
    ]
    between = ours(events)[ours(events).index("questions_presented") + 1 :]
    ending = (
        ["responses_collected", RECEIPT] if human else ["auto_approving", "responses_collected"]
    )
    assert [kind for kind in between if kind != "countdown_tick"][:2] == ending
    assert fields(events, "countdown_tick", "remaining_s") == ([] if human else [1])
    assert events[-1]["result"]["answers"] == {"How many users?": "Ten" if human else "Many"}


@pytest.mark.timeout(600)  # five attempts
def test_design_paused_stopped_and_killed_at_every_stage(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    prompt = script({"tools": [wait_tool(gate)]}, {"text": json.dumps(FOUND)})
    params = {"allowed_tools": ["Bash"], "question_timeout_s": 600}
    run = house.start("design", prompt=prompt, params=params)
    with Listener(house, run) as first:  # paused while an agent is at work, killed in the pause
        first.wait_for("assistant")
        tell(house, run, "pause")
        first.wait_for("workflow_paused", reason="asked")
        gate.touch()
        first.wait_for("node_completed", node="requirements")
        lose(run, first.wait_for("workflow_started"), 1)
        assert ours(first.to_end("failed"))[-2:] == ["node_completed", "workflow_failed"]
    with again(house, run, first) as second:  # stopped at the question
        second.wait_for("questions_presented")
        assert second.wait_for("node_started")["node"] == "critique"
        gate.unlink()
        tell(house, run, "stop")
        told = second.to_end("stopped")
        assert ours(told)[-3:] == ["questions_presented", RECEIPT, "workflow_stopped"]
    with again(house, run, second) as third:  # killed while an agent is at work
        answer(house, run, third.wait_for("questions_presented"), "Ten")
        third.wait_for("node_started", node="decisions")
        third.wait_for("assistant")
        lose(run, third.wait_for("workflow_started"), 3)
        assert fields(third.to_end("failed"), "node_started", "node") == ["decisions"]
    with again(house, run, third) as fourth:  # stopped while an agent is at work
        fourth.wait_for("assistant")
        tell(house, run, "stop")
        assert ours(fourth.to_end("stopped"))[-2:] == [RECEIPT, "workflow_stopped"]
    gate.touch()
    with again(house, run, fourth) as fifth:
        told = fifth.to_end("completed")
    assert fields(told, "node_started", "node") == ["decisions", "plan"]
    assert fields(told, "questions_presented", "question_id") == []
    assert told[-1]["result"]["answers"] == {"How many users?": "Ten"}


def test_research(house: House) -> None:
    params = {"breadth": 2, "depth": 2, "parallel": 1, "task_retries": 0}
    run = house.start("research", prompt="tides", params=params)
    with Listener(house, run) as told:
        events = told.to_end("completed")
    task = ["task_started", "task_progress", "task_completed", "progress_update"]
    iteration = ["iteration_started", *task * 2, "iteration_completed"]
    assert ours(events) == [
        "workflow_started",
        "steps_planned",
        *iteration * 2,
        "progress_update",
        "node_started",
        "node_completed",
        "progress_update",
        "workflow_completed",
    ]
    progress = [e["progress"] for e in events if "progress" in e]
    assert progress == sorted(progress) and progress[-1] == 100


@pytest.mark.timeout(600)  # five attempts
def test_research_paused_stopped_and_killed_at_every_stage(house: House, tmp_path: Path) -> None:
    task_gate, report_gate = tmp_path / "task", tmp_path / "report"
    held = script({"tools": [wait_tool(task_gate)]}, {"text": "found"})
    tasks = [
        {"id": "a", "name": "A", "prompt": script({"text": "found"})},
        {"id": "b", "name": "B", "prompt": held, "depends_on": ["a"]},
    ]
    params = {"tasks": tasks, "allowed_tools": ["Bash"], "task_retries": 0}
    # The topic comes to the model with the report alone.
    topic = script({"tools": [wait_tool(report_gate)]}, {"text": "the report"})
    run = house.start("research", prompt=topic, params=params)
    with Listener(house, run) as first:  # stopped in a pause
        first.wait_for("task_started", task_id="a")
        tell(house, run, "pause")
        first.wait_for("workflow_paused", reason="asked")
        first.wait_for("task_completed", task_id="a")
        tell(house, run, "stop")
        told = first.to_end("stopped")
        assert fields(told, "task_started", "task_id") == ["a"]
    with again(house, run, first) as second:  # killed in a task
        second.wait_for("task_started", task_id="b")
        second.wait_for("assistant")
        lose(run, second.wait_for("workflow_started"), 2)
        assert fields(second.to_end("failed"), "task_started", "task_id") == ["b"]
    task_gate.touch()
    with again(house, run, second) as third:  # killed while the report is written
        third.wait_for("progress_update", status="synthesis")
        lose(run, third.wait_for("workflow_started"), 3)
        third.to_end("failed")
    with again(house, run, third) as fourth:  # stopped while the report is written
        fourth.wait_for("assistant")
        tell(house, run, "stop")
        told = fourth.to_end("stopped")
        assert fields(told, "task_started", "task_id") == []
    report_gate.touch()
    with again(house, run, fourth) as fifth:
        told = fifth.to_end("completed")
    assert ours(told, RECEIPT, "log") == [
        "workflow_started",
        "progress_update",
        "node_started",
        "node_completed",
        "progress_update",
        "workflow_completed",
    ]
    assert (told[-1]["result"], told[-1]["stats"]["tasks_completed"]) == ("the report", 2)
