"""A graph for `langgraph` runs: it talks (once the file `gate` is there), asks whether to ship, tells the answer."""

import asyncio
from pathlib import Path

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

__all__ = ["graph"]


async def talk(state: MessagesState, config: RunnableConfig) -> MessagesState:
    gate = config["configurable"].get("gate")
    while gate and not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 # opened by another process
        await asyncio.sleep(0.01)
    said = state["messages"][-1].content
    model = GenericFakeChatModel(messages=iter([AIMessage(f"you said {said}")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


def ask(state: MessagesState) -> MessagesState:
    answer = interrupt({"question": "Ship it?", "options": ["yes", "no"], "default": "no"})
    return {"messages": [AIMessage(f"answer: {answer}")]}


builder = StateGraph(MessagesState)
builder.add_node("talk", talk)
builder.add_node("ask", ask)
builder.add_edge(START, "talk")
builder.add_edge("talk", "ask")
builder.add_edge("ask", END)
graph = builder.compile()
