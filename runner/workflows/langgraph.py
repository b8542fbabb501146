"""Any compiled LangGraph graph as a run: its nodes, its messages, its interrupts, its checkpoints.

Needs the extra: `pip install 'tailcast[langgraph]'`.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

try:
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import StateGraph
    from langgraph.pregel import Pregel
    from langgraph.types import Command
except ImportError as error:
    raise ImportError("it needs its extra: pip install 'tailcast[langgraph]'") from error

from runlog import InboxLine
from runlog.history import earlier_text

from ..run import Run
from ..workflow import Plain, RunFailed
from .langgraph_events import MODES, GraphEvents, plain
from .langgraph_interrupts import answer_to

__all__ = ["LangGraph", "LangGraphParams"]

_MESSAGES = "messages"
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
        default=_MESSAGES,
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
        params: LangGraphParams = run.params
        made = await _load(params)
        async with _checkpointed(run, made) as graph:
            return await _Thread(run, params, graph).work()


class _Thread:
    """The thread of a run: one invocation after the other, until nothing is left to do."""

    def __init__(
        self, run: Run, params: LangGraphParams, graph: "Pregel[Any, Any, Any, Any]"
    ) -> None:
        self._run = run
        self._params = params
        self._graph = graph
        self._events = GraphEvents(run)
        self._invoked = False
        self._taken: InboxLine | None = None  # the message that the graph is at work on
        self._messages: deque[InboxLine] = deque()
        self._arrived = asyncio.Event()
        configurable = params.configurable | {"thread_id": run.run_id}
        self._config: Any = {
            "configurable": configurable,
            "recursion_limit": params.recursion_limit,
        }

    async def work(self) -> Any:
        taking = asyncio.create_task(self._take_messages())
        try:
            return await self._work()
        finally:
            taking.cancel()

    async def _work(self) -> Any:
        run = self._run
        state = await self._graph.aget_state(self._config)
        if not state.values and not state.next:
            asked: Any = self._first_input()
            if asked is None:
                asked = await self._next_message()
        elif state.next:
            asked = await self._answers(state)  # an earlier attempt died here
        else:
            asked = await self._next_message()
        while asked is not None:
            await self._invoke(asked)
            state = await self._graph.aget_state(self._config)
            asked = await (self._answers(state) if state.next else self._next_message())
        run.progress(100, nodes_completed=self._events.nodes)
        return plain(state.values)

    def _first_input(self) -> dict[str, Any] | None:
        params, prompt = self._params, self._run.prompt
        asked = dict(params.input or {})
        history = self._run.manifest.chat_history
        if prompt:
            self._events.said(prompt, f"prompt-{self._run.run_id}")
            asked = self._with_message(asked, history, prompt)
        elif history and params.prompt_key == _MESSAGES:
            asked[_MESSAGES] = [*asked.get(_MESSAGES, []), *history]
        return asked if asked or params.input is not None else None

    def _with_message(
        self, asked: dict[str, Any], history: list[Any], content: str | list[Any]
    ) -> dict[str, Any]:
        if self._params.prompt_key != _MESSAGES:
            before = earlier_text(history)
            text = content if isinstance(content, str) else str(plain(content))
            return asked | {self._params.prompt_key: f"{before}\n\n{text}" if before else text}
        message = {"role": "user", "content": content}
        return asked | {_MESSAGES: [*asked.get(_MESSAGES, []), *history, message]}

    async def _invoke(self, asked: Any) -> None:
        events = self._events
        self._invoked = True
        # None: go on from the last checkpoint.
        streaming: AsyncIterator[Any] = self._graph.astream(
            None if asked is _GO_ON else asked,
            self._config,
            stream_mode=list(MODES),  # of a tuple it takes no notice
            subgraphs=True,
            durability="sync",  # what was told as completed is not done again after a kill
        )
        try:
            async for namespace, mode, data in streaming:
                events.take(namespace, mode, data)
                if mode == "updates":
                    self._run.progress(nodes_completed=events.nodes)
                await self._run.unpaused()
        except Exception as error:
            raise RunFailed("graph_error", f"{type(error).__name__}: {error}") from error
        finally:
            events.close()

    async def _answers(self, state: Any) -> Any:
        """What to go on with after interrupts: the answers to them."""
        answers = {
            interrupt.id: await answer_to(self._run, interrupt, self._params.question_timeout_s)
            for interrupt in state.interrupts
        }
        return Command(resume=answers) if answers else _GO_ON

    async def _next_message(self) -> Any:
        """The input that the next message makes; None if there is none, and none is waited for."""
        run = self._run
        if self._taken is not None:
            run.inbox.receipt(self._taken, "completed")
            self._taken = None
        if not self._messages:
            # One may be on its way that asked an ended run to go on.
            resumed = run.earlier is not None and not self._invoked
            if not run.interactive and not resumed:
                return None
            run.progress(status="waiting", message="waiting for a message")
            try:
                async with asyncio.timeout(self._params.idle_timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        line = self._taken = self._messages.popleft()
        if not self._messages:
            self._arrived.clear()
        run.inbox.receipt(line, "delivered")
        self._events.said(line.content, line.id)
        return self._with_message({}, [], line.content)

    async def _take_messages(self) -> None:
        while True:
            line = await self._run.inbox.get()
            if line.type == "message":
                self._messages.append(line)
                self._arrived.set()
            else:
                reason = f"a langgraph run can't be told to {line.type}"
                self._run.inbox.receipt(line, "dropped", reason=reason)


_GO_ON = object()


async def _load(params: LangGraphParams) -> Any:
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
async def _checkpointed(run: Run, made: Any) -> AsyncIterator["Pregel[Any, Any, Any, Any]"]:
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
