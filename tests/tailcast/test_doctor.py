"""`doctor`: finds what is there, and says how to mend what is not."""

import os
from pathlib import Path

import pytest

from runlog import create_run
from tests.tailcast.conftest import Cli

NAMES = [
    "python",
    "agent sdk",
    "claude cli",
    "credentials",
    "scripted",
    "user",
    "root",
    "locks",
    "inotify",
    "disk",
    "workflows",
    "runs",
    "deployments",
    "runner",
]


def levels(cli: Cli, code: int = 0) -> dict[str, tuple[str, str]]:
    return {c["check"]: (c["level"], c["found"] + c["mend"]) for c in cli.json("doctor", code=code)}


def test_all_is_well(cli: Cli) -> None:
    cli.environment["ANTHROPIC_API_KEY"] = "secret-of-mine"
    found = levels(cli)
    assert list(found) == NAMES
    assert {name for name, (level, _) in found.items() if level == "fail"} == set()
    assert "ANTHROPIC_API_KEY" in found["credentials"][1]
    assert "secret-of-mine" not in str(found)
    assert "2." in found["claude cli"][1] and "comes with the SDK" in found["claude cli"][1]
    assert "claude" in found["workflows"][1] and "command" in found["workflows"][1]
    assert not cli.root.exists()


def test_it_says_how_to_mend(cli: Cli, tmp_path: Path) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"):
        cli.environment.pop(name, None)
    cli.environment["HOME"] = str(tmp_path)
    create_run(cli.root, "command", run_id="queued")
    for number in range(9):  # more than are shown
        create_run(cli.root, "command", run_id=f"broken-{number}").manifest.write_text("{")
    create_run(cli.root, "command", run_id="no-file").stream.mkdir()
    cli.root.chmod(0o777)
    told = cli("doctor").stdout
    for part in (
        "Set ANTHROPIC_API_KEY",
        "chmod 700",
        "10 can't be used: ",
        "1 run waits for one",
        "serve",
    ):
        assert part in told, told


def test_an_entry_point_that_can_not_be_imported(cli: Cli, tmp_path: Path) -> None:
    package = tmp_path / "site" / "bad_flow-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-flow\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[tailcast.workflows]\nbad = nowhere.at_all:Flow\n")
    cli.fresh = True
    cli.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "site"), os.getcwd()])
    level, told = levels(cli, code=1)["workflows"]
    assert level == "fail" and "nowhere" in told
    assert "doctor" in cli("run", "bad", code=2).stderr


def test_an_extra_that_is_not_installed_is_no_fault(cli: Cli, tmp_path: Path) -> None:
    """As on a default install: what the extra brings can't be imported."""
    hidden = "import sys\nsys.modules['langgraph'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    cli.fresh = True
    cli.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.getcwd()])
    level, told = levels(cli)["workflows"]
    assert level == "ok" and "pip install 'tailcast[langgraph]'" in told
    assert "'tailcast[langgraph]'" in cli("run", "langgraph", code=2).stderr


def test_what_runs_take_on_the_disk(cli: Cli) -> None:
    create_run(cli.root, "command", run_id="small")
    large = create_run(cli.root, "command", run_id="large")
    (large.files / "data").write_bytes(os.urandom(3_000_000))
    told = levels(cli)["disk"][1]
    assert "2 runs take 3." in told and "largest is large with 3.0 MB" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_that_can_not_be_written(cli: Cli) -> None:
    cli.root.mkdir(mode=0o500)
    assert levels(cli, code=1)["root"][0] == "fail"


def test_a_root_that_is_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = cli("doctor", "--root", str(file), code=1)
    assert "no folder" in done.stdout
