"""Every error as `application/problem+json` (RFC 9457), with a `detail` that says what to do next."""

import errno
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from runlog import (
    BadCursor,
    BadMessage,
    BadRunId,
    BatchActive,
    BatchExists,
    Busy,
    RunActive,
    RunExists,
    RunFinished,
    RunlogError,
    UnknownBatch,
    UnknownMessage,
    UnknownRun,
    Unusable,
    encode,
)
from runlog.disk.pointers import escaped
from runlog.errors import (
    BadAnswers,
    BadDecision,
    BadDeployment,
    BadSchedule,
    BadSession,
    BadValues,
    BrokenDeployment,
    BrokenSchedule,
    NoConversation,
    NotRemovable,
    UnknownDeployment,
    UnknownSchedule,
    UnknownSession,
    UnknownSignal,
)
from runlog.groups.faults import Refused

from .asked import UNION_TAGS
from .paths import own_path, with_own_paths

__all__ = [
    "KINDS",
    "MAX_FAULTS",
    "PROBLEM_CONTENT_TYPE",
    "PROBLEM_MEDIA_TYPE",
    "Problem",
    "ProblemResponse",
    "problem_handlers",
    "problem_of",
    "problem_of_faults",
    "told_of",
    "unreadable_stream",
]

PROBLEM_MEDIA_TYPE = "application/problem+json"
# JSON is UTF-8 anyway; but some clients take what is not told for Latin-1.
PROBLEM_CONTENT_TYPE = f"{PROBLEM_MEDIA_TYPE}; charset=utf-8"

_RUNLOG_PROBLEMS: dict[type[RunlogError], tuple[int, str]] = {
    BadRunId: (400, "bad-run-id"),
    BadCursor: (400, "bad-cursor"),
    BadMessage: (422, "bad-message"),
    BadDeployment: (400, "bad-deployment-name"),
    UnknownDeployment: (404, "unknown-deployment"),
    BrokenDeployment: (409, "broken-deployment"),
    BadSchedule: (400, "bad-schedule-name"),
    UnknownSchedule: (404, "unknown-schedule"),
    BrokenSchedule: (409, "broken-schedule"),
    UnknownBatch: (404, "unknown-batch"),
    BatchExists: (409, "batch-exists"),
    BatchActive: (409, "batch-active"),
    UnknownRun: (404, "unknown-run"),
    UnknownSession: (404, "unknown-session"),
    BadSession: (422, "bad-session"),
    NoConversation: (409, "no-conversation"),
    UnknownMessage: (404, "unknown-message"),
    UnknownSignal: (404, "unknown-signal"),
    RunExists: (409, "run-exists"),
    NotRemovable: (409, "not-removable"),
    RunActive: (409, "run-active"),
    RunFinished: (409, "run-finished"),
}

# The fragment of a problem's `type`, and what it means whatever the `detail` of the case.
KINDS = {
    "answered": "The question has been answered; only the first answer counts.",
    "bad-cursor": "A cursor is a decimal byte offset, or of a list the `next` of the page before.",
    "bad-deployment-name": "The name can't be a deployment's.",
    "bad-host": "There must be exactly one `Host` header, and a valid one.",
    "bad-idempotency-key": "The key can't be used.",
    "bad-message": "The run would not understand the message.",
    "bad-params": "The params do not fit the schema of the workflow.",
    "bad-path": "The path can't be one below the workspace.",
    "bad-request": "The request can't be read as HTTP, or its body not as JSON.",
    "bad-run-id": "The id can't be a run's.",
    "bad-session": "The session is none, or too large, or can't be read.",
    "bad-schedule-name": "The name can't be a schedule's.",
    "bad-user": "The proxy that is trusted to name the user did not name one.",
    "batch-active": "Runs of the batch have not ended.",
    "batch-exists": "The id of a batch is taken.",
    "batch-removed": "The batch was there, and has been removed.",
    "behind-a-proxy": "The request came through a proxy, and the relay lets everyone in.",
    "broken-deployment": "The file of the deployment can't be used.",
    "broken-schedule": "The file of the schedule can't be used.",
    "content-too-large": "The body is over 10 MiB, or has too many values.",
    "disk-fault": "The system can't read or write a file of the workspaces now.",
    "disk-full": "The disk of the workspaces is full.",
    "fault": "The relay itself has a fault, and has logged it.",
    "foreign-origin": "A web page of elsewhere tried to change something.",
    "host-not-allowed": "The `Host` header names none of the relay's own names.",
    "head-too-large": "The request line and the headers are too large, or too many.",
    "hard-link": "The file has other names, and may be one of elsewhere.",
    "idempotency-key-reused": "The key was used for another request.",
    "invalid-request": "A field or parameter is missing, unknown or wrong; `errors` has the first 20.",
    "link-used": "The one-time link has been used, or is too old.",
    "method-not-allowed": "The path is there, the method is not.",
    "no-catalog": "No runner has said yet what it can start.",
    "no-conversation": "Nothing was said in the run that a session could hold.",
    "no-root": "The folder of all workspaces can't be used.",
    "not-a-file": "Only files and folders can be read.",
    "not-allowed": "The caller is known, and may not do that.",
    "not-found": "There is nothing at this path.",
    "not-open": "The question or permission request is not open, or never was.",
    "not-readable": "The relay may not read the file.",
    "not-removable": "Something in the run's folder can't be unlinked.",
    "other-user": "The connection is of another user of this machine.",
    "overloaded": "The relay has no room for more at the moment.",
    "precondition-failed": "`If-Match` or `If-None-Match` does not hold.",
    "range-not-satisfiable": "The file has no such bytes.",
    "read-only": "Nothing can be written into the workspaces.",
    "request-timeout": "The head or the body did not come.",
    "run-active": "The run has not ended.",
    "run-busy": "Another process holds a lock of the run, or of the root.",
    "run-exists": "The id is taken.",
    "run-finished": "The run has ended.",
    "run-removed": "The run was there, and has been removed.",
    "symlink": "Symlinks are not followed.",
    "too-deep": "The JSON is nested too deep.",
    "too-many-tries": "Too many tokens were wrong.",
    "unauthorized": "The bearer token is missing or wrong, and so is the cookie.",
    "unknown-batch": "There is no such batch.",
    "unknown-deployment": "There is no such deployment.",
    "unknown-file": "There is no such file.",
    "unknown-message": "The inbox holds no such message.",
    "unknown-run": "There is no such run.",
    "unknown-session": "There is no such session of Claude Code.",
    "unknown-schedule": "There is no such schedule.",
    "unknown-signal": "The workflow of the run takes no signal of that name.",
    "unusable-file": "What stands in the place of a file is none, or not what it should be.",
    "unreadable-stream": "The stream file can't be read.",
}

