"""docs/operate.md: its settings, its unit, and a back-up of a living root that is restored."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runlog import open_workspace, post, run_status
from tailcast.cli.settings_file import read_settings_file
from tests.docs.conftest import Place, listening
from tests.docs.samples import sample
from tests.support import DEADLINE_S, wait_for, wait_for_end, wait_until

PAGE = "operate.md"


def test_settings(tmp_path: Path) -> None:
    path = tmp_path / "tailcast.toml"
    path.write_text(sample(PAGE, "settings").code)
    told = read_settings_file(path)
    assert told.root == Path("/srv/tailcast/workspaces")
    assert told.by_command()["serve"]["limit"] == ["wall_time_s=3600", "cost_usd=5"]


def test_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = sample(PAGE, "unit").code
    assert "tailcast --config /srv/tailcast/tailcast.toml serve" in unit
    path = tmp_path / "tailcast.service"
    # The check wants to find the program and the user.
    here = unit.replace("/srv/tailcast/venv/bin/tailcast", shutil.which("true") or "")
    path.write_text(here.replace("User=tailcast", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    told = [line for line in (done.stdout + done.stderr).splitlines() if "tailcast.service" in line]
    assert (done.returncode, told) == (0, [])


def test_a_back_up_of_a_living_root_is_restored(place: Place, tmp_path: Path) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    code = "import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.001)"
    ended = place.start("command", params={"argv": ["echo", "done"]})
    wait_for_end(ended)
    living = place.start("command", params={"argv": [sys.executable, "-c", code]})
    wait_for(living, "log", message="200")
    words = shlex.split(sample(PAGE, "backup").code)
    assert words[-2:] == ["workspaces/", "backup/"]
    copied = tmp_path / "backup"
    subprocess.run([*words[:-1], f"{copied}/"], cwd=place.home, check=True, timeout=DEADLINE_S)
    # It had no part in what went on.
    assert run_status(living) == "running"
    post(living, {"type": "stop"})
    assert wait_for_end(living)["type"] == "workflow_stopped"
    for run in (ended, living):
        copy = (copied / run.run_id / "_stream.jsonl").read_bytes()
        assert copy and run.stream.read_bytes().startswith(copy)
    assert (copied / ended.run_id / "_stream.jsonl").read_bytes() == ended.stream.read_bytes()
    with listening("serve", root=copied, environment=place.environment) as (_, client):
        restored = open_workspace(copied, living.run_id)
        wait_until(lambda: run_status(restored) == "failed", "the end of what was cut off")
        states = {
            run.run_id: client.get(f"/workflows/{run.run_id}").json()["status"]
            for run in (ended, living)
        }
        assert states == {ended.run_id: "completed", living.run_id: "failed"}
        again = client.post("/workflows", json={"workflow": "command", "params": {"argv": ["true"]}})
        new = open_workspace(copied, again.json()["run_id"])
        assert wait_for_end(new)["type"] == "workflow_completed"
