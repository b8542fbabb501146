"""Questions and permissions in the chat: answered, left to their default, allowed, denied, changed."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.support import bash, wait_for
from tests.ui.chat import DATABASE, SIZES, ask, item, talk
from tests.ui.support import BROWSER, Site, Watch, screenshot, serious_faults

pytestmark = BROWSER


def test_questions_are_answered_by_hand(site: Site, page: Page) -> None:
    run = talk(site, ask(DATABASE, SIZES), {"text": "Thank you."}, question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = item(page, "question")
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
    expect(card).to_contain_text("Answered by a person")
    expect(card).to_contain_text("L, XXL")
    answered = wait_for(run, "responses_collected")
    assert answered["answers"] == {
        DATABASE["question"]: "Postgres",
        SIZES["question"]: ["L", "XXL"],
    }
    expect(item(page, "text", "Thank you.")).to_be_visible()


def test_a_question_that_nobody_answers_takes_its_default(site: Site, page: Page) -> None:
    run = talk(site, ask(DATABASE), {"text": "Well then."}, question_timeout_s=6)
    page.goto(f"/runs/{run.run_id}")
    card = item(page, "question")
    expect(card).to_contain_text("Nobody answered in time")
    expect(card.get_by_role("definition")).to_have_text("SQLite")
    expect(card.get_by_role("button", name="Answer")).to_have_count(0)


def test_someone_else_is_faster(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("409")
    run = talk(site, ask(DATABASE), {"text": "Thanks."}, question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = item(page, "question")
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
    expect(card.get_by_role("definition")).to_have_text("Postgres")


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
    card = page.locator(".ask-open")
    expect(card).to_contain_text("touch allowed.txt")
    card.focus()
    page.keyboard.press("a")
    expect(item(page, "permission", "allowed.txt")).to_contain_text("Allowed by a person")

    expect(card).to_contain_text("touch denied.txt")
    card.get_by_role("textbox", name="Why it is denied").fill("Not in this folder")
    card.get_by_role("button", name="Deny").click()
    expect(item(page, "permission", "denied.txt")).to_contain_text("Denied by a person")

    expect(card).to_contain_text("touch asked.txt")
    card.get_by_role("button", name="Change it first").click()
    card.get_by_role("textbox", name="Command").fill("touch changed.txt")
    card.get_by_role("button", name="Allow as changed").click()

    expect(card).to_contain_text("new.md")
    expect(card.locator(".diff-added")).to_contain_text("# New")
    card.focus()
    page.keyboard.press("d")
    expect(item(page, "text", "All done.")).to_be_visible()

    there = sorted(path.name for path in run.files.iterdir())
    assert there == ["allowed.txt", "changed.txt"]
    denied = wait_for(run, "permission_resolved", decision="deny")
    assert denied["message"] == "Not in this folder"
    expect(item(page, "tool", "denied.txt").get_by_label("failed")).to_be_visible()


def test_what_waits_is_found_again(site: Site, page: Page) -> None:
    text = {"text": "\n\n".join(f"paragraph {n}" for n in range(80)), **ask(DATABASE)}
    run = talk(site, text, until="questions_presented", question_timeout_s=500)
    page.goto(f"/runs/{run.run_id}")
    card = item(page, "question")
    expect(card.get_by_role("button", name="Answer")).to_be_visible()
    page.get_by_role("log").hover()
    page.mouse.wheel(0, -5000)
    page.get_by_role("button", name="Waits for your answer").click()
    expect(card.locator(".ask")).to_be_focused()
    expect(card.get_by_role("button", name="Answer")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Waits for your answer")).to_have_count(0)


def test_what_is_suggested_counts_from_then_on(site: Site, page: Page) -> None:
    files = [{"file_path": f"{name}.md", "content": "# New\n"} for name in ("one", "two")]
    steps = [{"tools": [{"name": "Write", "input": file}]} for file in files]
    run = talk(site, *steps, {"text": "Both written."}, until="permission_requested")
    page.goto(f"/runs/{run.run_id}")
    card = page.locator(".ask-open")
    card.get_by_role("checkbox", name="acceptEdits").check()
    screenshot(page, "chat-permission")
    card.get_by_role("button", name="Allow").click()
    expect(item(page, "text", "Both written.")).to_be_visible()
    expect(item(page, "permission")).to_have_count(1)  # the second was not asked
    assert sorted(path.name for path in run.files.iterdir()) == ["one.md", "two.md"]


def test_axe_finds_no_serious_fault_while_it_asks(
    site: Site, new_page: Callable[..., Page]
) -> None:
    run = talk(site, ask(DATABASE, SIZES), {"tools": [bash("touch a")]}, {"text": "Done."})
    for scheme in ("light", "dark"):
        page = new_page(color_scheme=scheme)
        page.goto(f"/runs/{run.run_id}")
        expect(item(page, "question").get_by_role("button", name="Answer")).to_be_visible()
        assert serious_faults(page) == []
        if scheme == "dark":
            page.get_by_role("button", name="Answer").click()
            expect(page.get_by_role("button", name="Allow")).to_be_visible()
            assert serious_faults(page) == []
