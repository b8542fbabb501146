"""README.md: its commands, as pasted; and that every page's links lead somewhere."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from runlog import list_runs, open_workspace
from tests.docs.conftest import Place
from tests.docs.samples import DOCS, REPOSITORY, sample
from tests.support import DEADLINE_S, events, receipts, spawned, wait_for_end

PAGE = "../README.md"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target, anchor in _LINK.findall(_without_code(page)):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", _without_code(path), re.M)
            assert anchor in {_slug(heading) for heading in headings}, f"{target}#{anchor}"


def _without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_serve(place: Place) -> None:
    """The line itself, but for the port."""
    command = sample(PAGE, "serve").code.replace("8700", "0").split()
    place.home.joinpath("elsewhere").mkdir()
    options = {"cwd": place.home / "elsewhere", "env": place.environment}
    program = shutil.which(command[0], path=place.environment["PATH"])
    assert program is not None, "the `tailcast` program is not installed beside this Python"
    with spawned(program, *command[1:], stdout=subprocess.PIPE, **options) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening on http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=DEADLINE_S) == 130
        process.stdout.close()


def test_curl_lines(place: Place) -> None:
    shown = place.shell(sample(PAGE, "curl").code)
    run = place.run("first")
    wait_for_end(run, attempt=2)
    assert shown.count('event: end\ndata: {"status":"completed"}') == 3
    (posted,) = [line for line in run.inbox.read_text().splitlines() if "the blue one" in line]
    message_id = re.search(r'"id":"([^"]+)"', posted)
    assert message_id is not None
    assert receipts(run, message_id[1]) == ["queued", "delivered", "completed"]
    assert events(run, "workflow_completed")[0]["result"] == "You said: the blue one, please"


def test_command_lines(place: Place) -> None:
    """In a folder of their own, so that `last` is theirs, with the example run in it."""
    home = place.home / "by-hand"
    home.mkdir()
    shutil.copytree(REPOSITORY / "workspaces" / "example", home / "workspaces" / "example")
    there = Place(home, place.url, place.client, place.environment)
    shown = there.shell(sample(PAGE, "cli").code)
    assert "hello" in shown
    newest = list_runs(home / "workspaces")[0]
    run = open_workspace(home / "workspaces", newest.run_id)
    end = wait_for_end(run, attempt=2)  # `send` does not wait for the answer
    assert (end["type"], end["result"]) == ("workflow_completed", "and now?")
