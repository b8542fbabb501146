"""The thread of a LangGraph run: the graph is invoked until nothing is left to do."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from langgraph.pregel import Pregel
from langgraph.types import Command

from runlog import InboxLine
from runlog.run.history import earlier_text

from ...attempt.run import Run
from ...attempt.workflow import RunFailed
from .events import MODES, GraphEvents, plain
from .graphs import checkpointed, load_graph
from .interrupts import answer_to
from .params import LangGraphParams
from .plan import steps_of

__all__ = ["work"]

_MESSAGES = "messages"
_GO_ON = object()


async def work(run: Run) -> Any:
    """Load the graph and do the run's work; returns the graph's last values.

    :raises RunFailed: `bad_graph`, `graph_error` or `no_answer`.
    """
    params: LangGraphParams = run.params
    made = await load_graph(params)
    async with checkpointed(run, made) as graph:
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
        self._run.inbox.recall = self._recall
        self._run.tells_turns = True
        taking = asyncio.create_task(self._take_messages())
        try:
            return await self._work()
        finally:
            taking.cancel()

    async def _work(self) -> Any:
        run = self._run
        self._tell_plan()
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

    def _tell_plan(self) -> None:
        try:
            self._run.plan(steps_of(self._graph))
        except (
            Exception
        ) as error:  # of a graph that can't be drawn, or has too many nodes: it runs all the same
            self._run.log("debug", f"the nodes of the graph are not told ahead: {error}")

    def _first_input(self) -> dict[str, Any] | None:
        params, prompt = self._params, self._run.prompt
        asked = dict(params.input or {})
        history = self._run.manifest.chat_history
        if prompt:
            self._taken = self._run.take_prompt()
            self._run.inbox.receipt(self._taken, "delivered")
            self._events.said(prompt, self._taken.id)
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
        run.end_turn()
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
                with run.resting(run.idle_s(self._params.idle_timeout_s)) as left_s:
                    async with asyncio.timeout(None if math.isinf(left_s) else left_s):
                        await self._arrived.wait()
            except TimeoutError:
                return None
        line = self._taken = self._messages.popleft()
        if not self._messages:
            self._arrived.clear()
        run.inbox.receipt(line, "delivered")
        self._events.said(line.content, line.id)
        return self._with_message({}, [], line.content)

    async def _recall(self, line: InboxLine) -> bool:
        if line not in self._messages:
            return False
        self._messages.remove(line)
        if not self._messages:
            self._arrived.clear()
        return True

    async def _take_messages(self) -> None:
        while True:
            line = await self._run.inbox.get()
            if line.type == "message":
                self._messages.append(line)
                self._arrived.set()
            else:
                reason = f"a langgraph run can't be told to {line.type}"
                self._run.inbox.receipt(line, "dropped", reason=reason)
