"""docs/workflows.md: its excerpts are lines that the fold understands, with the fields of today's events."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import runlog
from runlog import RunState
from runlog.run.vocabulary import EVENT_TYPES, event_schema
from runner.attempt.catalog import workflow_names
from tests.docs.samples import DOCS, sample
from tests.support import events, wait_for_end

PAGE = "workflows.md"
SCHEMA = Draft202012Validator(event_schema())


@pytest.mark.parametrize("name", ["monty", "research", "design", "langgraph", "chat"])
def test_excerpts_are_folded(name: str) -> None:
    state = RunState()
    for number, line in enumerate(sample(PAGE, name).lines, 1):
        event = json.loads(line)
        assert event["run_id"] == f"{name}-1"
        SCHEMA.validate(event)
        state.apply(event, number)
    assert "malformed" not in state.event_counts
    assert not (state.paused or state.open_questions or state.open_permissions)
    assert state.progress is not None or name == "chat"  # nobody knows how far a talk is


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
    ours = {"claude", "chat", "command", "monty", "research", "design", "langgraph"}
    assert ours <= set(workflow_names())
    assert all(f"`{name}`" in text for name in ours)


def test_names_of_ours_on_the_page_are_names() -> None:
    """In the table for those who come from elsewhere, what looks like an event of ours is one."""
    text = (DOCS / PAGE).read_text(encoding="utf-8").split("## Coming from")[1]
    here = " ".join(row.split("|")[2] for row in text.splitlines() if row.startswith("| "))
    looks = r"`((?:workflow|node|task|questions|responses|permission|progress|message)_\w+)`"
    named = set(re.findall(looks, here)) - {"message_start", "message_stop"}
    assert named and named <= set(EVENT_TYPES)
