"""What clients send, checked; and the shapes of what they get, for the OpenAPI page."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from runlog.run.limits import LIMITS
from runlog.run.manifest import MAX_PRIORITY
from runlog.run.own_words import (
    LABEL_NAME_PATTERN,
    MAX_LABEL_CHARS,
    MAX_LABELS,
    MAX_TITLE_CHARS,
    THREAD_ID_PATTERN,
    TRACE_PATTERN,
)

__all__ = [
    "ID_PATTERN",
    "MESSAGE_ID_PATTERN",
    "OFFSET_PATTERN",
    "Accepted",
    "AcceptedAndWaited",
    "AnswerPermission",
    "AnswerQuestion",
    "Asked",
    "Blocks",
    "ChatHistory",
    "CatalogView",
    "Command",
    "Entry",
    "EventsPage",
    "Health",
    "HistoryView",
    "Labels",
    "Limits",
    "Listing",
    "MAX_UNKNOWN",
    "MessageId",
    "OutputSchema",
    "OwnId",
    "Priority",
    "ProblemView",
    "UNION_TAGS",
    "RunPage",
    "RunStarted",
    "RunView",
    "SendMessage",
    "SetModel",
    "SetPermissionMode",
    "StartAgain",
    "StartRun",
    "StartedAndWaited",
    "Summary",
    "Text",
    "ThreadId",
    "Title",
    "Trace",
    "Waited",
    "WorkflowView",
    "by_workflow_or_deployment",
]

_RUN_ID_EXAMPLE = "claude-20250119t103045-k7f2qa"

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# For the schema alone: what does not fit is refused further below, by the one place that knows.
ID_PATTERN = "^[a-z0-9][a-z0-9-]{0,79}$"
MESSAGE_ID_PATTERN = "^[A-Za-z0-9._:-]{1,128}$"
OFFSET_PATTERN = "^(0|[1-9][0-9]{0,15})$"
OwnId = Annotated[str, Field(json_schema_extra={"pattern": ID_PATTERN})]
# One fault of a list says enough: it may have as many as entries.
Blocks = Annotated[list[dict[str, Any]], Field(fail_fast=True)]

_TEXT, _BLOCKS = "<text>", "<blocks>"
# What a choice adds to the places of its faults.
UNION_TAGS = frozenset({_TEXT, _BLOCKS})
# By its type, or each fault would be told of every choice.
Content = Annotated[
    Annotated[str, Tag(_TEXT)] | Annotated[Blocks, Tag(_BLOCKS)],
    Discriminator(
        lambda value: {str: _TEXT, list: _BLOCKS}.get(type(value)),
        custom_error_type="content_type",
        custom_error_message="Send a text, or a list of content blocks",
    ),
]
"""Text, or a list of Claude content blocks."""
MessageId = Annotated[
    str,
    Field(
        description="1 to 128 of A-Z a-z 0-9 . _ : -; posted twice it takes effect once",
        json_schema_extra={"pattern": MESSAGE_ID_PATTERN},
    ),
]
Priority = Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
Limits = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra={
            "additionalProperties": False,
            "properties": {
                name: {"type": "number", "exclusiveMinimum": 0, "description": bounds}
                for name, bounds in LIMITS.items()
            },
        },
        examples=[{"wall_time_s": 3600, "cost_usd": 2.5}],
    ),
]
Title = Annotated[
    str,
    Field(
        description="One line for listings, in place of that of the prompt",
        json_schema_extra={"minLength": 1, "maxLength": MAX_TITLE_CHARS},
        examples=["Nightly review"],
    ),
]
Labels = Annotated[
    dict[str, Any],
    Field(
        description="Name -> value, to find runs by",
        json_schema_extra={
            "maxProperties": MAX_LABELS,
            "propertyNames": {"pattern": LABEL_NAME_PATTERN},
            "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_CHARS},
        },
        examples=[{"team": "search", "ticket": "AB-12"}],
    ),
]
ThreadId = Annotated[
    str,
    Field(
        description="Of the conversation or case that the run is of: several may have the same",
        json_schema_extra={"pattern": THREAD_ID_PATTERN},
        examples=["case-4711"],
    ),
]
Trace = Annotated[
    str,
    Field(
        description="W3C `traceparent`: kept, and `TRACEPARENT` in the environment of the agent",
        json_schema_extra={"pattern": TRACE_PATTERN},
        examples=["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ),
]
OutputSchema = Annotated[
    dict[str, Any],
    Field(
        description="JSON Schema of the run's `result`, for workflows that are `structured`; a result that does not "
        "fit fails the run (`bad_output`)",
        examples=[
            {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        ],
    ),
]
# Unknown fields that are told.
MAX_UNKNOWN = 20
# The names that others give to roles and fields are understood too: `runlog.run.earlier` knows them.
ChatHistory = Annotated[
    Blocks,
    Field(
        json_schema_extra={
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["user", "assistant", "system"]},
                    "content": {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {"type": {"type": "string"}},
                                    "required": ["type"],
                                },
                            },
                        ]
                    },
                },
                "required": ["role", "content"],
            }
        }
    ),
]
StatusName = Literal["queued", "running", "waiting", "paused", "completed", "failed", "stopped"]
WaitingFor = Annotated[
    Literal["answer", "message"] | None,
    Field(description="of a `waiting` run: `answer`, somebody is needed; `message`, it is at rest"),
]


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _cut_what_is_unknown(cls, asked: Any) -> Any:
        """Each unknown field is a fault, and there may be 200,000."""
        if not isinstance(asked, dict) or len(asked) <= len(cls.model_fields) + MAX_UNKNOWN:
            return asked
        known = {name: asked[name] for name in cls.model_fields if name in asked}
        unknown = islice((name for name in asked if name not in known), MAX_UNKNOWN)
        return known | {name: asked[name] for name in unknown}


def by_workflow_or_deployment(examples: list[Any]) -> Callable[[dict[str, Any]], None]:
    """For the schema of a body that names a `workflow` or a `deployment`: each form as a shape of its own."""

    def reshape(schema: dict[str, Any]) -> None:
        fields = schema.pop("properties")
        required = schema.pop("required", [])
        for name in ("type", "additionalProperties"):
            schema.pop(name, None)

        def form(title: str, by: str, without: set[str]) -> dict[str, Any]:
            properties = {name: field for name, field in fields.items() if name not in without}
            properties[by] = fields[by] | fields[by]["anyOf"][0]  # it is there, so it is no null
            del properties[by]["anyOf"], properties[by]["default"]
            return {
                "title": title,
                "type": "object",
                "properties": properties,
                "required": [by, *required],
                "additionalProperties": False,
            }

        name = schema["title"]
        schema["oneOf"] = [
            form(f"{name}OfWorkflow", "workflow", {"deployment", "runtime_overrides"}),
            form(f"{name}OfDeployment", "deployment", {"workflow", "params"}),
        ]
        schema["examples"] = examples

    return reshape


class StartRun(Asked):
    """A run to start: of a `workflow` with `params`, or of a `deployment`, perhaps with `runtime_overrides`.

    `GET /api/v1/catalog` tells the workflows, and the schema of the `params` of each.
    """

    model_config = ConfigDict(
        json_schema_extra=by_workflow_or_deployment(
            [
                {"workflow": "claude", "prompt": "Write a haiku about tail -f into haiku.txt"},
                {
                    "workflow": "command",
                    "params": {"argv": ["sh", "-c", "echo hello"]},
                    "priority": 10,
                    "limits": {"wall_time_s": 600, "output_bytes": 10_000_000},
                },
                {"deployment": "nightly-review", "runtime_overrides": {"max_turns": 20}},
            ]
        )
    )

    workflow: Text | None = None
    deployment: Text | None = Field(
        None, description="By its name; it has the workflow and the params"
    )
    prompt: Content | None = Field(
        None,
        description="Text, or a list of Claude content blocks. Left out, the deployment's, if it has one",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Not with a deployment")
    runtime_overrides: dict[str, Any] | None = Field(
        None,
        description="With a deployment: params in place of its own, of those that it allows to be set",
    )
    run_id: OwnId | None = Field(
        None, description="Your own id: 1 to 80 of a-z, 0-9 and '-'. Left out, one is made"
    )
    interactive: bool | None = Field(
        None,
        description="Stay open for messages after the first answer. Left out: as the deployment has it, else false",
    )
    priority: Priority | None = Field(
        None,
        description="Of queued runs the highest begins first. Left out: the deployment's, else 0",
    )
    limits: Limits | None = Field(
        None, description="What ends the run when it is passed; never looser than the deployment's"
    )
    chat_history: ChatHistory | None = Field(
        None, description="Earlier messages, `{role, content}` each, that the run begins with"
    )
    title: Title | None = None
    labels: Labels | None = None
    thread_id: ThreadId | None = None
    trace: Trace | None = None
    output_schema: OutputSchema | None = None


class StartAgain(Asked):
    """What is to be otherwise than in the start of that run; all of it may be left out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"params": {"max_turns": 20}, "labels": {"try": "2"}}]}
    )

    prompt: Content | None = None
    params: dict[str, Any] | None = Field(
        None, description="In place of those of these names. Not of a run of a deployment"
    )
    runtime_overrides: dict[str, Any] | None = Field(
        None, description="Of a run of a deployment: likewise, of those that it allows"
    )
    run_id: OwnId | None = None
    interactive: bool | None = None
    priority: Priority | None = None
    limits: Limits | None = Field(None, description="In place of those of these names")
    chat_history: ChatHistory | None = None
    title: Title | None = None
    labels: Labels | None = Field(None, description="In place of those of these names")
    thread_id: ThreadId | None = None
    trace: Trace | None = None
    output_schema: OutputSchema | None = None


