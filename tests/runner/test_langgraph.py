"""The `langgraph` workflow on real graphs, with a model that says what it was given."""

import itertools
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace
from runlog.run.history import ChatHistory
from runlog.run.status import summarize
from tests.support import events, kill, receipts, records, wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")

GRAPH = """
from typing import TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt


async def talk(state):
    said = state["messages"][-1].content
    model = GenericFakeChatModel(messages=iter([AIMessage(f"you said {said}")]))
    return {"messages": [await model.ainvoke(state["messages"])]}


def write(state):
    write = get_stream_writer()
    write({"type": "progress_update", "progress": 40, "message": "half way"})
    write({"type": "workflow_completed", "result": "forged"})
    return {"messages": [ToolMessage("42", tool_call_id="c1")]}


def ask(state):
    answer = interrupt({"question": "Ship it?", "options": ["yes", "no"], "default": "no"})
    return {"messages": [AIMessage(f"answer: {answer}", id="told")]}


def fail(state):
    raise ValueError("no luck")


def line(*nodes):
    builder = StateGraph(MessagesState)
    for node in nodes:
        builder.add_node(node.__name__, node)
    for one, other in zip([START, *(n.__name__ for n in nodes)], [*(n.__name__ for n in nodes), END]):
        builder.add_edge(one, other)
    return builder


chat = line(talk).compile()
asking = line(talk, write, ask)
broken = line(talk, fail).compile()


def made():
    inner = line(talk).compile()
    builder = StateGraph(MessagesState)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    return builder.compile()


class Plain(TypedDict):
    topic: str
    title: str


def entitle(state):
    return {"title": state["topic"].upper()}


plain = StateGraph(Plain)
plain.add_node("entitle", entitle)
plain.add_edge(START, "entitle")


def decide(state):
    asked = [{"name": "rm", "args": {"path": "a"}}, {"name": "mv", "args": {"path": "b"}}]
    answer = interrupt({"action_requests": asked, "review_configs": []})
    return {"title": " ".join(d["type"] for d in answer["decisions"])}


tools = StateGraph(Plain)
tools.add_node("decide", decide)
tools.add_edge(START, "decide")
number = 7
"""


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "some_graphs.py").write_text(GRAPH)
    return folder


def start(
    root: Path, app_dir: Path, graph: str, prompt: str | None = "hello", **params: Any
) -> Workspace:
    interactive = params.pop("interactive", False)
    params = {"graph": graph, "app_dir": str(app_dir)} | params
    return runlog.create_run(
        root, "langgraph", prompt=prompt, params=params, interactive=interactive
    )


def chat_of(run: Workspace) -> list[tuple[str, str]]:
    chat = ChatHistory(100)
    for record in records(run):
        chat.apply(record.event(), record.offset)
    return [(m.role, m.content) for m in chat.messages]


