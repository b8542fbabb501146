"""The fields of Tailcast's own events and of inbox lines, as JSON Schema (draft 2020-12): the one place of truth.

docs/contract.md tells the same in prose, the relay serves it, tests hold real runs to it. `required` is what those
lines always have that run processes write. Every object may have more fields: workflows count what they like, and
readers pass over what they do not know.
"""

from typing import Any

from .events import is_reserved

__all__ = ["EVENT_TYPES", "Schema", "event_schema", "inbox_schema"]

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _of(kind: str | list[str], description: str = "", **more: Any) -> Schema:
    # Said to generators of clients: an object of no named fields holds any, and a list anything.
    any_within: Schema = {}
    if kind == "object" and "properties" not in more:
        any_within = {"additionalProperties": True}
    elif kind == "array" and "items" not in more:
        any_within = {"items": {}}
    told = {"description": description} if description else {}
    return {"type": kind, **told, **any_within, **more}


def _one_of(*values: str, description: str = "") -> Schema:
    return _of("string", description, enum=list(values))


def _any(description: str) -> Schema:
    return {"description": description}


_TIMESTAMP = _of("string", "UTC, ISO 8601, such as 2025-01-19T10:30:45.123Z")
_PERCENT = _of("number", "per cent, of the whole run", minimum=0, maximum=100)
_SECONDS = _of("number", "seconds", minimum=0)
_MESSAGE = _of("string", "for people")
_ANSWERS = _of("object", "question -> its answer: a label, a text of one's own, or a list of them")
_DECISION = _one_of("allow", "deny")
_SOURCE = _one_of(
    "human",
    "inbox",
    "default",
    "interrupt",
    description="`human`: the relay or the command line vouches for it; `inbox`: a line that anyone may have written;"
    " `default`: nobody answered in time; `interrupt`: the turn was ended, the question with it",
)
_QUESTIONS = _of(
    "array",
    "in the shape of Claude's AskUserQuestion",
    minItems=1,
    items=_of(
        "object",
        properties={
            "question": _of("string"),
            "header": _of("string", "a word or two"),
            "options": _of(
                "array",
                "none: a free text is asked for",
                items=_of(
                    "object",
                    properties={"label": _of("string"), "description": _of("string")},
                    required=["label"],
                ),
            ),
            "multiSelect": _of("boolean", "several may be chosen"),
        },
        required=["question"],
    ),
)

_SEAL: Schema = {
    "seal": _of("string", "its hash is in `_lock`: what tells this line from a forged one")
}
_ENDED: Schema = {
    "duration_s": _of("number", "seconds, of this attempt", minimum=0),
    "stats": _of(
        "object",
        "of all attempts",
        properties={
            "events": _of("integer", "lines of the stream before this one"),
            "turns": _of("integer", "answers of the model"),
            "tool_calls": _of("integer"),
            "attempt": _of("integer"),
            "progress": _PERCENT,
            "usage": _of("object", "tokens, by kind"),
            "cost_usd": _of("number", "USD"),
            "session_id": _of("string"),
            "steps_done": _of("integer", "of the steps that were planned"),
            "steps_total": _of("integer"),
            "fields": _of("object", "as published"),
        },
        required=["events", "turns", "tool_calls", "attempt"],
    ),
    "inbox_offset": _of("integer", "bytes of the inbox that the run had read", minimum=0),
}
_REASON: Schema = {"reason": _of("string", "one word or a few, for programs")}
_RESULT: Schema = {"result": _any("what the workflow returned; any JSON")}

