"""`python -m relay`: the relay alone, for development. People use `tailcast relay`."""

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn, get_args

from .http.settings import (
    LOOPBACK_HOSTS,
    PAGE,
    ConnectionLimits,
    RelayError,
    RelaySettings,
    ScopeName,
    Watch,
)
from .server import serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m relay", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("workspaces"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--token")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--trust-proxy", action="append", default=[])
    parser.add_argument("--trust-user-header")
    parser.add_argument("--user-scope", choices=get_args(ScopeName), default="start")
    parser.add_argument("--uds", type=Path)
    parser.add_argument("--allow-host", action="append", default=[])
    parser.add_argument("--allow-origin", action="append", default=[])
    parser.add_argument("--root-path", default="")
    parser.add_argument("--proxy-headers", action="append", default=[])
    parser.add_argument("--keepalive", type=float, default=15.0, metavar="SECONDS")
    parser.add_argument("--watch", choices=get_args(Watch), default="watchfiles")
    parser.add_argument("--page", type=Path, default=PAGE, help="folder of the built web page")
    parser.add_argument("--no-dialects", action="store_true")
    parser.add_argument("--dialect-start", action="append", default=[], metavar="DIALECT=NAME")
    parser.add_argument("--claude-folder", type=Path, help="sessions may be imported from there")
    usual = ConnectionLimits()
    parser.add_argument("--head-timeout", type=float, default=usual.head_s, metavar="SECONDS")
    parser.add_argument("--body-timeout", type=float, default=usual.body_s, metavar="SECONDS")
    parser.add_argument("--max-connections", type=int, default=usual.connections, metavar="N")
    parser.add_argument(
        "--max-connections-per-peer", type=int, default=usual.connections_per_peer, metavar="N"
    )
    asked = parser.parse_args()
    settings = RelaySettings(
        root=asked.root,
        token=asked.token,
        token_file=asked.token_file,
        trusted_proxies=tuple(asked.trust_proxy),
        user_header=asked.trust_user_header,
        user_scope=asked.user_scope,
        uds=asked.uds,
        allowed_hosts=LOOPBACK_HOSTS | {name.lower() for name in asked.allow_host},
        allowed_origins=tuple(asked.allow_origin),
        root_path=asked.root_path,
        claude_folder=asked.claude_folder,
        forwarding_proxies=tuple(asked.proxy_headers),
        keepalive_s=asked.keepalive,
        page=asked.page,
        dialects=not asked.no_dialects,
        dialect_starts=tuple(asked.dialect_start),
        watch=asked.watch,
        limits=ConnectionLimits(
            head_s=asked.head_timeout,
            body_s=asked.body_timeout,
            connections=asked.max_connections,
            connections_per_peer=asked.max_connections_per_peer,
        ),
    )
    try:
        ended_by = serve(settings, asked.host, asked.port, _announce)
    except RelayError as error:
        sys.stderr.write(f"relay: {error}\n")
        return 2
    return 130 if ended_by == 2 else 0


def _announce(url: str) -> None:
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


def _leave(code: int) -> NoReturn:
    """Exit, though a thread may wait for a disk that does not answer."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(0.5)
            if thread.is_alive():
                os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    _leave(main())
