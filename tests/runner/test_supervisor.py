"""The runner: order, slots, adoption, runs that were lost, runs that never began."""

import os
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from runlog.groups.catalog import read_catalog
from runlog.run.manifest import remove_run
from runner.supervise.supervisor import Supervisor, runner_is_active
from tests.runner.conftest import runner_process
from tests.support import (
    events,
    kill,
    receipts,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)


def waiting(root: Path, gate: Path) -> Workspace:
    code = (
        "import os,sys,time\n"
        'print(\'{"type":"ready"}\', flush=True)\n'
        "end=time.time()+600\n"
        "while not os.path.exists(sys.argv[1]) and time.time()<end: time.sleep(0.01)"
    )
    return runlog.create_run(
        root, "command", params={"argv": [sys.executable, "-c", code, str(gate)]}
    )


def test_no_more_than_the_slots_run_at_once(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    runs = [waiting(root, gate) for _ in range(5)]
    with runner_process(root, 2):
        for run in runs[:2]:
            wait_for(run, "ready")
        assert [runlog.run_status(run) for run in runs] == ["running"] * 2 + ["queued"] * 3
        gate.touch()
        assert {wait_for_end(run)["type"] for run in runs} == {"workflow_completed"}


def test_oldest_first(root: Path, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    runs = [waiting(root, tmp_path / "go") for _ in range(4)]
    # Two may be of the same millisecond: then their ids decide.
    runs.sort(key=lambda run: (runlog.read_manifest(run).created_at, run.run_id))
    with runner_process(root, 1):
        ends = [wait_for_end(run)["timestamp"] for run in runs]
    assert ends == sorted(ends)


def test_a_run_that_is_made_anew_between_two_looks_is_started(root: Path) -> None:
    """Its folder often gets the inode of the one before."""
    supervisor = Supervisor(root)

    def ended(run: Workspace) -> bool:
        supervisor.look()
        return runlog.run_status(run) == "completed"

    def reaped() -> bool:
        supervisor.look()
        return not supervisor._started

    for word in ("one", "two", "three"):
        argv = ["echo", word]
        run = runlog.create_run(root, "command", params={"argv": argv}, run_id="again")
        wait_until(lambda run=run: ended(run), f"the end of {word}")
        assert events(run, "log")[0]["message"] == word
        wait_until(reaped, "its process to go")
        remove_run(run)


def test_runs_outlive_the_runner_and_are_adopted(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    with runner_process(root, 1) as first:
        run = waiting(root, gate)
        wait_for(run, "ready")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert runlog.run_status(run) == "running"
    next_run = waiting(root, gate)
    with runner_process(root, 1):
        wait_until(lambda: runner_is_active(root), "the second runner")
        # The adopted run holds the only slot.
        last = runlog.create_run(root, "command", params={"argv": ["true"]})
        assert runlog.run_status(next_run) == runlog.run_status(last) == "queued"
        gate.touch()
        for each in (run, next_run, last):
            assert wait_for_end(each)["type"] == "workflow_completed"
    assert len(events(run, "workflow_started")) == 1


def test_run_lost_while_no_runner_was_there(root: Path, tmp_path: Path) -> None:
    with runner_process(root, 1) as first:
        run = waiting(root, tmp_path / "never")
        wait_for(run, "ready")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    kill(wait_for(run, "workflow_started")["pid"])
    wait_until(lambda: not runlog.is_locked(run.lock), "the lock to be free")
    assert runlog.run_status(run) == "failed"
    assert runlog.summarize(run).reason == "lost"
    assert events(run, "workflow_failed") == []
    with runner_process(root, 1):
        assert wait_for_end(run)["reason"] == "lost"


def test_failed_run_stays_failed(root: Path) -> None:
    run = runlog.create_run(root, "command", params={"argv": ["false"]})
    with runner_process(root, 1):
        wait_until(lambda: runlog.run_status(run) == "failed", "the end of the run")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:  # five looks of the runner
            assert runlog.run_status(run) == "failed"


def test_second_runner_stands_by(root: Path, tmp_path: Path) -> None:
    with runner_process(root, 1) as first:
        wait_until(lambda: runner_is_active(root), "the first runner")
        with runner_process(root, 1):
            run = runlog.create_run(root, "command", params={"argv": ["true"]})
            wait_for_end(run)
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            after = runlog.create_run(root, "command", params={"argv": ["true"]})
            wait_for_end(after)
    assert len(events(run, "workflow_started")) == 1


def test_run_stopped_while_queued_never_begins(root: Path, tmp_path: Path) -> None:
    blocked = runlog.create_run(root, "command", params={"argv": ["touch", str(tmp_path / "ran")]})
    said = runlog.post(blocked, {"type": "message", "content": "hello"})
    stop = runlog.post(blocked, {"type": "stop"})
    with runner_process(root, 1):
        end = wait_for_end(blocked)
        assert end["type"] == "workflow_stopped"
        wait_for_end(runlog.create_run(root, "command", params={"argv": ["true"]}))
    assert not (tmp_path / "ran").exists()
    assert events(blocked, "workflow_started") == []
    assert receipts(blocked, stop.message_id) == ["completed"]
    assert receipts(blocked, said.message_id) == ["dropped"]


@pytest.mark.parametrize("name", ["_stream.jsonl", "_inbox.jsonl", "_stderr.log", "_lock"])
def test_folder_in_disorder_keeps_no_other_waiting(root: Path, name: str) -> None:
    run = runlog.create_run(root, "command", params={"argv": ["true"]})
    (run.path / name).mkdir()
    with runner_process(root, 1):
        other = runlog.create_run(root, "command", params={"argv": ["true"]})
        assert wait_for_end(other)["type"] == "workflow_completed"


@pytest.mark.parametrize("end", ["", "; time.sleep(600)"])
def test_run_whose_stream_can_not_grow_ends(root: Path, end: str) -> None:
    """As on a full disk: nobody can say so in the stream, and the run is over all the same."""
    code = f"import time\nfor n in range(20_000): print('x' * 200)\ntime.sleep(0.1){end}"
    argv = [sys.executable, "-c", code]
    run = runlog.create_run(root, "command", params={"argv": argv})

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with runner_process(root, 1, preexec_fn=small_files):
        wait_until(lambda: runlog.run_status(run) == "failed", "the end of the run")
        wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_catalog_is_published(root: Path) -> None:
    with runner_process(root, 1):
        entries = wait_until(lambda: read_catalog(root), "the catalog")
    named = {entry.name: entry for entry in entries}
    assert {"claude", "command"} <= named.keys()
    assert named["claude"].params["properties"]["model"]["description"]
    assert named["claude"].resumable and not named["command"].resumable
    assert {name for name, entry in named.items() if not entry.messages} == {"design", "research"}


def test_foreign_folders_are_left_alone(root: Path) -> None:
    external = root / "someone-elses"
    external.mkdir()
    (external / "_stream.jsonl").write_text('{"type":"x"}\n')
    (root / "_deployments").mkdir()
    (root / "notes.txt").write_text("hello")
    with runner_process(root, 1):
        wait_for_end(runlog.create_run(root, "command", params={"argv": ["true"]}))
    assert (external / "_stream.jsonl").read_text() == '{"type":"x"}\n'
    assert runlog.run_status(runlog.open_workspace(root, "someone-elses")) == "running"
