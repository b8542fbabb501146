"""Debian's Chromium, driven by Playwright: for the case `page`, and for the browser tests."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

__all__ = ["CHROMIUM", "absence", "chromium"]

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
_ARGS = [
    "--no-sandbox",  # it needs rights that containers have not
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def absence() -> str | None:
    """Why there is no browser; None if there is one."""
    return None if Path(CHROMIUM).exists() else "there is no chromium (apt-get install chromium)"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Headless. Inside of the block Playwright's own loop runs in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGS)
        try:
            yield browser
        finally:
            browser.close()
