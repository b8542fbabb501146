"""Where the graph of a LangGraph run comes from, and where its checkpoints go."""

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from ...attempt.run import Run
from ...attempt.workflow import RunFailed
from .params import LangGraphParams

__all__ = ["checkpointed", "load_graph"]


async def load_graph(params: LangGraphParams) -> Any:
    """The graph, or its builder.

    :raises RunFailed: `bad_graph`, it can't be imported, or is none.
    """
    where, _, name = params.graph.rpartition(":")
    folder = Path(params.app_dir).resolve() if params.app_dir else None  # noqa: ASYNC240 # before any work
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        module = (
            _import_file(folder, where) if where.endswith(".py") else importlib.import_module(where)
        )
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
        if not isinstance(found, Pregel | StateGraph) and callable(found):
            found = found()
            if inspect.isawaitable(found):
                found = await found
    except Exception as error:
        text = f"params.graph: {params.graph} can't be loaded: {type(error).__name__}: {error}"
        raise RunFailed("bad_graph", text) from error
    if not isinstance(found, Pregel | StateGraph):
        raise RunFailed("bad_graph", f"params.graph: {params.graph} is no graph but {type(found)}")
    return found


def _import_file(folder: Path | None, where: str) -> Any:
    path = (folder or Path.cwd()) / where
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@contextlib.asynccontextmanager
async def checkpointed(run: Run, made: Any) -> AsyncIterator["Pregel[Any, Any, Any, Any]"]:
    """The graph with checkpoints that outlive this process: its own, or in the workspace."""
    own = None if isinstance(made, StateGraph) else made.checkpointer
    if own and not isinstance(own, InMemorySaver):
        yield made
        return
    path = run.workspace.path / "_checkpoints.sqlite"
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        if isinstance(made, StateGraph):
            yield made.compile(checkpointer=saver)
        else:
            yield made.copy(update={"checkpointer": saver})
