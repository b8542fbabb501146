"""One view of all runs of a root: which there are, what they came to, which go on, which wait.

Of a run that has ended there is its row, kept in SQLite from one start to the next (`store`), and nothing else. Those
that go on are folded as they grow. What changed is learned from notices, where somebody listens to them, from the
time of the root's folder, and from a slow sweep over the ended.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from ..disk.knock import INDEX_FOLDER
from ..disk.layout import RunId, Workspace, check_run_id
from ..disk.stamp import stamp_of
from ..errors import RunlogError
from ..run.events import Status
from ..run.manifest import Manifest, start_order
from ..run.status import StateReader, Summary
from .filters import Filters, Order, place_of
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
from .row import FILE_NAME, Row, StoreBlocked, StoreBroken

if TYPE_CHECKING:
    from .notices import Notices
    from .store import Store

__all__ = ["Counts", "Look", "Page", "RunIndex", "list_runs"]

T = TypeVar("T")

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
# What the first notice after a silence may wait, where a run is to be started, and where it is to be shown: the
# watch takes 0.3 % of a core for the one, 0.13 % for the other.
_STARTER_STEP_MS, _FOLLOWER_STEP_MS = 10, 25
# A thread that computes without a pause keeps the others of its process waiting.
_BREATH_EACH = 32
_BREATH_S = 0.0005


class _Reopened(Exception):
    """The store is another one now: begin again."""


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the following page, or None at the end.

    `complete` is false as long as a large root is being read for the first time: some runs are missing.
    """

    runs: list[Summary]
    next: str | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """`heard`: ids of runs of which something was heard since the last look. `more`: there is more to do at once."""

    heard: set[str]
    more: bool


Counts = dict[str, dict[str, int]]
"""Facet (`status`, `workflow`, `deployment`, `batch`) -> value -> runs."""


@dataclass(slots=True)
class _Live:
    """A run that has not ended, or whose end nobody has told yet."""

    manifest: Manifest  # without what may be large
    stamps: Stamps
    alive: bool = False
    reader: StateReader | None = None
    row: Row | None = None
    read_at: float = 0.0  # by the monotonic clock


