"""What dialects of a chat have in common: which run a chat is, and the turn that is to be told of it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from runlog import (
    BadRunId,
    Event,
    InboxLine,
    LogFile,
    RunExists,
    RunId,
    Workspace,
    check_run_id,
    decode,
    ended_status,
    open_workspace,
    read_inbox,
)
from runlog.disk.tail import records_of
from runlog.groups.faults import Refused

from ..dependencies import Json, Services, in_thread
from ..http.asked import MESSAGE_ID_PATTERN, StartRun
from ..http.callers import Caller
from ..http.problems import Problem, problem_of
from ..routes.messages import post_line
from ..starting.create_run import start_run

__all__ = [
    "Turn",
    "asked_in",
    "begins",
    "current_turn",
    "interrupt",
    "is_going",
    "reply",
    "run_of",
    "say",
]

# Looked through from the end for where the last turn began.
_WINDOW_BYTES = (1024 * 1024, 16 * 1024 * 1024, 256 * 1024 * 1024)
# What the front end may name in its request, beside the chat itself.
_START_FIELDS = "workflow params deployment runtime_overrides limits priority title labels thread_id trace".split()


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer of the agent: to the message `said`, looked for from the offset `start` on.

    `known`: what is before this offset was on the disk when the request came.
    """

    said: str
    start: int
    known: int


def run_of(services: Services, chat_id: str) -> Workspace:
    """The run of a chat, which need not be there. An id that can be a run's is one; of any other one is made."""
    try:
        return Workspace(services.root, check_run_id(chat_id))
    except BadRunId:
        digest = hashlib.sha256(chat_id.encode(errors="surrogatepass")).hexdigest()
        return Workspace(services.root, RunId(f"chat-{digest[:32]}"))


def say(
    services: Services,
    who: Caller,
    chat_id: str,
    message_id: str,
    content: Any,
    earlier: list[dict[str, Any]],
    asked: dict[str, Any],
) -> Turn:
    """Say something in a chat, which begins with it if there is no run yet. The same id again changes nothing.

    :param earlier: what was said before, `{role, content}` each; told to a run that begins.
    :param asked: fields of a start, for a run that begins; others are passed over.
    :raises Problem: it can't be started, or takes no message.
    """
    run = run_of(services, chat_id)
    if not run.exists() or not earlier:
        try:
            _start(services, who, run, f"{chat_id} {message_id}", content, earlier, asked)
            return Turn(f"prompt-{run.run_id}", 0, 0)
        except RunExists:
            pass
        except (Refused, Problem):  # what a start asks for does not matter to a run that is there
            if not run.exists():
                raise
    size = _size(run)
    if not re.fullmatch(MESSAGE_ID_PATTERN, message_id):
        message_id = f"said-{hashlib.sha256(message_id.encode(errors='replace')).hexdigest()[:32]}"
    line = {"type": "message", "id": message_id, "content": content, "delivery": "queue"}
    # To reopen a run is to start it: who may not do that may talk to one that goes on.
    posted = post_line(services, who, run, line | ({"resume": True} if who.may("start") else {}))
    return Turn(message_id, 0 if posted.repeated else size, size)


def asked_in(services: Services, chat_id: str) -> tuple[dict[str, Event], frozenset[str]]:
    """The questions that are open in a chat, by id, and the ids of the permissions."""
    with services.states.read(
        open_workspace(services.root, run_of(services, chat_id).run_id)
    ) as state:
        return dict(state.open_questions), frozenset(state.open_permissions)


def reply(
    services: Services, who: Caller, chat_id: str, lines: list[dict[str, Any]]
) -> tuple[Turn, frozenset[str]]:
    """Post answers and decisions, as lines of the inbox. The turn that goes on, and what they reply to.

    :raises Problem: 409, there are none, or one came too late.
    """
    run = run_of(services, chat_id)
    turn = current_turn(run)
    if not lines:
        detail = "What is sent says nothing new, and answers nothing that is open: say something"
        raise Problem(409, "not-open", detail)
    for line in lines:
        try:
            post_line(services, who, run, line)
        except ValidationError as error:
            raise problem_of(error) from error
    return turn, frozenset(line.get("request_id") or line["question_id"] for line in lines)


