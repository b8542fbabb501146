"""The dialect `ag-ui` by HTTP: what `HttpAgent` sends, and what it is answered. Runs are files here."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from runlog import RunLock, Workspace, create_run, read_manifest
from tests.relay.ag_ui_events import Thread
from tests.relay.answers import Answer, begin, inbox, wait
from tests.relay.live import Relay, say

Alive = Callable[[Workspace], RunLock]


@pytest.fixture
def run(relay: Relay, request: pytest.FixtureRequest) -> Workspace:
    """A claude run with the name of the test."""
    name = "ag-ui-" + re.sub("[^a-z0-9]+", "-", request.node.name)[:70].strip("-")
    return create_run(relay.root, "claude", run_id=name, prompt="Hello", interactive=True)


def said(text: Any, message_id: str = "m1") -> dict[str, Any]:
    return {"id": message_id, "role": "user", "content": text}


def agent(relay: Relay, thread: str, *messages: dict[str, Any], **more: Any) -> Answer:
    body = {"threadId": thread, "runId": "r1", "messages": messages, "tools": [], "context": []}
    return Answer(relay, "POST", "/ag-ui", body | {"state": {}, "forwardedProps": {}} | more)


def test_a_thread_begins_a_run(relay: Relay) -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image", "source": {"type": "data", "value": "aGk=", "mimeType": "image/png"}},
    ]
    props = {"params": {"max_turns": 3}, "theme": "dark"}
    answer = agent(relay, "Thread 1", said(parts), forwardedProps=props)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    answer.wait_for("run_id")
    found = re.search(rb'"run_id":"([^"]+)"', answer.raw)
    assert found is not None
    run = Workspace(relay.root, found[1].decode())
    manifest = read_manifest(run)
    assert [block["type"] for block in manifest.prompt or []] == ["text", "image"]  # type: ignore[index]
    assert (manifest.params, manifest.interactive) == ({"max_turns": 3}, True)
    begin(run)
    message = {"id": "msg_1", "content": [{"type": "text", "text": "Hello!"}]}
    say(run, "assistant", message=message)
    wait(run)
    thread = Thread().feed(answer.whole())
    assert (list(thread.texts.values()), thread.outcome) == (["Hello!"], "success")
    again = Thread().feed(agent(relay, "Thread 1", said(parts), forwardedProps=props).whole())
    assert again == thread


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"status": "resolved", "payload": {"approved": True}}, {"decision": "allow"}),
        ({"status": "resolved", "payload": True}, {"decision": "allow"}),
        (
            {"status": "resolved", "payload": {"approved": True, "editedArgs": {"command": "ls"}}},
            {"decision": "allow", "updated_input": {"command": "ls"}},
        ),
        ({"status": "resolved", "payload": {"approved": False}}, {"decision": "deny"}),
        ({"status": "resolved", "payload": "yes"}, {"decision": "deny"}),
        ({"status": "cancelled"}, {"decision": "deny"}),
    ],
)
def test_an_interrupt_is_resumed(
    relay: Relay, run: Workspace, alive: Alive, entry: Any, expected: dict[str, Any]
) -> None:
    alive(run)
    answer = agent(relay, run.run_id, said("Hello", "m0"), said("Touch", "m2"))
    begin(run)
    say(run, "user", message={"content": "Touch"}, uuid="m2", isReplay=True)
    say(run, "node_started", node="work")
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "touch a"}}
    say(run, "assistant", message={"id": "msg_1", "content": [call]})
    asked = {"tool_name": "Bash", "input": call["input"], "suggestions": []}
    say(run, "permission_requested", request_id="p-1", tool_use_id="toolu_1", **asked)
    thread = Thread().feed(answer.whole())
    assert thread.outcome == "interrupt"
    assert thread.interrupts[0]["toolCallId"] == "toolu_1"
    rest = agent(relay, run.run_id, said("Touch", "m2"), resume=[entry | {"interruptId": "p-1"}])
    line = next(line for line in inbox(run) if line.type == "permission")
    assert {name: line.body.get(name) for name in expected} == expected
    say(run, "permission_resolved", request_id="p-1", decision=expected["decision"])
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
    say(run, "user", message={"content": [result]})
    wait(run)
    thread.feed(rest.whole())
    assert thread.outcome == "success"
    assert thread.results["toolu_1"] == ("done" if expected["decision"] == "allow" else "denied")
    late = relay.client.post(
        "/dialects/ag-ui",
        json={
            "threadId": run.run_id,
            "runId": "r",
            "messages": [],
            "resume": [{"interruptId": "p-1"}],
        },
    )
    assert late.status_code == 409


@pytest.mark.parametrize("edited", ["ls", ["ls"], {}, {"cmd": "ls"}])
def test_an_edit_that_can_not_be_made_approves_nothing(
    relay: Relay, run: Workspace, alive: Alive, edited: Any
) -> None:
    alive(run)
    begin(run)
    asked = {"tool_name": "Bash", "input": {"command": "rm x"}, "suggestions": []}
    say(run, "permission_requested", request_id="p-1", **asked)
    entry = {"interruptId": "p-1", "payload": {"approved": True, "editedArgs": edited}}
    body = {"threadId": run.run_id, "runId": "r", "messages": [], "resume": [entry]}
    refused = relay.client.post("/dialects/ag-ui", json=body)
    assert refused.status_code == 422 and "updated_input" in refused.text
    assert inbox(run) == []


@pytest.mark.parametrize(
    ("payload", "answers"),
    [({"Which?": "B"}, {"Which?": "B"}), ("B", {"Which?": "B"}), (None, {"Which?": "A"})],
)
def test_a_question_is_an_interrupt(
    relay: Relay, run: Workspace, alive: Alive, payload: Any, answers: Any
) -> None:
    alive(run)
    begin(run)
    questions = [{"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}]
    asked = {"questions": questions, "smart_defaults": {"Which?": "A"}}
    say(run, "questions_presented", question_id="q-1", **asked)
    entry = {"interruptId": "q-1", "status": "resolved", "payload": payload}
    rest = agent(relay, run.run_id, resume=[entry])
    line = next(line for line in inbox(run) if line.type == "answer")
    assert line.body["answers"] == answers
    say(run, "responses_collected", question_id="q-1", answers=answers, source="human")
    say(run, "workflow_stopped", duration_s=1, reason="stop", inbox_offset=0)
    assert Thread().feed(rest.whole()).outcome == "cancelled"


def test_a_failure_is_a_run_error(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    answer = agent(relay, run.run_id, said("Hello", "m0"), said("More", "m2"))
    say(run, "message_received", message_id="m2", state="dropped", reason="the run ended")
    assert Thread().feed(answer.whole()).outcome == "error"


def test_stop(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    assert relay.client.post(f"/dialects/ag-ui/{run.run_id}/stop").status_code == 202
    assert [line.type for line in inbox(run)] == ["interrupt"]
    assert relay.client.post("/dialects/ag-ui/nobody/stop").status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"threadId": "t", "runId": "r", "messages": []}, 422),
        ({"threadId": "t", "runId": "r"}, 422),
        ({"threadId": "", "runId": "r", "messages": [said("x")]}, 422),
        ({"threadId": "t", "runId": "r", "messages": [{"role": "assistant", "content": "x"}]}, 422),
        (
            {"threadId": "nobody", "runId": "r", "messages": [], "resume": [{"interruptId": "p"}]},
            404,
        ),
    ],
)
def test_bad_requests(relay: Relay, body: Any, status: int) -> None:
    answer = relay.client.post("/dialects/ag-ui", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
