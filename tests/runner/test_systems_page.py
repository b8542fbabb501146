"""docs/workflows.md: its excerpts are lines that the fold understands, with the fields of today's events."""

import json
from pathlib import Path

import pytest

import runlog
from runlog import RunState
from runner.catalog import workflow_names
from tests.docs.samples import DOCS, sample
from tests.support import events, wait_for_end

PAGE = "workflows.md"


@pytest.mark.parametrize("name", ["monty", "research", "design"])
def test_excerpts_are_folded(name: str) -> None:
    state = RunState()
    for number, line in enumerate(sample(PAGE, name).lines, 1):
        event = json.loads(line)
        assert event["run_id"] == f"{name}-1"
        state.apply(event, number)
    assert "malformed" not in state.event_counts
    assert state.progress is not None and not state.paused and not state.open_questions


def test_an_excerpt_has_the_fields_of_a_real_run(root: Path, runner: None) -> None:
    params = {"count": 1, "min_sleep_s": 0.05, "max_sleep_s": 0.05}
    run = runlog.create_run(root, "monty", params=params)
    wait_for_end(run)
    shown = [json.loads(line) for line in sample(PAGE, "monty").lines]
    updates = [event for event in shown if event["type"] == "progress_update"]
    assert updates[0].keys() == events(run, "progress_update")[0].keys()
    assert updates[-1].keys() == events(run, "progress_update")[-1].keys()


def test_every_workflow_is_on_the_page() -> None:
    text = (DOCS / PAGE).read_text(encoding="utf-8")
    ours = {"claude", "command", "monty", "research", "design"}
    assert ours <= set(workflow_names())
    assert all(f"`{name}`" in text for name in ours)
