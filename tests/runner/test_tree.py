"""Ending process trees, with real ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.keeper import tree
from tests.support import DEADLINE_S, is_running, wait_until

FAMILY = Path(__file__).with_name("family.py")
Starter = Callable[..., subprocess.Popen[bytes]]


def wait_for(condition: Callable[[], object]) -> None:
    wait_until(condition, "what has to come")


def proc_of(pid: int) -> tree.Proc:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return tree.Proc(pid, int(stat[stat.rindex(")") + 2 :].split()[19]))


@pytest.fixture
def marker(tmp_path: Path) -> bytes:
    return b"TAILCAST_WORKSPACE=" + os.fsencode(tmp_path)


@pytest.fixture
def start(tmp_path: Path, marker: bytes) -> Iterator[Starter]:
    """Starts marked programs; whatever of them is left after the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_program(*argv: object, **options: object) -> subprocess.Popen[bytes]:
        name, value = marker.decode().split("=", 1)
        environ = {**os.environ, name: value}
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            [str(word) for word in argv], env=environ, **options
        )
        started.append(process)
        return process

    yield start_program
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(DEADLINE_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
    for proc in tree.marked(marker):
        tree.signal_proc(proc, signal.SIGKILL)


def start_family(start: Starter, folder: Path, end: str, *kinds: str) -> dict[str, int]:
    start(sys.executable, "-I", "-S", FAMILY, folder, end, *kinds)
    wait_for((folder / "first").exists)
    return {kind: int((folder / kind).read_text()) for kind in ("first", *kinds)}


def test_descendants_follow_every_generation(start: Starter, tmp_path: Path) -> None:
    pids = start_family(start, tmp_path, "wait", "group", "session")
    found = {proc.pid for proc in tree.descendants(os.getpid())}
    assert found >= set(pids.values())
    below = {proc.pid for proc in tree.descendants(pids["first"])}
    assert below == {pids["group"], pids["session"]}


def test_zombies_are_no_descendants(start: Starter) -> None:
    process = start("true")
    wait_for(lambda: not is_running(process.pid))
    assert process.pid not in {proc.pid for proc in tree.descendants(os.getpid())}
    assert process.returncode is None


def test_marked_wants_the_whole_entry(start: Starter, tmp_path: Path, marker: bytes) -> None:
    process = start(sys.executable, "-I", "-S", FAMILY, tmp_path, "wait")
    wait_for((tmp_path / "first").exists)
    assert [proc.pid for proc in tree.marked(marker)] == [process.pid]
    assert tree.marked(marker + b"0") == []
    assert tree.marked(marker[:-1]) == []
    assert tree.marked(marker[1:]) == []


def test_a_process_whose_first_thread_ended_is_still_found(
    start: Starter, tmp_path: Path, marker: bytes
) -> None:
    program = (
        "import ctypes, sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "open(sys.argv[1] + '/ready', 'w').close()\n"
        "ctypes.CDLL(None).syscall(60 if sys.argv[2] == 'x86_64' else 93, 0)\n"
    )
    process = start(sys.executable, "-c", program, tmp_path, os.uname().machine)
    wait_for((tmp_path / "ready").exists)
    wait_for(lambda: b"State:\tZ" in Path(f"/proc/{process.pid}/status").read_bytes())
    assert [proc.pid for proc in tree.marked(marker)] == [process.pid]
    assert tree.end_marked(marker, grace_s=60) == 1
    assert process.wait(DEADLINE_S) in (-signal.SIGTERM, -signal.SIGKILL)


def test_a_reused_pid_is_not_signalled(start: Starter, tmp_path: Path) -> None:
    pids = start_family(start, tmp_path, "wait")
    proc = proc_of(pids["first"])
    stranger = tree.Proc(proc.pid, proc.start_ticks - 1)
    assert proc != stranger
    assert tree.signal_proc(stranger, signal.SIGKILL) is False
    assert is_running(proc.pid)
    assert tree.signal_proc(proc, signal.SIGKILL) is True
    wait_for(lambda: not is_running(proc.pid))


def test_signal_to_the_gone_is_false(start: Starter) -> None:
    process = start("sleep", "600")
    proc = proc_of(process.pid)
    process.kill()
    process.wait(DEADLINE_S)
    assert tree.signal_proc(proc, signal.SIGTERM) is False


def test_sigterm_wakes_the_stopped(start: Starter, tmp_path: Path) -> None:
    pids = start_family(start, tmp_path, "stop")
    stat = Path(f"/proc/{pids['first']}/stat")
    wait_for(lambda: stat.read_text().rpartition(") ")[2][0] == "T")
    tree.signal_proc(proc_of(pids["first"]), signal.SIGTERM)
    wait_for(lambda: not is_running(pids["first"]))


def test_end_marked_ends_every_kind(start: Starter, tmp_path: Path, marker: bytes) -> None:
    kinds = ("group", "session", "deaf", "double", "stopped")
    pids = start_family(start, tmp_path, "deaf", *kinds)
    assert tree.end_marked(marker, grace_s=0.3) == len(pids)
    assert [kind for kind, pid in pids.items() if is_running(pid)] == []


def test_end_marked_asks_first(start: Starter, tmp_path: Path, marker: bytes) -> None:
    start_family(start, tmp_path, "wait", "polite")
    assert tree.end_marked(marker, grace_s=3600) == 2
    assert (tmp_path / "asked").exists(), "SIGTERM comes first"


def test_end_marked_does_not_wait_out_the_grace(
    start: Starter, tmp_path: Path, marker: bytes
) -> None:
    start_family(start, tmp_path, "wait", "session", "stopped")
    assert tree.end_marked(marker, grace_s=3600) == 3  # it came back: the grace is an hour


def test_end_marked_keeps_whom_it_is_told_to(start: Starter, tmp_path: Path, marker: bytes) -> None:
    pids = start_family(start, tmp_path, "wait", "session", "deaf")
    assert tree.end_marked(marker, grace_s=0, keep=frozenset({pids["first"]})) == 2
    assert [kind for kind, pid in pids.items() if is_running(pid)] == ["first"]


def test_end_marked_with_nobody_there(marker: bytes) -> None:
    assert tree.end_marked(marker, grace_s=3600) == 0


def test_end_marked_outruns_a_chain_of_forks(start: Starter, tmp_path: Path, marker: bytes) -> None:
    """Each process lives 1 ms and leaves a child behind: no single sweep sees the last of them."""
    program = (
        "import os, sys, time, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); open(sys.argv[1] + '/ready', 'w').close(); time.sleep(0.001)\n"
    )
    start(sys.executable, "-I", "-S", "-c", program, tmp_path)
    wait_for((tmp_path / "ready").exists)
    assert tree.end_marked(marker, grace_s=0.05) > 0
    (tmp_path / "ready").unlink()
    time.sleep(0.1)  # a hundred lives of the chain
    assert not (tmp_path / "ready").exists()


def test_subreaper_adopts_and_parent_is_told_apart(start: Starter, tmp_path: Path) -> None:
    program = (
        "import os, sys, signal; sys.path.insert(0, sys.argv[2])\n"
        "from runner.keeper import tree\n"
        "assert tree.has_parent(int(sys.argv[3])) and not tree.has_parent(1)\n"
        "tree.become_subreaper()\n"
        "if os.fork() == 0:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid(); signal.pause()\n"
        "os.wait()\n"
        "adopted = tree.descendants(os.getpid()); print(len(adopted), flush=True)\n"
        "tree.signal_proc(adopted[0], 9)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)\n"
    )
    root = Path(tree.__file__).parents[2]
    process = start(
        sys.executable, "-c", program, tmp_path, root, os.getpid(), stdout=subprocess.PIPE
    )
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert out.split() == [b"1", b"-9"]


def test_death_signal_comes_with_the_end_of_the_parent(
    start: Starter, tmp_path: Path, marker: bytes
) -> None:
    program = (
        "import os, sys, signal; sys.path.insert(0, sys.argv[2])\n"
        "from runner.keeper import tree\n"
        "if os.fork() == 0:\n"
        "    tree.die_with_parent(signal.SIGTERM)\n"
        "    open(sys.argv[1] + '/ready', 'w').close()\n"
        "signal.pause()\n"
    )
    root = Path(tree.__file__).parents[2]
    process = start(sys.executable, "-c", program, tmp_path, root)
    wait_for((tmp_path / "ready").exists)
    process.kill()
    process.wait(DEADLINE_S)
    wait_for(lambda: tree.marked(marker) == [])


def test_a_bad_death_signal_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        tree.die_with_parent(1000)
