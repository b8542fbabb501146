"""What can go wrong between a program and a relay."""

from typing import Any

__all__ = ["ClientError", "ConnectionLost", "NoReceipt", "ProblemError", "StreamReset"]


class ClientError(Exception):
    """Base of all errors of the client."""


class ProblemError(ClientError):
    """The relay refused the call (RFC 9457).

    `kind` is the name for programs (`unknown-run`, `run-finished`, …; docs/contract.md lists them), `detail` says
    what to do next, `errors` has one object for each field that is wrong.
    """

    def __init__(self, status: int, kind: str, detail: str, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"{kind} ({status}): {detail}")
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors


class ConnectionLost(ClientError):
    """The relay could not be reached for as long as the client was told to try; the cause is the last failure."""


class StreamReset(ClientError):
    """The stream was replaced, or the cursor is another run's: forget what you have of it, and begin again at 0."""


class NoReceipt(ClientError):
    """The run has ended and told nothing (more) of the message."""
