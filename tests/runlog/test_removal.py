"""Removing runs: who may go, who stays, and what it frees."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runlog import (
    Busy,
    Event,
    RunActive,
    RunLock,
    UnknownRun,
    Unusable,
    Workspace,
    append_lines,
    create_run,
    encode,
    open_workspace,
    post,
)
from runlog.disk.records import to_iso
from runlog.groups import removal
from runlog.groups.removal import EndedRun, disk_bytes, ended_before, remove_all, remove_ended
from runlog.run.inbox import inbox_closed
from runlog.run.manifest import remove_leftovers, remove_run

NOW = datetime.now(UTC)
Make = Callable[[Path], Workspace]


def say(run: Workspace, kind: str, days_ago: float = 0, **fields: Any) -> Workspace:
    event: Event = {"type": kind, "timestamp": to_iso(NOW - timedelta(days=days_ago)), **fields}
    append_lines(run.stream, encode(event))
    return run


def began(root: Path, run_id: str = "r") -> Workspace:
    return say(create_run(root, "claude", run_id=run_id), "workflow_started", 40, workflow="claude")


def outside(root: Path, *kinds: str) -> Workspace:
    (root / "r").mkdir(parents=True)
    run = Workspace(root, open_workspace(began(root / "other").root, "r").run_id)
    for kind in kinds:
        say(run, kind, 40)
    return run


def reopened(root: Path) -> Workspace:
    run = say(began(root), "workflow_completed", 40, inbox_offset=0)
    post(run, {"type": "message", "content": "go on", "resume": True})
    return run


NOT_ENDED: dict[str, Make] = {
    "queued": lambda root: create_run(root, "claude", run_id="r"),
    "its process died": began,
    "its process died, in a second attempt": lambda root: say(
        say(began(root), "workflow_failed", 40), "workflow_started", 39
    ),
    "asked to go on": reopened,
    "of others, without an end": lambda root: outside(root, "log"),
}
ENDED: dict[str, Make] = {
    "completed": lambda root: say(began(root), "workflow_completed", 40),
    "failed": lambda root: say(began(root), "workflow_failed", 40, reason="error"),
    "stopped": lambda root: say(began(root), "workflow_stopped", 40),
    "told lost": lambda root: say(began(root), "workflow_failed", 40, reason="lost"),
    "of others, with an end": lambda root: outside(root, "log", "workflow_completed"),
}
HOLDING: dict[str, Make] = {"it says": ENDED["completed"], "it works": began}


@pytest.mark.parametrize("make", NOT_ENDED.values(), ids=NOT_ENDED)
def test_what_has_not_ended_stays(root: Path, make: Make) -> None:
    run = make(root)
    with pytest.raises(RunActive) as refused:
        remove_ended(run)
    assert refused.value.hint
    assert run.path.exists()
    assert list(ended_before(root, NOW)) == []


@pytest.mark.parametrize("make", HOLDING.values(), ids=HOLDING)
def test_a_run_whose_process_lives_stays_whatever_it_says(root: Path, make: Make) -> None:
    run = make(root)
    lock = RunLock(run.lock)
    assert lock.acquire()
    with pytest.raises(RunActive):
        remove_ended(run)
    assert list(ended_before(root, NOW)) == []
    lock.release()


@pytest.mark.parametrize("make", ENDED.values(), ids=ENDED)
def test_what_has_ended_goes(root: Path, make: Make) -> None:
    run = make(root)
    (found,) = ended_before(root, NOW)
    assert (found.run_id, found.ended_at) == ("r", to_iso(NOW - timedelta(days=40)))
    remove_ended(run)
    assert not run.path.exists()
    with pytest.raises(UnknownRun):
        remove_ended(run)


def test_force_is_for_what_others_write_alone(root: Path) -> None:
    remove_ended(outside(root, "log"), force=True)
    run = began(root)
    with pytest.raises(RunActive):
        remove_ended(run, force=True)


def test_by_age_and_status(root: Path) -> None:
    for number, (kind, days) in enumerate(
        [("completed", 50), ("failed", 40), ("stopped", 31), ("completed", 29), ("failed", 1)]
    ):
        say(began(root, f"r{number}"), f"workflow_{kind}", days)
    moment = NOW - timedelta(days=30)
    assert [run.run_id for run in ended_before(root, moment)] == ["r0", "r1", "r2"]
    assert [run.run_id for run in ended_before(root, moment, keep=["failed"])] == ["r0", "r2"]
    assert list(ended_before(root, moment, keep=["failed", "stopped", "completed"])) == []
    assert list(ended_before(root / "nowhere", moment)) == []


def test_an_end_without_a_time_has_that_of_its_file(root: Path) -> None:
    run = began(root)
    append_lines(run.stream, b'{"type":"workflow_completed"}\n')
    assert list(ended_before(root, NOW - timedelta(days=30))) == []
    long_ago = (NOW - timedelta(days=60)).timestamp()
    os.utime(run.stream, (long_ago, long_ago))
    assert [found.run_id for found in ended_before(root, NOW - timedelta(days=30))] == ["r"]


def test_one_that_can_not_go_keeps_no_other(root: Path) -> None:
    for number in range(4):
        say(began(root, f"r{number}"), "workflow_completed", 40, inbox_offset=0)
    runs = list(ended_before(root, NOW))
    remove_run(open_workspace(root, "r0"))
    post(open_workspace(root, "r1"), {"type": "message", "content": "on", "resume": True})
    again = say(open_workspace(root, "r2"), "workflow_started", 0.1)
    say(again, "workflow_completed", 0)  # it ended again, just now
    outcome = {run.run_id: type(error) for run, error in remove_all(root, runs)}
    assert outcome == {"r1": RunActive, "r2": RunActive, "r3": type(None)}
    assert sorted(os.listdir(root)) == ["r1", "r2"]


def test_what_it_takes_on_the_disk(root: Path) -> None:
    run = say(began(root), "workflow_completed", 40)
    empty = disk_bytes(run.path)
    (run.files / "data").write_bytes(os.urandom(300_000))
    os.link(run.files / "data", run.files / "again")
    with open(run.files / "sparse", "wb") as file:
        file.truncate(10**9)
    (run.files / "link").symlink_to("/")
    grown = disk_bytes(run.path) - empty
    assert 300_000 <= grown < 400_000
    (found,) = ended_before(root, NOW)
    assert isinstance(found, EndedRun) and found.disk_bytes == disk_bytes(run.path)
    assert disk_bytes(root / "nowhere") == 0


def test_what_a_remover_left_who_died_goes_with_the_next(root: Path) -> None:
    run = began(root)
    (root / ".old-one-0123abcd" / "files").mkdir(parents=True)
    (root / ".old-two-0123abcd").mkdir(mode=0o500)
    (root / ".new-three-0123abcd").mkdir()
    remove_leftovers(root)
    assert sorted(os.listdir(root)) == [".new-three-0123abcd", run.run_id]
    remove_leftovers(root / "nowhere")


def test_a_long_stream_of_a_dead_run_is_read_without_the_lock(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its end can be told yet is found out while others may still post."""
    run = create_run(root, "command", run_id="dead")
    append_lines(run.stream, encode({"type": "workflow_started", "attempt": 1}))
    held: list[bool] = []

    def read(workspace: Workspace) -> None:
        try:
            with inbox_closed(workspace, wait_s=0.0):
                held.append(False)
        except Busy:
            held.append(True)
        raise Unusable(errno.EFBIG, "it has no end", str(workspace.stream))

    monkeypatch.setattr(removal, "read_state", read)
    remove_ended(run)
    assert held == [False] and not run.path.exists()


def _deep(folder: Path) -> None:
    """Deeper than Python may recurse, and than a path may be long."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir("d" * 10, dir_fd=fd)
        inner = os.open("d" * 10, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)


def _read_only(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("")
    (folder / "a" / "link").symlink_to("/")
    for inner in (folder / "a" / "b", folder / "a", folder):
        inner.chmod(0o500)


@pytest.mark.parametrize("fill", [_deep, _read_only])
def test_whatever_an_agent_leaves_goes(root: Path, fill: Callable[[Path], None]) -> None:
    run = say(create_run(root, "command"), "workflow_completed")
    fill(run.files)
    remove_ended(run)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("seconds", [1 << 40, -(1 << 40)])
def test_a_time_that_no_year_has(root: Path, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such times a file has on a file system that keeps them, as tmpfs does."""
    say(create_run(root, "command"), "workflow_completed", timestamp=None)
    real = os.stat

    def stat(path: Any, *args: Any, **more: Any) -> Any:
        found = real(path, *args, **more)
        if str(path).endswith("_stream.jsonl"):
            return os.stat_result((*found[:8], seconds, *found[9:]))
        return found

    monkeypatch.setattr(os, "stat", stat)
    assert list(ended_before(root, NOW - timedelta(days=1))) == []
