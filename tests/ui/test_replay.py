"""The replay bar: a run is gone through as it was recorded, and every tab follows."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support import wait_for, wait_until
from tests.ui.support import BROWSER, Site, overflow_px, screenshot, serious_faults

pytestmark = BROWSER

BEGAN = datetime(2025, 1, 19, 10, 0, tzinfo=UTC)
# What was recorded: seconds since the beginning, event. The hour's silence is cut to 10 s.
RECORDED: list[tuple[float, dict[str, Any]]] = [
    (0, {"type": "workflow_started", "workflow": "build", "attempt": 1}),
    (1, {"type": "progress_update", "progress": 10, "message": "reading"}),
    (2, {"type": "task_started", "task_id": "t1", "task_name": "Compile"}),
    (3, {"type": "assistant", "message": {"id": "m1", "content": [{"type": "text", "text": "Once"}]}}),
    (4, {"type": "task_completed", "task_id": "t1", "task_name": "Compile"}),
    (3604, {"type": "task_started", "task_id": "t2", "task_name": "Publish"}),
    (3605, {"type": "progress_update", "progress": 90, "message": "writing"}),
    (3606, {"type": "assistant", "message": {"id": "m2", "content": [{"type": "text", "text": "Twice"}]}}),
    (3607, {"type": "task_completed", "task_id": "t2", "task_name": "Publish"}),
    (3608, {"type": "workflow_completed", "duration_s": 3608.0}),
]  # fmt: skip
# Writes an event a step, for as long as it is not stopped.
COUNTS = """
import itertools, json, time
for number in itertools.count():
    print(json.dumps({"type": "progress_update", "progress": 1, "message": f"step {number}"}), flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def recorded(site: Site) -> str:
    """The id of a run that has ended."""
    folder = site.root / "recorded"
    folder.mkdir()
    lines = [
        json.dumps(event | {"timestamp": (BEGAN + timedelta(seconds=at)).isoformat()})
        for at, event in RECORDED
    ]
    (folder / "_stream.jsonl").write_text("\n".join(lines) + "\n")
    return "recorded"


def bar(page: Page) -> Locator:
    return page.get_by_role("region", name="Replay")


def open_bar(page: Page) -> None:
    page.get_by_role("button", name="Replay", exact=True).click()


def scrub(page: Page, position: int) -> None:
    page.get_by_role("slider", name="Events shown").fill(str(position))


def position(page: Page) -> int | None:
    """How many events are shown; None: all of them."""
    told = bar(page).get_attribute("data-position")
    return None if told is None or told == "end" else int(told)


def trace_rows(page: Page) -> Locator:
    return page.locator(".trace-row")


def test_scrubbing_moves_every_tab(page: Page, recorded: str) -> None:
    page.goto("/runs/recorded/trace")
    expect(trace_rows(page)).to_have_count(len(RECORDED))
    open_bar(page)
    expect(bar(page)).to_contain_text("0:18.0 / 0:18.0")
    scrub(page, 5)
    expect(trace_rows(page)).to_have_count(5)
    expect(bar(page)).to_contain_text("event 5 of 10")
    expect(bar(page)).to_contain_text("0:04.0 / 0:18.0")
    expect(page.locator(".run-top .status")).to_have_text("running")
    expect(page.locator(".run-top").get_by_text("replay")).to_be_visible()

    page.keyboard.press("3")
    expect(page.get_by_text("Compile").first).to_be_visible()
    expect(page.get_by_text("Publish")).to_have_count(0)
    page.keyboard.press("1")
    expect(page.get_by_text("Once")).to_be_visible()
    expect(page.get_by_text("Twice")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Message")).to_have_count(0)  # the past hears nothing
    scrub(page, 8)
    expect(page.get_by_text("Twice")).to_be_visible()
    scrub(page, 2)
    expect(page.get_by_text("Once")).to_have_count(0)
    scrub(page, len(RECORDED))
    expect(page.locator(".run-top .status")).to_have_text("completed")
    assert position(page) is None


def test_it_plays_with_the_recorded_gaps(page: Page, recorded: str) -> None:
    """At 5 times the speed the 18 s, an hour's silence cut to 10 s, take some 4 s; uncut, 12 minutes."""
    page.goto("/runs/recorded/trace")
    open_bar(page)
    bar(page).get_by_label("Speed").select_option("5")
    page.evaluate(
        """() => {
            const bar = document.querySelector('.replay');
            const seen = window.seenPositions = [];
            new MutationObserver(() => seen.push([bar.dataset.position, performance.now()]))
                .observe(bar, { attributes: true, attributeFilter: ['data-position'] });
        }"""
    )
    page.get_by_role("main").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause the replay")).to_be_visible()
    expect(bar(page)).to_have_attribute("data-position", "end")
    seen = dict(page.evaluate("() => window.seenPositions"))
    positions = [int(place) for place in seen if place != "end"]
    assert positions == sorted(positions)
    after_the_silence = min((place for place in positions if place > 5), default="end")
    assert seen[str(after_the_silence)] - seen["5"] >= 1900, "it waits there for two seconds"
    expect(trace_rows(page)).to_have_count(len(RECORDED))
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_it_is_steered_by_keys(page: Page, recorded: str) -> None:
    page.goto("/runs/recorded/trace")
    expect(trace_rows(page)).to_have_count(len(RECORDED))
    page.keyboard.press("r")
    expect(bar(page)).to_have_attribute("data-position", "0")
    page.keyboard.press(".")
    page.keyboard.press(".")
    expect(trace_rows(page)).to_have_count(2)
    page.keyboard.press(",")
    expect(trace_rows(page)).to_have_count(1)
    for _ in range(9):
        page.keyboard.press(">")
    expect(bar(page).get_by_label("Speed")).to_have_value("50")
    page.keyboard.press("<")
    expect(bar(page).get_by_label("Speed")).to_have_value("20")
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    paused = position(page)
    assert paused is None or paused >= 1
    page.get_by_role("slider", name="Events shown").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(trace_rows(page)).to_have_count(3)
    page.keyboard.press("r")
    expect(trace_rows(page)).to_have_count(len(RECORDED))


def test_the_past_of_a_live_run(site: Site, page: Page) -> None:
    """It stands still while the run goes on, and comes back to the present."""
    run = site.command(COUNTS, run_id="counts")
    page.goto("/runs/counts/trace")
    wait_for(run, "progress_update", message="step 3")
    expect(bar(page)).to_have_count(0)
    page.get_by_role("button", name="Rewind").click()
    scrub(page, 2)
    expect(trace_rows(page)).to_have_count(2)

    def known() -> int:
        found = re.search(r"event 2 of ([\d,]+)", bar(page).inner_text())
        return int(found[1].replace(",", "")) if found else 0

    before = known()
    wait_until(lambda: known() > before + 10, "more events")
    expect(trace_rows(page)).to_have_count(2)
    page.get_by_role("button", name="Back to live").click()
    expect(bar(page)).to_have_count(0)
    wait_until(lambda: trace_rows(page).count() > 2, "the present")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".run-top .status")).to_have_text("stopped")
    open_bar(page)
    expect(bar(page)).to_be_visible()


