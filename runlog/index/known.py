"""What is known of the runs of a root: which there are, which go on, and what the store keeps of the others.

Learned from notices, where somebody listens to them, from the time of the root's folder, and from a slow sweep over
the ended. One thread at a time: `RunIndex` has the lock, and asks.
"""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk.append import Busy
from ..disk.knock import INDEX_FOLDER
from ..disk.layout import RunId, Workspace, check_run_id
from ..disk.stamp import stamp_of
from ..errors import RunlogError
from ..run.manifest import Manifest, start_order
from ..run.status import BROKEN, StateReader, Summary
from .filters import Filters
from .reading import (
    Stamps,
    is_alive,
    is_run_folder,
    one_text,
    read_asked,
    read_row,
    read_slim,
    stamps_of,
)
from .row import FILE_NAME, Row

if TYPE_CHECKING:
    from .notices import Notices
    from .store import Store

__all__ = ["Known", "Reopened"]

# An entry made in the clock tick of a folder's mtime (up to 10 ms long) does not change it: trust it only later.
_SETTLED_NS = 100_000_000
# A row, and whether its run has ended for good.
_Found = tuple[Row, bool]
# Of a run whose files could not be read for want of means: unlike those of any file, so that it is read again.
_UNREAD: Stamps = ((-1, -1, -1),) * 3
# What takes no more CPU time than this is looked at afresh for each question; else after so many times as much.
_CHEAP_S = 0.003
_SCAN_RESPITE = 20
_LIVE_RESPITE = 4
# In a root with fewer runs that are to be read, a file is not worth its while for one question.
_WORTH_A_FILE = 1000
# So many are read at once, and kept at once: full text is the cheaper the more there is of it.
_CHUNK = 100
_KEPT_AT_ONCE = 1000
# That long a question may help to build the index, in CPU time.
_HELP_S = 0.2
# A file that another process keeps is tried again after this.
_BLOCKED_S = 2.0
# Ended runs that are looked at each second for a change that nobody told of: the newest, and some of the others.
# At first all of them are, as fast as the looks allow: nobody has listened before.
_SWEEP_S = 1.0
_SWEEP_RESPITE = 100
_SWEPT_NEWEST = 50
_SWEPT = 100
_SWEPT_AT_FIRST = 200
# Beyond this place to move up in the queue is no news: each start would be told of every run that waits.
_NEAR = 20
# A thread that computes without a pause keeps the others of its process waiting.
_BREATH_EACH = 32
_BREATH_S = 0.0005


class Reopened(Exception):
    """The store is another one now: begin again."""


@dataclass(slots=True)
class _Live:
    """A run that has not ended, or whose end nobody has told yet."""

    manifest: Manifest  # without what may be large
    stamps: Stamps
    alive: bool = False
    reader: StateReader | None = None
    row: Row | None = None
    read_at: float = 0.0  # by the monotonic clock


