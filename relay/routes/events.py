"""The lines of a run as JSON pages, for networks and clients that have no event stream."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from runlog import LogFile, LogReplaced, Workspace, decode, parse_cursor
from runlog.disk.tail import records_of
from runlog.run.text_filter import holds, sought_words

from ..dependencies import OnRun, RunAt, Shared, StrictRoute
from ..http.problems import unreadable_stream
from ..http.shown import EventsPage
from ..streaming.call_wait import call_wait
from ..streaming.envelope import spliceable
from ..streaming.registry import TailRegistry
from ..streaming.shared_tail import SharedTail
from ..streaming.sse import Variant
from .runs import Exclude, Types, names_of

__all__ = ["Page", "read_page", "router", "wait_for_page"]

router = APIRouter(route_class=StrictRoute)

# A page ends early at so many bytes of events, or of lines that a filter passed over.
_PAGE_BYTES = 8 * 1024 * 1024
_SEARCH_BYTES = 64 * 1024 * 1024


def _item(offset: int, line: bytes) -> bytes:
    return b'{"offset":%d,"event":%b}' % (offset, line)


@dataclass(slots=True)
class Page:
    """`items` are spliced together as they are; `after` None means inside a line that is not whole yet."""

    after: int | None
    items: list[bytes] = field(default_factory=list)
    reset: bool = False
    at_end: bool = False

    def to_json(self, cursor: int, end: bool) -> bytes:
        position = cursor if self.after is None else self.after
        reset = b',"reset":true' if self.reset else b""
        told = b"true" if end else b"false"
        return b'{"events":[%b],"next":%d,"end":%b%b}' % (
            b",".join(self.items),
            position,
            told,
            reset,
        )


@router.get(
    "/workflows/{run_id}/events",
    operation_id="list_events",
    response_model=EventsPage,
    tags=["events"],
    summary="Events by the page",
)
async def events(
    request: Request,
    services: Shared,
    run: RunAt,
    on_run: OnRun,
    after: Annotated[
        str, Query(description="`next` of the page before; 0 is the beginning", examples=["1482"])
    ] = "0",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    wait: Annotated[
        float,
        Query(ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for a first event"),
    ] = 0,
    types: Types = None,
    exclude: Exclude = None,
    q: Annotated[
        str,
        Query(
            max_length=500,
            description="Only events that hold all of these words in their texts; case does not matter",
            examples=["parser timeout"],
        ),
    ] = "",
) -> Response:
    """The lines that the stream has, in the same order, under the same offsets.

    With `wait` the answer comes as soon as there is an event, or the run has ended: ask again with `next` until
    `end` is true.
    """
    cursor = parse_cursor(after)
    variant = Variant(types=names_of(types), exclude=names_of(exclude) or frozenset())

    async def look(start: int) -> Page:
        return await on_run(read_page, run, start, limit, variant, _item, sought_words(q))

    page = await look(cursor)
    with services.tails.follow(run) as tail:
        if wait and page.at_end and not page.items and not page.reset:
            page = await wait_for_page(request, services.tails, tail, page, look, cursor, wait)
        end = page.at_end and page.after is not None and await _has_ended(tail, page, look)
    body = page.to_json(cursor, end)
    headers = {"cache-control": "no-store"}
    return Response(body, media_type="application/json; charset=utf-8", headers=headers)


async def wait_for_page(
    request: Request,
    tails: TailRegistry,
    tail: SharedTail,
    page: Page,
    look: Callable[[int], Awaitable[Page]],
    cursor: int,
    wait_s: float,
) -> Page:
    """Look again at each change, until there is something, or never will be, or the time is over."""
    with call_wait(request, wait_s) as left:
        while True:
            with left.change(tail) as changed:
                page = await look(cursor if page.after is None else page.after)
                if page.items or page.reset or not page.at_end:
                    return page
                ending = await tail.ending()
                over = (ending is not None and ending.told) or tails.closing
                if over or left.is_over:
                    return page
                await changed


async def _has_ended(tail: SharedTail, page: Page, look: Callable[[int], Awaitable[Page]]) -> bool:
    """Whether the run has ended and nothing was written since the page was read."""
    ending = await tail.ending()
    if ending is None or not ending.told or page.after is None:
        return False
    again = await look(page.after)
    return again.at_end and again.after == page.after and not again.reset


def read_page(
    run: Workspace,
    start: int,
    limit: int,
    variant: Variant,
    form: Callable[[int, bytes], bytes] = _item,
    words: tuple[str, ...] = (),
) -> Page:
    """Up to `limit` items from an offset on, each made by `form` of an offset and the line before it.

    :param words: only lines that hold them all.
    """
    try:
        log = LogFile(run.stream)
        with log:
            try:
                page = Page(log.align(start))
            except LogReplaced:
                page = Page(0, reset=True)
            try:
                _fill(page, log, limit, variant, form, words)
            except LogReplaced:  # cut while we read: what we have of it is gone
                page = Page(0, reset=True, at_end=True)
    except FileNotFoundError:
        return Page(0, reset=start > 0, at_end=True)
    except OSError as error:
        raise unreadable_stream(run.stream, error) from error
    return page


def _fill(
    page: Page,
    log: LogFile,
    limit: int,
    variant: Variant,
    form: Callable[[int, bytes], bytes],
    words: tuple[str, ...],
) -> None:
    size = searched = 0
    while page.after is not None and (chunk := log.read(page.after)):
        for record in records_of(chunk):
            if len(page.items) >= limit or size > _PAGE_BYTES or searched > _SEARCH_BYTES:
                return
            searched += record.length
            told = spliceable(record, variant)
            if told is not None and (not words or holds(decode(told.line) or {}, words)):
                item = form(record.offset, told.line)
                page.items.append(item)
                size += len(item)
            page.after = record.offset
        page.after = chunk.end
    page.at_end = True
