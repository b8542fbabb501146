"""The page of a run around its tabs, and two runs compared."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from runlog import create_run
from tests.support import script, wait_for, wait_for_end
from tests.ui.runs import ASKS, BUSY, QUICK, action, choose, choose_action, row
from tests.ui.support import BROWSER, Site, Watch, overflow_px, screenshot, serious_faults

pytestmark = BROWSER


def test_the_page_of_a_run_has_the_buttons_that_fit(site: Site, page: Page) -> None:
    run = site.run("monty", params={"min_sleep_s": 0.05, "max_sleep_s": 0.1}, run_id="quotes")
    page.goto("/runs/quotes")
    expect(page.get_by_role("tab", name="Trace")).to_have_attribute("aria-selected", "true")
    status = page.locator(".run-top .status")
    expect(status).to_have_text("running")
    expect(page.locator("[data-working]")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("[data-working]")).to_be_visible()  # whatever tab is open
    action(page, "Pause").click()
    expect(status).to_have_text("paused")
    expect(page.locator("[data-working]")).to_have_count(0)
    action(page, "Resume").click()
    expect(status).to_have_text("running")
    action(page, "Stop").click()
    expect(status).to_have_text("stopped")
    wait_for_end(run)
    action(page, "Reopen").click()
    expect(page.locator(".run-top")).to_contain_text("attempt 2")
    action(page, "Stop").click()
    expect(status).to_have_text("stopped")
    wait_for_end(run, attempt=2)
    choose_action(page, "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/$"))
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_a_turn_is_interrupted(site: Site, page: Page) -> None:
    prompt = script({"text": "word " * 400, "chunk_delay_s": 0.2}, {"text": "Never said"})
    params = {"include_partial_messages": True}
    run = site.run("claude", prompt=prompt, params=params, interactive=True, run_id="talk")
    page.goto("/runs/talk")
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    wait_for(run, "stream_event")
    page.get_by_role("main").focus()
    page.keyboard.press("i")
    expect(page.locator(".run-top .status")).to_have_text("idle")
    expect(action(page, "Stop")).to_be_visible()


def test_a_failure_says_why(site: Site, page: Page) -> None:
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    page.goto("/runs/broken")
    expect(page.get_by_text("exit_code: the command ended with exit code 3")).to_be_visible()
    expect(page).to_have_title(re.compile("^failed: "))


def test_what_is_not_there(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("404")
    page.goto("/runs/never-was")
    expect(page.get_by_text("There is no such run")).to_be_visible()
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.goto("/nowhere/at/all")
    expect(page.get_by_text("There is nothing at this address")).to_be_visible()


def test_a_run_that_is_removed_under_the_page_says_so(site: Site, page: Page, watch: Watch) -> None:
    watch.allow("404")
    wait_for_end(site.command("pass", run_id="brief"))
    page.goto("/runs/brief")
    expect(page.locator(".run-top .status")).to_have_text("completed")
    site.delete("/workflows/brief")
    page.reload()
    expect(page.get_by_text("There is no such run")).to_be_visible()


def test_two_runs_side_by_side(site: Site, page: Page) -> None:
    wait_for_end(site.command("print('hello')", run_id="good"))
    wait_for_end(site.command("print('oh'); raise SystemExit(3)", run_id="bad"))
    page.goto("/")
    page.get_by_label("Select good").check()
    page.get_by_label("Select bad").check()
    page.get_by_role("link", name="Compare the two").click()
    page.wait_for_url("**/compare/good/bad")
    totals = page.get_by_role("region", name="Totals of both runs")
    expect(totals.locator(".status")).to_have_text(["completed", "failed"])
    sides = page.locator(".compare-side")
    expect(sides.nth(0)).to_contain_text("hello")
    expect(sides.nth(1)).to_contain_text("oh")
    page.keyboard.press("4")
    page.wait_for_url("**/compare/good/bad/files")
    page.get_by_role("button", name="Trace").click()
    expect(sides.nth(1)).to_contain_text("workflow_failed")
    page.get_by_role("button", name="Swap").click()
    page.wait_for_url("**/compare/bad/good/trace")
    expect(totals.locator(".status")).to_have_text(["failed", "completed"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(site: Site, new_page: Callable[..., Page], scheme: str) -> None:
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    wait_for_end(site.run("monty", params=QUICK, run_id="quotes"))
    page = new_page(color_scheme=scheme)
    page.goto("/")
    page.get_by_label("Select quotes").check()
    expect(page.locator("[data-run]")).to_have_count(4)
    found = serious_faults(page)
    screenshot(page, f"runs-{scheme}")
    form = choose(page, "research")
    form.get_by_text("Params (").click()
    form.get_by_role("group", name="tasks").get_by_role("button", name="Add").click()
    form.get_by_role("button", name="Start", exact=True).click()
    found += serious_faults(page)
    screenshot(page, f"start-{scheme}")
    for path in ("/runs/asks", "/runs/busy", "/runs/broken", "/compare/quotes/broken"):
        page.goto(path)
        expect(page.locator(".status").first).to_be_visible()
        found += serious_faults(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += serious_faults(page)
    assert found == []


def test_a_phone_has_all_of_it(site: Site, phone: Page) -> None:
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken"))
    phone.goto("/")
    expect(row(phone, "busy")).to_contain_text("40 %")
    assert overflow_px(phone) == 0
    phone.get_by_role("button", name="New run").tap()
    form = phone.get_by_role("dialog", name="New run")
    form.get_by_role("radio", name="monty", exact=True).check()
    form.get_by_label("count").fill("1")
    form.get_by_label("min_sleep_s").fill("0.05")
    form.get_by_label("max_sleep_s").fill("0.05")
    assert overflow_px(phone) == 0
    form.get_by_role("button", name="Start", exact=True).tap()
    expect(phone.locator(".run-top .status")).to_have_text("completed")
    assert overflow_px(phone) == 0
    phone.goto("/runs/busy")
    action(phone, "Stop").tap()
    expect(phone.locator(".run-top .status")).to_have_text("stopped")
    phone.goto("/compare/busy/broken")
    expect(phone.locator(".compare-side")).to_have_count(2)
    tops = [side.bounding_box() for side in phone.locator(".compare-side").all()]
    assert tops[0] and tops[1] and tops[1]["y"] >= tops[0]["y"] + tops[0]["height"]
    assert overflow_px(phone) == 0


def test_a_run_says_which_schedule_started_it(site: Site, page: Page) -> None:
    due = "2025-01-20T06:30:00.000Z"
    params = {"argv": ["true"]}
    create_run(site.root, "command", params=params, run_id="clock", schedule="weekdays", due_at=due)
    page.goto("/runs/clock")
    page.get_by_role("button", name="Details").click()
    details = page.get_by_label("Details of the run")
    expect(details).to_contain_text("weekdays")
    expect(details.locator(f'time[datetime="{due}"]')).to_have_count(1)
