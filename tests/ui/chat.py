"""What the tests of the chat share: runs to talk to, and where things are on the page."""

import re
from typing import Any

from playwright.sync_api import Locator, Page

from runlog import Workspace
from tests.support import script, wait_for
from tests.ui.support import Site

DATABASE = {
    "question": "Which database should it use?",
    "header": "Database",
    "options": [
        {"label": "SQLite", "description": "One file, no server"},
        {"label": "Postgres", "description": "A server of its own"},
    ],
    "multiSelect": False,
}
SIZES = {
    "question": "Which sizes?",
    "header": "Sizes",
    "options": [{"label": size, "description": f"size {size}"} for size in "SML"],
    "multiSelect": True,
}


def talk(site: Site, *steps: dict[str, Any], until: str = "assistant", **params: Any) -> Workspace:
    """An interactive run that plays `steps`, once it has written a line of the type `until`."""
    run = site.run("claude", prompt=script(*steps), interactive=True, params=params)
    wait_for(run, until)  # a CLI may take its time to start, more than a page is given
    return run


def ask(*questions: dict[str, Any]) -> dict[str, Any]:
    return {"tools": [{"name": "AskUserQuestion", "input": {"questions": list(questions)}}]}


def box(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def item(page: Page, kind: str, text: str | re.Pattern[str] = "") -> Locator:
    found = page.locator(f'.chat-item[data-kind="{kind}"]')
    return found.filter(has_text=text) if text else found


def dock(page: Page) -> Locator:
    """What a run asks, below every tab."""
    return page.get_by_role("region", name="What it asks")


def state_of(message: Locator) -> Locator:
    return message.locator("[data-state]")
