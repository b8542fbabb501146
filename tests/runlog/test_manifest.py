"""Runs are made whole or not at all."""

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pythons import ROOT, Python

from runlog import (
    BadRunId,
    RunExists,
    UnknownRun,
    Unusable,
    Workspace,
    append_lines,
    check_run_id,
    create_run,
    new_run_id,
    open_workspace,
    read_manifest,
)
from runlog.run.manifest import EXTERNAL, remove_run, start_order
from tests.support import DEADLINE_S

BAD_IDS = ["", ".", "..", "../x", "a/b", "a%2fb", "a\0", "-a", "_a", ".a", "A", "ä", "a b", "a\n"]


def test_what_was_asked_comes_back(root: Path) -> None:
    asked: dict[str, Any] = {
        "prompt": [{"type": "text", "text": "hi \U0001f600"}],
        "params": {"n": 1, "deep": {"list": [None, True]}},
        "interactive": True,
        "chat_history": [{"role": "user", "content": "before"}],
    }
    workspace = create_run(root, "claude", **asked)
    manifest = read_manifest(workspace)
    assert {name: getattr(manifest, name) for name in asked} == asked
    assert (manifest.run_id, manifest.workflow) == (workspace.run_id, "claude")
    assert manifest.created_at.endswith("Z")
    assert open_workspace(root, workspace.run_id) == workspace


def test_folders_and_files_are_private(root: Path) -> None:
    workspace = create_run(root, "command")
    modes = [p.stat().st_mode & 0o777 for p in (root, workspace.path, workspace.files)]
    assert modes == [0o700] * 3
    assert workspace.manifest.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(workspace.path)) == ["files", "run.json"]


@pytest.mark.parametrize("run_id", [*BAD_IDS, "x" * 81, "x" * 200])
def test_bad_ids_make_nothing(root: Path, run_id: str) -> None:
    with pytest.raises(BadRunId) as caught:
        create_run(root, "claude", run_id=run_id)
    assert "1 to 80" in caught.value.hint
    assert not root.exists()
    with pytest.raises(BadRunId):
        open_workspace(root, run_id)


@given(st.text(max_size=120))
@example("x" * 200)
def test_made_ids_are_good_ones(workflow: str) -> None:
    moment = datetime(2025, 1, 19, 10, 30, 45, tzinfo=UTC)
    run_id = new_run_id(workflow, moment)
    assert check_run_id(run_id) == run_id
    assert re.search(r"-20250119t103045-[a-z2-7]{6}$", run_id)


@pytest.mark.parametrize("in_the_way", ["run", "folder", "file"])
def test_a_taken_id(root: Path, in_the_way: str) -> None:
    if in_the_way == "run":
        create_run(root, "claude", prompt="first", run_id="a")
    else:
        root.mkdir()
        (root / "a" / "full").mkdir(parents=True) if in_the_way == "folder" else (
            root / "a"
        ).write_text("")
    with pytest.raises(RunExists):
        create_run(root, "claude", prompt="second", run_id="a")
    assert os.listdir(root) == ["a"]
    if in_the_way == "run":
        assert read_manifest(open_workspace(root, "a")).prompt == "first"


def test_one_of_many_gets_the_id(root: Path, python: Python) -> None:
    code = """
import sys
from pathlib import Path
from runlog import RunExists, create_run
try:
    create_run(Path(sys.argv[1]), "claude", prompt=sys.argv[2], run_id="same")
    print(sys.argv[2])
except RunExists:
    pass
"""
    said = [
        p.communicate(timeout=DEADLINE_S)[0].decode()
        for p in [python(code, root, n) for n in "abcdef"]
    ]
    winner = read_manifest(open_workspace(root, "same")).prompt
    assert "".join(said).strip() == winner
    assert os.listdir(root) == ["same"]


def test_what_is_not_json_makes_nothing(root: Path) -> None:
    with pytest.raises(ValueError, match="not an event"):
        create_run(root, "claude", params={"a": object()})
    assert os.listdir(root) == []


