"""The sign of life."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pythons import Python, go

from runlog import RunLock, is_locked
from tests.support import DEADLINE_S

HOLDER = """
import os, sys
from runlog import RunLock
from pathlib import Path
lock = RunLock(Path(sys.argv[1]))
os.write(1, b"1" if lock.acquire() else b"0")
sys.stdin.read(1)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "_lock"


def test_held_asked_and_released(path: Path) -> None:
    assert not is_locked(path)
    assert not path.exists()
    lock, other = RunLock(path), RunLock(path)
    assert lock.acquire()
    assert is_locked(path)
    assert not other.acquire()
    other.release()
    assert is_locked(path)
    lock.release()
    assert not is_locked(path)
    assert path.exists()  # never unlinked, or two could hold "it"
    assert path.stat().st_mode & 0o777 == 0o600
    assert other.acquire()
    other.release()


def test_a_killed_process_lets_go(path: Path, python: Python) -> None:
    holder = python(HOLDER, path)
    assert holder.stdout is not None and holder.stdout.read(1) == b"1"
    assert is_locked(path)
    assert not RunLock(path).acquire()
    holder.send_signal(signal.SIGSTOP)
    assert is_locked(path)  # a stopped process lives
    holder.kill()
    holder.wait(DEADLINE_S)
    assert not is_locked(path)


def test_a_child_does_not_keep_it(path: Path) -> None:
    lock = RunLock(path)
    assert lock.acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    )
    try:
        # Popen returns while the kernel may still be closing what exec closes.
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        lock.release()
        assert not is_locked(path)
    finally:
        child.kill()
        child.communicate()


def test_one_of_many_gets_it(path: Path, python: Python) -> None:
    holders = [python(HOLDER, path) for _ in range(6)]
    answers = [holder.stdout.read(1) for holder in holders if holder.stdout is not None]
    assert sorted(answers) == [b"0"] * 5 + [b"1"]
    go(*holders)
    assert [holder.wait(DEADLINE_S) for holder in holders] == [0] * 6


def test_asking_never_keeps_a_starter_from_it(path: Path) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_locked(path)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(500):
            lock = RunLock(path)
            assert lock.acquire()
            lock.release()
            time.sleep(0)
    finally:
        stop.set()
        for asker in askers:
            asker.join()


def test_opening_and_closing_the_file_does_not_drop_it(path: Path) -> None:
    """As it would with POSIX locks (`fcntl.lockf`)."""
    lock = RunLock(path)
    assert lock.acquire()
    os.close(os.open(path, os.O_RDWR))
    assert is_locked(path)
    lock.release()


def test_a_symlink_is_no_lock(tmp_path: Path, path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a link"):
        RunLock(path).acquire()
    assert not (tmp_path / "elsewhere").exists()