_TASK: Schema = {"task_id": _of("string", minLength=1)}
_OF_TASK: Schema = {
    "task_name": _of("string", "for people"),
    "progress": _PERCENT,
    "message": _MESSAGE,
    "data": _any("what the workflow tells of it"),
}
_ITERATION: Schema = {"iteration": _of("integer", "1 for the first", minimum=0)}
_OF_ITERATION: Schema = {
    "iterations": _of("integer", "how many there will be", minimum=0),
    "progress": _PERCENT,
    "message": _MESSAGE,
}
_NODE: Schema = {"node": _of("string", "of a subgraph: its path, with /")}
_TOLD: Schema = {"message": _MESSAGE}
_OF_LOG: Schema = {
    "level": _one_of("debug", "info", "warning", "error"),
    "data": _any("what belongs to it"),
}
_BEGAN: Schema = {
    "inbox_offset": _of("integer", "length of the inbox when it began", minimum=0),
}
_QUESTION: Schema = {"question_id": _of("string", "the answer names it", minLength=1)}
_ASKER: Schema = {
    "tool_use_id": _of("string", "of the call that asks"),
    "agent_id": _of("string", "of the subagent that asks; absent: the main agent"),
}
_REQUEST: Schema = {"request_id": _of("string", "the decision names it", minLength=1)}

_BY: Schema = {"by": _of("string", "who said it, where that is known: a token's name, or a user's")}

