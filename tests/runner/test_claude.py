"""The `claude` workflow on the real SDK and the real CLI, with the scripted model behind them."""

import json
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace
from runlog.run.history import ChatHistory, ChatMessage
from runlog.run.words import InboxWords
from tests.runner.claude_runs import QUESTION, cli_pid, control, receipt, say, start, texts
from tests.support import (
    bash,
    events,
    kill,
    receipts,
    records,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_for_transcript,
    wait_tool,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")
GRACE_S = 20.0


def test_one_shot(root: Path) -> None:
    run = start(root, script({"tools": [bash("echo hi > made.txt; echo hello")]}, {"text": "done"}))
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed"
    assert end["result"] == "done"
    assert end["stats"]["cost_usd"] > 0
    assert (run.files / "made.txt").read_text() == "hi\n"
    state = runlog.read_state(run)
    assert state.turns == 2 and state.tool_calls == 1 and state.usage["output_tokens"] > 0
    assert all("timestamp" in event for event in events(run))
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_nothing_outside_the_workspace(root: Path) -> None:
    run = start(root, "hello there")
    assert wait_for_end(run)["result"] == "hello there"
    assert (run.path / "_home" / ".claude").is_dir()
    assert [p.name for p in root.parent.iterdir()] == [root.name]


def test_steer_is_read_within_the_turn(root: Path, tmp_path: Path) -> None:
    run = start(
        root, script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "heard {{last_user}}"})
    )
    wait_for_tool(run)
    say(run, "the blue one", "m1")
    receipt(run, "m1", "queued")
    wait_for(run, "command_lifecycle", command_uuid="m1", state="queued")
    (tmp_path / "go").touch()
    assert wait_for_end(run)["result"] == "heard the blue one"
    assert receipts(run, "m1") == ["queued", "delivered", "completed"]
    assert len(events(run, "result")) == 1


def test_queue_is_a_turn_of_its_own(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "first turn"}))
    wait_for_tool(run)
    say(run, "second", "m1", delivery="queue")
    say(run, "third", "m2", delivery="queue")
    receipt(run, "m2", "queued")
    (tmp_path / "go").touch()
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert [e["result"] for e in events(run, "result")] == ["first turn", "second", "third"]
    assert receipts(run, "m1") == receipts(run, "m2") == ["queued", "delivered", "completed"]


def test_interrupt_delivery_ends_the_turn_first(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "not reached"}))
    wait_for_tool(run)
    say(run, script({"text": "a new turn"}), "m1", delivery="interrupt")
    assert wait_for_end(run)["result"] == "a new turn"
    assert [e["subtype"] for e in events(run, "result")] == ["error_during_execution", "success"]
    assert receipts(run, "m1") == ["queued", "delivered", "completed"]
    assert "not reached" not in texts(run)


@pytest.mark.parametrize("delivery", ["steer", "queue"])
def test_cancel_while_queued(root: Path, tmp_path: Path, delivery: str) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "end"}))
    wait_for_tool(run)
    say(run, "take me back", "m1", delivery=delivery)
    if delivery == "steer":
        wait_for(run, "command_lifecycle", command_uuid="m1", state="queued")
    cancel = runlog.cancel_message(run, "m1")
    receipt(run, cancel.message_id, "completed")
    (tmp_path / "go").touch()
    assert wait_for_end(run)["result"] == "end"
    assert receipts(run, "m1") == ["queued", "dropped"]
    replayed = [e for e in events(run, "user") if e.get("isReplay")]
    assert "take me back" not in json.dumps(replayed)


def test_cancel_after_delivery_is_refused(root: Path, tmp_path: Path) -> None:
    run = start(
        root,
        script(
            {"tools": [wait_tool(tmp_path / "go1")]},
            {"tools": [wait_tool(tmp_path / "go2")]},
            {"text": "end {{last_user}}"},
        ),
    )
    wait_for_tool(run)
    say(run, "kept", "m1")
    wait_for(run, "command_lifecycle", command_uuid="m1", state="queued")
    (tmp_path / "go1").touch()
    receipt(run, "m1", "delivered")
    with pytest.raises(runlog.RunFinished, match="delivered already"):
        runlog.cancel_message(run, "m1")
    late = control(run, "cancel", message_id="m1")
    receipt(run, late, "dropped")
    (tmp_path / "go2").touch()
    assert wait_for_end(run)["result"] == "end kept"


