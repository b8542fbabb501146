"""Fixtures of the browser tests. A module says `pytestmark = BROWSER`, and its tests take

* `site`: a relay and runner, with the built page and no runs. Those of a module take turns with one, which is cleared
  after each;
* `page`: a page of a fresh browser on a desktop's window; `goto("/…")` takes it from `site`;
* `phone`: the same with a phone's window and touch;
* `new_page(**options)`: more of them: `new_page(beside=page)` is a second tab of the same browser;
* `watch`: what went wrong on any of them; a test ends with nothing unexpected there, or it fails.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from benchmarks.browser import chromium
from tests.support import end_runs
from tests.ui.support import (
    DEADLINE_MS,
    PHONE,
    Site,
    Watch,
    build_page,
    chromium_context,
    keep_evidence,
)

_REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


@pytest.fixture(scope="session")
def built_page() -> None:
    build_page()


# Playwright's loop runs in this thread while it is open, and tests of other modules run loops of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def module_site(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "workspaces")
    try:
        site.start()
        yield site
    finally:
        site.close()
        end_runs(site.root)


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    yield module_site
    module_site.restore()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def new_page(
    browser: Browser, site: Site, watch: Watch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    with contextlib.ExitStack() as stack:

        def new(*, beside: Page | None = None, **options: Any) -> Page:
            if beside is not None:
                return beside.context.new_page()
            context = stack.enter_context(chromium_context(browser, site, watch, **options))
            contexts.append(context)
            return context.new_page()

        yield new
        report = request.node.stash.get(_REPORT, None)
        failed = report is not None and report.failed
        if failed or watch.unexpected():
            pages = [page for context in contexts for page in context.pages]
            print("\n".join(keep_evidence(pages, tmp_path)))  # noqa: T201 (pytest shows it)
    if not failed:
        assert watch.unexpected() == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


@pytest.fixture
def phone(new_page: Callable[..., Page]) -> Page:
    return new_page(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
