"""The calls of Tailcast itself, for front ends whose base URL has to be one of a dialect: they are ours already."""

from fastapi import APIRouter

from ..routes import events, files, history, messages, runs, waiting, websocket

__all__ = ["router"]

router = APIRouter(prefix="/relay/api/v1", include_in_schema=False)
for _part in (runs, events, history, waiting, websocket, messages, files):
    router.include_router(_part.router)
