"""docs/dialects: each page's front end, made as it says in an empty folder, and used in a browser or by node.

In CI alone: the npm packages are installed from the registry.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from benchmarks.browser import chromium
from tests.docs.conftest import Place
from tests.docs.samples import sample, samples
from tests.support import DEADLINE_S, bash, script, whole_tree

INSTALL_S = 600
DEADLINE_MS = DEADLINE_S * 1000

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CI"), reason="its packages are installed in CI alone"),
    pytest.mark.timeout(2 * INSTALL_S),
]


def lay_out(page: str, place: Place, folder: Path) -> None:
    """Install what the page says, and write its files, with the address of this relay."""
    install = sample(page, "install").code
    argv = ["bash", "-euo", "pipefail", "-c", install]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stdout + done.stderr
    for block in samples(page):
        if "." in block.name:
            (folder / block.name).write_text(place.here(block.code))


@contextmanager
def vite(folder: Path) -> Iterator[str]:
    """The page's dev server: its address."""
    environment = os.environ | {"NO_COLOR": "1"}
    argv = ["npx", "vite", "--host", "127.0.0.1", "--port", "0"]
    with whole_tree(*argv, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line.decode()):
                yield found[0]
                break
        else:
            raise AssertionError("vite did not start")


@contextmanager
def opened(url: str) -> Iterator[Page]:
    with chromium() as browser, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        expect.set_options(timeout=DEADLINE_MS)
        page.goto(url)
        yield page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


def asking(*labels: str) -> dict[str, Any]:
    options = [{"label": label, "description": label} for label in labels]
    question = {"question": "Which?", "header": "W", "multiSelect": False, "options": options}
    return {"name": "AskUserQuestion", "input": {"questions": [question]}}


@pytest.fixture(scope="module")
def ai_sdk(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its dev server: each test is a browser of its own."""
    folder = tmp_path_factory.mktemp("ai-sdk")
    lay_out("dialects/ai-sdk.md", place, folder)
    with vite(folder) as url:
        yield url


def test_ai_sdk(ai_sdk: str) -> None:
    steps = script(
        {"thinking": "Hm.", "text": "I make it.", "tools": [bash("touch made.txt")]},
        {"text": "Made.", "tools": [asking("Left", "Right")]},
        {"text": "So it is.", "chunk_delay_s": 0.2},
        {"text": "You said: {{last_user}}"},
    )
    with opened(ai_sdk) as page:
        say(page, steps)
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("button", name="Right").click()
        expect(page.get_by_text("So it is.")).to_be_visible()
        expect(page.locator("code")).to_contain_text("output-available")
        expect(page.get_by_text("Hm.", exact=True)).to_be_visible()
        say(page, "thanks")
        expect(page.get_by_text("You said: thanks")).to_be_visible()
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def test_ai_sdk_over_a_reload_and_to_a_stop(ai_sdk: str) -> None:
    steps = script({"text": "Begun.", "tools": [bash("python3 -c 'import time; time.sleep(600)'")]})
    with opened(ai_sdk) as page:
        say(page, steps)
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("code")).to_contain_text("input-available")
        page.reload()
        expect(page.get_by_text("Begun.", exact=True)).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        say(page, script({"text": "Here again."}))
        expect(page.get_by_text("Here again.", exact=True)).to_be_visible()


def test_ag_ui(place: Place, tmp_path: Path) -> None:
    lay_out("dialects/ag-ui.md", place, tmp_path)
    steps = script(
        {"thinking": "Hm.", "text": "I make it.", "tools": [bash("touch made.txt")]},
        {"text": "Made.", "tools": [asking("Left", "Right")]},
        {"text": "So it is.", "chunk_delay_s": 0.2},
        {"text": "You said: {{last_user}}"},
    )
    with vite(tmp_path) as url, opened(url) as page:
        say(page, steps)
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("button", name="Right").click()
        expect(page.get_by_text("assistant: So it is.")).to_be_visible()
        expect(page.get_by_text("reasoning: Hm.")).to_be_visible()
        expect(page.locator("#state")).to_contain_text('"cost_usd":0.')
        say(page, "thanks")
        expect(page.get_by_text("assistant: You said: thanks")).to_be_visible()
        say(page, script({"text": "Begun.", "tools": [bash("touch more.txt")]}, {"text": "Well."}))
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("tool: denied")).to_be_visible()
        expect(page.get_by_text("assistant: Well.")).to_be_visible()
        expect(page.locator("#asks")).to_be_empty()


def test_durable_streams(place: Place, tmp_path: Path) -> None:
    lay_out("dialects/durable-streams.md", place, tmp_path)
    told = node(tmp_path, "follow.mjs")
    run = told[0].removeprefix("run ")
    assert told[1:] == [
        "workflow_started ",
        *(f"log tick {n}" for n in range(1, 6)),
        "workflow_completed ",
    ]
    assert node(tmp_path, "follow.mjs", run) == [f"run {run}"]  # it has its place, at the end
    (tmp_path / f"{run}.offset").unlink()
    for live in ('"long-poll"', "false"):
        code = (tmp_path / "follow.mjs").read_text().replace('"sse"', live)
        (tmp_path / "other.mjs").write_text(code)
        assert node(tmp_path, "other.mjs", run) == told
        (tmp_path / f"{run}.offset").unlink()


def node(folder: Path, *argv: str) -> list[str]:
    """The lines that a module prints."""
    done = subprocess.run(
        ["node", *argv], cwd=folder, capture_output=True, text=True, timeout=INSTALL_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


TWO_TURNS = script({"text": "One.", "tools": [bash("ls")]}, {"text": "Two."})


def test_the_sdk_in_python(place: Place, tmp_path: Path) -> None:
    code = place.here(sample("dialects/claude-agent-sdk.md", "ask.py").code)
    argv = [sys.executable, "-c", code, TWO_TURNS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.stdout.splitlines() == ["One.", "tool_use", "Two.", "success 2"], done.stderr


def test_the_sdk_in_typescript(place: Place, tmp_path: Path) -> None:
    lay_out("dialects/claude-agent-sdk.md", place, tmp_path)
    argv = ["npx", "tsx", "ask.mts", TWO_TURNS]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.stdout.splitlines() == ["One.", "tool_use", "Two.", "success 2"], done.stderr
    options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2023",
        "--module",
        "nodenext",
    ]
    install = ["npm", "install", "--no-save", "typescript@5.9.3", "@types/node@20"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=INSTALL_S)
    checked = subprocess.run(
        ["npx", "tsc", *options, "ask.mts"], cwd=tmp_path, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
