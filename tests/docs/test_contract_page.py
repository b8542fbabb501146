"""docs/contract.md: its lines are the real ones, its commands run as pasted."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import runlog
from relay.http import problems
from relay.http.tokens import read_tokens
from runlog import RunState, decode
from runlog.disk.records import malformed
from runlog.run.events import is_reserved
from runlog.run.inbox_lines import INBOX_TYPES, check_message
from runlog.run.manifest import Manifest
from runlog.run.vocabulary import EVENT_TYPES, event_schema, inbox_schema
from tests.docs.conftest import Place
from tests.docs.samples import REPOSITORY, page_text, sample, samples
from tests.support import bash, events, script, wait_for, wait_for_end, wait_tool, wait_until

PAGE = "contract.md"
TEXT = page_text(PAGE)
LINES = [line for block in samples(PAGE, "events") for line in block.lines]


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_event_lines_are_folded(line: str) -> None:
    event = decode(line.encode())
    assert event is not None
    assert event["timestamp"].endswith("Z")
    assert "run_id" in event
    RunState().apply(event, len(line) + 1)


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """type -> the fields of the table that are always there, and those that it calls rare."""
    found = {}
    table = TEXT.split("| type | fields beside the common ones |")[1].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        _, types, fields, _ = row.split("|", 3)
        # What stands in parentheses explains; `perhaps` goes on to the next semicolon.
        fields = re.sub(r"\([^)]*\)", "", fields)
        perhaps = " ".join(re.findall(r"perhaps ([^;]*)", fields))
        for kind in re.findall(r"`(\w+)`", types):
            rare = set(re.findall(r"`(\w+)`", perhaps))
            found[kind] = (set(re.findall(r"`(\w+)`", fields)) - rare, rare)
    return found


def test_every_type_of_the_table_has_a_line() -> None:
    assert tuple(rows()) == EVENT_TYPES
    assert set(EVENT_TYPES) == {json.loads(line)["type"] for line in LINES}


def test_the_table_and_the_schema_agree() -> None:
    for kind, schema in event_schema()["$defs"].items():
        if kind != "other":
            always, rare = rows()[kind]
            fields = schema["properties"].keys() - {"type", "timestamp", "run_id"}
            assert fields == always | rare, kind
            required = set(schema["required"]) - {"type", "timestamp", "run_id"}
            assert not required & rare and required <= always, kind


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_event_lines_fit_the_schema(line: str) -> None:
    event = json.loads(line)
    Draft202012Validator(event_schema()).validate(event)
    always, rare = rows()[event["type"]]
    told = {"type", "timestamp", "run_id", "iteration_count"}
    assert event.keys() <= told | always | rare, event["type"]


def test_inbox_lines_are_taken() -> None:
    seen = set()
    for block in samples(PAGE, "inbox"):
        for line in block.lines:
            body = decode(line.encode())
            assert body is not None
            check_message(body)
            Draft202012Validator(inbox_schema()).validate(body)
            seen.add(body["type"])
    assert seen == set(INBOX_TYPES)


def test_json_examples_have_the_real_fields() -> None:
    manifest, bad, problem = (json.loads(block.code) for block in samples(PAGE, "json"))
    assert manifest.keys() == set(Manifest.__dataclass_fields__)
    assert bad.keys() == malformed(1, 1, "").keys()
    told = problems.ProblemResponse(problems.Problem(422, "bad-params", "…", errors=[{}]))
    assert problem.keys() == json.loads(bytes(told.body)).keys()


def test_the_token_file_is_one(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(sample(PAGE, "tokens").code)
    file.chmod(0o600)
    (token,) = read_tokens(file)
    assert {"tokens": [token.as_json()]} == json.loads(file.read_text())


def test_every_problem_name_is_listed() -> None:
    """Those that stand in the relay's code as names of problems."""
    sources = "\n".join(path.read_text() for path in (REPOSITORY / "relay").rglob("*.py"))
    named = set(re.findall(r"Problem\(\s*\d{3},\s*\"([a-z-]+)\"", sources))
    named |= set(re.findall(r"\(\d{3}, \"([a-z-]+)\"\)", sources))
    listed = set(re.findall(r"`([a-z-]+)`", TEXT.split("| status | names |")[1].split("\n\n")[0]))
    assert named <= listed, named - listed


