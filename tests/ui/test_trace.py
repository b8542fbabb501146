"""The Trace tab: every event of real runs, filtered, searched, unfolded, counted."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.support import records, script, wait_for, wait_for_end
from tests.ui.support import BROWSER, Site, overflow_px, screenshot, serious_faults

pytestmark = BROWSER

MANY = 50_000


def rows(page: Page, event_type: str | None = None) -> Locator:
    found = page.locator(".trace-row")
    if event_type is not None:
        found = found.filter(
            has=page.locator(".type-badge", has_text=re.compile(f"^{event_type}$"))
        )
    return found


def total(page: Page, name: str) -> Locator:
    return page.locator(f'[data-total="{name}"] dd')


def external_run(root: Path, run_id: str, count: int) -> Path:
    """A run that somebody else wrote: `count` events, a minute of clock for each thousand, then its end."""
    began = datetime(2025, 1, 19, 10, 0, tzinfo=UTC)

    def line(number: int) -> str:
        at = (began + timedelta(milliseconds=60 * number)).isoformat(timespec="milliseconds")
        kind = "log" if number % 10 else "progress_update"
        event = {"type": kind, "timestamp": at.replace("+00:00", "Z"), "message": f"event {number}"}
        return json.dumps(event | {"data": {"number": number, "text": "x" * 200}})

    folder = root / run_id
    folder.mkdir(parents=True)
    end = json.dumps({"type": "workflow_completed", "timestamp": "2025-01-19T11:00:00.000Z"})
    lines = [line(number) for number in range(count - 1)] + [end]
    (folder / "_stream.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_the_events_of_a_run_in_order(site: Site, page: Page) -> None:
    run = site.run("monty", params={"count": 2, "min_sleep_s": 0.1, "max_sleep_s": 0.2, "seed": 1})
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    expect(rows(page).first).to_contain_text("workflow_started")
    expect(rows(page, "workflow_completed")).to_have_count(1)
    first = rows(page).first
    expect(first.locator(".trace-time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d\d\d$"))
    expect(first.locator(".trace-offset")).to_have_text(re.compile(r"^\d+$"))
    expect(rows(page).nth(1).locator(".trace-delta")).to_have_text(re.compile(r"^[+−]\d"))
    expect(total(page, "events")).to_have_text(str(len(records(run))))
    expect(total(page, "quotes")).to_have_text("2")
    expect(total(page, "iterations")).to_have_text("2")
    expect(total(page, "runtime")).to_have_text(re.compile(r"^\d"))
    assert serious_faults(page) == []
    screenshot(page, "trace-monty")


def test_json_on_demand(site: Site, page: Page) -> None:
    text = "<script>alert(1)</script>\u202e evil \u001b[31m red " + "long " * 500
    run = site.command(f"import json; print(json.dumps({{'type': 'mine', 'text': {text!r}}}))")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    row = rows(page, "mine")
    row.click()
    detail = page.locator(".trace-detail")
    expect(detail).to_contain_text('"<script>alert(1)</script>')
    expect(detail).to_contain_text(r"\u202e evil \u001b[31m red")
    more = detail.get_by_role("button", name="more characters")
    more.click()
    expect(more).to_have_count(0)
    expect(detail).to_contain_text('long "')
    expect(page.locator("script", has_text="alert")).to_have_count(0)
    screenshot(page, "trace-json")
    row.click()
    expect(detail).to_have_count(0)


def test_filter_search_and_clear(site: Site, page: Page) -> None:
    run = site.command("for i in range(30): print('line', i)")
    wait_for_end(run)
    everything = len(records(run))
    page.goto(f"/runs/{run.run_id}/trace")
    shown = page.get_by_text(re.compile(r"^[\d,]+ shown"))
    expect(shown).to_have_text(f"{everything} shown")

    page.get_by_role("button", name="Types").click()
    choice = page.get_by_role("group", name="Types of events").get_by_role("listitem")
    expect(choice.filter(has_text="log")).to_contain_text("30")
    page.get_by_role("checkbox", name="log").uncheck()
    expect(shown).to_have_text(f"{everything - 30} shown")
    expect(rows(page, "log")).to_have_count(0)
    page.get_by_role("button", name="Show only log").click()
    expect(shown).to_have_text("30 shown")
    screenshot(page, "trace-types")
    page.get_by_role("button", name="All types").click()

    page.get_by_role("searchbox").fill("LINE 17")
    expect(shown).to_have_text("1 shown")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("line 17")
    page.get_by_role("searchbox").fill("")

    page.get_by_role("button", name="Clear").click()
    expect(shown).to_have_text("0 shown")
    expect(total(page, "events")).to_have_text(re.compile(f"^{everything} "))
    page.get_by_role("button", name=f"Show all ({everything} hidden)").click()
    expect(shown).to_have_text(f"{everything} shown")


def test_it_follows_a_run(site: Site, page: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = site.command(
        "import os, time\nfor i in range(300): print('before', i)\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
        "for i in range(300): print('after', i)"
    )
    wait_for(run, "log", message="before 299")
    page.goto(f"/runs/{run.run_id}/trace")
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(rows(page).filter(has_text="before 299")).to_be_in_viewport()
    expect(follow.locator(".pulse")).to_be_visible()
    # Who scrolls up is left there.
    page.get_by_role("grid", name="Events").hover()
    page.mouse.wheel(0, -3000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Clear").click()
    gate.touch()
    wait_for_end(run)
    expect(rows(page).filter(has_text="after 3").first).to_be_visible()
    expect(rows(page).filter(has_text="before")).to_have_count(0)
    follow.click()
    expect(rows(page, "workflow_completed")).to_be_in_viewport()
    expect(follow.locator(".pulse")).to_have_count(0)


def test_keys(site: Site, page: Page) -> None:
    run = site.command("print('one'); print('t' + 'wo')")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    expect(rows(page, "workflow_completed")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator(".trace-row.active")).to_contain_text("workflow_started")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".trace-row.active")).to_contain_text("one")
    page.keyboard.press("Enter")
    expect(page.locator(".trace-detail")).to_contain_text('"one"')
    page.keyboard.press("End")
    expect(page.locator(".trace-row.active")).to_contain_text("workflow_completed")
    grid = page.get_by_role("grid", name="Events")
    active = page.locator(".trace-row.active")
    assert grid.get_attribute("aria-activedescendant") == active.get_attribute("id")
    page.keyboard.press("/")
    page.keyboard.type("two")
    expect(page.get_by_text("1 shown", exact=True)).to_be_visible()


def test_tokens_and_cost_of_a_conversation(site: Site, page: Page) -> None:
    run = site.run("claude", prompt=script({"text": "Done."}))
    end = wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    usage = end["stats"]["usage"]
    expect(total(page, "tokens")).to_have_text(re.compile(r"^[\d,.]+( k)?$"))
    expect(total(page, "cost")).to_have_text(re.compile(r"^\$"))
    page.locator(".trace-totals summary").click()
    expect(page.get_by_role("row", name=f"output {usage['output_tokens']}")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(r"^assistant \d"))).to_be_visible()
    assert serious_faults(page) == []
    screenshot(page, "trace-totals")


def test_fifty_thousand_events(site: Site, page: Page) -> None:
    external_run(site.root, "large", MANY)
    page.goto("/runs/large/trace")
    expect(total(page, "events")).to_have_text("50 k")
    expect(rows(page).first).to_contain_text("event 0")
    expect(page.get_by_text("50,000 shown")).to_be_visible()
    grid = page.get_by_role("grid", name="Events")
    grid.focus()
    page.keyboard.press("End")
    expect(rows(page, "workflow_completed")).to_be_in_viewport()
    # Only what is in sight is there.
    assert rows(page).count() < 120
    page.keyboard.press("Home")
    expect(page.locator(".trace-meaning", has_text=re.compile("^event 0$"))).to_be_in_viewport()
    grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight / 2 }")
    expect(rows(page).filter(has_text=re.compile("event 2499[0-9]")).first).to_be_visible()
    page.get_by_role("searchbox").fill("event 4999")
    expect(page.get_by_text(re.compile("^10 shown$"))).to_be_visible()
    # event 4999 and event 49990 to 49998; 49999 is the end
    expect(rows(page)).to_have_count(10)


def test_a_replay_shows_what_was_there(site: Site, page: Page) -> None:
    run = site.command("for i in range(20): print('line', i)")
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    expect(rows(page, "workflow_completed")).to_have_count(1)
    page.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_role("slider").fill("5")
    expect(rows(page)).to_have_count(5)
    expect(total(page, "events")).to_have_text("5")
    expect(rows(page).last).to_contain_text("line 3")
    page.get_by_role("slider").fill("2")
    expect(rows(page)).to_have_count(2)


def test_on_a_phone(site: Site, phone: Page) -> None:
    run = site.run("monty", params={"count": 2, "min_sleep_s": 0.1, "max_sleep_s": 0.2, "seed": 1})
    wait_for_end(run)
    phone.goto(f"/runs/{run.run_id}/trace")
    expect(rows(phone, "workflow_completed")).to_have_count(1)
    rows(phone).nth(1).tap()
    expect(phone.locator(".trace-detail")).to_contain_text("current_quote")
    assert overflow_px(phone) == 0
    screenshot(phone, "trace-phone")


def test_dark(site: Site, new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="dark")
    run = site.run("monty", params={"count": 1, "min_sleep_s": 0.1, "max_sleep_s": 0.1})
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/trace")
    rows(page).nth(1).click()
    expect(page.locator(".trace-detail")).to_be_visible()
    assert serious_faults(page) == []
    screenshot(page, "trace-dark")
