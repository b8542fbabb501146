"""What clients send of batches, checked; and the shapes of what they get."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runlog.groups.batches import MAX_BATCH_RUNS

from ..http.asked import (
    Asked,
    ChatHistory,
    Content,
    Labels,
    Limits,
    OutputSchema,
    OwnId,
    ParkAfter,
    Priority,
    Text,
    ThreadId,
    Title,
    Trace,
    by_workflow_or_deployment,
)
from ..http.shown import Summary

__all__ = ["BatchInputAsked", "BatchMade", "BatchPage", "BatchStopped", "BatchView", "StartBatch"]

_BATCH_ID_EXAMPLE = "batch-20250119t103045-m3x9ta"
_RUN_ID_EXAMPLES = ["command-20250119t103045-k7f2qa", "command-20250119t103045-p2b5ze"]


_OR_NONE = "In place of the common one; null: without it. Left out: the common one"


class BatchInputAsked(Asked):
    """One run of a batch."""

    prompt: Content | None = Field(None, description="Text, or a list of Claude content blocks")
    params: dict[str, Any] | None = Field(
        None, description="In place of the common ones of those names. Not with a deployment"
    )
    runtime_overrides: dict[str, Any] | None = Field(
        None, description="With a deployment: likewise, of those that it allows"
    )
    run_id: OwnId | None = Field(None, description="Your own id; left out, one is made")
    chat_history: ChatHistory | None = None
    limits: Limits | None = None
    priority: Priority | None = None
    title: Title | None = None
    labels: Labels | None = Field(None, description="Over the common ones, name by name")
    thread_id: ThreadId | None = Field(None, description=_OR_NONE)
    trace: Trace | None = Field(None, description=_OR_NONE)
    park_after_s: ParkAfter | None = None
    output_schema: OutputSchema | None = Field(None, description=_OR_NONE)


class StartBatch(Asked):
    """Runs to start together: of one `workflow` or `deployment`, each with an input of its own."""

    model_config = ConfigDict(
        json_schema_extra=by_workflow_or_deployment(
            [
                {
                    "workflow": "command",
                    "inputs": [
                        {"params": {"argv": ["echo", "one"]}},
                        {"params": {"argv": ["echo", "two"]}},
                    ],
                    "max_running": 2,
                    "description": "Count",
                },
                {
                    "deployment": "nightly-review",
                    "inputs": [{"prompt": "src/a.py"}, {"prompt": "src/b.py", "priority": 5}],
                },
            ]
        )
    )

    workflow: Text | None = None
    deployment: Text | None = None
    params: dict[str, Any] | None = Field(
        None, description="Common to all inputs. Not with a deployment"
    )
    runtime_overrides: dict[str, Any] | None = Field(
        None, description="With a deployment: common to all inputs"
    )
    labels: Labels | None = Field(None, description="Common to all inputs")
    thread_id: ThreadId | None = Field(
        None, description="Of the inputs that have none of their own"
    )
    trace: Trace | None = Field(None, description="Of the inputs that have none of their own")
    output_schema: OutputSchema | None = Field(
        None, description="Of the inputs that have none of their own"
    )
    inputs: list[BatchInputAsked] = Field(min_length=1, max_length=MAX_BATCH_RUNS)
    max_running: int | None = Field(
        None, ge=1, description="So many of its runs at once. Left out: as many as the runner may"
    )
    description: str | None = Field(None, max_length=2000)
    batch_id: OwnId | None = Field(
        None, description="Your own id: 1 to 80 of a-z, 0-9 and '-'. Left out, one is made"
    )


class BatchMade(BaseModel):
    batch_id: str = Field(examples=[_BATCH_ID_EXAMPLE])
    run_ids: list[str] = Field(
        description="in the order of the inputs", examples=[_RUN_ID_EXAMPLES]
    )
    links: dict[str, str] = Field(
        examples=[{"stream": f"/api/v1/stream?batch={_BATCH_ID_EXAMPLE}"}]
    )


class BatchTotals(BaseModel):
    """Derived from the runs of the batch at this moment."""

    batch_id: str = Field(examples=[_BATCH_ID_EXAMPLE])
    status: Literal["queued", "running", "completed", "failed", "stopped"] = Field(
        description="`failed`: all have ended, and at least one failed. `stopped`: likewise, and none failed"
    )
    workflow: str = Field(examples=["command"])
    deployment: str | None
    description: str | None
    max_running: int | None
    total: int = Field(examples=[20])
    done: int = Field(description="ended, or removed since", examples=[7])
    removed: int = Field(description="runs of it that were removed")
    by_status: dict[str, int] = Field(
        description="how many runs are of each status",
        examples=[{"queued": 11, "running": 2, "completed": 6, "failed": 1}],
    )
    progress: float = Field(description="0 to 100: the mean of its runs", examples=[38.5])
    open_questions: int = Field(description="questions and permission requests of its runs")
    cost_usd: float | None
    created_at: str = Field(examples=["2025-01-19T10:30:45.123Z"])
    ended_at: str | None
    duration_s: float | None = Field(description="so far, until its last run has ended")
    links: dict[str, str]


class BatchPage(BaseModel):
    batches: list[BatchTotals]
    next: str | None = Field(description="`cursor` of the next page; null at the end")


class BatchView(BatchTotals):
    runs: list[Summary] = Field(description="in the order of the inputs")
    next: str | None = Field(description="`cursor` of the next page of runs; null at the end")


class BatchStopped(BaseModel):
    batch_id: str = Field(examples=[_BATCH_ID_EXAMPLE])
    stopped: list[str] = Field(description="the runs that had not ended, and were told to stop")
