"""What the tests of the list, the form and the page of a run share: runs of each kind, and where things stand."""

import re

from playwright.sync_api import Locator, Page, expect

from runlog import Workspace, open_workspace
from tests.ui.support import Site

QUICK = {"count": 2, "min_sleep_s": 0.05, "max_sleep_s": 0.05}
# Runs until it is stopped, and says how far it is.
BUSY = """
import json, time
print(json.dumps({"type": "progress_update", "progress": 40, "message": "4 of 10 files"}), flush=True)
time.sleep(600)
"""
# Waits for an answer that nobody gives.
ASKS = """
import json, time
question = {"question": "Which colour?", "header": "Colour", "multiSelect": False,
            "options": [{"label": "red"}, {"label": "blue"}]}
print(json.dumps({"type": "questions_presented", "question_id": "q-1", "questions": [question]}), flush=True)
time.sleep(600)
"""


def row(page: Page, run_id: str) -> Locator:
    return page.locator(f'[data-run="{run_id}"]')


def action(page: Page, name: str) -> Locator:
    """A button in the head of a run's page."""
    return page.locator(".run-top").get_by_role("button", name=name, exact=True)


def choose_action(page: Page, name: str) -> None:
    """What stands behind the three dots."""
    page.locator(".run-top").get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name=name).click()


def choose(page: Page, name: str) -> Locator:
    """Open the form and choose what to start."""
    expect(page.get_by_role("button", name="New run")).to_be_visible()
    page.keyboard.press("n")
    form = page.get_by_role("dialog")
    form.get_by_role("radio", name=name, exact=True).check()
    return form


def started_run(site: Site, page: Page) -> Workspace:
    """The run whose page has opened."""
    page.wait_for_url(re.compile(r"/runs/[a-z0-9-]+$"))
    return open_workspace(site.root, page.url.rsplit("/", 1)[1])
