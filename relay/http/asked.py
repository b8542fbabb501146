"""What clients send, checked."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self

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
from runlog.run.manifest import MAX_PARK_AFTER_S, MAX_PRIORITY
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
    "AnswerPermission",
    "AnswerQuestion",
    "Asked",
    "Blocks",
    "ChatHistory",
    "Command",
    "Labels",
    "Limits",
    "MAX_UNKNOWN",
    "MessageId",
    "OutputSchema",
    "OwnId",
    "Priority",
    "Replaced",
    "UNION_TAGS",
    "SendMessage",
    "SetModel",
    "SetPermissionMode",
    "StartAgain",
    "StartRun",
    "Text",
    "ThreadId",
    "Title",
    "Trace",
    "by_workflow_or_deployment",
]

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


def _limits(kind: str | list[str], description: str | None = None) -> Any:
    properties: Any = {
        name: {"type": kind, "exclusiveMinimum": 0, "description": bounds}
        for name, bounds in LIMITS.items()
    }
    return Field(
        description=description,
        json_schema_extra={"additionalProperties": False, "properties": properties},
        examples=[{"wall_time_s": 3600, "cost_usd": 2.5}],
    )


def _labels(kind: str | list[str], description: str) -> Any:
    values: Any = {"type": kind, "maxLength": MAX_LABEL_CHARS}
    return Field(
        description=description,
        json_schema_extra={
            "maxProperties": MAX_LABELS,
            "propertyNames": {"pattern": LABEL_NAME_PATTERN},
            "additionalProperties": values,
        },
        examples=[{"team": "search", "ticket": "AB-12"}],
    )


_OVER_OTHERS = "In place of those of these names; null takes one out"
Limits = Annotated[dict[str, Any], _limits("number")]
LimitsOver = Annotated[dict[str, Any], _limits(["number", "null"], _OVER_OTHERS)]
Labels = Annotated[dict[str, Any], _labels("string", "Name -> value, to find runs by")]
LabelsOver = Annotated[dict[str, Any], _labels(["string", "null"], _OVER_OTHERS)]
Title = Annotated[
    str,
    Field(
        description="One line for listings, in place of that of the prompt",
        json_schema_extra={"minLength": 1, "maxLength": MAX_TITLE_CHARS},
        examples=["Nightly review"],
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


class Replaced(Asked):
    """What is put as a whole, under a name. Fields of `read_only` are shown of it, and passed over here."""

    read_only: ClassVar[frozenset[str]] = frozenset()

    name: Text | None = Field(None, description="As in the path, if at all")
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _pass_over_what_is_shown(cls, asked: Any) -> Any:
        if isinstance(asked, dict):
            return {name: value for name, value in asked.items() if name not in cls.read_only}
        return asked


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


ParkAfter = Annotated[float, Field(ge=0, le=MAX_PARK_AFTER_S, description="seconds")]


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
    park_after_s: ParkAfter | None = Field(
        None,
        description="So long it rests with its process, then without one until something comes; 0: for ever. Left "
        "out: the deployment's, else the runner's",
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
    limits: LimitsOver | None = None
    park_after_s: ParkAfter | None = None
    chat_history: ChatHistory | None = None
    title: Title | None = None
    labels: LabelsOver | None = None
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
        description="As the request has it: a decision for another call than the one that is asked is refused. If "
        "left out, it is for what is in the first request of this id",
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