class Known:
    """All that is known of one root.

    :param follows: false for one who only wants to know which runs there are: rows of those that go on are not made.
    :param full_text: false searches without FTS5; None finds out whether this SQLite has it.
    """

    def __init__(self, root: Path, *, follows: bool, full_text: bool | None) -> None:
        self.root = root
        self.follows = follows
        self.is_eager = False
        self.notices: Notices | None = None
        self.store: Store | None = None
        self.file_wanted = False
        self.in_memory = False  # for good: no file can be had
        self.changed: dict[str, None] | None = None  # ids of runs; None while nobody asks
        self._folder = str(root)
        self._full_text = full_text
        self._clear()

    def _clear(self) -> None:
        self._root_mtime_ns: int | None = None
        self._scanned_until = 0.0
        self.is_building = True  # until all runs that were there at first have been read
        self.todo: dict[str, None] = {}
        self._ended: set[str] = set()
        self.live: dict[str, _Live] = {}
        self._live_until = 0.0
        self._refused: OSError | None = None  # by the system, of a run that is not known yet
        self._unborn: dict[str, Stamps] = {}  # folders that hold no run yet, or an unreadable one
        self._to_keep: dict[str, Row] = {}  # ended, and not in the file yet
        self._to_drop: dict[str, None] = {}
        self._keep_after = 0.0
        self._fresh: dict[str, Row] = {}  # live rows that changed
        self.places: dict[str, int] = {}  # in the queue, of those who wait in it
        self._queue_moved = True
        self._sweep_key = -1
        self.sweep_at = 0.0
        self.swept_once = False

    def opened(self) -> "Store":
        if self.store is not None and not self.store.is_current():
            self.start_over()  # someone removed the file
        if self.store is None:
            from .store import Store, open_store  # every command imports us, and few ask

            folder = self.root / INDEX_FOLDER
            if self.in_memory or not (self.file_wanted or folder.joinpath(FILE_NAME).exists()):
                self.store = Store(None, full_text=self._full_text)
            else:
                self.store = open_store(folder, full_text=self._full_text)
                self.in_memory = self.store.path is None
                self._ended = set(self.store.run_ids())
                if self.notices is not None:
                    self.notices.make_folder()
                self.store.reads_first(True)
        return self.store

    def start_over(self, *, throw_away: bool = False) -> None:
        if self.store is not None:
            path = self.store.path
            if throw_away and path is not None and self.store.is_current():
                from .store import remove_store

                remove_store(path.parent)
            self.store.close()
            self.store = None
        self._clear()

    def catch_up(self, budget_s: float | None = None, *, now: bool = False) -> set[str]:
        """Of which runs something was heard.

        :param now: look at all live runs, also if that was done a moment ago.
        """
        helps = self.notices is not None and budget_s is None
        self._scan()
        assert self.store is not None
        heard = self.notices.take() if self.notices is not None else set()
        for run_id in heard:
            self.touch(run_id)
        self._read_new(_HELP_S if helps else budget_s)
        self._look_at_live(now)
        self.keep(self.store)
        if budget_s is None and self._refused is not None:
            self._check_unread()
        if self.notices is not None:
            going = reversed(self.live) if self.is_eager else ()
            self.notices.watch_live(self.root / run_id for run_id in going)
        return heard

    def _check_unread(self) -> None:
        """:raises OSError: a run could not be read for want of means: an answer without it would be wrong."""
        for run_id, stamps in self._unborn.items():
            if stamps is _UNREAD and run_id not in self._ended and run_id not in self.live:
                assert self._refused is not None
                raise self._refused
        self._refused = None

    def _scan(self) -> None:
        """Which folders there are, if the root's own time says that some came or went."""
        now_ns, now, began = time.time_ns(), time.monotonic(), time.thread_time()
        stamp = stamp_of(self.root)
        mtime_ns = stamp[2] if stamp else None
        if (mtime_ns is not None and mtime_ns == self._root_mtime_ns) or now < self._scanned_until:
            return
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            names = []
        settled = mtime_ns is not None and now_ns - mtime_ns > _SETTLED_NS
        self._root_mtime_ns = mtime_ns if settled else None
        # In loops, not by the operators of sets: those would keep the other threads waiting meanwhile.
        there: set[str] = set()
        new: list[str] = []
        for name in names:
            there.add(name)
            if not (name in self._ended or name in self.live or name in self._unborn):
                new.append(name)
        for known in (self._ended, self.live, self._unborn):
            for name in [name for name in known if name not in there]:
                self._forget(name)
        new = [name for name in new if name not in self.todo and _is_run_id(name)]
        if len(new) > _WORTH_A_FILE:
            self._want_file()
            # Relay and runner begin at once: from both ends, so that each finds what the other has kept.
            new.sort(key=self._age, reverse=not self.follows)
        self.todo.update(dict.fromkeys(new))
        took = time.thread_time() - began
        self._scanned_until = now + took * _SCAN_RESPITE if took > _CHEAP_S else 0.0

    def _want_file(self) -> None:
        """Of a root that is large enough for one."""
        if self.store is not None and self.store.path is None and not self.in_memory:
            self.file_wanted = True
            self.start_over()
            raise Reopened

    def _age(self, run_id: str) -> float:
        """The newest is read first: that is what a list begins with."""
        try:
            return -os.stat(f"{self._folder}/{run_id}").st_mtime
        except OSError:
            return 0.0

    def _read_new(self, budget_s: float | None) -> None:
        assert self.store is not None
        began = time.thread_time()
        while self.todo:
            chunk = [run_id for run_id, _ in zip(self.todo, range(_CHUNK), strict=False)]
            known = self.store.stamps(chunk) if self.store.path else {}
            for run_id in chunk:
                stamps = stamps_of(self._folder, run_id)
                if run_id in known and known[run_id] == one_text(stamps):
                    self._ended.add(run_id)  # another process has read it
                    self._note(run_id)
                else:
                    self._read(run_id, stamps)
                del self.todo[run_id]
            if len(self._to_keep) >= _KEPT_AT_ONCE or not self.todo:
                self.keep(self.store)
            if self.todo and budget_s is not None and time.thread_time() - began > budget_s:
                return
        if self.is_building:
            self.is_building = False
            self.store.reads_first(False)
            if self.changed is not None:
                for _, row in self.store.page(Filters(), "newest", None, 200):
                    self.changed[row.summary.run_id] = None

    def touch(self, run_id: str) -> None:
        """Something was heard of it."""
        if run_id in self.todo:
            return
        live = self.live.get(run_id)
        stamps = stamps_of(self._folder, run_id)
        if live is not None and stamps[:2] != (None, None):
            self._look_at(run_id, live)
        elif run_id in self._ended or live is not None or run_id in self._unborn:
            self.reread(run_id)
        elif is_run_folder(self._folder, run_id):
            self._read(run_id, stamps)

    def reread(self, run_id: str) -> None:
        """What is known of it holds no more."""
        if not is_run_folder(self._folder, run_id):
            self._forget(run_id)
            return
        stamps = stamps_of(self._folder, run_id)
        try:
            found = self._look_up(run_id, stamps)
        except OSError:  # of the system: it stays as it was, and is looked at again
            self._unborn[run_id] = _UNREAD
            return
        was_there = run_id in self._ended or run_id in self.live
        self._leave(run_id)
        self._take_in(run_id, stamps, found)
        if was_there and run_id not in self._ended and run_id not in self._to_drop:
            self._to_drop[run_id] = None

    def _read(self, run_id: str, stamps: Stamps) -> None:
        """Of a run of which nothing is known."""
        try:
            found = self._look_up(run_id, stamps)
        except OSError as error:  # of the system: the next look may have better luck
            self._unborn[run_id] = _UNREAD
            if not isinstance(error, Busy):  # of this run alone: without it an answer is right
                self._refused = error
            return
        self._take_in(run_id, stamps, found)

    def _look_up(self, run_id: str, stamps: Stamps) -> "tuple[_Live, _Found | None] | None":
        """A run as its files are now, and its row if it has to be shown; None if that can't be read.

        :raises OSError: the system can't open anything now.
        """
        workspace = Workspace(self.root, RunId(run_id))
        manifest = read_slim(workspace) if is_run_folder(self._folder, run_id) else None
        if manifest is None:
            return None
        live = _Live(manifest, stamps)
        live.alive = is_alive(self._folder, run_id)
        if live.alive and not self.follows:
            return live, None
        found = None if live.alive else read_row(workspace, manifest, stamps)
        if live.alive or (self.follows and found and not found[1] and stamps[1] is not None):
            # The end of a stream says all of a run that has ended; of another one it takes the whole.
            found = self._fold(live, workspace, stamps)
        return live, found

    def _take_in(
        self, run_id: str, stamps: Stamps, found: "tuple[_Live, _Found | None] | None"
    ) -> None:
        if found is None:
            self._unborn[run_id] = stamps  # what can't be read is for `doctor` to report
            return
        live, row = found
        if live.alive and not self.follows:
            self.live[run_id] = live
            return
        self._sort(run_id, live, row)

    def _fold(self, live: _Live, workspace: Workspace, stamps: Stamps) -> _Found | None:
        live.reader = live.reader or StateReader(workspace)
        try:
            return read_row(workspace, live.manifest, stamps, live.reader.read)
        finally:
            live.reader.rest()

    def _sort(self, run_id: str, live: _Live, found: _Found | None) -> None:
        """Put a run where its row says that it belongs."""
        if found is None:
            self._leave(run_id)
            self._unborn[run_id] = live.stamps
            self._to_drop[run_id] = None
            self._note(run_id)
            return
        row, ended = found
        before = live.row.summary if live.row else None
        first = run_id not in self.live
        if ended:
            asked = read_asked(Workspace(self.root, RunId(run_id)))
            self._leave(run_id)
            self._ended.add(run_id)
            self._to_keep[run_id] = replace(row, texts=(asked, row.texts[1]))
            self._to_drop.pop(run_id, None)
            self._note(run_id)
            return
        if not self.follows:
            self.live[run_id] = live
            return
        if first:
            self._leave(run_id)
            self.live[run_id] = live
            self._to_drop[run_id] = None  # where it had ended, and was reopened
            asked = read_asked(Workspace(self.root, RunId(run_id)))
            row = replace(row, texts=(asked, ""))
        live.row, live.read_at = row, time.monotonic()
        self._fresh[run_id] = row
        if before is None or (before.status == "queued") != (row.summary.status == "queued"):
            self._queue_moved = True
        if before is None or _news(before) != _news(row.summary):
            self._note(run_id)

    def _look_at_live(self, now: bool) -> None:
        asked, began = time.monotonic(), time.thread_time()
        if asked < self._live_until and not (now and self.follows):
            return
        # Of the folders that hold no run yet too: one may have come to.
        for run_id, stamps in list(self._unborn.items()):
            if stamps_of(self._folder, run_id) != stamps:
                self.reread(run_id)
        for number, (run_id, live) in enumerate(list(self.live.items())):
            self._look_at(run_id, live)
            if now and number % _BREATH_EACH == _BREATH_EACH - 1:
                time.sleep(_BREATH_S)
        took = time.thread_time() - began
        self._live_until = asked + took * (1 + _LIVE_RESPITE) if took > _CHEAP_S else 0.0
        if not self.follows and self.notices is not None:
            self._live_until = asked + max(_SWEEP_S, took * _SWEEP_RESPITE)

    def _look_at(self, run_id: str, live: _Live) -> None:
        if not self.follows:
            if stamp_of(f"{self._folder}/{run_id}/run.json") != live.stamps[0]:
                self.reread(run_id)  # removed, and perhaps made again
            return
        stamps = stamps_of(self._folder, run_id)
        if stamps[0] != live.stamps[0]:
            self.reread(run_id)
            return
        alive = is_alive(self._folder, run_id)
        # One that can't be used is looked at each time: what is wrong with its lock shows in no stamp.
        broken = live.row is not None and live.row.summary.reason == BROKEN
        if (stamps, alive) == (live.stamps, live.alive) and not broken:
            return
        workspace = Workspace(self.root, RunId(run_id))
        try:
            found = self._fold(live, workspace, stamps)
        except OSError:  # of the system: it is shown as it was, and looked at again
            return
        live.stamps, live.alive = stamps, alive
        self._sort(run_id, live, found)

    def renew(self, rows: Sequence[Row]) -> bool:
        """Look whether the files of these runs are as they were. Whether some are not."""
        stale = False
        for row in rows:
            run_id = row.summary.run_id
            live = self.live.get(run_id)
            if live is not None:
                known = live.row
                self._look_at(run_id, live)
                stale |= self.live.get(run_id) is not live or live.row is not known
            # One that we know nothing of, another process has read.
            elif run_id not in self._ended or (
                one_text(stamps_of(self._folder, run_id)) != row.stamps
            ):
                self.todo.pop(run_id, None)
                self._ended.add(run_id)
                self.reread(run_id)
                stale = True
        if stale and self.store is not None:
            self.keep(self.store)
        return stale

    def sweep(self, store: "Store") -> bool:
        """Look for changes of ended runs that nobody told of. Whether to go on at once."""
        now = time.monotonic()
        if self.swept_once and now < self.sweep_at:
            return False
        self.sweep_at = now + _SWEEP_S
        count = _SWEPT if self.swept_once else _SWEPT_AT_FIRST
        part = store.stamps_after(self._sweep_key, count)
        if len(part) < count:
            self._sweep_key = -1
            self.swept_once = self.swept_once or not self.todo
        else:
            self._sweep_key = part[-1][0]
        newest = store.newest_stamps(_SWEPT_NEWEST) if self.swept_once else []
        for _, run_id, stamps in (*part, *newest):
            # Of a manifest that changes the folder is another one, which the stream shows too.
            folder = f"{self._folder}/{run_id}"
            written = stamp_of(f"{folder}/_stream.jsonl"), stamp_of(f"{folder}/_inbox.jsonl")
            if one_text(written) != stamps.partition(";")[2] and run_id in self._ended:
                self.reread(run_id)
        self.keep(store)
        return not self.swept_once

    # Keeping it.

    def _forget(self, run_id: str) -> None:
        """It is gone."""
        if run_id in self._ended or run_id in self.live:
            self._to_drop[run_id] = None
            self._note(run_id)
        self._leave(run_id)

    def _leave(self, run_id: str) -> None:
        self._ended.discard(run_id)
        self._unborn.pop(run_id, None)
        self._to_keep.pop(run_id, None)
        self._fresh.pop(run_id, None)
        live = self.live.pop(run_id, None)
        if live is not None:
            self._queue_moved = True
            if live.reader is not None:
                live.reader.close()

    def keep(self, store: "Store") -> None:
        """Bring what changed into the store."""
        if (self._to_keep or self._to_drop) and time.monotonic() >= self._keep_after:
            if store.keep_ended(list(self._to_keep.values()), self._to_drop):
                # The row of a run that goes on went with that of its earlier end.
                going = ((i, self.live[i].row) for i in self._to_drop if i in self.live)
                self._fresh |= {run_id: row for run_id, row in going if row}
                self._to_keep.clear()
                self._to_drop.clear()
            else:
                self._keep_after = time.monotonic() + _BLOCKED_S
                store.keep_live(self._to_keep.values())
        if self._fresh:
            store.keep_live(self._fresh.values())
            self._fresh.clear()

    def _note(self, run_id: str) -> None:
        if self.changed is not None and not self.is_building:
            self.changed[run_id] = None

    # Showing it.

    def shown(self, summary: Summary) -> Summary:
        """As it is at this moment."""
        live = self.live.get(summary.run_id)
        if live is None or live.row is None:
            return summary
        summary = live.row.summary
        if summary.status == "queued":
            self.look_at_queue()
            return replace(summary, queue_position=self.places.get(summary.run_id))
        if summary.duration_s is None or summary.status == "failed":
            return summary
        goes_on_s = time.monotonic() - live.read_at
        return replace(summary, duration_s=round(summary.duration_s + goes_on_s, 3))

    def going(self) -> Iterable[Summary]:
        return [self.shown(live.row.summary) for live in self.live.values() if live.row]

    def look_at_queue(self) -> None:
        if not self._queue_moved:
            return
        self._queue_moved = False
        before = self.places
        queued = (
            live.manifest
            for live in self.live.values()
            if live.row is not None and live.row.summary.status == "queued"
        )
        self.places = {
            manifest.run_id: place for place, manifest in enumerate(start_order(queued), 1)
        }
        if self.changed is not None:
            for run_id, place in self.places.items():
                if min(place, _NEAR) != min(before.get(run_id, _NEAR), _NEAR):
                    self._note(run_id)


def _is_run_id(name: str) -> bool:
    try:
        check_run_id(name)
    except RunlogError:
        return False
    return True


def _news(summary: Summary) -> Summary:
    return replace(summary, size_bytes=0, duration_s=None)