class RunIndex:
    """The runs of one root. From any thread.

    :param follows: false for one who only wants to know which runs there are: rows of those that go on are not made.
    :param full_text: false searches without FTS5; None finds out whether this SQLite has it.
    """

    is_eager = False
    """Whether to hear at once of what live runs write, and not only each second. To be set, once it listens."""

    def __init__(self, root: Path, *, follows: bool = True, full_text: bool | None = None) -> None:
        self.root = root
        self._folder = str(root)
        self._follows = follows
        self._full_text = full_text
        self._lock = threading.RLock()
        self._notices: Notices | None = None
        self._store: Store | None = None
        self._file_wanted = False
        self._in_memory = False  # for good: no file can be had
        self._changed: dict[str, None] | None = None
        self._clear()

    def _clear(self) -> None:
        self._root_mtime_ns: int | None = None
        self._scanned_until = 0.0
        self._building = True  # until all runs that were there at first have been read
        self._todo: dict[str, None] = {}
        self._ended: set[str] = set()
        self._live: dict[str, _Live] = {}
        self._live_until = 0.0
        self._refused: OSError | None = None  # by the system, of a run that is not known yet
        self._unborn: dict[str, Stamps] = {}  # folders that hold no run yet, or an unreadable one
        self._to_keep: dict[str, Row] = {}  # ended, and not in the file yet
        self._to_drop: dict[str, None] = {}
        self._keep_after = 0.0
        self._fresh: dict[str, Row] = {}  # live rows that changed
        self._places: dict[str, int] = {}  # in the queue, of those who wait in it
        self._queue_moved = True
        self._sweep_key = -1
        self._sweep_at = 0.0
        self._swept_once = False

    # Questions.

    def page(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = "newest",
        **filters: Unpack[Filters],
    ) -> Page:
        """Runs in an order, the newest first if no other is named, from after the one that `cursor` means.

        :param limit: at least 1.
        :param cursor: `next` of the page before, of the same order.
        :param filters: see `Filters`.
        :raises BadCursor: it is not of that form.
        """
        if limit < 1:
            raise ValueError("a page holds at least 1 run")
        place = place_of(cursor, order) if cursor else None

        def read(store: "Store") -> Page:
            self._catch_up()
            if order == "duration":
                store.set_durations((row.duration_s, row.run_id) for row in self._going())
            for _ in range(3):  # each time some may have changed
                found = store.page(filters, order, place, limit + 1)
                if not self._renew([row for _, row in found]):
                    break
            shown = [self._shown(row.summary) for _, row in found[:limit]]
            more = None
            if len(found) > limit:
                key, row = found[limit - 1]
                last = row.summary
                if order == "cost" or order == "duration":
                    value = last.cost_usd if order == "cost" else last.duration_s
                    more = f"{-1.0 if value is None else value!r}~{key}"
                else:
                    more = f"{last.created_at}~{last.run_id}"
            return Page(shown, more, not (self._building and self._todo))

        return self._ask(read)

    def counts(self, **filters: Unpack[Filters]) -> Counts:
        """Of each facet how many runs have each value, of all that pass the filters; the most frequent 200 values.

        What a facet itself is filtered by does not count for it: so it tells what else could be chosen.
        """

        def read(store: "Store") -> Counts:
            self._catch_up()
            return store.counts(filters)

        return self._ask(read)

    def total(self, **filters: Unpack[Filters]) -> int:
        """How many runs pass the filters."""

        def read(store: "Store") -> int:
            self._catch_up()
            return store.total(filters)

        return self._ask(read)

    def figures(self, deployment: str) -> list[tuple[Status, float | None, float | None]]:
        """Status, duration in s and cost in USD of each run of a deployment."""

        def read(store: "Store") -> list[tuple[Status, float | None, float | None]]:
            self._catch_up()
            return store.figures(deployment)

        return self._ask(read)

    def rows(self, run_ids: Iterable[str]) -> list[Summary | None]:
        """These runs in this order; None for one that is not there (any more)."""
        wanted = list(run_ids)

        def read(store: "Store") -> list[Summary | None]:
            self._catch_up()
            found = store.rows(wanted)
            if self._renew(list(found.values())):
                found = store.rows(wanted)
            rows = [found.get(run_id) for run_id in wanted]
            return [None if row is None else self._shown(row.summary) for row in rows]

        return self._ask(read)

    def queue_position(self, run_id: str) -> int | None:
        """1 for the run that is to be started next; None for one that is not queued."""

        def read(store: "Store") -> int | None:
            self._catch_up()
            self._look_at_queue()
            return self._places.get(run_id)

        return self._ask(read)

    def live(self) -> list[Summary]:
        """All runs that have not ended, and those whose process died without anybody saying so yet."""

        def read(store: "Store") -> list[Summary]:
            self._catch_up()
            return [self._shown(live.row.summary) for live in self._live.values() if live.row]

        return self._ask(read)

    def manifests(self) -> dict[str, Manifest]:
        """What was asked of those runs, as of the last look: without params and history, of the prompt the title.
        The same object as before for one that was not made anew.
        """
        with self._lock:
            return {run_id: live.manifest for run_id, live in self._live.items()}

    # Following.

    def listen(self, on_notice: Callable[[], None]) -> None:
        """Hear of changes from now on, and keep the file. `on_notice` is called from another thread: `look` then.

        Call `close` at the end.
        """
        from .notices import Notices  # watchfiles takes long to import, and a command asks once

        with self._lock:
            step_ms = _FOLLOWER_STEP_MS if self._follows else _STARTER_STEP_MS
            self._notices = Notices(self.root, on_notice, step_ms)
            self._file_wanted = True
            if self._store is not None and self._store.path is None:
                self._start_over()

    def close(self) -> None:
        if self._notices is not None:
            self._notices.close()
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def look(self, budget_s: float | None = None) -> "Look":
        """Take in what has changed since the last look.

        :param budget_s: so much CPU time may go into reading runs that were not known.
        """

        def do(store: "Store") -> Look:
            heard = self._catch_up(budget_s, now=True)
            more = self._sweep(store)
            if self._changed is not None:
                self._look_at_queue()
            return Look(heard, bool(self._todo) or more)

        return self._ask(do)

    def collect(self) -> None:
        """Remember from now on what changes, for `take_changes`."""
        with self._lock:
            self._changed = {}

    def take_changes(self) -> list[tuple[str, Summary | None]]:
        """The runs whose row has changed since the last call, as they are now; None for one that was removed.

        That one grows, or goes on, is no change.
        """
        with self._lock:
            if not self._changed:
                return []
            changed, self._changed = list(self._changed), {}
            away = [run_id for run_id in changed if run_id not in self._live]
            found = self._ask(lambda store: store.rows(away))
            told: list[tuple[str, Summary | None]] = []
            for run_id in changed:
                live = self._live.get(run_id)
                row = live.row if live else found.get(run_id)
                told.append((run_id, self._shown(row.summary) if row else None))
            return told

    def settle(self, run_id: str) -> None:
        """Look at a run anew that the caller knows more of: it ended, or was made or changed this moment."""

        def do(store: "Store") -> None:
            if run_id in self._live:
                self._reread(run_id)
            else:
                self._touch(run_id)
            self._keep(store)

        self._ask(do)

    def _ask(self, read: Callable[["Store"], T]) -> T:
        with self._lock:
            for _ in range(3):
                try:
                    return read(self._opened())
                except _Reopened:
                    pass
                except StoreBroken:
                    self._start_over(throw_away=True)
                except StoreBlocked:
                    self._in_memory = True
                    self._start_over()
            return read(self._opened())

    def _opened(self) -> "Store":
        if self._store is not None and not self._store.is_current():
            self._start_over()  # someone removed the file
        if self._store is None:
            from .store import Store, open_store  # every command imports us, and few ask

            folder = self.root / INDEX_FOLDER
            if self._in_memory or not (self._file_wanted or folder.joinpath(FILE_NAME).exists()):
                self._store = Store(None, full_text=self._full_text)
            else:
                self._store = open_store(folder, full_text=self._full_text)
                self._in_memory = self._store.path is None
                self._ended = set(self._store.run_ids())
                if self._notices is not None:
                    self._notices.make_folder()
                self._store.reads_first(True)
        return self._store

    def _start_over(self, *, throw_away: bool = False) -> None:
        if self._store is not None:
            path = self._store.path
            if throw_away and path is not None and self._store.is_current():
                from .store import remove_store

                remove_store(path.parent)
            self._store.close()
            self._store = None
        self._clear()

    # Learning what there is.

    def _catch_up(self, budget_s: float | None = None, *, now: bool = False) -> set[str]:
        """Of which runs something was heard.

        :param now: look at all live runs, also if that was done a moment ago.
        """
        helps = self._notices is not None and budget_s is None
        self._scan()
        assert self._store is not None
        heard = self._notices.take() if self._notices is not None else set()
        for run_id in heard:
            self._touch(run_id)
        self._read_new(_HELP_S if helps else budget_s)
        self._look_at_live(now)
        self._keep(self._store)
        if budget_s is None and self._refused is not None:
            self._check_unread()
        if self._notices is not None:
            going = reversed(self._live) if self.is_eager else ()
            self._notices.watch_live(self.root / run_id for run_id in going)
        return heard

    def _check_unread(self) -> None:
        """:raises OSError: a run could not be read for want of means: an answer without it would be wrong."""
        for run_id, stamps in self._unborn.items():
            if stamps is _UNREAD and run_id not in self._ended and run_id not in self._live:
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
        settled = mtime_ns is not None and now_ns - mtime_ns > _SETTLED_NS
        self._root_mtime_ns = mtime_ns if settled else None
        try:
            names = os.listdir(self.root)
        except FileNotFoundError:
            names = []
        # In loops, not by the operators of sets: those would keep the other threads waiting meanwhile.
        there: set[str] = set()
        new: list[str] = []
        for name in names:
            there.add(name)
            if not (name in self._ended or name in self._live or name in self._unborn):
                new.append(name)
        for known in (self._ended, self._live, self._unborn):
            for name in [name for name in known if name not in there]:
                self._forget(name)
        new = [name for name in new if name not in self._todo and _is_run_id(name)]
        if len(new) > _WORTH_A_FILE:
            self._want_file()
            # Relay and runner begin at once: from both ends, so that each finds what the other has kept.
            new.sort(key=self._age, reverse=not self._follows)
        self._todo.update(dict.fromkeys(new))
        took = time.thread_time() - began
        self._scanned_until = now + took * _SCAN_RESPITE if took > _CHEAP_S else 0.0

    def _want_file(self) -> None:
        """Of a root that is large enough for one."""
        if self._store is not None and self._store.path is None and not self._in_memory:
            self._file_wanted = True
            self._start_over()
            raise _Reopened

    def _age(self, run_id: str) -> float:
        """The newest is read first: that is what a list begins with."""
        try:
            return -os.stat(f"{self._folder}/{run_id}").st_mtime
        except OSError:
            return 0.0

    def _read_new(self, budget_s: float | None) -> None:
        assert self._store is not None
        began = time.thread_time()
        while self._todo:
            chunk = [run_id for run_id, _ in zip(self._todo, range(_CHUNK), strict=False)]
            known = self._store.stamps(chunk) if self._store.path else {}
            for run_id in chunk:
                stamps = stamps_of(self._folder, run_id)
                if run_id in known and known[run_id] == one_text(stamps):
                    self._ended.add(run_id)  # another process has read it
                    self._note(run_id)
                else:
                    self._read(run_id, stamps)
                del self._todo[run_id]
            if len(self._to_keep) >= _KEPT_AT_ONCE or not self._todo:
                self._keep(self._store)
            if self._todo and budget_s is not None and time.thread_time() - began > budget_s:
                return
        if self._building:
            self._building = False
            self._store.reads_first(False)
            if self._changed is not None:
                for _, row in self._store.page(Filters(), "newest", None, 200):
                    self._changed[row.summary.run_id] = None

    def _touch(self, run_id: str) -> None:
        """Something was heard of it."""
        if run_id in self._todo:
            return
        live = self._live.get(run_id)
        stamps = stamps_of(self._folder, run_id)
        if live is not None and stamps[:2] != (None, None):
            self._look_at(run_id, live)
        elif run_id in self._ended or live is not None or run_id in self._unborn:
            self._reread(run_id)
        elif is_run_folder(self._folder, run_id):
            self._read(run_id, stamps)

    def _reread(self, run_id: str) -> None:
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
        was_there = run_id in self._ended or run_id in self._live
        self._leave(run_id)
        self._take_in(run_id, stamps, found)
        if was_there and run_id not in self._ended and run_id not in self._to_drop:
            self._to_drop[run_id] = None

    def _read(self, run_id: str, stamps: Stamps) -> None:
        """Of a run of which nothing is known."""
        try:
            found = self._look_up(run_id, stamps)
        except OSError as error:  # of the system: the next look may have better luck
            self._unborn[run_id], self._refused = _UNREAD, error
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
        if live.alive and not self._follows:
            return live, None
        found = None if live.alive else read_row(workspace, manifest, stamps)
        if live.alive or (self._follows and found and not found[1] and stamps[1] is not None):
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
        if live.alive and not self._follows:
            self._live[run_id] = live
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
        first = run_id not in self._live
        if ended:
            asked = read_asked(Workspace(self.root, RunId(run_id)))
            self._leave(run_id)
            self._ended.add(run_id)
            self._to_keep[run_id] = replace(row, texts=(asked, row.texts[1]))
            self._to_drop.pop(run_id, None)
            self._note(run_id)
            return
        if not self._follows:
            self._live[run_id] = live
            return
        if first:
            self._leave(run_id)
            self._live[run_id] = live
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
        if asked < self._live_until and not (now and self._follows):
            return
        # Of the folders that hold no run yet too: one may have come to.
        for run_id, stamps in list(self._unborn.items()):
            if stamps_of(self._folder, run_id) != stamps:
                self._reread(run_id)
        for number, (run_id, live) in enumerate(list(self._live.items())):
            self._look_at(run_id, live)
            if now and number % _BREATH_EACH == _BREATH_EACH - 1:
                time.sleep(_BREATH_S)
        took = time.thread_time() - began
        self._live_until = asked + took * (1 + _LIVE_RESPITE) if took > _CHEAP_S else 0.0
        if not self._follows and self._notices is not None:
            self._live_until = asked + max(_SWEEP_S, took * _SWEEP_RESPITE)

    def _look_at(self, run_id: str, live: _Live) -> None:
        if not self._follows:
            if stamp_of(f"{self._folder}/{run_id}/run.json") != live.stamps[0]:
                self._reread(run_id)  # removed, and perhaps made again
            return
        stamps = stamps_of(self._folder, run_id)
        if stamps[0] != live.stamps[0]:
            self._reread(run_id)
            return
        alive = is_alive(self._folder, run_id)
        # One that can't be used is looked at each time: what is wrong with its lock shows in no stamp.
        broken = live.row is not None and live.row.summary.reason == "broken"
        if (stamps, alive) == (live.stamps, live.alive) and not broken:
            return
        workspace = Workspace(self.root, RunId(run_id))
        try:
            found = self._fold(live, workspace, stamps)
        except OSError:  # of the system: it is shown as it was, and looked at again
            return
        live.stamps, live.alive = stamps, alive
        self._sort(run_id, live, found)

    def _renew(self, rows: Sequence[Row]) -> bool:
        """Look whether the files of these runs are as they were. Whether some are not."""
        stale = False
        for row in rows:
            run_id = row.summary.run_id
            live = self._live.get(run_id)
            if live is not None:
                known = live.row
                self._look_at(run_id, live)
                stale |= self._live.get(run_id) is not live or live.row is not known
            # One that we know nothing of, another process has read.
            elif run_id not in self._ended or (
                one_text(stamps_of(self._folder, run_id)) != row.stamps
            ):
                self._todo.pop(run_id, None)
                self._ended.add(run_id)
                self._reread(run_id)
                stale = True
        if stale and self._store is not None:
            self._keep(self._store)
        return stale

    def _sweep(self, store: "Store") -> bool:
        """Look for changes of ended runs that nobody told of. Whether to go on at once."""
        now = time.monotonic()
        if self._swept_once and now < self._sweep_at:
            return False
        self._sweep_at = now + _SWEEP_S
        count = _SWEPT if self._swept_once else _SWEPT_AT_FIRST
        part = store.stamps_after(self._sweep_key, count)
        if len(part) < count:
            self._sweep_key = -1
            self._swept_once = self._swept_once or not self._todo
        else:
            self._sweep_key = part[-1][0]
        newest = store.newest_stamps(_SWEPT_NEWEST) if self._swept_once else []
        for _, run_id, stamps in (*part, *newest):
            # Of a manifest that changes the folder is another one, which the stream shows too.
            folder = f"{self._folder}/{run_id}"
            written = stamp_of(f"{folder}/_stream.jsonl"), stamp_of(f"{folder}/_inbox.jsonl")
            if one_text(written) != stamps.partition(";")[2] and run_id in self._ended:
                self._reread(run_id)
        self._keep(store)
        return not self._swept_once

    # Keeping it.

    def _forget(self, run_id: str) -> None:
        """It is gone."""
        if run_id in self._ended or run_id in self._live:
            self._to_drop[run_id] = None
            self._note(run_id)
        self._leave(run_id)

    def _leave(self, run_id: str) -> None:
        self._ended.discard(run_id)
        self._unborn.pop(run_id, None)
        self._to_keep.pop(run_id, None)
        self._fresh.pop(run_id, None)
        live = self._live.pop(run_id, None)
        if live is not None:
            self._queue_moved = True
            if live.reader is not None:
                live.reader.close()

    def _keep(self, store: "Store") -> None:
        """Bring what changed into the store."""
        if (self._to_keep or self._to_drop) and time.monotonic() >= self._keep_after:
            if store.keep_ended(list(self._to_keep.values()), self._to_drop):
                self._to_keep.clear()
                self._to_drop.clear()
            else:
                self._keep_after = time.monotonic() + _BLOCKED_S
                store.keep_live(self._to_keep.values())
        if self._fresh:
            store.keep_live(self._fresh.values())
            self._fresh.clear()

    def _note(self, run_id: str) -> None:
        if self._changed is not None and not self._building:
            self._changed[run_id] = None

    # Showing it.

    def _shown(self, summary: Summary) -> Summary:
        """As it is at this moment."""
        live = self._live.get(summary.run_id)
        if live is None or live.row is None:
            return summary
        summary = live.row.summary
        if summary.status == "queued":
            self._look_at_queue()
            return replace(summary, queue_position=self._places.get(summary.run_id))
        if summary.duration_s is None or summary.status == "failed":
            return summary
        goes_on_s = time.monotonic() - live.read_at
        return replace(summary, duration_s=round(summary.duration_s + goes_on_s, 3))

    def _going(self) -> Iterable[Summary]:
        return [self._shown(live.row.summary) for live in self._live.values() if live.row]

    def _look_at_queue(self) -> None:
        if not self._queue_moved:
            return
        self._queue_moved = False
        before = self._places
        queued = (
            live.manifest
            for live in self._live.values()
            if live.row is not None and live.row.summary.status == "queued"
        )
        self._places = {
            manifest.run_id: place for place, manifest in enumerate(start_order(queued), 1)
        }
        if self._changed is not None:
            for run_id, place in self._places.items():
                if min(place, _NEAR) != min(before.get(run_id, _NEAR), _NEAR):
                    self._note(run_id)


def list_runs(root: Path, *, limit: int = 50, status: Status | None = None) -> list[Summary]:
    """The newest runs of a root."""
    return RunIndex(root).page(limit=limit, status=status).runs


def _is_run_id(name: str) -> bool:
    try:
        check_run_id(name)
    except RunlogError:
        return False
    return True


def _news(summary: Summary) -> Summary:
    return replace(summary, size_bytes=0, duration_s=None)
