"""The naive relay, as tutorials have it: a readline loop for each listener, and a sleep of 0.1 s at the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiofiles
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from .serving import serve

__all__ = ["make_app"]

_POLL_S = 0.1


def make_app(root: Path) -> FastAPI:
    app = FastAPI()

    @app.get("/{run}/stream")
    async def stream(run: str, after: int = 0, follow: bool = True) -> StreamingResponse:
        frames = _frames(root / run / "_stream.jsonl", after, follow)
        return StreamingResponse(frames, media_type="text/event-stream")

    return app


async def _frames(path: Path, after: int, follow: bool) -> AsyncIterator[str]:
    async with aiofiles.open(path, "rb") as file:
        await file.seek(after)
        offset = after
        while True:
            line = await file.readline()
            if line:
                offset += len(line)
                yield f"id: {offset}\ndata: {line.decode().rstrip()}\n\n"
            elif follow:
                await asyncio.sleep(_POLL_S)
            else:
                return


if __name__ == "__main__":
    serve(make_app)
