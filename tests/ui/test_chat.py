"""The Chat tab: real runs of the Claude CLI on a scripted model, talked to and answered by a real browser."""

import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, expect

from runlog import Event, Workspace
from tests.support import (
    bash,
    events,
    script,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_tool,
    wait_until,
)
from tests.ui.chat import DATABASE, SIZES, ask, box, dock, item, state_of, talk
from tests.ui.support import (
    AWAY,
    BROWSER,
    PHONE,
    Site,
    Watch,
    overflow_px,
    screenshot,
    serious_faults,
)

pytestmark = BROWSER


def said_since(run: Workspace) -> list[Event]:
    """Receipts of what came after the prompt, which has its own."""
    return [event for event in events(run, "message_received") if event["inbox_offset"]]


def test_text_shows_while_it_is_written(site: Site, page: Page) -> None:
    """Slowly, so that a busy machine sees it too; and once it is written."""
    slow, quick = (" ".join(f"**word{n}**" for n in range(count)) for count in (400, 60))
    step = {"text": f"{slow}\n\nNever said.", "chunk_delay_s": 0.2}
    run = talk(site, step, until="stream_event", include_partial_messages=True)
    page.goto(f"/runs/{run.run_id}")
    growing = page.locator(".growing")
    expect(growing).to_contain_text("word3")
    assert not events(run, "result")
    assert "Never said." not in growing.inner_text()

    step = {"text": f"{quick}\n\nThe end.", "chunk_delay_s": 0.01}
    run = talk(site, step, until="result", include_partial_messages=True)
    page.goto(f"/runs/{run.run_id}")
    said = item(page, "text", "The end.")
    expect(said.locator("strong").last).to_have_text("word59")
    expect(growing).to_have_count(0)
    expect(item(page, "text")).to_have_count(1)


def test_a_message_is_queued_then_delivered_then_done(
    site: Site, page: Page, tmp_path: Path
) -> None:
    gate, second_gate = tmp_path / "gate", tmp_path / "second-gate"
    run = talk(
        site,
        {"text": "I wait.", "tools": [wait_tool(gate)]},
        {"text": "That is over."},
        {"text": "I have it.", "tools": [wait_tool(second_gate)]},
        {"text": "You said: {{last_user}}"},
        allowed_tools=["Bash"],
    )
    page.goto(f"/runs/{run.run_id}")
    expect(item(page, "tool", "Bash")).to_be_visible()
    wait_for_tool(run)
    box(page).fill("first line")
    box(page).press("Shift+Enter")
    box(page).press_sequentially("second line")
    box(page).press("Alt+Enter")
    expect(box(page)).to_have_value("")
    waiting = page.get_by_label("Messages on their way").get_by_role("listitem")
    expect(waiting).to_contain_text("first line\nsecond line", use_inner_text=True)
    expect(state_of(waiting)).to_have_attribute("data-state", "queued")

    box(page).fill("never mind")
    page.get_by_role("button", name="When it is read").click()
    page.get_by_role("menuitem", name="After this turn").click()
    second = waiting.filter(has_text="never mind")
    expect(state_of(second)).to_have_attribute("data-state", "queued")
    second.get_by_role("button", name="Cancel").click()
    expect(state_of(second)).to_have_attribute("data-state", "dropped")
    expect(second).to_contain_text("cancelled")
    second.get_by_role("button", name="Remove").click()
    expect(waiting).to_have_count(1)

    page.reload()  # what was sent is still known
    expect(waiting).to_contain_text("first line")
    screenshot(page, "chat-queued")
    gate.touch()
    # The CLI may repeat it in the conversation only with its first answer.
    shown = page.locator(".bubble", has_text="first line")
    expect(state_of(shown)).to_have_attribute("data-state", "delivered")
    second_gate.touch()
    expect(item(page, "text", "You said: first line")).to_be_visible()
    expect(waiting).to_have_count(0)
    expect(state_of(item(page, "user", "first line"))).to_have_attribute("data-state", "completed")
    said = [e["message"]["content"] for e in events(run, "user") if e.get("isReplay")]
    assert len(said) == 2, said  # the prompt, and the one that was not taken back


