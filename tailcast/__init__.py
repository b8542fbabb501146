"""The command line, people's way to runs on disk, and the client, programs' way to a relay.

`Client` and its kin are imported when they are asked for: a command must not wait for httpx. Relay and runner are
imported only where a command needs them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import (
        AsyncClient,
        Client,
        ClientError,
        ConnectionLost,
        Event,
        NoReceipt,
        ProblemError,
        StreamReset,
    )

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionLost",
    "Event",
    "NoReceipt",
    "ProblemError",
    "StreamReset",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import client

    return getattr(client, name)
