"""`/openapi.json`: FastAPI's description of the routes, and what it does not know of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ..http.asked import ID_PATTERN, MESSAGE_ID_PATTERN, OFFSET_PATTERN
from ..http.paths import own_path
from ..http.problems import PROBLEM_MEDIA_TYPE
from ..http.shown import ProblemView
from .schemas import event_components

__all__ = ["openapi_of"]


# Told in the schema; what does not fit is refused further below, by the one place that knows.
_PATTERNS = {
    "after": OFFSET_PATTERN,
    "batch_id": ID_PATTERN,
    "message_id": MESSAGE_ID_PATTERN,
    "name": ID_PATTERN,
    "run_id": ID_PATTERN,
}


def openapi_of(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes, for people and for generators of clients.

    Every operation may answer with a problem; FastAPI's own shape of a 422 is none of ours.
    """
    schema = get_openapi(
        title=api.title,
        version=api.version,
        description=api.description,
        tags=api.openapi_tags,
        routes=api.routes,
        servers=[
            {"url": own_path("") or "/", "description": "The relay that serves this document"}
        ],
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    components = schema["components"]["schemas"]
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
    components["Problem"] = ProblemView.model_json_schema() | {"title": "Problem"}
    components |= event_components()
    _name_forms(components)
    # Pydantic knows no shape that is not its own.
    components["EventAt"]["properties"]["event"] = {"$ref": "#/components/schemas/Event"}
    problem = {
        "description": "What is wrong, and what to do next",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"] |= {"4XX": problem, "5XX": problem}
            for parameter in operation.get("parameters", ()):
                name = parameter["name"]
                if name == "after" and "{run_id}" not in path:
                    continue  # a place in many runs
                if pattern := _PATTERNS.get(name):
                    _text_of(parameter["schema"])["pattern"] = pattern
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{}, {"token": []}]
    return schema


def _name_forms(components: dict[str, Any]) -> None:
    """The forms of a body become components: generators name what they make of them by that."""
    for schema in list(components.values()):
        for number, form in enumerate(forms := schema.get("oneOf", [])):
            if title := form.get("title"):
                components[title] = form
                forms[number] = {"$ref": f"#/components/schemas/{title}"}


def _text_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema that is for text: of a parameter that may be left out there are two."""
    options: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return next(option for option in options if option.get("type") == "string")