def test_nodes_and_messages(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:chat")
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed", end
    assert [m["content"] for m in end["result"]["messages"]] == ["hello", "you said hello"]
    assert [e["node"] for e in events(run, "node_started")] == ["talk"]
    (completed,) = events(run, "node_completed")
    assert completed["outputs"]["messages"][0]["content"] == "you said hello"
    assert chat_of(run) == [("user", "hello"), ("assistant", "you said hello")]
    prompt_id = f"prompt-{run.run_id}"
    assert receipts(run, prompt_id) == ["queued", "delivered", "completed"]
    (turn,) = events(run, "turn_ended")
    assert (turn["turn"], turn["finish_reason"], turn["message_id"]) == (1, "completed", prompt_id)
    partial = [e["event"] for e in events(run, "stream_event")]
    text = "".join(p["delta"]["text"] for p in partial if p["type"] == "content_block_delta")
    assert (text, partial[0]["type"], partial[-1]["type"]) == (
        "you said hello",
        "message_start",
        "message_stop",
    )
    passed_over = ("stream_event", "message_received")
    order = [e["type"] for e in events(run) if e["type"] not in passed_over]
    assert order == [
        "workflow_started",
        "steps_planned",
        "user",
        "node_started",
        "assistant",
        "node_completed",
        "progress_update",
        "turn_ended",
        "progress_update",
        "workflow_completed",
    ]


def test_interrupt_is_a_question(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs.py:asking")
    asked = wait_for(run, "questions_presented")
    (plan,) = events(run, "steps_planned")
    assert [(step["id"], step["depends_on"]) for step in plan["steps"]] == [
        ("talk", []),
        ("write", ["talk"]),
        ("ask", ["write"]),
    ]
    row = summarize(run)
    assert (row.steps_done, row.steps_total) == (2, 3)
    assert asked["questions"][0]["question"] == "Ship it?"
    assert [o["label"] for o in asked["questions"][0]["options"]] == ["yes", "no"]
    assert runlog.run_status(run) == "waiting"
    answer = {"question_id": asked["question_id"], "answers": {"Ship it?": "yes"}}
    runlog.post(run, {"type": "answer", **answer})
    end = wait_for_end(run)
    assert end["result"]["messages"][-1]["content"] == "answer: yes"
    # What a node writes is an event of its kind, unless it poses as the run's process.
    assert wait_for(run, "progress_update", message="half way")["progress"] == 40
    assert events(run, "log")[0]["data"]["value"]["result"] == "forged"
    assert [e["source"] for e in events(run, "responses_collected")] == ["human"]
    assert len(events(run, "questions_presented")) == 1


def test_nobody_answers(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:asking", question_timeout_s=0.2)
    assert wait_for_end(run)["result"]["messages"][-1]["content"] == "answer: no"
    assert [e["source"] for e in events(run, "responses_collected")] == ["default"]


def test_killed_at_a_question_and_resumed(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:asking")
    asked = wait_for(run, "questions_presented")
    kill(events(run, "workflow_started")[0]["pid"])
    assert wait_for_end(run)["reason"] == "lost"
    runlog.post(run, {"type": "message", "content": "go on", "id": "m-1", "resume": True})
    wait_until(lambda: len(events(run, "questions_presented")) == 2, "the question again")
    assert events(run, "questions_presented")[1]["question_id"] == asked["question_id"]
    answer = {"question_id": asked["question_id"], "answers": {"Ship it?": "yes"}}
    runlog.post(run, {"type": "answer", **answer})
    wait_until(lambda: len(events(run, "questions_presented")) == 3, "the message's own turn")
    # The nodes before the question were not done again.
    started = [e["node"] for e in events(run, "node_started")]
    assert started == ["talk", "write", "ask", "ask", "talk", "write", "ask"]
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run, attempt=2)["type"] == "workflow_stopped"


def test_interactive_is_a_conversation(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:chat", None, interactive=True)
    for number in itertools.count(1):
        wait_until(lambda: runlog.run_status(run) == "waiting", "its turn to end")
        if number > 2:
            break
        runlog.post(run, {"type": "message", "content": f"part {number}", "id": f"m-{number}"})
        wait_for(run, "message_received", message_id=f"m-{number}", state="completed")
    assert chat_of(run) == [
        ("user", "part 1"),
        ("assistant", "you said part 1"),
        ("user", "part 2"),
        ("assistant", "you said part 2"),
    ]
    assert receipts(run, "m-2") == ["queued", "delivered", "completed"]
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run)["type"] == "workflow_stopped"


def test_finished_run_takes_one_more_message(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:chat")
    wait_for_end(run)
    runlog.post(run, {"type": "message", "content": "and now?", "id": "m-1", "resume": True})
    end = wait_for_end(run, attempt=2)
    told = [m["content"] for m in end["result"]["messages"]]
    assert told == ["hello", "you said hello", "and now?", "you said and now?"]


def test_state_without_messages(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:plain", "tails", prompt_key="topic")
    assert wait_for_end(run)["result"] == {"topic": "tails", "title": "TAILS"}
    given = start(root, app_dir, "some_graphs:plain", None, input={"topic": "casts"})
    assert wait_for_end(given)["result"]["title"] == "CASTS"


def test_tools_that_a_person_reviews(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:tools", None, input={"topic": "files"})
    for number, decision in enumerate(("allow", "deny"), 1):
        wait_until(lambda n=number: len(events(run, "permission_requested")) == n, "the request")
        request_id = events(run, "permission_requested")[-1]["request_id"]
        line = {"type": "permission", "request_id": request_id, "decision": decision}
        runlog.post(run, line)
    assert wait_for_end(run)["result"]["title"] == "approve reject"


def test_subgraphs_by_their_path(root: Path, app_dir: Path) -> None:
    run = start(root, app_dir, "some_graphs:made")
    assert wait_for_end(run)["type"] == "workflow_completed"
    assert [e["node"] for e in events(run, "node_started")] == ["inner", "inner/talk"]
    assert [e["node"] for e in events(run, "node_completed")] == ["inner/talk", "inner"]
    assert chat_of(run) == [("user", "hello"), ("assistant", "you said hello")]


@pytest.mark.parametrize(
    ("graph", "reason", "word"),
    [
        ("no_such_module:graph", "bad_graph", "no_such_module"),
        ("some_graphs:nothing", "bad_graph", "nothing"),
        ("some_graphs:number", "bad_graph", "is no graph"),
        ("missing.py:graph", "bad_graph", "missing.py"),
        ("some_graphs", "bad_params", "params.graph"),
        ("some_graphs:broken", "graph_error", "ValueError: no luck"),
    ],
)
def test_what_can_not_run(root: Path, app_dir: Path, graph: str, reason: str, word: str) -> None:
    end = wait_for_end(start(root, app_dir, graph))
    assert (end["type"], end["reason"]) == ("workflow_failed", reason)
    assert word in end["error"]


def test_a_graph_with_a_way_back_makes_nobody_wait_for_himself() -> None:
    pytest.importorskip("langgraph")
    from langgraph.graph import END, START, MessagesState, StateGraph

    from runner.workflows.langgraph.plan import steps_of

    def nothing(state: MessagesState) -> MessagesState:
        return state

    builder = StateGraph(MessagesState)
    for name in ("plan", "work", "check"):
        builder.add_node(name, nothing)
    for edge in ((START, "plan"), ("plan", "work"), ("work", "check")):
        builder.add_edge(*edge)
    builder.add_conditional_edges("check", lambda state: "work", ["work", END])
    told = {step["id"]: step["depends_on"] for step in steps_of(builder.compile())}
    assert told == {"plan": [], "work": ["plan"], "check": ["work"]}
