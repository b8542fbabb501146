"""What clients send and get of deployments, checked, and for the OpenAPI page."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from runlog.groups.deployments import MAX_WARM, READ_ONLY

from .asked import (
    Blocks,
    Content,
    Labels,
    Limits,
    OutputSchema,
    ParkAfter,
    Priority,
    Replaced,
    Text,
    ThreadId,
    Title,
)
from .shown import Summary

__all__ = ["DeploymentPage", "DeploymentView", "PutDeployment"]

_EXAMPLE: dict[str, Any] = {
    "workflow": "claude",
    "description": "Looks through the day's commits",
    "prompt": "Review the commits of the last day",
    "params": {"allowed_tools": ["Bash(git log:*)", "Read"], "max_turns": 10},
    "allowed_overrides": ["max_turns"],
    "limits": {"wall_time_s": 1800, "cost_usd": 2},
    "max_running": 1,
}


class PutDeployment(Replaced):
    """A workflow with params and limits, under a name. What a deployment shows beside these fields (`statistics`,
    `links`, times) is passed over, so that what was read can be changed and put again."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    read_only = READ_ONLY

    workflow: Text = Field(description="One of the catalog")
    prompt: Content | None = Field(None, description="For starts that bring none")
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="Checked against the workflow's schema. A required one may be left to the start, if it is among "
        "`allowed_overrides`",
    )
    interactive: bool = False
    limits: Limits = Field(
        default_factory=dict, description="Of each run. A start may only go below them"
    )
    priority: Priority = 0
    park_after_s: ParkAfter | None = Field(
        None, description="So long its runs rest with a process; 0: for ever. Null: the runner's"
    )
    max_running: int | None = Field(None, ge=1, description="At most so many of its runs at once")
    warm: int = Field(
        0,
        ge=0,
        le=MAX_WARM,
        description="So many agents wait ready for its next runs, some 200 MB each",
    )
    allowed_overrides: Annotated[list[Text], Field(fail_fast=True)] = Field(
        default_factory=list,
        description="Names of the params that a start may set by `runtime_overrides`; none by default. And of "
        "`title`, `labels`, `thread_id` and `output_schema` those that it may replace where they are given here",
    )
    title: Title | None = None
    labels: Labels = Field(default_factory=dict)
    thread_id: ThreadId | None = None
    output_schema: OutputSchema | None = None


class DurationsView(BaseModel):
    """In seconds, of the runs that have ended."""

    p50: float | None
    mean: float | None
    max: float | None


class StatisticsView(BaseModel):
    """Of the runs that are there: one that was removed does not count."""

    runs: int
    by_status: dict[str, int] = Field(examples=[{"running": 1, "completed": 11, "failed": 1}])
    success_rate: float | None = Field(
        description="`completed` in those that completed or failed, 0 to 1; null if there are none",
        examples=[0.917],
    )
    duration_s: DurationsView
    cost_usd: float | None = Field(description="in all; null if no run told")
    last_run: Summary | None


class DeploymentView(BaseModel):
    name: str = Field(examples=["nightly-review"])
    workflow: str = Field(examples=["claude"])
    description: str
    prompt: str | Blocks | None
    params: dict[str, Any]
    interactive: bool
    limits: dict[str, float]
    priority: int
    park_after_s: float | None
    max_running: int | None
    warm: int
    allowed_overrides: list[str]
    title: str | None
    labels: dict[str, str]
    thread_id: str | None
    output_schema: dict[str, Any] | None
    created_at: str = Field(examples=["2025-01-19T10:30:45.123Z"])
    updated_at: str
    statistics: StatisticsView
    links: dict[str, str] = Field(
        examples=[{"runs": "/api/v1/workflows?deployment=nightly-review"}]
    )


class BrokenDeploymentView(BaseModel):
    name: str
    detail: str = Field(description="why its file can't be used, and what to do")


class DeploymentPage(BaseModel):
    deployments: list[DeploymentView] = Field(description="by name")
    broken: list[BrokenDeploymentView]