# type -> what it says, the fields that it always has beside the common ones, and those that it may have
_EVENTS: dict[str, tuple[str, Schema, Schema]] = {
    "workflow_started": (
        "An attempt of the run begins",
        {
            "workflow": _of("string"),
            "params": _of("object", "as they were given"),
            "pid": _of("integer", "of the run process", minimum=1),
            "attempt": _of("integer", "1 for the first", minimum=1),
        },
        _BEGAN
        | {
            "imported": _of(
                "object", "of which session the lines up to the end of the attempt are"
            ),
        },
    ),
    "workflow_completed": ("The run has done its work", _RESULT | _ENDED, _SEAL),
    "workflow_failed": (
        "The run has failed, was lost, or has passed a limit",
        _REASON | {"error": _of("string", "for people; ends with the last of stderr")} | _ENDED,
        _RESULT
        | _SEAL
        | {
            "exit_code": _of("integer", "of a command"),
            "limit": _of("number", "of a limit that was passed: what it allows, in its unit"),
            "reached": _of("number", "of a limit that was passed: how far it came, in its unit"),
        },
    ),
    "workflow_stopped": ("The run was stopped", _REASON | _ENDED, _RESULT | _SEAL),
    "workflow_parked": (
        "The run waits without a process, until something comes into its inbox",
        {"until": _of(["string", "null"], "when it is taken up in any case; UTC, ISO 8601")}
        | _ENDED,
        _SEAL,
    ),
    "workflow_unparked": (
        "A new process takes up a parked run, in the same attempt",
        {
            "pid": _of("integer", "of the run process", minimum=1),
            "attempt": _of("integer", "1 for the first", minimum=1),
        },
        _BEGAN,
    ),
    "workflow_paused": ("The run waits: it was asked to, or it asks a person", _REASON, {}),
    "workflow_resumed": ("The last pause is over", _REASON, {}),
    "progress_update": (
        "How far the work is, and what the workflow counts, each under its own name",
        {},
        {
            "progress": _PERCENT,
            "message": _MESSAGE,
            "status": _of("string", "for programs; `waiting` makes the run `waiting`"),
        },
    ),
    "task_started": ("A task begins", _TASK, _OF_TASK),
    "task_progress": ("Something has happened in a task", _TASK, _OF_TASK),
    "task_completed": ("A task is done", _TASK, _OF_TASK),
    "task_failed": ("A task has failed", _TASK, _OF_TASK),
    "iteration_started": ("An iteration begins", _ITERATION, _OF_ITERATION),
    "iteration_completed": ("An iteration is over", _ITERATION, _OF_ITERATION),
    "node_started": ("A node of a graph begins", _NODE, _TOLD),
    "node_completed": (
        "A node of a graph is done",
        _NODE | {"outputs": _any("what it gave; of over 1 MiB only how much")},
        _TOLD,
    ),
    "reason_card": (
        "Why an agent decided as it did",
        {
            "agent": _of("string"),
            "node": _of("string"),
            "reasoning": _of("string"),
            "decision": _of("string"),
            "confidence": _of(["number", "null"], minimum=0, maximum=1),
            "category": _of("string"),
            "priority": _one_of("low", "medium", "high"),
            "inputs": _of("object", "what it went by"),
            "outputs": _of("object", "what it made"),
            "alternatives_considered": _of("array", items=_of("string")),
            "references": _of("array", items=_of("string")),
            "duration_ms": _of("integer", "milliseconds", minimum=0),
        },
        {},
    ),
    "questions_presented": (
        "A person is asked; open until `responses_collected`",
        _QUESTION
        | {
            "questions": _QUESTIONS,
            "smart_defaults": _of("object", "question -> what counts without an answer"),
            "timeout_s": _SECONDS,
        },
        _ASKER,
    ),
    "countdown_tick": (
        "The time that is left to answer, each ten seconds and each of the last ten",
        _QUESTION | {"remaining_s": _SECONDS},
        {},
    ),
    "auto_approving": ("The time to answer is over: the defaults count", _QUESTION, {}),
    "responses_collected": (
        "A question is closed",
        _QUESTION | {"answers": _ANSWERS, "source": _SOURCE},
        _BY,
    ),
    "permission_requested": (
        "A person is asked whether a tool may run; open until `permission_resolved`",
        _REQUEST
        | {
            "tool_name": _of("string"),
            "input": _of("object", "of the tool"),
            "suggestions": _of("array", "updates of permissions that may go with an `allow`"),
            "timeout_s": _SECONDS,
        },
        _ASKER
        | {
            "input_sha256": _of("string", "of the call; a decision for another one is not taken"),
            "title": _of("string", "the request in a sentence"),
            "description": _of("string", "more of it, for people"),
            "reason": _of("string", "why it is asked"),
            "blocked_path": _of("string", "the path that may not be touched without asking"),
            "plan": _of("string", "of `ExitPlanMode`: what is to be agreed to"),
        },
    ),
    "permission_resolved": (
        "It was decided whether a tool may run; no answer in time is a deny",
        _REQUEST
        | {
            "decision": _DECISION,
            "message": _of(["string", "null"], "told to the agent"),
            "source": _SOURCE,
        },
        {
            "updated_permissions": _of("array", "the suggestions that were taken up"),
            "updated_input": _of("object", "what the tool gets in place of its input"),
        }
        | _BY,
    ),
    "message_received": (
        "A receipt: what became of a line of the inbox",
        {
            "message_id": _of("string", "the line's `id`"),
            "state": _one_of("queued", "delivered", "completed", "dropped"),
            "inbox_offset": _of("integer", "bytes, just after the line", minimum=0),
            "message_type": _of("string", "the line's `type`"),
        },
        {"reason": _of("string", "for people")} | _BY,
    ),
    "turn_ended": (
        "A turn is over: the agent rests, or goes on with the next",
        {
            "turn": _of("integer", "1 for the first of the run", minimum=1),
            "finish_reason": _of("string", "`completed`, `interrupted`, or why it failed"),
            "message_id": _of(["string", "null"], "what began it; null: the agent by itself"),
        },
        {},
    ),
    "steps_planned": (
        "The steps that are to be done, told ahead; another one takes its place, and what was done stays done",
        {
            "steps": _of(
                "array",
                "the first 500; `node` or `task_id` of later events names one by its `id`",
                items=_of(
                    "object",
                    properties={
                        "id": _of("string", minLength=1),
                        "name": _of("string", "for people; left out, the id"),
                        "depends_on": _of("array", "ids of steps before it", items=_of("string")),
                    },
                    required=["id"],
                ),
            )
        },
        {},
    ),
    "fields_published": (
        "What the workflow publishes of its state: each name over the one before, null takes it away",
        {
            "fields": _of(
                "object", "name -> any JSON; at most 32 names and 8 Ki characters together"
            )
        },
        {},
    ),
    "log": ("Something to tell, or output that is no event", _TOLD, _OF_LOG),
    "error": ("Something went wrong, and the run goes on", _TOLD, _OF_LOG),
}
EVENT_TYPES = tuple(_EVENTS)