def test_interrupt_ends_a_one_shot_run_as_stopped(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"}))
    wait_for_tool(run)
    line = control(run, "interrupt")
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "interrupt")
    assert receipts(run, line) == ["completed"]
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_interactive_stays_open(root: Path) -> None:
    run = start(root, "one", interactive=True)
    wait_for(run, "result", result="one")
    wait_until(lambda: runlog.run_status(run) == "waiting", "waiting")
    late = control(run, "interrupt")
    wait_until(lambda: receipts(run, late), "an answer to the late interrupt")
    say(run, "two", "m1")
    wait_for(run, "result", result="two")
    receipt(run, "m1", "completed")
    control(run, "stop")
    end = wait_for_end(run)
    assert (end["type"], end["stats"]["turns"]) == ("workflow_stopped", 2)


def test_interactive_without_prompt_waits_for_the_first_message(root: Path) -> None:
    run = start(root, None, interactive=True)
    wait_until(lambda: runlog.run_status(run) == "waiting", "waiting")
    say(run, "hello", "m1")
    wait_for(run, "result", result="hello")


def test_interactive_ends_when_nobody_says_more(root: Path) -> None:
    run = start(root, "hello", interactive=True, idle_timeout_s=0.3)
    end = wait_for_end(run)
    assert (end["type"], end["result"]) == ("workflow_completed", "hello")


def test_set_model_and_permission_mode(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "end"}))
    wait_for_tool(run)
    good = control(run, "set_model", model="claude-haiku-4-5")
    bad = control(run, "set_model", model="no-such-model")
    mode = control(run, "set_permission_mode", mode="plan")
    wrong = control(run, "set_permission_mode", mode="bogus")
    receipt(run, good, "completed")
    receipt(run, mode, "completed")
    assert "not found" in receipt(run, bad, "dropped")["reason"]
    assert "must be one of" in receipt(run, wrong, "dropped")["reason"]
    (tmp_path / "go").touch()
    assert wait_for_end(run)["type"] == "workflow_completed"


def test_turns_are_told(root: Path, tmp_path: Path) -> None:
    run = start(root, "one", interactive=True)
    wait_for(run, "turn_ended", turn=1)
    receipt(run, f"prompt-{run.run_id}", "completed")
    assert receipts(run, f"prompt-{run.run_id}") == ["queued", "delivered", "completed"]
    wait_until(lambda: runlog.run_status(run) == "waiting", "waiting")
    assert runlog.read_state(run).waiting_for == "message"
    say(run, "/cost", "c1")  # asks no model
    receipt(run, "c1", "completed")
    say(run, script({"tools": [wait_tool(tmp_path / "never")]}), "m2")
    wait_for_tool(run)
    begun = runlog.read_state(run).turn
    assert begun is not None
    assert (begun.number, begun.message_id, begun.running) == (2, "m2", True)
    before = [record for record in records(run) if record.offset <= begun.offset]
    assert before[-1].offset == begun.offset
    control(run, "interrupt")
    wait_for(run, "turn_ended", turn=2)
    say(run, script({"tools": [wait_tool(tmp_path / "never")]}), "m3")
    wait_for_tool(run, 2)
    control(run, "stop")
    end = wait_for_end(run)
    told = [(e["turn"], e["finish_reason"], e["message_id"]) for e in events(run, "turn_ended")]
    assert told == [
        (1, "completed", f"prompt-{run.run_id}"),
        (2, "interrupted", "m2"),
        (3, "interrupted", "m3"),  # by the stop
    ]
    assert end["stats"]["turns"] == 3
    (cost,) = (m for m in chat_of(run) if m.kind == "command")
    assert (cost.content, cost.message_id) == ("/cost", "c1")
    assert cost.output is not None and "cost" in cost.output


def chat_of(run: Workspace) -> list[ChatMessage]:
    chat = ChatHistory(100, words=InboxWords(run))
    for record in records(run):
        chat.apply(record.event(), record.offset)
    return chat.messages


def test_messages_that_the_cli_merges_are_told_once_each(root: Path, tmp_path: Path) -> None:
    text = "word " * 40
    run = start(root, script({"text": text, "chunk_delay_s": 0.1}), interactive=True)
    wait_for(run, "user", isReplay=True)
    for number in range(3):
        say(run, f"note {number}", f"n{number}")
    receipt(run, "n2", "completed")
    said = [(m.content, m.message_id) for m in chat_of(run) if m.role == "user"][1:]
    assert said == [(f"note {number}", f"n{number}") for number in range(3)]
    control(run, "stop")
    wait_for_end(run)


