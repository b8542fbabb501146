"""The schemas of events and inbox lines: served as they are, and named among the shapes of the OpenAPI document."""

from fastapi import APIRouter
from starlette.responses import Response

from runlog.run.vocabulary import EVENT_TYPES, Schema, event_schema, inbox_schema

from ..dependencies import Json

__all__ = ["event_components", "router"]

router = APIRouter()

_PREFIX = "#/components/schemas/"


class _JsonSchema(Json):
    media_type = "application/schema+json; charset=utf-8"


@router.get(
    "/events/schema",
    operation_id="get_events_schema",
    response_class=_JsonSchema,
    tags=["events"],
    summary="What events look like, as JSON Schema",
)
async def events_schema() -> Response:
    """For one line of a stream, whoever wrote it: Tailcast's own by their `type`, each in `$defs` under its name."""
    return _JsonSchema(event_schema())


@router.get(
    "/inbox/schema",
    operation_id="get_inbox_schema",
    response_class=_JsonSchema,
    tags=["messages"],
    summary="What inbox lines look like, as JSON Schema",
)
async def lines_schema() -> Response:
    """For one line of an inbox, and for what the WebSocket takes."""
    return _JsonSchema(inbox_schema())


def event_components() -> dict[str, Schema]:
    """`Event`, `OwnEvent` and a shape for each of its types, under names as generated clients have them."""
    told = event_schema()
    names = {kind: _name(kind) for kind in EVENT_TYPES}
    components = {name: told["$defs"][kind] for kind, name in names.items()}
    # A discriminator has to name every type that there can be: Claude's stand beside, not within.
    components["OwnEvent"] = {
        "description": "An event of Tailcast's own",
        "oneOf": [{"$ref": _PREFIX + name} for name in names.values()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind: _PREFIX + name for kind, name in names.items()},
        },
    }
    components["OtherEvent"] = told["$defs"]["other"]
    components["Event"] = {
        "description": told["description"],
        "anyOf": [{"$ref": _PREFIX + "OwnEvent"}, {"$ref": _PREFIX + "OtherEvent"}],
    }
    return components


def _name(kind: str) -> str:
    return "".join(part.capitalize() for part in kind.split("_")) + "Event"
