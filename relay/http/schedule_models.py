"""What clients send and get of schedules, checked, and for the OpenAPI page."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runlog.groups.cron import MAX_CRON_CHARS
from runlog.groups.schedules import READ_ONLY

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
)
from .shown import Summary

__all__ = ["PutSchedule", "SchedulePage", "ScheduleView"]

_EXAMPLE: dict[str, Any] = {
    "cron": "30 7 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "deployment": "nightly-review",
    "overlap": "skip",
    "missed": "once",
    "runtime_overrides": {"max_turns": 20},
    "title": "Review of {date}",
    "labels": {"by": "clock"},
}
Overlap = Literal["skip", "queue", "stop"]
Missed = Literal["none", "once"]


class PutSchedule(Replaced):
    """Runs of a deployment at the times of a cron expression. What a schedule shows beside these fields (`last`,
    `next_times`, `links`, times) is passed over, so that what was read can be changed and put again."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    read_only = READ_ONLY

    cron: str = Field(
        description="Minute, hour, day of month, month, day of week, as in Debian's cron: `*`, lists, ranges, steps, "
        "names (`MON`, `JAN`), `L` (last), `LW` (last weekday), `MON#2` (second Monday)",
        json_schema_extra={"maxLength": MAX_CRON_CHARS},
        examples=["30 7 * * MON-FRI"],
    )
    timezone: str = Field(
        "UTC", description="A name of the IANA database", examples=["Europe/Berlin"]
    )
    deployment: Text = Field(description="What is started, by its name")
    overlap: Overlap = Field(
        "skip",
        description="If the run of before has not ended: `skip` this one, `queue` it (one at most) until it has, or "
        "`stop` that and then start",
    )
    missed: Missed = Field(
        "none",
        description="Of times at which no runner was there, or it was paused: `none`, or `once` the last of them",
    )
    enabled: bool = Field(True, description="false: it is paused")
    prompt: Content | None = Field(None, description="In place of the deployment's")
    runtime_overrides: dict[str, Any] = Field(
        default_factory=dict, description="Params, of those that the deployment allows to be set"
    )
    interactive: bool | None = None
    limits: Limits = Field(default_factory=dict, description="Never looser than the deployment's")
    priority: Priority | None = None
    park_after_s: ParkAfter | None = None
    title: str | None = Field(
        None,
        description="Of each run; `{date}`, `{time}` (of the time meant, in its zone) and `{schedule}` are replaced",
        examples=["Review of {date}"],
    )
    labels: Labels = Field(default_factory=dict)
    thread_id: ThreadId | None = None
    output_schema: OutputSchema | None = None


class OutcomeView(BaseModel):
    """What became of one time."""

    outcome: Literal["started", "queued", "skipped", "missed", "refused"]
    due_at: str = Field(examples=["2025-01-20T06:30:00.000Z"])
    at: str = Field(description="when that was decided")
    run_id: str | None = Field(description="of what was started")
    detail: str | None = Field(description="why not, and what to do")


class ScheduleView(BaseModel):
    name: str = Field(examples=["weekdays"])
    cron: str = Field(examples=["30 7 * * MON-FRI"])
    deployment: str = Field(examples=["nightly-review"])
    timezone: str = Field(examples=["Europe/Berlin"])
    overlap: Overlap
    missed: Missed
    enabled: bool
    description: str
    prompt: str | Blocks | None
    runtime_overrides: dict[str, Any]
    interactive: bool | None
    limits: dict[str, float]
    priority: int | None
    park_after_s: float | None
    title: str | None
    labels: dict[str, str]
    thread_id: str | None
    output_schema: dict[str, Any] | None
    created_at: str = Field(examples=["2025-01-19T10:30:45.123Z"])
    updated_at: str
    since: str = Field(description="times after this count")
    next_times: list[str] = Field(
        description="the next three, in UTC; none while it is paused",
        examples=[["2025-01-20T06:30:00.000Z"]],
    )
    last: OutcomeView | None = Field(description="what became of the last time")
    waits_since: str | None = Field(
        description="the time whose run begins when the one of before has ended"
    )
    last_run: Summary | None = Field(description="of all that it has started, by hand too")
    links: dict[str, str] = Field(examples=[{"runs": "/api/v1/workflows?schedule=weekdays"}])


class BrokenScheduleView(BaseModel):
    name: str
    detail: str = Field(description="why its file can't be used, and what to do")


class SchedulePage(BaseModel):
    schedules: list[ScheduleView] = Field(description="by name")
    broken: list[BrokenScheduleView]
