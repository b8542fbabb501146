"""Signals to workflows of one's own, and the fields and steps that they tell: each line taken once, whatever dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace, encode
from runlog.run.status import read_state, summarize
from runner.attempt.run import Run
from runner.supervise.supervisor import runner_is_active
from tests.runner.conftest import runner_process
from tests.support import end_runs, events, kill, wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")

CASHIER = '''
import asyncio

from pydantic import BaseModel

from tailcast.workflow import RunFailed, signal


class Coin(BaseModel):
    cents: int


class Cashier:
    """Takes coins until it is closed."""

    class Params(BaseModel):
        pass

    prompt, interactive, resumable, messages = "none", True, True, False

    def __init__(self):
        self.closed = asyncio.Event()

    @signal
    def pay(self, run, data: Coin):
        """Put a coin in."""
        if data.cents < 0:
            raise ValueError("no such coin")
        run.publish(cents=run.fields.get("cents", 0) + data.cents, coins=run.fields.get("coins", 0) + 1)

    @signal("close")
    async def on_close(self, run, data):
        await asyncio.sleep(0)
        self.closed.set()

    @signal
    async def hang(self, run, data):
        run.log("info", "hangs")
        await asyncio.Event().wait()

    @signal
    def burn(self, run, data):
        run.publish(cents=0)
        raise RunFailed("burned", "it is gone")

    async def run(self, run):
        run.plan(["open", {"id": "close", "name": "Close it", "depends_on": ["open"]}])
        run.emit("task_started", task_id="open")
        run.progress(status="waiting")
        with run.resting():
            await self.closed.wait()
        run.emit("task_completed", task_id="open")
        return dict(run.fields)
'''


@pytest.fixture(scope="module")
def module_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As that of other modules, and it knows the cashier."""
    plugin = tmp_path_factory.mktemp("plugins")
    info = plugin / "cashier-1.dist-info"
    info.mkdir()
    (plugin / "cashier.py").write_text(CASHIER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cashier\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tailcast.workflows]\ncashier = cashier:Cashier\n")
    folder = tmp_path_factory.mktemp("runner") / "workspaces"
    folder.mkdir(mode=0o700)
    path = os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{path}{os.pathsep}{plugin}" if path else str(plugin))
        try:
            with runner_process(folder, 4):
                wait_until(lambda: runner_is_active(folder), "the runner")
                yield folder
        finally:
            end_runs(folder)


def start(root: Path, **fields: Any) -> Workspace:
    run = runlog.create_run(root, "cashier", **fields)
    wait_for(run, "progress_update", status="waiting")
    return run


def receipts(run: Workspace) -> list[dict[str, Any]]:
    return events(run, "message_received")


def signal(run: Workspace, name: str, data: Any = None, **more: Any) -> str:
    return runlog.post(run, {"type": "signal", "name": name, "data": data} | more).message_id


def done(run: Workspace, key: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        told = [e for e in receipts(run) if e["message_id"] == key]
        return told[-1] if told and told[-1]["state"] in ("completed", "dropped") else None

    told: dict[str, Any] = wait_until(found, f"the end of {key}")
    return told


def test_each_is_taken_once_and_in_order(root: Path) -> None:
    run = start(root)
    for cents in (5, 10, 5):
        signal(run, "pay", {"cents": cents}, id=f"c-{cents}")  # the last one is a repeat
    with run.inbox.open("ab") as inbox:  # by hand, without an id
        inbox.write(encode({"type": "signal", "name": "pay", "data": {"cents": 1}}))
    closed = signal(run, "close")
    end = wait_for_end(run)
    assert (end["result"], end["stats"]["fields"]) == ({"cents": 16, "coins": 3},) * 2
    assert [e["state"] for e in receipts(run) if e["message_id"] == closed][0] == "delivered"
    assert done(run, "c-5")["message_type"] == "signal"
    told = [e["fields"] for e in events(run, "fields_published")]
    assert [fields["cents"] for fields in told] == [5, 15, 16]
    row = summarize(run)
    assert (row.fields, row.steps_done, row.steps_total) == (end["result"], 1, 2)


def test_what_can_not_be_taken_is_dropped_and_the_run_goes_on(root: Path) -> None:
    run = start(root)
    assert "it takes: burn, close, hang, pay" in done(run, signal(run, "steal"))["reason"]
    assert "data.cents" in done(run, signal(run, "pay", {"cents": "many"}))["reason"]
    assert "no such coin" in done(run, signal(run, "pay", {"cents": -1}))["reason"]
    for bad in ({"type": "signal"}, {"type": "signal", "name": "a b"}):
        with pytest.raises(runlog.BadMessage):
            runlog.post(run, bad)
    assert not events(run, "fields_published")
    assert done(run, signal(run, "burn"))["reason"] == "it ended the run"
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_failed", "burned")
    other = runlog.create_run(root, "command", params={"argv": ["sleep", "60"]})
    wait_for(other, "workflow_started")
    assert "takes no signals" in done(other, signal(other, "pay"))["reason"]
    runlog.post(other, {"type": "stop"})


def test_one_that_is_under_way_when_the_run_ends_has_a_last_word(root: Path) -> None:
    run = start(root)
    hanging, waits = signal(run, "hang"), signal(run, "pay", {"cents": 1})
    wait_for(run, "log", message="hangs")
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)
    assert done(run, hanging)["reason"] == "the run ended over it"
    assert (done(run, waits)["state"], done(run, waits)["reason"]) == ("dropped", "the run ended")


