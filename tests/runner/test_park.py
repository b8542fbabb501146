"""Runs that rest are parked: no process at all, until something comes for them."""

from pathlib import Path
from typing import Any

import pytest
from claude_runs import control, receipt, say, texts

import runlog
from runlog import Workspace, is_locked, run_status
from runlog.run.status import read_state, summarize
from tests.support import (
    events,
    receipts,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")


def chat(root: Path, prompt: str | None, *, park_after_s: float = 0.2, **fields: Any) -> Workspace:
    params = {"allowed_tools": ["Bash"]} | fields.pop("params", {})
    return runlog.create_run(
        root,
        "claude",
        prompt=prompt,
        interactive=True,
        params=params,
        park_after_s=park_after_s,
        **fields,
    )


def parked(run: Workspace, count: int = 1) -> dict[str, Any]:
    """Wait until it was parked `count` times, and is."""

    def is_parked() -> dict[str, Any] | None:
        told = events(run, "workflow_parked")
        return told[count - 1] if len(told) >= count and not is_locked(run.lock) else None

    found: dict[str, Any] = wait_until(is_parked, f"{run.run_id} parked {count} times")
    return found


@pytest.mark.claude
def test_a_chat_is_parked_and_a_message_takes_it_up(root: Path) -> None:
    run = chat(root, "one", params={"model": "claude-opus-4-1"})
    wait_until(lambda: run_status(run) == "waiting", "the first turn")
    first = parked(run)
    assert first["until"] is None
    wait_until(lambda: not tree_of(run), "no process")
    assert run_status(run) == "waiting"
    row = summarize(run)
    assert (row.status, row.waiting_for, row.parked) == ("waiting", "message", True)

    model = control(run, "set_model", model="claude-sonnet-4-5")
    receipt(run, model, "completed")
    parked(run, 2)
    say(run, "two", "m2")
    receipt(run, "m2", "completed")
    assert texts(run) == ["one", "two"]
    assert receipts(run, "m2") == ["queued", "delivered", "completed"]
    state = read_state(run)
    assert len({e["session_id"] for e in events(run, "assistant")}) == 1
    assert (state.attempt, state.turn.number if state.turn else None) == (1, 2)
    inits = [e for e in events(run, "system") if e.get("subtype") == "init"]
    assert inits[-1]["model"] == "claude-sonnet-4-5"
    assert len(events(run, "workflow_started")) == 1

    parked(run, 3)
    runlog.post(run, {"type": "stop"})
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    assert len(events(run, "workflow_unparked")) == 2  # for the model, and the message


GRAPH = """
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    messages: list
    told: str


def work(state):
    return {"told": "nothing"}


def ask(state):
    return {"told": interrupt({"question": "Ship it?", "options": ["yes", "no"], "default": "no"})}


def decide(state):
    asked = [{"name": "rm", "args": {"path": "a"}}, {"name": "mv", "args": {"path": "b"}}]
    answer = interrupt({"action_requests": asked, "review_configs": []})
    return {"told": " ".join(d["type"] for d in answer["decisions"])}


def line(*nodes):
    builder = StateGraph(State)
    names = [node.__name__ for node in nodes]
    for node in nodes:
        builder.add_node(node.__name__, node)
    for one, other in zip([START, *names], [*names, END]):
        builder.add_edge(one, other)
    return builder


asking = line(work, ask)
deciding = line(work, decide)
resting = line(work)
"""


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "parking_graphs.py").write_text(GRAPH)
    return folder


def graph(
    root: Path, app_dir: Path, name: str, *, interactive: bool = False, **fields: Any
) -> Workspace:
    params = {"graph": f"parking_graphs:{name}", "app_dir": str(app_dir)} | fields.pop("params", {})
    fields = {"park_after_s": 0.05, "prompt": "go"} | fields
    return runlog.create_run(root, "langgraph", params=params, interactive=interactive, **fields)


def told(run: Workspace) -> Any:
    return wait_for_end(run)["result"].get("told")


def test_a_question_waits_for_days_and_no_work_is_done_again(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "asking", params={"question_timeout_s": 30 * 86400})
    until = parked(run)["until"]
    asked = wait_for(run, "questions_presented")
    row = summarize(run)
    assert (row.status, row.waiting_for, row.open_questions) == ("waiting", "answer", 1)
    assert until is not None and until > asked["timestamp"]
    answer = {"question_id": asked["question_id"], "answers": {"Ship it?": "yes"}}
    runlog.post(run, {"type": "answer", **answer})
    assert told(run) == "yes"
    # Work that was done is not done again.
    assert [e["node"] for e in events(run, "node_completed")] == ["work", "ask"]
    assert len(events(run, "questions_presented")) == 1
    assert [e["source"] for e in events(run, "responses_collected")] == ["human"]
    assert [e["attempt"] for e in events(run, "workflow_unparked")] == [1]


def test_permissions_that_are_asked_one_after_the_other(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "deciding", params={"question_timeout_s": 86400})
    for count, decision in enumerate(["allow", "deny"], 1):
        parked(run, count)
        (asked,) = read_state(run).open_permissions.values()
        body = {"request_id": asked["request_id"], "decision": decision}
        runlog.post(run, {"type": "permission", **body})
        wait_for(run, "permission_resolved", request_id=asked["request_id"], decision=decision)
    assert told(run) == "approve reject"
    assert len(events(run, "permission_requested")) == 2


def test_the_time_to_answer_goes_on_while_it_is_parked(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "asking", params={"question_timeout_s": 2})
    parked(run)
    assert told(run) == "no"
    assert [e["source"] for e in events(run, "responses_collected")] == ["default"]
    assert len(events(run, "questions_presented")) == 1


def test_so_does_the_limit_of_time(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "asking", limits={"wall_time_s": 3})
    parked(run)
    end = wait_for_end(run)
    assert (end["reason"], end["limit"]) == ("wall_time_s", 3)
    assert end["reached"] > 3


def test_and_the_time_for_the_next_message(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "resting", interactive=True, params={"idle_timeout_s": 2})
    parked(run)
    assert wait_for_end(run)["type"] == "workflow_completed"


def test_a_line_by_hand_takes_it_up(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "resting", interactive=True)
    parked(run)
    with open(run.inbox, "a") as inbox:
        inbox.write('{"type":"message","content":"by hand"}\n')
    key = f"inbox-{run.inbox.stat().st_size}"
    wait_for(run, "message_received", message_id=key, state="completed")
    parked(run, 2)
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)


@pytest.mark.parametrize("park_after_s", [0, None])
def test_never_or_not_yet(root: Path, app_dir: Path, park_after_s: float | None) -> None:
    """0 is never; without one the runner's five minutes count."""
    run = graph(root, app_dir, "resting", interactive=True, park_after_s=park_after_s)
    wait_until(lambda: run_status(run) == "waiting", "a rest")
    other = graph(root, app_dir, "resting", interactive=True)
    parked(other)
    assert is_locked(run.lock) and not events(run, "workflow_parked")
