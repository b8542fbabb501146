"""Pause and resume, and the stop of a workflow that ends by itself."""

import os
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from runner.attempt.catalog import describe_all
from tests.runner.conftest import runner_process
from tests.support import events, receipts, wait_for, wait_for_end, wait_until

GRACE_S = 20.0


@pytest.fixture
def run(root: Path, runner: None) -> Workspace:
    """A monty that has said something."""
    made = runlog.create_run(root, "monty", params={"min_sleep_s": 0.05, "max_sleep_s": 0.1})
    wait_for(made, "progress_update")
    return made


def tell(run: Workspace, kind: str, message_id: str, state: str) -> dict[str, object]:
    runlog.post(run, {"type": kind, "id": message_id})
    return wait_for(run, "message_received", message_id=message_id, state=state)


def count(run: Workspace) -> int:
    return len(events(run, "progress_update"))


def test_pause_and_resume(run: Workspace) -> None:
    tell(run, "pause", "p", "completed")
    assert wait_for(run, "workflow_paused")["reason"] == "asked"
    assert runlog.run_status(run) == "paused"
    # It may be on its way to its safe point; after that nothing comes.
    wait_until(lambda: events(run)[-1]["type"] != "progress_update", "quiet")
    quiet = tell(run, "pause", "again", "dropped")
    assert quiet["reason"] == "the run is paused already"
    before = count(run)
    tell(run, "resume", "r", "completed")
    assert wait_for(run, "workflow_resumed")["reason"] == "asked"
    wait_until(lambda: count(run) > before, "more of it")
    assert runlog.run_status(run) == "running"
    assert tell(run, "resume", "r2", "dropped")["reason"] == "the run is not paused"
    tell(run, "stop", "s", "completed")
    wait_for_end(run)


def test_nothing_is_said_while_paused(run: Workspace) -> None:
    tell(run, "pause", "p", "completed")
    said = [
        e["type"]
        for e in events(run)[[e["type"] for e in events(run)].index("workflow_paused") :]
        if e["type"] == "progress_update"
    ]
    assert len(said) <= 1  # the one at whose end the pause was seen
    tell(run, "stop", "s", "completed")
    wait_for_end(run)


def test_stop_while_paused(run: Workspace) -> None:
    tell(run, "pause", "p", "completed")
    tell(run, "stop", "s", "completed")
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    assert end["result"]["total_quotes_delivered"] >= 1
    assert events(run, "log") == []  # it ended by itself


def test_paused_before_it_began(root: Path, runner: None) -> None:
    """A run that is paused and stopped while it is queued or just starting hears both."""
    run = runlog.create_run(root, "monty", run_id="early")
    runlog.post(run, {"type": "pause", "id": "p"})
    wait_for(run, "message_received", message_id="p", state="completed")
    runlog.post(run, {"type": "stop", "id": "s"})
    assert wait_for_end(run)["type"] == "workflow_stopped"


def test_what_can_not_be_paused_says_so(root: Path, runner: None) -> None:
    run = runlog.create_run(root, "command", params={"argv": ["sleep", "600"]})
    wait_for(run, "workflow_started")
    told = tell(run, "pause", "p", "dropped")
    assert told["reason"] == "a command run can't be told to pause"
    assert events(run, "workflow_paused") == []
    tell(run, "stop", "s", "completed")
    wait_for_end(run)
    assert receipts(run, "p") == ["dropped"]


def test_the_catalog_says_what_can_be_paused() -> None:
    named = {entry.name: entry for entry in describe_all()}
    assert all(named[name].pausable for name in ("monty", "research", "design"))
    assert not (named["claude"].pausable or named["command"].pausable)


STUBBORN = '''
import asyncio
from pydantic import BaseModel

class Stubborn:
    """Hears of the stop, and goes on until it is cancelled."""

    class Params(BaseModel):
        pass

    prompt, interactive, resumable, graceful_stop = "none", False, False, True

    async def run(self, run):
        run.log("info", "on")
        await run.stopping.wait()
        run.log("info", "no")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            run.log("info", "well then")
            raise
'''


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of someone else, for the runner that is started after it."""
    folder = tmp_path / "plugins"
    told = folder / "stubborn-1.dist-info"
    told.mkdir(parents=True)
    (folder / "stubborn.py").write_text(STUBBORN)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1\n")
    (told / "entry_points.txt").write_text("[tailcast.workflows]\nstubborn = stubborn:Stubborn\n")
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{path}{os.pathsep}{folder}" if path else str(folder))


def test_one_that_does_not_end_by_itself_is_cancelled(plugins: None, root: Path) -> None:
    with runner_process(root, 4):
        run = runlog.create_run(root, "stubborn")
        wait_for(run, "log", message="on")
        # It says nothing of pausing, so it can't be.
        assert "can't be told to pause" in str(tell(run, "pause", "p", "dropped")["reason"])
        tell(run, "stop", "s", "completed")
        end = wait_for_end(run)
    assert (end["type"], end["reason"], "result" in end) == ("workflow_stopped", "stop", False)
    assert [e["message"] for e in events(run, "log")] == [
        "on",
        "no",
        "the workflow did not end by itself within 1 s",
        "well then",
    ]
