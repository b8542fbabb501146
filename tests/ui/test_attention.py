"""What needs somebody, over all runs: the bell, its menu, the browser's notifications, the page's sign."""

import re
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support import bash, wait_for, wait_for_end
from tests.ui.chat import DATABASE, ask, dock, talk
from tests.ui.runs import ASKS, row
from tests.ui.support import BROWSER, Site, screenshot, serious_faults

pytestmark = BROWSER

# In place of the browser's own: what was told, to be looked at. Nobody looks at the page.
NOTIFICATIONS = """
window.told = [];
window.Notification = class {
  static permission = 'granted';
  static requestPermission = async () => 'granted';
  constructor(title, options) { window.told.push([title, options.tag]); }
  close() {}
};
Object.defineProperty(Document.prototype, 'hidden', { get: () => window.away === true });
"""


def bell(page: Page) -> Locator:
    return page.locator(".bell-button")


def test_all_that_is_asked_is_answered_from_any_page(site: Site, page: Page) -> None:
    first = talk(site, ask(DATABASE), {"text": "Well."}, until="questions_presented")
    second = talk(
        site, {"tools": [bash("touch a")]}, {"text": "Made."}, until="permission_requested"
    )
    page.goto("/")
    expect(bell(page)).to_have_accessible_name("2 things need you")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    expect(page.locator('link[rel="icon"]')).to_have_attribute("href", re.compile("asks"))
    expect(row(page, first.run_id).locator(".status")).to_have_text("needs you")
    page.get_by_role("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("i")
    menu = page.get_by_role("region", name="What needs you")
    expect(menu.get_by_role("article")).to_have_count(2)
    expect(menu).to_contain_text("touch a")  # the newest run is open
    screenshot(page, "bell")
    assert serious_faults(page) == []
    menu.get_by_role("button", name="Allow").click()
    assert wait_for(second, "permission_resolved")["decision"] == "allow"
    expect(bell(page)).to_have_accessible_name("1 thing needs you")
    asked = menu.get_by_role("article").filter(has=page.locator(f'a[href$="{first.run_id}"]'))
    asked.get_by_role("button").first.click()
    asked.get_by_role("radio", name="Postgres").check()
    asked.get_by_role("button", name="Answer").click()
    wait_for(first, "responses_collected")
    expect(bell(page)).to_have_accessible_name("Nothing needs you")
    expect(page.locator('link[rel="icon"]')).not_to_have_attribute("href", re.compile("asks"))
    # At rest they want nobody.
    expect(row(page, first.run_id).locator(".status")).to_have_text("idle")
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)


def test_needs_you_and_idle_are_two_things(site: Site, page: Page) -> None:
    idle = talk(site, {"text": "Hello."}, until="result")
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    page.goto("/")
    statuses = page.get_by_role("group", name="Status")
    statuses.get_by_role("button", name="needs you").click()
    expect(page.locator("[data-run]")).to_have_count(1)
    expect(row(page, "asks")).to_be_visible()
    statuses.get_by_role("button", name="idle").click()
    expect(page.locator("[data-run]")).to_have_count(1)
    row(page, idle.run_id).get_by_role("link").click()
    expect(page.locator(".run-top .status")).to_have_text("idle")
    expect(dock(page)).to_have_count(0)
    page.goto("/runs/asks")
    expect(page.locator(".run-top .status")).to_have_text("needs you")
    expect(dock(page)).to_be_visible()


def test_one_tab_of_all_tells_the_browser(site: Site, new_page: Callable[..., Page]) -> None:
    page = new_page()
    context: BrowserContext = page.context
    context.add_init_script(NOTIFICATIONS)
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    bell(page).click()
    page.get_by_role("switch", name="Tell me in the browser").check()
    beside = new_page(beside=page)
    beside.goto("/")
    expect(bell(beside)).to_be_visible()
    for each in (page, beside):
        each.evaluate("() => { window.away = true; }")
    failing = site.command("import time; time.sleep(1); raise SystemExit(3)", run_id="fails")
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    wait_for_end(failing)
    page.wait_for_function("() => window.told.length >= 2")
    assert sorted(page.evaluate("() => window.told.map(([title, tag]) => `${title.split(':')[0]} ${tag}`)")) == [
        "Failed tailcast fails",
        "Needs you tailcast asks",
    ]  # fmt: skip
    assert beside.evaluate("() => window.told") == []
