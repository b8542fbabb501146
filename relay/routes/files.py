"""List and read the workspace of a run.

Everything here was made by an agent, so none of it is ever a page of ours: what could run in a browser is a download,
and whatever is shown is in a sandbox.
"""

import mimetypes
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Annotated, Any
from urllib.parse import quote

import aiofiles
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runlog import Workspace
from runlog.disk.records import from_epoch, to_iso

from ..dependencies import Json, OnRun, RunAt, StrictRoute
from ..http.problems import Problem
from ..http.safe_open import open_beneath, split_path
from ..http.shown import Listing

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute, tags=["files"])

# Of the folder of the run itself; `files/` is looked at first.
_PUBLIC = ("run.json", "_stream.jsonl", "_inbox.jsonl", "_stderr.log")

# Reads the tables of this machine: now, and not in the midst of the first call.
mimetypes.init()

_MAX_ENTRIES = 10_000
_MAX_DEPTH = 32
_BLOCK_BYTES = 256 * 1024

_SHOWN = re.compile(
    r"image/(png|jpeg|gif|webp|avif|bmp)|(audio|video)/[a-z0-9.+-]+|application/json"
)
_TEXT = "text/plain; charset=utf-8"
_TEXT_SUFFIXES = frozenset(
    ".txt .log .md .rst .csv .tsv .py .js .mjs .ts .tsx .jsx .css .sh .toml .ini .cfg .yaml .yml .c .h .cc .cpp "
    ".hpp .go .rs .java .rb .php .sql .diff .patch .lock".split()
)
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")

_FIXED_HEADERS = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-security-policy": "sandbox; default-src 'none'",
}


@router.head("/workflows/{run_id}/files", include_in_schema=False)
@router.get(
    "/workflows/{run_id}/files",
    operation_id="list_files",
    response_model=Listing,
    summary="List the workspace",
)
async def list_root(
    run: RunAt,
    on_run: OnRun,
    recursive: Annotated[bool, Query(description="with the folders below")] = False,
) -> Response:
    """The agent's working directory; and of the run's own folder `run.json`, the logs and the inbox."""
    return Json(await on_run(_list_root, run, recursive))


