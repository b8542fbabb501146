"""Who speaks in the chat: a recorded run of the real CLI, in which it wrote much in the person's name."""

import re
import shutil

from playwright.sync_api import Page, expect

from tests import vectors
from tests.ui.chat import item
from tests.ui.record_fixtures import HERE
from tests.ui.support import BROWSER, Site, screenshot, serious_faults

pytestmark = BROWSER


def test_what_the_cli_wrote_is_shown_as_what_it_is(site: Site, page: Page) -> None:
    folder = site.root / "spoken"
    folder.mkdir()
    shutil.copy(HERE / "commands.jsonl", folder / "_stream.jsonl")
    page.set_viewport_size({"width": 1280, "height": 4000})  # all rows are drawn
    page.goto("/runs/spoken")
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    expect(item(page, "user")).to_have_text(
        [re.compile(word) for word in ("Begin", "go on", "write", "note 0", "note 1", "note 2", "In the background")]
    )  # fmt: skip
    said = page.locator(".bubble").all_inner_texts()
    assert not [text for text in said if "command-name" in text or "Request interrupted" in text]
    command = item(page, "command")
    expect(command.locator(".command-typed")).to_have_text("/cost")
    expect(command.get_by_label("Output", exact=True)).to_contain_text("Estimated cost")
    compaction = item(page, "compaction")
    expect(compaction).to_contain_text(
        re.compile(r"Conversation summarized: .+ → .+ tokens /compact keep it short")
    )
    compaction.get_by_role("button").click()
    expect(compaction).to_contain_text("This session is being continued")
    expect(item(page, "notice", "You interrupted")).to_be_visible()
    expect(item(page, "notice", 'Background command "later" completed')).to_be_visible()
    expect(page.get_by_text("Turn failed")).to_have_count(0)
    expect(item(page, "result").first).to_contain_text("Turn ended early")
    expect(item(page, "tool").first.get_by_label("cut short")).to_be_visible()
    screenshot(page, "speakers")
    assert serious_faults(page) == []


def test_a_session_that_the_cli_keeps(site: Site, page: Page) -> None:
    """Subagents at their calls, notes and commands as typed, what was cut off as cut off, and nobody at work."""
    folder = site.root / "kept"
    folder.mkdir()
    lines = vectors.read("kept_by_older")["lines"]
    (folder / "_stream.jsonl").write_text("\n".join(lines) + "\n")
    try:
        page.set_viewport_size({"width": 1280, "height": 2000})
        page.goto("/runs/kept")
        said = ["Look at both halves", "and count the lines", "use tabs", "stop that"]
        expect(item(page, "user")).to_have_text([re.compile(word) for word in said])
        expect(page.locator(".command-typed")).to_have_text(["/init", "# use tabs"])
        expect(item(page, "tool").filter(has_text="3 steps")).to_have_count(2)
        expect(item(page, "tool").last.get_by_label("cut short")).to_be_visible()
        expect(item(page, "compaction")).to_contain_text("Conversation summarized")
        expect(page.locator(".chat-working")).to_have_count(0)
        assert serious_faults(page) == []
    finally:
        shutil.rmtree(folder)  # nobody else ends it