def test_message_after_the_last_turn_is_dropped(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"text": "end"}))
    wait_for_end(run)
    with pytest.raises(runlog.RunFinished):
        say(run, "too late", "m1")


def test_stop_in_mid_tool_tells_the_cost(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"}))
    wait_for_tool(run)
    say(run, "never taken", "m1", delivery="queue")
    receipt(run, "m1", "queued")
    stop = control(run, "stop")
    end = wait_for_end(run)
    assert end["type"] == "workflow_stopped"
    assert end["stats"]["cost_usd"] > 0
    assert receipts(run, "m1") == ["queued", "dropped"]
    assert receipts(run, stop) == ["completed"]
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_permission_allowed_and_denied(root: Path) -> None:
    run = start(
        root,
        script({"tools": [bash("touch a")]}, {"tools": [bash("touch b")]}, {"text": "end"}),
        interactive=True,
        allowed_tools=[],
    )
    for number, decision in enumerate(["allow", "deny"]):
        wait_until(lambda n=number: len(events(run, "permission_requested")) > n, "permission")
        wait_until(lambda: runlog.run_status(run) == "waiting", "waiting")
        asked = events(run, "permission_requested")[number]
        assert asked["tool_name"] == "Bash"
        calls = [b for e in events(run, "assistant") for b in e["message"]["content"]]
        (call,) = (b for b in calls if b.get("id") == asked["tool_use_id"])
        assert call["input"] == asked["input"] and "agent_id" not in asked
        assert asked["description"] == "test"
        assert asked["blocked_path"] == str(run.files / "ab"[number])
        control(run, "permission", request_id=asked["request_id"], decision=decision)
        wait_for(run, "permission_resolved", request_id=asked["request_id"], decision=decision)
    wait_for(run, "result")
    assert (run.files / "a").exists() and not (run.files / "b").exists()
    late = control(run, "permission", request_id=asked["request_id"], decision="allow")
    receipt(run, late, "dropped")


def test_alike_requests_say_which_call_and_which_agent_asks(root: Path) -> None:
    inner = script({"tools": [bash("touch a")]}, {"text": "done"})
    task = {"description": "one", "prompt": inner, "subagent_type": "general-purpose"}
    run = start(
        root,
        script({"tools": [bash("touch a"), {"name": "Task", "input": task}]}, {"text": "end"}),
        ask_permissions=True,
        allowed_tools=["Task"],
    )
    for number in range(2):
        wait_until(lambda n=number: len(events(run, "permission_requested")) > n, "permission")
        asked = events(run, "permission_requested")[number]
        control(run, "permission", request_id=asked["request_id"], decision="allow")
    assert wait_for_end(run)["type"] == "workflow_completed"
    one, two = events(run, "permission_requested")
    assert one["tool_use_id"] != two["tool_use_id"]
    agents = {e["tool_use_id"]: e.get("agent_id") for e in (one, two)}
    assert sorted(map(bool, agents.values())) == [False, True]
    for line in events(run, "assistant"):
        for block in line["message"]["content"]:
            if block.get("id") in agents:
                assert line.get("agent_id") == agents[block["id"]]


def test_a_plan_stands_in_its_request(root: Path) -> None:
    plan = "# The plan\n\n1. Look\n2. Leap"
    run = start(
        root,
        script({"tools": [{"name": "ExitPlanMode", "input": {"plan": plan}}]}, {"text": "end"}),
        ask_permissions=True,
        permission_mode="plan",
    )
    asked = wait_for(run, "permission_requested")
    assert (asked["tool_name"], asked["plan"]) == ("ExitPlanMode", plan)
    control(run, "permission", request_id=asked["request_id"], decision="allow")
    assert wait_for_end(run)["type"] == "workflow_completed"


def test_what_a_permission_suggests_is_taken_up(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write = [
        {"name": "Write", "input": {"file_path": str(outside / name), "content": name}}
        for name in ("one.txt", "two.txt")
    ]
    run = start(
        root,
        script({"tools": [write[0]]}, {"tools": [write[1]]}, {"text": "done"}),
        ask_permissions=True,
    )
    asked = wait_for(run, "permission_requested")
    assert asked["suggestions"], "the CLI suggests nothing any more"
    forged = {"type": "setMode", "mode": "bypassPermissions", "destination": "session"}
    line = {"type": "permission", "request_id": asked["request_id"], "decision": "allow"}
    runlog.post(run, line | {"id": "more", "updated_permissions": [*asked["suggestions"], forged]})
    assert wait_for(run, "message_received", message_id="more")["state"] == "dropped"
    runlog.post(run, line | {"updated_permissions": asked["suggestions"]})
    assert wait_for_end(run)["type"] == "workflow_completed"
    resolved = wait_for(run, "permission_resolved")
    assert resolved["updated_permissions"] == asked["suggestions"]
    assert len(events(run, "permission_requested")) == 1
    assert (outside / "two.txt").read_text() == "two.txt"


def test_permission_times_out_as_deny(root: Path) -> None:
    run = start(
        root,
        script({"tools": [bash("touch a")]}, {"text": "end"}),
        ask_permissions=True,
        permission_timeout_s=0.3,
        allowed_tools=[],
    )
    assert wait_for_end(run)["type"] == "workflow_completed"
    resolved = events(run, "permission_resolved")[0]
    assert (resolved["decision"], resolved["source"]) == ("deny", "default")
    assert not (run.files / "a").exists()


@pytest.mark.parametrize("answered", [True, False])
def test_question_of_the_agent(root: Path, answered: bool) -> None:
    run = start(
        root,
        script(
            {"tools": [{"name": "AskUserQuestion", "input": {"questions": [QUESTION]}}]},
            {"text": "end"},
        ),
        ask_permissions=True,
        question_timeout_s=600 if answered else 0.3,
    )
    asked = wait_for(run, "questions_presented")
    assert asked["questions"][0]["question"] == "Which colour?"
    assert asked["tool_use_id"].startswith("toolu_")
    if answered:
        answers = {"Which colour?": "Blue"}
        control(run, "answer", question_id=asked["question_id"], answers=answers)
    assert wait_for_end(run)["type"] == "workflow_completed"
    collected = events(run, "responses_collected")[0]
    expected = ("Blue", "human") if answered else ("Red", "default")
    assert (collected["answers"]["Which colour?"], collected["source"]) == expected
    told = json.dumps([e["message"] for e in events(run, "user")])
    assert expected[0] in told


SIZES = {
    "question": "Which sizes?",
    "header": "Sizes",
    "multiSelect": True,
    "options": [{"label": "S", "description": "s"}, {"label": "M", "description": "m"}],
}


def test_answers_by_hand_that_do_not_fit_leave_the_question_open(root: Path) -> None:
    tool = {"name": "AskUserQuestion", "input": {"questions": [QUESTION, SIZES]}}
    run = start(root, script({"tools": [tool]}, {"text": "end"}), ask_permissions=True)
    question_id = wait_for(run, "questions_presented")["question_id"]
    for bad in ({}, {"Size": "S"}, {"Colour": ["Red"], "Sizes": "S"}, {"Colour": "", "Sizes": "S"}):
        line = control(run, "answer", question_id=question_id, answers=bad)
        assert "Which" in receipt(run, line, "dropped")["reason"]
    # Its id in the place of a request's closes nothing either.
    wrong = control(run, "permission", request_id=question_id, decision="allow")
    receipt(run, wrong, "dropped")
    assert list(runlog.read_state(run).open_questions) == [question_id]
    good = {"Sizes": ["S", "M"], "Colour": "green"}
    line = control(run, "answer", question_id=question_id, answers=good)
    assert wait_for_end(run)["type"] == "workflow_completed"
    receipt(run, line, "completed")
    answers = wait_for(run, "responses_collected")["answers"]
    assert answers == {"Which colour?": "green", "Which sizes?": ["S", "M"]}
    told = json.dumps([e["message"] for e in events(run, "user")])
    assert "green" in told and "S, M" in told


def refused(error: str, status: int = 400) -> str:
    return script({"status": status, "error": error})


@pytest.mark.parametrize(
    ("prompt", "params", "reason", "told"),
    [
        ("hi", {"model": "no-such-model"}, "unknown_model", "no-such-model"),
        ("hi", {"env": {"ANTHROPIC_API_KEY": "bad-key"}}, "authentication", "API key"),
        (
            script({"tools": [bash("echo 1")]}, {"text": "x"}),
            {"max_turns": 1},
            "max_turns",
            "maximum",
        ),
        ("hi", {"cli_path": "/nonexistent/claude"}, "cannot_start", "/nonexistent/claude"),
        ("hi", {"cwd": "not/there"}, "bad_params", "not/there"),
        ("y" * 4_000_000, {}, "too_long", "too long"),
        (refused("prompt is too long: 250000 tokens > 200000 maximum"), {}, "too_long", "too long"),
        (refused("too large", 413), {}, "too_long", "too large"),
        (refused("Could not process image"), {}, "image_error", "image"),
        (refused("something else"), {}, "api_error", "something else"),
        (refused("later", 529), {}, "overloaded", "529"),
        (
            script({"fault": "silence", "text": "a b c d e f"}),
            {"answer_timeout_s": 0.5},
            "no_answer",
            "not answered for 0.5 s",
        ),
        (script(*[{"text": "no", "stop_reason": "refusal"}] * 3), {}, "refusal", ""),
        (script(*[{"text": "a", "stop_reason": "max_tokens"}] * 6), {}, "max_output", "maximum"),
        ("hi", {"no_such": 1}, "bad_params", "no_such"),
        (
            "hi",
            {"resume_session_id": "50ae775e-6ae6-4cba-8c7b-669b87e4cf48"},
            "cannot_start",
            "No conversation found",
        ),
    ],
)
def test_failures_tell_why(
    root: Path, prompt: str, params: dict[str, Any], reason: str, told: str
) -> None:
    run = start(root, prompt, **params)
    end = wait_for_end(run)
    assert end["type"] == "workflow_failed"
    assert end["reason"] == reason
    assert told in end["error"]
    for turn in events(run, "turn_ended"):
        assert turn["finish_reason"] == reason


@pytest.mark.parametrize("fault", [{"status": 529}, {"fault": "cut"}, {"fault": "bad_json"}])
def test_what_passes_is_tried_again_by_the_cli(root: Path, fault: dict[str, Any]) -> None:
    run = start(root, script({**fault, "times": 1, "text": "at last it came"}))
    end = wait_for_end(run)
    assert (end["type"], end["result"]) == ("workflow_completed", "at last it came")


def test_cli_killed(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"}))
    wait_for_tool(run)
    kill(cli_pid(run))
    end = wait_for_end(run)
    assert (end["type"], end["reason"], end["exit_code"]) == ("workflow_failed", "agent_exit", 137)
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_killed_run_goes_on_in_its_session(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"}))
    wait_for_tool(run)
    say(run, "only queued", "m0", delivery="queue")
    receipt(run, "m0", "queued")
    wait_for_transcript(run)
    session = wait_for(run, "system", subtype="init")["session_id"]
    before = run.stream.read_bytes()
    kill(wait_for(run, "workflow_started")["pid"])
    lost = wait_for_end(run)
    assert (lost["type"], lost["reason"]) == ("workflow_failed", "lost")
    (cut,) = events(run, "turn_ended")
    assert (cut["turn"], cut["finish_reason"]) == (1, "lost")
    assert not tree_of(run)
    say(run, script({"text": "on we go"}), "m1", resume=True)
    end = wait_for_end(run, attempt=2)
    assert end["type"] == "workflow_completed"
    assert run.stream.read_bytes().startswith(before)
    assert [e["attempt"] for e in events(run, "workflow_started")] == [1, 2]
    assert {e["session_id"] for e in events(run, "result")} == {session}
    # Also what the killed process had spent and told nobody, if it came to take it along.
    told = [e["total_cost_usd"] for e in events(run, "result")]
    assert end["stats"]["cost_usd"] == pytest.approx(told[-1])
    assert "on we go" in texts(run)
    assert receipts(run, "m1") == ["queued", "delivered", "completed"]
    assert receipts(run, "m0")[-1] == "completed"  # neither lost nor repeated
    replays = [e for e in events(run, "user") if e.get("uuid") == "m0"]
    assert len(replays) == 1


def test_cost_over_a_kill_and_a_resume(root: Path, tmp_path: Path) -> None:
    run = start(root, script({"text": "one"}), interactive=True)
    receipt(run, f"prompt-{run.run_id}", "completed")
    say(run, script({"tools": [wait_tool(tmp_path / "never")]}), "m1")
    wait_for_tool(run)
    wait_for_transcript(run)
    kill(wait_for(run, "workflow_started")["pid"])
    wait_for_end(run)
    say(run, script({"text": "two"}), "m2", resume=True)
    receipt(run, "m2", "completed")
    control(run, "stop")
    wait_for_end(run, attempt=2)
    say(run, script({"text": "three"}), "m3", resume=True)
    receipt(run, "m3", "completed")
    control(run, "stop")
    end = wait_for_end(run, attempt=3)
    results = events(run, "result")
    first, second, third = (e["total_cost_usd"] for e in results)
    added = sum(usage["costUSD"] for usage in results[1]["model_usage_since_last_result"].values())
    # The killed process may have come to save its total, with what it had told nobody: then the next goes on from it.
    saved = second - added > first - 1e-9
    spent = third if saved else first + third
    assert end["stats"]["cost_usd"] == pytest.approx(spent)
    by_model = runlog.read_state(run).spending.by_model
    assert sum(usage["cost_usd"] for usage in by_model.values()) == pytest.approx(spent)
    usage = sum(e["usage"]["input_tokens"] for e in results)
    told = end["stats"]["usage"]["input_tokens"]
    assert told > usage if saved else told == usage


def test_finished_run_is_reopened_on_its_session(root: Path) -> None:
    run = start(root, script({"text": "first"}))
    first = wait_for_end(run)
    wait_until(lambda: not tree_of(run), "its process to end")
    say(run, script({"text": "second"}), "m1", resume=True)
    second = wait_for_end(run, attempt=2)
    assert (first["result"], second["result"]) == ("first", "second")
    assert len({e["session_id"] for e in events(run, "result")}) == 1
    assert second["stats"]["cost_usd"] > first["stats"]["cost_usd"]


@pytest.mark.parametrize("fork", [False, True])
def test_existing_session_is_taken_up(root: Path, fork: bool) -> None:
    earlier = start(root, script({"text": "remember the number 17"}))
    wait_for_end(earlier)
    session = events(earlier, "result")[0]["session_id"]
    run = start(root, script({"text": "go"}), resume_session_id=session, fork_session=fork)
    assert wait_for_end(run)["result"] == "go"
    assert (events(run, "result")[0]["session_id"] == session) is not fork


def test_partial_messages(root: Path) -> None:
    run = start(root, script({"text": "a b c d e f g h"}), include_partial_messages=True)
    wait_for_end(run)
    deltas = [
        e["event"]["delta"]["text"]
        for e in events(run, "stream_event")
        if e["event"]["type"] == "content_block_delta" and "text" in e["event"]["delta"]
    ]
    assert "".join(deltas) == "a b c d e f g h"


def test_control_channel_stays_out_of_the_stream(root: Path) -> None:
    run = start(root, script({"tools": [bash("touch a")]}, {"text": "end"}), ask_permissions=True)
    wait_for_end(run)
    assert not {e["type"] for e in events(run)} & {"control_request", "control_response"}
    offsets = [record.offset for record in records(run)]
    assert offsets[-1] == run.stream.stat().st_size


def test_chat_goes_on_from_its_history(root: Path) -> None:
    earlier = [
        {"role": "user", "content": "I am Ada"},
        {"role": "assistant", "content": "Hello Ada"},
    ]
    run = runlog.create_run(root, "chat", chat_history=earlier)
    wait_until(lambda: runlog.run_status(run) == "waiting", "a person to speak")
    say(run, "who am I?", "m-1")
    receipt(run, "m-1", "completed")
    wait_until(lambda: runlog.run_status(run) == "waiting", "the end of the turn")
    # The scripted model says back what it was told last: the message itself, after what was before it.
    heard = events(run, "user")[0]["message"]["content"]
    assert [b["text"] for b in heard][1] == "who am I?"
    assert "user: I am Ada" in heard[0]["text"] and "assistant: Hello Ada" in heard[0]["text"]
    assert "who am I?" in texts(run)[-1]
    assert any(e["event"]["type"] == "content_block_delta" for e in events(run, "stream_event"))
    say(run, "and now?", "m-2")
    receipt(run, "m-2", "completed")
    again = events(run, "user")[1]["message"]["content"]
    assert "I am Ada" not in json.dumps(again), "told once"
    chat = ChatHistory(100, earlier)
    chat.begin()
    for record in records(run):
        chat.apply(record.event(), record.offset)
    said = [m.content for m in chat.messages if m.role == "user"]
    assert said == ["I am Ada", "who am I?", "and now?"]
    control(run, "stop")
    assert wait_for_end(run)["type"] == "workflow_stopped"
