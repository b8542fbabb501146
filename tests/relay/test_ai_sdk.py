"""The dialect `ai-sdk` by HTTP: what `useChat` sends, and what it is answered. Runs are files here."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from runlog import RunLock, Workspace, append_lines, create_run, read_manifest
from tests.relay.answers import Answer, begin, inbox, wait
from tests.relay.live import Relay, running_relay, say
from tests.relay.ui_chunks import UiMessage

ANSWER = {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": "Hello!"}]}
Alive = Callable[[Workspace], RunLock]


def text(message_id: str, said: str) -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": said}]}


@pytest.fixture
def run(relay: Relay, request: pytest.FixtureRequest) -> Workspace:
    """A claude run with the name of the test."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name)[:80].strip("-")
    return create_run(relay.root, "claude", run_id=name, prompt="Hello", interactive=True)


def message_of(answer: Answer) -> UiMessage:
    """Once it is whole."""
    return UiMessage().feed(answer.whole())


def send(relay: Relay, chat: str, *messages: dict[str, Any], **more: Any) -> Answer:
    body = {"id": chat, "messages": messages, "trigger": "submit-message"} | more
    return Answer(relay, "POST", "/ai-sdk", body)


@pytest.mark.parametrize("chat", ["x8Sk3JbAz0qWvT1M", "my-chat", "a/b ü?", "_", "x" * 500])
def test_a_chat_of_any_id_begins_a_run(relay: Relay, chat: str) -> None:
    answer = send(relay, chat, text("m1", "Write a haiku"))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    answer.wait_for("run_id")
    start = json.loads(answer.raw.splitlines()[0].removeprefix(b"data: "))
    run = Workspace(relay.root, start["messageMetadata"]["run_id"])
    manifest = read_manifest(run)
    assert (manifest.prompt, manifest.workflow) == ("Write a haiku", "claude")
    assert manifest.interactive
    again = send(relay, chat, text("m1", "Write a haiku"))
    again.wait_for(run.run_id)
    assert not inbox(run)
    begin(run)
    say(run, "assistant", message=ANSWER)
    wait(run)
    assert message_of(answer).text == message_of(again).text == "Hello!"
    path = f"/dialects/ai-sdk/{quote(chat, safe='')}/stream"
    assert relay.client.get(path).status_code == 204  # it waits for the next message


def test_a_message_is_a_turn_of_its_own(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    say(run, "assistant", message=ANSWER)
    wait(run)
    old = {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "Hello!"}]}
    answer = send(relay, run.run_id, text("m1", "Hello"), old, text("m2", "More"))
    line = inbox(run)[0]
    assert (line.id, line.content, line.delivery) == ("m2", "More", "queue")
    say(run, "assistant", message=ANSWER | {"id": "msg_2"})  # the turn before goes on
    say(run, "message_received", message_id="m2", state="delivered", message_type="message")
    more = {"id": "msg_3", "role": "assistant", "content": [{"type": "text", "text": "More."}]}
    say(run, "assistant", message=more)
    say(run, "message_received", message_id="m2", state="completed", message_type="message")
    message = message_of(answer)
    assert (message.text, message.id, message.finish) == ("More.", "answer-m2", "stop")


def test_a_page_without_its_history_goes_on_with_a_run_that_is_there(
    relay: Relay, run: Workspace, alive: Alive
) -> None:
    """What it sends along for a start does not matter then."""
    alive(run)
    begin(run)
    answer = send(relay, run.run_id, text("m2", "More"), params={"no": 1}, workflow="nothing")
    assert answer.status == 200
    assert [(line.id, line.content) for line in inbox(run)] == [("m2", "More")]


