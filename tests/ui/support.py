"""What the browser tests share: a real `tailcast serve`, a real Chromium, and the eyes on both."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
)

from benchmarks.browser import absence
from runlog import Workspace, open_workspace
from tests.forks import TAILCAST, Forked
from tests.support import DEADLINE_S, ending, wait_until

PROJECT = Path(__file__).resolve().parents[2]
UI = PROJECT / "relay" / "ui"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 812}
REQUIRED = os.environ.get("TAILCAST_BROWSER") == "required"
# Of a wait for something on the page: the machine may be busy with the other tests.
DEADLINE_MS = 40_000
# What the browser itself says of a relay that is away.
AWAY = r"net::ERR_|Failed to load resource|Failed to fetch"

BROWSER = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not REQUIRED and absence() is not None, reason=absence() or ""),
]
"""`pytestmark` of every module with browser tests. A module has one Chromium, and goes to one worker."""


def build_page() -> None:
    """Bring relay/ui/dist up to date with the sources."""
    done = subprocess.run(
        [sys.executable, str(UI / "build.py")], capture_output=True, text=True, timeout=600
    )
    if done.returncode and "there is no Node.js" in done.stderr and not REQUIRED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@dataclass
class Site:
    """A `tailcast serve` with the scripted model. What it starts is ended by the fixture."""

    root: Path
    words: tuple[str, ...] = ()
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """On the port that it had before, if it had one."""
        words = ["--root", str(self.root), "serve", "--scripted-model", "--grace-s", "1"]
        words += ["--port", str(self.port), *self.words]
        environment = os.environ | {"NO_COLOR": "1"}
        process = Forked(TAILCAST, *words, stdout=subprocess.PIPE, env=environment)
        self.process = self._stack.enter_context(ending(process))
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self) -> None:
        """As a crash or a power cut would; the runs go on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=DEADLINE_S)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=DEADLINE_S)
        self._stack.close()

    def run(self, workflow: str, **body: Any) -> Workspace:
        """Start a run by the API."""
        answer = self.post("/workflows", {"workflow": workflow} | body)
        return open_workspace(self.root, answer["run_id"])

    def restore(self) -> None:
        """As it was at first: with the usual words, and without runs and deployments."""
        if self.words or self.process is None or self.process.poll() is not None:
            self.close()
            self.words = ()
            self.start()
        for run in self._active():
            answer = self._ask("POST", f"/workflows/{run['run_id']}/stop", {})
            ended_meanwhile = answer.status_code == 409
            assert answer.is_success or ended_meanwhile, answer.text
        wait_until(lambda: not self._active(), "the end of all runs")
        for path in self.root.iterdir():
            if path.is_dir():
                # What an agent leaves behind may write into its folders for another moment.
                wait_until(lambda path=path: _is_removed(path), f"the end of {path}")

    def _active(self) -> list[dict[str, Any]]:
        statuses = ("queued", "running", "waiting", "paused")
        return [run for name in statuses for run in self.get(f"/workflows?status={name}")["runs"]]

    def command(self, code: str, **body: Any) -> Workspace:
        """Start a run of a Python program."""
        return self.run("command", params={"argv": [sys.executable, "-u", "-c", code]}, **body)

    def post(self, path: str, body: Any = None) -> Any:
        answer = self._ask("POST", path, body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        answer = self._ask("GET", path)
        assert answer.is_success, answer.text
        return answer.json()

    def delete(self, path: str) -> None:
        answer = self._ask("DELETE", path)
        assert answer.is_success, answer.text

    def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        url = f"{self.url}/api/v1{path}"
        return httpx.request(method, url, json=body, timeout=DEADLINE_S, trust_env=False)


def _is_removed(path: Path) -> bool:
    with contextlib.suppress(OSError):
        shutil.rmtree(path)
    return not path.exists()


@dataclass
class Watch:
    """Sees what a page does that nobody asked for: errors on the console, dialogs, requests elsewhere.

    It sees no shared worker: that one is held by the page's policy alone.
    """

    errors: list[str] = field(default_factory=list)
    _allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Errors that match are part of this test."""
        self._allowed.append(pattern)

    def unexpected(self) -> list[str]:
        return [e for e in self.errors if not any(re.search(p, e) for p in self._allowed)]

    def attach(self, context: BrowserContext, origin: str) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.errors.append(f"console {message.type}: {message.text} {message.location}")

        def on_request(request: Request) -> None:
            if not request.url.startswith((f"{origin}/", f"blob:{origin}/", "data:")):
                self.errors.append(f"request elsewhere: {request.url[:200]}")

        def on_dialog(dialog: Dialog) -> None:
            self.errors.append(f"dialog: {dialog.type} {dialog.message}")
            dialog.dismiss()

        context.on("console", on_console)
        context.on("request", on_request)
        context.on("dialog", on_dialog)
        context.on("weberror", lambda error: self.errors.append(f"page error: {error.error}"))


@contextlib.contextmanager
def chromium_context(
    browser: Browser, site: Site, watch: Watch, **options: Any
) -> Iterator[BrowserContext]:
    """A browser as someone has it who was never here: no storage, no cache."""
    given = {"viewport": DESKTOP, "locale": "en-GB", "reduced_motion": "reduce"} | options
    context = browser.new_context(base_url=site.url, **given)
    context.set_default_timeout(DEADLINE_MS)
    watch.attach(context, site.url)
    try:
        yield context
    finally:
        context.close()


def serious_faults(page: Page) -> list[str]:
    """What axe finds of impact serious or critical, one line each: rule, what it is, where."""
    # By the debugger and not as a script of the page: its policy admits none.
    page.evaluate((UI / "node_modules" / "axe-core" / "axe.min.js").read_text())
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {rule['help']}: {' '.join(node['target'])}: {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def overflow_px(page: Page) -> int:
    """How far the page is wider than its window."""
    return int(
        page.evaluate(
            "() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
        )
    )


def screenshot(page: Page, name: str) -> None:
    """Into the folder TAILCAST_SCREENSHOTS, if that is set: for the docs, and to look at."""
    if folder := os.environ.get("TAILCAST_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def keep_evidence(pages: list[Page], folder: Path) -> list[str]:
    """Of a test that failed: a picture and the text of each page. Returns what to tell."""
    told = []
    for number, page in enumerate(pages):
        path = folder / f"failed-{number}.png"
        with contextlib.suppress(Error):
            page.screenshot(path=path, timeout=DEADLINE_MS)
            text = page.inner_text("body", timeout=DEADLINE_MS)
            told.append(f"{page.url}\npicture: {path}\n{text[:3000]}")
    return told
