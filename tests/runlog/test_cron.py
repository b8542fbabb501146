"""Cron in time zones: hours that are skipped or come twice, what never comes, how far is looked back."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlog.errors import BadSchedule
from runlog.groups.cron import check_cron, check_timezone, latest_due, next_due, next_times

BERLIN = "Europe/Berlin"
SPRING = datetime(2025, 3, 29, 12, tzinfo=UTC)  # at 2:00 on the 30th it is 3:00
AUTUMN = datetime(2025, 10, 25, 12, tzinfo=UTC)  # at 3:00 on the 26th it is 2:00
ZONES = ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]
CRONS = [
    "* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 1-3 * * *", "0 */5 * * *", "15 2 * * SUN",
    "0 0 L * *", "0 12 1,15 * MON", "59 23 31 12 *", "0 0 29 2 *", "* 2 * * *", "0 9 * * MON#1",
]  # fmt: skip


def shown(cron: str, after: datetime, count: int = 3, timezone: str = BERLIN) -> list[str]:
    return [f"{due:%d %H:%M}" for due in next_times(cron, timezone, after, count)]


@pytest.mark.parametrize(
    ("cron", "after", "times"),
    [
        # A time that is skipped comes as soon as there is one, once.
        ("30 2 * * *", SPRING, ["30 01:00", "31 00:30", "01 00:30"]),
        ("0,30 2 * * *", SPRING, ["30 01:00", "31 00:00", "31 00:30"]),
        ("0 2,3 * * *", SPRING, ["30 01:00", "31 00:00", "31 01:00"]),
        ("0 * * * *", SPRING + timedelta(hours=12), ["30 01:00", "30 02:00", "30 03:00"]),
        # One that comes twice is the first; what is due each hour is due in both.
        ("30 2 * * *", AUTUMN, ["26 00:30", "27 01:30", "28 01:30"]),
        ("30 * * * *", AUTUMN + timedelta(hours=12), ["26 00:30", "26 01:30", "26 02:30"]),
        ("*/30 * * * *", AUTUMN + timedelta(hours=12), ["26 00:30", "26 01:00", "26 01:30"]),
    ],
)
def test_clocks_that_are_changed(cron: str, after: datetime, times: list[str]) -> None:
    assert shown(cron, after) == times


def test_asked_within_the_hour_that_comes_twice() -> None:
    """By the clock on the wall 2:30 is ahead again; it was."""
    second = datetime(2025, 10, 26, 1, 15, tzinfo=UTC)
    assert shown("30 2 * * *", second, 1) == ["27 01:30"]
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert latest_due("30 2 * * *", BERLIN, first, second) is None
    assert latest_due("30 2 * * *", BERLIN, first - timedelta(seconds=1), second) == first


@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.integers(1, 3 * 86400),
)
def test_each_time_comes_once_wherever_one_begins(
    cron: str, timezone: str, moment: datetime, seconds: int
) -> None:
    after = moment.replace(tzinfo=UTC)
    until = after + timedelta(seconds=seconds)
    stepped, at = [], after
    while (due := next_due(cron, timezone, at)) is not None and due <= until and len(stepped) < 99:
        stepped.append(due)
        at = due
    assert stepped == next_times(cron, timezone, after, len(stepped))
    assert all(one < other for one, other in pairwise([after, *stepped]))
    if len(stepped) < 99:
        assert latest_due(cron, timezone, after, until) == (stepped[-1] if stepped else None)


def test_years_that_were_missed_are_not_counted_through() -> None:
    until = datetime(2025, 1, 1, 0, 0, 30, tzinfo=UTC)
    for cron in ("* * * * *", "0 0 1 1 *", "0 0 29 2 *"):
        last = latest_due(cron, "UTC", datetime(1999, 1, 1, tzinfo=UTC), until)
        assert last == (
            datetime(2024, 2, 29, tzinfo=UTC) if "29" in cron else datetime(2025, 1, 1, tzinfo=UTC)
        )


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("0 0 30 2 *", "no such day"),
        ("0 0 31 2,4,6,9,11 *", "no such day"),
        ("* * * *", "Write five"),
        ("0 0 * * * *", "no seconds"),
        ("", "Write five"),
        ("@weekly", "Write 0 0 * * 0"),
        ("@reboot", "Write five"),
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("*/0 * * * *", "minute"),
        ("9-5 * * * *", "minute"),
        ("1" * 201 + " * * * *", "characters"),
        ("\u0661 * * * *", "minute"),
    ],
)
def test_what_is_no_cron(cron: str, told: str) -> None:
    with pytest.raises(BadSchedule, match=re.escape(told)) as refused:
        check_cron(cron)
    assert refused.value.pointer == "/cron"


@given(st.text("0123456789*/-,#LW SUNMONJAN", max_size=30))
def test_any_text_is_one_or_is_refused(text: str) -> None:
    try:
        cron = check_cron(text)
    except BadSchedule:
        return
    assert next_due(cron, BERLIN, SPRING) is not None


def test_spaces_do_not_matter() -> None:
    assert check_cron("  0\t7 *  * mon-fri ") == "0 7 * * mon-fri"


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Nowhere", "../UTC", "/etc/localtime", "a\0b", "x" * 99, "Ü"]
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(BadSchedule, match="no time zone"):
        check_timezone(name)
