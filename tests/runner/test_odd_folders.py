"""What a run may do to its own folder: the runner goes on with all others, and with that one once it is mended."""

import fcntl
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from runner.supervise.supervisor import runner_is_active
from tests.odd import ODD, SECRET, take_place
from tests.runner.conftest import RUNNER
from tests.support import spawned, tree_of, wait_for, wait_for_end, wait_until

DEADLINE_S = 80.0


def new_run(root: Path, command: str = "true") -> Workspace:
    return runlog.create_run(root, "command", params={"argv": ["sh", "-c", command]})


def others_go_on(root: Path) -> None:
    assert wait_for_end(new_run(root), DEADLINE_S)["type"] == "workflow_completed"


@pytest.mark.parametrize(
    "name", ["run.json", "_stream.jsonl", "_inbox.jsonl", "_lock", "_stderr.log", "files"]
)
def test_what_is_no_file_keeps_no_other_waiting(root: Path, name: str) -> None:
    runs = [new_run(root) for _ in ODD]
    outside = [take_place(run.path / name, kind) for run, kind in zip(runs, ODD, strict=True)]
    for _ in range(2):  # a runner that is started anew meets them all at once
        with spawned(sys.executable, "-c", RUNNER, str(root), "1") as runner:
            others_go_on(root)  # it is the newest: all before it have had their turn
            assert runner.poll() is None
            wait_until(lambda: not _waiting(root), "all to have had their turn")
    rows = {row.run_id: row for row in runlog.list_runs(root)}
    statuses = {kind: rows[run.run_id].status for run, kind in zip(runs, ODD, strict=True)}
    if name in ("_stderr.log", "_lock"):  # what they hold means nothing
        assert statuses.pop("huge") == "completed"
    if name == "files":
        assert statuses.pop("folder") == "completed"
    if name == "_inbox.jsonl":  # that nobody can be heard, a run may learn after its end
        assert set(statuses.values()) <= {"failed", "completed"}
        assert {row.reason for row in rows.values() if row.status == "failed"} <= {"broken"}
    else:
        assert set(statuses.values()) == {"failed"}
    assert {path.read_bytes() for path in outside} == {SECRET}


def _waiting(root: Path) -> list[str]:
    return [row.run_id for row in runlog.list_runs(root) if not runlog.is_terminal(row.status)]


