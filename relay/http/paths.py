"""Where the relay's clients find it: below a path of its proxy's host, perhaps (`--root-path`)."""

import re
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

from .settings import RelayError

__all__ = ["RootPath", "own_path", "read_root_path", "with_own_paths"]

# Starts of paths of ours: below such a one nobody could tell which of the two is meant.
_OURS = frozenset({"api", "assets", "dialects", "docs", "login", "runs", "compare", "metrics"})
# Nothing that a page or a cookie would have to escape.
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*")

# In a sentence: `See /docs`, `GET /api/v1/catalog`.
_PATH_IN_TEXT = re.compile(r"(?<![^\s(`])(?=/(?:docs|api/v1)\b)")

_root_path: ContextVar[str] = ContextVar("root_path", default="")


def own_path(path: str) -> str:
    """A path of ours as a client of this request asks for it. :param path: as the routes know it, from its `/` on."""
    return _root_path.get() + path


def with_own_paths(text: str) -> str:
    """A text for people, with the paths of ours in it as a client of this request asks for them."""
    root_path = _root_path.get()
    return _PATH_IN_TEXT.sub(root_path, text) if root_path else text


def read_root_path(text: str) -> str:
    """Empty, or `/name`, without a slash at the end. :raises RelayError: it is no path, or one of ours."""
    path = text.rstrip("/")
    if not _ROOT_PATH.fullmatch(path) or path.split("/")[1:2] and path.split("/")[1] in _OURS:
        raise RelayError(
            f"--root-path {text!r} can't be used",
            "Give the path alone, as /tailcast: letters, digits, '.', '_', '~', '-', and none of the relay's own",
        )
    return path


class RootPath:
    """ASGI middleware for the outside of the app. Below it are the paths that the routes know, and links as clients
    ask for them. A proxy may leave the root path in what it asks for, or take it off.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _root_path.set(self._root_path)
        try:
            path = scope.get("path", "")
            if path == self._root_path or path.startswith(f"{self._root_path}/"):
                scope = {**scope, "path": path.removeprefix(self._root_path) or "/"}
            await self._app(scope, receive, send)
        finally:
            _root_path.reset(asked)
