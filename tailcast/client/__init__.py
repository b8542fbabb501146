"""Talk to a relay from Python: `Client`, and the same with `await` as `AsyncClient`.

Import both from `tailcast`. What they share is here without any waiting: `calls` knows the requests, `results` the
answers, `streams` how a stream goes on after its connection broke.
"""

from .aio import AsyncClient
from .errors import ClientError, ConnectionLost, NoReceipt, ProblemError, StreamReset
from .results import (
    Batch,
    BatchPage,
    BatchStarted,
    Deployment,
    DeploymentStatistics,
    Event,
    EventPage,
    FileEntry,
    FileListing,
    History,
    HistoryMessage,
    ImportedSession,
    Posted,
    Receipt,
    Run,
    RunChange,
    RunPage,
    RunSummary,
    Schedule,
    ScheduleOutcome,
    Started,
    ToolCall,
    WorkflowInfo,
)
from .sync import Client

__all__ = [
    "AsyncClient",
    "Batch",
    "BatchPage",
    "BatchStarted",
    "Client",
    "ClientError",
    "ConnectionLost",
    "Deployment",
    "DeploymentStatistics",
    "Event",
    "EventPage",
    "FileEntry",
    "FileListing",
    "History",
    "HistoryMessage",
    "ImportedSession",
    "NoReceipt",
    "Posted",
    "ProblemError",
    "Receipt",
    "Run",
    "RunChange",
    "RunPage",
    "RunSummary",
    "Schedule",
    "ScheduleOutcome",
    "Started",
    "StreamReset",
    "ToolCall",
    "WorkflowInfo",
]
