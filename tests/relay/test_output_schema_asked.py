"""`output_schema` at a start, in batches and deployments: what can be one is kept, what can't is refused."""

import json
from typing import Any

from runlog import Workspace, read_manifest
from tests.relay.live import Relay
from tests.relay.test_deployments import put, refused

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OTHER = {"type": "array"}
ASK: dict[str, Any] = {"workflow": "claude", "prompt": "go"}


def schema_of(relay: Relay, run_id: str) -> Any:
    kept = read_manifest(Workspace(relay.root, run_id)).output_schema  # type: ignore[arg-type]
    assert relay.get(f"/workflows/{run_id}").json()["output_schema"] == kept
    return kept


def test_it_is_kept(relay: Relay) -> None:
    started = relay.post("/workflows", ASK | {"output_schema": SCHEMA})
    assert started.status_code == 201, started.text
    assert schema_of(relay, started.json()["run_id"]) == SCHEMA
    inputs = [{}, {"output_schema": OTHER}]
    body = {"workflow": "claude", "output_schema": SCHEMA}
    made = relay.post("/batches", body | {"inputs": [i | {"prompt": "x"} for i in inputs]})
    assert made.status_code == 201, made.text
    assert [schema_of(relay, run_id) for run_id in made.json()["run_ids"]] == [SCHEMA, OTHER]


def test_what_is_no_schema_is_refused(relay: Relay) -> None:
    cases: list[tuple[Any, str]] = [
        ("text", "#/output_schema"),
        ([], "#/output_schema"),
        ({"type": "objekt"}, "#/output_schema/type"),
        (
            {"properties": {"a": {"$ref": "http://example.org/"}}},
            "#/output_schema/properties/a/$ref",
        ),
        ({"description": "x" * 70_000}, "#/output_schema"),
    ]
    for schema, pointer in cases:
        refused(relay.post("/workflows", ASK | {"output_schema": schema}), pointer)
        inputs = {"inputs": [{"prompt": "x"}, {"prompt": "x", "output_schema": schema}]}
        batch = relay.post("/batches", {"workflow": "claude"} | inputs)
        refused(batch, f"#/inputs/1{pointer[1:]}")
        refused(put(relay, "no-schema", ASK | {"output_schema": schema}), pointer)
    command = {"workflow": "command", "params": {"argv": ["true"]}, "output_schema": SCHEMA}
    assert "by a schema" in refused(relay.post("/workflows", command), "#/output_schema")["detail"]


def test_that_of_a_deployment_stays_unless_it_allows_another(relay: Relay) -> None:
    body = ASK | {"output_schema": SCHEMA}
    made = put(relay, "by-schema", body)
    assert made.status_code == 201 and made.json()["output_schema"] == SCHEMA
    run_id = relay.post("/workflows", {"deployment": "by-schema"}).json()["run_id"]
    assert schema_of(relay, run_id) == SCHEMA
    other = {"deployment": "by-schema", "output_schema": OTHER}
    refused(relay.post("/workflows", other), "#/output_schema")
    put(relay, "by-schema", body | {"allowed_overrides": ["output_schema"]})
    run_id = relay.post("/workflows", other).json()["run_id"]
    assert schema_of(relay, run_id) == OTHER


def test_a_start_is_repeated_with_it(relay: Relay) -> None:
    headers = {"idempotency-key": "by-schema-1", "content-type": "application/json"}
    body = json.dumps(ASK | {"output_schema": SCHEMA})
    first, again = (
        relay.client.post("/api/v1/workflows", content=body, headers=headers) for _ in range(2)
    )
    assert first.status_code == again.status_code == 201
    assert first.json()["run_id"] == again.json()["run_id"]
