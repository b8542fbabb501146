"""List the runs under a root, newest first. Kept warm in memory, each row as long as its files are unchanged."""

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .disk.layout import RunId, Workspace, check_run_id
from .disk.lock import is_locked
from .disk.read import is_of_file
from .disk.stamp import Stamp, stamp_of
from .errors import BadCursor, RunlogError
from .run.events import Status, is_terminal
from .run.manifest import UNKNOWN, Manifest, readable_manifest, start_order
from .run.state import RunState
from .run.status import Summary, summarize, tail_state

__all__ = ["Page", "RunIndex", "list_runs"]


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the following page, or None at the end."""

    runs: list[Summary]
    next: str | None


# An entry made in the clock tick of a folder's mtime (up to 10 ms long) does not change it: trust it only later.
_SETTLED_NS = 100_000_000
# The queue is looked through again after this, and after so many times as long as the look took.
_QUEUE_S = 0.1
_RESPITE = 4


@dataclass(frozen=True, slots=True)
class _Row:
    stream: Stamp
    inbox: Stamp
    state: RunState
    summary: Summary


class RunIndex:
    """The runs of one root. One thread at a time.

    A manifest never changes, so it is read once for each folder and `run.json` (both inodes, and time: a run that is
    removed and made again under its name may get the inodes of the first). The folder of the root is read anew only
    when its time says that something came or went. The summary of a run that has ended is taken from memory while
    its stream and inbox are the same files of the same size and time, of one that has not begun while its lock is
    free besides; the status of the others is looked up each time.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_mtime_ns: int | None = None
        self._manifests: dict[str, tuple[int, Stamp, Manifest]] = {}
        self._order: list[Manifest] = []  # newest first
        self._unborn: dict[
            str, int
        ] = {}  # folders that hold no run yet, or a run.json that can't be read
        self._rows: dict[str, _Row] = {}
        self._places: dict[str, int] = {}  # in the queue, of those who wait in it
        self._places_until = 0.0  # by the monotonic clock

    def page(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        status: Status | None = None,
        workflow: str | None = None,
        deployment: str | Collection[str] | None = None,
        batch_id: str | None = None,
    ) -> Page:
        """Runs in the order of their `created_at`, newest first, from after the run named by `cursor` on.

        :param limit: at least 1.
        :param deployment: of this one, or of any of these.
        :param cursor: `next` of the page before.
        :raises BadCursor: it is not of that form.
        """
        if limit < 1:
            raise ValueError("a page holds at least 1 run")
        self._scan()
        after = _parse_cursor(cursor) if cursor else None
        deployments = (deployment,) if isinstance(deployment, str) else deployment
        found: list[Summary] = []
        for manifest in self._order:
            if after is not None and _newest_first(manifest) >= after:
                continue
            if workflow is not None and manifest.workflow != workflow:
                continue
            if deployments is not None and manifest.deployment not in deployments:
                continue
            if batch_id is not None and manifest.batch_id != batch_id:
                continue
            row = self._summary(manifest)
            if row is None or (status is not None and row.status != status):
                continue
            if len(found) == limit:
                last = found[-1]
                return Page(self._placed(found), f"{last.created_at}~{last.run_id}")
            found.append(row)
        return Page(self._placed(found), None)

    def rows(self, run_ids: Iterable[str]) -> list[Summary | None]:
        """These runs in this order; None for one that is not there (any more)."""
        self._scan()
        known = [self._manifests.get(run_id) for run_id in run_ids]
        rows = [None if entry is None else self._summary(entry[2]) for entry in known]
        placed = iter(self._placed([row for row in rows if row is not None]))
        return [None if row is None else next(placed) for row in rows]

    def queue_position(self, run_id: str) -> int | None:
        """1 for the run that is to be started next; None for one that is not queued. May be some 0.1 s old."""
        if run_id not in self._places or time.monotonic() >= self._places_until:
            self._scan()
            self._look_at_queue()
        return self._places.get(run_id)

    def _placed(self, rows: list[Summary]) -> list[Summary]:
        queued = {row.run_id for row in rows if row.status == "queued"}
        if not queued:
            return rows
        if not queued <= self._places.keys() or time.monotonic() >= self._places_until:
            self._look_at_queue()
        return [
            replace(row, queue_position=self._places.get(row.run_id))
            if row.run_id in queued
            else row
            for row in rows
        ]

    def _look_at_queue(self) -> None:
        began = time.monotonic()
        rows = ((manifest, self._summary(manifest)) for manifest in self._order)
        queued = (manifest for manifest, row in rows if row and row.status == "queued")
        self._places = {
            manifest.run_id: place for place, manifest in enumerate(start_order(queued), 1)
        }
        now = time.monotonic()
        self._places_until = now + max(_QUEUE_S, _RESPITE * (now - began))

    def _scan(self) -> None:
        now_ns = time.time_ns()
        try:
            mtime_ns = os.stat(self.root).st_mtime_ns
        except FileNotFoundError:
            mtime_ns = None
        if mtime_ns is not None and mtime_ns == self._root_mtime_ns:
            seen = self._manifests
            folders = list(self._unborn.items())
        else:
            settled = mtime_ns is not None and now_ns - mtime_ns > _SETTLED_NS
            self._root_mtime_ns = mtime_ns if settled else None
            seen = {}
            folders = list(_run_folders(self.root))
        changed = seen is not self._manifests
        self._unborn = {}
        for name, inode in folders:
            run_json = stamp_of(f"{self.root}/{name}/run.json")
            known = self._manifests.get(name)
            usable = known is not None and known[2].workflow != UNKNOWN
            if known is not None and usable and known[:2] == (inode, run_json):
                seen[name] = known
                continue
            try:
                manifest = readable_manifest(Workspace(self.root, RunId(name)))
            except RunlogError:
                self._unborn[name] = inode
                continue
            if manifest.workflow == UNKNOWN:
                self._unborn[name] = inode  # perhaps somebody mends it
            changed = changed or known is None or known[2] != manifest
            seen[name] = (inode, run_json, manifest)
            self._rows.pop(name, None)
        if not changed:
            return
        self._manifests = seen
        self._order = sorted((m for _, _, m in seen.values()), key=_newest_first, reverse=True)
        for gone in self._rows.keys() - seen.keys():
            del self._rows[gone]

    def _summary(self, manifest: Manifest) -> Summary | None:
        # Its paths as text: objects for ten thousand runs take longer than the calls.
        folder = f"{self.root}/{manifest.run_id}"
        stream, inbox = stamp_of(f"{folder}/_stream.jsonl"), stamp_of(f"{folder}/_inbox.jsonl")
        row = self._rows.get(manifest.run_id)
        same = row is not None and row.stream == stream
        if row is not None and same and row.inbox == inbox:
            unbegun = stream is None and row.summary.status == "queued"
            if is_terminal(row.summary.status) or (unbegun and not _may_live(f"{folder}/_lock")):
                return row.summary
        workspace = Workspace(self.root, RunId(manifest.run_id))
        try:
            if manifest.workflow == UNKNOWN:
                return summarize(workspace)
            state = row.state if row is not None and same else self._tail_state(workspace)
            summary = summarize(workspace, manifest, state)
        except RunlogError:
            return None  # removed this moment
        if state is None or summary.reason == "broken":
            self._rows.pop(manifest.run_id, None)
        else:
            self._rows[manifest.run_id] = _Row(stream, inbox, state, summary)
        return summary

    @staticmethod
    def _tail_state(workspace: Workspace) -> RunState | None:
        try:
            return tail_state(workspace)
        except OSError as error:
            if not is_of_file(error):
                raise
            return None  # `summarize` meets the same, and tells of it


def list_runs(root: Path, *, limit: int = 50, status: Status | None = None) -> list[Summary]:
    """The newest runs of a root, read afresh."""
    return RunIndex(root).page(limit=limit, status=status).runs


def _may_live(lock: str) -> bool:
    try:
        return is_locked(lock)
    except OSError:
        return True


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
