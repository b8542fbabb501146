"""The list of runs, its keys, and what stands around every page."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support import wait_for, wait_for_end, wait_until
from tests.ui.runs import ASKS, BUSY, QUICK, row
from tests.ui.support import BROWSER, Site

pytestmark = BROWSER


def shown_runs(page: Page) -> list[str]:
    """The ids in the list, from the top."""
    rows = page.locator("[data-run]").all()
    placed = [(item.bounding_box(), item.get_attribute("data-run")) for item in rows]
    return [run_id for box, run_id in sorted(placed, key=lambda p: p[0]["y"]) if box and run_id]


def external_runs(root: Path, count: int) -> None:
    """Ended runs that somebody else wrote, cheaply."""
    for number in range(count):
        folder = root / f"old-{number:04}"
        folder.mkdir(parents=True)
        (folder / "_stream.jsonl").write_text('{"type":"workflow_completed"}\n')


def test_the_list_lives(site: Site, page: Page) -> None:
    """Rows come, change and go without a reload."""
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    site.command(BUSY, run_id="busy")
    busy = row(page, "busy")
    expect(busy.locator(".status")).to_have_text("running")
    expect(busy.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    expect(busy).to_contain_text("4 of 10 files")
    before = busy.locator(".run-duration").inner_text()
    expect(busy.locator(".run-duration")).not_to_have_text(before)  # it ticks
    site.post("/workflows/busy/stop")
    expect(busy.locator(".status")).to_have_text("stopped")
    site.delete("/workflows/busy")
    expect(page.get_by_text("No runs yet")).to_be_visible()


def test_an_open_question_comes_first_then_what_runs_then_the_newest(
    site: Site, page: Page
) -> None:
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    wait_for(site.command(BUSY, run_id="busy"), "progress_update")
    for run_id in ("older", "newer"):
        wait_for_end(site.command("pass", run_id=run_id))
    page.goto("/")
    expect(row(page, "asks")).to_contain_text("needs you")
    expect(page.locator("[data-run]")).to_have_count(4)
    assert shown_runs(page) == ["asks", "busy", "newer", "older"]
    expect(page).to_have_title(re.compile(r"^\(1\) Runs"))


def test_search_and_filters_are_in_the_address(site: Site, page: Page) -> None:
    wait_for_end(site.command("raise SystemExit(3)", run_id="broken-build"))
    wait_for_end(site.command("pass", run_id="good-build"))
    wait_for_end(site.run("monty", params=QUICK, run_id="quotes"))
    page.goto("/")
    expect(page.locator("[data-run]")).to_have_count(3)

    page.keyboard.press("/")
    page.keyboard.type("build")
    expect(page.locator("[data-run]")).to_have_count(2)
    page.get_by_role("group", name="Status").get_by_role("button", name="failed").click()
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(row(page, "broken-build")).to_be_visible()
    assert page.url.endswith("/?q=build&status=failed")
    page.reload()
    expect(row(page, "broken-build")).to_be_visible()
    expect(row(page, "good-build")).to_have_count(0)

    page.get_by_label("Search runs").fill("no such thing")
    expect(page.get_by_text("No run is like that")).to_be_visible()
    page.locator(".empty").get_by_role("button", name="Show all runs").click()
    expect(page.locator("[data-run]")).to_have_count(3)
    page.get_by_role("button", name="Workflow", exact=True).click()
    expect(page.get_by_role("menuitemradio", name="command 2")).to_be_visible()
    page.get_by_role("menuitemradio", name="monty").click()
    expect(page.locator("[data-run]")).to_have_count(1)


def test_stop_and_delete_from_the_list(site: Site, page: Page) -> None:
    run = site.command(BUSY, run_id="busy")
    wait_for(run, "progress_update")
    page.goto("/")
    expect(page.get_by_role("button", name="Delete busy")).to_have_count(0)
    page.get_by_role("button", name="Stop busy").click()
    expect(row(page, "busy").locator(".status")).to_have_text("stopped")
    wait_for_end(run)

    page.get_by_role("button", name="Delete busy").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert run.path.exists()
    expect(page.get_by_role("button", name="Delete busy")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.get_by_text("Deleted busy")).to_be_visible()
    assert not run.path.exists()


def test_everything_by_keyboard(site: Site, page: Page) -> None:
    for run_id in ("one", "two", "three"):
        wait_for_end(site.command("pass", run_id=run_id))
    page.goto("/")
    expect(page.locator("[data-run]")).to_have_count(3)
    page.keyboard.press("j")
    expect(row(page, "three").get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(row(page, "one").get_by_role("link")).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_url("**/compare/three/one")
    page.keyboard.press("u")
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("[data-run]")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/three")
    expect(page.get_by_role("main")).to_be_focused()  # a new page begins at its top
    expect(page.get_by_role("tab", name="Trace")).to_be_visible()
    for key, tab in (("4", "Files"), ("3", "Steps"), ("1", "Chat"), ("2", "Trace")):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Trace").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/runs/three/steps")
    page.keyboard.press("u")
    expect(page.locator("[data-run]")).to_have_count(3)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("search")
    page.keyboard.press("n")  # rests while a dialog is open
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("d")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(page, "three")).to_have_count(0)


def test_the_content_is_one_tab_away(site: Site, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_of_thousands_of_runs_the_relay_counts_and_finds(site: Site, page: Page) -> None:
    """The page has the newest 100 and what goes on; counts and search are of all, and only rows in sight drawn."""
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    external_runs(site.root, 2030)
    page.goto("/")
    table = page.get_by_role("table", name="Runs")
    statuses = page.get_by_role("group", name="Status")
    expect(statuses.get_by_role("button", name="all 2,031", exact=True)).to_be_visible()
    expect(statuses.get_by_role("button", name="completed 2,030", exact=True)).to_be_visible()
    expect(statuses.get_by_role("button", name="needs you 1", exact=True)).to_be_visible()
    # The oldest of all, but it asks.
    wait_until(lambda: shown_runs(page)[0] == "asks", "what asks, at the top")
    expect(page.get_by_role("button", name="1 thing needs you")).to_be_visible()
    assert page.locator("[data-run]").count() < 80

    page.get_by_label("Search runs").fill("old-0007")
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(row(page, "old-0007")).to_be_visible()
    expect(statuses.get_by_role("button", name="all 1", exact=True)).to_be_visible()
    page.get_by_label("Search runs").fill("old")
    expect(table).to_have_attribute("aria-rowcount", "201")
    page.locator(".run-scroller").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(table).to_have_attribute("aria-rowcount", "401")
    page.get_by_role("button", name="Workflow", exact=True).click()
    page.get_by_role("menuitemradio", name="external 2,030").click()
    expect(statuses.get_by_role("button", name="all 2,030", exact=True)).to_be_visible()


def test_the_theme_is_switched_and_kept(site: Site, new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="light")

    def canvas() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.goto("/")
    light = canvas()
    page.get_by_role("button", name="Theme: as the system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    wait_until(lambda: canvas() != light, "another colour")
    dark = canvas()
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert canvas() == dark
