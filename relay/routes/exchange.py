"""A run for other readers, and a session of others as a run."""

import asyncio
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from runlog import Unusable, Workspace
from runlog.export.formats import FORMATS, FormatName, export_run, file_name
from runlog.groups.resolution import Start, check_start, entry_of
from runlog.sessions.intake import WORKFLOW, Imported, SessionAsked, import_session
from runlog.sessions.place import find_session

from ..dependencies import Json, OnRun, RunAt, Services, Shared, StrictRoute, Who, in_thread
from ..http.problems import Problem, unreadable_stream
from ..http.runs import links_of
from ..http.session_models import ImportSession, SessionImported
from ..starting.create_run import words_of

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute)

_PIECE_BYTES = 64 * 1024
# Each copies and reads up to its bound of bytes.
_IMPORTS_AT_ONCE = 2
_BEGIN_S = 2.0
_importing = asyncio.Semaphore(_IMPORTS_AT_ONCE)


@router.get(
    "/workflows/{run_id}/export",
    operation_id="export_run",
    response_class=Response,
    tags=["events"],
    summary="A run for other readers",
    responses={
        200: {
            "description": "A file of that format",
            "headers": {
                "Content-Disposition": {
                    "schema": {"type": "string"},
                    "description": "the name of a file for it",
                }
            },
            "content": {
                format.media_type.partition(";")[0]: {"schema": {"type": "string"}}
                for format in FORMATS.values()
            },
        }
    },
)
async def export(
    run: RunAt,
    on_run: OnRun,
    format: Annotated[
        FormatName,
        Query(description="; ".join(f"`{name}`: {each.about}" for name, each in FORMATS.items())),
    ] = "markdown",
) -> Response:
    """What there is of it so far, if it goes on."""
    name, first, rest = await on_run(_begin, run, format)
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{name}"',
        # Agents wrote what is in it: nothing of it runs in our origin.
        "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    content_type = FORMATS[format].media_type
    return StreamingResponse(_all(first, rest), headers=headers, media_type=content_type)


@router.post(
    "/workflows/import",
    operation_id="import_session",
    status_code=201,
    response_model=SessionImported,
    tags=["runs"],
    summary="Make a run of a session of Claude Code",
    responses={
        200: {"description": "It was imported already", "model": SessionImported},
        201: {
            "description": "It is on the disk",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "of the run"}},
        },
    },
)
async def import_(services: Shared, who: Who, asked: ImportSession) -> Response:
    """An ended run, as `tailcast import` makes it: of a session of the user as whom the relay runs.

    Only where the relay was started with `--allow-import`. The session is only read; a message with `resume` goes
    on with a fork of it. Imported again it is the same run, and if it has grown since another one.
    """
    who.check_deployment(None, to="start a run")
    if services.settings.claude_folder is None:
        told = "This relay imports no sessions. Whoever runs it may start it with --allow-import"
        raise Problem(403, "not-allowed", told)
    try:
        async with asyncio.timeout(_BEGIN_S):
            await _importing.acquire()
    except TimeoutError:
        told = "Other sessions are being imported: send it again"
        raise Problem(503, "overloaded", told, headers={"retry-after": "2"}) from None
    try:
        made = await in_thread(_import, services, asked)
    finally:
        _importing.release()
    links = links_of(made.workspace.run_id)
    headers = {"location": links["self"]}
    return Json(made.as_json() | {"links": links}, 200 if made.repeated else 201, headers)


def _import(services: Services, asked: ImportSession) -> Imported:
    folder = services.settings.claude_folder
    assert folder is not None
    words = words_of(asked.title, asked.labels, asked.thread_id)
    # As a start of it is checked; what is to be said comes later.
    start = Start(WORKFLOW, "…", asked.params, asked.interactive, [], None, 0, None, {})
    check_start(entry_of(services.catalog.entries(), WORKFLOW, ""), start)
    wanted = SessionAsked(
        asked.params,
        asked.interactive,
        words,
        asked.keep_cwd,
        asked.max_bytes,
    )
    return import_session(services.root, find_session(folder, asked.session_id), wanted)


def _begin(run: Workspace, format: FormatName) -> tuple[str, bytes, Iterator[bytes]]:
    """With the first piece: what can't be exported is told in place of it."""
    pieces = export_run(run, format)
    try:
        return file_name(run, format), next(pieces, b""), pieces
    except Unusable as error:
        raise unreadable_stream(run.stream, error) from error


def _all(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """In larger pieces: each is a call in a thread."""
    held = bytearray(first)
    for piece in rest:
        held += piece
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)
