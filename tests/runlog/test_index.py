"""Listing the runs of a root."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from runlog import (
    BadCursor,
    RunIndex,
    RunLock,
    Workspace,
    append_lines,
    check_run_id,
    create_run,
    encode,
    list_runs,
    post,
)
from runlog.run.manifest import remove_run

TERMINAL = {"completed", "failed", "stopped"}


def make(
    root: Path, run_id: str, created_at: str, end: str | None = None, **more: object
) -> Workspace:
    workspace = Workspace(root, check_run_id(run_id))
    workspace.path.mkdir(parents=True)
    manifest = {"run_id": run_id, "workflow": "claude", "created_at": created_at, **more}
    workspace.manifest.write_bytes(encode(manifest))
    if end:
        append_lines(workspace.stream, encode({"type": f"workflow_{end}"}))
    return workspace


def ids(index: RunIndex, **filters: object) -> list[str]:
    return [row.run_id for row in index.page(**filters).runs]  # type: ignore[arg-type]


def test_an_empty_or_absent_root(root: Path) -> None:
    index = RunIndex(root)
    assert index.page().runs == []
    root.mkdir()
    assert (index.page().runs, index.page().next) == ([], None)
    create_run(root, "claude", run_id="first")
    assert ids(index) == ["first"]
    shutil.rmtree(root)
    assert ids(index) == []


def test_newest_first_and_by_name_within_an_instant(root: Path) -> None:
    for run_id, day in (("b", 2), ("a", 2), ("c", 1), ("d", 3)):
        make(root, run_id, f"2025-01-0{day}T00:00:00.000Z")
    assert ids(RunIndex(root)) == ["d", "b", "a", "c"]


def test_what_is_no_run_is_passed_over(root: Path, tmp_path: Path) -> None:
    make(root, "good", "2025-01-01T00:00:00.000Z")
    for name in ("_deployments", ".new-x", "UPPER", "empty", "with space"):
        (root / name).mkdir()
        if name != "empty":
            (root / name / "run.json").write_text("{}")
    (root / "file").write_text("x")
    (root / "link").symlink_to(root / "good")
    index = RunIndex(root)
    assert ids(index) == ids(index) == ["good"]


def test_what_can_not_be_used_is_shown_as_broken(root: Path, tmp_path: Path) -> None:
    make(root, "good", "2025-01-01T00:00:00.000Z")
    make(root, "text", "x").manifest.write_text("{")
    (root / "folder" / "run.json").mkdir(parents=True)
    for name in ("streamlink", "streamfifo", "streamfolder"):
        (root / name).mkdir()
    (root / "streamlink" / "_stream.jsonl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text('{"type":"log"}\n')
    os.mkfifo(root / "streamfifo" / "_stream.jsonl")
    (root / "streamfolder" / "_stream.jsonl").mkdir()
    index = RunIndex(root)
    broken = {"text", "folder", "streamlink", "streamfifo", "streamfolder"}
    for _ in range(2):
        rows = {row.run_id: row for row in index.page().runs}
        assert rows.keys() == broken | {"good"}
        assert all(
            (rows[name].status, rows[name].reason) == ("failed", "broken") for name in broken
        )
        assert all("can't be used" in str(rows[name].message) for name in broken)


def test_a_run_json_that_was_mended(root: Path) -> None:
    run = make(root, "bad", "2025-01-02T00:00:00.000Z")
    body = run.manifest.read_bytes()
    run.manifest.write_text("{")
    index = RunIndex(root)
    assert [row.reason for row in index.page().runs] == ["broken"]
    run.manifest.write_bytes(body)
    assert [row.status for row in index.page().runs] == ["queued"]


def test_a_run_that_came_to_hold_what_is_no_file(root: Path) -> None:
    make(root, "good", "2025-01-01T00:00:00.000Z")
    bad = make(root, "bad", "2025-01-02T00:00:00.000Z")
    index = RunIndex(root)
    assert ids(index) == ["bad", "good"]
    bad.stream.mkdir()
    assert [row.reason for row in index.page().runs] == ["broken", None]
    bad.stream.rmdir()
    assert [row.status for row in index.page().runs] == ["queued", "queued"]


def test_pages(root: Path) -> None:
    names = [f"r{number:03d}" for number in range(23)]
    for number, name in enumerate(names):
        make(root, name, f"2025-01-01T00:00:{number // 2:02d}.000Z")
    index = RunIndex(root)
    found, cursor = [], None
    for _ in range(6):
        page = index.page(limit=5, cursor=cursor)
        found += [row.run_id for row in page.runs]
        cursor = page.next
        make(root, f"new-{len(found)}", "2026-01-01T00:00:00.000Z")  # does not shift the pages
        if cursor is None:
            break
    assert found == names[::-1]
    assert len(page.runs) == 3
    exact = index.page(limit=28)
    assert (len(exact.runs), exact.next) == (28, None)


def test_a_cursor_whose_run_is_gone(root: Path) -> None:
    for number in range(4):
        make(root, f"r{number}", f"2025-01-0{number + 1}T00:00:00.000Z")
    index = RunIndex(root)
    cursor = index.page(limit=2).next
    shutil.rmtree(root / "r2")
    assert ids(index, cursor=cursor) == ["r1", "r0"]


@pytest.mark.parametrize("cursor", ["x", "5", "\0", "2025-01-01T00:00:00.000Z"])
def test_what_is_no_cursor(root: Path, cursor: str) -> None:
    with pytest.raises(BadCursor):
        RunIndex(root).page(cursor=cursor)


def test_a_page_of_none_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RunIndex(workspace.root).page(limit=0)


def test_filters(root: Path) -> None:
    for number in range(12):
        end = ("completed", "failed", None)[number % 3]
        workflow = ("claude", "command")[number % 2]
        make(root, f"r{number:02d}", f"2025-01-{number + 1:02d}T00:00:00Z", end, workflow=workflow)
    index = RunIndex(root)
    for _ in range(2):
        assert ids(index, status="failed") == ["r10", "r07", "r04", "r01"]
        assert ids(index, status="queued", workflow="claude") == ["r08", "r02"]
        assert ids(index, workflow="none") == []
    page = index.page(status="failed", limit=3)
    assert ids(index, status="failed", cursor=page.next) == ["r01"]
    assert [row.run_id for row in list_runs(root, limit=1, status="completed")] == ["r09"]


def test_an_external_run_is_filtered_by_its_manifest(root: Path) -> None:
    folder = root / "shell"
    folder.mkdir(parents=True)
    index = RunIndex(root)
    assert ids(index) == []
    _settle(root)
    assert ids(index) == []
    append_lines(folder / "_stream.jsonl", b'{"type":"log","timestamp":"2025-01-01T00:00:00Z"}\n')
    assert ids(index) == ids(index, workflow="external") == ["shell"]
    assert ids(index, status="running") == ["shell"]


def _settle(root: Path) -> None:
    """As if nothing had come or gone for long: the index then trusts the time of the folder."""
    os.utime(root, (time.time() - 60, time.time() - 60))


def test_what_happens_in_the_folders_shows_at_once(root: Path) -> None:
    workspace = create_run(root, "claude", run_id="a")
    make(root, "other", "2025-01-01T00:00:00Z", "completed")
    _settle(root)
    index = RunIndex(root)

    def status() -> str:
        return next(row.status for row in index.page().runs if row.run_id == "a")

    assert status() == "queued"
    lock = RunLock(workspace.lock)
    assert lock.acquire()
    assert status() == "running"
    append_lines(workspace.stream, encode({"type": "workflow_started"}))
    append_lines(workspace.stream, encode({"type": "questions_presented", "question_id": "q"}))
    assert status() == "waiting"
    append_lines(workspace.stream, encode({"type": "workflow_stopped", "inbox_offset": 0}))
    assert status() == "running"  # its process has not let go: whose line that is, nobody knows
    lock.release()
    assert status() == "stopped"
    post(workspace, {"type": "message", "content": "go on", "resume": True})
    assert status() == "queued"
    append_lines(workspace.stream, encode({"type": "workflow_started"}))
    assert status() == "failed"  # it holds no lock


def test_an_ended_run_is_not_read_again(root: Path) -> None:
    """Its stream is changed here in a way that leaves no trace, which shows that nobody looked."""
    workspace = make(root, "a", "2025-01-01T00:00:00Z", "completed")
    index = RunIndex(root)
    assert index.page().runs[0].status == "completed"
    before = workspace.stream.stat()
    body = workspace.stream.read_bytes().replace(b"completed", b"stopped  ")
    workspace.stream.write_bytes(body.replace(b'stopped  "', b'stopped"  '))
    os.utime(workspace.stream, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert index.page().runs[0].status == "completed"
    os.utime(workspace.stream)
    assert index.page().runs[0].status == "stopped"


@pytest.mark.parametrize("settled", [True, False])
def test_runs_that_come_and_go(root: Path, settled: bool) -> None:
    for number in range(3):
        make(root, f"r{number}", f"2025-01-0{number + 1}T00:00:00Z", "completed")
    index = RunIndex(root)
    if settled:
        _settle(root)
    assert ids(index) == ["r2", "r1", "r0"]
    shutil.rmtree(root / "r1")
    assert ids(index) == ["r2", "r0"]
    make(root, "r1", "2025-02-01T00:00:00Z")
    assert ids(index) == ["r1", "r2", "r0"]
    (root / "r2").rename(root / ".old-r2")
    assert ids(index) == ["r1", "r0"]


def test_many_runs_made_while_listing_are_all_seen(root: Path) -> None:
    index = RunIndex(root)
    for number in range(60):
        create_run(root, "claude", run_id=f"r{number}")
        assert len(index.page(limit=100).runs) == number + 1


def test_a_run_removed_and_made_again_under_its_name(root: Path) -> None:
    """Where the file system gives the same inodes to the second."""
    index = RunIndex(root)
    for number in range(20):
        workspace = create_run(root, f"workflow-{number}", prompt=f"n {number}", run_id="same")
        append_lines(workspace.stream, encode({"type": "workflow_completed"}))
        _settle(root)
        (row,) = index.page().runs
        assert (row.workflow, row.title) == (f"workflow-{number}", f"n {number}")
        remove_run(workspace)


def test_two_thousand_runs(root: Path) -> None:
    root.mkdir()
    for number in range(2000):
        folder = root / f"r{number:04d}"
        folder.mkdir()
        created = f"2025-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
        (folder / "run.json").write_text(json.dumps({"workflow": "w", "created_at": created}))
        if number % 10:
            (folder / "_stream.jsonl").write_text('{"type":"workflow_completed"}\n')
    _settle(root)
    index, found, cursor = RunIndex(root), [], None
    while True:
        page = index.page(cursor=cursor)
        found += page.runs
        cursor = page.next
        if cursor is None:
            break
    assert [row.run_id for row in found] == [f"r{number:04d}" for number in range(1999, -1, -1)]
    assert sum(row.status == "queued" for row in found) == 200
    for _ in range(10):
        assert len(index.page().runs) == 50
