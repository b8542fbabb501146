"""What both clients tell httpx, and how long they wait."""

import ipaddress
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "ANSWER_TIMEOUT_S",
    "DEFAULT_URL",
    "GIVE_UP_S",
    "PAGE_EVENTS",
    "POLL_S",
    "http_options",
    "stream_params",
    "time_left_s",
    "unix_socket_of",
]

DEFAULT_URL = "http://127.0.0.1:8700"
ANSWER_TIMEOUT_S = 30.0
# A relay that is restarted is back within seconds; a machine that is, within a minute or so.
GIVE_UP_S = 60.0
# One long poll. Proxies cut silent requests at 30 to 60 s.
POLL_S = 20.0
PAGE_EVENTS = 1000


def unix_socket_of(url: str) -> str | None:
    """The path of `unix:PATH`, as the relay tells where it listens; None of any other URL."""
    return url.removeprefix("unix:") if url.startswith("unix:") else None


def http_options(url: str, token: str | None, timeout_s: float) -> dict[str, Any]:
    """But for the transport: see `unix_socket_of`."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    if unix_socket_of(url) is not None:
        url = "http://localhost"
    return {
        "base_url": url.rstrip("/").removesuffix("/api/v1") + "/api/v1",
        "headers": headers,
        "timeout": timeout_s,
        # A proxy of the environment does not know this machine's own address.
        "trust_env": not _is_loopback(urlsplit(url).hostname or ""),
    }


def stream_params(
    tail: int | None, types: Iterable[str], exclude: Iterable[str], speed: float | None
) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if tail is not None:
        params["tail"] = tail
    if wanted := ",".join(types):
        params["types"] = wanted
    if unwanted := ",".join(exclude):
        params["exclude"] = unwanted
    if speed is not None:
        params["speed"] = speed
    return params


def time_left_s(end: float | None) -> float:
    """Seconds until the monotonic time `end`, at least 0."""
    return float("inf") if end is None else max(0.0, end - time.monotonic())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
