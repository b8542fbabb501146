"""`tailcast serve` with the scripted model, in a folder where the pages' samples run as pasted."""

import contextlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from runlog import RunlogError, Workspace, list_runs, open_workspace, post
from tests.docs.pages import write_modules
from tests.docs.samples import REPOSITORY, sample
from tests.support import DEADLINE_S, end_runs, spawned, wait_for_end, wait_until

SHELL_LIMIT_S = 2 * DEADLINE_S  # of several commands


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader of the pages would stand: `home` is his working directory, with `workspaces` in it."""

    home: Path
    url: str
    client: httpx.Client
    environment: dict[str, str]

    @property
    def root(self) -> Path:
        return self.home / "workspaces"

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    def run(self, run_id: str) -> Workspace:
        return open_workspace(self.root, run_id)

    def start(self, workflow: str, **body: Any) -> Workspace:
        answer = self.client.post("/workflows", json={"workflow": workflow} | body)
        assert answer.status_code == 201, answer.text
        return self.run(answer.json()["run_id"])

    def here(self, code: str) -> str:
        """A sample with the address of this relay."""
        return code.replace("http://127.0.0.1:8700", self.url)

    def shell(self, code: str, **variables: str) -> str:
        """What a shell sample prints; it must end with exit code 0."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(code)],
            cwd=self.home,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=SHELL_LIMIT_S,
        )
        assert done.returncode == 0, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("home")
    root = home / "workspaces"
    plugins = home / "plugins"
    _install_sample_package(plugins)
    environment = os.environ | {
        "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{plugins}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    command = ["serve", "--scripted-model", "--grace-s", "1"]
    with listening(*command, root=root, environment=environment) as (url, client):
        wait_until((root / "_catalog.json").exists, "the catalog")
        try:
            yield Place(home, url, client, environment)
        finally:
            _stop_all(root)
    end_runs(root)


@pytest.fixture
def modules(node: str, tmp_path: Path) -> Path:
    """A folder with the page's modules."""
    write_modules(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def recorded(place: Place) -> Workspace:
    """A run that has ended, with lines that are hard to read."""
    print_lines = [
        {"type": "log", "message": "é ü 漢字 🎈 \u2028 end"},
        {"type": "log", "message": "x" * 200_000},
        *({"type": "count", "n": n} for n in range(300)),
    ]
    code = "import sys\nfor line in sys.argv[1].split('\\n'): print(line)"
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in print_lines)
    # A string of the command line has at most 128 KiB: the long one is made by the program.
    text = text.replace("x" * 200_000, "LONG")
    code = code.replace("print(line)", "print(line.replace('LONG', 'x' * 200_000))")
    run = place.start("command", params={"argv": [sys.executable, "-X", "utf8", "-c", code, text]})
    assert wait_for_end(run)["type"] == "workflow_completed"
    return run


@contextmanager
def listening(
    *command: str, root: Path, environment: dict[str, str]
) -> Iterator[tuple[str, httpx.Client]]:
    """`tailcast COMMAND` on a free port: its address, and a client of it."""
    argv = [sys.executable, "-m", "tailcast", "--root", str(root), *command, "--port", "0"]
    with spawned(*argv, cwd=root.parent, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        assert first.startswith("listening on "), f"{command} said {first!r}"
        url = first.removeprefix("listening on ").strip()
        with httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=DEADLINE_S) as client:
            yield url, client
        process.terminate()
        process.stdout.close()


def _stop_all(root: Path) -> None:
    """What a failed test left running: the end of the server is not the end of its runs."""
    for summary in list_runs(root, limit=1000):
        if summary.ended_at is None and summary.workflow != "external":
            with contextlib.suppress(RunlogError):
                post(open_workspace(root, summary.run_id), {"type": "stop"})
                wait_for_end(open_workspace(root, summary.run_id))


def _install_sample_package(plugins: Path) -> None:
    """What installing the package of the page leaves behind: its module, and the metadata with its entry points."""
    project = tomllib.loads(sample("class-of-your-own.md", "pyproject").code)["project"]
    metadata = plugins / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    module = sample("class-of-your-own.md", "word_count.py")
    (plugins / module.name).write_text(module.code)
