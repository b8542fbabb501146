"""Which runs are asked for, and in which order: as SQL over the tables of `store`."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from ..disk.records import from_iso
from ..errors import BadCursor
from ..run.events import Status

__all__ = [
    "FACETS",
    "ORDERS",
    "TIE_BITS",
    "Filters",
    "Order",
    "Place",
    "conditions",
    "created_ms",
    "match_expression",
    "order_of",
    "place_of",
    "words_of",
]

Order = Literal["newest", "oldest", "cost", "duration"]
ORDERS: tuple[Order, ...] = ("newest", "oldest", "cost", "duration")
"""`cost` and `duration`: the highest first."""

FACETS = {"status": "status", "workflow": "asked", "deployment": "deployment", "batch": "batch_id"}
"""Facet -> its column. `asked` is the workflow as `run.json` names it."""

# A key is the time of `created_at` in ms, shifted by this: runs of one ms differ in the rest.
TIE_BITS = 20
_LAST_MS = (1 << (63 - TIE_BITS)) - 1
# The same in every query, and the expressions of two indexes.
_VALUES = {"cost": "ifnull(cost_usd, -1.0)", "duration": "ifnull(duration_s, -1.0)"}
# Filter -> the column that must have its value.
_EQUAL = {name: name for name in ("status", "batch_id", "reason", "thread_id", "schedule")} | {
    "workflow": "asked"
}
# A shorter beginning would be the half of all words.
_PREFIX_CHARS = 2


class Filters(TypedDict, total=False):
    """What rows must have; each may be left out or None.

    `q`: words, each of which begins a word of the run's id, title, labels, thread, prompt (or command) or result.
    `deployment`: one, or any of these. `labels`: all of these, a value None being any. `reason`: in a word, how it
    failed or stopped. `created_after` (inclusive) and `created_before` (exclusive): aware
    times. `cost_over`: in USD.
    """

    q: str | None
    status: Status | None
    workflow: str | None
    deployment: str | Collection[str] | None
    batch_id: str | None
    reason: str | None
    thread_id: str | None
    schedule: str | None
    labels: Collection[tuple[str, str | None]] | None
    created_after: datetime | None
    created_before: datetime | None
    cost_over: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the row with this value of the order, and this tie-break."""

    value: float
    tie: str


def created_ms(created_at: object) -> int:
    """Of a time as manifests have it; 0 for what is none."""
    moment = from_iso(created_at)
    return _ms(moment) if moment else 0


def conditions(filters: Filters, key: str) -> tuple[list[str], list[Any]]:
    """All but `q` and `labels`: terms to be joined by AND, and their parameters. `key` is the column of the key."""
    terms: list[str] = []
    values: list[Any] = []
    for name, column in _EQUAL.items():
        if (value := filters.get(name)) is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    deployment = filters.get("deployment")
    if isinstance(deployment, str):
        terms.append("deployment = ?")
        values.append(deployment)
    elif deployment is not None:
        terms.append(f"deployment IN ({', '.join('?' * len(deployment))})")
        values += deployment
    if (after := filters.get("created_after")) is not None:
        terms.append(f"{key} >= ?")
        values.append(_ms(after) << TIE_BITS)
    if (before := filters.get("created_before")) is not None:
        terms.append(f"{key} < ?")
        values.append(_ms(before) << TIE_BITS)
    if (cost := filters.get("cost_over")) is not None:
        terms.append(f"{_VALUES['cost']} > ?")
        values.append(cost)
    return terms, values


def order_of(order: Order) -> str:
    """An SQL expression, a row's place in that order. By time it is the key."""
    return _VALUES.get(order, "key")


def place_of(cursor: str, order: Order) -> Place:
    """:raises BadCursor: it is not of the form that this order gives."""
    value, separator, tie = cursor.rpartition("~")
    bad = BadCursor(f"list cursor {cursor[:60]!r} is not one of ours", "Send `next` as you got it")
    if not separator:
        raise bad
    if order not in _VALUES:
        return Place(created_ms(value), tie)
    if not re.fullmatch(r"[0-9]{1,19}", tie):
        raise bad
    try:
        return Place(float(value), tie)
    except ValueError:
        raise bad from None


def match_expression(q: str) -> str:
    """`q` for FTS5: all of its words, the longer ones also as beginnings of words."""
    # https://www.sqlite.org/fts5.html#full_text_query_syntax
    words = (word.replace('"', '""') for word in words_of(q))
    return " ".join(f'"{word}"{"*" if len(word) >= _PREFIX_CHARS else ""}' for word in words)


def words_of(q: str) -> Sequence[str]:
    """The words of a query; what holds no letter or digit is none."""
    plain = "".join(c if c.isprintable() else " " for c in q)
    return [word for word in plain.split() if any(c.isalnum() for c in word)]


def _ms(moment: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return min(max(0, int((moment - epoch).total_seconds() * 1000 + 0.5)), _LAST_MS)
