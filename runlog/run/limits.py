"""Limits of a run: their names, and what can be one. What passes them is for the runner to see."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..disk.plain import MAX_SAFE
from ..errors import BadLimit
from .state import RunState

__all__ = [
    "LIMITS",
    "check_limits",
    "faults_of_limits",
    "parse_limit",
    "passed_count",
    "tightest",
]

# name -> what it bounds. Times are of one attempt and begin anew when a run is reopened; what is counted goes on.
LIMITS = {
    "wall_time_s": "seconds from the start of an attempt to its end",
    "idle_time_s": "seconds without an event, while the run does not wait for a person",
    "cost_usd": "USD, over all attempts",
    "turns": "answers of the model, over all attempts",
    "output_bytes": "bytes of the stream, over all attempts",
}
_WHOLE = frozenset({"turns", "output_bytes"})


def check_limits(limits: Mapping[str, Any]) -> dict[str, float]:
    """The limits as they were given, once each is one.

    :raises BadLimit: a name is unknown, or its value no number above 0 and up to 2**53 (for `turns` and
        `output_bytes`: a whole one).
    """
    for fault in faults_of_limits(limits):
        raise fault
    return dict(limits)


def faults_of_limits(limits: Mapping[str, Any]) -> Iterator[BadLimit]:
    """What `check_limits` would raise, for each limit that is none."""
    for name, value in limits.items():
        if name not in LIMITS:
            yield BadLimit(
                name, f"there is no limit {name[:60]!r}", f"Use one of {', '.join(LIMITS)}"
            )
            continue
        whole = name in _WHOLE
        number = isinstance(value, int) or (isinstance(value, float) and not whole)
        if not number or isinstance(value, bool) or not 0 < value <= MAX_SAFE:
            kind = "whole number" if whole else "number"
            # Not `str` of anything: that of a deeply nested list is a RecursionError.
            shown = str(value) if isinstance(value, str | int | float) else type(value).__name__
            yield BadLimit(
                name,
                f"the limit {name} can't be {shown[:60]}",
                f"Give a {kind} above 0, and up to 2**53",
            )


def parse_limit(text: str) -> dict[str, float]:
    """`NAME=VALUE`, as it is written on a command line.

    :raises BadLimit: it is none.
    """
    name, _, number = text.partition("=")
    value: int | float | str
    try:
        value = int(number)
    except ValueError:
        try:
            value = float(number)
        except ValueError:
            value = number
    return check_limits({name: value})


def tightest(*limits: Mapping[str, float]) -> dict[str, float]:
    """Of each limit that any of them sets, the lowest."""
    return {
        name: min(each[name] for each in limits if name in each)
        for name in LIMITS
        if any(name in each for each in limits)
    }


def passed_count(limits: Mapping[str, float], state: RunState) -> tuple[str, float] | None:
    """The first limit of what is counted that a run has passed, and how far it came; None if it has passed none."""
    used = {"cost_usd": state.cost_usd, "turns": state.turns, "output_bytes": state.offset}
    for name, value in used.items():
        if name in limits and value is not None and value > limits[name]:
            return name, value
    return None
