"""What the runner does where the process of a run does not: stops and limits are carried out whatever it does."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import runlog
from runlog import Workspace
from tests.runner.conftest import RUNNER
from tests.support import (
    events,
    kill,
    receipts,
    spawned,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

LONG_S = 80.0
FAMILY = Path(__file__).with_name("family.py")


def family(root: Path, **limits: float) -> Workspace:
    """A run whose processes are hard to end: a session of its own, one deaf to SIGTERM, a double fork."""
    members = ["session", "deaf", "double"]
    argv = [sys.executable, str(FAMILY), ".", "deaf", *members]
    run = runlog.create_run(root, "command", params={"argv": argv}, limits=limits)
    wait_until(lambda: (run.files / "first").exists(), "the family", LONG_S)
    return run


def pid_of(run: Workspace) -> int:
    pid: int = wait_for(run, "workflow_started", LONG_S)["pid"]
    return pid


def freeze(run: Workspace) -> None:
    os.kill(pid_of(run), signal.SIGSTOP)


def hold_the_stream(run: Workspace) -> None:
    """As an agent may: its lock on the stream has the run process wait for ever with its next line."""
    with spawned("flock", str(run.stream), "true") as probe:
        probe.wait()
    pid = os.fork()
    if pid == 0:
        # Marked as a process of the run, as an agent's would be.
        mark = {"TAILCAST_WORKSPACE": str(run.path)}
        os.execvpe("flock", ["flock", str(run.stream), "sleep", "600"], os.environ | mark)
    holders.append(pid)
    wait_until(lambda: _is_held(run.stream), "the lock on the stream")


def _is_held(path: Path) -> bool:
    with spawned("flock", "-n", str(path), "true") as probe:
        return probe.wait() != 0


holders: list[int] = []


@pytest.fixture(autouse=True)
def no_holders():
    yield
    while holders:
        pid = holders.pop()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def stop_in_a_cut_inbox(run: Workspace) -> None:
    """The inbox was cut, and is as long again as the run process knows it: it sees no change."""
    first = runlog.post(run, {"type": "message", "content": "x" * 100, "id": "m1"})
    wait_until(lambda: receipts(run, "m1"), "the run to read", LONG_S)
    stop = '{"type":"stop","id":"s1","note":"'
    line = stop + "y" * (first.offset - len(stop) - 3) + '"}\n'
    assert len(line) == first.offset
    os.truncate(run.inbox, 0)
    with open(run.inbox, "a") as file:
        file.write(line)


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("hinder", [freeze, hold_the_stream])
def test_stop_is_carried_out(root: Path, hinder: Callable[[Workspace], None]) -> None:
    run = family(root)
    hinder(run)
    stop = runlog.post(run, {"type": "stop"})
    end = wait_for_end(run, LONG_S)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    wait_until(lambda: receipts(run, stop.message_id), "the receipt of the stop")
    assert receipts(run, stop.message_id) == ["completed"]
    wait_until(lambda: not tree_of(run), "the tree to be gone")
    assert runlog.run_status(run) == "stopped"


@pytest.mark.usefixtures("runner")
def test_stop_that_the_run_process_can_not_see(root: Path) -> None:
    run = family(root)
    stop_in_a_cut_inbox(run)
    end = wait_for_end(run, LONG_S)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    wait_until(lambda: not tree_of(run), "the tree to be gone")


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("hinder", [freeze, hold_the_stream])
@pytest.mark.parametrize("limits", [{"wall_time_s": 3.0}, {"idle_time_s": 3.0}])
def test_limit_is_carried_out(
    root: Path, hinder: Callable[[Workspace], None], limits: dict[str, float]
) -> None:
    run = family(root, **limits)
    hinder(run)
    end = wait_for_end(run, LONG_S)
    assert (end["type"], end["reason"], end["limit"]) == ("workflow_failed", *limits, 3.0)
    assert end["reached"] > 3.0
    wait_until(lambda: not tree_of(run), "the tree to be gone")


def test_next_runner_carries_it_out(root: Path) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "4") as first:
        run = family(root)
        timed = family(root, wall_time_s=3600.0)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    freeze(run)
    freeze(timed)
    runlog.post(run, {"type": "stop"})
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        end = wait_for_end(run, LONG_S)
        assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
        assert runlog.is_locked(timed.lock), "what is not over is let be"
        os.kill(pid_of(timed), signal.SIGCONT)
        runlog.post(timed, {"type": "stop"})
        wait_for_end(timed, LONG_S)


GRAPH = """
import asyncio, ctypes, multiprocessing, os, time
from pathlib import Path
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

def _rest():
    time.sleep(600)

def by_python():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        _rest()
    return pid

def in_c():
    libc = ctypes.PyDLL(None)
    pid = libc.fork()
    if pid == 0:
        while True:
            libc.sleep(600)
    return pid

def by_pool():
    process = multiprocessing.get_context("fork").Process(target=_rest)
    process.start()
    return process.pid

async def work(state, config):
    pid = globals()[config["configurable"]["how"]]()
    path = Path(config["configurable"]["file"])
    path.with_suffix(".new").write_text(str(pid))
    path.with_suffix(".new").rename(path)
    await asyncio.sleep(600)

builder = StateGraph(MessagesState)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_edge("work", END)
graph = builder.compile()
"""


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("how", ["by_python", "in_c", "by_pool"])
def test_forked_child_is_no_sign_of_life(root: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "forks.py").write_text(GRAPH)
    told = tmp_path / "child"
    run = runlog.create_run(
        root,
        "langgraph",
        prompt="go",
        params={
            "graph": f"{tmp_path / 'forks.py'}:graph",
            "configurable": {"how": how, "file": str(told)},
        },
    )
    wait_until(told.exists, "the child", LONG_S)
    child = int(told.read_text())
    kill(pid_of(run))
    end = wait_for_end(run, LONG_S)
    assert (end["type"], end["reason"]) == ("workflow_failed", "lost")
    wait_until(lambda: not os.path.exists(f"/proc/{child}/exe"), "the child to be gone")
    assert not tree_of(run)


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("replace", ["remove", "empty", "rename"])
def test_lock_that_was_replaced_is_taken_again(root: Path, tmp_path: Path, replace: str) -> None:
    gate = tmp_path / "go"
    code = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = runlog.create_run(root, "command", params={"argv": [sys.executable, "-c", code]})
    wait_for(run, "workflow_started", LONG_S)
    before = run.lock.stat().st_ino, run.lock.stat().st_mtime_ns
    held = os.open(run.lock, os.O_RDONLY)  # keeps the inode from being used again
    if replace == "remove":
        run.lock.unlink()
    elif replace == "empty":
        (run.path / "new").touch()
        (run.path / "new").rename(run.lock)
    else:
        run.lock.rename(run.path / "_lock.old")
    wait_until(lambda: runlog.is_locked(run.lock), "the new lock to be held", LONG_S)
    os.close(held)
    assert (run.lock.stat().st_ino, run.lock.stat().st_mtime_ns) != before
    assert runlog.run_status(run) == "running"
    gate.touch()
    assert wait_for_end(run, LONG_S)["type"] == "workflow_completed"
    assert len(events(run, "workflow_started")) == 1
