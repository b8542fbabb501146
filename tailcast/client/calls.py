"""The requests that a relay understands, and how its answers are read. No network here.

A call that is repeated after a broken connection does its work once: starts carry an idempotency key, inbox lines an
id. The exceptions say so (`repeatable`).
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from .errors import NoReceipt, ProblemError
from .results import (
    Awaited,
    Deployment,
    DeploymentStatistics,
    Event,
    EventPage,
    FileEntry,
    FileListing,
    History,
    HistoryMessage,
    ImportedSession,
    Posted,
    Receipt,
    ReceiptState,
    Run,
    RunFilters,
    RunPage,
    RunSummary,
    Started,
    ToolCall,
    Waited,
    WorkflowInfo,
    from_json,
)

__all__ = [
    "Call",
    "Delivery",
    "Prompt",
    "again",
    "answer",
    "cancel",
    "catalog",
    "command",
    "deployment",
    "deployments",
    "events",
    "export",
    "files",
    "get",
    "given",
    "history",
    "import_session",
    "list_runs",
    "nothing",
    "permission",
    "problem_of",
    "put_deployment",
    "read_file",
    "receipt_in",
    "remove",
    "remove_deployment",
    "send",
    "set_model",
    "set_permission_mode",
    "signal",
    "start",
    "wait",
]

T = TypeVar("T")

Prompt = str | list[dict[str, Any]]
Delivery = Literal["steer", "queue", "interrupt"]

_STATES: tuple[ReceiptState, ...] = ("queued", "delivered", "completed")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and what its answer means. `wait_s` is how long the relay may keep it waiting."""

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait_s: float = 0.0

    @property
    def content(self) -> bytes | None:
        """The body as it is sent; what a text may not hold is the relay's to say."""
        if self.body is None:
            return None
        return json.dumps(self.body, ensure_ascii=False).encode(errors="surrogatepass")

    @property
    def all_headers(self) -> dict[str, str]:
        own = {} if self.body is None else {"content-type": "application/json"}
        return own | dict(self.headers)


def start(workflow: str | None, key: str | None, fields: Mapping[str, Any]) -> Call[Started]:
    body = given({"workflow": workflow, **fields})
    headers = {"idempotency-key": key or f"tailcast-{secrets.token_hex(16)}"}
    return Call("POST", "/workflows", _as(Started), body=body, headers=headers)


def again(run_id: str, key: str | None, fields: Mapping[str, Any]) -> Call[Started]:
    headers = {"idempotency-key": key or f"tailcast-{secrets.token_hex(16)}"}
    path = run_path(run_id, "/again")
    return Call("POST", path, _as(Started), body=dict(fields), headers=headers)


def list_runs(
    filters: RunFilters, limit: int, cursor: str | None, *, counts: bool = False
) -> Call[RunPage]:
    asked: dict[str, Any] = {
        k: v.isoformat() if isinstance(v, datetime) else v for k, v in filters.items()
    }
    if (labels := filters.get("label")) is not None:
        asked["label"] = [labels] if isinstance(labels, str) else list(labels)
    params = given(asked | {"limit": limit, "cursor": cursor, "counts": counts or None})
    return Call("GET", "/workflows", _run_page, params)


def get(run_id: str) -> Call[Run]:
    return Call("GET", run_path(run_id), _as(Run))


def remove(run_id: str) -> Call[None]:
    # Repeated after it came through it is a 404: told as it is.
    return Call("DELETE", run_path(run_id), nothing, repeatable=False)


def events(
    run_id: str,
    after: int,
    limit: int,
    types: str | None = None,
    wait_s: float = 0.0,
    q: str | None = None,
) -> Call[EventPage]:
    asked = {"after": after, "limit": limit, "types": types, "wait": wait_s or None, "q": q}
    params = given(asked)
    parse = partial(_event_page, run_id)
    return Call("GET", run_path(run_id, "/events"), parse, params, wait_s=wait_s)


