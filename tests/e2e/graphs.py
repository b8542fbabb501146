"""A graph for `langgraph` runs: it talks, asks whether to ship, and tells what was said."""

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

__all__ = ["graph"]


async def talk(state: MessagesState) -> MessagesState:
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
