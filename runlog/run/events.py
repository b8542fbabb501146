"""The vocabulary: Tailcast's own event types, which of them decide a run's status, and the statuses."""

from typing import Literal

__all__ = [
    "LIFECYCLE_TYPES",
    "PARKED",
    "RESERVED_TYPES",
    "STATUSES",
    "TERMINAL_STATUS",
    "ReceiptState",
    "Status",
    "is_reserved",
    "is_terminal",
]

Status = Literal["queued", "running", "waiting", "paused", "completed", "failed", "stopped"]
STATUSES: tuple[Status, ...] = (
    "queued",
    "running",
    "waiting",
    "paused",
    "completed",
    "failed",
    "stopped",
)

ReceiptState = Literal["queued", "delivered", "completed", "dropped"]

TERMINAL_STATUS: dict[str, Status] = {
    "workflow_completed": "completed",
    "workflow_failed": "failed",
    "workflow_stopped": "stopped",
}

# The process of a run that waits has ended, the run has not. As a terminal line: of the holder of the lock, sealed.
PARKED = "workflow_parked"

LIFECYCLE_TYPES = frozenset(TERMINAL_STATUS) | {"workflow_started"}

# In a run that the runner started these count only from the run process itself; a command's own line of such a
# type is wrapped as `log`. `workflow_` is a prefix: types to come are reserved too.
RESERVED_TYPES = frozenset(
    {"message_received", "permission_requested", "permission_resolved", "responses_collected"}
)


def is_reserved(event_type: str) -> bool:
    """Whether only the run process may write lines of this type."""
    return event_type in RESERVED_TYPES or event_type.startswith("workflow_")


def is_terminal(status: Status) -> bool:
    return status in ("completed", "failed", "stopped")