def test_a_long_run_is_scrubbed_quickly(site: Site, page: Page) -> None:
    """50,000 events: a jump anywhere shows with the next picture but one, however long that takes."""
    folder = site.root / "long"
    folder.mkdir()
    with Path(folder / "_stream.jsonl").open("w") as stream:
        for number in range(50_000):
            at = (BEGAN + timedelta(milliseconds=20 * number)).isoformat()
            stream.write(json.dumps({"type": "log", "timestamp": at, "message": f"event {number}"}))
            stream.write("\n")
        stream.write('{"type":"workflow_completed"}\n')
    page.goto("/runs/long/trace")
    open_bar(page)
    expect(bar(page)).to_contain_text("event 50,001 of 50,001")
    for wanted in (40_000, 100, 25_000):
        shown = page.evaluate(
            """(wanted) => new Promise((done) => {
                const slider = document.querySelector('.replay-track input');
                const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
                set.call(slider, String(wanted));
                slider.dispatchEvent(new Event('input', { bubbles: true }));
                requestAnimationFrame(() => requestAnimationFrame(
                    () => done(document.querySelector('.replay').dataset.position)));
            })""",
            wanted,
        )
        assert shown == str(wanted)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    new_page: Callable[..., Page], recorded: str, scheme: str
) -> None:
    page = new_page(color_scheme=scheme)
    page.goto("/runs/recorded/trace")
    open_bar(page)
    scrub(page, 6)
    expect(trace_rows(page)).to_have_count(6)
    screenshot(page, f"replay-{scheme}")
    assert serious_faults(page) == []


def test_on_a_phone(phone: Page, recorded: str) -> None:
    phone.goto("/runs/recorded/trace")
    open_bar(phone)
    expect(bar(phone)).to_be_visible()
    assert overflow_px(phone) == 0
    bar(phone).get_by_role("button", name="One event back").tap()
    assert position(phone) == len(RECORDED) - 1
    bar(phone).get_by_role("button", name="Play").tap()
    expect(bar(phone)).to_have_attribute("data-position", "end")
