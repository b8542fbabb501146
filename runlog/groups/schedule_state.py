"""`_schedules/<name>.state.json`: how far a schedule has come. The runner writes it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ..disk.durable import replace_file
from ..disk.read import is_of_file, read_object
from ..disk.records import encode, from_iso, to_iso
from .cron import next_times
from .schedules import Schedule, state_path

__all__ = [
    "Outcome",
    "Outcomes",
    "ScheduleState",
    "read_state_of",
    "schedule_view",
    "write_state_of",
]

Outcomes = Literal["started", "queued", "skipped", "missed", "refused"]
_SHOWN_TIMES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one time, `due_at`, and when that was decided (`at`). `detail` is for people."""

    outcome: Outcomes
    due_at: str
    at: str
    run_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """All up to `until` has been decided, of the schedule whose `since` is that. `waits_since`: the time whose run is
    to be started when the one of before has ended. `run_id`: of the run that was started last. Times are ISO.
    """

    since: str = ""
    until: str | None = None
    waits_since: str | None = None
    run_id: str | None = None
    last: Outcome | None = None


def read_state_of(root: Path, name: str) -> ScheduleState:
    """What can't be used of it is as if nothing had come about: the runs that are there tell a second time from it.

    :raises OSError: the system can't open anything now.
    """
    try:
        body = read_object(state_path(root, name))
    except OSError as error:
        if not isinstance(error, FileNotFoundError) and not is_of_file(error):
            raise
        return ScheduleState()
    since = body.get("since")
    return ScheduleState(
        since=since if isinstance(since, str) else "",
        until=_time(body.get("until")),
        waits_since=_time(body.get("waits_since")),
        run_id=_text(body.get("run_id")),
        last=_outcome(body.get("last")),
    )


def write_state_of(root: Path, name: str, state: ScheduleState) -> None:
    """Under the lock of the folder, by the runner."""
    replace_file(state_path(root, name), encode(asdict(state)))


def schedule_view(
    schedule: Schedule, state: ScheduleState, now: datetime | None = None
) -> dict[str, Any]:
    """What is shown of it: over HTTP and by the command line alike, both with its `last_run`."""
    times = next_times(schedule.cron, schedule.timezone, now or datetime.now(UTC), _SHOWN_TIMES)
    return schedule.as_json() | {
        "next_times": [to_iso(due) for due in times] if schedule.enabled else [],
        "last": asdict(state.last) if state.last else None,
        "waits_since": state.waits_since,
    }


def _outcome(told: Any) -> Outcome | None:
    if not isinstance(told, Mapping) or told.get("outcome") not in get_args(Outcomes):
        return None
    given = {f.name: told.get(f.name) for f in fields(Outcome)}
    due_at, at = _time(given["due_at"]), _time(given["at"])
    if due_at is None or at is None:
        return None
    return Outcome(told["outcome"], due_at, at, _text(given["run_id"]), _text(given["detail"]))


def _time(told: Any) -> str | None:
    return told if from_iso(told) is not None else None


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) else None
