"""The command as people have it: `tailcast` in a process of its own, on a root of its own."""

import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, create_run, encode, open_workspace
from runner.attempt.options import RunOptions
from runner.supervise.fork_server import ForkServer, Started
from runner.supervise.supervisor import runner_is_active
from tests.forks import TAILCAST, Forked, run_forked
from tests.support import DEADLINE_S, end_runs, ending, kill, spawned, wait_until

# What the person at the terminal may have set must not decide a test.
_OURS = ("TAILCAST_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")


@dataclass
class Cli:
    """Runs `tailcast` on a root. Standard output and error come as text.

    `fresh`: not by a fork, where a test is of Python's start or of what `/proc` shows of a process.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    fresh: bool = False

    def __call__(
        self, *words: str, code: int | None = 0, told: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        if self.fresh:
            done = subprocess.run(
                [TAILCAST, *words],
                input=told,
                stdin=subprocess.DEVNULL if told is None else None,
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
                env=self.environment,
            )
        else:
            done = run_forked(TAILCAST, *words, told=told, timeout=DEADLINE_S, env=self.environment)
        shown = f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, shown
        assert code is None or done.returncode == code, shown
        return done

    def json(self, *words: str, code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self("--json", *words, code=code).stdout.splitlines()]

    @contextlib.contextmanager
    def popen(self, *words: str, **options: Any) -> Iterator[Any]:
        """Killed at the end if it still runs."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        options |= {"stdin": subprocess.DEVNULL, "env": self.environment}
        if self.fresh:
            starting = spawned(TAILCAST, *words, **options)
        else:
            starting = ending(Forked(TAILCAST, *words, **options))
        with starting as process:
            yield process


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspaces"
    yield folder
    end_runs(folder)


@pytest.fixture
def cli(root: Path) -> Cli:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return Cli(root, environment | {"TAILCAST_ROOT": str(root)})


@pytest.fixture
def runner(cli: Cli) -> Iterator[None]:
    """A runner at work with the scripted model."""
    with cli.popen(
        "runner", "--scripted-model", "--grace-s", "1", stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: runner_is_active(cli.root), "the runner")
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def started(root: Path, workflow: str = "claude", **asked: Any) -> Workspace:
    """A run with the scripted model, and its process."""
    workspace = create_run(root, workflow, **asked)
    server = _fork_server()
    server.tend()
    _processes.append(wait_until(lambda: server.start(workspace), "the runner's fork server"))
    return workspace


@functools.cache
def _fork_server() -> ForkServer:
    """As a runner has one: one process imports the agents' SDK for all of these runs."""
    server = ForkServer(RunOptions(1.0, scripted_model=True))
    atexit.register(server.close)
    return server


def external(root: Path, *events: dict[str, Any] | bytes, run_id: str = "outside") -> Workspace:
    """A stream that others write, of which nothing in `run.json` tells."""
    folder = root / run_id
    folder.mkdir(parents=True, exist_ok=True)
    lines = (event + b"\n" if isinstance(event, bytes) else encode(event) for event in events)
    with open(folder / "_stream.jsonl", "ab") as file:
        file.write(b"".join(lines))
    return open_workspace(root, run_id)


_processes: list[Started] = []


@pytest.fixture(autouse=True)
def _killed() -> Iterator[None]:
    yield
    for process in _processes:
        if process.poll() is None and process.pid is not None:
            kill(process.pid)
        wait_until(lambda process=process: process.poll() is not None, "the end of a run's process")
    _processes.clear()