MAX_FAULTS = 20  # in `errors`
_TOLD_FAULTS = 5  # in `detail`
_SEE_DOCS = "See /docs for the paths there are and what they take"
_HINTS = {
    400: _SEE_DOCS,
    404: f"There is nothing at this path. {_SEE_DOCS}",
    405: f"Use one of the methods in the `Allow` header. {_SEE_DOCS}",
    408: "The body did not come: send it at once, and again",
    413: "Send at most 10 MiB; put more into a file of the workspace",
    500: "This is a fault of the relay: see what it logged, and report it",
}


class Problem(Exception):
    """An error of the HTTP edge.

    :param kind: one of `KINDS`.
    :param errors: one object for each thing wrong: `detail`, and `pointer` (into the body) or `parameter`.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """As RFC 9457 writes it."""
        body: dict[str, Any] = {
            "type": own_path(f"/docs#{self.kind}"),
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": with_own_paths(self.detail),
        }
        if self.errors:
            body["errors"] = [
                {
                    name: with_own_paths(told) if name == "detail" else told
                    for name, told in error.items()
                }
                for error in self.errors
            ]
        return body


class ProblemResponse(Response):
    """A problem as an answer."""

    media_type = PROBLEM_CONTENT_TYPE

    def __init__(self, problem: Problem) -> None:
        headers = {"cache-control": "no-store"}
        super().__init__(
            encode(problem.body()), problem.status, headers | dict(problem.headers or {})
        )


def problem_handlers() -> dict[int | type[Exception], Any]:
    """Handlers for FastAPI: whatever goes wrong comes out as a problem."""
    return {
        Problem: _on_problem,
        RunlogError: _on_own_error,
        Refused: _on_own_error,
        RequestValidationError: _on_invalid_request,
        OSError: _on_own_error,
        HTTPException: _on_http_exception,
        Exception: _on_fault,
    }


def problem_of(error: Exception) -> Problem:
    """The problem that an error is, for answers that are no HTTP response."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        errors = [{"pointer": f"#{f.pointer}", "detail": f.detail} for f in error.faults]
        return Problem(422, error.kind, error.detail, errors=errors)
    if isinstance(error, BadAnswers):
        errors = [
            {"pointer": f"#/answers/{escaped(key)}", "detail": detail}
            for key, detail in error.faults.items()
        ]
        return Problem(422, "invalid-request", str(error), errors=errors)
    if isinstance(error, BadValues):
        return problem_of_faults(error.faults)
    if isinstance(error, BadDecision):
        errors = [{"pointer": f"#/{place}", "detail": told} for place, told in error.faults.items()]
        return Problem(422, "invalid-request", str(error), errors=errors)
    if isinstance(error, BadMessage) and error.pointer is not None:
        told = {"pointer": f"#/message{error.pointer}", "detail": error.message}
        return Problem(422, "bad-message", str(error), errors=[told])
    if isinstance(error, RunlogError):
        status, kind = _RUNLOG_PROBLEMS.get(type(error), (500, "fault"))
        return Problem(status, kind, str(error))
    if isinstance(error, ValidationError):  # of a model that was read by hand
        return _invalid(told_of(error))
    if isinstance(error, OSError) and error.errno is not None:
        return _of_disk(error)
    return Problem(500, "fault", _HINTS[500])