async def interrupt(services: Services, who: Caller, chat_id: str) -> Response:
    """End the turn of a chat."""
    run = run_of(services, chat_id)
    posted = await in_thread(post_line, services, who, run, {"type": "interrupt"})
    return Json({"message_id": posted.message_id, "offset": posted.offset}, 202)


def _start(
    services: Services,
    who: Caller,
    run: Workspace,
    key: str,
    content: Any,
    earlier: list[dict[str, Any]],
    asked: dict[str, Any],
) -> None:
    fields = {name: asked[name] for name in _START_FIELDS if asked.get(name) is not None}
    if "deployment" not in fields:
        name = fields.setdefault("workflow", "claude")
        entry = services.catalog.entries().get(str(name))
        if entry is not None:
            fields["interactive"] = entry.interactive
            known = entry.params.get("properties") or {}
            if "include_partial_messages" in known:  # so that texts grow
                fields["params"] = {"include_partial_messages": True} | fields.get("params", {})
    fields |= {"prompt": content, "run_id": run.run_id, "chat_history": earlier}
    key = hashlib.sha256(key.encode(errors="replace")).hexdigest()
    try:
        start = StartRun.model_validate(fields)
    except ValidationError as error:
        raise problem_of(error) from error
    who.check_scope("start")
    who.check_deployment(start.deployment, to="start a run")
    start_run(services.root, services.catalog, start, f"chat:{key}")


def is_going(services: Services, run: Workspace) -> bool:
    """Whether something is being answered, or waits for an answer of the person's."""
    if not run.exists():
        return False
    if not run.stream.exists():
        return True
    if ended_status(run) is not None:
        return False
    with services.states.read(run) as state:
        return state.status != "waiting" or bool(state.open_questions or state.open_permissions)


def current_turn(run: Workspace) -> Turn:
    """The last turn of a run that was begun, or is to be. Waits for the disk."""
    try:
        log = LogFile(run.stream)
    except FileNotFoundError:
        return Turn(f"prompt-{run.run_id}", 0, 0)
    with log:
        size = log.size()
        for window in _WINDOW_BYTES:
            start = 0 if window >= size else log.align(size - window)
            found = _Begun(run)
            for at, event in _events(log, start):
                found.take(at, event)
            if found.last is not None or window >= size:
                break
    if (waiting := _last_message(run)) is not None and waiting not in found.seen:
        return Turn(waiting, size, size)
    said, start = found.last or (f"prompt-{run.run_id}", 0)
    return Turn(said, start, size)


@dataclass(slots=True)
class _Begun:
    run: Workspace
    last: tuple[str, int] | None = None
    seen: set[str] = field(default_factory=set)

    def take(self, at: int, event: Event) -> None:
        said = begins(event)
        if said == "" and event.get("attempt", 1) == 1:
            said = f"prompt-{self.run.run_id}"
        if said:
            if self.last is None or self.last[0] != said:
                self.last = (said, at)
            self.seen.add(said)
        elif event.get("type") == "message_received" and event.get("state") != "queued":
            self.seen.add(str(event.get("message_id")))


def begins(event: Event) -> str | None:
    """The id of the message whose turn begins with an event; empty for that of the prompt, None if none begins."""
    kind = event.get("type")
    if kind == "workflow_started":
        return ""
    if kind == "user" and event.get("isReplay") is True and not event.get("parent_tool_use_id"):
        return str(event.get("uuid") or "") or None
    if kind == "message_received" and event.get("message_type") == "message":
        return str(event.get("message_id")) if event.get("state") == "delivered" else None
    return None


def _events(log: LogFile, start: int | None) -> Iterator[tuple[int, Event]]:
    """Those that may begin a turn, each with the offset at which its line begins."""
    while start is not None and (chunk := log.read(start)):
        at = start
        for record in records_of(chunk):
            line = record.line
            if b'"isReplay"' in line or b'"message_received"' in line or b'"workflow_st' in line:
                event = decode(line)
                if event is not None:
                    yield at, event
            at = record.offset
        start = chunk.end


def _last_message(run: Workspace) -> str | None:
    last = None
    for line in read_inbox(run.inbox):
        if isinstance(line, InboxLine) and line.type == "message":
            last = line.id
    return last


def _size(run: Workspace) -> int:
    try:
        return run.stream.stat().st_size
    except FileNotFoundError:
        return 0
