"""The read side of Durable Streams: a run is a stream of JSON messages, which are its lines.

The protocol: https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md. Its offsets sort as text, so
ours are padded. A stream of it that is closed stays so: a run that has ended is closed if nothing can reopen it.
"""

import random
import re
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from runlog import BadCursor, Status, Workspace, encode, ended_status, read_manifest
from runlog.disk.tail import Chunk, records_of

from ..dependencies import RunAt, Services, Shared, StrictRoute, in_thread
from ..http.problems import Problem
from ..routes.events import Page, read_page, wait_for_page
from ..streaming.envelope import spliceable
from ..streaming.responses import EventStream
from ..streaming.sse import KEEPALIVE, PLAIN
from ..streaming.subscriber import StreamQuery

__all__ = ["DurableFold", "router"]

# As many as a cursor of ours may have.
_DIGITS = 16
_OFFSET = re.compile(f"[0-9]{{{_DIGITS}}}")
_MESSAGES = 10_000  # of an answer; it ends earlier at some 8 MiB
_LONG_POLL_S = 20.0
# What keeps caches between from answering a poll with itself: the number of an interval since their epoch.
_CURSOR_EPOCH_S, _CURSOR_S = 1_728_432_000, 20


@dataclass(frozen=True, slots=True)
class DurableFold:
    """Has no state but what was asked: lines do not depend on those before them.

    `closed`: the stream ends with the run. `cursor`: see section 10.1 of the protocol.
    """

    closed: bool
    cursor: str
    over: bool = False

    @property
    def outlasts(self) -> bool:
        return not self.closed

    @property
    def always(self) -> bool:
        return True

    def begin(self) -> bytes:
        return b""

    def take(self, chunk: Chunk) -> "tuple[bytes, DurableFold]":
        told = [spliceable(record, PLAIN) for record in records_of(chunk)]
        lines = [_one_line(one.line) for one in told if one is not None]
        if not lines:
            return b"", self
        return b"event: data\ndata: [%b]\n\n" % b",\ndata: ".join(lines), self

    def quiet(self) -> bytes:
        return KEEPALIVE

    def mark(self, offset: int, *, at_end: bool) -> bytes:
        fields: dict[str, Any] = {"streamNextOffset": _told(offset), "streamCursor": self.cursor}
        return _control(fields | ({"upToDate": True} if at_end else {}))

    def end(self, offset: int, status: Status) -> bytes:
        told = {"streamNextOffset": _told(offset), "upToDate": True, "streamClosed": True}
        return _control(told)

    def reset(self, reason: str) -> "tuple[bytes, DurableFold]":
        """Nothing is said of it here: the client comes back with its offset, and is told 410."""
        return b"", DurableFold(self.closed, self.cursor, over=True)


def _control(fields: dict[str, Any]) -> bytes:
    return b"event: control\ndata: %b\n" % encode(fields)


def _one_line(line: bytes) -> bytes:
    return line.replace(b"\r", b" ")  # between its tokens: within a text it would be escaped


def _told(offset: int) -> str:
    return f"{offset:0{_DIGITS}d}"


router = APIRouter(prefix="/durable-streams", route_class=StrictRoute, include_in_schema=False)
Offset = Annotated[str | None, Query(max_length=256)]
Live = Annotated[Literal["long-poll", "sse"] | None, Query()]


@router.head("/{run_id}")
async def metadata(services: Shared, run: RunAt) -> Response:
    closed = await in_thread(_is_closed, services, run)
    headers = _headers(await in_thread(_size, run), at_end=True, closed=closed)
    del headers["stream-up-to-date"]
    return Response(headers=headers | {"cache-control": "no-store"}, media_type="application/json")


