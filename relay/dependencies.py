"""What the routes of one relay share, and how they read requests and write answers."""

import json
import math
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Depends
from fastapi import Path as PathParam
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from runlog import RunIndex, Workspace, encode, open_workspace

from .http.run_calls import RunCalls, in_thread
from .http.runs import RunStates
from .http.settings import RelaySettings
from .starting.create_run import Catalog
from .streaming.feed import Feed
from .streaming.registry import TailRegistry

__all__ = ["Json", "OnRun", "RunAt", "Services", "Shared", "StrictRoute", "in_thread", "parse_json"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """`index` is for one thread at a time, the one that holds `index_lock`."""

    settings: RelaySettings
    root: Path
    tails: TailRegistry
    states: RunStates
    catalog: Catalog
    index: RunIndex
    index_lock: threading.Lock
    feed: Feed
    run_calls: RunCalls

    def queue_position(self, run_id: str) -> int | None:
        with self.index_lock:
            return self.index.queue_position(run_id)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Shared = Annotated[Services, Depends(_services)]


async def _run_at(
    services: Shared, run_id: Annotated[str, PathParam(description="1 to 80 of a-z, 0-9 and '-'")]
) -> Workspace:
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

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content)

    def __init__(
        self, content: Any, status_code: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        fixed = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        super().__init__(content, status_code, fixed | (headers or {}))


class StrictRoute(APIRoute):
    """Reads bodies as JSON and no more: Python's parser would take NaN and Infinity too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict


class _StrictRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json


def parse_json(body: bytes) -> Any:
    """:raises JSONDecodeError: always this, for a body that can't be read; FastAPI makes a 422 of it."""
    try:
        return json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from None
    except RecursionError:
        raise json.JSONDecodeError("it is nested too deep", "", 0) from None
    except ValueError as error:  # an integer of thousands of digits
        raise json.JSONDecodeError(str(error)[:100], "", 0) from None


def _finite(text: str) -> float:
    # 1e999 would become an infinity, and be written to the disk as null.
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:40])


def _refuse(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)
