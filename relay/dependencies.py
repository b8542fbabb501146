"""What the routes of one relay share, and how they read requests and write answers."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from fastapi import Path as PathParam
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runlog import RunIndex, Workspace, encode, open_workspace

from .http.bodies import off_loop, parse_json
from .http.callers import Caller, caller_of
from .http.problems import Problem, told_of
from .http.run_calls import RunCalls, in_thread
from .http.runs import RunStates
from .http.settings import RelaySettings
from .starting.create_run import Catalog
from .streaming.feed import Feed
from .streaming.registry import TailRegistry
from .streaming.waits import Waits

__all__ = [
    "Json",
    "OnRun",
    "RunAt",
    "RunName",
    "Services",
    "Shared",
    "StrictRoute",
    "Who",
    "in_thread",
]

# In place of a body whose faults are known: FastAPI finds one more, which nobody is told.
_NO_BODY = 0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    settings: RelaySettings
    root: Path
    tails: TailRegistry
    states: RunStates
    catalog: Catalog
    index: RunIndex
    feed: Feed
    run_calls: RunCalls
    waits: Waits


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Shared = Annotated[Services, Depends(_services)]


async def _who(request: Request) -> Caller:
    return caller_of(request.scope)


Who = Annotated[Caller, Depends(_who)]
"""Whom the doors let in."""


RunName = Annotated[str, PathParam(description="1 to 80 of a-z, 0-9 and '-'")]


async def _run_at(services: Shared, run_id: RunName) -> Workspace:
    return await in_thread(open_workspace, services.root, run_id)


RunAt = Annotated[Workspace, Depends(_run_at)]
"""The run that the path names. 404 if there is none, 400 if there can't be."""


class CallOfRun:
    """Calls in threads that have to do with the run of the path: see `RunCalls`."""

    def __init__(self, services: Shared, run: RunAt) -> None:
        self._services = services
        self._run = run

    async def __call__(self, call: Callable[..., T], *args: object) -> T:
        return await self._services.run_calls(self._run, call, *args)


OnRun = Annotated[CallOfRun, Depends()]


class Json(Response):
    """An answer of plain JSON data.

    Not pydantic's: events hold what it does not write, such as the lone surrogates of a cut-off emoji.
    """

    media_type = "application/json; charset=utf-8"

    def render(self, content: Any) -> bytes:
        return encode(content)

    def __init__(
        self, content: Any, status_code: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, {"cache-control": "no-store"} | (headers or {}))


class StrictRoute(APIRoute):
    """Reads bodies as JSON and no more, and checks them, off the loop if they are large."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        shape: Any = self.body_field and self.body_field.field_info.annotation
        check = None if shape is None else TypeAdapter(shape).validate_python

        async def strict(request: Request) -> Response:
            asked = _StrictRequest(request.scope, request.receive)
            asked.check = check
            try:
                return await handler(asked)
            except HTTPException as error:
                # FastAPI makes this of whatever `json` raises. An error of the system is no fault of the body.
                if isinstance(error.__cause__, Problem | OSError):
                    raise error.__cause__ from None
                raise

        return strict


class _StrictRequest(Request):
    check: Callable[[Any], Any] | None = None

    async def json(self) -> Any:
        """The body, checked: FastAPI, which would make all faults before anyone cuts them, takes what it gets."""
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = await off_loop(body, partial(self._read, body))
        return self._json

    def _read(self, body: bytes) -> Any:
        sent = parse_json(body)
        if self.check is None:
            return sent
        try:
            return self.check(sent)
        except ValidationError as error:
            self.state.body_faults = told_of(error)
            return _NO_BODY
