"""What can't be unlinked is said with its path and the remedy, as often as one asks; mended, it goes."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import runlog
from runlog import Workspace
from runlog.errors import NotRemovable
from runlog.groups.catalog import write_catalog
from runlog.run import graves
from runlog.run.manifest import remove_run
from tests.relay.live import CATALOG, PROJECT, new_run, recorded
from tests.runner.conftest import RUNNER
from tests.support import DEADLINE_S, spawned, tree_of, wait_for, wait_for_end, wait_until

_CAN_MOUNT = (
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspaces"
    folder.mkdir(mode=0o700)
    write_catalog(folder, CATALOG)
    return folder


def ended(root: Path) -> Workspace:
    run = new_run(root)
    recorded(run, 2)
    return run


@pytest.mark.skipif(not _CAN_MOUNT, reason="no mount namespace can be had here")
@pytest.mark.parametrize("place", ["files/in", "files", "", "top", "files/a file"])
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_something_is_mounted(root: Path, tmp_path: Path, place: str, kind: str) -> None:
    """Nothing is touched then, least of all what is mounted."""
    run, elsewhere = ended(root), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    at = run.path / place
    source = str(elsewhere)
    if place.endswith("file"):
        at.write_text("")
        source, kind = str(elsewhere / "precious"), "bind"
    else:
        at.mkdir(exist_ok=True)
    if place == "":
        kind = "bind"  # of itself: or it would be no run
        source = str(run.path)
    how = ["mount", "--bind", source] if kind == "bind" else ["mount", "-t", "tmpfs", "none"]
    run.lock.touch()  # as whoever asks whether it may go does
    before = sorted(str(path) for path in run.path.rglob("*"))
    script = '"$@" && shift $# && exec "$PYTHON" -m relay --root "$ROOT" --port 0'
    environment = os.environ | {"PYTHON": sys.executable, "ROOT": str(root)}
    argv = ["unshare", "-rm", "sh", "-c", script, "sh", *how, str(at)]
    with (
        spawned(*argv, stdout=subprocess.PIPE, cwd=PROJECT, env=environment) as process,
        _client(process) as client,
    ):
        url = f"/workflows/{run.run_id}"
        for _ in range(2):
            answer = client.delete(url)
            told = answer.json()
            assert (answer.status_code, told["type"]) == (409, "/docs#not-removable")
            assert f"{at}" in told["detail"] and "umount" in told["detail"]
            assert client.get(url).json()["status"] == "completed"
        enter = ["nsenter", "--preserve-credentials", "-t", str(process.pid), "-U", "-m"]
        subprocess.run([*enter, "umount", "-l", str(at)], check=True)
        assert sorted(str(path) for path in run.path.rglob("*")) == before
        assert client.delete(url).status_code == 204
        assert client.delete(url).status_code == 404
    assert not run.path.exists() and (elsewhere / "precious").read_text() == "kept"


def _client(process: "subprocess.Popen[bytes]") -> httpx.Client:
    assert process.stdout is not None
    url = process.stdout.readline().decode().removeprefix("listening on ").strip()
    return httpx.Client(base_url=f"{url}/api/v1", timeout=DEADLINE_S, trust_env=False)


@pytest.fixture
def immutable() -> Iterator[Any]:
    """Makes a file or folder immutable, or append-only, and at the end as it was."""
    made: list[Path] = []

    def make(path: Path, flag: str) -> None:
        done = subprocess.run(["chattr", f"+{flag}", str(path)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("chattr is not to be had here")
        made.append(path)

    yield make
    for path in made:
        subprocess.run(["chattr", "-i", "-a", str(path)], capture_output=True, check=False)


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("place", ["files/deep/one", "files/deep", "files", "_stream.jsonl"])
def test_immutable(root: Path, immutable: Any, place: str, flag: str) -> None:
    run = ended(root)
    (run.files / "deep").mkdir()
    (run.files / "deep" / "one").write_text("")
    (run.files / "other").write_text("")
    immutable(run.path / place, flag)
    argv = [sys.executable, "-m", "relay", "--root", str(root), "--port", "0"]
    with (
        spawned(*argv, stdout=subprocess.PIPE, cwd=PROJECT) as process,
        _client(process) as client,
    ):
        url = f"/workflows/{run.run_id}"
        for _ in range(2):
            answer = client.delete(url)
            told = answer.json()
            assert (answer.status_code, told["type"]) == (409, "/docs#not-removable")
            assert "chattr -R -i -a" in told["detail"]
        assert client.get(url).status_code == 404 and client.get("/workflows").json()["runs"] == []
        (left,) = root.glob(".old-*")
        assert f"{left}/" in told["detail"] and not (left / "run.json").exists()
        subprocess.run(["chattr", "-R", "-i", "-a", str(left)], check=True)
        assert client.delete(url).status_code == 204
        assert client.delete(url).status_code == 404
    assert list(root.glob(".old-*")) == []


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS])
def test_what_is_left_is_told_and_tried_again(
    root: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = ended(root), ended(root)
    with monkeypatch.context() as patched:

        def refuse(path: Path) -> None:
            raise OSError(number, os.strerror(number), f"{path}/it")

        patched.setattr(graves, "remove_tree", refuse)
        for refused in (lambda: remove_run(run), lambda: graves.remove_what_is_left(run)):
            with pytest.raises(NotRemovable, match="/it: "):
                refused()
        with pytest.raises(NotRemovable):
            remove_run(other)
        with pytest.raises(NotRemovable) as error:
            graves.remove_leftovers(root)
        assert len(error.value.causes) == 2
    assert not run.exists()
    assert graves.remove_what_is_left(run) and not graves.remove_what_is_left(run)
    graves.remove_leftovers(root)
    assert list(root.glob(".old-*")) == []


def test_the_end_of_a_run_whose_stream_is_immutable_is_kept(root: Path, immutable: Any) -> None:
    with spawned(sys.executable, "-c", RUNNER, str(root), "4"):
        run = runlog.create_run(root, "command", params={"argv": ["sleep", "600"]})
        wait_for(run, "workflow_started")
        immutable(run.stream, "i")
        runlog.post(run, {"type": "stop"})
        wait_until(lambda: len(tree_of(run)) == 1, "the end of all but the run process")
        assert runlog.run_status(run) == "running"
        subprocess.run(["chattr", "-i", str(run.stream)], check=True)
        end = wait_for_end(run)
        assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
        wait_until(lambda: not tree_of(run), "the end of the run process")


_HOLDER = """
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, lambda *_: None)
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["run.json", "_stream.jsonl", "_inbox.jsonl", "_lock"])
def test_a_lease(root: Path, name: str) -> None:
    """Its run is busy, and nothing else: neither broken, nor are others kept waiting."""
    run, other = ended(root), ended(root)
    for made in (run.inbox, run.lock):
        made.touch()
    argv = [sys.executable, "-m", "relay", "--root", str(root), "--port", "0"]
    holder = [sys.executable, "-c", _HOLDER, str(run.path / name)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with spawned(*holder, **pipes) as held:
        assert held.stdout is not None and held.stdout.readline() == b"held\n"
        with (
            spawned(*argv, stdout=subprocess.PIPE, cwd=PROJECT) as process,
            _client(process) as client,
        ):
            calls = {
                "state": client.get(f"/workflows/{run.run_id}"),
                "stream": client.get(f"/workflows/{run.run_id}/stream?follow=false"),
                "events": client.get(f"/workflows/{run.run_id}/events"),
                "file": client.get(f"/workflows/{run.run_id}/files/{name}"),
                "message": client.post(f"/workflows/{run.run_id}/messages", json={"message": "x"}),
                "remove": client.delete(f"/workflows/{run.run_id}"),
            }
            busy = {key: a for key, a in calls.items() if a.status_code == 503}
            assert busy and not [a for a in calls.values() if "broken" in a.text]
            for answer in busy.values():
                assert answer.json()["type"] == "/docs#run-busy" and "lease" in answer.text
                assert answer.headers["retry-after"] == "1"
            rows = {row["run_id"]: row["status"] for row in client.get("/workflows").json()["runs"]}
            assert rows[other.run_id] == "completed"
            assert rows.get(run.run_id, "completed") == "completed"
            held.send_signal(signal.SIGKILL)
            held.wait()
            assert client.get(f"/workflows/{run.run_id}").json()["status"] == "completed"
            assert client.delete(f"/workflows/{run.run_id}").status_code == 204


def test_a_lease_on_the_inbox_of_a_run_at_work(root: Path) -> None:
    """Whoever lets go of it when asked costs a post nothing."""
    run = new_run(root)
    run.inbox.touch()

    fd = os.open(run.inbox, os.O_RDONLY)
    before = signal.signal(
        signal.SIGIO, lambda *_: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    )
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        posted = runlog.post(run, {"type": "message", "content": "hello"})
    finally:
        signal.signal(signal.SIGIO, before)
        os.close(fd)
    assert posted.offset == run.inbox.stat().st_size
    assert json.loads(run.inbox.read_bytes())["content"] == "hello"
