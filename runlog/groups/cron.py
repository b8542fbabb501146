"""When a cron expression is due in a time zone. Pure: every moment is handed in.

The fields, and what becomes of times that a zone skips or has twice, are as in Debian's cron: https://github.com/cuu508/cronsim
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice

from ..errors import BadSchedule

__all__ = [
    "MAX_CRON_CHARS",
    "check_cron",
    "check_timezone",
    "latest_due",
    "next_due",
    "next_times",
    "zone_of",
]

MAX_CRON_CHARS = 200
_FIELDS = "minute hour day-of-month month day-of-week"
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+/-]{0,63}")
# From here 50 years are looked through: what does not come in them never does.
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
# How far back the last time is looked for: what is due often is found near, what is seldom costs little to step over.
_LOOKS_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=366))


def check_cron(text: str) -> str:
    """The expression with single spaces.

    :raises BadSchedule: it is none, or never due.
    """
    from cronsim import CronSimError

    cron = " ".join(text.split())
    if cron.startswith("@"):
        word = _WORDS.get(cron.lower())
        hint = f"Write {word}" if word else f"Write five fields: {_FIELDS}"
        raise _bad(f"{cron[:40]!r} is a word of crontab that is not understood here", hint)
    if len(cron) > MAX_CRON_CHARS:
        raise _bad(f"it is over {MAX_CRON_CHARS} characters", "Make several schedules of it")
    if (count := len(cron.split())) != 5:
        seconds = "; there are no seconds" if count == 6 else ""
        raise _bad(f"it has {count} fields", f"Write five: {_FIELDS}{seconds}")
    try:
        due = next_due(cron, "UTC", _SOME_DAY)
    except CronSimError as error:
        told = str(error).replace("Bad ", "there is no such ")
        raise _bad(told, f"The fields are: {_FIELDS}, e.g. 30 7 * * MON-FRI") from None
    if due is None:
        raise _bad("it is never due", "There is no such day in the next 50 years")
    return cron


def check_timezone(name: str) -> str:
    """:raises BadSchedule: no time zone has that name."""
    try:
        if not _ZONE.fullmatch(name):
            raise ValueError
        zone_of(name)
    except (KeyError, ValueError, OSError):
        raise BadSchedule(
            f"`timezone` of the schedule: there is no time zone {name[:64]!r}",
            "Use a name of the IANA database, e.g. Europe/Berlin, America/New_York or UTC",
            pointer="/timezone",
        ) from None
    return name


def zone_of(name: str) -> tzinfo:
    """Of a name that was checked."""
    from zoneinfo import ZoneInfo  # takes 20 ms to import, and every command imports us

    return UTC if name == "UTC" else ZoneInfo(name)


def next_due(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after that moment, in UTC; None if there is none in 50 years."""
    return next(_times(cron, timezone, after), None)


def next_times(cron: str, timezone: str, after: datetime, count: int) -> list[datetime]:
    """The next ones, in UTC."""
    return list(islice(_times(cron, timezone, after), count))


def latest_due(cron: str, timezone: str, after: datetime, until: datetime) -> datetime | None:
    """The last time that is after the one moment and not after the other; None if there is none between."""
    for span in _LOOKS_BACK:
        if until - span <= after:
            break
        if last := _last(cron, timezone, until - span, until):
            return last
    return _last(cron, timezone, after, until)


def _last(cron: str, timezone: str, after: datetime, until: datetime) -> datetime | None:
    last = None
    for due in _times(cron, timezone, after):
        if due > until:
            break
        last = due
    return last


def _times(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # nobody without schedules needs it

    times = CronSim(cron, after.astimezone(zone_of(timezone)))
    last = after
    while (due := next(times, None)) is not None:
        moment = due.astimezone(UTC)
        # An hour that comes twice is begun anew, and several times that are skipped fall on one.
        if moment > last:
            last = moment
            yield moment


def _bad(told: str, hint: str) -> BadSchedule:
    return BadSchedule(f"`cron` of the schedule: {told}", hint, pointer="/cron")
