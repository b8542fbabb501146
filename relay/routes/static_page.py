"""The web page as Vite built it: its assets, and `index.html` for every address that the page itself understands.

None of it holds anything of a run: the page gets its data by the API, as everybody does. So it is served without the
token, and a policy keeps what agents wrote from ever becoming script here.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..dependencies import in_thread
from ..http.paths import own_path
from ..http.problems import Problem, ProblemResponse

__all__ = ["NOT_BUILT", "Page", "is_built"]

NOT_BUILT = "The web page is not built: run `make ui` in Tailcast's folder. The API works without it: see /docs"

# Everything else that accepts text/html is an address of the page, as /runs/ID.
_NOT_OF_THE_PAGE = re.compile(r"/(api|assets|docs|openapi\.json|metrics|healthz|readyz)(/.*)?")
_ASSET = re.compile(r"/assets/([A-Za-z0-9_-][A-Za-z0-9._-]{0,200})")

# Best first; Vite's build leaves each asset's compressed forms beside it.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_FIXED_HEADERS = {
    # blob: is what the page itself fetched, with the token, such as a picture in a workspace.
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}
_FOREVER = "public, max-age=31536000, immutable"


class Page:
    """ASGI middleware: answers what a browser asks of the page, and hands on everything else as it is.

    :param folder: what `vite build` wrote. Looked at with each request, so that a new build needs no new relay.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = folder

    @staticmethod
    def takes(scope: Scope) -> bool:
        """Whether it is answered here, and so without the token."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        if _NOT_OF_THE_PAGE.fullmatch(scope["path"]):
            return bool(scope["path"].startswith("/assets/"))
        # Named, not by `*/*`: curl and programs keep getting JSON, of `/` and of what is not there.
        return _accepts(Headers(scope=scope).get("accept", ""), "text/html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.takes(scope):
            await self._app(scope, receive, send)
            return
        response = await in_thread(self._answer, scope["path"], Headers(scope=scope))
        await response(scope, receive, send)

    def _answer(self, path: str, asked: Headers) -> Response:
        if not path.startswith("/assets/"):
            found = _found(self._folder / "index.html", asked, _below_root_path)
            if found is None:
                status = 200 if path == "/" else 404
                return PlainTextResponse(f"{NOT_BUILT}\n", status, {"cache-control": "no-store"})
            found.headers["vary"] = "accept, accept-encoding"
            return found
        asset = _ASSET.fullmatch(path)
        found = _found(self._folder / "assets" / asset[1], asked) if asset else None
        if found is None:
            told = "The page has no such file; it may be of an older build. Load the page again"
            return ProblemResponse(Problem(404, "unknown-file", told))
        found.headers["cache-control"] = _FOREVER  # its name holds a hash of what is in it
        return found


def is_built(folder: Path) -> bool:
    return (folder / "index.html").is_file()


def _below_root_path(index: bytes) -> bytes:
    """Vite writes paths in `index.html` beside it; but it is served under the addresses of runs too."""
    root_path = own_path("").encode()
    index = index.replace(b'="./assets/', b'="%b/assets/' % root_path)
    return index.replace(
        b'name="root-path" content=""', b'name="root-path" content="%b"' % root_path
    )


def _found(
    path: Path, asked: Headers, change: Callable[[bytes], bytes] | None = None
) -> Response | None:
    """The file, in the best form that is there and understood.

    :param change: of what is in it; then there is one form.
    """
    headers = _FIXED_HEADERS | {"cache-control": "no-cache", "vary": "accept-encoding"}
    understood = asked.get("accept-encoding", "")
    content = None
    for encoding, suffix in _ENCODINGS.items():
        if change is None and _accepts(understood, encoding):
            content = _content(path.with_name(path.name + suffix))
            if content is not None:
                headers["content-encoding"] = encoding
                break
    if content is None:
        content = _content(path)
    if content is None:
        return None
    if change is not None:
        content = change(content)
    headers["etag"] = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    if known & {headers["etag"], "*"}:
        return Response(status_code=304, headers=headers)
    headers["content-type"] = _TYPES.get(path.suffix, "application/octet-stream")
    return Response(content, headers=headers)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _accepts(header: str, name: str) -> bool:
    """Whether an `Accept` or `Accept-Encoding` names it, and not to refuse it (`q=0`)."""
    for part in header.lower().split(","):
        named, _, weight = part.partition(";")
        if named.strip() == name:
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False
