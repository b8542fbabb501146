"""What is safe on the disk, and when: names of files too, whoever made them. And what opens a file."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runlog import AppendFile, Busy, Unusable, Workspace, create_run, post
from runlog.disk.append import lock_within, open_plain
from runlog.disk.durable import folder_locked
from runlog.disk.read import read_plain
from runlog.groups.deployments import Deployment, write_deployment
from runlog.run.manifest import remove_run
from tests.odd import ODD, SECRET, take_place

Synced = Callable[[], list[str]]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    """The paths that were brought onto the disk since the last call."""
    paths: list[str] = []

    def recording(real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            paths.append(os.readlink(f"/proc/self/fd/{fd}"))
            real(fd)

        return sync

    monkeypatch.setattr(os, "fsync", recording(os.fsync))
    monkeypatch.setattr(os, "fdatasync", recording(os.fdatasync))

    def since() -> list[str]:
        told = paths.copy()
        paths.clear()
        return told

    return since


def test_every_poster_brings_the_name_of_the_inbox_onto_the_disk(
    workspace: Workspace, synced: Synced
) -> None:
    """The first may have died between its write and that."""
    for message_id in ("a", "b", "b"):
        post(workspace, {"type": "message", "content": "hi", "id": message_id})
        assert synced() == [str(workspace.inbox), str(workspace.path)]


def test_a_stream_is_synced_with_its_name_once(workspace: Workspace, synced: Synced) -> None:
    with AppendFile(workspace.stream) as stream:
        for _ in range(2):
            stream.append(b"{}\n")
            stream.sync()
        assert synced() == [str(workspace.stream), str(workspace.path), str(workspace.stream)]
        workspace.stream.unlink()
        stream.append(b"{}\n")
        stream.sync()
        assert synced() == [str(workspace.stream), str(workspace.path)]


def test_a_removed_run_stays_removed(workspace: Workspace, synced: Synced) -> None:
    remove_run(workspace)
    assert synced()[-1] == str(workspace.root)


def test_the_folder_of_the_first_deployment(root: Path, synced: Synced) -> None:
    root.mkdir()
    write_deployment(root, Deployment("first", "command"))
    assert str(root) in synced()
    write_deployment(root, Deployment("second", "command"))
    assert str(root) not in synced()


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "huge"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND])
def test_only_plain_files_are_opened(workspace: Workspace, kind: str, flags: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    outside = take_place(workspace.stream, kind)
    with pytest.raises(Unusable) as caught:
        open_plain(workspace.stream, flags)
    assert str(workspace.stream) in str(caught.value)
    assert outside.read_bytes() == SECRET
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_device_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no regular file"):
        open_plain("/dev/null")


def test_nothing_is_made_behind_a_link(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace.path / "files").rmdir()
    (workspace.path / "files").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        open_plain(workspace.files / "new", os.O_RDWR | os.O_CREAT)
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_plain(tmp_path / "file", 100) == b"x" * 100
    with pytest.raises(Unusable) as caught:
        read_plain(tmp_path / "file", 99)
    assert caught.value.errno == errno.EFBIG


def test_a_pseudo_file_without_a_size_is_read_up_to_a_bound_too() -> None:
    """Its size says 0, and it holds more."""
    status = Path(f"/proc/{os.getpid()}/status")
    assert read_plain(status, 65536).startswith(b"Name:")
    with pytest.raises(Unusable):
        read_plain(status, 10)


@pytest.mark.parametrize("what", ["folder", "stream"])
def test_a_lock_is_waited_for_and_given_up(workspace: Workspace, what: str) -> None:
    with AppendFile(workspace.stream, 0.05) as stream:
        holder = os.open(workspace.stream, os.O_RDONLY)
        folder = os.open(workspace.root, os.O_RDONLY)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX)
            fcntl.flock(folder, fcntl.LOCK_EX)
            with pytest.raises(Busy, match="holds it locked"):
                if what == "stream":
                    stream.append(b"{}\n")
                else:
                    with folder_locked(workspace.root):
                        pass
            timer = threading.Timer(0.1, fcntl.flock, (holder, fcntl.LOCK_UN))
            timer.start()
            mine = os.open(workspace.stream, os.O_RDONLY)
            lock_within(mine, 80, workspace.stream)
            timer.join()
            os.close(mine)
        finally:
            os.close(holder)
            os.close(folder)
        assert stream.append(b"{}\n") == 3


def test_what_was_replaced_while_the_lock_was_waited_for(workspace: Workspace) -> None:
    """The line goes into the file that has the path once it is our turn."""
    with AppendFile(workspace.stream, 80) as stream:
        holder = os.open(workspace.stream, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
        writer = threading.Thread(target=stream.append, args=(b'{"n":1}\n',))
        writer.start()
        workspace.stream.rename(workspace.path / "kept")
        os.close(holder)
        writer.join()
    assert workspace.stream.read_bytes() == b'{"n":1}\n'
    assert (workspace.path / "kept").read_bytes() == b""


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "huge"])
def test_a_writer_whose_file_became_something_else(workspace: Workspace, kind: str) -> None:
    with AppendFile(workspace.stream) as stream:
        stream.append(b"{}\n")
        outside = take_place(workspace.stream, kind)
        with pytest.raises(Unusable):
            stream.append(b"{}\n")
    assert outside.read_bytes() == SECRET


def test_a_backup_by_hard_links_keeps_no_living_writer_from_its_file(workspace: Workspace) -> None:
    with AppendFile(workspace.stream) as stream:
        stream.append(b"{}\n")
        os.link(workspace.stream, workspace.path / "backup")
        assert stream.append(b"{}\n") == 6
    with pytest.raises(Unusable, match="2 names"):
        AppendFile(workspace.stream)
    (workspace.path / "backup").unlink()
    AppendFile(workspace.stream).close()


def test_the_guard_opens_by_the_same_door(tmp_path: Path) -> None:
    """It loads it by its path, isolated, with the standard library alone."""
    run = create_run(tmp_path, "command", params={})
    take_place(run.stream, "fifo")
    guard = Path(__file__).resolve().parents[2] / "runner/keeper/guard.py"
    argv = [sys.executable, "-I", "-S", str(guard), "--tee", str(run.stream)]
    argv += ["--parent", str(os.getpid()), "--", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=80)
    assert done.returncode == 74
    assert "it is a FIFO" in done.stderr