def test_a_permission_ends_the_answer_and_the_next_goes_on(
    relay: Relay, run: Workspace, alive: Alive
) -> None:
    alive(run)
    answer = send(relay, run.run_id, text("m1", "Hello"), text("m2", "Touch a file"))
    begin(run)
    say(run, "user", message={"content": "Touch"}, uuid="m2", isReplay=True)
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "touch a"}}
    say(run, "assistant", message={"id": "msg_1", "content": [call]})
    asked = {"tool_name": "Bash", "input": call["input"], "suggestions": [], "timeout_s": 300}
    say(run, "permission_requested", request_id="p-1", **asked)
    message = message_of(answer)
    assert (message.finish, message.tools()) == ("tool-calls", {"Bash": "approval"})

    reconnected = message_of(Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream"))
    assert reconnected.parts == message.parts

    approval = {"id": "p-1", "approved": False, "reason": "not now"}
    part = {"type": "dynamic-tool", "toolCallId": "toolu_1", "approval": approval}
    part["state"] = "approval-responded"
    said = {"id": message.id, "role": "assistant", "parts": [part]}
    rest = send(relay, run.run_id, text("m2", "Touch a file"), said)
    line = next(line for line in inbox(run) if line.type == "permission")
    assert line.body["decision"] == "deny"
    assert line.body["message"] == "not now"
    say(run, "permission_resolved", request_id="p-1", decision="deny")
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}
    say(run, "user", message={"content": [result]})
    say(run, "assistant", message={"id": "msg_2", "content": [{"type": "text", "text": "Well."}]})
    wait(run)
    message.feed(rest.whole())
    assert (message.finish, message.text) == ("stop", "Well.")
    assert message.tools() == {"Bash": "output-denied"}

    twice = relay.client.post("/dialects/ai-sdk", json={"id": run.run_id, "messages": [said]})
    assert twice.status_code == 409
    assert twice.json()["type"] == "/docs#not-open"


