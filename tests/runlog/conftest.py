import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pythons import ROOT, Python

from runlog import Event, Workspace, create_run, encode


@pytest.fixture
def python() -> Iterator[Python]:
    """Start `python -c CODE ARGS…`, stdin and stdout piped; killed and reaped at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str, *args: object) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def workspace(root: Path) -> Workspace:
    """A queued run."""
    return create_run(root, "claude", prompt="hello", run_id="r1")


@pytest.fixture
def write(workspace: Workspace) -> Callable[..., None]:
    """Append events, given as (type, fields), to the stream of the run."""

    def append(kind: str, /, **fields: object) -> None:
        event: Event = {"type": kind, **fields}
        with open(workspace.stream, "ab") as file:
            file.write(encode(event))

    return append
