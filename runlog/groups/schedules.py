"""`_schedules/<name>.json`: when runs of a deployment are started by the clock. What came of it: `schedule_state`."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from ..disk.durable import folder_locked, remove_file, replace_file
from ..disk.records import encode, now_iso
from ..errors import BadSchedule, BrokenNamed, BrokenSchedule, UnknownSchedule
from ..run.own_words import MAX_TITLE_CHARS
from .cron import check_cron, check_timezone, zone_of
from .field_checks import (
    PRIORITY_WANTED,
    START_KINDS,
    Kind,
    checked_fields,
    is_object,
    is_priority,
    is_text,
)
from .named_files import NamedFiles, Precondition

__all__ = [
    "MAX_SCHEDULES",
    "READ_ONLY",
    "SCHEDULES_FOLDER",
    "Missed",
    "Overlap",
    "Schedule",
    "SchedulePrecondition",
    "check_schedule_name",
    "list_schedules",
    "read_schedule",
    "remove_schedule",
    "schedule_names",
    "schedule_of",
    "set_enabled",
    "state_path",
    "title_at",
    "write_schedule",
]

SCHEDULES_FOLDER = "_schedules"
# The runner looks at the files of all of them each second.
MAX_SCHEDULES = 500

Overlap = Literal["skip", "queue", "stop"]
Missed = Literal["none", "once"]

# Shown of a schedule, and passed over where one is put, so that what was read can be changed and put again.
READ_ONLY = frozenset(
    {"created_at", "updated_at", "since", "next_times", "last", "last_run", "waits_since", "links"}
)
# What decides when: if it changes, times of before are none of the new ones.
_WHEN = ("cron", "timezone")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Runs of `deployment`, at the times of `cron` in `timezone` (a name of IANA's).

    `overlap`: what is done if the run of before has not ended: `skip` this one, `queue` it (one at most) until it
    has, or `stop` that and then start. `missed`: of times at which no runner was there, or it was not `enabled`, the
    last is made up for (`once`), or none is.

    The rest is what a start of the deployment may bring, as there; in `title` `{date}`, `{time}` and `{schedule}` are
    replaced. Times are ISO, in UTC; those after `since` count.
    """

    name: str
    cron: str
    deployment: str
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    missed: Missed = "none"
    enabled: bool = True
    description: str = ""
    prompt: str | list[Any] | None = None
    runtime_overrides: dict[str, Any] = field(default_factory=dict)
    interactive: bool | None = None
    limits: dict[str, float] = field(default_factory=dict)
    priority: int | None = None
    park_after_s: float | None = None
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    output_schema: dict[str, Any] | None = None
    created_at: str = ""
    updated_at: str = ""
    since: str = ""

    def as_json(self) -> dict[str, Any]:
        """Not a deep copy (as of `asdict`), which would end at a far smaller depth of nesting than JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


SchedulePrecondition = Precondition[Schedule]


def check_schedule_name(text: str) -> str:
    """:raises BadSchedule: `text` does not match `^[a-z0-9][a-z0-9-]{0,79}$`."""
    if not _FILES.is_name(text):
        raise BadSchedule(
            f"{text[:100]!r} is not a name of a schedule",
            "A name is 1 to 80 of a-z, 0-9 and '-', and begins with a letter or digit",
            pointer="/name",
        )
    return text


def schedule_of(name: str, body: Mapping[str, Any]) -> Schedule:
    """A schedule from JSON data; what is missing has its default. Whether it fits its deployment is for the caller.

    :raises BadSchedule: the name can't be one, or a field is unknown, missing or wrong.
    """
    check_schedule_name(name)
    given = checked_fields("schedule", name, body, _FIELDS, _KINDS, _REQUIRED, _bad)
    given["cron"] = check_cron(given["cron"])
    check_timezone(given.get("timezone", "UTC"))
    return Schedule(**given)


def title_at(schedule: Schedule, due: datetime) -> str | None:
    """Of a run that is due then."""
    if schedule.title is None:
        return None
    there = due.astimezone(zone_of(schedule.timezone))
    words = {"{date}": f"{there:%Y-%m-%d}", "{time}": f"{there:%H:%M}", "{schedule}": schedule.name}
    title = schedule.title
    for word, told in words.items():
        title = title.replace(word, told)
    return title[:MAX_TITLE_CHARS]


def read_schedule(root: Path, name: str) -> Schedule:
    """:raises BadSchedule: there can be none of that name.
    :raises UnknownSchedule: there is none.
    :raises BrokenSchedule: its file can't be read, or holds something else.
    :raises OSError: the system can't open anything now.
    """
    return _FILES.read(root, check_schedule_name(name))


def list_schedules(root: Path) -> tuple[list[Schedule], dict[str, BrokenNamed]]:
    """All of a root in the order of their names; and by name, why the others can't be used."""
    return _FILES.read_all(root)


