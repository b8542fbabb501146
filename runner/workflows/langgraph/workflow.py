"""Any compiled LangGraph graph as a run: its nodes, its messages, its interrupts, its checkpoints.

Needs the extra: `pip install 'tailcast[langgraph]'`. What imports it (half a second) is imported by the runs of this
workflow alone; the catalog can do without.
"""

from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from ...attempt.run import Run
from ...attempt.workflow import ExtraMissing
from .params import LangGraphParams

if not (find_spec("langgraph") and find_spec("langgraph.checkpoint.sqlite")):
    raise ExtraMissing("needs its extra: pip install 'tailcast[langgraph]'")

__all__ = ["LangGraph"]


class LangGraph:
    """Run a LangGraph graph: nodes as steps, messages as a chat, interrupts as questions, resumed by checkpoints."""

    Params: ClassVar[type[BaseModel]] = LangGraphParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "optional"
    interactive: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    pausable: ClassVar[bool] = True

    async def run(self, run: Run) -> Any:
        from .thread import work

        return await work(run)
