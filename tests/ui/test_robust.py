"""What may happen to a page: it is loaded again, its relay dies, its window is small, its agent is hostile."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from runlog import Workspace
from tests.support import events, records, wait_for, wait_for_end, wait_until
from tests.ui.hostile import LAST_WORD
from tests.ui.support import AWAY, BROWSER, PHONE, Site, Watch, overflow_px

pytestmark = BROWSER

TABS = ("chat", "trace", "steps", "files", "output", "changes")

# Counts on from wherever the gate is opened to: `echo 12 > gate` lets it print up to 12, `end` ends it.
COUNTER = """
import sys, time
gate, said = sys.argv[1], 0
deadline = time.monotonic() + 600
while time.monotonic() < deadline:
    try:
        told = open(gate).read().strip()
    except FileNotFoundError:
        told = "0"
    if told == "end":
        break
    while told.isdigit() and said < int(told):
        said += 1
        print(f"word {said} of many")
    time.sleep(0.02)
"""


class Counter:
    """A run that says `word 1 of many`, `word 2 of many` and so on, as far as the test lets it."""

    def __init__(self, site: Site, gate: Path) -> None:
        self.gate = gate
        argv = [sys.executable, "-u", "-c", COUNTER, str(gate)]
        self.run = site.run("command", params={"argv": argv}, run_id="counter")

    def to(self, number: int) -> None:
        self._write(str(number))
        wait_for(self.run, "log", message=f"word {number} of many")

    def end(self) -> None:
        self._write("end")
        wait_for_end(self.run)

    def _write(self, text: str) -> None:
        part = self.gate.with_suffix(".part")
        part.write_text(text)
        part.rename(self.gate)


@pytest.fixture
def counter(site: Site, tmp_path: Path) -> Counter:
    return Counter(site, tmp_path / "gate")


def shown_offsets(page: Page) -> list[int]:
    cells = page.locator(".trace-row .trace-offset").all_inner_texts()
    return [int(text.replace(",", "")) for text in cells]


def expect_whole_trace(page: Page, run: Workspace) -> None:
    """Each line of the log once, in its order. Few enough that all rows are drawn."""
    expected = [record.offset for record in records(run)]
    wait_until(lambda: shown_offsets(page) == expected, f"{expected}, not {shown_offsets(page)}")


def test_loaded_again_in_the_middle_it_has_all_of_it_once(
    site: Site, page: Page, counter: Counter
) -> None:
    counter.to(5)
    page.goto("/runs/counter/trace")
    expect(page.get_by_text("word 5 of many")).to_be_visible()
    page.reload()
    counter.to(10)
    expect(page.get_by_text("word 10 of many")).to_be_visible()
    counter.end()
    expect_whole_trace(page, counter.run)


def test_a_relay_that_dies_and_comes_back_costs_nothing(
    site: Site, page: Page, counter: Counter, watch: Watch
) -> None:
    watch.allow(AWAY)
    counter.to(4)
    page.goto("/runs/counter/trace")
    expect(page.get_by_text("word 4 of many")).to_be_visible()
    state = page.locator("[data-connection]").first
    expect(state).to_have_attribute("data-connection", "live")
    for heard in (8, 12):
        site.kill()
        expect(page.get_by_role("status").filter(has_text="reconnecting")).to_be_visible()
        counter.to(heard)
        site.start()
        expect(page.get_by_text(f"word {heard} of many")).to_be_visible()
        expect(state).to_have_attribute("data-connection", "live")
    counter.end()
    expect_whole_trace(page, counter.run)


def test_a_page_that_was_offline_catches_up(
    site: Site, new_page: Callable[..., Page], counter: Counter, watch: Watch
) -> None:
    """As after sleep or a change of network; without a shared worker, which Playwright can't take offline."""
    watch.allow(AWAY)
    page = new_page()
    page.add_init_script("delete window.SharedWorker")
    counter.to(3)
    page.goto("/runs/counter/trace")
    expect(page.get_by_text("word 3 of many")).to_be_visible()
    page.context.set_offline(True)
    counter.to(6)
    page.context.set_offline(False)
    expect(page.get_by_text("word 6 of many")).to_be_visible()
    counter.end()
    expect_whole_trace(page, counter.run)


