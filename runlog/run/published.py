"""Fields that a workflow publishes: a small state of its own, shown wherever its run is. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["FIELD_NAME_PATTERN", "MAX_FIELDS", "MAX_FIELDS_CHARS", "faults_of_fields", "published"]

# They are in each row of a listing, of 200 rows.
MAX_FIELDS = 32
MAX_FIELDS_CHARS = 8 * 1024
FIELD_NAME_PATTERN = "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
_NAME = re.compile(FIELD_NAME_PATTERN.removeprefix("^").removesuffix("$"))


def published(before: Mapping[str, Any], told: Any) -> dict[str, Any]:
    """With what a `fields_published` event tells: each name over the one before, null takes it away.

    What is out of bounds (anyone may have written it) changes nothing.
    """
    fields = dict(before)
    for name, value in told.items() if isinstance(told, dict) else ():
        if value is None:
            fields.pop(name, None)
        elif not faults_of_fields(fields | {name: value}):
            fields[name] = value
    return fields


def faults_of_fields(fields: Mapping[str, Any]) -> list[str]:
    """Why these can't be the fields of a run; nothing if they can."""
    faults = [
        f"the name of a field is 1 to 64 of A-Z a-z 0-9 _ . -, a letter or _ first, not {str(name)[:64]!r}"
        for name in fields
        if not isinstance(name, str) or not _NAME.fullmatch(name)
    ]
    if len(fields) > MAX_FIELDS:
        faults.append(f"a run has at most {MAX_FIELDS} fields, not {len(fields):,}")
    try:
        chars = len(json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return [*faults, f"the fields are no JSON: {str(error)[:200]}"]
    if chars > MAX_FIELDS_CHARS:
        faults.append(
            f"the fields of a run are at most {MAX_FIELDS_CHARS:,} characters of JSON, not {chars:,}; "
            "put more into a file of the workspace"
        )
    return faults
