"""What `doctor` looks at: Python, the folders and files of the root, locks, notifications, workflows."""

import contextlib
import fcntl
import os
import platform
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from runlog import (
    RunIndex,
    RunLock,
    RunlogError,
    check_run_id,
    is_locked,
)
from runlog.errors import NotRemovable
from runlog.groups.batches import unusable_batches
from runlog.groups.deployments import list_deployments
from runlog.groups.removal import disk_bytes
from runlog.run.graves import remove_leftovers
from runlog.run.status import BROKEN

from ..cli.asked import check_deployment
from ..cli.errors import CommandError
from ..cli.options import command_line, shown_path
from ..terminal.text import plural, size
from .check import Check
from .claude_checks import check_claude, check_credentials, check_model, check_sdk

__all__ = ["run_checks"]

_OLDEST_PYTHON = (3, 11)
_FREE_WARN_BYTES = 1_000_000_000
_FREE_FAIL_BYTES = 100_000_000
_SHOWN_BROKEN = 5
_WAKE_S = 10.0
# One watch for each followed run; one instance for each relay and runner.
_FEW_WATCHES = 1024
_FEW_INSTANCES = 16
_INOTIFY = Path("/proc/sys/fs/inotify")


def run_checks(root: Path) -> Iterator[Check]:
    """Each check as it is done. A check that breaks is a failed check."""
    checks: list[tuple[str, Callable[[Path], Check]]] = [
        ("python", _check_python),
        ("agent sdk", check_sdk),
        ("claude cli", check_claude),
        ("credentials", check_credentials),
        ("scripted", check_model),
        ("user", _check_user),
        ("root", _check_root),
        ("locks", _check_locks),
        ("inotify", _check_inotify),
        ("disk", _check_disk),
        ("workflows", _check_workflows),
        ("runs", _check_runs),
        ("deployments", _check_deployments),
        ("runner", _check_runner),
    ]
    for name, check in checks:
        try:
            yield check(root)
        except Exception as error:
            yield Check(name, "fail", f"the check itself failed: {type(error).__name__}: {error}")


def _check_python(_: Path) -> Check:
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.platform != "linux":
        return Check("python", "fail", f"{found}, on {sys.platform}", "Tailcast runs on Linux")
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", "fail", found, "Install Python 3.11 or newer")
    return Check("python", "ok", found)


def _check_user(_: Path) -> Check:
    if os.geteuid() != 0:
        return Check("user", "ok", "not root")
    if os.environ.get("IS_SANDBOX") == "1":
        return Check("user", "ok", "root, with IS_SANDBOX=1")
    return Check(
        "user",
        "warn",
        "root: Claude refuses the permission mode bypassPermissions",
        "Run as another user, or allow tools by name (--allow)",
    )


def _check_root(root: Path) -> Check:
    shown = shown_path(root)
    if not root.exists():
        with _scratch(root):
            return Check("root", "ok", f"{shown} does not exist yet; it will be made")
    if not root.is_dir():
        return Check("root", "fail", f"{shown} is no folder", "Name another with --root")
    try:
        with _scratch(root):
            pass
    except OSError as error:
        return Check(
            "root",
            "fail",
            f"{shown} can't be written: {error.strerror}",
            "chown it, or use --root",
        )
    mode = root.stat().st_mode & 0o777
    if mode & 0o022:
        mend = f"chmod 700 {shown}"
        return Check("root", "warn", f"{shown} can be written by other users ({mode:04o})", mend)
    return Check("root", "ok", f"{shown}, {mode:04o}, writable")


def _check_locks(root: Path) -> Check:
    other = "Put the root on a local file system (ext4, xfs, tmpfs, …)"
    with _scratch(root) as folder:
        lock = RunLock(folder / "lock")
        if is_locked(folder / "lock") or not lock.acquire():
            return Check("locks", "fail", "a free lock can't be taken", other)
        held = is_locked(folder / "lock")
        lock.release()
        if not held:
            return Check("locks", "fail", "a held lock is not seen (fcntl F_OFD_GETLK)", other)
        with open(folder / "flock", "wb") as first, open(folder / "flock", "rb") as second:
            fcntl.flock(first, fcntl.LOCK_EX)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Check("locks", "ok", "fcntl and flock work in the root")
    return Check("locks", "fail", "flock does not exclude others there", other)


def _check_inotify(root: Path) -> Check:
    watches, instances = (_limit(name) for name in ("max_user_watches", "max_user_instances"))
    found = f"{watches} watches, {instances} instances a user"
    with _scratch(root) as folder:
        woken = _wakes(folder)
    if not woken:
        return Check(
            "inotify",
            "warn",
            f"{found}; no notification comes: events are seen up to a second late",
            "Raise fs.inotify.max_user_instances, and keep the root on a local file system",
        )
    if watches < _FEW_WATCHES or instances < _FEW_INSTANCES:
        mend = "sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=128"
        return Check("inotify", "warn", f"{found}: few", mend)
    return Check("inotify", "ok", f"{found}; notifications come")


def _limit(name: str) -> int:
    try:
        return int((_INOTIFY / name).read_text())
    except (OSError, ValueError):
        return 0


