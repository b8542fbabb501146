"""Turns as things, answers of the model, and what a run waits for."""

from typing import Any

import pytest

from runlog import Event, RunState
from runlog.run.reasons import finish_reason


def fold(*events: Event) -> RunState:
    state = RunState()
    for number, event in enumerate(events, 1):
        state.apply(event, 10 * number)
    return state


def lifecycle(message_id: str, step: str) -> Event:
    return {"type": "command_lifecycle", "command_uuid": message_id, "state": step}


def user(content: Any, **fields: Any) -> Event:
    return {"type": "user", "message": {"content": content}, **fields}


def answer(key: str, *blocks: Event, tokens: int | None = None, **fields: Any) -> Event:
    usage = {} if tokens is None else {"usage": {"input_tokens": tokens, "output_tokens": 1}}
    return {"type": "assistant", "message": {"id": key, "content": list(blocks)} | usage, **fields}


def result(**fields: Any) -> Event:
    return {"type": "result", "subtype": "success", **fields}


TEXT = {"type": "text", "text": "so"}
CALL = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
OTHER = CALL | {"id": "u"}
MADE = {"type": "stream_event", "event": {"type": "message_start"}}
GIVEN = user([{"type": "tool_result", "tool_use_id": "t", "content": "x"}])
INIT = {"type": "system", "subtype": "init", "session_id": "s"}
STARTED = {"type": "workflow_started"}


def test_a_turn_from_its_first_line_to_its_result() -> None:
    begun = fold(STARTED, lifecycle("m1", "queued"), lifecycle("m1", "started"), INIT)
    assert begun.turn is not None
    assert (begun.turn.number, begun.turn.offset, begun.turn.message_id) == (1, 20, "m1")
    assert begun.turn.running and begun.turn.finish_reason is None
    for event in (lifecycle("steered", "started"), user("steered", uuid="steered"), answer("a")):
        begun.apply(event, 50)
    begun.apply(result(), 60)
    assert begun.turn.number == 1 and begun.turn.message_id == "m1"
    assert not begun.turn.running and begun.turn.finish_reason == "completed"
    begun.apply(lifecycle("m1", "completed"), 70)
    begun.apply(user("next", uuid="m2"), 80)
    assert (begun.turn.number, begun.turn.offset, begun.turn.message_id) == (2, 70, "m2")


def test_what_begins_no_turn() -> None:
    sub = answer("a", parent_tool_use_id="t")
    for event in (GIVEN, sub, user("[Request interrupted by user]"), lifecycle("m", "cancelled")):
        assert fold(event).turn is None
    assert fold(result()).turn is not None  # of others, who tell no more


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"type": "turn_ended", "finish_reason": "completed"}, "completed"),
        ({"type": "workflow_failed", "reason": "lost"}, "lost"),
        ({"type": "workflow_stopped", "reason": "stop"}, "stop"),
        ({"type": "workflow_completed"}, "completed"),
        (STARTED, "lost"),
        (result(is_error=True, api_error_status=529), "overloaded"),
        (result(subtype="error_during_execution", terminal_reason="aborted_tools"), "interrupted"),
    ],
)
def test_how_a_turn_ends(end: Event, reason: str) -> None:
    turn = fold(STARTED, user("hi", uuid="m1"), end).turn
    assert turn is not None
    assert (turn.running, turn.finish_reason) == (False, reason)


def test_the_run_process_has_the_last_word_on_its_turn() -> None:
    ended = {"type": "turn_ended", "turn": 1, "finish_reason": "max_output"}
    for number, reason in ((1, "max_output"), (2, "completed")):
        turn = fold(user("hi"), result(), ended | {"turn": number}).turn
        assert turn is not None and turn.finish_reason == reason


def test_a_turn_that_is_told_as_ended_late_ends_no_other() -> None:
    ended = {"type": "turn_ended", "turn": 1, "finish_reason": "interrupted"}
    turn = fold(user("one"), result(), user("two", uuid="m2"), ended).turn
    assert turn is not None
    assert (turn.number, turn.running, turn.finish_reason) == (2, True, None)


def test_a_command_that_asks_no_model_is_no_turn() -> None:
    made_up = answer("x", TEXT, local_command_run={"command": "usage", "args": ""})
    command = [
        lifecycle("c", "started"),
        INIT,
        made_up | {"message": made_up["message"] | {"model": "<synthetic>"}},
        user("<command-name>/usage</command-name>", uuid="c"),
        result(local_command="cost", num_turns=0),
    ]
    before = [lifecycle("m1", "started"), answer("a"), result(num_turns=1)]
    state = fold(*before, *command)
    assert state.turns == 1
    assert state.turn is not None and (state.turn.number, state.turn.message_id) == (1, "m1")
    assert not state.turn.running
    state = fold(*command)
    assert (state.turns, state.turn) == (0, None)


