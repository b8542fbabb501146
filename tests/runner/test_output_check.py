"""Whatever a workflow returns, the run's own process holds it to the `output_schema`."""

from typing import Any

import pytest

from runner.attempt.process import _completed

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("result", [None, "text", [], {}, {"n": "x"}])
def test_a_result_that_does_not_fit(result: Any) -> None:
    outcome = _completed(result, SCHEMA)
    assert outcome.event_type == "workflow_failed"
    assert outcome.fields["reason"] == "bad_output" and outcome.fields["result"] == result


def test_one_that_does() -> None:
    assert _completed({"n": 1}, SCHEMA).event_type == "workflow_completed"
    assert _completed("anything", None).event_type == "workflow_completed"