def test_once_over_kills_and_attempts(root: Path) -> None:
    """Killed while many come, again and again: what was taken is not taken again, and nothing is lost."""
    run = start(root)
    many = 60
    for number in range(many):
        signal(run, "pay", {"cents": 1}, id=f"coin-{number}")
        if number % 20 == 10:
            kill(started(run)["pid"])
            wait_until(lambda: runlog.run_status(run) == "failed", "its end")
            wait_for_end(run)
            runlog.post(run, {"type": "message", "content": "on", "resume": True})
            wait_until(lambda: runlog.run_status(run) == "waiting", "the next attempt")
    signal(run, "close")
    wait_until(lambda: runlog.run_status(run) == "completed", "the end")
    state = read_state(run)
    assert state.result == {"cents": many, "coins": many} and state.attempt == 4
    taken = [e["message_id"] for e in receipts(run) if e["state"] == "completed"]
    assert sorted(key for key in taken if key.startswith("coin-")) == sorted(
        f"coin-{number}" for number in range(many)
    )
    assert [step.state for step in state.steps.values()] == ["completed", "planned"]
    assert len(events(run, "steps_planned")) == 1  # the plan is the same


def test_a_parked_run_is_taken_up_by_one(root: Path) -> None:
    run = start(root, park_after_s=0.2)
    signal(run, "pay", {"cents": 2})
    wait_for(run, "workflow_parked")
    assert summarize(run).fields == {"cents": 2, "coins": 1}
    signal(run, "pay", {"cents": 3})
    signal(run, "close")
    assert wait_for_end(run)["result"] == {"cents": 5, "coins": 2}


def started(run: Workspace) -> dict[str, Any]:
    return [e for e in events(run) if e["type"] == "workflow_started"][-1]


def test_from_the_command_line(root: Path) -> None:
    run = start(root)

    def tell(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tailcast", *words, "--root", str(root)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    paid = tell("signal", run.run_id, "pay", '{"cents": 4}', "--id", "one")
    assert (paid.returncode, paid.stdout) == (0, "signal: completed\n"), paid.stderr
    unknown = tell("signal", run.run_id, "pya", "1")
    assert unknown.returncode == 2 and "It takes: burn, close, hang, pay" in unknown.stderr
    bad = tell("signal", run.run_id, "pay", '{"cents": "x"}')
    assert bad.returncode == 2 and "data/cents" in bad.stderr
    shown = tell("show", run.run_id).stdout
    assert "0 of 2, next: Close it" in shown and "coins 1" in shown
    assert "0 of 2" in tell("ls").stdout
    assert "pay" in tell("run", "cashier", "--describe").stdout
    assert tell("signal", run.run_id, "close").returncode == 0
    wait_for_end(run)
    told = tell("tail", run.run_id).stdout
    assert "2 steps planned: open, Close it" in told and "coins 1" in told


def test_what_can_be_planned_and_published(tmp_path: Path) -> None:
    workspace = runlog.create_run(tmp_path, "nobodys")

    async def tell() -> None:
        manifest = runlog.read_manifest(workspace)
        run = Run(workspace, manifest, params=None, attempt=1, earlier=None, grace_s=1)
        bad: tuple[dict[str, Any], ...] = (
            {"a b": 1},
            {"x": "y" * 9000},
            {f"n{number}": 1 for number in range(33)},
            {"x": {1}},
        )
        for fields in bad:
            with pytest.raises(ValueError, match="field"):
                run.publish(**fields)
        plans: tuple[list[Any], ...] = (
            ["a", "a"],
            [{"id": "a", "depends_on": ["b"]}],
            [str(number) for number in range(501)],
        )
        for plan in plans:
            with pytest.raises(ValueError, match="two|depends|at most"):
                run.plan(plan)
        assert run.fields == {}
        run.close()

    asyncio.run(tell())
    assert not events(workspace)
