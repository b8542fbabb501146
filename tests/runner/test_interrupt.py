"""An interrupt, by itself or with a message, while the agent waits for a person: what was asked is closed."""

from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace
from tests.runner.claude_runs import QUESTION, control, receipt, say, start
from tests.support import bash, events, receipts, script, wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")

ASKS = {
    "questions_presented": {"name": "AskUserQuestion", "input": {"questions": [QUESTION]}},
    "permission_requested": bash("touch a"),
}


def asking(root: Path, kind: str) -> tuple[Workspace, dict[str, Any]]:
    run = start(
        root,
        script({"tools": [ASKS[kind]]}, {"text": "no"}),
        interactive=True,
        allowed_tools=[],
        question_timeout_s=300,
        permission_timeout_s=300,
    )
    return run, wait_for(run, kind)


def interrupt(run: Workspace, by: str) -> str:
    if by == "interrupt":
        return control(run, "interrupt")
    say(run, script({"text": "instead"}), "m1", delivery="interrupt")
    return "m1"


@pytest.mark.parametrize("by", ["interrupt", "message"])
def test_question_is_closed(root: Path, by: str) -> None:
    run, asked = asking(root, "questions_presented")
    line = interrupt(run, by)
    closed = wait_for(run, "responses_collected", question_id=asked["question_id"])
    assert (closed["source"], closed["answers"]) == ("interrupt", {})
    receipt(run, line, "completed")
    wait_until(lambda: runlog.read_state(run).activity == "waiting", "the run to wait")
    assert runlog.read_state(run).open_questions == {}
    answers = {"Which colour?": "Blue"}
    late = control(run, "answer", question_id=asked["question_id"], answers=answers)
    receipt(run, late, "dropped")
    assert not events(run, "auto_approving")
    say(run, script({"text": "on"}), "m2")
    receipt(run, "m2", "completed")
    control(run, "stop")
    assert wait_for_end(run)["type"] == "workflow_stopped"


def test_permission_is_closed(root: Path) -> None:
    run, asked = asking(root, "permission_requested")
    line = interrupt(run, "message")
    closed = wait_for(run, "permission_resolved", request_id=asked["request_id"])
    assert (closed["decision"], closed["source"]) == ("deny", "default")
    receipt(run, line, "completed")
    assert runlog.read_state(run).open_permissions == {}
    late = control(run, "permission", request_id=asked["request_id"], decision="allow")
    receipt(run, late, "dropped")
    assert not (run.files / "a").exists()


@pytest.mark.parametrize("kind", list(ASKS))
def test_answer_in_the_same_breath_has_a_receipt(root: Path, kind: str) -> None:
    run, asked = asking(root, kind)
    if kind == "questions_presented":
        body = {"question_id": asked["question_id"], "answers": {"Which colour?": "Blue"}}
        line = control(run, "answer", **body)
    else:
        line = control(run, "permission", request_id=asked["request_id"], decision="deny")
    control(run, "interrupt")
    wait_until(lambda: receipts(run, line), "a receipt of the answer")