@router.get("/{run_id}")
async def read(
    request: Request,
    services: Shared,
    run: RunAt,
    offset: Offset = None,
    live: Live = None,
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """What is after an offset: at once, after a wait for a first message, or as it comes."""
    if live is not None and offset is None:
        raise Problem(400, "bad-cursor", "A live read needs an `offset`: send -1 for the beginning")
    size = await in_thread(_size, run)
    start = size if offset == "now" else _parse(offset)
    if start > size:
        raise Problem(410, "run-removed", "The stream has no such offset (any more): begin with -1")
    closed = await in_thread(_is_closed, services, run)
    if live == "sse":
        fold = DurableFold(closed or not await in_thread(_may_reopen, services, run), _next(cursor))
        query, keepalive_s = StreamQuery(after=start), services.settings.keepalive_s
        # Their clients and their suite look for just this type.
        headers = {"content-type": "text/event-stream"}
        return EventStream(services.tails, run, query, keepalive_s, 200, headers, fold)
    page = await _page(request, services, run, start, wait=live is not None and not closed)
    at = start if page.after is None else page.after
    at_end = page.at_end
    if offset == "now" and live is None:
        at, at_end, page.items = start, True, []
    closed = await in_thread(_is_closed, services, run) and at == await in_thread(_size, run)
    headers = _headers(at, at_end=at_end, closed=closed)
    if live is not None:
        headers["stream-cursor"] = _next(cursor)
        if not page.items:
            return Response(status_code=204, headers=headers | {"cache-control": "no-store"})
    if offset == "now":
        headers["cache-control"] = "no-store"
    else:
        headers["etag"] = f'"{run.run_id}:{start}:{at}{":c" if closed else ""}"'
        if live is None and request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
    body = b"[" + b",".join(page.items) + b"]"
    return Response(body, headers=headers, media_type="application/json")


async def _page(
    request: Request, services: Services, run: Workspace, start: int, *, wait: bool
) -> Page:
    async def look(after: int) -> Page:
        return await in_thread(read_page, run, after, _MESSAGES, PLAIN, lambda _, line: line)

    page = await look(start)
    if wait and page.at_end and not page.items and not page.reset:
        with services.tails.follow(run) as tail:
            page = await wait_for_page(
                request, services.tails, tail, page, look, start, _LONG_POLL_S
            )
    if page.reset:
        raise Problem(410, "run-removed", "The stream was replaced: begin with offset -1")
    return page


def _headers(offset: int, *, at_end: bool, closed: bool) -> dict[str, str]:
    headers = {"stream-next-offset": _told(offset), "cache-control": "private, no-cache"}
    if at_end:
        headers["stream-up-to-date"] = "true"
    if at_end and closed:
        headers["stream-closed"] = "true"
    return headers


def _parse(offset: str | None) -> int:
    if offset is None or offset == "-1":
        return 0
    if not _OFFSET.fullmatch(offset):
        detail = "An offset is -1, now, or what an answer had as Stream-Next-Offset"
        raise BadCursor(f"offset {offset[:40]!r} is none", detail)
    return int(offset)


def _next(cursor: str) -> str:
    """The cursor of now; beyond the client's, if it has come to that already."""
    now = int((time.time() - _CURSOR_EPOCH_S) // _CURSOR_S)
    had = int(cursor) if cursor.isascii() and cursor.isdigit() else -1
    return str(now if had < now else had + random.randint(1, 3600))


def _size(run: Workspace) -> int:
    """Up to the end of the last whole line."""
    try:
        with run.stream.open("rb") as file:
            end = file.seek(0, 2)
            while end:
                start = max(0, end - 65_536)
                file.seek(start)
                found = file.read(end - start).rfind(b"\n")
                if found >= 0:
                    return start + found + 1
                end = start
    except FileNotFoundError:
        pass
    return 0


def _may_reopen(services: Services, run: Workspace) -> bool:
    """Whether more may come after its end: of an external run too, which anyone writes."""
    if not run.manifest.exists():
        return True
    try:
        entry = services.catalog.entries().get(read_manifest(run).workflow)
    except Problem:  # no runner has said what it can do
        return True
    return entry is None or entry.resumable


def _is_closed(services: Services, run: Workspace) -> bool:
    return ended_status(run) is not None and not _may_reopen(services, run)
