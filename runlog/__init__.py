"""What a run is on disk: layout, append, tail, lock, inbox, state. Knows no HTTP and no agent.

`import runlog` is light; `runlog.disk.watch` (watchfiles) is imported by those who need it.
"""

from .disk.append import AppendFile, Busy, Unusable, append_lines
from .disk.layout import RunId, Workspace, check_run_id, new_run_id, open_workspace
from .disk.lock import RunLock, is_locked
from .disk.records import Event, decode, encode, now_iso, stamp
from .disk.tail import LogFile, LogReplaced, Record, follow_records, parse_cursor, read_records
from .errors import (
    BadCursor,
    BadLimit,
    BadMessage,
    BadRunId,
    BatchActive,
    BatchExists,
    RunActive,
    RunExists,
    RunFinished,
    RunlogError,
    UnknownBatch,
    UnknownMessage,
    UnknownRun,
)
from .groups.batches import Batch, BatchInput, create_batch, list_batches, open_batch, read_batch
from .index import Page, RunIndex, list_runs
from .run.events import STATUSES, Status, is_reserved, is_terminal
from .run.inbox import InboxReader, Posted, cancel_message, post
from .run.inbox_lines import InboxLine, RefusedLine, read_inbox
from .run.manifest import Manifest, create_run, read_manifest
from .run.state import RunState
from .run.status import StateReader, Summary, ended_status, read_state, run_status, summarize

__all__ = [
    "STATUSES",
    "AppendFile",
    "BadCursor",
    "BadLimit",
    "BadMessage",
    "BadRunId",
    "Batch",
    "BatchActive",
    "BatchExists",
    "BatchInput",
    "Busy",
    "Event",
    "InboxLine",
    "InboxReader",
    "LogFile",
    "LogReplaced",
    "Manifest",
    "Page",
    "Posted",
    "Record",
    "RefusedLine",
    "RunActive",
    "RunExists",
    "RunFinished",
    "RunId",
    "RunIndex",
    "RunLock",
    "RunState",
    "RunlogError",
    "StateReader",
    "Status",
    "Summary",
    "UnknownBatch",
    "UnknownMessage",
    "UnknownRun",
    "Unusable",
    "Workspace",
    "append_lines",
    "cancel_message",
    "check_run_id",
    "create_batch",
    "create_run",
    "decode",
    "encode",
    "ended_status",
    "follow_records",
    "is_locked",
    "is_reserved",
    "is_terminal",
    "list_batches",
    "list_runs",
    "new_run_id",
    "now_iso",
    "open_batch",
    "open_workspace",
    "parse_cursor",
    "post",
    "read_batch",
    "read_inbox",
    "read_manifest",
    "read_records",
    "read_state",
    "run_status",
    "stamp",
    "summarize",
]
