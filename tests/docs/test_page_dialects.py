"""docs/dialects of the five families: each page's front end, made as it says, and used in a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import absence, chromium
from tests.docs.conftest import Place, listening
from tests.docs.samples import sample
from tests.support import DEADLINE_S, free_port, spawned, wait_until

DEADLINE_MS = DEADLINE_S * 1000

pytestmark = pytest.mark.skipif(
    os.environ.get("TAILCAST_BROWSER") != "required" and absence() is not None,
    reason=absence() or "",
)

@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are served from, and the relay that lets them in."""

    folder: Path
    address: str
    relay: str
    browser: Browser

    def open(self, dialect: str) -> Page:
        html = sample(f"dialects/{dialect}.md", "index.html").code
        name = f"{dialect}.html"
        (self.folder / name).write_text(html.replace("http://127.0.0.1:8700", self.relay))
        page = self.browser.new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.goto(f"{self.address}/{name}")
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(
    place: Place, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with (
        spawned(*server, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        listening(
            "relay", "--allow-origin", address, root=place.root, environment=place.environment
        ) as (relay, client),
    ):
        wait_until(lambda: client.get("/workflows").is_success, "the relay")
        yield Site(folder, address, relay, browser)


def test_trace(site: Site) -> None:
    page = site.open("trace")
    page.get_by_role("button", name="Start").click()
    log = page.locator("#log")
    expect(log).to_contain_text("progress_update")
    page.get_by_role("button", name="Stop").click()
    expect(log).to_contain_text("workflow_completed")
    assert log.inner_text().startswith("workflow_started")


def test_tasks(site: Site) -> None:
    page = site.open("tasks")
    page.get_by_role("button", name="Research").click()
    log = page.locator("#log")
    expect(log).to_contain_text("workflow_completed 100 %")
    expect(log).to_contain_text("task_started 0 % Task started: Overview")


def test_deployments(site: Site, place: Place) -> None:
    place.shell(sample("dialects/deployments.md", "put").code)
    page = site.open("deployments")
    page.get_by_label("Query").fill("Say hello to everybody who is here")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#status")).to_have_text("completed")
    expect(page.locator("#answer")).to_have_text("Say hello to everybody who is here")


def test_reasons(site: Site) -> None:
    page = site.open("reasons")
    page.get_by_role("button", name="Design").click()
    log = page.locator("#log")
    expect(log).to_contain_text("reason-card")
    page.get_by_role("button", name="Take the first option").click()
    expect(log).to_contain_text("responses-collected")
    expect(log).to_contain_text("workflow-complete")


def test_relay(place: Place) -> None:
    assert "event: end" in place.shell(sample("dialects/relay.md", "run").code)