def schedule_names(root: Path) -> list[str]:
    """In their order, also of those that can't be used."""
    return _FILES.names(root)


def write_schedule(
    root: Path, schedule: Schedule, precondition: SchedulePrecondition | None = None
) -> tuple[Schedule, bool]:
    """Make or replace it; on the disk when this returns. The times in it are set here.

    :return: what was written, and whether it is new.
    :raises BadSchedule: there are `MAX_SCHEDULES` already.
    """
    path = _FILES.path(root, check_schedule_name(schedule.name))
    with folder_locked(path.parent):
        present = _FILES.present(root, schedule.name)
        if precondition is not None:
            precondition(present)
        if present is None and len(_FILES.names(root)) >= MAX_SCHEDULES:
            raise BadSchedule(
                f"there are {MAX_SCHEDULES} schedules, and a root has no more",
                "Remove one that is not needed",
                pointer="/name",
            )
        return _write(
            path, schedule, present if isinstance(present, Schedule) else None
        ), present is None


def set_enabled(root: Path, name: str, enabled: bool) -> Schedule:
    """Pause a schedule, or let it go on.

    :raises UnknownSchedule, BrokenSchedule: see `read_schedule`.
    """
    before = read_schedule(root, name)
    path = _FILES.path(root, name)
    with folder_locked(path.parent):
        before = read_schedule(root, name)
        if before.enabled == enabled:
            return before
        return _write(path, replace(before, enabled=enabled), before)


def remove_schedule(
    root: Path, name: str, precondition: SchedulePrecondition | None = None
) -> None:
    """Its runs stay, and those that run go on.

    :raises UnknownSchedule: there is none.
    """
    _FILES.remove(root, check_schedule_name(name), precondition)
    with contextlib.suppress(FileNotFoundError):
        remove_file(state_path(root, name))


def state_path(root: Path, name: str) -> Path:
    """Of what `schedule_state` keeps: a name that no schedule has."""
    return root / SCHEDULES_FOLDER / f"{name}.state.json"


def _write(path: Path, schedule: Schedule, before: Schedule | None) -> Schedule:
    """:param before: what is replaced, if that could be read."""
    now = now_iso()
    since = now
    if before is not None and all(getattr(before, n) == getattr(schedule, n) for n in _WHEN):
        # What was due in a pause counts as missed, or not at all.
        resumed = schedule.enabled and not before.enabled
        since = now if resumed and schedule.missed == "none" else before.since
    made_at = before.created_at if before is not None else ""
    written = replace(schedule, created_at=made_at or now, updated_at=now, since=since)
    replace_file(path, encode(written.as_json()))
    return written


def _bad(name: str, told: str) -> BadSchedule:
    return BadSchedule(f"`{name[:100]}` of the schedule: {told}", pointer=f"/{name[:100]}")


_FILES = NamedFiles(
    "schedule",
    SCHEDULES_FOLDER,
    "schedules",
    schedule_of,
    BadSchedule,
    UnknownSchedule,
    BrokenSchedule,
)


def _one_of(words: Any) -> Kind:
    return (lambda v: isinstance(v, str) and v in words, f"one of {', '.join(words)}")


def _or_null(kind: tuple[Callable[[Any], bool], str]) -> Kind:
    return (lambda v: v is None or kind[0](v), f"{kind[1]}, or null")


_FIELDS = frozenset(f.name for f in fields(Schedule))
_REQUIRED = {
    "cron": "say when, e.g. 30 7 * * MON-FRI",
    "deployment": "name the deployment to start",
}
_KINDS: dict[str, Kind] = START_KINDS | {
    "cron": (is_text, "text"),
    "deployment": (lambda v: isinstance(v, str) and 0 < len(v) <= 200, "the name of a deployment"),
    "timezone": (is_text, "the name of a time zone"),
    "overlap": _one_of(get_args(Overlap)),
    "missed": _one_of(get_args(Missed)),
    "enabled": (lambda v: isinstance(v, bool), "true or false"),
    "runtime_overrides": (is_object, "an object"),
    "interactive": _or_null((lambda v: isinstance(v, bool), "true or false")),
    "priority": _or_null((is_priority, PRIORITY_WANTED)),
    "since": (is_text, "a time"),
}