def _wakes(folder: Path) -> bool:
    """Whether a write in the folder wakes its watch by notification, not by the sweep."""
    from runlog.disk.watch import FolderWatch

    standing, woken = threading.Event(), threading.Event()

    def wake(folders: frozenset[Path] | None) -> None:
        (woken if folders and folder in folders else standing).set()

    watch = FolderWatch(wake)
    try:
        watch.set(frozenset({folder}))
        standing.wait(_WAKE_S)
        (folder / "file").write_bytes(b"x")
        return woken.wait(_WAKE_S)
    finally:
        watch.close()


def _check_disk(root: Path) -> Check:
    free = shutil.disk_usage(_existing(root)).free
    found = f"{size(free)} free{_taken(root)}"
    if free < _FREE_FAIL_BYTES:
        return Check("disk", "fail", found, "Make room: a full disk ends runs")
    if free < _FREE_WARN_BYTES:
        clear = command_line(root, "prune", "--older-than", "30d")
        return Check("disk", "warn", found, f"Make room, for example by `{clear}`")
    return Check("disk", "ok", found)


def _taken(root: Path) -> str:
    sizes = {
        row.run_id: disk_bytes(root / row.run_id) for row in RunIndex(root).page(limit=10_000).runs
    }
    if not sizes:
        return ""
    largest = max(sizes, key=lambda run_id: sizes[run_id])
    taken = f"; {plural(len(sizes), 'run')} {'takes' if len(sizes) == 1 else 'take'} {size(sum(sizes.values()))}"
    return f"{taken}, the largest is {largest} with {size(sizes[largest])}"


def _check_workflows(_: Path) -> Check:
    from runner.attempt.catalog import load_workflow, workflow_names
    from runner.attempt.workflow import ExtraMissing, RunFailed

    good, broken, without = [], [], []
    for name in workflow_names():
        try:
            load_workflow(name)
            good.append(name)
        except RunFailed as error:
            if isinstance(error.__cause__, ExtraMissing):
                without.append(f"{name} {error.__cause__}")
            else:
                broken.append(f"{name}: {error.error}")
    if broken:
        return Check("workflows", "fail", "; ".join(broken), "Mend or uninstall that package")
    if not good:
        return Check("workflows", "fail", "none is registered", "Install Tailcast again with pip")
    return Check("workflows", "ok", "; ".join([", ".join(good), *without]))


def _check_runs(root: Path) -> Check:
    index = RunIndex(root)
    first = index.page(limit=_SHOWN_BROKEN, reason=BROKEN).runs
    broken = [f"{row.run_id}: {row.message}" for row in first]
    others = [str(error) for error in unusable_batches(root).values()]
    others += [f"{name}: it is a link, so no run" for name in _links(root)]
    count = index.total(reason=BROKEN) + len(others)
    if count:
        found = f"{count} can't be used: {'; '.join([*broken, *others][:_SHOWN_BROKEN])}"
        return Check("runs", "warn", found, "Mend the file, or remove it: `tailcast rm RUN`")
    if left := _leftovers(root):
        return Check("runs", "warn", f"of removed runs, {left.message}", left.hint)
    by_status = index.counts()["status"]
    going = sum(by_status.get(status, 0) for status in ("running", "waiting", "paused"))
    return Check("runs", "ok", f"{plural(sum(by_status.values()), 'run')}, {going} going on")


def _leftovers(root: Path) -> NotRemovable | None:
    """What is left of removed runs. It is tried once more: what may go goes, and what keeps the rest is known."""
    try:
        with contextlib.suppress(OSError):  # the root itself: another check says so
            remove_leftovers(root)
    except NotRemovable as error:
        return error
    return None


def _links(root: Path) -> list[str]:
    """Names of runs that are links: to follow them would lead out of the root."""
    found = []
    for entry in os.scandir(root) if root.is_dir() else ():
        with contextlib.suppress(RunlogError):
            if check_run_id(entry.name) and entry.is_symlink():
                found.append(entry.name)
    return sorted(found)


def _check_deployments(root: Path) -> Check:
    found, broken = list_deployments(root)
    faults = [error.message for error in broken.values()]
    for deployment in found:
        try:
            check_deployment(root, deployment)
        except CommandError as error:
            faults.append(f"{deployment.name}: {error.message}")
    if faults:
        mend = "Put them anew, or remove them: `tailcast deployments put|rm`"
        return Check("deployments", "warn", "; ".join(faults[:3]), mend)
    return Check("deployments", "ok", plural(len(found), "deployment"))


def _check_runner(root: Path) -> Check:
    from runner.supervise.supervisor import active_options

    options = active_options(root)
    if options is not None:
        scripted = ", with the scripted model" if options.scripted_model else ""
        return Check("runner", "ok", f"one is at work in this root{scripted}")
    queued = RunIndex(root).total(status="queued")
    if queued:
        start = f"Start one: {command_line(root, 'serve')}"
        return Check(
            "runner", "warn", f"none is at work, {plural(queued, 'run')} waits for one", start
        )
    return Check("runner", "ok", "none is at work; `serve` starts one, `run` needs none")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


@contextlib.contextmanager
def _scratch(root: Path) -> Iterator[Path]:
    """A folder on the root's file system, gone afterwards. The root itself is not made."""
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=_existing(root)) as folder:
        yield Path(folder).resolve()