_CONTENT = {
    "description": "text, or Claude content blocks",
    "oneOf": [
        _of("string", minLength=1),
        _of("array", minItems=1, items=_of("object", required=["type"])),
    ],
}
_ID = _of("string", "takes effect once", pattern=r"^[A-Za-z0-9._:-]{1,128}$")

_INBOX: dict[str, tuple[str, Schema, Schema]] = {
    "message": (
        "Says something to the agent",
        {"content": _CONTENT},
        {
            "delivery": _one_of("steer", "queue", "interrupt", description="default: steer"),
            "resume": _of("boolean", "reopen a run that has ended"),
        },
    ),
    "cancel": (
        "Takes back a message that was not delivered yet",
        {"message_id": _of("string", minLength=1)},
        {},
    ),
    "answer": ("Answers an open question", _QUESTION | {"answers": _ANSWERS}, {}),
    "permission": (
        "Decides an open permission",
        _REQUEST | {"decision": _DECISION},
        {
            "message": _of("string", "told to the agent"),
            "updated_input": _of("object", "replaces the tool's input"),
            "updated_permissions": _of("array", "those of the request's suggestions that count"),
            "input_sha256": _of(
                "string", "of the call that was shown; for another one it is dropped"
            ),
        },
    ),
    "interrupt": ("Ends the running turn", {}, {}),
    "pause": ("Pauses the run at the next safe point", {}, {}),
    "resume": ("Ends the pause", {}, {}),
    "stop": ("Ends the run", {}, {}),
    "set_model": (
        "Another model, from the next request on",
        {},
        {"model": _of(["string", "null"], "null: the default model")},
    ),
    "set_permission_mode": (
        "Another permission mode, from the next tool on",
        {"mode": _of("string", minLength=1)},
        {},
    ),
    "signal": (
        "A signal to a workflow that has a handler of that name",
        {"name": _of("string", pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")},
        {"data": _any("any JSON; null where nothing is sent")},
    ),
}


def event_schema() -> Schema:
    """Of one line of a stream: ours by type, in `$defs` under its name; `other` are Claude's and everyone's own."""
    defs = {}
    for kind, told in _EVENTS.items():
        # A line that others than the run process may print gets a time from whoever relays it, and no more.
        common: Schema = {"timestamp": _TIMESTAMP}
        run_id: Schema = {"run_id": _of("string")}
        own = is_reserved(kind)
        defs[kind] = _line(kind, *told, common | run_id if own else common, {} if own else run_id)
    defs["other"] = _of(
        "object",
        "Claude's stream-json, and types of your own",
        title="other",
        properties={
            "type": {"type": "string", "not": {"enum": list(_EVENTS)}},
            "timestamp": _TIMESTAMP,
        },
        required=["type"],
        additionalProperties=True,
    )
    return _union("Events of a stream", "One line of `_stream.jsonl`", defs)


def inbox_schema() -> Schema:
    """Of one line of an inbox, and of what a WebSocket takes; by type in `$defs`."""
    common: Schema = {"id": _ID, "timestamp": _TIMESTAMP} | _BY
    defs = {kind: _line(kind, *told, {}, common) for kind, told in _INBOX.items()}
    return _union("Inbox lines", "One line of `_inbox.jsonl`", defs)


def _line(
    kind: str, description: str, always: Schema, perhaps: Schema, common: Schema, rare: Schema
) -> Schema:
    """`common` and `rare` are the fields that lines of other types have too: always, perhaps."""
    return _of(
        "object",
        description,
        title=kind,
        properties={"type": {"const": kind}} | common | rare | always | perhaps,
        required=["type", *common, *always],
        additionalProperties=True,
    )


def _union(title: str, description: str, defs: dict[str, Schema]) -> Schema:
    return {
        "$schema": _DRAFT,
        "title": title,
        "description": description,
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in defs],
        "$defs": defs,
    }
