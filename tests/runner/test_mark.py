"""The mark that a process puts into its own environment: others see it there, and in what it forks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.keeper.mark import ROOM
from runner.keeper.tree import marked
from tests.support import wait_until

CODE = """
import os, sys
from runner.keeper.mark import show_mark
print(show_mark("TEST_MARK", sys.argv[1]), flush=True)
child = os.fork()
sys.stdin.read()
if child:
    os.waitpid(child, 0)
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("value", ["/a/b", "/with blanks/é", "x" * 4095])
@pytest.mark.parametrize("room", [ROOM, "too little"])
def test_mark_is_seen_in_a_process_and_in_what_it_forks(
    tmp_path: Path, value: str, room: str
) -> None:
    value = f"{tmp_path}/{value}"[: len(ROOM)]
    environment = {"A": "1", "TEST_MARK": room, "Z": "2", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, value],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin and process.stdout
    mark = f"TEST_MARK={value}".encode()
    try:
        shown = process.stdout.readline() == b"True\n"
        assert shown is (room == ROOM)
        if shown:
            wait_until(lambda: len(marked(mark)) == 2, "the process and its child")
            assert process.pid in {proc.pid for proc in marked(mark)}
            rest = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
            assert b"A=1" in rest and b"Z=2" in rest
        else:
            assert marked(mark) == []
    finally:
        process.stdin.close()
        process.wait(40)
        process.stdout.close()
    assert not os.path.exists(f"/proc/{process.pid}/exe")
