"""Where the graph of a run is, and what it is called with."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...attempt.workflow import Plain

__all__ = ["LangGraphParams"]


class LangGraphParams(BaseModel):
    """Where the graph is, and what it is called with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"graph": "my_agents.support:graph"}]}
    )

    graph: str = Field(
        pattern=r"^[^:\x00]+:[A-Za-z_][A-Za-z0-9_.]*$",
        description="A graph, its builder or a function that makes it: `package.module:name` or `file.py:name`",
    )
    app_dir: Plain | None = Field(
        default=None, description="The folder to import from, and of a relative path"
    )
    input: dict[str, Any] | None = Field(
        default=None, description="The graph's input. The prompt is added to it"
    )
    prompt_key: Plain = Field(
        default="messages",
        description="Where in the input prompt and messages go: as text, or in `messages` as one more message",
    )
    configurable: dict[str, Any] = Field(
        default={}, description="`config.configurable` of the graph; `thread_id` is the run's"
    )
    recursion_limit: int = Field(default=100, ge=1, le=100_000, description="Steps at most")
    question_timeout_s: float = Field(
        default=300,
        gt=0,
        le=366 * 86400,
        description="For a person to answer an `interrupt()`. Then its defaults count; without any the run fails",
    )
    idle_timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=366 * 86400,
        description="An interactive run ends after this long idle. Null: 1800, and never one that can be parked",
    )