def test_own_lines_have_the_fields_of_a_real_run(place: Place) -> None:
    question = {
        "questions": [
            {
                "question": "Which database?",
                "header": "Database",
                "options": [
                    {"label": "SQLite", "description": "One file"},
                    {"label": "Postgres", "description": "A server"},
                ],
                "multiSelect": False,
            }
        ]
    }
    prompt = script(
        {"tools": [bash("touch notes.txt")]},
        {"tools": [{"name": "AskUserQuestion", "input": question}]},
        {"text": "Done."},
    )
    body = {
        "workflow": "claude",
        "prompt": prompt,
        "run_id": "contract-lines",
        "params": {"ask_permissions": True},
    }
    place.client.post("/workflows", json=body).raise_for_status()
    run = place.run("contract-lines")
    asked = wait_for(run, "permission_requested")
    place.client.post(
        f"/workflows/{run.run_id}/messages", json={"message": "Use tabs", "id": "hint-1"}
    ).raise_for_status()
    decision = {"request_id": asked["request_id"], "decision": "allow"}
    place.client.post(f"/workflows/{run.run_id}/permissions", json=decision).raise_for_status()
    asked = wait_for(run, "questions_presented")
    answer = {"question_id": asked["question_id"], "answers": {"Which database?": "Postgres"}}
    place.client.post(f"/workflows/{run.run_id}/answers", json=answer).raise_for_status()
    wait_for_end(run)
    real: dict[str, Any] = {event["type"]: event for event in events(run)}
    examples = {json.loads(line)["type"]: json.loads(line) for line in LINES}
    ours = {kind for kind in real if is_reserved(kind) or kind == "questions_presented"}
    assert ours >= {
        "workflow_started",
        "workflow_completed",
        "message_received",
        "permission_resolved",
    }
    for kind in ours:
        assert examples[kind].keys() == real[kind].keys() - {"reason"}, kind


def test_files_of_a_run_are_listed(place: Place, tmp_path: Path) -> None:
    body = {
        "workflow": "claude",
        "prompt": script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "hi"}),
        "run_id": "contract-files",
        "params": {"allowed_tools": ["Bash"]},
    }
    place.client.post("/workflows", json=body).raise_for_status()
    run = place.run("contract-files")
    wait_until(run.stream.exists, "the stream")
    place.client.post(
        f"/workflows/{run.run_id}/messages", json={"message": "also this"}
    ).raise_for_status()
    (tmp_path / "go").touch()
    wait_for_end(run)
    listing = TEXT.split("```text\nworkspaces/")[1].split("```")[0]
    assert {path.name for path in run.path.iterdir()} <= set(_names(listing))
    assert {path.name for path in place.root.iterdir() if path.name[0] == "_"} <= set(
        _names(listing)
    )


def _names(listing: str) -> list[str]:
    columns = [re.split(r"\s{2,}", line.strip() + "  ") for line in listing.splitlines()]
    return [
        name.partition("/")[0]
        for first, *rest in columns
        for name in (first, rest[0] if rest else "")
    ]


def test_inbox_line_by_hand(place: Place, tmp_path: Path) -> None:
    (block,) = samples(PAGE, "inbox-by-hand")
    body = {"workflow": "claude", "interactive": True, "run_id": "contract-by-hand"}
    place.client.post("/workflows", json=body).raise_for_status()
    run = place.run("contract-by-hand")
    wait_for(run, "workflow_started")
    place.shell(block.code, RUN_ID=run.run_id)
    wait_for(run, "message_received", message_id="by-hand-1", state="completed")
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)


def test_stream_by_curl(place: Place) -> None:
    (block,) = samples(PAGE, "stream")
    body = {"workflow": "command", "params": {"argv": ["echo", "hello"]}, "run_id": "contract-curl"}
    place.client.post("/workflows", json=body).raise_for_status()
    run = place.run("contract-curl")
    wait_for_end(run)
    shown = place.shell(block.code, RUN_ID=run.run_id)
    assert shown.startswith("retry: 1000\nid: ")
    data = [
        line.removeprefix("data: ") for line in shown.splitlines() if line.startswith("data: {")
    ]
    assert "\n".join(data[:-1]) + "\n" == run.stream.read_text()
    assert shown.endswith('event: end\ndata: {"status":"completed"}\n\n')