def wait(run_id: str, awaited: Awaited, message_id: str | None, wait_s: float) -> Call[Waited]:
    params = given({"for": awaited, "message": message_id, "wait": wait_s})
    return Call("GET", run_path(run_id, "/wait"), _waited, params, wait_s=wait_s)


def history(run_id: str, limit: int) -> Call[History]:
    return Call("GET", run_path(run_id, "/history"), _history, {"limit": limit})


def export(run_id: str, format: str) -> Call[bytes]:
    path = run_path(run_id, "/export")
    return Call("GET", path, lambda response: response.content, {"format": format})


def import_session(session_id: str, fields: Mapping[str, Any]) -> Call[ImportedSession]:
    # Made of the same session it is the same run, however often it is asked for.
    body = given({"session_id": session_id, **fields})
    return Call("POST", "/workflows/import", _as(ImportedSession), body=body)


def send(
    run_id: str, message: Prompt, delivery: Delivery | None, resume: bool, message_id: str | None
) -> Call[Posted]:
    body = {"message": message, "delivery": delivery, "resume": resume or None}
    return _post(run_id, "messages", body | {"id": message_id or _new_id()})


def cancel(run_id: str, message_id: str) -> Call[Posted]:
    path = run_path(run_id, f"/messages/{quote(message_id, safe='')}")
    return Call("DELETE", path, _as(Posted), repeatable=False)


def answer(run_id: str, question_id: str, answers: Mapping[str, Any]) -> Call[Posted]:
    body = {"question_id": question_id, "answers": dict(answers)}
    return _post(run_id, "answers", body, repeatable=False)


def permission(
    run_id: str,
    request_id: str,
    decision: Literal["allow", "deny"],
    message: str | None,
    updated_input: Mapping[str, Any] | None,
    input_sha256: str | None,
) -> Call[Posted]:
    body: dict[str, Any] = {"request_id": request_id, "decision": decision, "message": message}
    body |= {"updated_input": updated_input, "input_sha256": input_sha256}
    return _post(run_id, "permissions", body, repeatable=False)


def command(run_id: str, kind: Literal["stop", "interrupt", "pause", "resume"]) -> Call[Posted]:
    return _post(run_id, kind, {"id": _new_id()})


def signal(run_id: str, name: str, data: Any, message_id: str | None) -> Call[Posted]:
    path = run_path(run_id, f"/signals/{quote(name, safe='')}")
    asked = {"id": message_id or _new_id()}
    return Call("POST", path, _as(Posted), asked, body=data)


def set_model(run_id: str, model: str | None) -> Call[Posted]:
    path = run_path(run_id, "/model")
    return Call("POST", path, _as(Posted), body={"model": model, "id": _new_id()})


def set_permission_mode(run_id: str, mode: str) -> Call[Posted]:
    return _post(run_id, "permission-mode", {"mode": mode, "id": _new_id()})


def files(run_id: str, path: str, recursive: bool) -> Call[FileListing]:
    params = {"recursive": "true"} if recursive else {}
    return Call("GET", _file_path(run_id, path), _listing, params)


def read_file(run_id: str, path: str) -> Call[bytes]:
    return Call("GET", _file_path(run_id, path), lambda response: response.content)


def catalog() -> Call[tuple[WorkflowInfo, ...]]:
    return Call("GET", "/catalog", _catalog)


def deployments() -> Call[tuple[Deployment, ...]]:
    return Call("GET", "/deployments", _deployments)


def deployment(name: str) -> Call[Deployment]:
    return Call("GET", _deployment_path(name), _deployment)


def put_deployment(
    name: str, fields: Mapping[str, Any], if_match: str | None, create_only: bool
) -> Call[Deployment]:
    conditions = {"if-match": if_match, "if-none-match": "*" if create_only else None}
    headers = given(conditions)
    # With a condition the second of two is refused by what the first one did.
    return Call(
        "PUT",
        _deployment_path(name),
        _deployment,
        body=given(fields),
        headers=headers,
        repeatable=not headers,
    )


def remove_deployment(name: str) -> Call[None]:
    return Call("DELETE", _deployment_path(name), nothing, repeatable=False)


