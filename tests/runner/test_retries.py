"""What the system refuses to the runner is tried again, and said; nothing but its own lock ends it."""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runlog
from runlog.groups.troubles import read_trouble, write_troubles
from runner.supervise.supervisor import Supervisor, active_options, runner_is_active
from tests.odd import ODD, take_place
from tests.runner.conftest import RUNNER
from tests.support import events, spawned, tree_of, wait_for_end, wait_until

LONG_S = 80.0


def command(root: Path, *argv: str) -> runlog.Workspace:
    return runlog.create_run(root, "command", params={"argv": list(argv) or ["true"]})


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Of this process."""
    used = {int(fd) for fd in os.listdir("/proc/self/fd")}
    free = [fd for fd in range(max(used) + count + 2) if fd not in used]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[count - 1] + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_run_that_finds_no_descriptors_says_so_and_is_started_later(root: Path) -> None:
    write_troubles(root, {"someone-else": "of a runner before this one"})
    supervisor = Supervisor(root)
    run = command(root)
    with descriptors_left(2):  # to look, but not to start a process
        for _ in range(3):
            supervisor.look()
        assert runlog.run_status(run) == "queued"
    assert read_trouble(root, "someone-else") is None
    assert "Too many open files" in (read_trouble(root, run.run_id) or "")

    def ended() -> bool:
        supervisor.look()
        return runlog.run_status(run) == "completed"

    wait_until(ended, "the run", LONG_S)
    supervisor.look()
    assert read_trouble(root, run.run_id) is None
    wait_until(lambda: not tree_of(run), "its process to go")


@pytest.mark.parametrize(
    "kind", [resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE]
)
def test_runner_outlives_what_it_is_refused(root: Path, kind: int) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "4", stdout=-1) as runner:
        wait_until(lambda: runner_is_active(root), "the runner")
        first = command(root)
        assert wait_for_end(first, LONG_S)["type"] == "workflow_completed"
        before = resource.prlimit(runner.pid, kind)
        resource.prlimit(runner.pid, kind, (3, before[1]))
        run = command(root)
        # Without memory a start may succeed all the same: the fork server has its own.
        if kind == resource.RLIMIT_NOFILE:
            assert runner.stdout is not None
            told = b""
            while b"tries again" not in told and b"tried again" not in told:
                told += os.read(runner.stdout.fileno(), 4096) or b"tries again, in vain"
        assert runner.poll() is None
        resource.prlimit(runner.pid, kind, before)
        last = command(root)
        for each in (run, last):
            end = wait_for_end(each, LONG_S)
            # A process that was started under the limit has inherited it.
            assert end["type"] == "workflow_completed" or kind == resource.RLIMIT_FSIZE
        assert wait_for_end(command(root), LONG_S)["type"] == "workflow_completed"


def test_lock_of_the_runner_that_was_removed_is_taken_again(root: Path) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        wait_until(lambda: runner_is_active(root), "the runner")
        (root / "_runner.lock").unlink()
        wait_until(lambda: runner_is_active(root), "the new lock", LONG_S)
        options = active_options(root)
        assert options is not None and options.scripted_model
        assert wait_for_end(command(root), LONG_S)["type"] == "workflow_completed"


def test_lock_of_the_runner_that_another_took_has_it_stand_by(root: Path) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        wait_until(lambda: runner_is_active(root), "the first runner")
        other = root / "_new.lock"
        lock = runlog.RunLock(other)
        assert lock.acquire()
        other.rename(root / "_runner.lock")
        wait_until(lambda: not (root / "_runner.lock").read_bytes(), "nothing")
        gate = root.parent / "go"
        runs = []

        def untouched() -> bool:
            runs.append(command(root))
            return not events(runs[-1])

        wait_until(untouched, "the first runner to stand by", LONG_S)
        gate.touch()
        lock.release()
        for run in runs:
            assert wait_for_end(run, LONG_S)["type"] == "workflow_completed"


@pytest.mark.parametrize("make", [os.mkdir])
def test_what_is_no_log_of_errors_fails_its_run_alone(root: Path, make: object) -> None:
    run = command(root)
    make(run.stderr)  # type: ignore[operator]
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        assert wait_for_end(command(root), LONG_S)["type"] == "workflow_completed"
        end = wait_for_end(run, LONG_S)
    assert (end["type"], end["reason"]) == ("workflow_failed", "cannot_start")


@pytest.mark.parametrize("kind", ODD)
def test_troubles_that_are_no_file_hang_nobody(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "deep" / "workspaces"
    root.mkdir(parents=True)
    take_place(root / "_troubles.json", kind)
    assert read_trouble(root, "any") is None
    write_troubles(root, {"any": "it is said now"})
    assert read_trouble(root, "any") == "it is said now"