@router.head("/workflows/{run_id}/files/{path:path}", include_in_schema=False)
@router.get(
    "/workflows/{run_id}/files/{path:path}",
    operation_id="read_file",
    response_class=Response,
    summary="Read a file",
    responses={
        200: {
            "description": "The bytes of the file; of a folder, its listing",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        206: {"description": "The range that was asked for (one)"},
        304: {"description": "You have it: `If-None-Match` named its ETag"},
    },
)
async def read(
    request: Request, run: RunAt, on_run: OnRun, path: str, recursive: bool = False
) -> Response:
    """`Range`, `If-Range`, `If-None-Match` and HEAD are understood. Of a file that grows you get what is there."""
    parts = split_path(path)
    found = await on_run(_open, run, parts, recursive)
    if not isinstance(found, _Opened):
        return Json(found)
    return _FileResponse(found, request)


@dataclass(frozen=True, slots=True)
class _Opened:
    fd: int
    name: str
    size: int
    mtime_ns: int
    etag: str


def _open(run: Workspace, parts: list[str], recursive: bool) -> "_Opened | dict[str, Any]":
    if not parts:
        return _list_root(run, recursive)
    try:
        fd = open_beneath(run.files, parts)
    except FileNotFoundError:
        if len(parts) != 1 or parts[0] not in _PUBLIC:
            raise _unknown(run, parts) from None
        try:
            fd = open_beneath(run.path, parts)
        except FileNotFoundError:
            raise _unknown(run, parts) from None
    found = os.fstat(fd)
    if stat.S_ISDIR(found.st_mode):
        try:
            return _listing(fd, "/".join(parts), recursive)
        finally:
            os.close(fd)
    etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"'
    return _Opened(fd, parts[-1], found.st_size, found.st_mtime_ns, etag)


def _unknown(run: Workspace, parts: list[str]) -> Problem:
    return Problem(
        404,
        "unknown-file",
        f"There is no {'/'.join(parts)!r} here. List what there is: GET /api/v1/workflows/{run.run_id}/files",
    )


def _list_root(run: Workspace, recursive: bool) -> dict[str, Any]:
    try:
        fd = open_beneath(run.files, [])
    except FileNotFoundError:
        listing: dict[str, Any] = {"path": "", "entries": [], "truncated": False}
    else:
        try:
            listing = _listing(fd, "", recursive)
        finally:
            os.close(fd)
    taken = {entry["name"] for entry in listing["entries"]}
    for name in _PUBLIC:
        try:
            found = os.stat(run.path / name, follow_symlinks=False)
        except OSError:
            continue
        if name not in taken and stat.S_ISREG(found.st_mode):
            listing["entries"].append(_entry(name, name, found))
    return listing


def _listing(fd: int, path: str, recursive: bool) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    truncated = False
    for entry in _walk(fd, path, _MAX_DEPTH if recursive else 1):
        if len(entries) == _MAX_ENTRIES:
            truncated = True
            break
        entries.append(entry)
    entries.sort(key=lambda entry: str(entry["path"]))
    return {"path": path, "entries": entries, "truncated": truncated}


def _walk(fd: int, path: str, depth: int) -> Iterator[dict[str, Any]]:
    with os.scandir(fd) as found:
        for item in found:
            try:
                status = item.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since
            below = f"{path}/{item.name}" if path else item.name
            yield _entry(item.name, below, status)
            if depth > 1 and stat.S_ISDIR(status.st_mode):
                try:
                    folder = os.open(
                        item.name,
                        os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC,
                        dir_fd=fd,
                    )
                except OSError:
                    continue
                try:
                    yield from _walk(folder, below, depth - 1)
                finally:
                    os.close(folder)


def _entry(name: str, path: str, found: os.stat_result) -> dict[str, Any]:
    mode = found.st_mode
    kind = "other"
    for test, named in (
        (stat.S_ISREG, "file"),
        (stat.S_ISDIR, "folder"),
        (stat.S_ISLNK, "symlink"),
    ):
        if test(mode):
            kind = named
    modified = from_epoch(found.st_mtime)
    return {
        "name": name,
        "path": path,
        "type": kind,
        "size": found.st_size if kind == "file" else None,
        "mtime": to_iso(modified) if modified else "",
    }


def _content_type(name: str) -> tuple[str, bool]:
    """The type, and whether a browser may show it: only what can't run there."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".jsonl":
        return "application/x-ndjson", True
    if suffix in _TEXT_SUFFIXES:
        return _TEXT, True
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return guessed, _SHOWN.fullmatch(guessed) is not None


def _range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte + 1; None to send all (no range, several, or not understood).

    :raises Problem: 416, there are no such bytes.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start = int(match[1])
        end = min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise Problem(
            416,
            "range-not-satisfiable",
            f"The file has {size} bytes now. Ask for a range within them",
            headers={"content-range": f"bytes */{size}"},
        )
    return start, end


class _FileResponse(Response):
    """A file that is open, or the part of it that was asked for. Closes it."""

    def __init__(self, opened: _Opened, request: Request) -> None:
        try:
            self._plan(opened, request)
        except BaseException:
            os.close(opened.fd)
            raise

    def _plan(self, opened: _Opened, request: Request) -> None:
        self._fd = opened.fd
        asked = request.headers
        content_type, shown = _content_type(opened.name)
        headers = _FIXED_HEADERS | {
            "etag": opened.etag,
            "last-modified": formatdate(opened.mtime_ns / 1e9, usegmt=True),
        }
        known = [
            tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")
        ]
        if opened.etag in known or "*" in known:
            self._start = self._end = 0
            super().__init__(status_code=304, headers=headers)
            return
        span = None
        if asked.get("if-range", opened.etag) == opened.etag:
            span = _range_of(asked.get("range"), opened.size)
        self._start, self._end = span or (0, opened.size)
        headers["content-type"] = content_type
        headers["content-length"] = str(self._end - self._start)
        if not shown:
            headers["content-disposition"] = f"attachment; filename*=UTF-8''{_quoted(opened.name)}"
        if span is not None:
            headers["content-range"] = f"bytes {span[0]}-{span[1] - 1}/{opened.size}"
        super().__init__(status_code=206 if span else 200, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aiofiles.open(self._fd, "rb", buffering=0) as file:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            left = 0 if scope["method"] == "HEAD" else self._end - self._start
            if left:
                await file.seek(self._start)
            while left > 0:
                # A file that was cut meanwhile ends early: the server then breaks the connection, as it must.
                block = await file.read(min(left, _BLOCK_BYTES))
                if not block:
                    break
                left -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body"})


def _quoted(name: str) -> str:
    return quote(name.encode(errors="surrogateescape"), safe="")