def run_path(run_id: str, rest: str = "") -> str:
    return f"/workflows/{quote(run_id, safe='')}{rest}"


def receipt_in(page: EventPage, message_id: str, state: ReceiptState) -> Receipt | None:
    """The receipt that says `state` or more of a message; None if none does yet.

    :raises NoReceipt: the run has ended, and did not tell.
    """
    wanted = _STATES[_STATES.index(state) :] if state in _STATES else ()
    for event in page.events:
        told = event.data
        if event.type == "message_received" and told.get("message_id") == message_id:
            if told["state"] in wanted or told["state"] == "dropped":
                return Receipt(message_id, told["state"], event.offset, told.get("reason"))
    if page.end:
        raise NoReceipt(f"the run has ended without a word of {message_id!r} being {state}")
    return None


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that an answer of 400 and more is. Its body has been read."""
    try:
        told = response.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):  # of something between us and the relay
        told = {"detail": response.text[:500] or response.reason_phrase}
    kind = str(told.get("type", "")).rpartition("#")[2] or "http"
    return ProblemError(
        response.status_code, kind, str(told.get("detail", "")), told.get("errors") or []
    )


def _post(
    run_id: str, what: str, body: Mapping[str, Any], *, repeatable: bool = True
) -> Call[Posted]:
    path = run_path(run_id, f"/{what}")
    return Call("POST", path, _as(Posted), body=given(body), repeatable=repeatable)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was left out."""
    return {name: value for name, value in fields.items() if value is not None}


def _new_id() -> str:
    return f"msg-{secrets.token_hex(12)}"


def _deployment_path(name: str) -> str:
    return f"/deployments/{quote(name, safe='')}"


def _file_path(run_id: str, path: str) -> str:
    inside = quote(path.strip("/"))
    return run_path(run_id, f"/files/{inside}" if inside else "/files")


def _as(kind: type[T]) -> Callable[[httpx.Response], T]:
    return lambda response: from_json(kind, response.json())


def nothing(response: httpx.Response) -> None:
    """What an answer without a body says."""


def _run_page(response: httpx.Response) -> RunPage:
    body = response.json()
    rows = [from_json(RunSummary, row) for row in body["runs"]]
    # A relay of before has neither.
    return RunPage(rows, body["next"], body.get("complete", True), body.get("counts"))


def _waited(response: httpx.Response) -> Waited:
    body = response.json()
    return Waited(body["done"], from_json(Run, body["state"] | {"text": body["text"]}))


def _event_page(run_id: str, response: httpx.Response) -> EventPage:
    body = response.json()
    told = [Event(run_id, item["offset"], item["event"]) for item in body["events"]]
    return EventPage(told, body["next"], body["end"], body.get("reset", False))


def _history(response: httpx.Response) -> History:
    body = response.json()
    messages = []
    for said in body["messages"]:
        calls = [from_json(ToolCall, call) for call in said.get("tool_calls", ())]
        messages.append(from_json(HistoryMessage, said | {"tool_calls": calls}))
    return History(messages, body["offset"], body["truncated"])


def _listing(response: httpx.Response) -> FileListing:
    body = response.json()
    entries = [from_json(FileEntry, entry) for entry in body["entries"]]
    return FileListing(body["path"], entries, body["truncated"])


def _catalog(response: httpx.Response) -> tuple[WorkflowInfo, ...]:
    return tuple(from_json(WorkflowInfo, entry) for entry in response.json()["workflows"])


def _deployments(response: httpx.Response) -> tuple[Deployment, ...]:
    return tuple(map(_deployment_of, response.json()["deployments"]))


def _deployment(response: httpx.Response) -> Deployment:
    return _deployment_of(response.json() | {"etag": response.headers.get("etag")})


def _deployment_of(body: Mapping[str, Any]) -> Deployment:
    told = body["statistics"]
    last = told["last_run"] and from_json(RunSummary, told["last_run"])
    statistics = from_json(DeploymentStatistics, told | {"last_run": last})
    return from_json(Deployment, {**body, "statistics": statistics})