def test_without_a_relay_the_page_says_so_and_the_list_comes_back(
    site: Site, page: Page, watch: Watch
) -> None:
    watch.allow(AWAY)
    page.goto("/")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    site.kill()
    expect(page.get_by_role("status").filter(has_text="reconnecting")).to_be_visible()
    site.start()
    site.command("print('after')", run_id="after")
    expect(page.get_by_role("link", name=re.compile("after")).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_window(
    site: Site, new_page: Callable[..., Page], scheme: str
) -> None:
    hostile(site)
    page = new_page(
        viewport=PHONE,
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
        color_scheme=scheme,
    )
    page.goto("/")
    expect(page.get_by_role("link", name=re.compile("hostile")).first).to_be_visible()
    assert overflow_px(page) <= 0
    for tab in TABS:
        page.goto(f"/runs/hostile/{tab}")
        expect(page.get_by_role("tabpanel")).to_contain_text(SEEN_ON[tab])
        assert overflow_px(page) <= 0, tab
    page.get_by_role("tab", name=re.compile("trace", re.I)).tap()
    expect(page).to_have_url(re.compile("/runs/hostile/trace"))


# Text that shows that a tab has what the hostile agent wrote.
SEEN_ON = {
    "chat": LAST_WORD,
    "trace": "<script>",
    "steps": "<script>",
    "files": "page.html",
    "output": "red a link",
    "changes": "No file was edited",
}

# What would be wrong on a page, each with what there is of it.
LOOK_FOR_HARM = """() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const told = (elements) => elements.map((element) => element.outerHTML.slice(0, 300));
    const links = all("a[href]");
    return {
        ran: [window.wasRun, {}.polluted, Object.polluted].filter((value) => value !== undefined),
        scripts: told(all("script").filter((script) => !script.src.startsWith(location.origin))),
        embedded: told(all("iframe, object, embed, base, meta[http-equiv], form[action]")),
        handlers: told(all("[onerror], [onload], [onclick]")),
        images: told(all("img").filter((image) => !/^(blob:|data:image|http:..127)/.test(image.src))),
        schemes: told(links.filter((link) => !["http:", "https:", "mailto:", "blob:"].includes(link.protocol))),
        unguarded: told(links.filter((link) => link.origin !== location.origin && link.protocol !== "blob:"
            && !(link.relList.contains("noopener") && link.relList.contains("noreferrer")
                 && link.target === "_blank"))),
    };
}"""


def hostile(site: Site) -> Workspace:
    """A run that is over, and tried all it could."""
    argv = [sys.executable, str(Path(__file__).with_name("hostile.py"))]
    run = site.run("command", params={"argv": argv}, run_id="hostile")
    assert wait_for_end(run)["type"] == "workflow_completed", events(run)[-3:]
    return run


def harm(page: Page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.evaluate(LOOK_FOR_HARM)
    return {what: where for what, where in found.items() if where}


def test_a_hostile_agent_changes_nothing_but_what_is_shown(
    site: Site, page: Page, watch: Watch
) -> None:
    hostile(site)
    page.goto("/")
    expect(page.get_by_role("link", name=re.compile("hostile")).first).to_be_visible()
    assert harm(page) == {}
    for tab in TABS:
        page.goto(f"/runs/hostile/{tab}")
        expect(page.get_by_role("tabpanel")).to_contain_text(SEEN_ON[tab])
        # At once: what unfolds moves the others, and may put them out of the page.
        page.get_by_role("tabpanel").locator("summary, [aria-expanded=false]").evaluate_all(
            "(folds) => folds.slice(0, 20).forEach((fold) => fold.click())"
        )
        assert harm(page) == {}
        assert page.get_by_role("tab").count() == len(TABS)
        assert overflow_px(page) <= 0, tab


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "script"])
def test_files_of_an_agent_are_never_run(site: Site, page: Page, name: str) -> None:
    hostile(site)
    page.goto("/runs/hostile/files")
    page.get_by_role("treeitem", name=re.compile(re.escape(name))).click()
    preview = page.locator(".files-preview")
    expect(preview).to_contain_text(name if name != "script" else "Report")
    if name == "page.html":
        expect(preview).to_contain_text("<h1>page of an agent</h1>")
    assert harm(page) == {}


def test_a_line_of_a_megabyte_is_folded(site: Site, page: Page) -> None:
    hostile(site)
    page.goto("/runs/hostile/chat")
    expect(page.get_by_role("tabpanel")).to_contain_text("the last word")
    assert len(page.get_by_role("tabpanel").inner_text()) < 200_000
