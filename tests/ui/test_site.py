"""The page as a whole: it comes up, holds to its policy, and is there under every address."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.relay.live import running_relay
from tests.ui.support import BROWSER, Site, Watch, overflow_px, serious_faults

pytestmark = BROWSER


def test_it_comes_up_without_a_word_on_the_console(site: Site, page: Page) -> None:
    answer = page.goto("/")
    assert answer is not None and answer.status == 200
    expect(page).to_have_title(re.compile("Tailcast"))
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("button", name="New run").first).to_be_visible()
    assert overflow_px(page) == 0


def test_its_policy_stops_an_inline_script(site: Site, page: Page, watch: Watch) -> None:
    answer = page.goto("/")
    assert answer is not None
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    expect(page.get_by_role("main")).to_be_visible()
    watch.allow("Content Security Policy")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.wasRun = true";
            document.body.append(script);
            const image = document.createElement("img");
            image.setAttribute("onerror", "window.wasRun = true");
            image.src = "/assets/nothing.png";
            document.body.append(image);
            return new Promise((done) => image.addEventListener("error", () => setTimeout(done, 0)));
        }"""
    )
    watch.allow("assets/nothing.png")
    assert page.evaluate("() => window.wasRun") is None
    assert sum("inline" in error for error in watch.errors) >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(site: Site, new_page: Callable[..., Page], scheme: str) -> None:
    page = new_page(color_scheme=scheme)
    page.goto("/")
    expect(page.get_by_role("button", name="New run").first).to_be_visible()
    assert serious_faults(page) == []


@pytest.mark.parametrize("path", ["/runs/one", "/runs/one/trace", "/runs/one/files"])
def test_an_address_opens_what_it_names(site: Site, page: Page, path: str) -> None:
    site.command("print('hello from the run')", run_id="one")
    page.goto(path)
    expect(page.get_by_role("main")).to_contain_text("hello from the run")
    tab = path.split("/")[3] if path.count("/") == 3 else "chat"  # it has output
    expect(page.get_by_role("tab", name=re.compile(tab, re.I))).to_have_attribute(
        "aria-selected", "true"
    )


def test_an_address_of_nothing_says_so(site: Site, page: Page) -> None:
    page.goto("/no/such/page")
    expect(page.get_by_role("main")).to_contain_text("nothing at this address")
    page.get_by_role("main").get_by_role("link").first.click()
    expect(page).to_have_url(f"{site.url}/")


def test_the_token_comes_by_the_address_and_leaves_it(
    guarded: Site, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    page.goto(f"{guarded.url}/#token=s3%20cret%2F%26")
    for _ in range(2):
        expect(page.get_by_text("No runs yet")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page).to_have_url(f"{guarded.url}/")
        page.reload()


def test_the_token_is_asked_for(guarded: Site, page: Page, watch: Watch) -> None:
    watch.allow("401")
    page.goto(guarded.url)
    dialog = page.get_by_role("dialog", name="This relay wants a token")
    box = dialog.get_by_role("textbox", name="Token")
    box.fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("did not accept")
    box.fill("s3 cret/&")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(dialog).to_have_count(0)
    page.reload()  # kept for this tab
    expect(page.get_by_text("No runs yet")).to_be_visible()


@pytest.fixture
def guarded(site: Site) -> Site:
    site.close()
    site.words = ("--token", "s3 cret/&")
    site.start()
    return site


def test_a_relay_without_a_page_says_how_to_build_it(browser: Browser, tmp_path: Path) -> None:
    with running_relay(tmp_path / "root", "--page", str(tmp_path / "nothing")) as relay:
        page = browser.new_page()
        page.goto(f"{relay.url}/")
        expect(page.get_by_text("make ui")).to_be_visible()
        page.close()
