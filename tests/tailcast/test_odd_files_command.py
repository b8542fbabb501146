"""The command line before what is no file: rows, names, an exit code; never a traceback, never a hang."""

import os
from pathlib import Path

import pytest

import runlog
from tests.odd import ODD, SECRET, take_place
from tests.tailcast.conftest import Cli


@pytest.mark.parametrize("name", ["run.json", "_stream.jsonl", "_lock"])
def test_what_can_not_be_used_is_listed_shown_and_removed(cli: Cli, root: Path, name: str) -> None:
    good = runlog.create_run(root, "command", params={"argv": ["true"]}, run_id="good")
    kinds = [kind for kind in ODD if kind != "huge"]
    for kind in kinds:
        run = runlog.create_run(root, "command", params={"argv": ["true"]}, run_id=kind)
        take_place(run.path / name, kind)
    rows = {row["run_id"]: row for row in cli.json("ls")}
    assert rows.pop("good")["status"] == "queued"
    assert rows.keys() == set(kinds)
    assert {(row["status"], row["reason"]) for row in rows.values()} == {("failed", "broken")}
    shown = cli("ls").stdout
    assert all(str(root / kind / name) in shown for kind in kinds)
    doctor = next(check for check in cli.json("doctor") if check["check"] == "runs")
    assert doctor["level"] == "warn" and f"{len(kinds)} can't be used" in doctor["found"]
    for kind in kinds[:3]:
        state = cli.json("show", kind)[0]
        assert (state["status"], state["reason"]) == ("failed", "broken")
        assert f"{name} can't be used" in cli("show", kind).stdout.replace("\n", "")
        assert cli("send", kind, "hi", code=None).returncode in (1, 2)
    cli("rm", *kinds, "--yes")
    assert sorted(n for n in os.listdir(root) if not n.startswith("outside")) == ["good"]
    assert {path.read_bytes() for path in root.parent.glob("outside-*")} == {SECRET}
    assert good.exists()


def test_a_link_is_no_run_and_doctor_says_so(cli: Cli, root: Path, tmp_path: Path) -> None:
    run = runlog.create_run(root, "command", params={"argv": ["true"]}, run_id="moved")
    run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(tmp_path / "elsewhere")
    assert cli.json("ls") == []
    assert "no run" in cli("show", "moved", code=2).stderr
    doctor = next(check for check in cli.json("doctor") if check["check"] == "runs")
    assert "moved: it is a link" in doctor["found"]
