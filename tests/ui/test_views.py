"""What stands beside the chat: output, changes, the timeline; links to places, the runs at the side, the palette."""

import re

import pytest
from playwright.sync_api import Page, expect

from runlog import Workspace
from tests.support import events, script, wait_for, wait_for_end
from tests.ui.chat import item
from tests.ui.runs import ASKS
from tests.ui.support import BROWSER, Site, serious_faults

pytestmark = BROWSER

FAILS = """
import sys
for number in range(1, 301):
    print(f"\\033[32mok\\033[0m part {number}")
print("main.c:12: error: expected ';'", file=sys.stderr)
sys.exit(2)
"""
EDITS = [
    {"tools": [{"name": "Write", "input": {"file_path": "a.py", "content": "one\ntwo\n"}}]},
    {
        "text": "And now the other way round.",
        "tools": [
            {
                "name": "Edit",
                "input": {"file_path": "a.py", "old_string": "two", "new_string": "2\n3"},
            }
        ],
    },
    {"text": "Done."},
]


def edited(site: Site) -> Workspace:
    run = site.run("claude", prompt=script(*EDITS), params={"permission_mode": "acceptEdits"})
    wait_for_end(run)
    return run


def test_output_opens_at_the_error_and_its_lines_have_links(site: Site, page: Page) -> None:
    run = site.command(FAILS)
    wait_for_end(run)
    page.goto(f"/runs/{run.run_id}/output")
    expect(page.locator(".output-bad")).to_contain_text("expected ';'")
    assert page.locator(".output-line").count() < 120  # only those in sight
    assert serious_faults(page) == []

    page.keyboard.press("/")
    page.keyboard.type("PART 29")
    expect(page.locator(".output-tools [role=status]")).to_have_text("1 of 11")
    expect(page.locator(".output-current")).to_contain_text("part 29")
    page.keyboard.press("Enter")
    expect(page.locator(".output-current")).to_contain_text("part 290")
    page.keyboard.press("Escape")
    page.keyboard.press("N")
    expect(page.locator(".output-tools [role=status]")).to_have_text("1 of 11")

    page.get_by_role("button", name="Line 29", exact=True).click()
    page.get_by_role("button", name="Line 31", exact=True).click(modifiers=["Shift"])
    assert page.url.endswith("/output#L29-L31")
    page.reload()
    expect(page.locator(".output-chosen")).to_have_count(3)
    expect(page.locator(".output-chosen").first).to_contain_text("part 29")


def test_output_is_followed_until_one_scrolls_up(site: Site, page: Page) -> None:
    code = "import time\nfor n in range(10**6):\n    print(f'line {n}')\n    time.sleep(0.02)"
    run = site.command(code)
    wait_for(run, "log")
    page.goto(f"/runs/{run.run_id}/output")
    expect(page.get_by_text("line 300", exact=True)).to_be_visible()
    page.locator(".output-lines").hover()
    page.mouse.wheel(0, -3000)
    jump = page.get_by_role("button", name=re.compile(r"^[\d,]+ new$"))
    expect(jump).to_be_visible()
    before = page.locator(".output-lines").evaluate("box => box.scrollTop")
    expect(page.get_by_role("button", name=re.compile(r"^\d{2,} new$"))).to_be_visible()
    assert page.locator(".output-lines").evaluate("box => box.scrollTop") == before
    jump.click()
    expect(jump).to_have_count(0)


def test_changes_are_told_after_the_turn_and_in_a_tab(site: Site, page: Page) -> None:
    run = edited(site)
    page.goto(f"/runs/{run.run_id}/chat")
    page.get_by_role("button", name="1 file changed").click()
    page.get_by_role("button", name="a.py").last.click()
    expect(page.locator(".turn-changes .diff")).to_have_count(2)

    page.get_by_role("tab", name="Changes").click()
    expect(page.locator(".changes-head")).to_contain_text("1 file")
    expect(page.locator(".changes-head .diff-count")).to_have_text("+4 −1")
    expect(page.locator(".changed .diff")).to_have_count(2)
    assert serious_faults(page) == []
    page.get_by_role("link", name="Edit in turn 1").click()
    page.wait_for_url(re.compile(r"/chat\?at=\d+$"))
    expect(page.locator(".flash")).to_contain_text("Edit")


