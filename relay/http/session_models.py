"""What is asked and told of an imported session."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from runlog.sessions.intake import MAX_SESSION_BYTES
from runlog.sessions.place import SESSION_ID

from .asked import Asked, Labels, ThreadId, Title
from .shown import StatusName

__all__ = ["ImportSession", "SessionImported"]

_SESSION = "5f0c1d52-8a3e-4b6f-9c1d-2e7a90b4c3d8"
_MOST_BYTES = 16 * 1024**3


class ImportSession(Asked):
    """A session of Claude Code that is to be a run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"session_id": _SESSION}]})

    session_id: str = Field(
        description="As `tailcast sessions` lists them",
        pattern=f"^{SESSION_ID}$",
        examples=[_SESSION],
    )
    params: dict[str, Any] = Field(
        {}, description="Of the workflow `claude`, for when the run is resumed"
    )
    interactive: bool = Field(False, description="Resumed, it stays open for messages, and may ask")
    title: Title | None = None
    labels: Labels | None = None
    thread_id: ThreadId | None = Field(None, description="Left out: the session's id")
    keep_cwd: bool = Field(
        False, description="Resumed, it works where the session did, not in the run's files/"
    )
    max_bytes: int = Field(
        MAX_SESSION_BYTES,
        ge=1,
        le=_MOST_BYTES,
        description="Of the session and its subagents; a longer one is refused",
    )


class SessionImported(BaseModel):
    """The run, and what was found."""

    run_id: str = Field(examples=["session-5f0c1d52-0d3a9be61c"])
    session_id: str = Field(examples=[_SESSION])
    status: StatusName = Field(
        description="By its last turn: `completed`, `stopped` if it was cut off, `failed` if the model did not answer"
    )
    messages: int = Field(description="that the person and the agent said")
    subagents: int = Field(description="with files of their own")
    size_bytes: int = Field(description="of all files")
    repeated: bool = Field(description="it was imported already, with the same lines")
    unfinished_bytes: int = Field(
        description="of a line that was just being written, and was left out"
    )
    broken_lines: int = Field(description="that can't be read; they are in the stream all the same")
    earlier: list[str] = Field(
        description="runs of the same session, made when it was another length"
    )
    links: dict[str, str]
