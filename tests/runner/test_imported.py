"""An imported session goes on with the real CLI: the model hears what was said in it."""

from pathlib import Path

import pytest

from runlog import Workspace, list_runs, post, read_state, summarize
from runlog.export.formats import export_run, file_name
from runlog.sessions.intake import SessionAsked, import_session
from runlog.sessions.place import given_file
from tests.runner.claude_runs import start, texts
from tests.sessions import ONE, answer, told, write
from tests.support import bash, script, wait_for_end

pytestmark = pytest.mark.usefixtures("runner")

# Played on in another run: the model is shown the script, and how many steps of it were answered.
TALK = script(
    {"text": "I look.", "tools": [bash("echo hi")]},
    {"text": "It says hi."},
    {"text": "I remember, {{last_user}}"},
    {"text": "Still, {{last_user}}"},
)


def resumed(run: Workspace, text: str, attempt: int) -> None:
    post(run, {"type": "message", "content": text, "resume": True})
    assert wait_for_end(run, attempt=attempt)["type"] == "workflow_completed"


def test_out_and_in_again(module_runner: Path, tmp_path: Path) -> None:
    first = start(module_runner, TALK)
    wait_for_end(first)
    path = tmp_path / "claude" / "projects" / "-p" / file_name(first, "claude")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(export_run(first, "claude")))
    before = path.read_bytes()

    made = import_session(module_runner, given_file(path), SessionAsked())
    run = made.workspace
    assert path.stem == made.session_id == read_state(first).session_id
    assert (made.status, made.messages) == ("completed", 3)
    state = read_state(run)
    assert texts(run) == ["I look.", "It says hi."]
    assert (state.cost_usd, state.usage) == (read_state(first).cost_usd, read_state(first).usage)

    resumed(run, "what was it?", 2)
    resumed(run, "and now?", 3)
    assert texts(run)[2:] == ["I remember, what was it?", "Still, and now?"]
    after = read_state(run)
    assert after.turns == 4 and after.usage["output_tokens"] > state.usage["output_tokens"]
    assert after.cost_usd is not None and state.cost_usd is not None
    # Of the fork, which is told from its beginning, only what is new counts.
    assert state.cost_usd < after.cost_usd < 4 * state.cost_usd
    assert after.session_id not in (None, made.session_id)
    assert path.read_bytes() == before
    kept = next(run.path.glob(f"_home/.claude/projects/*/{made.session_id}.jsonl"))
    assert kept.read_bytes() == before

    # The whole of it is one session again.
    path.with_name(file_name(run, "claude")).write_bytes(b"".join(export_run(run, "claude")))
    again = import_session(
        module_runner, given_file(path.with_name(file_name(run, "claude"))), SessionAsked()
    )
    assert texts(again.workspace) == texts(run) and again.messages == 7
    assert read_state(again.workspace).cost_usd == after.cost_usd


@pytest.mark.parametrize("session", [ONE, "made-up-1"])
def test_a_session_of_another_version(module_runner: Path, tmp_path: Path, session: str) -> None:
    asked = script({"text": "So."}, {"text": "I have heard it, {{last_user}}"})
    lines = [
        {"type": "summary", "summary": "A talk", "leafUuid": "u2"},
        told(session, 1, asked),
        answer(session, 2, {"type": "text", "text": "So."}, stop_reason="end_turn"),
    ]
    path = write(tmp_path, lines, session="talk")
    made = import_session(module_runner, given_file(path), SessionAsked())
    resumed(made.workspace, "have you?", 2)
    assert texts(made.workspace) == ["So.", "I have heard it, have you?"]
    row = summarize(made.workspace)
    assert (row.title, row.created_at) == ("A talk", "2025-06-01T10:01:00.000Z")
    assert read_state(made.workspace).session_id not in (session, made.session_id)
    assert row.run_id in {each.run_id for each in list_runs(module_runner)}
