"""A run on a disk that is full for a while: how it ended is kept, and told once there is room."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.conftest import RUNNER

ROOT = Path(__file__).resolve().parents[2]

# In a mount namespace of its own, where the root is a tmpfs of 1 MiB.
DRIVER = """
import json, os, signal, sys
from pathlib import Path
import runlog
from tests.support import *

base, how, code = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
root = base / "workspaces"
root.mkdir(mode=0o700)
gate = base.parent / f"go-{base.name}"
work = "import os, sys, time; print('{\\\"type\\\":\\\"ready\\\"}', flush=True)\\n"
work += f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\\n{code}"
with spawned(sys.executable, "-c", os.environ["RUNNER"], str(root), "4"):
    run = runlog.create_run(root, "command", params={"argv": [sys.executable, "-c", work]})
    said = runlog.post(run, {"type": "message", "content": "hello"})
    pid = wait_for(run, "workflow_started", 80)["pid"]
    wait_until(lambda: receipts(run, said.message_id), "the receipt", 80)
    wait_for(run, "ready", 80)
    with open(base / "ballast", "wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096): pass
        except OSError:
            pass
    with open(run.stream, "ab", buffering=0) as file:  # what is left of its last page
        try:
            while file.write(b" "): pass
        except OSError:
            pass
    assert len(tree_of(run)) >= 3
    if how == "gate":
        gate.touch()
    else:
        os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
    alone = [] if how == "kill" else [pid]
    # Its work is done, and nothing of it is left but the process that has to tell it.
    wait_until(lambda: set(tree_of(run)) <= set(alone), "the end of the work", 80)
    before = run.stream.read_bytes()
    assert [e for e in events(run) if e["type"] in TERMINAL_STATUS] == []
    if how != "kill":
        assert runlog.run_status(run) == "running"
    (base / "ballast").unlink()
    end = wait_for_end(run, 80)
    assert run.stream.read_bytes().startswith(before)
    again = [e for e in events(run) if e["type"] in TERMINAL_STATUS]
    print(json.dumps({"end": end, "ends": len(again)}))
"""


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("how", "code", "expected"),
    [
        ("gate", "", ("workflow_completed", None)),
        ("gate", "sys.exit(3)", ("workflow_failed", "exit_code")),
        ("gate", "print('x' * 900_000)", ("workflow_failed", "disk_full")),
        ("gate", "print('{\"type\":\"' + 'x' * 900_000 + '\"}')", ("workflow_failed", "disk_full")),
        ("stop", "", ("workflow_stopped", "stop")),
        ("kill", "", ("workflow_failed", "lost")),
    ],
)
def test_outcome_is_kept(
    tmp_path: Path, how: str, code: str, expected: tuple[str, str | None]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=1m none {small} && exec {sys.executable} -c "$DRIVER" {small} {how} "$CODE"'
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env={
            **os.environ,
            "DRIVER": DRIVER,
            "RUNNER": RUNNER,
            "CODE": code,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        timeout=180,
    )
    if b"unshare" in ran.stderr or b"mount" in ran.stderr:
        pytest.skip("no mount namespace of one's own here")
    assert ran.returncode == 0, ran.stderr.decode()
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (told["end"]["type"], told["end"].get("reason")) == expected
    assert told["ends"] == 1