def problem_of_faults(faults: Mapping[str, str]) -> Problem:
    """:param faults: JSON pointer into the body -> what is wrong there."""
    return _invalid([{"pointer": f"#{place}", "detail": told} for place, told in faults.items()])


def unreadable_stream(path: Path, error: OSError) -> Problem:
    """Of a stream that is none, or can't be read now; or of another file of the run that was needed with it."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.EAGAIN):
        return _of_disk(error)
    if isinstance(error, Unusable) and error.filename not in (None, str(path)):
        return _of_disk(error)
    why = error.strerror or str(error)
    return Problem(503, "unreadable-stream", f"{path} can't be read: {why}. Mend the file")


def _of_disk(error: OSError) -> Problem:
    """What the disk of the workspaces answered. The fault is there, and not of the relay: never a 500."""
    number = error.errno
    where = f": {error.filename}" if error.filename else ""
    if isinstance(error, Unusable):
        told = f"{error}. Mend it, or remove what has it: DELETE works"
        return Problem(409, "unusable-file", told)
    if isinstance(error, Busy):
        return _later("run-busy", f"{error}. Send it again; `fuser` says which process that is")
    if number in (errno.ENOSPC, errno.EDQUOT):
        detail = "The disk of the workspaces is full, so nothing was written. Make room and send it again"
        return Problem(507, "disk-full", detail)
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        return Problem(
            503,
            "read-only",
            f"Nothing can be written there{where}: {error.strerror}. Mend it, and send it again",
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return _later("overloaded", f"{error.strerror}. Send it again, or raise the limit")
    return _later("disk-fault", f"{error.strerror}{where}. Send it again; `tailcast doctor` looks")


def _later(kind: str, detail: str) -> Problem:
    return Problem(503, kind, detail, headers={"retry-after": "1"})


async def _on_problem(request: Request, error: Problem) -> Response:
    return ProblemResponse(error)


async def _on_own_error(request: Request, error: Exception) -> Response:
    return ProblemResponse(problem_of(error))


async def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    faults = error.errors()
    told = getattr(request.state, "body_faults", None)
    if told is not None:  # of the body, whose check came before
        faults = [fault for fault in faults if fault["loc"][0] != "body"]
    return ProblemResponse(_invalid([_told(fault) for fault in faults[:MAX_FAULTS]] + (told or [])))


def told_of(error: ValidationError) -> list[dict[str, str]]:
    """The first faults of a body, as `Problem` takes them."""
    faults = error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    return [_told({**fault, "loc": ("body", *fault["loc"])}) for fault in faults]


def _invalid(errors: Sequence[Mapping[str, str]]) -> Problem:
    faults = [f"{e.get('pointer') or e.get('parameter')}: {e['detail']}" for e in errors]
    detail = f"{'; '.join(faults[:_TOLD_FAULTS])}. {_SEE_DOCS}"
    return Problem(422, "invalid-request", detail, errors=errors)


def _told(fault: Mapping[str, Any]) -> dict[str, str]:
    place, *path = (part for part in fault["loc"] if part not in UNION_TAGS)
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "json_invalid":
        reason = fault.get("ctx", {}).get("error", message)
        at = path[0] if path else 0
        return {"pointer": "#", "detail": f"The body is not JSON: {reason}, at character {at}"}
    if fault["type"] in ("model_attributes_type", "dict_type") and not path:
        message = "Send a JSON object, with `Content-Type: application/json`"
    if place == "body":
        return {"pointer": "#" + "".join(f"/{part}" for part in path), "detail": message}
    return {"parameter": str(path[-1] if path else place), "detail": message}


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    status = error.status_code
    title = HTTPStatus(status).phrase
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if status == 405:
        headers["allow"] = ", ".join(sorted(_methods_at(request)))
    if status in (408, 413):
        headers["connection"] = "close"
    # Starlette's own details are but the phrase again.
    detail = _HINTS.get(status, _SEE_DOCS)
    if error.detail not in (title, "Not Found"):
        detail = f"{error.detail}. {detail}"
    # The doors say the same of a body that tells its length; Python's phrase for it has changed over the years.
    kind = "content-too-large" if status == 413 else title.lower().replace(" ", "-")
    return ProblemResponse(Problem(status, kind, detail, headers=headers))


def _methods_at(request: Request) -> set[str]:
    """All methods of this path: Starlette tells those of the first route only."""
    routes: Sequence[BaseRoute] = request.app.routes
    scope = {name: request.scope[name] for name in ("type", "path", "root_path", "headers", "app")}
    return {
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in routes)
    }


async def _on_fault(request: Request, error: Exception) -> Response:
    return ProblemResponse(Problem(500, "fault", _HINTS[500]))
