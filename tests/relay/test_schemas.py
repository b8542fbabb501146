"""The schemas of events and inbox lines as the relay gives them out."""

from jsonschema import Draft202012Validator

from runlog.run.vocabulary import EVENT_TYPES, event_schema, inbox_schema
from tests.relay.live import Relay


def test_schemas_are_served(relay: Relay) -> None:
    for path, schema in (("/events/schema", event_schema()), ("/inbox/schema", inbox_schema())):
        answer = relay.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/schema+json; charset=utf-8"
        assert answer.json() == schema


def test_openapi_has_a_shape_for_each_type_of_event(relay: Relay) -> None:
    schemas = relay.client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["EventAt"]["properties"]["event"] == {"$ref": "#/components/schemas/Event"}
    mapping = schemas["OwnEvent"]["discriminator"]["mapping"]
    assert tuple(mapping) == EVENT_TYPES
    for kind, name in mapping.items():
        assert schemas[name.rpartition("/")[2]] == event_schema()["$defs"][kind]
    assert [one["$ref"] for one in schemas["OwnEvent"]["oneOf"]] == list(mapping.values())
    # As a program would use it: whole, with its references.
    whole = {"$ref": "#/components/schemas/EventAt", "components": {"schemas": schemas}}
    validator = Draft202012Validator(whole)
    assert validator.is_valid({"offset": 9, "event": {"type": "assistant"}})
    assert not validator.is_valid({"offset": 9, "event": {"type": "auto_approving"}})


def test_docs_page_links_the_shapes(relay: Relay) -> None:
    page = relay.client.get("/docs").text
    assert 'id="ReasonCardEvent"' in page and 'href="#ReasonCardEvent"' in page
    assert "number or null" in page
