"""The relay as an ASGI app: doors outside, routes inside, and what they share in between."""

import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runlog import RunIndex
from runlog.disk.layout import make_root
from runlog.groups.batches import remove_unmade

from . import dialects
from .dependencies import Json, Services, in_thread
from .http.access import Access
from .http.credentials import Credentials
from .http.origins import opened_to
from .http.paths import RootPath, own_path
from .http.problems import Problem, problem_handlers
from .http.run_calls import RunCalls
from .http.runs import RunStates
from .http.settings import RelaySettings
from .http.shown import Health
from .routes import (
    batches,
    deployments,
    events,
    exchange,
    files,
    history,
    many_runs,
    messages,
    metrics,
    runs,
    schedules,
    schemas,
    waiting,
    websocket,
)
from .routes.docs_page import docs_page
from .routes.openapi import openapi_of
from .routes.static_page import NOT_BUILT, Page, is_built
from .starting.create_run import Catalog
from .streaming.feed import Feed
from .streaming.registry import TailRegistry
from .streaming.responses import HandOver
from .streaming.waits import Waits

__all__ = ["Relay", "create_app"]

_ABOUT = """Starts agent runs, streams what they write, and talks to them.

A run is a folder; its output is one file that is only appended to, and every event has the byte offset after its
line as its id. Reconnect with the last id you have, and you get what comes after it: no event is lost or repeated,
whatever was restarted meanwhile."""

_TAGS = [
    {"name": "runs", "description": "Start, list, look at and remove runs"},
    {"name": "deployments", "description": "Workflows with params and limits, under a name"},
    {"name": "schedules", "description": "Runs of deployments, started by the clock"},
    {"name": "batches", "description": "Many runs, started, followed and stopped as one"},
    {"name": "events", "description": "What a run writes, live or again"},
    {"name": "messages", "description": "What is said to a run"},
    {"name": "files", "description": "The workspace of a run"},
    {"name": "probes", "description": "For whoever runs the relay"},
]


class Relay:
    """The ASGI app. `end_streams` sends every listener home, for a server that wants to stop."""

    def __init__(self, settings: RelaySettings) -> None:
        self.settings = settings
        self.api, self._services = _build(settings)
        page = Page(self.api, settings.page)
        doors = Access(
            page,
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=frozenset(settings.allowed_origins),
            credentials=Credentials(settings),
            is_public=page.takes,
            body_s=settings.limits.body_s,
        )
        self._app: ASGIApp = HandOver(doors)
        if settings.allowed_origins:
            self._app = opened_to(self._app, settings.allowed_origins)
        if settings.root_path:
            self._app = RootPath(self._app, settings.root_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def end_streams(self) -> None:
        """From the loop's own thread."""
        self._services.tails.end_streams()


def create_app(settings: RelaySettings) -> Relay:
    """The relay of one root, which is made if it is not there."""
    return Relay(settings)


def _build(settings: RelaySettings) -> tuple[FastAPI, Services]:
    root = make_root(settings.root)
    index = RunIndex(root)
    tails = TailRegistry(in_loop=settings.watch == "inotify")
    states, run_calls = RunStates(), RunCalls()
    services = Services(
        settings=settings,
        root=root,
        tails=tails,
        states=states,
        catalog=Catalog(root),
        index=index,
        feed=Feed(index),
        run_calls=run_calls,
        waits=Waits(tails, states, run_calls),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with contextlib.suppress(OSError):  # what can't be removed now is by whoever lists batches
            await in_thread(remove_unmade, root)  # of a relay that was killed while it made a batch
        services.tails.start()
        await services.feed.start()
        try:
            yield
        finally:
            await services.tails.close()
            await services.feed.close()
            services.states.close()

    api = FastAPI(
        title="Tailcast",
        version=_version(),
        description=_ABOUT,
        openapi_tags=_TAGS,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=problem_handlers(),
        telemetry={"tracing": False, "metrics": False},
    )
    api.state.services = services
    parts = (
        runs,
        deployments,
        batches,
        schedules,
        events,
        schemas,
        history,
        exchange,
        many_runs,
        waiting,
        websocket,
        messages,
        files,
    )
    for part in parts:
        api.include_router(part.router, prefix="/api/v1")
    if settings.dialects:
        api.include_router(dialects.router)
    api.include_router(metrics.router)
    _add_probes(api, services)
    _add_docs(api, services)
    return api, services


def _add_probes(api: FastAPI, services: Services) -> None:
    @api.get(
        "/healthz",
        operation_id="get_health",
        tags=["probes"],
        response_model=Health,
        summary="Whether it lives",
    )
    async def healthz() -> Response:
        return Json({"status": "ok"})

    @api.get(
        "/readyz",
        operation_id="get_readiness",
        tags=["probes"],
        response_model=Health,
        summary="Whether it can work",
    )
    async def readyz() -> Response:
        """503 if the root of the workspaces can't be read and written."""
        root = services.root
        if not await in_thread(os.access, root, os.R_OK | os.W_OK | os.X_OK):
            raise Problem(503, "no-root", f"{root} can't be read and written: mend its permissions")
        return Json({"status": "ok"})


def _add_docs(api: FastAPI, services: Services) -> None:
    @api.get("/", include_in_schema=False)
    async def index() -> Response:
        told = {
            "name": "tailcast",
            "version": api.version,
            "api": own_path("/api/v1"),
            "docs": own_path("/docs"),
        }
        if not await in_thread(is_built, services.settings.page):
            told["page"] = NOT_BUILT
        return Json(told)

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return docs_page(api.openapi())

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = openapi_of(api)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation has it


def _version() -> str:
    try:
        return version("tailcast")
    except PackageNotFoundError:  # run from a checkout
        return "0"
