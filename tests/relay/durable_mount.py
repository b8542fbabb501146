"""A relay whose Durable Streams can be made and written to, for their conformance suite alone.

`python -m tests.relay.durable_mount --root ROOT` serves it. `PUT /v1/stream/NAME` makes a run, `POST` appends to it;
reading goes to the dialect, as it is.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from relay.app import create_app
from relay.http.connection import FIXED_HEADERS
from relay.http.settings import RelaySettings
from runlog import Workspace, append_lines, create_run
from runlog.disk.layout import RunId

_PREFIX = "/v1/stream/"


class Mount:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._relay = create_app(RelaySettings(root))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(_PREFIX):
            await self._relay(scope, receive, send)
            return
        run_id = RunId("s-" + hashlib.sha256(path.encode()).hexdigest()[:32])
        if scope["method"] in ("GET", "HEAD"):
            inner = f"/dialects/durable-streams/{run_id}"
            await self._relay({**scope, "path": inner, "raw_path": inner.encode()}, receive, send)
            return
        body = await Request(scope, receive).body()
        run = Workspace(self._root, run_id)
        response = self._write(run, scope["method"], body)
        await response(scope, receive, send)

    def _write(self, run: Workspace, method: str, body: bytes) -> Response:
        is_there = run.exists()
        if method == "PUT" and not is_there:
            create_run(self._root, "any", run_id=run.run_id)
        elif method not in ("PUT", "POST") or not is_there:
            return Response(status_code=404)
        try:
            told = json.loads(body) if body else []
        except ValueError:
            return Response(status_code=400)
        if method == "POST" and told == []:
            return Response(status_code=400)
        messages: list[Any] = told if isinstance(told, list) else [told]
        lines = [json.dumps(message).encode() + b"\n" for message in messages]
        size = append_lines(run.stream, b"".join(lines)) if lines else 0
        headers = {"stream-next-offset": f"{size:016d}", "content-type": "application/json"}
        status = {"PUT": 200 if is_there else 201, "POST": 204}[method]
        return Response(status_code=status, headers=headers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    mount = Mount(parser.parse_args().root)
    config = uvicorn.Config(
        mount, host="127.0.0.1", port=0, log_level="warning", headers=list(FIXED_HEADERS)
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"listening on http://127.0.0.1:{port}", flush=True)  # noqa: T201

    Server(config).run()


if __name__ == "__main__":
    main()
