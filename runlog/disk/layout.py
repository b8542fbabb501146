"""Where things are: a root of workspaces, a workspace of a run, the names in it."""

import os
import re
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NewType

from ..errors import BadRunId, UnknownRun

__all__ = [
    "RunId",
    "Workspace",
    "check_run_id",
    "make_root",
    "new_run_id",
    "open_workspace",
    "runner_lock",
]

RunId = NewType("RunId", str)

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
# A run id is at most 80 characters: name, two dashes, 15 of time, 6 of chance.
_WORKFLOW_CHARS = 80 - 2 - 15 - 6


@dataclass(frozen=True)
class Workspace:
    """The folder of one run. Only paths: that they exist is not promised."""

    root: Path
    run_id: RunId

    @cached_property
    def path(self) -> Path:
        return self.root / self.run_id

    @cached_property
    def manifest(self) -> Path:
        return self.path / "run.json"

    @cached_property
    def stream(self) -> Path:
        return self.path / "_stream.jsonl"

    @cached_property
    def inbox(self) -> Path:
        return self.path / "_inbox.jsonl"

    @cached_property
    def lock(self) -> Path:
        return self.path / "_lock"

    @cached_property
    def stderr(self) -> Path:
        return self.path / "_stderr.log"

    @cached_property
    def files(self) -> Path:
        return self.path / "files"

    def exists(self) -> bool:
        """A run exists when its folder holds `run.json`, or a stream that someone else writes.

        Whatever those are, so that it is seen what is wrong with them; but a link to a folder is no run.
        """
        there = os.path.lexists(self.manifest) or os.path.lexists(self.stream)
        return there and self.has_folder()

    def has_folder(self) -> bool:
        """Whether its folder is there, and no link to another one."""
        try:
            return stat.S_ISDIR(os.lstat(self.path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def check_run_id(text: str) -> RunId:
    """:raises BadRunId: `text` does not match `^[a-z0-9][a-z0-9-]{0,79}$`."""
    if not _RUN_ID.fullmatch(text):
        raise BadRunId(
            f"{text[:100]!r} is not a run id",
            "A run id is 1 to 80 of a-z, 0-9 and '-', and begins with a letter or digit",
        )
    return RunId(text)


def new_run_id(workflow: str, now: datetime | None = None) -> RunId:
    """`<workflow>-<UTC yyyymmddthhmmss>-<6 random base32>`."""
    moment = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dt%H%M%S")
    name = re.sub(r"[^a-z0-9-]+", "-", workflow.lower()).strip("-")[:_WORKFLOW_CHARS] or "run"
    chance = "".join(secrets.choice(_BASE32) for _ in range(6))
    return RunId(f"{name}-{moment}-{chance}")


def open_workspace(root: Path, run_id: str) -> Workspace:
    """The workspace of a run that exists.

    :raises BadRunId: see `check_run_id`.
    :raises UnknownRun: there is none of that name.
    """
    workspace = Workspace(root, check_run_id(run_id))
    if not workspace.exists():
        raise UnknownRun(
            f"no run {run_id!r} under {root}",
            "List the runs with `tailcast ls` or GET /api/v1/workflows",
        )
    return workspace


def runner_lock(root: Path) -> Path:
    """Locked by the runner that is at work in this root."""
    return root / "_runner.lock"


def make_root(root: Path) -> Path:
    """Make the folder of all workspaces (0700 if it is new) and return it absolute."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root.resolve()