class SendMessage(Asked):
    """Something to say to a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"message": "Use tabs, not spaces"},
                {"message": "And now the tests", "delivery": "queue", "id": "tests-1"},
            ]
        }
    )

    message: Content = Field(description="Text, or a list of Claude content blocks")
    id: MessageId | None = None
    delivery: Literal["steer", "queue", "interrupt"] | None = Field(
        None,
        description="`steer` (the default): into the running turn at its next model request. `queue`: as a turn of "
        "its own after this one. `interrupt`: end this turn first",
    )
    resume: bool = Field(False, description="Reopen a run that has ended, on its session")


class Command(Asked):
    """An id of your own, if the call may be repeated."""

    id: MessageId | None = None


class AnswerQuestion(Asked):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question_id": "q-1", "answers": {"Which database?": "SQLite"}}]
        }
    )

    question_id: Text
    answers: dict[str, Any] = Field(
        description="each question (its text, or a header that is its alone) -> a label or a text of your own; of "
        "one with `multiSelect` a list of them, too"
    )


class AnswerPermission(Asked):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"request_id": "p-1", "decision": "allow"}]}
    )

    request_id: Text
    decision: Literal["allow", "deny"]
    message: str | None = Field(None, description="Told to the agent, as the reason")
    updated_input: dict[str, Any] | None = Field(
        None, description="With `allow`: run the tool with this input instead"
    )
    updated_permissions: Blocks | None = Field(
        None,
        description="With `allow`: which of the request's `suggestions` to take up, as they stand there, so that the "
        "like is not asked again",
    )
    input_sha256: str | None = Field(
        None,
        max_length=64,
        description="As the request has it: binds the decision to what you were shown. If left out, to what is in "
        "the first request of this id",
    )

    @model_validator(mode="after")
    def _only_what_is_allowed_is_changed(self) -> Self:
        for name in ("updated_input", "updated_permissions"):
            if getattr(self, name) is not None and self.decision != "allow":
                raise ValueError(f"`{name}` goes with `allow` only")
        return self


class SetModel(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "claude-sonnet-4-5"}]})

    model: Text | None = Field(description="null: the default model")
    id: MessageId | None = None


class SetPermissionMode(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "acceptEdits"}]})

    mode: Text
    id: MessageId | None = None


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


class RunView(BaseModel):
    run_id: str = Field(examples=[_RUN_ID_EXAMPLE])
    workflow: str
    status: StatusName
    waiting_for: WaitingFor
    attempt: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    duration_s: float | None = Field(description="so far, while it runs")
    last_event_at: str | None
    progress: float | None = Field(description="0 to 100")
    message: str | None = Field(description="as the run last told")
    activity: str | None
    fields: dict[str, Any] = Field(description="what the workflow counts")
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
    priority: int
    queue_position: int | None = Field(description="of a queued run, 1 for the next; else null")
    trouble: str | None = Field(
        description="what keeps the runner from starting or ending it; it tries again"
    )
    limits: dict[str, Any]
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
    kind: Literal["message", "command", "compaction", "interrupt", "task"] = Field(
        description="`command`: of the CLI's own, typed by the person. Of the role `system`: `compaction`, "
        "`interrupt`, `task` (what one in the background tells)"
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

    done: bool | None = Field(None, description="with `wait`, as are the following")
    text: str | None = None
    turn: TurnView | None = None
    state: RunView | None = None


class WorkflowView(BaseModel):
    name: str = Field(examples=["command"])
    description: str
    params: dict[str, Any] = Field(description="JSON schema")
    prompt: Literal["required", "optional", "none"]
    interactive: bool
    resumable: bool
    pausable: bool
    messages: bool = Field(description="its runs read messages")
    structured: bool = Field(description="its result can be had by an `output_schema`")


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
