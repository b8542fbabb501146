"""Questions and permissions in the chat: answered, left to their default, allowed, denied, changed."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.support import bash, wait_for
from tests.ui.chat import DATABASE, SIZES, ask, dock, item, talk
from tests.ui.support import BROWSER, Site, Watch, screenshot, serious_faults

pytestmark = BROWSER


def test_questions_are_answered_by_hand(site: Site, page: Page) -> None:
    run = talk(site, ask(DATABASE, SIZES), {"text": "Thank you."}, question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = dock(page)
    expect(card.get_by_role("radio", name="SQLite")).to_be_checked()  # the default
    expect(card.get_by_role("timer")).to_have_text(re.compile(r"^\d:\d\d$"))
    screenshot(page, "chat-question")
    card.get_by_role("radio", name="Postgres").check()
    for box_ in card.get_by_role("checkbox").all():
        box_.uncheck()
    expect(card.get_by_role("button", name="Answer")).to_be_disabled()
    card.get_by_role("checkbox", name="L size L").check()
    card.get_by_label("Your own answer").last.fill("XXL")
    card.get_by_role("button", name="Answer").click()
    expect(item(page, "question")).to_contain_text("Answered by a person")
    expect(item(page, "question")).to_contain_text("L, XXL")
    answered = wait_for(run, "responses_collected")
    assert answered["answers"] == {
        DATABASE["question"]: "Postgres",
        SIZES["question"]: ["L", "XXL"],
    }
    expect(item(page, "text", "Thank you.")).to_be_visible()


def test_a_question_that_nobody_answers_takes_its_default(site: Site, page: Page) -> None:
    run = talk(site, ask(DATABASE), {"text": "Well then."}, question_timeout_s=6)
    page.goto(f"/runs/{run.run_id}")
    expect(dock(page).get_by_role("timer")).to_have_text(re.compile(r"^0:0\d$"))
    expect(dock(page)).to_contain_text("then: SQLite")
    card = item(page, "question")
    expect(card).to_contain_text("Nobody answered in time")
    expect(card.get_by_role("definition")).to_have_text("SQLite")
    expect(card.get_by_role("button", name="Answer")).to_have_count(0)


def test_someone_else_is_faster(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("409")
    run = talk(site, ask(DATABASE), {"text": "Thanks."}, question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = dock(page)
    expect(card.get_by_role("button", name="Answer")).to_be_visible()
    asked = wait_for(run, "questions_presented")

    def answer_first(route: Route) -> None:
        body = {"question_id": asked["question_id"], "answers": {DATABASE["question"]: "Postgres"}}
        site.post(f"/workflows/{run.run_id}/answers", body)
        route.continue_()

    page.route("**/answers", answer_first)
    with page.expect_response("**/answers") as answered:
        card.get_by_role("button", name="Answer").click()
    assert answered.value.status == 409
    expect(item(page, "question").get_by_role("definition")).to_have_text("Postgres")


def test_permissions_are_allowed_denied_and_changed(site: Site, page: Page, tmp_path: Path) -> None:
    run = talk(
        site,
        {"tools": [bash("touch allowed.txt")]},
        {"tools": [bash("touch denied.txt")]},
        {"tools": [bash("touch asked.txt")]},
        {"tools": [{"name": "Write", "input": {"file_path": "new.md", "content": "# New\n"}}]},
        {"text": "All done."},
    )
    page.goto(f"/runs/{run.run_id}")
    card = dock(page)
    expect(card).to_contain_text("touch allowed.txt")
    page.keyboard.press("a")  # wherever the focus is
    expect(item(page, "tool", "allowed by you")).to_be_visible()

    expect(card).to_contain_text("touch denied.txt")
    card.get_by_role("textbox", name="Why it is denied").fill("Not in this folder")
    card.get_by_role("button", name="Deny").click()
    denied = item(page, "tool", "denied by you")
    expect(denied).to_be_visible()
    denied.get_by_role("button").first.click()
    expect(denied).to_contain_text("You said: Not in this folder")
    expect(denied).to_contain_text("touch denied.txt")

    expect(card).to_contain_text("touch asked.txt")
    card.get_by_role("button", name="Change it first").click()
    card.get_by_role("textbox", name="Command").fill("touch changed.txt")
    card.get_by_role("button", name="Allow as changed").click()

    expect(card).to_contain_text("new.md")
    expect(card.locator(".diff-added")).to_contain_text("# New")
    page.keyboard.press("d")
    expect(item(page, "text", "All done.")).to_be_visible()

    there = sorted(path.name for path in run.files.iterdir())
    assert there == ["allowed.txt", "changed.txt"]
    told = wait_for(run, "permission_resolved", decision="deny")
    assert told["message"] == "Not in this folder"
    expect(item(page, "permission")).to_have_count(0)  # each stands at its call


def test_what_is_asked_is_answered_on_every_tab_by_keys(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    text = {"text": "\n\n".join(f"paragraph {n}" for n in range(80)), **ask(DATABASE, SIZES)}
    run = talk(site, text, until="questions_presented", question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = dock(page)
    for tab in ("Chat", "Trace", "Steps", "Files"):
        page.get_by_role("tab", name=tab).click()
        expect(card.get_by_role("button", name="Answer")).to_be_in_viewport(ratio=1)
        expect(page.get_by_role("button", name="Answer")).to_have_count(1)
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    expect(page).to_have_title(re.compile("^needs you: "))
    page.get_by_role("main").focus()
    page.keyboard.press("2")  # Postgres, and on to the sizes; no tab is meant
    expect(card.get_by_role("radio", name="Postgres")).to_be_checked()
    page.keyboard.press("3")
    expect(card.get_by_role("checkbox", name="L size L")).to_be_checked()
    page.keyboard.press("Enter")
    answered = wait_for(run, "responses_collected")
    assert answered["answers"] == {
        DATABASE["question"]: "Postgres",
        SIZES["question"]: ["S", "L"],
    }
    expect(card).to_have_count(0)
    page.keyboard.press("1")  # now it is the tab again
    expect(item(page, "question")).to_contain_text("Answered by a person")


def test_keys_rest_while_someone_writes(site: Site, page: Page) -> None:
    run = talk(site, ask(DATABASE), {"text": "Well."}, question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    own = dock(page).get_by_label("Your own answer")
    own.press_sequentially("21")
    expect(own).to_have_value("21")
    expect(dock(page).get_by_role("radio", name="Postgres")).not_to_be_checked()
    own.press("Enter")
    assert wait_for(run, "responses_collected")["answers"] == {DATABASE["question"]: "21"}


def test_what_is_suggested_counts_from_then_on(site: Site, page: Page) -> None:
    files = [{"file_path": f"{name}.md", "content": "# New\n"} for name in ("one", "two")]
    steps = [{"tools": [{"name": "Write", "input": file}]} for file in files]
    run = talk(site, *steps, {"text": "Both written."}, until="permission_requested")
    page.goto(f"/runs/{run.run_id}")
    expect(dock(page).get_by_role("checkbox", name="acceptEdits")).not_to_be_checked()
    screenshot(page, "chat-permission")
    page.keyboard.press("Shift+A")  # allowed, with what is suggested
    expect(item(page, "text", "Both written.")).to_be_visible()
    page.get_by_role("button", name="Edited 2 files").click()
    expect(page.get_by_text("allowed by you")).to_have_count(1)  # the second was not asked
    assert sorted(path.name for path in run.files.iterdir()) == ["one.md", "two.md"]


def test_axe_finds_no_serious_fault_while_it_asks(
    site: Site, new_page: Callable[..., Page]
) -> None:
    run = talk(site, ask(DATABASE, SIZES), {"tools": [bash("touch a")]}, {"text": "Done."})
    for scheme in ("light", "dark"):
        page = new_page(color_scheme=scheme)
        page.goto(f"/runs/{run.run_id}")
        expect(dock(page).get_by_role("button", name="Answer")).to_be_visible()
        assert serious_faults(page) == []
        if scheme == "dark":
            page.get_by_role("button", name="Answer").click()
            expect(page.get_by_role("button", name="Allow")).to_be_visible()
            assert serious_faults(page) == []
