"""Pages of other origins that may call, as `--allow-origin` names them (CORS). `access` shuts out all others."""

import re

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from .settings import RelayError

__all__ = ["opened_to", "read_origin"]

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_SENT = (
    "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range",
    "Last-Event-ID", "Range",
)  # fmt: skip
_SHOWN = (
    "Content-Disposition", "Content-Range", "ETag", "Location", "Retry-After", "WWW-Authenticate",
    # Of the dialects
    "Stream-Closed", "Stream-Cursor", "Stream-Next-Offset", "Stream-Up-To-Date", "X-Vercel-AI-UI-Message-Stream",
    "X-Workflow-Id",
)  # fmt: skip
_REMEMBERED_S = 600


def read_origin(text: str) -> str:
    """An origin as browsers write it. :raises RelayError: it is none."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        raise RelayError(
            f"--allow-origin {text!r} is no origin",
            "Give scheme, host and port alone, as https://app.example or http://localhost:5173; each one by itself",
        )
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORTS[scheme] else "")


def opened_to(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    """Around the doors, since a browser shows nothing when it asks what it may do.

    No cookie comes from elsewhere (SameSite=Strict): such a page sends a token.
    """
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_SHOWN,
        max_age=_REMEMBERED_S,
    )
