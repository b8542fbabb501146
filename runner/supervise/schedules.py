"""Starts the runs that schedules ask for, one for each time, over a SIGKILL in between and whatever the clock does.

What has been decided stands on the disk (`schedule_state`), and the id of a run comes from its schedule and time: who
looks again finds it there. Of any number of times that were missed at most one is made up for.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runlog import (
    Manifest,
    RunId,
    RunlogError,
    Workspace,
    create_run,
    is_terminal,
    post,
    read_manifest,
    run_status,
)
from runlog.disk.durable import folder_locked
from runlog.disk.records import from_iso, to_iso
from runlog.disk.stamp import Stamp, stamp_of
from runlog.errors import BrokenSchedule, RunFinished, UnknownRun, UnknownSchedule
from runlog.groups.catalog import read_catalog
from runlog.groups.cron import latest_due, next_due
from runlog.groups.faults import Refused
from runlog.groups.schedule_starts import run_id_of, start_of_schedule
from runlog.groups.schedule_state import (
    Outcome,
    Outcomes,
    ScheduleState,
    read_state_of,
    write_state_of,
)
from runlog.groups.schedules import (
    SCHEDULES_FOLDER,
    Schedule,
    read_schedule,
    schedule_names,
    state_path,
)

__all__ = ["Schedules"]

_LOOK_S = 1.0
# Of what the system refuses.
_RETRY_S = 5.0
# The runs of so many schedules are made in one look, at some 10 ms each; the others follow in the next.
_AT_ONCE = 20
# Later than this a time is missed: a runner that is started anew takes less.
_ON_TIME = timedelta(seconds=60)
# A clock that was set back by more was wrong before; by less, its times come again, and are not done again.
_SET_BACK = timedelta(hours=1)

_MISSED = f"no runner looked within {_ON_TIME.seconds} s"
_DETAIL_CHARS = 2000

Live = Mapping[str, Manifest]


@dataclass(slots=True)
class _Known:
    """A schedule as it was last read. `begin`: all before is decided; None: nothing is to be. `due`: what is next."""

    stamps: tuple[Stamp, Stamp]
    begin: datetime | None = None
    due: datetime | None = None
    waits: bool = False
    rests_until: float = 0.0  # by the monotonic clock
    trouble: str = ""

    def asks(self, now: datetime) -> bool:
        """Whether something is to be decided."""
        is_due = self.due is not None and self.due <= now
        return self.waits or is_due or (self.begin is not None and _is_set_back(self.begin, now))


class Schedules:
    """Of one root, for its one runner that is at work.

    :param tell: gets a line for each thing it does, for the terminal.
    """

    def __init__(self, root: Path, tell: Callable[[str], None] = lambda line: None) -> None:
        self._root = root
        self._tell = tell
        self._known: dict[str, _Known] = {}
        self._look_due = 0.0
        self._trouble = ""

    def tend(self, live: Callable[[], Live]) -> None:
        """Look, if that is due. :param live: the runs that have not ended."""
        if time.monotonic() < self._look_due:
            return
        self._look_due = time.monotonic() + _LOOK_S
        try:
            if self.look(live, datetime.now(UTC)):
                self._look_due = 0.0
            self._trouble = ""
        except OSError as error:  # the folder itself can't be read: the runs go on
            if str(error) != self._trouble:
                self._tell(f"no schedule can be looked at: {error}; it is tried again")
            self._trouble = str(error)

    def look(self, live: Callable[[], Live], now: datetime) -> bool:
        """Decide what is due. Whether there is more to do at once.

        :param now: what the clock says: it may have been set.
        """
        decided = 0
        names = schedule_names(self._root)
        for name in self._known.keys() - set(names):
            del self._known[name]
        for name in names:
            known = self._known.get(name)
            if known is not None and known.rests_until > time.monotonic():
                continue
            try:
                if known is None or known.stamps != self._stamps(name):
                    known = self._known[name] = self._read(name, now)
                if known.asks(now):
                    decided += self._decide_one(name, live, now)
                    self._known[name] = self._read(name, now)
            except Exception as error:  # whatever it is, the other schedules go on
                self._rest(name, error)
            if decided >= _AT_ONCE:
                return True
        return False

    def _rest(self, name: str, error: Exception) -> None:
        known = self._known.setdefault(name, _Known((None, None)))
        known.rests_until = time.monotonic() + _RETRY_S
        told = str(error) or repr(error)
        if told != known.trouble:
            self._tell(f"schedule {name}: {told}; it is tried again")
        known.trouble = told

    def _stamps(self, name: str) -> tuple[Stamp, Stamp]:
        file = self._root / SCHEDULES_FOLDER / f"{name}.json"
        return stamp_of(file), stamp_of(state_path(self._root, name))

    def _read(self, name: str, now: datetime) -> _Known:
        """:raises OSError: the system can't open anything now."""
        known = _Known(self._stamps(name))
        try:
            schedule = read_schedule(self._root, name)
        except (BrokenSchedule, UnknownSchedule):  # whoever lists it says what is wrong
            return known
        state = read_state_of(self._root, name)
        known.waits = state.waits_since is not None
        if schedule.enabled:
            known.begin = _begin(schedule, state)
            known.due = now
            if known.begin is not None:
                known.due = next_due(schedule.cron, schedule.timezone, known.begin)
        return known

    def _decide_one(self, name: str, live: Callable[[], Live], now: datetime) -> bool:
        """Whether anything was decided: not where a run is still waited for."""
        with folder_locked(self._root / SCHEDULES_FOLDER):
            # As it is under the lock: it may have been changed or removed this moment.
            try:
                schedule = read_schedule(self._root, name)
            except (BrokenSchedule, UnknownSchedule):
                return False
            before = read_state_of(self._root, name)
            state = self._decided(schedule, before, live, now)
            if state == before:
                return False
            write_state_of(self._root, name, state)
        if state.last != before.last and state.last is not None:
            told = state.last.run_id if state.last.outcome == "started" else state.last.detail
            self._tell(f"schedule {name}: {state.last.due_at} {state.last.outcome}: {told}")
        return True

    def _decided(
        self, schedule: Schedule, state: ScheduleState, live: Callable[[], Live], now: datetime
    ) -> ScheduleState:
        """What the state becomes by one step; the same if there is nothing to do."""
        if not schedule.enabled:
            return replace(state, waits_since=None)  # a run that was to follow is not made now
        begin = _begin(schedule, state)
        if begin is None or _is_set_back(begin, now):
            return replace(state, since=schedule.since, until=to_iso(now), waits_since=None)
        if state.since != schedule.since:
            state = replace(state, since=schedule.since, until=to_iso(begin), waits_since=None)
        alive = self._alive(schedule.name, state, live())
        if waiting := from_iso(state.waits_since):
            made = self._is_made(schedule.name, waiting)
            if made or not alive:
                return self._started(schedule, replace(state, waits_since=None), waiting, now)
        due = latest_due(schedule.cron, schedule.timezone, begin, now)
        if due is None:
            return state
        state = replace(state, until=to_iso(due))
        if self._is_made(schedule.name, due):
            return self._started(schedule, state, due, now)
        if now - due > _ON_TIME and schedule.missed == "none":
            return _told(state, "missed", due, now, detail=_MISSED)
        if not alive:
            return self._started(schedule, state, due, now)
        shown = ", ".join(run.run_id for run in alive[:3])
        if schedule.overlap == "skip":
            return _told(state, "skipped", due, now, detail=f"{shown} had not ended")
        if schedule.overlap == "queue" and state.waits_since is not None:
            return _told(
                state, "skipped", due, now, detail=f"{shown} had not ended, and one waits already"
            )
        if schedule.overlap == "stop":
            for run in alive:
                _stop(run, schedule.name, due)
        state = replace(state, waits_since=to_iso(due))
        return _told(state, "queued", due, now, detail=f"it begins when {shown} has ended")

    def _started(
        self, schedule: Schedule, state: ScheduleState, due: datetime, now: datetime
    ) -> ScheduleState:
        run_id = run_id_of(schedule.name, due)
        if not self._is_made(schedule.name, due):
            entries = {entry.name: entry for entry in read_catalog(self._root) or ()}
            try:
                start = start_of_schedule(self._root, entries, schedule, due)
                create_run(self._root, **start.fields(), run_id=run_id)
            except (Refused, RunlogError, ValueError) as error:
                # Tried again at the next time: whoever looks sees why.
                return _told(state, "refused", due, now, detail=str(error)[:_DETAIL_CHARS])
        return _told(replace(state, run_id=run_id), "started", due, now, run_id=run_id)

    def _is_made(self, name: str, due: datetime) -> bool:
        """Whether its run is there: of a runner that was killed before it could say so."""
        workspace = Workspace(self._root, run_id_of(name, due))
        try:
            made = read_manifest(workspace)
        except UnknownRun:
            return False
        return made.schedule == name and made.due_at == to_iso(due)

    def _alive(self, name: str, state: ScheduleState, live: Live) -> list[Workspace]:
        """The runs of a schedule that have not ended."""
        ids = {manifest.run_id for manifest in live.values() if manifest.schedule == name}
        if state.run_id is not None:
            ids.add(state.run_id)  # the view may not have come to it yet
        runs = [Workspace(self._root, RunId(run_id)) for run_id in sorted(ids)]
        return [run for run in runs if _goes_on(run)]


def _begin(schedule: Schedule, state: ScheduleState) -> datetime | None:
    """Times after this are to be decided; None of a file written by hand, which nobody has looked at yet."""
    if state.since == schedule.since and state.until is not None:
        return from_iso(state.until)
    return from_iso(schedule.since)


def _is_set_back(begin: datetime, now: datetime) -> bool:
    return begin > now + _SET_BACK


def _goes_on(run: Workspace) -> bool:
    try:
        return not is_terminal(run_status(run))
    except (UnknownRun, OSError):  # removed, or nobody can tell
        return False


def _stop(run: Workspace, name: str, due: datetime) -> None:
    message = {"type": "stop", "id": f"stop-{run_id_of(name, due)}", "by": f"schedule {name}"}
    try:
        post(run, message)
    except (RunFinished, UnknownRun):  # it has ended by itself
        pass


def _told(
    state: ScheduleState,
    outcome: Outcomes,
    due: datetime,
    now: datetime,
    *,
    run_id: str | None = None,
    detail: str | None = None,
) -> ScheduleState:
    return replace(state, last=Outcome(outcome, to_iso(due), to_iso(now), run_id, detail))