@pytest.mark.parametrize(
    ("events", "turns"),
    [
        ([answer("a", TEXT), answer("a", CALL), answer("a", CALL)], 1),
        # A tool may be done before the rest of its answer is told.
        ([answer("a", CALL, tokens=5), GIVEN, answer("a", OTHER, tokens=5)], 1),
        # Model proxies that give each answer the same id.
        ([answer("a", CALL, tokens=5), GIVEN, answer("a", CALL, tokens=9)], 2),
        ([answer("a", CALL), GIVEN, answer("a", TEXT)], 2),
        ([answer("a", CALL, tokens=5), GIVEN, answer("a", CALL, tokens=5)], 2),
        ([answer("a", CALL, tokens=5), GIVEN, MADE, answer("a", OTHER, tokens=5)], 2),
        # Once an id was given again, a result is the end of an answer.
        ([answer("a"), result(), answer("a", CALL), GIVEN, answer("a", OTHER)], 3),
        # Transcripts tell the request.
        ([answer("a", CALL, requestId="1"), GIVEN, answer("a", OTHER, requestId="2")], 2),
        ([answer("a", TEXT, requestRef="1"), answer("a", TEXT, requestRef="2")], 2),
        ([answer("a", CALL, requestId="1"), GIVEN, answer("a", TEXT, requestId="1")], 1),
        # Those that give none.
        ([answer("", TEXT), answer("", CALL), answer("", CALL)], 1),
        ([answer("", TEXT), answer("", TEXT)], 2),
        ([answer("", CALL), answer("", TEXT)], 2),
        ([answer("", CALL), GIVEN, answer("", CALL)], 2),
        ([answer("", TEXT, CALL), answer("", OTHER)], 2),
        ([answer("a", TEXT), user("and?"), answer("a", TEXT)], 2),
        ([answer("a", TEXT), result(num_turns=1), answer("a", TEXT), result(num_turns=1)], 2),
        # The CLI tells again what a compaction has kept.
        ([answer("a", TEXT, uuid="l1"), answer("b", TEXT, uuid="l2"), answer("a", uuid="l1")], 2),
        # After an interrupt `num_turns` is too high.
        ([result(terminal_reason="aborted_streaming", num_turns=2)], 0),
    ],
)
def test_answers_are_counted(events: list[Event], turns: int) -> None:
    assert fold(*events).turns == turns


@pytest.mark.parametrize(
    ("events", "status", "waits"),
    [
        ([], "running", None),
        (["idle"], "waiting", "message"),
        (["question"], "waiting", "answer"),
        (["permission"], "waiting", "answer"),
        (["question", "idle"], "waiting", "answer"),
        (["paused"], "paused", None),
        (["paused", "question"], "waiting", "answer"),
        (["permission", "paused"], "waiting", "answer"),
        (["question", "paused", "answered"], "paused", None),
        (["paused", "idle"], "paused", "message"),
    ],
)
def test_whoever_needs_somebody_says_so(events: list[str], status: str, waits: str | None) -> None:
    lines: dict[str, Event] = {
        "idle": {"type": "progress_update", "status": "waiting"},
        "question": {"type": "questions_presented", "question_id": "q"},
        "answered": {"type": "responses_collected", "question_id": "q"},
        "permission": {"type": "permission_requested", "request_id": "p"},
        "paused": {"type": "workflow_paused"},
    }
    state = fold(STARTED, *(lines[name] for name in events))
    assert (state.status, state.waiting_for) == (status, waits)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, "completed"),
        ({"stop_reason": "refusal"}, "refusal"),
        ({"stop_reason": "max_tokens"}, "max_output"),
        ({"is_error": True, "api_error_status": 401}, "authentication"),
        ({"is_error": True, "api_error_status": 413}, "too_long"),
        ({"is_error": True, "terminal_reason": "blocking_limit"}, "too_long"),
        ({"is_error": True, "terminal_reason": "image_error"}, "image_error"),
        ({"is_error": True, "terminal_reason": "api_error"}, "api_error"),
        ({"is_error": True, "terminal_reason": "completed"}, "error"),
        ({"is_error": True, "subtype": "error_max_turns"}, "max_turns"),
        ({"is_error": True, "subtype": "error_max_budget_usd"}, "max_budget"),
        ({"is_error": True, "subtype": "error_other"}, "error_other"),
        ({"is_error": True, "subtype": 7, "api_error_status": [], "stop_reason": {}}, "error"),
        ({"terminal_reason": "aborted_streaming", "is_error": True}, "interrupted"),
    ],
)
def test_reasons(told: Event, reason: str) -> None:
    assert finish_reason(result() | told) == reason


def test_calls_of_one_id_are_waited_for_each() -> None:
    begun = [STARTED, user("go"), answer("a", CALL, uuid="l1"), answer("a", CALL, uuid="l2")]
    assert [fold(*begun, *[GIVEN] * n).awaits_model for n in range(3)] == [False, False, True]
    assert fold(*begun).tool_calls == 2
    # Told again, it is one.
    again = [STARTED, user("go"), answer("a", CALL), answer("a", CALL, OTHER)]
    assert fold(*again).tool_calls == 2
    assert fold(*again, GIVEN, user([{"type": "tool_result", "tool_use_id": "u"}])).awaits_model


def test_what_was_said_last_is_of_one_answer() -> None:
    other = {"type": "text", "text": "then"}
    once = fold(
        STARTED, user("go"), answer("a", TEXT), answer("a", CALL), GIVEN, answer("a", other)
    )
    assert once.talk.said == "then"
    assert fold(STARTED, user("go"), answer("a", TEXT), answer("a", other)).talk.said == "sothen"
