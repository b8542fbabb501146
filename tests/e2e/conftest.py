"""The whole house as its users start it: `tailcast serve`, or relay and runner apart, on a port of their own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runlog import (
    RunlogError,
    Workspace,
    is_terminal,
    list_runs,
    open_workspace,
    post,
    run_status,
)
from tests.forks import TAILCAST, Forked
from tests.support import DEADLINE_S, end_runs, ending, free_port, wait_until


def started(root: Path) -> list[str]:
    """The ids of the runs that the runner of this root has started, in that order."""
    told = root.with_name("runner.log").read_text().splitlines()
    return [line.split()[0] for line in told if line.endswith(" started")]


@dataclass
class House:
    """A relay and a runner on one root. `client` speaks to the relay."""

    root: Path
    port: int
    relay: "subprocess.Popen[bytes]"
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, workflow: str, **body: Any) -> Workspace:
        answer = self.client.post("/api/v1/workflows", json={"workflow": workflow} | body)
        assert answer.status_code == 201, answer.text
        return open_workspace(self.root, answer.json()["run_id"])

    def say(self, run: Workspace, text: str, **body: Any) -> httpx.Response:
        return self.client.post(
            f"/api/v1/workflows/{run.run_id}/messages", json={"message": text} | body
        )

    def stream_url(self, run: Workspace, query: str = "") -> str:
        return f"{self.url}/api/v1/workflows/{run.run_id}/stream{query}"

    def kill_relay(self) -> None:
        self.relay.kill()
        self.relay.wait()


@contextlib.contextmanager
def tailcast(*arguments: str, stdout: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = Forked(TAILCAST, *arguments, stdout=stdout, env=os.environ | {"NO_COLOR": "1"})
    with ending(process):
        yield process


@contextlib.contextmanager
def relay_of(root: Path, port: int) -> Iterator[House]:
    with tailcast(
        "--root", str(root), "relay", "--port", str(port), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("listening on "), line
        port = int(line.rsplit(":", 1)[1])
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            yield House(root, port, process, client)


@contextlib.contextmanager
def runner_of(root: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """What it says is in `runner.log` beside the root."""
    arguments = ["--root", str(root), "runner", "--scripted-model", "--grace-s", "1"]
    with (
        open(root.with_name("runner.log"), "ab") as log,
        tailcast(*arguments, *more, stdout=log) as process,
    ):
        wait_until(lambda: (root / "_catalog.json").exists(), "the catalog")
        yield process


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspaces"
    yield folder
    end_runs(folder)


@pytest.fixture(scope="module")
def module_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("house") / "workspaces"
    root.mkdir(mode=0o700)
    try:
        with runner_of(root), relay_of(root, 0) as house:
            yield house
    finally:
        end_runs(root)


@pytest.fixture
def house(module_house: House) -> Iterator[House]:
    """Relay and runner, each a process of its own. The tests of a module take turns with one; what a test leaves at
    work is ended, and a relay that it killed comes back."""
    house = module_house
    with contextlib.ExitStack() as stack:
        if house.relay.poll() is not None:
            house = stack.enter_context(relay_of(house.root, house.port))
        yield house
    left = [row for row in list_runs(house.root, limit=1000) if not is_terminal(row.status)]
    for run in (open_workspace(house.root, row.run_id) for row in left):
        with contextlib.suppress(RunlogError):  # it has ended by itself
            post(run, {"type": "stop"})
        wait_until(lambda run=run: is_terminal(run_status(run)), f"the end of {run.run_id}")


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()
