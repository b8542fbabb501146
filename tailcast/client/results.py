"""Answers of a relay as frozen values. Fields that a newer relay adds are passed over; missing ones have defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar

__all__ = [
    "Awaited",
    "Batch",
    "BatchPage",
    "BatchStarted",
    "Deployment",
    "DeploymentStatistics",
    "Event",
    "EventPage",
    "ExportFormat",
    "FileEntry",
    "FileListing",
    "History",
    "HistoryMessage",
    "ImportedSession",
    "Posted",
    "Receipt",
    "ReceiptState",
    "Run",
    "RunChange",
    "RunFilters",
    "RunPage",
    "RunSummary",
    "Schedule",
    "ScheduleOutcome",
    "Started",
    "Status",
    "ToolCall",
    "Waited",
    "WorkflowInfo",
    "from_json",
]

WaitingFor = Literal["answer", "message"]
Status = Literal["queued", "running", "waiting", "paused", "completed", "failed", "stopped"]
Awaited = Literal["end", "turn", "attention"]
ExportFormat = Literal["claude", "jsonl", "markdown", "html"]
ReceiptState = Literal["queued", "delivered", "completed", "dropped"]

_ENDED = ("completed", "failed", "stopped")

T = TypeVar("T")


def from_json(kind: type[T], body: Mapping[str, Any]) -> T:
    """A value of a dataclass from a JSON object."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type] # only dataclasses come here
    return kind(**{name: value for name, value in body.items() if name in names})


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was made; `status` is `queued`, unless the call was repeated with its key."""

    run_id: str
    status: Status


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run. `offset` is the cursor after it; `data` the line as JSON data.

    `cursor` is that of a stream of several runs: all of them, after this line.
    """

    run_id: str
    offset: int
    data: dict[str, Any]
    cursor: str | None = None

    @property
    def type(self) -> str:
        kind = self.data.get("type")
        return kind if isinstance(kind, str) else ""


@dataclass(frozen=True, slots=True)
class EventPage:
    """`next` is the cursor of the next page; `end`: the run has ended, and this is all."""

    events: list[Event]
    next: int
    end: bool
    reset: bool = False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A row of a listing."""

    run_id: str
    workflow: str
    status: Status
    created_at: str
    title: str = ""
    ended_at: str | None = None
    duration_s: float | None = None
    progress: float | None = None
    message: str | None = None
    cost_usd: float | None = None
    reason: str | None = None
    attempt: int = 0
    open_questions: int = 0
    size_bytes: int = 0
    deployment: str | None = None
    batch_id: str | None = None
    waiting_for: WaitingFor | None = None
    queue_position: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    parked: bool = False
    schedule: str | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class RunChange:
    """The state of a run that changed; `summary` None: it was removed."""

    run_id: str
    summary: RunSummary | None


class RunFilters(TypedDict, total=False):
    """Which runs to list: see `GET /workflows`. `label`: `name=value` or `name`, each of which they have.

    Times are aware; without a zone they are UTC.
    """

    q: str | None
    status: Status | None
    workflow: str | None
    deployment: str | None
    batch: str | None
    reason: str | None
    label: Iterable[str] | None
    thread_id: str | None
    schedule: str | None
    created_after: datetime | None
    created_before: datetime | None
    cost_over: float | None
    order: Literal["newest", "oldest", "cost", "duration"]


@dataclass(frozen=True, slots=True)
class RunPage:
    """`next` is the `cursor` of the next page; None at the end.

    `complete`: false while the relay reads a large root for the first time. `counts`, if asked for: facet -> value ->
    runs.
    """

    runs: list[RunSummary]
    next: str | None
    complete: bool = True
    counts: dict[str, dict[str, int]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The state of a run: `GET /workflows/{id}`. `offset` is of the last event in it.

    `text` is of `wait` and `ask` only: what the agent said last in the turn that was waited for.
    """

    run_id: str
    workflow: str
    status: Status
    created_at: str
    offset: int
    waiting_for: WaitingFor | None = None
    parked: bool = False
    parked_until: str | None = None
    attempt: int = 0
    started_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    last_event_at: str | None = None
    progress: float | None = None
    message: str | None = None
    activity: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    steps_done: int | None = None
    steps_total: int | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    turn: dict[str, Any] | None = None
    current_node: str | None = None
    current_tool: str | None = None
    open_questions: list[dict[str, Any]] = field(default_factory=list)
    open_permissions: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    model_usage: dict[str, dict[str, float]] = field(default_factory=dict)
    subagents: list[dict[str, Any]] = field(default_factory=list)
    cost_usd: float | None = None
    session_id: str | None = None
    model: str | None = None
    result: Any = None
    error: Any = None
    reason: str | None = None
    prompt: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    interactive: bool = False
    deployment: str | None = None
    batch_id: str | None = None
    schedule: str | None = None
    due_at: str | None = None
    priority: int = 0
    queue_position: int | None = None
    trouble: str | None = None
    limits: dict[str, float] = field(default_factory=dict)
    park_after_s: float | None = None
    output_bytes: int = 0
    unfinished: int | None = None
    title: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    trace: str | None = None
    output_schema: dict[str, Any] | None = None
    text: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class Waited:
    """`done`: it has come about; else the time was over before."""

    done: bool
    run: Run


