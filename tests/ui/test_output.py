"""Output that is long or coloured or still comes, and texts that are long: shown whole, where one left them."""

import json
import re

from playwright.sync_api import Page, expect

from tests.support import wait_for, wait_for_end
from tests.ui.chat import item
from tests.ui.support import BROWSER, Site

pytestmark = BROWSER

PRINTS = r"""
import time
for n in range(400):
    print(f"\033[32mline {n}\033[0m", flush=True)
print("10 %\r60 %\r100 %", flush=True)
print("\033[31mFAILED\033[0m test_one", flush=True)
time.sleep(600)
"""


def test_a_live_commands_output_is_followed_in_the_chat(site: Site, page: Page) -> None:
    run = site.command(PRINTS, run_id="prints")
    wait_for(run, "log", message="\x1b[31mFAILED\x1b[0m test_one")
    page.goto("/runs/prints")
    expect(page.get_by_role("tab", name="Chat")).to_have_attribute("aria-selected", "true")
    output = item(page, "output").last
    expect(output.get_by_text("FAILED", exact=True)).to_be_in_viewport()
    expect(output.get_by_text("FAILED", exact=True)).to_have_css("color", re.compile(r"rgb\(1"))
    text = output.inner_text()
    assert "100 %" in text and "60 %" not in text  # as a terminal has it
    assert "line 0" in text and "line 399" in text
    page.get_by_role("tab", name="Trace").click()
    expect(page.locator(".trace-row").last.locator(".trace-meaning")).to_have_text(
        "FAILED test_one"
    )


def test_errors_are_seen_without_a_click(site: Site, page: Page) -> None:
    """Of a program that failed, and among the output of one whose lines say which are errors."""
    told = [
        {"type": "log", "level": "info", "message": text, "data": {"source": source}}
        for source, text in (("stdout", "fine"), ("stderr", "a warning"), ("stdout", "fine again"))
    ]
    code = f"import json, sys\nfor line in {told!r}: print(json.dumps(line))\nsys.exit('\x1b[31mboom\x1b[0m')"
    wait_for_end(site.command(code, run_id="breaks"))
    page.goto("/runs/breaks/chat")
    output = item(page, "output")
    expect(output).to_have_text(re.compile(r"fine\s*a warning\s*fine again"))
    expect(output.locator(".terminal-error")).to_have_text(re.compile("a warning"))
    failed = item(page, "notice", "The run failed")
    expect(failed.get_by_label("Output")).to_contain_text("boom")
    expect(failed.get_by_label("Output")).not_to_contain_text("[31m")


def test_a_long_answer_is_never_folded(site: Site, page: Page) -> None:
    text = "\n\n".join(f"paragraph {n}" for n in range(600)) + "\n\nThe conclusion."
    message = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": text}]}
    line = json.dumps({"type": "assistant", "message": message})
    wait_for_end(site.command(f"print({line!r})", run_id="long"))
    page.goto("/runs/long/chat")
    expect(page.get_by_text("The conclusion.")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_lists_and_formulas_are_shown_as_such(site: Site, page: Page) -> None:
    text = "- one\n- two\n\n1. first\n\nSo $a^2 + b^2 = c^2$, and it costs $5 or $10.\n\n$\\bad{$ and `$x_1$`"
    message = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": text}]}
    line = json.dumps({"type": "assistant", "message": message})
    wait_for_end(site.command(f"print({line!r})", run_id="lists"))
    page.goto("/runs/lists/chat")
    said = item(page, "text")
    expect(said.locator("ul")).to_have_css("list-style-type", "disc")
    expect(said.locator("ol")).to_have_css("list-style-type", "decimal")
    expect(said.locator("math").first).to_be_visible()
    expect(said).to_contain_text("it costs $5 or $10")
    expect(said.locator("code").last).to_have_text("$x_1$")


def test_places_are_kept_between_tabs_and_on_the_way_back(site: Site, page: Page) -> None:
    lines = [
        {"type": "assistant", "message": {"id": f"m{n}", "content": [{"type": "text", "text": f"message {n}"}]}}
        for n in range(300)
    ]  # fmt: skip
    code = f"import json\nfor line in {lines!r}: print(json.dumps(line))"
    wait_for_end(site.command(code, run_id="talks"))
    page.goto("/")
    page.get_by_role("link", name=re.compile("talks|import json")).first.click()
    page.get_by_role("tab", name="Chat").click()
    expect(item(page, "text", "message 299")).to_be_in_viewport()
    page.get_by_role("log").hover()
    page.mouse.wheel(0, -4000)
    expect(item(page, "text", "message 299")).not_to_be_in_viewport()
    expect(page.locator(".chat-jump")).to_be_visible()
    before = page.get_by_role("log").evaluate("(log) => log.scrollTop")
    page.get_by_role("tab", name="Trace").click()
    expect(page.locator(".trace-row").first).to_be_visible()
    page.get_by_role("tab", name="Chat").click()
    expect(item(page, "text").first).to_be_visible()
    page.wait_for_function(
        "(top) => Math.abs(document.querySelector('.chat-scroller').scrollTop - top) < 100", arg=before
    )  # fmt: skip
    page.keyboard.press("u")
    expect(page.locator("[data-run]").first).to_be_visible()
    page.go_back()
    page.wait_for_function(
        "(top) => Math.abs((document.querySelector('.chat-scroller')?.scrollTop ?? 0) - top) < 100", arg=before
    )  # fmt: skip
