"""The chat of a run, read from its end backwards for as far as the newest messages go."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from runlog import LogFile, LogReplaced, Workspace
from runlog.disk.stamp import Stamp, stamp_of
from runlog.disk.tail import records_of
from runlog.run.history import ChatHistory, ChatMessage, may_speak
from runlog.run.manifest import readable_manifest
from runlog.run.words import InboxWords

from ..dependencies import Json, OnRun, RunAt, StrictRoute
from ..http.problems import unreadable_stream
from ..http.shown import HistoryView

__all__ = ["router"]

router = APIRouter(route_class=StrictRoute)

# Looked through from the end, until they hold enough messages. The last one bounds what a request may cost.
_WINDOW_BYTES = (1024 * 1024, 16 * 1024 * 1024, 256 * 1024 * 1024)
# An answer has about so much text at most: the oldest messages are left out first.
_ANSWER_CHARS = 8 * 1024 * 1024
# Chats of finished runs that are kept, most of them of some 100 KB.
_REMEMBERED = 8
_SETTLED_NS = 1_000_000_000


@dataclass(slots=True)
class _Read:
    messages: list[ChatMessage]
    offset: int
    truncated: bool


@router.get(
    "/workflows/{run_id}/history",
    operation_id="get_history",
    response_model=HistoryView,
    response_model_exclude_unset=True,
    tags=["events"],
    summary="The chat of a run",
)
async def history(
    run: RunAt,
    on_run: OnRun,
    limit: Annotated[int, Query(ge=1, le=1000, description="The newest N messages")] = 200,
) -> Response:
    """What the person and the agent said, in order, with tool calls folded into the agent's messages.

    What the CLI wrote in the person's name is told as what it is: a command with its output, a compaction, an
    interrupt, or what a background task tells (`kind`).

    Follow on with `?after=` the `offset` you get: what was said since comes in the stream. Runs that are not
    Claude's have no chat, unless they write lines of its kind.
    """
    return Json(await on_run(_remembered.history, run, limit))


class _Remembered:
    """The chats that were asked for last, as long as their stream stays as it is: that of a run that has ended
    would else be read anew, up to all of it, each time somebody opens its page. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chats: OrderedDict[tuple[Workspace, int], tuple[Stamp, dict[str, Any]]] = (
            OrderedDict()
        )

    def history(self, run: Workspace, limit: int) -> dict[str, Any]:
        stamp = stamp_of(run.stream)
        asked = run, limit
        with self._lock:
            known = self._chats.get(asked)
            if known is not None and known[0] == stamp:
                self._chats.move_to_end(asked)
                return known[1]
        told = _history(run, limit)
        # Of a stream that just grew the stamp may be the same after another line in the same tick of the clock.
        if stamp is not None and time.time_ns() - stamp[2] > _SETTLED_NS:
            with self._lock:
                self._chats[asked] = stamp, told
                while len(self._chats) > _REMEMBERED:
                    self._chats.popitem(last=False)
        return told


_remembered = _Remembered()


def _history(run: Workspace, limit: int) -> dict[str, Any]:
    earlier = readable_manifest(run).chat_history
    try:
        try:
            read = _read(run, limit, earlier)
        except LogReplaced:  # cut or replaced this moment: what it is now
            read = _read(run, limit, earlier)
    except OSError as error:
        raise unreadable_stream(run.stream, error) from error
    kept: list[dict[str, Any]] = []
    chars = 0
    for message in reversed(read.messages):
        chars += _weight(message)
        if kept and chars > _ANSWER_CHARS:
            read.truncated = True
            break
        kept.append(message.view())
    kept.reverse()
    return {"messages": kept, "offset": read.offset, "truncated": read.truncated}


def _read(run: Workspace, limit: int, earlier: list[Any]) -> _Read:
    words = InboxWords(run)
    try:
        log = LogFile(run.stream)
    except FileNotFoundError:
        chat = ChatHistory(limit, earlier, words)
        chat.begin()
        return _Read(chat.messages, 0, chat.dropped > 0)
    with log:
        size = log.size()
        for window in _WINDOW_BYTES:
            whole = window >= size
            chat = ChatHistory(limit, earlier, words)
            if whole:
                chat.begin()
            offset = _fold(log, 0 if whole else log.align(size - window), chat)
            # Of the first message in a window the beginning may be missing; if one was dropped, it was that one.
            if whole or chat.dropped:
                return _Read(chat.messages, offset, chat.dropped > 0)
        return _Read(chat.messages[1:], offset, True)


def _fold(log: LogFile, start: int | None, chat: ChatHistory) -> int:
    while start is not None and (chunk := log.read(start)):
        for record in records_of(chunk):
            if may_speak(record.line):
                chat.apply(record.event(), record.offset)
        start = chunk.end
    return start or 0


def _weight(message: ChatMessage) -> int:
    calls = sum(len(call.result or "") + len(str(call.input)) for call in message.tool_calls)
    own = len(message.content) + len(message.thinking or "") + len(message.output or "")
    return own + calls