@dataclass(frozen=True, slots=True)
class Posted:
    """An inbox line that is on the disk of the relay."""

    message_id: str
    offset: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message. `offset` is of the `message_received` event."""

    message_id: str
    state: ReceiptState
    offset: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`result` is None until it came."""

    id: str
    name: str
    input: Any
    result: str | None
    is_error: bool


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """`kind` is `message`, `command`, `compaction`, `interrupt`, `task` or `error`; the fields after it are
    of those.
    """

    role: Literal["user", "assistant", "system"]
    content: str
    timestamp: str | None
    offset: int
    message_id: str | None
    thinking: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    kind: str = "message"
    output: str | None = None
    is_error: bool = False
    command: str | None = None
    tokens_before: int | None = None
    tokens_after: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The chat, oldest first. Follow on after `offset`; `truncated`: there are older messages."""

    messages: list[HistoryMessage]
    offset: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class ImportedSession:
    """A run made of a session of Claude Code. `repeated`: it was there already; `earlier`: runs of the same session.

    `unfinished_bytes`: of a line that was just being written, and was left out.
    """

    run_id: str
    session_id: str
    status: Status
    messages: int
    subagents: int = 0
    size_bytes: int = 0
    repeated: bool = False
    unfinished_bytes: int = 0
    broken_lines: int = 0
    earlier: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """`path` is below the workspace; `size` in bytes, of a file."""

    name: str
    path: str
    type: Literal["file", "folder", "symlink", "other"]
    size: int | None
    mtime: str


@dataclass(frozen=True, slots=True)
class FileListing:
    path: str
    entries: list[FileEntry]
    truncated: bool


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """What can be started; `params` is a JSON schema."""

    name: str
    description: str
    params: dict[str, Any]
    prompt: Literal["required", "optional", "none"] = "none"
    interactive: bool = False
    resumable: bool = False
    pausable: bool = False
    warm: bool = False
    messages: bool = True
    structured: bool = False
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeploymentStatistics:
    """`duration_s` has `p50`, `mean` and `max` of the runs that have ended, `cost_usd` is in all; None: nobody told.

    `success_rate` (0 to 1): of the runs that completed or failed, the share of the former.
    """

    runs: int = 0
    by_status: dict[Status, int] = field(default_factory=dict)
    success_rate: float | None = None
    duration_s: dict[str, float | None] = field(default_factory=dict)
    cost_usd: float | None = None
    last_run: RunSummary | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A workflow with params and limits, under a name. `etag` tells its states apart; None in a listing."""

    name: str
    workflow: str
    description: str = ""
    prompt: Any = None
    params: dict[str, Any] = field(default_factory=dict)
    interactive: bool = False
    limits: dict[str, float] = field(default_factory=dict)
    priority: int = 0
    park_after_s: float | None = None
    max_running: int | None = None
    warm: int = 0
    allowed_overrides: list[str] = field(default_factory=list)
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    output_schema: dict[str, Any] | None = None
    created_at: str = ""
    updated_at: str = ""
    statistics: DeploymentStatistics = field(default_factory=DeploymentStatistics)
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleOutcome:
    """What became of one time, and when that was decided. `detail`: why no run was started."""

    outcome: Literal["started", "queued", "skipped", "missed", "refused"]
    due_at: str
    at: str
    run_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`next_times` are in UTC, none while it is paused. `last` is of the last time, `last_run` of all its runs.

    `etag` is of one that was asked for by its name.
    """

    name: str
    cron: str
    deployment: str
    timezone: str = "UTC"
    overlap: Literal["skip", "queue", "stop"] = "skip"
    missed: Literal["none", "once"] = "none"
    enabled: bool = True
    description: str = ""
    prompt: Any = None
    runtime_overrides: dict[str, Any] = field(default_factory=dict)
    interactive: bool | None = None
    limits: dict[str, float] = field(default_factory=dict)
    priority: int | None = None
    park_after_s: float | None = None
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    output_schema: dict[str, Any] | None = None
    created_at: str = ""
    updated_at: str = ""
    since: str = ""
    next_times: list[str] = field(default_factory=list)
    waits_since: str | None = None
    last: ScheduleOutcome | None = None
    last_run: RunSummary | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A batch that was made; `run_ids` are in the order of the inputs."""

    batch_id: str
    run_ids: list[str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Totals of the runs of a batch at one moment. Runs that were `removed` since count as `done`.

    `runs` are a page of them in the order of the inputs, and `next` the `cursor` of the following one; in a listing
    of batches there are none.
    """

    batch_id: str
    status: Literal["queued", "running", "completed", "failed", "stopped"]
    workflow: str
    total: int
    done: int
    created_at: str
    deployment: str | None = None
    description: str | None = None
    max_running: int | None = None
    removed: int = 0
    by_status: dict[Status, int] = field(default_factory=dict)
    progress: float = 0.0
    open_questions: int = 0
    cost_usd: float | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    runs: list[RunSummary] = field(default_factory=list)
    next: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class BatchPage:
    """`next` is the `cursor` of the next page; None at the end."""

    batches: list[Batch]
    next: str | None
