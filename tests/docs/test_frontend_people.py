"""docs/FRONTEND_INTEGRATION.md: the chat, messages with receipts, questions and permissions."""

import json
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from tests.docs.conftest import Place
from tests.docs.pages import play
from tests.support import bash, events, receipts, records, script, wait_for, wait_for_end

CHAT = """
import { newChat, applyEvent, render } from "./chat.mjs";
import { poll } from "./poll.mjs";
const chat = newChat(), grown = [], offsets = [];
for await (const { offset, event } of poll(given.run)) {
  offsets.push(offset);
  applyEvent(chat, event);
  for (const item of chat.items.values()) if (!item.done && item.text) grown.push(item.text);
}
const drawn = [];
const parent = { ownerDocument: { createElement: () => ({}) }, replaceChildren: (...lines) => drawn.push(...lines) };
render(chat, parent);
const plain = ({ role, kind, text, done, result }) => ({ role, kind, text, done, result });
done({ items: [...chat.items.values()].map(plain), grown, offsets, drawn });
"""


def test_chat_with_partial_text(place: Place, modules: Path) -> None:
    answer = "The quick brown fox jumps over <b>the lazy dog</b>."
    prompt = script(
        {"text": "I look.", "tools": [bash("echo found it")]},
        {"thinking": "Hm.", "text": answer, "chunk_delay_s": 0.01},
    )
    run = place.start("claude", prompt=prompt, params={"include_partial_messages": True})
    wait_for_end(run)
    told = play(modules, CHAT, host=place.url, run=run.run_id)
    shape = [(item["role"], item["kind"], item["text"]) for item in told["items"]]
    assert shape == [
        ("user", "text", prompt),
        ("assistant", "text", "I look."),
        ("assistant", "tool_use", ""),
        ("assistant", "thinking", "Hm."),
        ("assistant", "text", answer),
    ]
    assert all(item["done"] for item in told["items"])
    assert "found it" in json.dumps(told["items"][2]["result"])
    parts = [text for text in told["grown"] if answer.startswith(text)]
    assert "The quick " in parts
    assert told["drawn"][-1]["textContent"] == answer
    assert told["offsets"] == [record.offset for record in records(run)]


SEND = """
import { send, applyReceipt } from "./messages.mjs";
import { poll } from "./poll.mjs";
const real = globalThis.fetch;
let lost = given.lose;
globalThis.fetch = async (url, options) => {
  const answer = await real(url, options);
  if (options?.method === "POST" && lost-- > 0) throw new TypeError("the answer was lost");
  return answer;
};
const outbox = new Map(), states = [];
const id = await send(given.run, "Use tabs", outbox);
states.push(outbox.get(id).state);
const after = async () => {
  for await (const { event } of poll(given.run)) {
    applyReceipt(outbox, event);
    if (event.type === "message_received" && event.message_id === id) states.push(outbox.get(id).state);
    if (outbox.get(id).state === "completed" || outbox.get(id).state === "dropped") return;
  }
};
await after();
done({ id, states, outbox: [...outbox.values()] });
"""


@pytest.mark.parametrize("lose", [0, 2])
def test_messages_are_said_once(place: Place, modules: Path, lose: int) -> None:
    run = place.start("claude", interactive=True)
    wait_for(run, "workflow_started")
    told = play(modules, SEND, host=place.url, run=run.run_id, lose=lose)
    assert told["states"] == ["sent", "queued", "delivered", "completed"]
    assert receipts(run, told["id"]) == ["queued", "delivered", "completed"]
    assert len(run.inbox.read_bytes().splitlines()) == 1
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)


def test_message_to_a_finished_run(place: Place, modules: Path, recorded: Workspace) -> None:
    driver = """
import { send } from "./messages.mjs";
const outbox = new Map();
await send(given.run, "hello", outbox);
done([...outbox.values()]);
"""
    (sent,) = play(modules, driver, host=place.url, run=recorded.run_id)
    assert sent["state"] == "failed"
    assert "has ended" in sent["reason"]


ANSWER = """
import { applyQuestion, loadQuestions, answerQuestion, decide } from "./questions.mjs";
import { poll } from "./poll.mjs";
const open = new Map(), told = {};
const after = await loadQuestions(given.run, open);
const [permission] = open.values();
told.first = permission.tool_name;
told.decided = await decide(given.run, permission.request_id, "allow", { updated_input: given.input });
for await (const { event } of poll(given.run, { after })) {
  applyQuestion(open, event);
  if (event.type === "permission_resolved") told.again = await decide(given.run, permission.request_id, "deny");
  if (event.type === "questions_presented") {
    told.answered = await answerQuestion(given.run, event.question_id, { "Which database?": "Postgres" });
  }
}
done({ ...told, open: [...open.keys()] });
"""


def test_questions_and_permissions(place: Place, modules: Path) -> None:
    options = [{"label": name, "description": name} for name in ("SQLite", "Postgres")]
    question = {
        "question": "Which database?",
        "header": "Database",
        "options": options,
        "multiSelect": False,
    }
    asked = {"name": "AskUserQuestion", "input": {"questions": [question]}}
    prompt = script({"tools": [bash("touch a.txt")]}, {"tools": [asked]}, {"text": "Done."})
    run = place.start("claude", prompt=prompt, params={"ask_permissions": True})
    wait_for(run, "permission_requested")
    given = bash("touch b.txt")["input"]
    told = play(modules, ANSWER, host=place.url, run=run.run_id, input=given)
    want = {"first": "Bash", "decided": True, "again": False, "answered": True, "open": []}
    assert told == want
    assert (run.files / "b.txt").exists()
    assert events(run, "responses_collected")[0]["answers"] == {"Which database?": "Postgres"}
