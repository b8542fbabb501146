"""Any compiled LangGraph graph as a run: its nodes, its messages, its interrupts, its checkpoints.

Needs the extra: `pip install 'tailcast[langgraph]'`. What imports it (half a second) is imported by the runs of this
workflow alone; the catalog can do without.
"""

from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..run import Run
from ..workflow import ExtraMissing, Plain

if not (find_spec("langgraph") and find_spec("langgraph.checkpoint.sqlite")):
    raise ExtraMissing("needs its extra: pip install 'tailcast[langgraph]'")

__all__ = ["LangGraph", "LangGraphParams"]

_IDLE_S = 1800.0


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
        le=86400,
        description="For a person to answer an `interrupt()`. Then its defaults count; without any the run fails",
    )
    idle_timeout_s: float = Field(
        default=_IDLE_S,
        gt=0,
        le=7 * 86400,
        description="An interactive run ends after this long idle",
    )


class LangGraph:
    """Run a LangGraph graph: nodes as steps, messages as a chat, interrupts as questions, resumed by checkpoints."""

    Params: ClassVar[type[BaseModel]] = LangGraphParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "optional"
    interactive: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True

    async def run(self, run: Run) -> Any:
        from .langgraph_thread import work

        return await work(run)