@pytest.mark.parametrize("kind", ODD)
def test_a_run_that_replaces_its_own_run_json(root: Path, kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = new_run(root, f"while [ ! -e {gate} ]; do sleep 0.05; done")
    with spawned(sys.executable, "-c", RUNNER, str(root), "2") as runner:
        wait_for(run, "workflow_started", DEADLINE_S)
        take_place(run.manifest, kind)
        others_go_on(root)
        assert runner.poll() is None
    with spawned(sys.executable, "-c", RUNNER, str(root), "2") as runner:
        others_go_on(root)
        gate.write_text("")
        assert wait_for_end(run, DEADLINE_S)["type"] == "workflow_completed"
        assert runner.poll() is None


@pytest.mark.parametrize("name", ["run.json", "_stream.jsonl", "_lock"])
def test_a_folder_that_is_mended_needs_no_restart(root: Path, name: str) -> None:
    run = new_run(root)
    body = run.manifest.read_bytes()
    take_place(run.path / name, "fifo")
    with spawned(sys.executable, "-c", RUNNER, str(root), "1"):
        others_go_on(root)
        (run.path / name).unlink()
        if name == "run.json":
            (run.path / "new").write_bytes(body)
            (run.path / "new").rename(run.manifest)
        assert wait_for_end(run, DEADLINE_S)["type"] == "workflow_completed"


def test_a_run_folder_that_became_a_link_is_no_run_any_more(root: Path, tmp_path: Path) -> None:
    run = new_run(root, "sleep 100")
    with spawned(sys.executable, "-c", RUNNER, str(root), "1"):
        wait_for(run, "workflow_started", DEADLINE_S)
        run.path.rename(tmp_path / "moved")
        run.path.symlink_to(tmp_path / "moved")
        wait_until(lambda: not tree_of(run), "its tree to be ended", DEADLINE_S)
        others_go_on(root)
    run.path.unlink()


def test_a_stream_that_is_renamed_goes_on_at_its_path(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = new_run(
        root, f"mv ../_stream.jsonl ../kept; echo on; while [ ! -e {gate} ]; do sleep 0.05; done"
    )
    with spawned(sys.executable, "-c", RUNNER, str(root), "1"):
        wait_for(run, "log", DEADLINE_S, message="on")
        assert runlog.run_status(run) == "running"
        gate.write_text("")
        assert wait_for_end(run, DEADLINE_S)["type"] == "workflow_completed"
    assert b"workflow_started" in (run.path / "kept").read_bytes()


@pytest.mark.parametrize("name", ["", "_inbox.jsonl", "_stream.jsonl"])
def test_a_lost_run_whose_files_are_held(root: Path, name: str) -> None:
    """By someone who has nothing to do with the run: not ended with its tree."""
    run = new_run(root, "sleep 100")
    with spawned(sys.executable, "-c", RUNNER, str(root), "1"):
        pid = wait_for(run, "workflow_started", DEADLINE_S)["pid"]
        flags = os.O_RDWR | os.O_CREAT if name else os.O_RDONLY
        fd = os.open(run.path / name, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            os.kill(pid, 9)
            wait_until(lambda: runlog.run_status(run) == "failed", "its end", DEADLINE_S)
            others_go_on(root)
        finally:
            os.close(fd)
        assert wait_for_end(run, DEADLINE_S)["reason"] == "lost"


def test_a_run_that_ends_while_its_folder_is_held(root: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run = new_run(root, f"while [ ! -e {gate} ]; do sleep 0.05; done")
    with spawned(sys.executable, "-c", RUNNER, str(root), "1"):
        wait_for(run, "workflow_started", DEADLINE_S)
        fd = os.open(run.path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            gate.write_text("")
            assert wait_for_end(run, DEADLINE_S)["type"] == "workflow_completed"
        finally:
            os.close(fd)


def test_a_run_that_holds_its_own_stream_ends(root: Path) -> None:
    """Its process waits ten seconds to tell a line; with the tree the lock goes too, so that the end is told."""
    command = (
        "flock ../_stream.jsonl sleep 100 & sleep 0.5; while true; do echo hi; sleep 0.1; done"
    )
    run = new_run(root, command)
    with spawned(sys.executable, "-c", RUNNER, str(root), "2"):
        wait_for(run, "workflow_started", DEADLINE_S)
        others_go_on(root)
        end = wait_for_end(run, DEADLINE_S)
    assert end["type"] == "workflow_failed"
    assert "holds it locked" in end["error"]
    wait_until(lambda: not tree_of(run), "its tree to be ended", DEADLINE_S)


def test_a_runner_without_descriptors_waits_for_them(root: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with open(told, "wb") as out:
        argv = [sys.executable, "-u", "-c", RUNNER, str(root), "1"]
        with spawned(*argv, stdout=out) as runner:
            wait_until(lambda: runner_is_active(root), "the runner", DEADLINE_S)
            others_go_on(root)
            before = resource.prlimit(runner.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(runner.pid, resource.RLIMIT_NOFILE, (3, before[1]))
            run = new_run(root)
            wait_until(lambda: b"Too many open files" in told.read_bytes(), "its word", DEADLINE_S)
            assert runner.poll() is None
            resource.prlimit(runner.pid, resource.RLIMIT_NOFILE, before)
            assert wait_for_end(run, DEADLINE_S)["type"] == "workflow_completed"


def test_a_runner_whose_root_is_away_waits_for_it(root: Path, tmp_path: Path) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "1") as runner:
        wait_until(lambda: runner_is_active(root), "the runner", DEADLINE_S)
        others_go_on(root)
        root.rename(tmp_path / "away")
        with pytest.raises(subprocess.TimeoutExpired):
            runner.wait(2)
        (tmp_path / "away").rename(root)
        others_go_on(root)


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "hard-link"])
def test_a_runner_whose_own_files_are_something_else(root: Path, kind: str) -> None:
    catalog = root / "_catalog.json"
    outside = take_place(catalog, kind)
    lock_outside = take_place(root / "_runner.lock", kind)
    with spawned(sys.executable, "-c", RUNNER, str(root), "1") as runner:
        with pytest.raises(subprocess.TimeoutExpired):
            runner.wait(2)
        if kind == "folder":
            shutil.rmtree(root / "_runner.lock")
        else:
            (root / "_runner.lock").unlink()
        others_go_on(root)
    assert catalog.is_file() and not catalog.is_symlink()
    assert outside.read_bytes() == lock_outside.read_bytes() == SECRET
