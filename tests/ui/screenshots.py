"""Takes the pictures of docs/screenshots: `python -m tests.ui.screenshots [FOLDER]`.

Real runs of a relay of its own, with the scripted model. The scripts are taken out of what was recorded before anyone
looks: they stand in the prompts, where people write what they want.
"""

import json
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from benchmarks.browser import chromium
from runlog import Workspace
from tests.support import end_runs, script, wait_for, wait_for_end, wait_for_tool
from tests.ui.shown import COMMANDS, LIMITER, RENAME, RENAME_BRIEFLY
from tests.ui.support import (
    DESKTOP,
    PHONE,
    PROJECT,
    Site,
    Watch,
    build_page,
    chromium_context,
)

WIDE: Any = {"width": 1440, "height": 700}
_FOLDER = PROJECT / "docs" / "screenshots"
_SCRIPT = re.compile(r"\s*(?:\\n)*<<SCRIPT>>.*?<<END>>", re.DOTALL)


def take(folder: Path) -> None:
    """All of them, 1280x800; two tabs beside one another 1440x700, the phone 375x812."""
    folder.mkdir(parents=True, exist_ok=True)
    build_page()
    with tempfile.TemporaryDirectory() as temporary:
        site = Site(Path(temporary) / "workspaces")
        site.start()
        try:
            _start_runs(site, Path(temporary))
            with chromium() as browser:
                with chromium_context(browser, site, Watch(), viewport=DESKTOP) as context:
                    _desktop(context.new_page(), folder)
                with chromium_context(browser, site, Watch(), viewport=WIDE) as context:
                    _beside(context.new_page(), folder)
                options: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
                with chromium_context(browser, site, Watch(), **options) as context:
                    page = context.new_page()
                    page.goto("/runs/plan-migration/chat")
                    expect(page.get_by_text("When may it switch over?").first).to_be_visible()
                    _picture(page, folder, "phone")
        finally:
            site.close()
            end_runs(site.root)


def _start_runs(site: Site, tools: Path) -> None:
    for name, text in COMMANDS.items():
        path = tools / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(run_id: str, *argv: str) -> Workspace:
        return site.run("command", params={"argv": list(argv), "cwd": str(tools)}, run_id=run_id)

    wait_for_end(run("nightly-backup", "./backup", "--all"))
    allowed = {"allowed_tools": ["Write", "Edit", "Bash"]}
    for run_id, prompt, steps in (
        ("rename-flag-2", "Rename --color to --colour, and be quick", RENAME_BRIEFLY),
        ("rename-flag", "Rename --color to --colour. The old name should go on to work.", RENAME),
    ):
        ended = site.run(
            "claude", prompt=f"{prompt}\n{script(*steps)}", params=allowed, run_id=run_id
        )
        wait_for_end(ended)
        _without_script(ended)
    wait_for_end(
        site.run(
            "monty",
            params={"count": 3, "min_sleep_s": 0.05, "max_sleep_s": 0.1},
            prompt="And now for something completely different",
        )
    )
    limiter = site.run(
        "claude",
        prompt=f"Cap the limiter's refill, and prove it with a test\n{script(*LIMITER)}",
        params=allowed | {"permission_mode": "acceptEdits"},
        interactive=True,
        run_id="limiter",
    )
    wait_for_tool(limiter, 7)
    wait_for(run("release-build", "./build", "--release", "4.2"), "progress_update")
    wait_for(run("plan-migration", "./plan", "orders", "--to", "postgres"), "questions_presented")


def _without_script(run: Workspace) -> None:
    for path in (run.path / "run.json", run.stream):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(_cut(line)) + "\n" for line in lines))


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return _SCRIPT.sub("", value)
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    return value


def _desktop(page: Page, folder: Path) -> None:
    page.goto("/")
    expect(page.locator("[data-run=plan-migration]")).to_contain_text("needs you")
    _picture(page, folder, "runs")

    page.goto("/runs/rename-flag/chat")
    expect(page.get_by_text("still works").first).to_be_visible()
    _picture(page, folder, "chat")
    page.goto("/runs/rename-flag/trace")
    expect(page.locator(".trace-row").first).to_be_visible()
    _picture(page, folder, "trace")
    page.get_by_role("tab", name="Files").click()
    page.get_by_text("flags.py").first.click()
    expect(page.get_by_text("def flags").first).to_be_visible()
    _picture(page, folder, "files")

    page.goto("/runs/limiter/trace")
    expect(page.locator(".trace-row").first).to_be_visible()
    page.keyboard.press("t")
    expect(page.get_by_role("list", name="What took time")).to_contain_text("whole suite")
    _picture(page, folder, "timeline")
    page.keyboard.press("t")
    page.goto("/runs/nightly-backup/output")
    expect(page.get_by_text("disk full: /backup").last).to_be_visible()
    page.emulate_media(color_scheme="dark")
    _picture(page, folder, "output")
    page.emulate_media(color_scheme="light")

    page.goto("/runs/rename-flag/chat")
    page.get_by_role("button", name="Replay").click()
    slider = page.get_by_role("slider", name="Events shown")
    slider.fill(str(int(slider.get_attribute("max") or 0) * 2 // 3))
    page.emulate_media(color_scheme="dark")
    _picture(page, folder, "replay")
    page.emulate_media(color_scheme="light")

    page.goto("/runs/plan-migration/steps")
    expect(page.get_by_text("Replicate, then switch over").first).to_be_visible()
    _picture(page, folder, "steps")
    page.goto("/compare/rename-flag/rename-flag-2/chat")
    expect(page.locator(".compare-side").nth(1)).to_contain_text("Both names work")
    _picture(page, folder, "compare")


def _beside(page: Page, folder: Path) -> None:
    """A run in the middle of its work, and what it changed so far."""
    page.goto("/runs/limiter/chat")
    expect(page.get_by_text("Run the whole suite").first).to_be_visible()
    page.keyboard.press("\\")
    expect(page.locator(".changed .diff").first).to_be_visible()
    _picture(page, folder, "running")


def _picture(page: Page, folder: Path, name: str) -> None:
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.evaluate("() => document.fonts.ready")
    page.wait_for_timeout(400)  # what is measured after it was drawn has its place
    page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else _FOLDER)
