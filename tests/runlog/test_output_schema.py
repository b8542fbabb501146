"""What can be an output_schema, and what does not fit one."""

from typing import Any

import pytest

from runlog.run.output_schema import MAX_SCHEMA_BYTES, faults_of_schema, misfit

LIST: dict[str, Any] = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    "$ref": "#/$defs/node",
    "properties": {"pattern": {"type": "string", "pattern": "^a+$"}},
    "examples": [{"$ref": "nowhere", "pattern": "("}],
}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        LIST,
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$schema": "urn:unknown", "type": ["object", "null"]},
        {"enum": [{"$ref": "x"}], "const": {"pattern": "["}},
    ],
)
def test_schemas(schema: dict[str, Any]) -> None:
    assert faults_of_schema(schema) == {}


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "objekt"}, "/type"),
        ({"type": 1}, "/type"),
        ({"properties": []}, "/properties"),
        ({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum"),
        ({"$ref": "#/$defs/none"}, "/$ref"),
        ({"items": {"$ref": "https://example.org/schema.json"}}, "/items/$ref"),
        ({"anyOf": [{}, {"pattern": "("}]}, "/anyOf/1/pattern"),
        ({"description": "x" * MAX_SCHEMA_BYTES}, ""),
    ],
)
def test_what_is_none(schema: dict[str, Any], place: str) -> None:
    assert list(faults_of_schema(schema)) == [place]


def test_what_does_not_fit() -> None:
    assert misfit(LIST, {"next": {"next": {}}, "pattern": "aa"}) is None
    assert (misfit(LIST, {"next": {"next": 1}}) or "").startswith("at /next/next: 1 is not of type")
    assert (misfit(LIST, {"pattern": "b"}) or "").startswith("at /pattern")
    assert (misfit({"type": "object"}, None) or "").startswith("at its root")
    # Of a file that others wrote: told, not raised.
    assert "can't be used" in (misfit({"$ref": "http://example.org/x"}, 1) or "")
    assert "can't be used" in (misfit({"pattern": "("}, "x") or "")