def test_words_from_elsewhere_are_shown_before_they_are_read(
    site: Site, page: Page, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = talk(
        site,
        {"text": "I wait.", "tools": [wait_tool(gate)]},
        {"text": "That is over."},
        {"text": "You said: {{last_user}}"},
        allowed_tools=["Bash"],
    )
    page.goto(f"/runs/{run.run_id}")
    wait_for_tool(run)
    body = {"message": "from the command line", "delivery": "queue", "id": "far-1"}
    site.post(f"/workflows/{run.run_id}/messages", body)
    waiting = page.get_by_label("Messages on their way").get_by_role("listitem")
    expect(waiting).to_contain_text("from the command line")
    gate.touch()
    expect(item(page, "user", "from the command line")).to_have_count(1)
    expect(waiting).to_have_count(0)


def test_a_prompt_stands_there_before_the_agent_has_read_it(site: Site, page: Page) -> None:
    site.close()
    site.words = ("--max-running", "1")
    site.start()
    wait_for(site.command("import time; time.sleep(600)", run_id="busy"), "workflow_started")
    run = site.run("claude", prompt="What is asked. " + script({"text": "Done."}), run_id="later")
    page.goto("/runs/later")
    expect(page.locator(".chat-prompt")).to_contain_text("What is asked.")
    expect(page.locator(".run-top")).to_contain_text("the next to start")
    site.post("/workflows/busy/stop")
    wait_for_end(run)
    expect(item(page, "user", "What is asked.")).to_have_count(1)
    expect(page.locator(".chat-prompt")).to_have_count(0)


def test_a_message_whose_answer_was_lost_is_said_once(
    site: Site, page: Page, watch: Watch, tmp_path: Path
) -> None:
    watch.allow(AWAY)
    gate = tmp_path / "gate"
    held = {"text": "I wait.", "tools": [wait_tool(gate)]}
    run = talk(site, {"text": "Hello."}, held, {"text": "I heard it."}, allowed_tools=["Bash"])
    page.goto(f"/runs/{run.run_id}")
    expect(item(page, "text", "Hello.")).to_be_visible()
    sent: list[Any] = []

    def lose_the_first_answer(route: Route) -> None:
        sent.append(route.request.post_data_json)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/messages", lose_the_first_answer)
    box(page).fill("only once")
    with page.expect_response("**/messages"):  # the first has none
        box(page).press("Enter")
    gate.touch()
    expect(item(page, "text", "I heard it.")).to_be_visible()
    expect(item(page, "user", "only once")).to_have_count(1)
    wait_for(run, "message_received", state="completed", message_id=sent[0]["id"])
    page.wait_for_function(
        "() => !Object.keys(sessionStorage).some((key) => key.includes('outbox'))"
    )
    assert len(sent) == 2 and sent[0]["id"] == sent[1]["id"]
    assert len(run.inbox.read_text().splitlines()) == 1


def test_a_draft_outlives_a_reload(site: Site, page: Page) -> None:
    run = talk(site, {"text": "Hello."})
    page.goto(f"/runs/{run.run_id}")
    box(page).fill("half a thought")
    page.reload()
    expect(box(page)).to_have_value("half a thought")


def test_a_turn_is_interrupted_by_esc_esc(site: Site, page: Page, tmp_path: Path) -> None:
    step = {"text": "I wait.", "tools": [wait_tool(tmp_path / "never")]}
    run = talk(site, step, allowed_tools=["Bash"])
    page.goto(f"/runs/{run.run_id}")
    wait_for_tool(run)
    button = page.get_by_role("button", name="Interrupt")
    expect(page.get_by_label("Send a message").locator(button)).to_be_visible()
    expect(button).to_have_count(1)
    page.get_by_role("tab", name="Trace").click()
    expect(button).to_have_count(1)
    page.get_by_role("tab", name="Chat").click()
    box(page).focus()
    page.keyboard.press("Escape")
    assert not said_since(run)

    def pressed_twice() -> bool:  # how soon after each other is for the machine to say
        page.keyboard.press("Escape")
        return bool(said_since(run))

    wait_until(pressed_twice, "the interrupt")
    wait_for(run, "message_received", message_type="interrupt", state="completed")
    expect(button).to_have_count(0)
    box(page).fill("and now?")
    box(page).press("Enter")
    expect(item(page, "user", "and now?")).to_be_visible()


def test_what_was_said_before_the_run_stands_before_it(site: Site, page: Page) -> None:
    said = [
        {"role": "user", "content": "Which files are there?"},
        {"role": "assistant", "content": "Only **one**."},
    ]
    run = site.run("claude", prompt="Go on. " + script({"text": "I do."}), chat_history=said)
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/chat")
    expect(item(page, "user", "Which files")).to_contain_text("Before this run")
    expect(item(page, "text", "Only").locator("strong")).to_have_text("one")
    expect(item(page, "user", "Go on.")).not_to_contain_text("The conversation so far")
    kinds = page.locator('.chat-item[data-kind="user"], .chat-item[data-kind="text"]')
    expect(kinds).to_have_count(4)
    expect(kinds.nth(0)).to_contain_text("Which files")


def test_a_run_that_reads_no_messages_says_so(site: Site, page: Page) -> None:
    tasks = [{"id": "one", "name": "One", "prompt": script({"text": "Done."})}]
    run = site.run("research", prompt="Tides", params={"tasks": tasks})
    page.goto(f"/runs/{run.run_id}/chat")
    expect(page.get_by_text("Runs of this workflow read no messages.")).to_be_visible()
    expect(box(page)).to_have_count(0)


def test_an_ended_run_is_reopened_by_a_message(site: Site, page: Page) -> None:
    run = site.run("claude", prompt=script({"text": "First answer."}))
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/chat")
    expect(item(page, "text", "First answer.")).to_be_visible()
    expect(box(page)).to_have_attribute("placeholder", "Reopen the run with a message")
    box(page).fill("one more thing")
    page.get_by_role("button", name="Reopen and send").click()
    expect(item(page, "user", "one more thing")).to_be_visible()
    wait_for_end(run, attempt=2)
    expect(box(page)).to_have_attribute("placeholder", "Reopen the run with a message")


def test_a_run_that_takes_no_messages_says_so(site: Site, page: Page) -> None:
    run = site.command("print('done')")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/chat")
    expect(page.get_by_text("can't be reopened")).to_be_visible()
    expect(box(page)).to_have_count(0)


def test_the_model_and_the_mode_are_changed(site: Site, page: Page) -> None:
    run = talk(site, {"text": "Hello."})
    page.goto(f"/runs/{run.run_id}")
    expect(item(page, "text", "Hello.")).to_be_visible()
    page.get_by_role("button", name="Permissions").click()
    page.get_by_role("menuitemradio", name="Allow edits of files").click()
    expect(page.get_by_text("From the next step on: allow edits of files")).to_be_visible()
    wait_for(run, "message_received", message_type="set_permission_mode", state="completed")
    page.get_by_role("button", name="Permissions").click()
    expect(page.get_by_role("menuitemradio", name="Allow edits")).to_be_checked()
    page.get_by_role("menuitemradio", name="Allow everything").click()
    expect(page.get_by_text("Refused:")).to_be_visible()
    page.get_by_role("button", name="Model: ").click()
    page.get_by_role("menuitem", name="Another…").click()
    page.keyboard.type("claude-of-tomorrow")
    page.keyboard.press("Enter")
    wait_for(run, "message_received", message_type="set_model", state="completed")
    expect(page.get_by_text("The model is claude-of-tomorrow")).to_be_visible()


def test_tools_unfold_to_terminals_and_diffs(site: Site, page: Page) -> None:
    colours = bash(r"printf '\033[31mred\033[0m and \033]0;title\007plain\n'; seq 1 100")
    write = {"name": "Write", "input": {"file_path": "a.txt", "content": "one\ntwo\nthree\n"}}
    edit = {
        "name": "Edit",
        "input": {"file_path": "a.txt", "old_string": "two", "new_string": "2"},
    }
    run = talk(
        site,
        {"thinking": "What may be here?", "tools": [colours]},
        {"tools": [write]},
        {"tools": [edit]},
        {"text": "Look:\n\n```python\nprint('hello')\n```"},
        allowed_tools=["Bash"],
        permission_mode="acceptEdits",
    )
    page.goto(f"/runs/{run.run_id}")
    expect(item(page, "text", "Look:").locator(".hljs-string")).to_have_text("'hello'")
    page.get_by_role("button", name="Ran 1 command, edited").or_(
        page.get_by_role("button", name=re.compile("^Edited 1 file, ran 1"))
    ).click()
    tool = page.locator('[data-kind="tool"]', has_text="Bash")
    expect(tool.locator(".terminal")).to_have_count(0)
    tool.get_by_role("button").first.click()
    output = tool.get_by_label("Output")
    expect(output).to_contain_text("red and plain")
    expect(output.get_by_text("red", exact=True)).to_have_css(
        "color", re.compile(r"rgb\(1\d\d, \d\d, \d\d\)")
    )
    expect(output).to_contain_text("100")

    changed = page.locator('[data-kind="tool"]', has_text=re.compile("^Edit"))
    expect(changed.locator(".diff-count")).to_have_text("+1 −1")
    changed.get_by_role("button").first.click()
    expect(changed.locator(".diff-removed")).to_have_text(re.compile("two"))
    expect(changed.locator(".diff-added .diff-number")).to_have_text("2")
    thought = item(page, "thinking")
    thought.get_by_role("button").click()
    expect(thought.locator(".markdown")).to_have_text("What may be here?")
    screenshot(page, "chat-tools")
    assert serious_faults(page) == []


def test_what_subagents_do_stands_below_their_call(site: Site, page: Page) -> None:
    work = script({"text": "I search.", "tools": [bash("echo found")]}, {"text": "Two places."})
    task = {
        "description": "find it",
        "prompt": work,
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    run = site.run(
        "claude",
        prompt=script({"tools": [{"name": "Task", "input": task}]}, {"text": "Found."}),
        params={"allowed_tools": ["Bash", "Task"]},
    )
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/chat")
    call = item(page, "tool", "find it")
    expect(call).to_be_visible()
    expect(item(page, "text", "I search.")).to_have_count(0)
    call.get_by_role("button").first.click()
    thread = call.get_by_label("What the subagent did")
    expect(thread).to_contain_text("I search.")
    expect(thread).to_contain_text("echo found")


TALKER = """
import json, os, sys, time
def say(n):
    text = f"message {n}\\n\\n" + "some words " * (n % 40)
    message = {"id": f"msg_{n}", "role": "assistant", "content": [{"type": "text", "text": text}]}
    print(json.dumps({"type": "assistant", "message": message}), flush=True)
for n in range(400): say(n)
end = time.time() + 600
while not os.path.exists(sys.argv[1]) and time.time() < end: time.sleep(0.02)
for n in range(400, 407): say(n)
"""


def test_it_sticks_to_the_end_until_someone_scrolls_up(
    site: Site, page: Page, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    run = site.run("command", params={"argv": [sys.executable, "-c", TALKER, str(gate)]})
    page.goto(f"/runs/{run.run_id}/chat")
    expect(item(page, "text", "message 399")).to_be_in_viewport()
    assert item(page, "text").count() < 60  # not all of them are in the page
    page.get_by_role("log").hover()
    page.mouse.wheel(0, -3000)
    jump = page.locator(".chat-jump")
    expect(jump).to_have_text("Newest")
    gate.touch()
    expect(jump).to_have_text(re.compile(r"^\d+ new$"))
    expect(item(page, "text", "message 406")).to_have_count(0)
    jump.click()
    expect(item(page, "text", "message 406")).to_be_in_viewport()
    expect(jump).to_have_count(0)


def test_hostile_words_are_only_words(site: Site, page: Page) -> None:
    evil = "<script>window.wasRun=1</script><img src=x onerror=window.wasRun=1>"
    text = (
        f"# {evil}\n\n[run](javascript:window.wasRun=1) [fine](https://good.example/) "
        f"![spy](https://evil.example/spy.png) \u202egnp.exe\n\n{evil}\n\n```html\n{evil}\n```\n\n"
    )
    run = talk(
        site,
        {"text": text + "x" * 60_000, "tools": [bash("echo '\u202erm -rf' # \u200b" + evil)]},
        {"text": text},
    )
    page.goto(f"/runs/{run.run_id}")
    card = dock(page)
    expect(card).to_contain_text("⟨U+202E⟩rm -rf")
    expect(card).to_contain_text("⟨U+200B⟩")
    card.get_by_role("button", name="Allow").click()
    said = item(page, "text", "good.example").or_(item(page, "text", "fine")).last
    expect(said.get_by_role("link", name="fine")).to_have_attribute(
        "rel", "noopener noreferrer nofollow"
    )
    links = page.locator(".chat-item a").evaluate_all("links => links.map(link => link.href)")
    assert set(links) <= {"https://good.example/", "https://evil.example/spy.png"}
    assert page.locator(".chat-item :is(script, img, iframe)").count() == 0
    assert page.evaluate("() => window.wasRun") is None
    assert overflow_px(page) == 0


def test_it_is_used_on_a_phone(site: Site, phone: Page) -> None:
    run = talk(site, ask(DATABASE, SIZES), {"text": "| a | b |\n|---|---|\n| 1 | 2 |"})
    phone.goto(f"/runs/{run.run_id}")
    card = dock(phone)
    card.get_by_role("radio", name="Postgres").tap()
    expect(card.get_by_role("radio", name="Postgres")).to_be_checked()
    screenshot(phone, "chat-phone-question")
    card.get_by_role("button", name="Answer").tap()
    expect(item(phone, "text").get_by_role("table")).to_be_visible()
    box(phone).fill("a word from the train")
    phone.get_by_role("button", name="Send", exact=True).tap()
    expect(item(phone, "user", "a word from the train")).to_be_visible()
    expect(item(phone, "result").last).to_be_in_viewport()  # it follows
    expect(phone.locator(".chat-jump")).to_have_count(0)
    place = box(phone).bounding_box()
    assert place is not None and place["y"] + place["height"] <= PHONE["height"]
    assert overflow_px(phone) == 0
    assert serious_faults(phone) == []
    screenshot(phone, "chat-phone")
