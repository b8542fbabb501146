"""The shapes of what clients get, for the OpenAPI page."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .asked import Blocks

__all__ = [
    "Accepted",
    "AcceptedAndWaited",
    "CatalogView",
    "Entry",
    "EventsPage",
    "Health",
    "HistoryView",
    "Listing",
    "ProblemView",
    "RunPage",
    "RunStarted",
    "RunView",
    "StartedAndWaited",
    "Summary",
    "Waited",
    "WorkflowView",
    "StatusName",
]

_RUN_ID_EXAMPLE = "claude-20250119t103045-k7f2qa"

StatusName = Literal["queued", "running", "waiting", "paused", "completed", "failed", "stopped"]
WaitingFor = Annotated[
    Literal["answer", "message"] | None,
    Field(description="of a `waiting` run: `answer`, somebody is needed; `message`, it is at rest"),
]


class RunStarted(BaseModel):
    run_id: str = Field(examples=[_RUN_ID_EXAMPLE])
    status: StatusName = Field(examples=["queued"])
    links: dict[str, str] = Field(
        examples=[{"stream": f"/api/v1/workflows/{_RUN_ID_EXAMPLE}/stream"}]
    )


class Summary(BaseModel):
    run_id: str = Field(examples=[_RUN_ID_EXAMPLE])
    workflow: str = Field(examples=["claude"])
    status: StatusName
    created_at: str = Field(examples=["2025-01-19T10:30:45.123Z"])
    title: str = Field(description="Its own, or one line of the prompt or command")
    ended_at: str | None
    duration_s: float | None = Field(description="so far, while it runs")
    progress: float | None = Field(description="0 to 100")
    message: str | None
    cost_usd: float | None
    reason: str | None
    attempt: int
    open_questions: int
    size_bytes: int
    deployment: str | None
    batch_id: str | None
    waiting_for: WaitingFor
    queue_position: int | None = Field(description="of a queued run, 1 for the next; else null")
    labels: dict[str, str] = Field(examples=[{"team": "search"}])
    thread_id: str | None
    schedule: str | None = Field(description="that started it")
    parked: bool = Field(description="it waits without a process; what comes takes it up")
    steps_done: int | None = Field(
        description="of the steps that were planned; null without a plan"
    )
    steps_total: int | None
    fields: dict[str, Any] = Field(description="what the workflow publishes of its state")
    links: dict[str, str]


class FacetCounts(BaseModel):
    """How many runs have each value, of all that pass the filters of the other facets; the most frequent 200."""

    status: dict[str, int] = Field(examples=[{"running": 2, "completed": 41}])
    workflow: dict[str, int] = Field(examples=[{"claude": 40, "command": 3}])
    deployment: dict[str, int] = Field(examples=[{"nightly-review": 12}])
    batch: dict[str, int] = Field(description="by batch id", examples=[{"greetings": 20}])


class RunPage(BaseModel):
    runs: list[Summary]
    next: str | None = Field(description="`cursor` of the next page; null at the end")
    complete: bool = Field(
        description="false while a large root is read for the first time: some runs are missing yet"
    )
    counts: FacetCounts | None = Field(None, description="with `counts=true` only")


class Counts(BaseModel):
    events: dict[str, int] = Field(description="by type")
    tool_calls: int
    turns: int = Field(description="answers of the model")
    messages: dict[str, int] = Field(description="by the state of their last receipt")


class TurnView(BaseModel):
    number: int = Field(description="1 for the first of the run")
    offset: int = Field(description="just before its first line")
    message_id: str | None = Field(description="of what began it; null: the agent by itself")
    running: bool
    finish_reason: str | None = Field(
        description="how it ended: `completed`, `interrupted`, or why it failed",
        examples=["completed"],
    )


class SubagentView(BaseModel):
    tool_use_id: str = Field(description="the call that started it")
    agent_id: str | None
    type: str | None = Field(examples=["general-purpose"])
    description: str | None
    status: str | None = Field(examples=["completed"])
    total_tokens: int | None = Field(description="in and out, as Claude tells them")
    tool_uses: int | None
    duration_ms: int | None


class StepView(BaseModel):
    id: str
    name: str = Field(description="for people")
    depends_on: list[str] = Field(description="ids of steps before it")
    state: Literal["planned", "running", "completed", "failed", "cut"]


class RunView(BaseModel):
    run_id: str = Field(examples=[_RUN_ID_EXAMPLE])
    workflow: str
    status: StatusName
    waiting_for: WaitingFor
    parked: bool = Field(description="it waits without a process; what comes takes it up")
    parked_until: str | None = Field(description="when it is taken up in any case")
    attempt: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    duration_s: float | None = Field(description="so far, while it runs")
    last_event_at: str | None
    progress: float | None = Field(description="0 to 100")
    message: str | None = Field(description="as the run last told")
    activity: str | None
    fields: dict[str, Any] = Field(description="what the workflow publishes, and what it counts")
    steps: list[StepView] = Field(description="that were planned; at most 500")
    steps_done: int | None = Field(description="of those planned; null without a plan")
    steps_total: int | None
    counts: Counts
    turn: TurnView | None = Field(description="the present one, or else the last")
    current_node: str | None
    current_tool: str | None
    open_questions: list[dict[str, Any]] = Field(description="`questions_presented` events")
    open_permissions: list[dict[str, Any]] = Field(description="`permission_requested` events")
    usage: dict[str, int] = Field(description="tokens by kind, of all models and subagents")
    model_usage: dict[str, dict[str, float]] = Field(
        description="by model: tokens by kind, and `cost_usd`"
    )
    subagents: list[SubagentView]
    cost_usd: float | None
    output_bytes: int = Field(description="of the stream")
    unfinished: int | None = Field(
        description="bytes of a last line without line end that has not grown for some seconds, and is none yet"
    )
    session_id: str | None
    model: str | None
    result: Any
    error: Any
    reason: str | None
    title: str = Field(description="Its own, or one line of the prompt or command")
    labels: dict[str, str] = Field(examples=[{"team": "search"}])
    thread_id: str | None
    trace: str | None = Field(description="W3C `traceparent`")
    prompt: str | Blocks | None
    params: dict[str, Any]
    interactive: bool
    deployment: str | None
    batch_id: str | None
    schedule: str | None = Field(description="that started it")
    due_at: str | None = Field(description="the time that the schedule meant")
    priority: int
    queue_position: int | None = Field(description="of a queued run, 1 for the next; else null")
    trouble: str | None = Field(
        description="what keeps the runner from starting or ending it; it tries again"
    )
    limits: dict[str, Any]
    park_after_s: float | None = Field(description="null: as the runner has it")
    output_schema: dict[str, Any] | None
    offset: int = Field(description="of the last event in this state: follow with `?after=` this")
    links: dict[str, str]


class Waited(BaseModel):
    done: bool = Field(description="false: the time is over before it came about; the run goes on")
    text: str | None = Field(
        description="what the agent said last in the turn, up to 256 Ki characters"
    )
    turn: TurnView | None = Field(description="that was waited for, or else the last")
    state: RunView
    links: dict[str, str] = Field(description="`wait`: to wait for the same again")


class StartedAndWaited(RunStarted):
    """With `wait` the fields of `Waited` too."""

    done: bool | None = Field(None, description="with `wait`, as are the following")
    text: str | None = None
    turn: TurnView | None = None
    state: RunView | None = None


class EventAt(BaseModel):
    offset: int = Field(description="just after its line: the cursor that comes after it")
    event: dict[str, Any]


class EventsPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "events": [{"offset": 82, "event": {"type": "assistant", "message": {}}}],
                    "next": 82,
                    "end": False,
                }
            ]
        }
    )

    events: list[EventAt]
    next: int = Field(description="`after` of the next page")
    end: bool = Field(description="the run has ended, and `next` is its end")
    reset: bool = Field(
        False, description="`after` was past the end (another file): these are from the start"
    )


class ToolCallView(BaseModel):
    id: str
    name: str = Field(examples=["Bash"])
    input: Any
    result: str | None = Field(description="null until it came; its text, cut at 64 Ki characters")
    is_error: bool


class ChatMessageView(BaseModel):
    role: Literal["user", "assistant", "system"]
    kind: Literal["message", "command", "compaction", "interrupt", "task", "error"] = Field(
        description="`command`: of the CLI's own, typed by the person. Of the role `system`: `compaction`, "
        "`interrupt`, `task` (what one in the background, or another agent, tells), `error` (why the model could not "
        "answer)"
    )
    content: str = Field(
        description="The text. What is none shows as `[image]`, by its type. A command as typed; the summary of a "
        "compaction"
    )
    timestamp: str | None = Field(description="null of a message of `chat_history`")
    offset: int = Field(description="after the first line of the message; 0 of `chat_history`")
    message_id: str | None = Field(description="Claude's, or of what a person said the inbox's")
    thinking: str | None = Field(None, description="of the assistant")
    tool_calls: list[ToolCallView] = Field([], description="of the assistant")
    output: str | None = Field(None, description="of a command")
    is_error: bool = Field(False, description="of a command or task: it failed")
    command: str | None = Field(
        None, description="of a compaction: that asked for it; null, it came by itself"
    )
    tokens_before: int | None = Field(None, description="of a compaction")
    tokens_after: int | None = Field(None, description="of a compaction")
    source: Literal["person", "stop"] | None = Field(
        None, description="of an interrupt: who asked for it; null, nobody who is known"
    )


class HistoryView(BaseModel):
    messages: list[ChatMessageView] = Field(description="oldest first")
    offset: int = Field(description="how far it goes: follow with `?after=` this")
    truncated: bool = Field(description="there are older ones")


class Accepted(BaseModel):
    message_id: str = Field(examples=["msg-5f0c9a4e1b2d3c4f5a6b7c8d"])
    offset: int = Field(description="in the inbox, just after the line", examples=[214])


class AcceptedAndWaited(Accepted):
    """With `wait` the fields of `Waited` too."""

    links: dict[str, str] = Field(description="`wait`: for the end of the turn that answers it")
    done: bool | None = Field(None, description="with `wait`, as are the following")
    text: str | None = None
    turn: TurnView | None = None
    state: RunView | None = None


class SignalView(BaseModel):
    description: str
    data: dict[str, Any] = Field(description="JSON schema of what comes with it")


class WorkflowView(BaseModel):
    name: str = Field(examples=["command"])
    description: str
    params: dict[str, Any] = Field(description="JSON schema")
    prompt: Literal["required", "optional", "none"]
    interactive: bool
    resumable: bool
    pausable: bool
    messages: bool = Field(description="its runs read messages")
    warm: bool = Field(description="an agent can wait ready for its runs")
    structured: bool = Field(description="its result can be had by an `output_schema`")
    signals: dict[str, SignalView] = Field(description="that its runs take, by name")


class CatalogView(BaseModel):
    workflows: list[WorkflowView]


class Entry(BaseModel):
    name: str = Field(examples=["haiku.txt"])
    path: str = Field(description="to append to /files/")
    type: Literal["file", "folder", "symlink", "other"]
    size: int | None = Field(description="bytes, of a file")
    mtime: str = Field(examples=["2025-01-19T10:30:45.123Z"])


class Listing(BaseModel):
    path: str
    entries: list[Entry]
    truncated: bool = Field(description="there are more than can be listed")


class Health(BaseModel):
    status: Literal["ok"]


class ProblemView(BaseModel):
    """RFC 9457. `detail` says what to do next."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/docs#unknown-run",
                    "title": "Unknown run",
                    "status": 404,
                    "detail": "no run 'x' under workspaces. List the runs with `tailcast ls` or "
                    "GET /api/v1/workflows",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = Field(
        None, description="each with `detail` and `pointer` (into the body) or `parameter`"
    )
