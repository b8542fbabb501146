"""Runs that rest are parked: no process at all, until something comes for them."""

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace, encode, is_locked, is_terminal, run_status
from runlog.run.status import read_state, summarize
from runner.supervise.supervisor import runner_is_active
from tests.runner.claude_runs import control, receipt, say, texts
from tests.runner.conftest import runner_process
from tests.support import (
    end_runs,
    events,
    receipts,
    spawned,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("runner")


PARROT = '''
from pydantic import BaseModel


class Parrot:
    """Says again what it is told, and rests in between; asks, if told to."""

    class Params(BaseModel):
        ask: bool = False

    prompt, interactive, resumable = "optional", True, True

    async def run(self, run):
        if run.params.ask:
            question = {"question": "Ship it?", "options": [{"label": "yes"}, {"label": "no"}]}
            with run.resting(60):
                answers = await run.ask(
                    [question], smart_defaults={"Ship it?": "no"}, timeout_s=60, question_id="q-1"
                )
            return answers["Ship it?"]
        run.progress(status="waiting")
        while True:
            with run.resting(run.idle_s(None)):
                line = await run.inbox.get()
            if line.type == "message":
                run.inbox.receipt(line, "delivered")
                run.log("info", line.content)
                run.inbox.receipt(line, "completed")
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A package of someone else, for what is started after it."""
    folder = tmp_path_factory.mktemp("plugins")
    info = folder / "parrot-1.dist-info"
    info.mkdir()
    (folder / "parrot.py").write_text(PARROT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tailcast.workflows]\nparrot = parrot:Parrot\n")
    path = os.environ.get("PYTHONPATH")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{path}{os.pathsep}{folder}" if path else str(folder))
        yield


@pytest.fixture(scope="module")
def module_runner(plugins: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As that of other modules, and it knows the parrot."""
    folder = tmp_path_factory.mktemp("runner") / "workspaces"
    folder.mkdir(mode=0o700)
    try:
        with runner_process(folder, 4):
            wait_until(lambda: runner_is_active(folder), "the runner")
            yield folder
    finally:
        end_runs(folder)


def parrot(root: Path, *, park_after_s: float | None = 0.02, **fields: Any) -> Workspace:
    return runlog.create_run(root, "parrot", interactive=True, park_after_s=park_after_s, **fields)


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
"""


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    (folder / "parking_graphs.py").write_text(GRAPH)
    return folder


def graph(root: Path, app_dir: Path, name: str, **params: Any) -> Workspace:
    params = {"graph": f"parking_graphs:{name}", "app_dir": str(app_dir)} | params
    return runlog.create_run(root, "langgraph", prompt="go", params=params, park_after_s=0.05)


def told(run: Workspace) -> Any:
    return wait_for_end(run)["result"].get("told")


def test_a_question_waits_for_days_and_no_work_is_done_again(root: Path, app_dir: Path) -> None:
    run = graph(root, app_dir, "asking", question_timeout_s=30 * 86400)
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
    run = graph(root, app_dir, "deciding", question_timeout_s=86400)
    for count, decision in enumerate(["allow", "deny"], 1):
        parked(run, count)
        (asked,) = read_state(run).open_permissions.values()
        body = {"request_id": asked["request_id"], "decision": decision}
        runlog.post(run, {"type": "permission", **body})
        wait_for(run, "permission_resolved", request_id=asked["request_id"], decision=decision)
    assert told(run) == "approve reject"
    assert len(events(run, "permission_requested")) == 2


HOUR_AGO, A_MOMENT_AGO = "2025-01-01T10:00:00.000Z", "2025-01-01T11:00:00.000Z"


def parked_before(root: Path, *lines: dict[str, Any], **fields: Any) -> Workspace:
    """A run that was parked long ago, until a time that is over, as an earlier runner left it."""
    building = runlog.create_run(root / "elsewhere", "parrot", interactive=True, **fields)
    started = {"workflow": "parrot", "params": {}, "pid": 1, "attempt": 1, "inbox_offset": 0}
    stats = {"events": 1, "turns": 0, "tool_calls": 0, "attempt": 1}
    end = {"until": A_MOMENT_AGO, "duration_s": 1, "stats": stats, "inbox_offset": 0}
    stream = [
        {"type": "workflow_started", **started},
        *lines,
        {"type": "workflow_parked", **end},
    ]
    common = {"timestamp": HOUR_AGO, "run_id": building.run_id}
    building.stream.write_bytes(b"".join(encode(common | line) for line in stream))
    os.rename(building.path, root / building.run_id)
    return runlog.open_workspace(root, building.run_id)


def test_the_time_to_answer_goes_on_while_it_is_parked(root: Path) -> None:
    question = {"question": "Ship it?", "options": [{"label": "yes"}, {"label": "no"}]}
    asked = {
        "type": "questions_presented",
        "question_id": "q-1",
        "questions": [question],
        "smart_defaults": {"Ship it?": "no"},
        "timeout_s": 60,
    }
    run = parked_before(root, asked, params={"ask": True})
    assert wait_for_end(run)["result"] == "no"
    assert [e["source"] for e in events(run, "responses_collected")] == ["default"]
    assert len(events(run, "questions_presented")) == 1


def test_so_does_the_limit_of_time(root: Path) -> None:
    run = parked_before(root, limits={"wall_time_s": 60})
    end = wait_for_end(run)
    assert (end["reason"], end["limit"]) == ("wall_time_s", 60)
    assert end["duration_s"] > 3600 and end["stats"]["attempt"] == 1


def test_until_when_is_told(root: Path) -> None:
    run = parrot(root, limits={"wall_time_s": 86400})
    until = runlog.disk.records.from_iso(parked(run)["until"])
    began = runlog.disk.records.from_iso(events(run, "workflow_started")[0]["timestamp"])
    assert until and began and 86400 - 60 < (until - began).total_seconds() < 86400 + 60


def test_a_line_by_hand_takes_it_up(root: Path) -> None:
    run = parrot(root)
    parked(run)
    with open(run.inbox, "a") as inbox:
        inbox.write('{"type":"message","content":"by hand"}\n')
    key = f"inbox-{run.inbox.stat().st_size}"
    wait_for(run, "message_received", message_id=key, state="completed")
    parked(run, 2)
    with open(run.inbox, "a") as inbox:  # what is none, and what was said before, is no reason
        inbox.write(f'nonsense\n\n{{"id":"{key}","type":"message","content":"again"}}\n')
    runlog.post(run, {"type": "message", "content": "on", "id": "m2"})
    wait_for(run, "message_received", message_id="m2", state="completed")
    assert [e["message"] for e in events(run, "log") if e["level"] == "info"] == ["by hand", "on"]


def test_the_runner_was_down(root: Path, tmp_path: Path, plugins: None) -> None:
    """Parked and spoken to without a runner: the next one takes it up."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    try:
        with runner_process(own, 1):
            run = parrot(own)
            parked(run)
        say(run, "hello", "m1")
        assert run_status(run) == "queued"
        with runner_process(own, 1):
            wait_for(run, "log", message="hello")
            parked(run, 2)
        assert receipts(run, "m1") == ["queued", "delivered", "completed"]
    finally:
        end_runs(own)


def test_never_or_not_yet(root: Path) -> None:
    """0 is never; without one the runner's five minutes count."""
    runs = [parrot(root, park_after_s=after_s) for after_s in (0, None)]
    for run in runs:
        wait_until(lambda run=run: run_status(run) == "waiting", "a rest")
    parked(parrot(root))
    for run in runs:
        assert is_locked(run.lock) and not events(run, "workflow_parked")


def test_without_a_runner_nobody_is_parked(tmp_path: Path, plugins: None) -> None:
    """Nobody would take it up."""
    from runner.attempt.options import RunOptions
    from runner.supervise.spawn import start_run_process

    run = parrot(tmp_path / "alone")
    try:
        with start_run_process(run, RunOptions()) as process:
            wait_until(lambda: run_status(run) == "waiting", "a rest")
            say(run, "one", "m1")
            wait_for(run, "log", message="one")
            assert not events(run, "workflow_parked")
            with runner_process(run.root, 1):
                parked(run)
            process.wait()
    finally:
        end_runs(run.root)


LIMITED = """
import signal, sys, threading
from pathlib import Path
from runner.attempt.options import RunOptions
from runner.supervise.supervisor import Supervisor
stop = threading.Event()
supervisor = Supervisor(
    Path(sys.argv[1]), max_running=1, max_waiting=int(sys.argv[2]), options=RunOptions(1.0, True, park_after_s=0)
)
signal.signal(signal.SIGTERM, lambda *_: (stop.set(), supervisor.wake()))
supervisor.work(stop)
"""


def test_who_waits_holds_no_slot(tmp_path: Path, plugins: None) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    try:
        with runner_process(own, 2, program=LIMITED):
            waiting = [parrot(own, park_after_s=None) for _ in range(3)]
            for run in waiting:
                wait_until(lambda run=run: run_status(run) == "waiting", "a rest")
            # Two wait for free, the third has the one slot: nobody else can begin.
            command = runlog.create_run(own, "command", params={"argv": ["true"]})
            asked = runlog.create_run(own, "command", params={"argv": ["true"]})
            say(waiting[0], "hello", "m1")
            wait_for(waiting[0], "log", message="hello")
            assert run_status(command) == run_status(asked) == "queued"
            runlog.post(waiting[0], {"type": "stop"})
            assert wait_for_end(command)["type"] == "workflow_completed"
            assert wait_for_end(asked)["type"] == "workflow_completed"
            assert all(run_status(run) == "waiting" for run in waiting[1:])
    finally:
        end_runs(own)


# Takes the run up whenever it is due, as a runner does, but at once: a park for each few messages.
TAKES_UP = """
import os, sys, time
from pathlib import Path
from runlog import RunLock, Workspace, run_status
from runner.attempt.process import main
run = Workspace(Path(sys.argv[1]), sys.argv[2])
assert RunLock(run.root / "_runner.lock").acquire()
while True:
    if run_status(run) == "queued":
        pid = os.fork()
        if pid == 0:
            try:
                main(run.path)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    time.sleep(0.001)
"""


def said_to(run: Workspace, text: str, by_hand: bool) -> bool:
    """Whether it is in the inbox; False on a machine so busy that the caller is told to try again."""
    try:
        if by_hand:
            with runlog.AppendFile(run.inbox) as inbox:
                inbox.append(encode({"type": "message", "content": text}))
        else:
            say(run, text, text)
    except runlog.Busy:
        return False
    return True


@pytest.mark.parametrize(
    "count", [150, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_what_comes_in_the_moment_of_a_park_is_taken_once(
    tmp_path: Path, plugins: None, count: int
) -> None:
    run = parrot(tmp_path / "own", park_after_s=0.001)
    by_hand: list[str] = []

    def speak(who: int) -> None:
        chance = random.Random(who)
        for number in range(count):
            time.sleep(chance.choice([0, 0.001, 0.005, 0.02, 0.05]))
            text, hand = f"{who}-{number}", chance.random() < 0.2
            if hand:
                by_hand.append(text)
            while not said_to(run, text, hand):
                pass

    speakers = [threading.Thread(target=speak, args=(who,)) for who in range(2)]
    program = (sys.executable, "-c", TAKES_UP, str(run.root), run.run_id)
    with spawned(*program):
        for speaker in speakers:
            speaker.start()
        for speaker in speakers:
            speaker.join()
        told = f"{2 * count} messages"
        wait_until(lambda: len(events(run, "log")) >= 2 * count, told, deadline_s=600)
        parked(run, len(events(run, "workflow_unparked")) + 1)
    said = [e["message"] for e in events(run, "log")]
    assert sorted(said) == sorted(f"{who}-{number}" for who in range(2) for number in range(count))
    assert [e["attempt"] for e in events(run, "workflow_started")] == [1]
    assert len(events(run, "workflow_parked")) > 5 and by_hand
    last = {e["message_id"]: e["state"] for e in events(run, "message_received")}
    assert len(last) == 2 * count and set(last.values()) == {"completed"}
    assert not is_terminal(run_status(run))
    end_runs(run.root)