def test_params_as_deep_as_json_may_be(root: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(800):
        deep = {"in": deep}
    workspace = create_run(root, "claude", params=deep)
    assert read_manifest(workspace).params == deep


def test_a_folder_without_anything_is_no_run(root: Path) -> None:
    (root / "empty").mkdir(parents=True)
    (root / "file").write_text("")
    for name in ("empty", "file", "none"):
        with pytest.raises(UnknownRun):
            open_workspace(root, name)
        with pytest.raises(UnknownRun):
            read_manifest(Workspace(root, check_run_id(name)))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_manifest_that_cannot_be_read(workspace: Workspace, body: bytes) -> None:
    workspace.manifest.write_bytes(body)
    with pytest.raises(Unusable, match="not a JSON object"):
        read_manifest(workspace)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)
FIELDS = st.sampled_from(
    ["run_id", "workflow", "created_at", "prompt", "params", "interactive", "chat_history"]
)


@given(st.dictionaries(FIELDS, JSON))
def test_a_manifest_of_wrong_types(body: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name), check_run_id("r"))
        workspace.path.mkdir()
        workspace.manifest.write_text(json.dumps(body))
        manifest = read_manifest(workspace)
    assert manifest.run_id == "r"
    assert isinstance(manifest.workflow, str) and isinstance(manifest.created_at, str)
    assert manifest.prompt is None or isinstance(manifest.prompt, str | list)
    assert isinstance(manifest.params, dict) and isinstance(manifest.chat_history, list)


def test_a_folder_with_a_stream_alone_is_external(root: Path) -> None:
    workspace = Workspace(root, check_run_id("shell"))
    workspace.path.mkdir(parents=True)
    workspace.stream.write_bytes(b'{"type":"log","timestamp":"2025-01-19T12:30:45+02:00"}\n')
    manifest = read_manifest(workspace)
    assert (manifest.workflow, manifest.created_at) == (EXTERNAL, "2025-01-19T10:30:45.000Z")
    assert open_workspace(root, "shell") == workspace


@pytest.mark.parametrize("first", [b"", b"rubbish\n", b'{"timestamp":"soon"}\n', b'{"half'])
def test_an_external_run_that_tells_no_time_has_that_of_its_folder(
    root: Path, first: bytes
) -> None:
    workspace = Workspace(root, check_run_id("shell"))
    workspace.path.mkdir(parents=True)
    workspace.stream.write_bytes(first)
    os.utime(workspace.path, (1737282645, 1737282645))
    assert read_manifest(workspace).created_at == "2025-01-19T10:30:45.000Z"


def test_removing_a_run_with_what_its_agent_left(root: Path) -> None:
    """As a user that is not root, who is stopped by a folder without rights."""
    code = """
import os, sys, tempfile
from pathlib import Path
from runlog import create_run, open_workspace
from runlog.run.manifest import remove_run
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
with tempfile.TemporaryDirectory() as name:
    outside = Path(name) / "outside"
    outside.mkdir(mode=0o500)
    workspace = create_run(Path(name) / "runs", "claude", run_id="a")
    for mode in (0o500, 0o000, 0o300):
        folder = workspace.files / oct(mode) / "in"
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        folder.chmod(mode)
        folder.parent.chmod(mode)
    (workspace.files / "link").symlink_to(outside)
    workspace.files.chmod(0o500)
    remove_run(workspace)
    assert os.listdir(Path(name) / "runs") == []
    assert outside.stat().st_mode & 0o777 == 0o500
print("gone")
"""
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        capture_output=True,
        cwd="/",
        timeout=DEADLINE_S,
    )
    if b"Permission denied" in ran.stderr and b"import" in ran.stderr.splitlines()[-2]:
        pytest.skip("another user can't read this checkout")
    assert ran.stdout == b"gone\n", ran.stderr.decode()


def test_removing_leaves_nothing(workspace: Workspace) -> None:
    append_lines(workspace.stream, b"{}\n")
    remove_run(workspace)
    assert os.listdir(workspace.root) == []
    with pytest.raises(FileNotFoundError):
        remove_run(workspace)


def test_runs_of_one_process_are_made_one_after_the_other(root: Path) -> None:
    """Also many in one millisecond: whoever begins the oldest first has the order of their making."""
    names = ["z", "a", "m", "b", "y", "c"]
    made = [read_manifest(create_run(root, name)) for name in names]
    assert start_order(reversed(made)) == made
    assert len({run.created_at for run in made}) == len(names)