def test_a_link_leads_to_a_place(site: Site, page: Page) -> None:
    run = edited(site)
    records = events(run)
    says = next(e for e in records if "other way round" in str(e))
    page.goto(f"/runs/{run.run_id}/trace")
    row = page.locator(".trace-row", has_text="other way round").last
    row.click()
    offset = row.get_attribute("data-offset")
    assert says and offset
    page.goto(f"/runs/{run.run_id}/chat?at={offset}")
    expect(page.locator(".flash")).to_contain_text("other way round")
    page.goto(f"/runs/{run.run_id}/trace?at={offset}")
    expect(page.locator(".trace-row.active")).to_have_attribute("data-offset", offset)
    page.goto(f"/runs/{run.run_id}/chat?at={offset}&replay")
    expect(item(page, "text", "other way round")).to_be_visible()
    expect(item(page, "text", "Done.")).to_have_count(0)
    expect(page.locator(".run-top").get_by_text("replay")).to_be_visible()


def test_the_timeline_shows_what_took_time(site: Site, page: Page) -> None:
    run = edited(site)
    page.goto(f"/runs/{run.run_id}/trace")
    expect(page.locator(".trace-row").first).to_be_visible()
    page.keyboard.press("t")
    rows = page.get_by_role("list", name="What took time").get_by_role("listitem")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("Turn")
    assert serious_faults(page) == []
    page.keyboard.press("j")
    page.keyboard.press("j")
    detail = page.get_by_label("What was selected")
    expect(detail).to_contain_text("Write")
    axis = page.locator(".timeline-axis .timeline-track")
    box = axis.bounding_box()
    assert box
    page.mouse.move(box["x"], box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 3, box["y"] + 5)
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.up()
    expect(page.get_by_role("button", name="Whole run")).to_be_visible()
    expect(rows).to_have_count(0)  # at the very beginning nothing took time
    page.keyboard.press("0")
    expect(rows).to_have_count(3)
    detail.get_by_role("link", name="Go there").click()
    page.wait_for_url(re.compile(r"/chat\?at=\d+$"))


def test_the_runs_stand_at_the_side(site: Site, page: Page) -> None:
    wait_for(site.command(ASKS, run_id="asks"), "questions_presented")
    for run_id in ("older", "newer"):
        wait_for_end(site.command("pass", run_id=run_id))
    page.goto("/runs/newer/output")
    side = page.get_by_role("navigation", name="Runs")
    expect(side.get_by_label("Needs you").get_by_role("link")).to_have_count(1)
    expect(side.get_by_label("Today").get_by_role("link")).to_have_count(2)
    expect(side.locator("[aria-current=page]")).to_have_attribute("href", "/runs/newer")
    page.keyboard.press("Alt+ArrowDown")
    page.wait_for_url("**/runs/older")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    page.wait_for_url("**/runs/asks")
    page.keyboard.press("[")
    expect(side).to_have_count(0)
    page.reload()
    expect(page.locator(".shell-folded")).to_be_visible()
    assert serious_faults(page) == []

    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Find")).to_be_focused()
    expect(page.get_by_role("option").first).to_contain_text("needs you")
    assert serious_faults(page) == []
    page.keyboard.type("older")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/older")
    page.keyboard.press("Control+k")
    page.keyboard.type("new run")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="New run")).to_be_visible()


def test_two_tabs_beside_one_another(site: Site, page: Page) -> None:
    run = edited(site)
    page.goto(f"/runs/{run.run_id}/chat")
    expect(item(page, "text", "Done.")).to_be_visible()
    page.keyboard.press("\\")
    beside = page.get_by_role("complementary", name="Beside it")
    expect(beside.locator(".changed")).to_be_visible()
    beside.get_by_role("tab", name="Files").click()
    page.reload()
    expect(beside.get_by_text("a.py").first).to_be_visible()
    expect(item(page, "text", "Done.")).to_be_visible()
    assert serious_faults(page) == []
    page.set_viewport_size({"width": 1000, "height": 700})
    expect(beside).to_have_count(0)


@pytest.mark.parametrize("size", [{"width": 1280, "height": 720}])
def test_the_chat_has_three_quarters_of_the_height(
    site: Site, page: Page, size: dict[str, int]
) -> None:
    run = edited(site)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(f"/runs/{run.run_id}/chat")
    box = page.locator(".chat-scroller").bounding_box()
    assert box and box["height"] >= 0.75 * size["height"]
    edges = {
        round(found["x"] + found["width"])
        for each in page.locator(".chat-item").all()
        if (found := each.bounding_box())
    }
    assert len(edges) == 1
