"""The status of a run, from its files and its lock."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pythons import Python, go

from runlog import (
    RunLock,
    StateReader,
    Status,
    UnknownRun,
    Workspace,
    append_lines,
    check_run_id,
    create_run,
    encode,
    ended_status,
    is_terminal,
    post,
    read_state,
    run_status,
    summarize,
)
from runlog.disk.records import MAX_LINE_BYTES
from runlog.run.status import prompt_text
from tests.support import DEADLINE_S

Write = Callable[..., None]


@pytest.fixture
def alive(workspace: Workspace) -> Iterator[RunLock]:
    lock = RunLock(workspace.lock)
    assert lock.acquire()
    yield lock
    lock.release()


@pytest.fixture
def external(root: Path) -> Workspace:
    workspace = Workspace(root, check_run_id("shell"))
    workspace.path.mkdir(parents=True)
    return workspace


def agreed(workspace: Workspace) -> Status:
    """The status, which every way of asking must tell alike."""
    status = run_status(workspace)
    assert run_status(workspace, read_state(workspace)) == status
    assert summarize(workspace).status == status
    assert ended_status(workspace) == (status if is_terminal(status) else None)
    return status


def test_queued(workspace: Workspace) -> None:
    assert agreed(workspace) == "queued"
    post(workspace, {"type": "message", "content": "hi"})
    assert agreed(workspace) == "queued"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], "running"),
        (["workflow_started"], "running"),
        (["workflow_started", "workflow_paused"], "paused"),
        (["workflow_started", "questions_presented"], "waiting"),
        (["workflow_started", "permission_requested"], "waiting"),
        (["workflow_started", "permission_requested", "permission_resolved"], "running"),
        (["workflow_started", "questions_presented", "workflow_paused"], "waiting"),
        (["workflow_started", "workflow_paused", "permission_requested"], "waiting"),
        (["workflow_started", "workflow_completed"], "completed"),
        (["workflow_started", "workflow_failed"], "failed"),
        (["workflow_started", "workflow_stopped"], "stopped"),
        (["workflow_started", "workflow_stopped", "log"], "stopped"),
        (["workflow_started", "workflow_failed", "workflow_started"], "running"),
    ],
)
def test_a_run_whose_process_lives_and_then_dies(
    workspace: Workspace, alive: RunLock, write: Write, lines: list[str], status: Status
) -> None:
    for kind in lines:
        write(kind, question_id="q", request_id="p")
    # A terminal line counts once the lock is free: while a process holds it, someone else wrote that.
    assert agreed(workspace) == ("running" if is_terminal(status) else status)
    alive.release()
    lost = "failed" if lines else "queued"
    assert agreed(workspace) == (status if is_terminal(status) else lost)


def test_an_idle_run_waits(workspace: Workspace, alive: RunLock, write: Write) -> None:
    write("workflow_started")
    write("progress_update", status="waiting")
    assert agreed(workspace) == "waiting"
    assert summarize(workspace).waiting_for == "message"
    write("questions_presented", question_id="q")
    assert summarize(workspace).waiting_for == "answer"
    alive.release()
    assert summarize(workspace).waiting_for is None


@pytest.mark.parametrize("begun", [b"", b'{"type":"workflow_st'])
def test_a_stream_without_a_whole_line_has_begun(workspace: Workspace, begun: bytes) -> None:
    workspace.stream.write_bytes(begun)
    assert agreed(workspace) == "failed"


def test_lost(workspace: Workspace, python: Python) -> None:
    code = """
