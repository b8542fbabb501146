"""Python's folds against the shared vectors (`tests/vectors`), which the page's fold is held to as well."""

from typing import Any

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
    vector = vectors.read(name)
    added: dict[str, float] = {"cost_usd": 0.0, "input_tokens": 0}
    for event, _ in vectors.events_of(vector["lines"]):
        usage: Any = event.get("model_usage_since_last_result") or {}
        for told in usage.values():
            added["cost_usd"] += told["costUSD"]
            added["input_tokens"] += told["inputTokens"]
    if added["cost_usd"]:
        assert vector["state"]["cost_usd"] == pytest.approx(added["cost_usd"], abs=1e-6)
        assert vector["state"]["usage"]["input_tokens"] == added["input_tokens"]
