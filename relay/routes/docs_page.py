"""`/docs`: the OpenAPI description as one plain page.

No script and nothing from elsewhere: it works offline, and under a content policy that allows neither.
"""

import base64
import hashlib
import html
import json
import re
from typing import Any

from starlette.responses import Response

from ..http.paths import own_path
from ..http.problems import KINDS

__all__ = ["docs_page"]

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{padding:.75rem;overflow-x:auto;border:1px solid #8884;border-radius:6px;background:#8881}
h2{margin-top:2.5rem;border-bottom:1px solid #8886}
details{border:1px solid #8884;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
summary b{display:inline-block;min-width:4.5rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8883}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}

_FOR_PROGRAMS = (
    '<p>For programs: <a href="{path}">{path}</a>. Errors are <code>application/problem+json</code>, '
    "and their <code>detail</code> says what to do next.</p>"
)

_Json = dict[str, Any]


def docs_page(openapi: _Json) -> Response:
    """:param openapi: an OpenAPI 3.1 document."""
    parts = [
        f"<h1>{_text(openapi['info']['title'])} <small>{_text(openapi['info']['version'])}</small></h1>",
        _prose(openapi["info"]["description"]),
        _FOR_PROGRAMS.format(path=own_path("/openapi.json")),
    ]
    schemas = openapi["components"]["schemas"]
    for tag in openapi["tags"]:
        parts.append(f"<h2>{_text(tag['name'].capitalize())}</h2>{_prose(tag['description'])}")
        parts += [
            _operation(method, path, operation, schemas)
            for path, operations in openapi["paths"].items()
            for method, operation in operations.items()
            if tag["name"] in operation.get("tags", ()) and method != "head"
        ]
    parts.append("<h2>Problems</h2><table>")
    parts += [
        f'<tr id="{kind}"><td><code>{kind}</code></td><td>{_inline(meaning)}</td></tr>'
        for kind, meaning in KINDS.items()
    ]
    parts.append("</table><h2>Shapes</h2>")
    parts += [_shape(name, schemas[name]) for name in sorted(schemas)]
    body = "".join(parts)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tailcast API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )
    return Response(page, media_type="text/html", headers=_HEADERS)


def _operation(method: str, path: str, operation: _Json, schemas: _Json) -> str:
    title = f"<b>{method.upper()}</b> <code>{_text(path)}</code> {_text(operation['summary'])}"
    parts = [
        f"<details><summary>{title}</summary>",
        _prose(operation.get("description", "")),
    ]
    rows = [
        f"<tr><td><code>{_text(p['name'])}</code></td><td>{_text(p['in'])}</td><td>{_prose(_says(p))}</td></tr>"
        for p in operation.get("parameters", ())
    ]
    if rows:
        parts.append(f"<table><tr><th>Parameter<th>In<th></tr>{''.join(rows)}</table>")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        parts.append(f"<p>Body: {_schema_link(body['schema'])}</p>")
        parts += [_code(example) for example in _examples(body["schema"], schemas)]
    for status, answer in operation["responses"].items():
        if status in ("4XX", "5XX"):
            continue
        content = answer.get("content", {})
        shapes = " ".join(_schema_link(c["schema"]) for c in content.values() if "schema" in c)
        parts.append(f"<p><b>{status}</b> {_inline(answer['description'])} {shapes}</p>")
        parts += [_code(c["example"]) for c in content.values() if "example" in c]
    return "".join(parts) + "</details>"


def _shape(name: str, schema: _Json) -> str:
    rows = []
    required = schema.get("required", ())
    for field, described in schema.get("properties", {}).items():
        need = "required" if field in required else ""
        rows.append(
            f"<tr><td><code>{_text(field)}</code></td><td>{_schema_link(described)}</td>"
            f"<td>{need}</td><td>{_prose(described.get('description', ''))}</td></tr>"
        )
    options = "" if rows else f"<p>{_schema_link(schema)}</p>"
    return (
        f'<details id="{_text(name)}"><summary><code>{_text(name)}</code></summary>'
        f"{_prose(schema.get('description', ''))}{options}<table>{''.join(rows)}</table></details>"
    )


def _says(parameter: _Json) -> str:
    schema = parameter.get("schema", {})
    told = str(parameter.get("description", ""))
    if "default" in schema:
        told += f" (default `{json.dumps(schema['default'])}`)"
    return told


def _schema_link(schema: _Json) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{_text(name)}"><code>{_text(name)}</code></a>'
    for options in ("anyOf", "oneOf"):
        if options in schema:
            return " or ".join(_schema_link(option) for option in schema[options])
    if "const" in schema:
        return f"<code>{_text(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{_text(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_schema_link(schema.get('items', {}))}"
    kinds = schema.get("type", "any JSON")
    return _text(kinds if isinstance(kinds, str) else " or ".join(kinds))


def _examples(schema: _Json, schemas: _Json) -> list[Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: list[Any] = schemas.get(name, {}).get("examples", [])
    return found


def _code(example: Any) -> str:
    text = (
        example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    )
    return f"<pre>{_text(text)}</pre>"


def _prose(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.split("\n\n") if part.strip())


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _text(text: str) -> str:
    return html.escape(text)
