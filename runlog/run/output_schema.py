"""The JSON Schema that the result of a run has to fit: what can be one, and what does not fit it. Pure.

Imported only where a run has one: `jsonschema` takes a while.
"""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from ..disk.records import encode

__all__ = ["MAX_SCHEMA_BYTES", "NOTHING_FETCHED", "faults_of_schema", "misfit"]

_EMPTY: Registry[Any] = Registry()
# For a validator: a `$ref` to elsewhere is one to nowhere.
NOTHING_FETCHED: dict[str, Any] = {"registry": _EMPTY}

# It goes to the Claude CLI as an argument, of which Linux takes 128 KiB.
MAX_SCHEMA_BYTES = 64 * 1024
# Where values stand, which say nothing of a schema.
_VALUES = frozenset({"const", "default", "enum", "examples"})
_MAX_FAULTS = 20


def faults_of_schema(schema: dict[str, Any]) -> dict[str, str]:
    """Pointer into the schema -> what is wrong there; nothing if it can be used."""
    size = len(encode(schema))
    if size > MAX_SCHEMA_BYTES:
        return {"": f"An output_schema has at most {MAX_SCHEMA_BYTES:,} bytes, not {size:,}"}
    try:
        _kind_of(schema).check_schema(schema)
    except SchemaError as error:
        path = "".join(f"/{part}" for part in error.absolute_path)
        return {path: f"It is no JSON Schema: {error.message[:300]}"}
    resource: Resource[Any] = Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = _EMPTY.resolver_with_root(resource)
    faults: dict[str, str] = {}
    for path, name, value in _texts(schema, ""):
        try:
            if name == "$ref":
                resolver.lookup(value)
            else:
                re.compile(value)
        except (Unresolvable, ValueError):
            faults[path] = f"{value[:100]!r} is nowhere in this schema; nothing is fetched"
        except re.error as error:
            faults[path] = f"{value[:100]!r} is no pattern: {error}"
        if len(faults) >= _MAX_FAULTS:
            break
    return faults


def misfit(schema: dict[str, Any], output: Any) -> str | None:
    """Why an output does not fit, and where; None if it does."""
    try:
        error = best_match(_kind_of(schema)(schema, **NOTHING_FETCHED).iter_errors(output))
    except (Unresolvable, re.error, RecursionError) as fault:
        return f"the output_schema can't be used: {fault}"
    if error is None:
        return None
    place = "".join(f"/{part}" for part in error.absolute_path) or "its root"
    return f"at {place}: {error.message[:500]}"


def _kind_of(schema: dict[str, Any]) -> Any:
    named = schema.get("$schema")
    given = {"$schema": named} if isinstance(named, str) else {}
    return validators.validator_for(given, default=Draft202012Validator)


def _texts(schema: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Each `$ref` and `pattern`."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from _texts(item, f"{path}/{number}")
    elif isinstance(schema, dict):
        for name, value in schema.items():
            if name in ("$ref", "pattern") and isinstance(value, str):
                yield f"{path}/{name}", name, value
            elif name not in _VALUES:
                yield from _texts(value, f"{path}/{name}")
