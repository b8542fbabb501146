"""What permissions and limits refuse: for whoever is not root, or is root without the right to pass them by."""

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import runlog
from runlog.groups.catalog import write_catalog
from runner.supervise.supervisor import runner_is_active
from tests.relay.live import CATALOG, PROJECT, new_run, recorded
from tests.runner.conftest import RUNNER
from tests.support import DEADLINE_S, end_runs, spawned, wait_for_end, wait_until

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_PIDS = Path("/sys/fs/cgroup/pids")


def _obey_permissions() -> None:
    """For a child, before its program: root without the right to read and write what its permissions forbid."""
    libc = ctypes.CDLL(None)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if os.getuid() == 0:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.parametrize("name", ["run.json", "_stream.jsonl", "_inbox.jsonl", "_lock"])
def test_a_file_that_may_not_be_read(tmp_path: Path, name: str) -> None:
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    write_catalog(root, CATALOG)
    bad, good = new_run(root), new_run(root)
    for run in (bad, good):
        recorded(run, 3)
        for made in (run.inbox, run.lock):
            made.touch()
    os.chmod(bad.path / name, 0)
    argv = [sys.executable, "-m", "relay", "--root", str(root), "--port", "0"]
    with spawned(
        *argv, stdout=subprocess.PIPE, cwd=PROJECT, preexec_fn=_obey_permissions
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().removeprefix("listening on ").strip()
        with httpx.Client(base_url=f"{url}/api/v1", timeout=DEADLINE_S, trust_env=False) as client:
            rows = {row["run_id"]: row for row in client.get("/workflows").json()["runs"]}
            assert rows[good.run_id]["status"] == "completed"
            shown = rows[bad.run_id]["status"], rows[bad.run_id]["reason"]
            assert shown in (("failed", "broken"), ("completed", None))
            if name == "_stream.jsonl":
                assert shown[0] == "failed"
            for rest in ("", "/events", "/history", "/files"):
                answer = client.get(f"/workflows/{bad.run_id}{rest}")
                assert (
                    answer.status_code < 500 or answer.json()["type"] == "/docs#unreadable-stream"
                )
            assert client.delete(f"/workflows/{bad.run_id}").status_code == 204
        assert not bad.path.exists() and good.path.exists()


def test_a_runner_that_may_not_fork_waits(tmp_path: Path) -> None:
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    told = tmp_path / "told"
    try:
        with (
            open(told, "wb") as out,
            spawned(sys.executable, "-u", "-c", RUNNER, str(root), "1", stdout=out) as runner,
        ):
            wait_until(lambda: runner_is_active(root), "the runner")
            first = runlog.create_run(root, "command", params={"argv": ["true"]})
            assert wait_for_end(first)["type"] == "workflow_completed"
            with _no_more_processes(runner.pid):
                run = runlog.create_run(root, "command", params={"argv": ["true"]})
                wait_until(lambda: told.stat().st_size and _has_failed(told, run), "its word")
                assert runner.poll() is None
            assert wait_for_end(run)["type"] == "workflow_completed"
    finally:
        end_runs(root)


def _has_failed(told: Path, run: runlog.Workspace) -> bool:
    if runlog.run_status(run) == "completed":
        pytest.skip("processes can't be refused here")
    return b"tries again" in told.read_bytes() or b"tried again" in told.read_bytes()


@contextlib.contextmanager
def _no_more_processes(pid: int) -> Iterator[None]:
    """Of a user by its limit; of root, which has none, by a cgroup."""
    if os.getuid() != 0:
        before = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (1, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        return
    group = _PIDS / f"tailcast-test-{pid}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no cgroup of one's own here")
    pids = [pid, *_children(pid)]
    try:
        for each in pids:
            (group / "cgroup.procs").write_text(str(each))
        (group / "pids.max").write_text("1")
        yield
    finally:
        (group / "pids.max").write_text("max")
        wait_until(lambda: _is_emptied(group), "the group to be empty")
        group.rmdir()


def _is_emptied(group: Path) -> bool:
    """What was forked since the last look is in it, too."""
    for each in (left := _members(group)):
        with contextlib.suppress(OSError):
            (_PIDS / "cgroup.procs").write_text(each)
    return not left


def _members(group: Path) -> list[str]:
    return (group / "cgroup.procs").read_text().split()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
