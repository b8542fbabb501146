"""Exceptions by which a workflow ends its run."""

from typing import Any

__all__ = ["RunFailed", "RunStopped"]


class RunFailed(Exception):
    """Raised by a workflow to end its run as `failed`.

    :param reason: one word that programs can test, such as `exit_code` or `authentication`.
    :param error: what happened, for people; the last of the agent's stderr is added to it.
    :param fields: more for the `workflow_failed` line, such as `exit_code`.
    """

    def __init__(self, reason: str, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error
        self.fields = fields


class RunStopped(Exception):
    """Raised by a workflow to end its run as `stopped`: a person ended it by other means than `stop`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
