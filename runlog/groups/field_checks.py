"""What fields of a named thing may hold, where it is read from a file or was sent. Pure."""

from collections.abc import Callable, Mapping, Set
from typing import Any

from ..errors import BadLimit, BadOwnWords, RunlogError
from ..run.limits import check_limits
from ..run.manifest import MAX_PARK_AFTER_S, MAX_PRIORITY, is_park_time
from ..run.own_words import check_own_words

__all__ = [
    "PRIORITY_WANTED",
    "START_KINDS",
    "Kind",
    "checked_fields",
    "is_object",
    "is_priority",
    "is_text",
    "is_whole",
]

Kind = tuple[Callable[[Any], bool], str]
"""Whether a value fits, and what would."""


def checked_fields(
    noun: str,
    name: str,
    body: Mapping[str, Any],
    known: Set[str],
    kinds: Mapping[str, Kind],
    required: Mapping[str, str],
    bad: Callable[[str, str], RunlogError],
) -> dict[str, Any]:
    """The fields that are there, with the `name`.

    :param required: field -> what to do if it is missing.
    :param bad: the error of a field (`limits/turns`), and what is wrong with it.
    """
    given = dict(body) | {"name": name}
    if body.get("name", name) != name:
        raise bad("name", f"it is {str(body['name'])[:100]!r} here; leave it out, or use {name!r}")
    if unknown := sorted(given.keys() - known):
        raise bad(unknown[0], f"there is no such field of a {noun}")
    for field, remedy in required.items():
        if field not in given:
            raise bad(field, f"it is missing: {remedy}")
    for field, (fits, wanted) in kinds.items():
        if field in given and not fits(given[field]):
            raise bad(field, f"it must be {wanted}")
    try:
        check_limits(given.get("limits", {}))
    except BadLimit as error:
        raise bad(f"limits/{error.name}", str(error)) from None
    try:
        check_own_words(*(given.get(name) for name in ("title", "labels", "thread_id")))
    except BadOwnWords as error:
        pointer, told = next(iter(error.faults.items()))
        raise bad(pointer[1:], told) from None
    return given


def is_object(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_whole(value: Any) -> bool:
    return type(value) is int


def is_priority(value: Any) -> bool:
    return is_whole(value) and abs(value) <= MAX_PRIORITY


PRIORITY_WANTED = f"a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}"

# Of what says how runs are started.
START_KINDS: dict[str, Kind] = {
    "description": (is_text, "text"),
    "prompt": (
        lambda v: v is None or isinstance(v, str | list),
        "text, or a list of content blocks",
    ),
    "limits": (is_object, "an object"),
    "park_after_s": (
        lambda v: v is None or is_park_time(v),
        f"seconds, from 0 to {MAX_PARK_AFTER_S}, or null",
    ),
    "labels": (is_object, "an object"),
    "output_schema": (lambda v: v is None or is_object(v), "a JSON Schema: an object, or null"),
    "created_at": (is_text, "a time"),
    "updated_at": (is_text, "a time"),
}
