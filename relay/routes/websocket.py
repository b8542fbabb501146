"""A run as a WebSocket: its events out, inbox lines in. The same cursor as the stream's, and the same checks.

Out, one JSON object a message: `{"offset", "event"}`; `{"reset": {"reason"}}`; at the end `{"end": {"status"}}`, and
then it closes with 1000. To each line that came in: `{"posted": {"message_id", "offset"}}` once it is on the disk, or
`{"problem": {…}}`; in order, with the `id` of the line if it had one.
"""

import asyncio
import json
from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from runlog import RunlogError, Workspace, encode, open_workspace, parse_cursor
from runlog.disk.tail import records_of

from ..dependencies import Services, in_thread
from ..http.access import chosen_subprotocol
from ..http.bodies import off_loop, parse_json
from ..http.callers import Caller, caller_of
from ..http.problems import Problem, ProblemResponse, problem_of
from ..streaming.envelope import spliceable
from ..streaming.run_cursors import Cursor, End, Gone, Reset, Step
from ..streaming.sse import Variant
from .messages import post_line
from .runs import names_of

__all__ = ["router"]

router = APIRouter()

# Close codes of RFC 6455: done; going away (connect again); what came in was no text.
_DONE, _GOING_AWAY, _NO_TEXT = 1000, 1001, 1003


@router.websocket("/workflows/{run_id}/ws")
async def follow(
    socket: WebSocket,
    run_id: str,
    after: str = "0",
    types: str | None = None,
    exclude: str | None = None,
) -> None:
    services: Services = socket.app.state.services
    try:
        place = parse_cursor(after)
        run = await in_thread(open_workspace, services.root, run_id)
    except RunlogError as error:
        await socket.send_denial_response(ProblemResponse(problem_of(error)))
        return
    await socket.accept(chosen_subprotocol(socket.scope["subprotocols"]))
    variant = Variant(types=names_of(types), exclude=names_of(exclude) or frozenset())
    wake = asyncio.Event()
    closing = services.tails.told_of_closing(wake.set)
    with services.tails.follow(run) as tail, closing:
        cursor = Cursor(tail, place, wake.set)
        ears = asyncio.get_running_loop().create_task(_listen(socket, services, run))
        ears.add_done_callback(lambda _: wake.set())
        try:
            await _tell(socket, services, cursor, variant, wake, ears)
        except WebSocketDisconnect:
            pass
        finally:
            cursor.close()
            ears.cancel()


async def _tell(
    socket: WebSocket,
    services: Services,
    cursor: Cursor,
    variant: Variant,
    wake: asyncio.Event,
    ears: "asyncio.Task[None]",
) -> None:
    """Send what comes, until the run, the client or the relay ends."""
    while not ears.done():
        if services.tails.closing:
            await socket.close(_GOING_AWAY, "the relay stops: connect again")
            return
        wake.clear()
        step = await cursor.next()
        if step is None:
            if not (ears.done() or services.tails.closing):
                await wake.wait()
            continue
        services.tails.sent_bytes += await _send_step(socket, step, variant)
        if isinstance(step, End | Gone):
            await socket.close(_DONE)
            return
        await asyncio.sleep(0)
    if (error := ears.exception()) is not None:
        raise error


async def _send_step(socket: WebSocket, step: Step, variant: Variant) -> int:
    """:return: how many bytes it was."""
    match step:
        case Reset(reason):
            return await _send(socket, encode({"reset": {"reason": reason}}))
        case End(status):
            return await _send(socket, encode({"end": {"status": status}}))
        case Gone():
            return await _send(socket, encode({"gone": {}}))
        case chunk:
            sent = 0
            for record in records_of(chunk):
                told = spliceable(record, variant)
                if told is not None:
                    envelope = b'{"offset":%d,"event":%b}' % (record.offset, told.line)
                    sent += await _send(socket, envelope)
            return sent


async def _listen(socket: WebSocket, services: Services, run: Workspace) -> None:
    """Post each line that comes in, one after the other. Returns when the client has gone."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is None:
            await socket.close(_NO_TEXT, "Send JSON as text")
            return
        who = caller_of(socket.scope)
        await _send(socket, encode(await _answer(services, who, run, text)))


async def _answer(services: Services, who: Caller, run: Workspace, text: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    try:
        sent = text.encode()
        body = await off_loop(sent, partial(parse_json, sent))
        if not isinstance(body, dict):
            raise Problem(422, "invalid-request", "Send one JSON object, a line of the inbox")
        if isinstance(body.get("id"), str):
            given = {"id": body["id"]}
        posted = await services.run_calls(run, post_line, services, who, run, body)
    except json.JSONDecodeError as error:
        problem = Problem(400, "bad-request", f"This is not JSON: {error.msg}. Send an inbox line")
    except (Problem, RunlogError, OSError, ValidationError) as error:
        problem = problem_of(error)
    else:
        return {"posted": {"message_id": posted.message_id, "offset": posted.offset}} | given
    return {"problem": problem.body()} | given


async def _send(socket: WebSocket, text: bytes) -> int:
    # "surrogatepass" is not needed: a line that is not UTF-8 was told as malformed.
    await socket.send({"type": "websocket.send", "text": text.decode().rstrip("\n")})
    return len(text)
