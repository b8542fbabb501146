"""The published schemas: valid themselves, about the types that there are, and as strict as the code is."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runlog.errors import BadMessage
from runlog.run.events import LIFECYCLE_TYPES, RESERVED_TYPES
from runlog.run.inbox_lines import DELIVERIES, INBOX_TYPES, check_message
from runlog.run.vocabulary import EVENT_TYPES, event_schema, inbox_schema

EVENTS = Draft202012Validator(event_schema())
INBOX = Draft202012Validator(inbox_schema())
COMMON = {"timestamp": "2025-01-19T10:30:45.123Z", "run_id": "r-1"}
STATS = {"events": 1, "turns": 0, "tool_calls": 0, "attempt": 1}


@pytest.mark.parametrize("schema", [event_schema(), inbox_schema()])
def test_schemas_are_schemas(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert [one["$ref"] for one in schema["oneOf"]] == [
        f"#/$defs/{name}" for name in schema["$defs"]
    ]
    assert all(one["description"] for one in schema["$defs"].values())


def test_every_type_that_means_something_is_told() -> None:
    assert set(EVENT_TYPES) >= LIFECYCLE_TYPES | RESERVED_TYPES
    assert inbox_schema()["$defs"].keys() == INBOX_TYPES.keys()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "assistant", "message": {"content": []}},
        {"type": "mine", "whatever": None},
        {"type": "progress_update", "timestamp": COMMON["timestamp"]},
        COMMON | {"type": "progress_update", "progress": 40.5, "files_read": 7},
        COMMON | {"type": "log", "level": "info", "message": "hello", "data": {"n": 1}},
        COMMON
        | {"type": "workflow_completed", "duration_s": 1.5, "result": None}
        | {"stats": STATS, "inbox_offset": 0},
    ],
)
def test_lines_that_fit(event: dict[str, Any]) -> None:
    EVENTS.validate(event)


@pytest.mark.parametrize(
    "event",
    [
        [],
        {},
        {"type": 7},
        {"type": "progress_update"},
        COMMON | {"type": "progress_update", "progress": 101},
        COMMON | {"type": "progress_update", "progress": "half"},
        COMMON | {"type": "log", "message": "hello", "level": "loud"},
        COMMON
        | {"type": "message_received", "message_id": "m", "state": "lost"}
        | {"inbox_offset": 0, "message_type": "message"},
        COMMON
        | {"type": "workflow_completed", "duration_s": 1.5, "stats": STATS, "inbox_offset": 0},
        {"type": "auto_approving", "timestamp": COMMON["timestamp"]},
    ],
)
def test_lines_that_do_not_fit(event: Any) -> None:
    assert not EVENTS.is_valid(event)


@pytest.mark.parametrize(
    "line",
    [
        {"type": "message", "content": "hi"},
        *({"type": "message", "content": "hi", "delivery": delivery} for delivery in DELIVERIES),
        {"type": "message", "content": "hi", "delivery": "soon"},
        {"type": "message", "content": [{"type": "text", "text": "hi"}], "resume": True},
        {"type": "message", "content": []},
        {"type": "message", "content": ["hi"]},
        {"type": "message", "content": ""},
        {"type": "message"},
        {"type": "stop", "id": "a.b:c_d-1"},
        {"type": "stop", "id": "a b"},
        {"type": "stop", "id": "x" * 129},
        {"type": "cancel"},
        {"type": "answer", "question_id": "q", "answers": {"Which?": "this"}},
        {"type": "answer", "question_id": "q", "answers": "this"},
        {"type": "answer", "answers": {}},
        {"type": "permission", "request_id": "p", "decision": "allow"},
        {"type": "permission", "request_id": "p", "decision": "perhaps"},
        {"type": "permission", "request_id": "", "decision": "deny"},
        {"type": "set_permission_mode", "mode": "plan"},
        {"type": "set_permission_mode"},
        {"type": "shout"},
    ],
)
def test_inbox_lines_fit_if_they_are_taken(line: dict[str, Any]) -> None:
    try:
        check_message(line)
        taken = True
    except BadMessage:
        taken = False
    assert INBOX.is_valid(line) == taken