import os, sys
from pathlib import Path
from runlog import *
workspace = Workspace(Path(sys.argv[1]), check_run_id("r1"))
lock = RunLock(workspace.lock)
assert lock.acquire()
append_lines(workspace.stream, encode({"type": "workflow_started", "attempt": 1}))
print("up", flush=True)
sys.stdin.read()
"""
    run = python(code, workspace.root)
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    assert agreed(workspace) == "running"
    run.kill()
    run.wait(DEADLINE_S)
    assert agreed(workspace) == "failed"
    assert summarize(workspace).reason == "lost"
    append_lines(workspace.stream, encode({"type": "workflow_failed", "reason": "lost"}))
    assert agreed(workspace) == "failed"
    assert summarize(workspace).reason == "lost"


def test_no_such_run(root: Path, workspace: Workspace, external: Workspace) -> None:
    for name in ("none", "shell"):
        for ask in (run_status, ended_status, summarize):
            with pytest.raises(UnknownRun):
                ask(Workspace(root, check_run_id(name)))


def test_an_external_run_is_never_lost(external: Workspace) -> None:
    external.stream.write_bytes(b"")
    assert agreed(external) == "running"
    append_lines(external.stream, b'{"type":"progress_update","progress":50}\n')
    assert agreed(external) == "running"
    append_lines(external.stream, b'{"type":"questions_presented","question_id":"q"}\n')
    assert agreed(external) == "waiting"
    append_lines(external.stream, b'{"type":"workflow_completed","inbox_offset":0}\n')
    assert agreed(external) == "completed"
    external.inbox.write_bytes(b'{"type":"message","content":"x","resume":true}\n')
    assert agreed(external) == "completed"
    append_lines(external.stream, b'{"type":"workflow_started","workflow":"mine"}\n')
    assert agreed(external) == "running"
    assert summarize(external).workflow == "mine"


def test_asked_to_go_on(workspace: Workspace, write: Write) -> None:
    write("workflow_started", attempt=1)
    write("workflow_completed", inbox_offset=0, stats={"attempt": 1, "cost_usd": 0.25})
    assert agreed(workspace) == "completed"
    post(workspace, {"type": "message", "content": "more", "resume": True, "id": "m"})
    assert agreed(workspace) == "queued"
    lock = RunLock(workspace.lock)
    assert lock.acquire()
    assert agreed(workspace) == "queued"  # its process has come, and says so with its first line
    write("workflow_started", attempt=2)
    assert agreed(workspace) == "running"
    row = summarize(workspace)
    assert (row.attempt, row.cost_usd, row.ended_at) == (2, 0.25, None)
    write("message_received", message_id="m", state="delivered")
    write("workflow_completed", inbox_offset=workspace.inbox.stat().st_size)
    lock.release()
    assert agreed(workspace) == "completed"


def test_the_end_is_found_behind_any_lines(workspace: Workspace, write: Write) -> None:
    write("workflow_started", attempt=1)
    pad = "x" * 100_000
    for _ in range(15):
        write("log", data=pad)
    write("workflow_completed", result=pad * 30, stats={"attempt": 1})  # 3 MB in one line
    assert agreed(workspace) == "completed"
    write("workflow_stopped")
    for _ in range(8):
        write("log", data=pad)  # a stray writer after the end
    assert agreed(workspace) == "stopped"


def test_a_last_line_over_the_bound(workspace: Workspace, alive: RunLock, write: Write) -> None:
    write("workflow_started")
    write("log", data="x" * MAX_LINE_BYTES)
    assert agreed(workspace) == "running"


def test_a_question_asked_long_ago_is_still_open(
    workspace: Workspace, alive: RunLock, write: Write
) -> None:
    write("workflow_started")
    write("questions_presented", question_id="q")
    for _ in range(9):
        write("log", data="x" * 100_000)
    assert run_status(workspace) == "waiting"
    assert summarize(workspace).open_questions == 1


def test_summary(root: Path, write: Write, workspace: Workspace) -> None:
    write("workflow_started", attempt=1, timestamp="2025-01-19T10:00:00Z")
    write("progress_update", progress=30, message="reading")
    write(
        "workflow_failed",
        reason="exit",
        duration_s=4,
        timestamp="2025-01-19T10:00:04Z",
        stats={"cost_usd": 1, "attempt": 1},
    )
    row = summarize(workspace)
    assert (row.run_id, row.workflow, row.status, row.title) == ("r1", "claude", "failed", "hello")
    assert (row.progress, row.message, row.reason, row.attempt) == (30, "reading", "exit", 1)
    assert (row.cost_usd, row.duration_s, row.ended_at) == (1, 4, "2025-01-19T10:00:04Z")
    assert row.size_bytes == workspace.stream.stat().st_size
    command = create_run(root, "command", params={"argv": ["make", 3, "a\n b"]})
    assert summarize(command).title == "make 3 a b"


@pytest.mark.parametrize("stats", [{"cost_usd": "x", "attempt": []}, {"cost_usd": {}}, [], None])
def test_a_summary_of_wrong_types(workspace: Workspace, write: Write, stats: object) -> None:
    write("workflow_failed", stats=stats, duration_s="long", reason=["why"], timestamp=3)
    row = summarize(workspace)
    assert (row.status, row.cost_usd, row.attempt, row.duration_s) == ("failed", None, 0, None)


def test_prompts() -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": "image"}, 7, {"text": 1}, {"text": "b"}]
    assert (prompt_text(blocks), prompt_text("x"), prompt_text(None)) == ("a\nb", "x", "")


LIVES = """
import os, sys
from pathlib import Path
from runlog import *
root = Path(sys.argv[1])
sys.stdin.read(1)
for number in range(int(sys.argv[2])):
    workspace = create_run(root, "claude", run_id=f"x{number}")
    lock = RunLock(workspace.lock)
    lock.acquire()
    append_lines(workspace.stream, encode({"type": "workflow_started", "attempt": 1}))
    for _ in range(3):
        append_lines(workspace.stream, b'{"type":"log"}\\n')
    append_lines(workspace.stream, encode({"type": "workflow_completed"}))
    lock.release()
"""


@pytest.mark.parametrize("how", ["fresh", "reader", "summary"])
def test_a_run_that_begins_and_ends_while_one_looks_is_never_lost(
    root: Path, python: Python, how: str
) -> None:
    """The lock and the stream can't be looked at in one instant, in neither order."""
    count = 150
    runs = python(LIVES, root, count)
    go(runs)
    for number in range(count):
        ends_at = time.monotonic() + DEADLINE_S
        workspace = Workspace(root, check_run_id(f"x{number}"))
        while not workspace.manifest.exists():
            assert time.monotonic() < ends_at
        reader, seen = StateReader(workspace), set()
        while "completed" not in seen:
            assert time.monotonic() < ends_at
            if how == "fresh":
                seen.add(run_status(workspace))
            elif how == "reader":
                seen.add(run_status(workspace, reader.read()))
            else:
                row = summarize(workspace)
                seen.add(row.status)
                assert row.reason is None
        reader.close()
        assert seen <= {"queued", "running", "completed"}


def test_a_stream_that_is_cut_while_one_looks(workspace: Workspace, alive: RunLock) -> None:
    stop = threading.Event()

    def rewrite() -> None:
        while not stop.is_set():
            workspace.stream.write_bytes(b'{"type":"log"}\n' * 20_000)
            os.truncate(workspace.stream, 5)

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for _ in range(100):
            assert run_status(workspace) == "running"
            read_state(workspace)
    finally:
        stop.set()
        thread.join()


def test_what_is_said_by_encode_is_what_is_read(workspace: Workspace) -> None:
    append_lines(workspace.stream, encode({"type": "workflow_failed", "error": "\ud800"}))
    assert read_state(workspace).error == "\ud800"
