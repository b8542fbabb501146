"""Python's folds against the shared vectors (`tests/vectors`), which the page's fold is held to as well."""

import pytest

from runlog import RunState
from tests import vectors


@pytest.mark.parametrize("name", vectors.names())
def test_folds_of_a_vector(name: str) -> None:
    vector = vectors.read(name)
    derived = vectors.derived(vector["lines"], vector.get("earlier", []))
    assert derived["history"] == vector["history"]
    assert derived["state"] == vector["state"]
    assert derived["trace"] == vector["trace"]


@pytest.mark.parametrize("name", vectors.names())
def test_a_state_that_is_copied_on_the_way_is_the_same(name: str) -> None:
    """A copy shares nothing that changes with the one it was made of."""
    state = RunState()
    for event, offset in vectors.events_of(vectors.read(name)["lines"]):
        before = state
        state = before.copy()
        kept = repr(before)
        state.apply(event, offset)
        assert repr(before) == kept
    once = RunState()
    for event, offset in vectors.events_of(vectors.read(name)["lines"]):
        once.apply(event, offset)
    assert state == once


@pytest.mark.parametrize("name", vectors.names())
def test_sums_are_what_the_results_tell(name: str) -> None:
    """By model: what each result adds, and what a process that was killed took along into the session's totals."""
    vector = vectors.read(name)
    spent: dict[tuple[str, str], float] = {}
    so_far: dict[tuple[str, str, str], float] = {}
    for event, _ in vectors.events_of(vector["lines"]):
        if "model_usage_since_last_result" not in event:
            continue
        added, session = event["model_usage_since_last_result"], event["session_id"]
        for model, totals in event["modelUsage"].items():
            for kind in ("costUSD", "inputTokens", "outputTokens"):
                since = added.get(model, {}).get(kind, 0)
                carried = totals[kind] - since
                untold = carried - so_far.get((session, model, kind), carried)
                spent[model, kind] = spent.get((model, kind), 0) + since + max(0, untold)
                so_far[session, model, kind] = totals[kind]
    if spent:
        ours = {
            "costUSD": "cost_usd",
            "inputTokens": "input_tokens",
            "outputTokens": "output_tokens",
        }
        state = vector["state"]
        for (model, kind), value in spent.items():
            assert state["model_usage"][model][ours[kind]] == pytest.approx(value)
        costs = sum(value for (_, kind), value in spent.items() if kind == "costUSD")
        assert state["cost_usd"] == pytest.approx(costs, abs=1e-6)
        assert len(state["model_usage"]) == len({model for model, _ in spent})


@pytest.mark.parametrize("name", ["killed", "limited", "spent", "subagent"])
def test_turns_are_what_the_results_tell(name: str) -> None:
    """But for what was interrupted or killed. (Of tools that ran side by side they count each.)"""
    vector = vectors.read(name)
    told = answers = 0
    for event, _ in vectors.events_of(vector["lines"]):
        if event["type"] == "assistant" and not event.get("parent_tool_use_id"):
            answers += event["message"]["model"] != "<synthetic>"
        elif event["type"] == "result":
            cut = str(event.get("terminal_reason")).startswith("aborted")
            told += answers if cut else event["num_turns"]
            answers = 0
        elif event["type"] == "workflow_failed":
            told, answers = told + answers, 0
    assert vector["state"]["counts"]["turns"] == told
