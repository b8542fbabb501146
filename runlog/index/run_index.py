"""One view of all runs of a root: which there are, what they came to, which go on, which wait.

Of a run that has ended there is its row, kept in SQLite from one start to the next (`store`), and nothing else. Those
that go on are folded as they grow. Here it is asked; `known` learns.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, Unpack

from ..run.events import Status
from ..run.manifest import Manifest
from ..run.status import Summary
from .filters import Filters, Order, place_of
from .known import Known, Reopened
from .row import StoreBlocked, StoreBroken

if TYPE_CHECKING:
    from .store import Store

__all__ = ["Counts", "Look", "Page", "RunIndex", "list_runs"]

T = TypeVar("T")

# What the first notice after a silence may wait, where a run is to be started, and where it is to be shown: the
# watch takes 0.3 % of a core for the one, 0.13 % for the other.
_STARTER_STEP_MS, _FOLLOWER_STEP_MS = 10, 25


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


class RunIndex:
    """The runs of one root. From any thread.

    :param follows: false for one who only wants to know which runs there are: rows of those that go on are not made.
    :param full_text: false searches without FTS5; None finds out whether this SQLite has it.
    """

    def __init__(self, root: Path, *, follows: bool = True, full_text: bool | None = None) -> None:
        self.root = root
        self._known = Known(root, follows=follows, full_text=full_text)
        self._lock = threading.RLock()

    @property
    def is_eager(self) -> bool:
        """Whether to hear at once of what live runs write, and not only each second. To be set, once it listens."""
        return self._known.is_eager

    @is_eager.setter
    def is_eager(self, eager: bool) -> None:
        self._known.is_eager = eager

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
            self._known.catch_up()
            if order == "duration":
                store.set_durations((row.duration_s, row.run_id) for row in self._known.going())
            for _ in range(3):  # each time some may have changed
                found = store.page(filters, order, place, limit + 1)
                if not self._known.renew([row for _, row in found]):
                    break
            shown = [self._known.shown(row.summary) for _, row in found[:limit]]
            more = None
            if len(found) > limit:
                key, row = found[limit - 1]
                last = row.summary
                if order == "cost" or order == "duration":
                    value = last.cost_usd if order == "cost" else last.duration_s
                    more = f"{-1.0 if value is None else value!r}~{key}"
                else:
                    more = f"{last.created_at}~{last.run_id}"
            return Page(shown, more, not (self._known.is_building and self._known.todo))

        return self._ask(read)

    def counts(self, **filters: Unpack[Filters]) -> Counts:
        """Of each facet how many runs have each value, of all that pass the filters; the most frequent 200 values.

        What a facet itself is filtered by does not count for it: so it tells what else could be chosen.
        """

        def read(store: "Store") -> Counts:
            self._known.catch_up()
            return store.counts(filters)

        return self._ask(read)

    def total(self, **filters: Unpack[Filters]) -> int:
        """How many runs pass the filters."""

        def read(store: "Store") -> int:
            self._known.catch_up()
            return store.total(filters)

        return self._ask(read)

    def figures(self, deployment: str) -> list[tuple[Status, float | None, float | None]]:
        """Status, duration in s and cost in USD of each run of a deployment."""

        def read(store: "Store") -> list[tuple[Status, float | None, float | None]]:
            self._known.catch_up()
            return store.figures(deployment)

        return self._ask(read)

    def rows(self, run_ids: Iterable[str]) -> list[Summary | None]:
        """These runs in this order; None for one that is not there (any more)."""
        wanted = list(run_ids)

        def read(store: "Store") -> list[Summary | None]:
            self._known.catch_up()
            found = store.rows(wanted)
            if self._known.renew(list(found.values())):
                found = store.rows(wanted)
            rows = [found.get(run_id) for run_id in wanted]
            return [None if row is None else self._known.shown(row.summary) for row in rows]

        return self._ask(read)

    def queue_position(self, run_id: str) -> int | None:
        """1 for the run that is to be started next; None for one that is not queued."""

        def read(store: "Store") -> int | None:
            self._known.catch_up()
            self._known.look_at_queue()
            return self._known.places.get(run_id)

        return self._ask(read)

    def live(self) -> list[Summary]:
        """All runs that have not ended, and those whose process died without anybody saying so yet."""

        def read(store: "Store") -> list[Summary]:
            self._known.catch_up()
            return [
                self._known.shown(live.row.summary)
                for live in self._known.live.values()
                if live.row
            ]

        return self._ask(read)

    def manifests(self) -> dict[str, Manifest]:
        """What was asked of those runs, as of the last look: without params and history, of the prompt the title.
        The same object as before for one that was not made anew.
        """
        with self._lock:
            return {run_id: live.manifest for run_id, live in self._known.live.items()}

    # Following.

    def listen(self, on_notice: Callable[[], None]) -> None:
        """Hear of changes from now on, and keep the file. `on_notice` is called from another thread: `look` then.

        Call `close` at the end.
        """
        from .notices import Notices  # watchfiles takes long to import, and a command asks once

        with self._lock:
            step_ms = _FOLLOWER_STEP_MS if self._known.follows else _STARTER_STEP_MS
            self._known.notices = Notices(self.root, on_notice, step_ms)
            self._known.file_wanted = True
            if self._known.store is not None and self._known.store.path is None:
                self._known.start_over()

    def close(self) -> None:
        if self._known.notices is not None:
            self._known.notices.close()
        with self._lock:
            if self._known.store is not None:
                self._known.store.close()
                self._known.store = None

    def look(self, budget_s: float | None = None) -> "Look":
        """Take in what has changed since the last look.

        :param budget_s: so much CPU time may go into reading runs that were not known.
        """

        def do(store: "Store") -> Look:
            heard = self._known.catch_up(budget_s, now=True)
            more = self._known.sweep(store)
            if self._known.changed is not None:
                self._known.look_at_queue()
            return Look(heard, bool(self._known.todo) or more)

        return self._ask(do)

    def collect(self) -> None:
        """Remember from now on what changes, for `take_changes`."""
        with self._lock:
            self._known.changed = {}

    def take_changes(self) -> list[tuple[str, Summary | None]]:
        """The runs whose row has changed since the last call, as they are now; None for one that was removed.

        That one grows, or goes on, is no change.
        """
        with self._lock:
            if not self._known.changed:
                return []
            changed, self._known.changed = list(self._known.changed), {}
            away = [run_id for run_id in changed if run_id not in self._known.live]
            found = self._ask(lambda store: store.rows(away))
            told: list[tuple[str, Summary | None]] = []
            for run_id in changed:
                live = self._known.live.get(run_id)
                row = live.row if live else found.get(run_id)
                told.append((run_id, self._known.shown(row.summary) if row else None))
            return told

    def settle(self, run_id: str) -> None:
        """Look at a run anew that the caller knows more of: it ended, or was made or changed this moment."""

        def do(store: "Store") -> None:
            if run_id in self._known.live:
                self._known.reread(run_id)
            else:
                self._known.touch(run_id)
            self._known.keep(store)

        self._ask(do)

    def _ask(self, read: Callable[["Store"], T]) -> T:
        with self._lock:
            for _ in range(3):
                try:
                    return read(self._known.opened())
                except Reopened:
                    pass
                except StoreBroken:
                    self._known.start_over(throw_away=True)
                except StoreBlocked:
                    self._known.in_memory = True
                    self._known.start_over()
            return read(self._known.opened())


def list_runs(root: Path, *, limit: int = 50, status: Status | None = None) -> list[Summary]:
    """The newest runs of a root."""
    return RunIndex(root).page(limit=limit, status=status).runs
