"""Serve a rival's app as the relay serves its own: uvicorn, one worker, uvloop, httptools, no access log."""

import argparse
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

__all__ = ["serve"]


def serve(make_app: Callable[[Path], Any]) -> None:
    """Take the root from the command line, print the address, serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    app = make_app(parser.parse_args().root)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])
