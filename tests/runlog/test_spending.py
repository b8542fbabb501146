"""What runs cost: sums over turns, sessions, models, processes and attempts."""

from typing import Any

import pytest

from runlog import Event, RunState

STARTED = {"type": "workflow_started"}
LOST = {"type": "workflow_failed", "reason": "lost"}
STOPPED = {"type": "workflow_stopped", "reason": "stop"}


def fold(*events: Event) -> RunState:
    state = RunState()
    for number, event in enumerate(events, 1):
        state.apply(event, number)
    return state


def usage(cost: float, tokens: int = 0) -> Event:
    return {"inputTokens": tokens, "outputTokens": tokens // 10, "costUSD": cost, "provider": "x"}


def result(total: float, since: Event | None = None, session: str = "s", **more: Any) -> Event:
    told: Event = {"type": "result", "session_id": session, "total_cost_usd": total, **more}
    return told if since is None else told | {"model_usage_since_last_result": since}


# As the CLI does it: killed, a process leaves nothing; else the next one goes on from its sum.
@pytest.mark.parametrize(
    ("events", "cost"),
    [
        ([STARTED, result(0.05), LOST, STARTED, result(0.11)], 0.16),
        ([STARTED, result(0.05), LOST, STARTED, result(0.11), result(0.16)], 0.21),
        ([STARTED, result(0.05), STOPPED, STARTED, result(0.11)], 0.11),
        ([STARTED, result(0.05), STOPPED, STARTED, result(0.11), LOST, STARTED, result(0.2)], 0.26),
        ([STARTED, result(0.05), STOPPED, STARTED, LOST, STARTED, result(0.06)], 0.06),
        ([STARTED, result(0.05), STARTED, result(0.11)], 0.16),  # nobody said how it ended
        (
            [
                STARTED,
                result(0.05),
                {"type": "workflow_failed", "reason": "agent_exit", "exit_code": 137},
                STARTED,
                result(0.11),
            ],
            0.16,
        ),
        (
            [
                STARTED,
                result(0.05),
                {"type": "workflow_failed", "reason": "agent_exit", "exit_code": 143},
                STARTED,
                result(0.11),
            ],
            0.11,
        ),
    ],
)
def test_over_attempts(events: list[Event], cost: float) -> None:
    assert fold(*events).cost_usd == pytest.approx(cost)


@pytest.mark.parametrize("end", [LOST, STOPPED])
def test_what_a_result_adds_is_taken_at_its_word(end: Event) -> None:
    state = fold(
        STARTED,
        result(0.05, {"big": usage(0.05, 100)}),
        end,
        STARTED,
        result(0.11, {"big": usage(0.06, 100)}),
        result(0.11, {}, local_command="cost", num_turns=0),
        result(0.2, {"big": usage(0.05, 70), "small": usage(0.04, 30)}),
    )
    assert state.cost_usd == pytest.approx(0.2)
    assert state.usage["input_tokens"] == 300
    assert {model: told["cost_usd"] for model, told in state.spending.by_model.items()} == {
        "big": pytest.approx(0.16),
        "small": pytest.approx(0.04),
    }


def test_a_session_that_was_taken_up_cost_others_what_it_had_cost() -> None:
    assert fold(STARTED, result(1.05, {"big": usage(0.05)})).cost_usd == pytest.approx(0.05)


INIT = {"type": "system", "subtype": "init", "session_id": "s"}


def test_what_a_killed_process_took_along_and_came_to_tell_nobody() -> None:
    def results(*sums: float) -> list[Event]:
        """The first of a process tells what it took along in its sums, and what it adds apart from that."""
        return [
            result(so_far, {"big": usage(0.05, 10)}, modelUsage={"big": usage(so_far, 10)})
            for so_far in sums
        ]

    for before, first, cost in (
        ([], 0.10, 0.10),  # it had told nothing, and took 0.05 along
        ([], 0.05, 0.05),  # nor took anything along
        (results(0.05), 0.14, 0.14),  # it took along 0.04 more than it had told
        (results(0.05), 0.10, 0.10),  # just what it had told
        (results(0.05), 0.05, 0.10),
    ):
        state = fold(STARTED, INIT, *before, LOST, STARTED, INIT, *results(first))
        assert state.cost_usd == pytest.approx(cost)
    # What a session of others had cost is not the run's.
    assert fold(STARTED, INIT, *results(5.05, 5.10)).cost_usd == pytest.approx(0.10)


def test_usage_is_of_all_models_and_subagents() -> None:
    main = {"input_tokens": 10, "output_tokens": 1}
    state = fold(
        result(0.1, usage=main, modelUsage={"big": usage(0.1, 100)}),
        result(0.3, usage=main, modelUsage={"big": usage(0.2, 150), "small": usage(0.1, 50)}),
    )
    assert state.usage["input_tokens"] == 200 and state.usage["output_tokens"] == 20
    assert state.spending.by_model["big"]["input_tokens"] == 150
    assert sum(m["cost_usd"] for m in state.spending.by_model.values()) == pytest.approx(0.3)
    # What tells no models tells of the main agent alone.
    assert fold(result(0.1, usage=main), result(0.2, usage=main)).usage == {
        "input_tokens": 20,
        "output_tokens": 2,
    }


def test_subagents() -> None:
    def task(step: str, **fields: Any) -> Event:
        return {"type": "system", "subtype": f"task_{step}", "tool_use_id": "t1", **fields}

    told = {"subagent_type": "explorer", "task_id": "a1"}
    counts = {"total_tokens": 50, "tool_uses": 2, "duration_ms": 7}
    state = fold(
        task("started", description="look", **told),
        task("progress", description="Running ls", usage={"total_tokens": 20}, **told),
        task("notification", status="completed", usage=counts),
        # A command in the background is none.
        {"type": "system", "subtype": "task_started", "tool_use_id": "t2", "task_id": "b1"},
        # In the foreground: told with the result of its call.
        {
            "type": "user",
            "message": {"content": [{"type": "tool_result", "tool_use_id": "t3", "content": "x"}]},
            "tool_use_result": {"agentId": "a3", "totalTokens": 9, "totalToolUseCount": 1},
        },
    )
    first, second = state.subagents.values()
    assert first == {
        "tool_use_id": "t1",
        "agent_id": "a1",
        "type": "explorer",
        "description": "look",
        "status": "completed",
        **counts,
    }
    assert (second["tool_use_id"], second["agent_id"], second["total_tokens"]) == ("t3", "a3", 9)
    copied = state.copy()
    state.apply(task("notification", status="failed"), 99)
    assert copied.subagents["t1"]["status"] == "completed"


def test_of_the_tail_of_a_stream_the_total_tells() -> None:
    def told(index: int, total: float) -> Event:
        by_model = {"big": usage(total, round(1000 * total))}
        return result(total, {"big": usage(0.1, 100)}, modelUsage=by_model, result_index=index)

    results = [told(index, 0.1 * (index + 1)) for index in range(4)]
    for cut in range(4):
        state = fold(INIT, *results[cut:])
        assert state.cost_usd == pytest.approx(0.4)
        assert state.usage["input_tokens"] == 400


def test_a_copy_stays_as_it_is() -> None:
    state = fold(result(0.1, modelUsage={"big": usage(0.1, 10)}))
    copied = state.copy()
    state.apply(result(0.3, modelUsage={"big": usage(0.3, 30)}), 9)
    assert copied.cost_usd == pytest.approx(0.1)
    assert copied.usage["input_tokens"] == 10
    assert copied.spending.by_model["big"]["input_tokens"] == 10


@pytest.mark.parametrize("bad", [None, "x", True, [], -1, float("inf"), {"big": 1}, {"big": []}])
def test_what_tells_no_usage(bad: Any) -> None:
    state = fold(
        result(0.1, modelUsage=bad, usage=bad),
        {"type": "result", "total_cost_usd": bad, "model_usage_since_last_result": bad},
        result(0.2, modelUsage={"big": {"inputTokens": bad, "costUSD": bad}}),
    )
    assert state.cost_usd is not None and state.cost_usd <= 0.3
    assert all(isinstance(tokens, int) for tokens in state.usage.values())