@pytest.mark.parametrize(
    "output", [{"Which?": "B"}, {"answers": {"Which?": "B"}}, "B"], ids=["plain", "nested", "one"]
)
def test_a_question_is_a_tool(relay: Relay, run: Workspace, alive: Alive, output: Any) -> None:
    alive(run)
    begin(run)
    questions = [{"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}]
    say(run, "questions_presented", question_id="q-1", questions=questions, smart_defaults={})
    asked = message_of(Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream"))
    assert asked.tools() == {"AskUserQuestion": "input-available"}
    part = {"type": "tool-AskUserQuestion", "toolCallId": "q-1", "state": "output-available"}
    said = {"id": asked.id, "role": "assistant", "parts": [part | {"output": output}]}
    rest = send(relay, run.run_id, said)
    line = next(line for line in inbox(run) if line.type == "answer")
    assert line.body["answers"] == {"Which?": "B"}
    say(run, "responses_collected", question_id="q-1", answers={"Which?": "B"}, source="human")
    say(run, "workflow_completed", duration_s=1, result="done", inbox_offset=0)
    asked.feed(rest.whole())
    assert (asked.finish, asked.tools()) == ("stop", {"AskUserQuestion": "output-available"})


def test_what_a_run_ends_with(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    answer = Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream")
    say(run, "workflow_failed", duration_s=1, reason="error", error="it broke", inbox_offset=0)
    message = message_of(answer)
    assert (message.error, message.finish, message.done) == ("it broke", None, True)


def test_nothing_runs(relay: Relay, run: Workspace, alive: Alive) -> None:
    assert relay.client.get("/dialects/ai-sdk/nobody/stream").status_code == 204
    alive(run)
    begin(run)
    wait(run)
    assert relay.client.get(f"/dialects/ai-sdk/{run.run_id}/stream").status_code == 204
    say(run, "workflow_completed", duration_s=1, inbox_offset=0)
    assert relay.client.get(f"/dialects/ai-sdk/{run.run_id}/stream").status_code == 204
    assert relay.client.post("/dialects/ai-sdk/nobody/stop").status_code == 404


def test_stop(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    assert relay.client.post(f"/dialects/ai-sdk/{run.run_id}/stop").status_code == 202
    assert [line.type for line in inbox(run)] == ["interrupt"]


def test_files_and_fields_of_a_start(relay: Relay) -> None:
    files = [
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,aGk="},
        {"type": "file", "mediaType": "text/plain", "url": "data:text/plain;base64,aGk="},
        {"type": "file", "mediaType": "application/pdf", "url": "https://example.org/a.pdf"},
    ]
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "See"}, *files]}
    send(relay, "with-files", message, params={"max_turns": 3}, priority=7, theme="dark")
    manifest = read_manifest(Workspace(relay.root, "with-files"))
    assert isinstance(manifest.prompt, list)
    assert [block["type"] for block in manifest.prompt] == ["text", "image", "text", "document"]
    assert manifest.prompt[2]["text"] == "hi"
    assert (manifest.params, manifest.priority) == ({"max_turns": 3}, 7)


def test_a_chat_that_was_elsewhere_before_takes_its_history_along(relay: Relay) -> None:
    old = {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "Hi!"}]}
    send(relay, "moved-here", text("m1", "Hello"), old, text("m2", "More"))
    manifest = read_manifest(Workspace(relay.root, "moved-here"))
    assert manifest.prompt == "More"
    assert [turn["content"] for turn in manifest.chat_history] == ["Hello", "Hi!"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "x", "messages": []}, 422),
        ({"messages": [text("m", "x")]}, 422),
        ({"id": "x", "messages": ["x"]}, 422),
        ({"id": "bad-start", "messages": [text("m", "x")], "workflow": "nothing"}, 422),
        ({"id": "bad-param", "messages": [text("m", "x")], "params": {"no": 1}}, 422),
    ],
)
def test_bad_requests_begin_nothing(relay: Relay, body: Any, status: int) -> None:
    answer = relay.client.post("/dialects/ai-sdk", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert not (relay.root / str(body.get("id"))).exists()


@pytest.mark.parametrize("fields", [{"limits": "x"}, {"labels": []}, {"priority": "high"}])
def test_fields_of_a_start_that_are_none_are_a_422(relay: Relay, fields: Any) -> None:
    body = {"id": "new", "messages": [text("m", "Hello")]} | fields
    answer = relay.client.post("/dialects/ai-sdk", json=body)
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == [f"#/{name}" for name in fields]


def test_a_foreign_page_begins_nothing(relay: Relay) -> None:
    body = {"id": "foreign", "messages": [text("m", "x")]}
    headers = {"origin": "https://elsewhere.example"}
    answer = relay.client.post("/dialects/ai-sdk", json=body, headers=headers)
    assert answer.status_code == 403
    assert not (relay.root / "foreign").exists()


def test_many_listen_to_one_turn_and_one_leaves(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    with relay.client.stream("GET", f"/dialects/ai-sdk/{run.run_id}/stream") as leaving:
        next(leaving.iter_bytes())
    listeners = [Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream") for _ in range(20)]
    for number in range(200):
        say(run, "reason_card", node="n", reasoning="é" * number)
    say(run, "assistant", message=ANSWER)
    wait(run)
    messages = [message_of(listener) for listener in listeners]
    assert all(message.parts == messages[0].parts for message in messages)
    assert len([p for p in messages[0].parts if p["type"] == "data-reason"]) == 200


def test_a_line_that_is_too_long_to_push(relay: Relay, run: Workspace, alive: Alive) -> None:
    """The tail sends short lines in its own call, long ones wait for the task: each is told once all the same."""
    alive(run)
    begin(run)
    answer = Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream")
    answer.wait_for("start")
    for size in (10, 600_000, 10):
        say(run, "reason_card", node="n", reasoning="x" * size)
        answer.wait_for("data-reason")
    wait(run)
    sizes = [len(p["data"]["reasoning"]) for p in message_of(answer).parts]
    assert sizes == [10, 600_000, 10]


def test_the_file_is_another_one(relay: Relay, run: Workspace, alive: Alive) -> None:
    alive(run)
    begin(run)
    answer = Answer(relay, "GET", f"/ai-sdk/{run.run_id}/stream")
    answer.wait_for("start")
    run.stream.unlink()
    append_lines(run.stream, b'{"type":"log"}\n')
    message = message_of(answer)
    assert message.error is not None
    assert "replaced" in message.error


def test_dialects_can_be_off(root: Path) -> None:
    with running_relay(root, "--no-dialects") as relay:
        answer = relay.client.post(
            "/dialects/ai-sdk", json={"id": "x", "messages": [text("m", "")]}
        )
        assert answer.status_code == 404
