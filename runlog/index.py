"""List the runs under a root, newest first. Kept warm in memory, each row as long as its files are unchanged."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import BadCursor, RunlogError
from .events import Status, is_terminal
from .layout import RunId, Workspace, check_run_id
from .manifest import Manifest, read_manifest
from .status import Summary, summarize

__all__ = ["Page", "RunIndex", "list_runs"]


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the following page, or None at the end."""

    runs: list[Summary]
    next: str | None


# (inode, size, mtime) of a file, or None where there is none
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Row:
    stamps: tuple[_Stamp, _Stamp]
    summary: Summary


class RunIndex:
    """The runs of one root. One thread at a time.

    A manifest never changes, so it is read once for each folder (by inode). The status of a run that has ended is
    taken from memory while its stream and inbox are the same files of the same size and time; that of one that has
    not depends on its lock too, and is looked up each time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._manifests: dict[str, tuple[int, Manifest]] = {}
        self._rows: dict[str, _Row] = {}

    def page(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        status: Status | None = None,
        workflow: str | None = None,
    ) -> Page:
        """Runs in the order of their `created_at`, newest first, from after the run named by `cursor` on.

        :param cursor: `next` of the page before.
        :raises BadCursor: it is not of that form.
        """
        order = sorted(self._scan().values(), key=_newest_first, reverse=True)
        after = _parse_cursor(cursor) if cursor else None
        found: list[Summary] = []
        for manifest in order:
            if after is not None and _newest_first(manifest) >= after:
                continue
            if workflow is not None and manifest.workflow != workflow:
                continue
            row = self._summary(manifest)
            if row is None or (status is not None and row.status != status):
                continue
            if len(found) == limit:
                last = found[-1]
                return Page(found, f"{last.created_at}~{last.run_id}")
            found.append(row)
        return Page(found, None)

    def _scan(self) -> dict[str, Manifest]:
        seen: dict[str, tuple[int, Manifest]] = {}
        for name, inode in _run_folders(self.root):
            known = self._manifests.get(name)
            if known is not None and known[0] == inode:
                seen[name] = known
                continue
            try:
                seen[name] = (inode, read_manifest(Workspace(self.root, RunId(name))))
            except RunlogError:
                continue  # no run (yet); or a run.json that can't be read, which `doctor` reports
        self._manifests = seen
        for gone in self._rows.keys() - seen.keys():
            del self._rows[gone]
        return {name: manifest for name, (_, manifest) in seen.items()}

    def _summary(self, manifest: Manifest) -> Summary | None:
        workspace = Workspace(self.root, RunId(manifest.run_id))
        stamps = (_stamp(workspace.stream), _stamp(workspace.inbox))
        row = self._rows.get(manifest.run_id)
        if row is not None and row.stamps == stamps and is_terminal(row.summary.status):
            return row.summary
        try:
            summary = summarize(workspace, manifest)
        except RunlogError:
            return None
        self._rows[manifest.run_id] = _Row(stamps, summary)
        return summary


def list_runs(root: Path, *, limit: int = 50, status: Status | None = None) -> list[Summary]:
    """The newest runs of a root, read afresh."""
    return RunIndex(root).page(limit=limit, status=status).runs


def _run_folders(root: Path) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(root)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            try:
                check_run_id(entry.name)
            except RunlogError:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield entry.name, entry.inode()


def _newest_first(manifest: Manifest) -> tuple[str, str]:
    return manifest.created_at, manifest.run_id


def _parse_cursor(cursor: str) -> tuple[str, str]:
    created_at, separator, run_id = cursor.rpartition("~")
    if not separator:
        raise BadCursor(
            f"list cursor {cursor[:60]!r} is not one of ours", "Send `next` as you got it"
        )
    return created_at, run_id


def _stamp(path: Path) -> _Stamp:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
