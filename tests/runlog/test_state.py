"""The fold: every event that means something, and all that may be thrown at it."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runlog import Event, RunState, StateReader, Workspace, append_lines, encode, read_state
from runlog.disk.records import to_iso
from runlog.run.state import _STEPS
from runlog.run.view import activity_of


def fold(*events: Event, state: RunState | None = None) -> RunState:
    state = state or RunState()
    for number, event in enumerate(events, 1):
        state.apply(event, state.offset + number)
    return state


def told(kind: str, /, **fields: Any) -> Event:
    return {"type": kind, **fields}


STARTED = told(
    "workflow_started", workflow="claude", pid=7, attempt=1, timestamp="2025-01-19T10:00:00Z"
)


def test_nothing_yet() -> None:
    state = RunState()
    assert (state.status, state.cost_usd, state.progress) == ("queued", None, None)


def test_any_line_means_that_it_runs() -> None:
    state = fold(told("whatever", timestamp="t"))
    assert (state.status, state.offset, state.last_event_at) == ("running", 1, "t")
    assert state.event_counts == {"whatever": 1}


def test_a_start() -> None:
    state = fold(STARTED)
    assert (state.status, state.workflow, state.pid, state.attempt) == ("running", "claude", 7, 1)
    assert state.started_at == "2025-01-19T10:00:00Z"


@pytest.mark.parametrize("status", ["completed", "failed", "stopped"])
def test_an_end(status: str) -> None:
    state = fold(
        STARTED,
        told("node_started", node="plan"),
        told("questions_presented", question_id="q"),
        told("permission_requested", request_id="p"),
        told("workflow_paused"),
        told(
            f"workflow_{status}",
            result={"a": 1},
            error="why",
            reason="because",
            stats={"progress": 40, "cost_usd": 1.5, "attempt": 3},
            inbox_offset=99,
            timestamp="2025-01-19T10:00:02.500Z",
        ),
    )
    assert (state.status, state.duration_s, state.ended_at) == (
        status,
        2.5,
        "2025-01-19T10:00:02.500Z",
    )
    assert (state.result, state.error, state.reason) == ({"a": 1}, "why", "because")
    assert (state.progress, state.cost_usd, state.attempt, state.inbox_offset) == (40, 1.5, 3, 99)
    assert not (state.open_questions or state.open_permissions or state.paused)
    assert state.current_node is None


def test_a_completed_run_is_at_100_and_another_is_where_it_was() -> None:
    assert fold(STARTED, told("workflow_completed")).progress == 100
    assert fold(STARTED, told("workflow_failed")).progress is None


def test_reopened() -> None:
    end = told("workflow_failed", reason="lost", error="died", inbox_offset=5, duration_s=1)
    state = fold(STARTED, told("permission_requested", request_id="p"), end)
    fold(told("workflow_started", attempt=2, timestamp="later", pid=8), state=state)
    assert (state.status, state.attempt, state.pid) == ("running", 2, 8)
    assert (state.ended_at, state.reason, state.error, state.inbox_offset) == (None,) * 4
    assert state.started_at == "2025-01-19T10:00:00Z"
    fold(told("workflow_started"), state=state)
    assert state.attempt == 3  # counted where it is not told


def test_paused_and_resumed() -> None:
    assert fold(STARTED, told("workflow_paused")).status == "paused"
    assert fold(STARTED, told("workflow_paused"), told("workflow_resumed")).status == "running"


@pytest.mark.parametrize(
    ("asks", "answers", "key"),
    [
        ("questions_presented", "responses_collected", "question_id"),
        ("permission_requested", "permission_resolved", "request_id"),
    ],
)
def test_waiting_for_an_answer(asks: str, answers: str, key: str) -> None:
    state = fold(STARTED, told(asks, **{key: "a"}, x=1), told(asks, **{key: "b" * 3000}))
    open_ones = state.open_questions if key == "question_id" else state.open_permissions
    assert open_ones["a"]["x"] == 1
    fold(told(answers, **{key: "a"}), told(answers), state=state)
    assert list(open_ones) == ["b" * 2000]
    assert state.status == "waiting"
    fold(told(answers, **{key: "b" * 3000}), state=state)
    fold(told(asks), told(asks, **{key: ""}), told(answers, **{key: "never asked"}), state=state)
    assert not open_ones
    assert fold(state=state).status != "waiting"


def test_the_answer_to_a_question_answers_no_permission_of_that_name() -> None:
    state = fold(
        STARTED,
        told("permission_requested", request_id="1"),
        told("responses_collected", question_id="1", request_id="1"),
    )
    assert state.status == "waiting"


def test_progress_and_what_the_workflow_counts() -> None:
    state = fold(
        STARTED,
        told("progress_update", progress=12, message="reading", status="busy", iteration_count=3),
        told("progress_update", files=["a"], run_id="r", timestamp="t"),
        told("task_progress", progress=20, task_id="t"),
        told("iteration_started", message="round 2"),
    )
    assert (state.progress, state.message, state.activity) == (20, "round 2", "busy")
    assert state.fields == {"iteration_count": 3, "files": ["a"]}
    for number, shown in ((-5, 0), (250, 100), (True, 100), ("9", 100), (float("nan"), 100)):
        assert fold(told("progress_update", progress=number), state=state).progress == shown


def test_nodes() -> None:
    state = fold(told("node_started", node="plan"), told("node_started", node="build"))
    assert state.current_node == "build"
    assert fold(told("node_completed", node="build"), state=state).current_node is None


def test_receipts() -> None:
    state = fold(
        told("message_received", message_id="a", state="queued"),
        told("message_received", message_id="b", state="delivered"),
        told("message_received", message_id="a", state="dropped"),
        told("message_received", message_id=["a"], state="delivered"),
    )
    assert state.messages == {"a": "dropped", "b": "delivered"}


def tool_use(name: str) -> Event:
    return told("assistant", message={"content": [{"type": "tool_use", "name": name}, "odd"]})


def test_claudes_lines() -> None:
    state = fold(told("system", subtype="init", session_id="s", model="m"), tool_use("Bash"))
    assert (state.session_id, state.model, state.current_tool) == ("s", "m", "Bash")
    fold(told("user", message={"content": [{"type": "tool_result"}]}), state=state)
    assert (state.current_tool, state.tool_calls) == (None, 1)
    fold(told("user", message={"content": "text"}), tool_use("Read"), state=state)
    assert (state.current_tool, state.tool_calls) == ("Read", 2)
    fold(told("result", usage={"input_tokens": 3, "output_tokens": 2, "other": 9}), state=state)
    fold(told("result", usage={"input_tokens": 4, "output_tokens": "x"}), state=state)
    assert (state.turns, state.current_tool) == (3, None)
    assert state.usage == {"input_tokens": 7, "output_tokens": 2}


def test_turns_are_answers_of_the_model() -> None:
    def answer(key: str, session: str = "s", **fields: Any) -> Event:
        return told("assistant", session_id=session, message={"id": key, "content": []}, **fields)

    def result(turns: int, **fields: Any) -> Event:
        return told("result", session_id="s", num_turns=turns, **fields)

    state = fold(answer("a"), answer("a"), answer("b"), answer("sub", parent_tool_use_id="t"))
    assert state.turns == 2  # an answer comes in several lines
    assert fold(result(2), state=state).turns == 2
    assert fold(answer("c"), answer("x", "other"), answer("c"), state=state).turns == 4
    assert fold(result(9, subtype="error_during_execution"), state=state).turns == 4
    assert fold(answer("d"), result(2, subtype="error_max_turns"), state=state).turns == 6
    made_up = told("assistant", message={"id": "e", "model": "<synthetic>", "content": []})
    assert fold(made_up, state=state).turns == 6
    assert fold(result(3), state=state).turns == 9  # of one that tells of no answers


def test_idle_is_waiting_until_something_comes() -> None:
    idle = told("progress_update", status="waiting")
    for wakes in (
        told("progress_update", status="working"),
        told("system", subtype="init"),
        tool_use("Bash"),
    ):
        assert fold(STARTED, idle).status == "waiting"
        assert fold(STARTED, idle, wakes).status == "running"
    assert fold(STARTED, idle, STARTED).status == "running"


def cost(session: str | None, usd: object) -> Event:
    return told("result", session_id=session, total_cost_usd=usd)


@pytest.mark.parametrize(
    ("results", "total"),
    [
        ([("a", 0.1), ("a", 0.3)], 0.3),  # the sum of the session so far
        ([("a", 0.3), ("b", 0.2), ("a", 0.4)], 0.6),  # sessions add up
        ([("a", 0.5), ("a", 0.2), ("a", 0.3)], 0.8),  # a killed process took its count with it
        ([("a", 0.5), ("a", 0.2), ("a", 0.1)], 0.8),
        ([(None, 0.5), (None, 0.6)], 0.6),
        ([("a", 0.5), ("a", "much"), ("a", None), ("a", True), ("a", float("inf"))], 0.5),
    ],
)
def test_cost(results: list[tuple[str | None, object]], total: float) -> None:
    assert fold(*(cost(*result) for result in results)).cost_usd == pytest.approx(total)


def test_cost_across_attempts() -> None:
    state = fold(STARTED, cost("a", 0.5))
    fold(told("workflow_failed", stats=state.summary_stats()), state=state)
    fold(told("workflow_started", attempt=2), cost("a", 0.2), state=state)
    assert state.cost_usd == pytest.approx(0.7)
    tail = fold(told("workflow_failed", stats={"cost_usd": 0.5}), told("workflow_started"))
    assert tail.cost_usd == 0.5  # of the tail of a stream: what is known at least


def test_stats_of_our_own_are_not_replaced_by_what_a_workflow_counts() -> None:
    state = fold(STARTED, told("progress_update", attempt="x", events=-1, cost_usd=2, pages=3))
    assert state.summary_stats() == {
        "events": 2,
        "turns": 0,
        "tool_calls": 0,
        "attempt": 1,
        "cost_usd": 2,
        "pages": 3,
    }
    end = told("workflow_completed", stats=state.summary_stats())
    assert fold(end, state=state).attempt == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([1 << 80, -(10**400), 1e308])
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["init", "tool_use", "idle", "a", "2025-01-19T10:00:00Z"]),
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "content", "name", "cost_usd", "progress"]), v)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    "timestamp workflow attempt pid duration_s result error reason stats inbox_offset progress message "
    "status node question_id request_id message_id state subtype session_id model total_cost_usd usage "
    "input_tokens run_id".split()
)
HOSTILE = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(sorted(_STEPS)) | JSON,
    st.dictionaries(KEYS, JSON, max_size=6),
)


@settings(max_examples=200)
@given(st.lists(HOSTILE, max_size=6))
def test_nothing_that_json_can_say_breaks_the_fold(events: list[Event]) -> None:
    state = fold(*events)
    assert state.status
    assert state.progress is None or 0 <= state.progress <= 100
    assert state.inbox_offset is None or state.inbox_offset >= 0
    assert state.cost_usd is None or isinstance(state.cost_usd, float)
    assert sum(state.event_counts.values()) == len(events)
    encode(state.summary_stats())


def test_deep_nesting_breaks_nothing() -> None:
    deep: Any = "x"
    for _ in range(1020):
        deep = [deep]
    for kind in _STEPS:
        fields = "message question_id request_id message_id state stats usage timestamp node"
        fold(told(kind, **dict.fromkeys(fields.split(), deep)))


def test_a_reader_folds_only_what_is_new(workspace: Workspace) -> None:
    reader = StateReader(workspace)
    assert reader.read().status == "queued"
    append_lines(workspace.stream, encode(STARTED))
    assert reader.read().attempt == 1
    with open(workspace.stream, "ab", buffering=0) as file:
        file.write(b'{"type":"workflow_comp')
        assert reader.read().status == "running"
        file.write(b'leted"}\n\n \n')
    state = reader.read()
    assert (state.status, state.offset) == ("completed", workspace.stream.stat().st_size)
    assert reader.read().event_counts == {"workflow_started": 1, "workflow_completed": 1}
    reader.close()
    assert read_state(workspace) == state


@pytest.mark.parametrize("how", ["replaced", "truncated", "removed"])
def test_a_reader_begins_again_when_the_stream_is_another(workspace: Workspace, how: str) -> None:
    append_lines(workspace.stream, encode(STARTED) * 3)
    reader = StateReader(workspace)
    assert reader.read().event_counts == {"workflow_started": 3}
    if how == "truncated":
        workspace.stream.write_bytes(b'{"type":"log"}\n')
    else:
        workspace.stream.rename(workspace.path / "old")
        if how == "replaced":
            append_lines(workspace.stream, b'{"type":"log"}\n')
    counts = {} if how == "removed" else {"log": 1}
    assert reader.read().event_counts == counts
    reader.close()


def test_what_is_no_event_is_counted_as_malformed(workspace: Workspace) -> None:
    lines = [b"text", b"[]", b'{"type":7}', b'{"type":"stream_event","ev', b'{"type":"log"}']
    workspace.stream.write_bytes(b"\n".join(lines) + b"\n")
    assert read_state(workspace).event_counts == {"malformed": 4, "log": 1}


@settings(max_examples=20)
@given(st.lists(HOSTILE, min_size=1, max_size=8), st.data())
def test_folding_in_pieces_is_folding_at_once(events: list[Event], data: st.DataObject) -> None:
    lines = [line for event in events if (line := _line(event))]
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name), "r")  # type: ignore[arg-type]
        workspace.path.mkdir()
        whole = b"".join(lines)
        cut = data.draw(st.integers(0, len(whole)))
        workspace.stream.write_bytes(whole[:cut])
        reader = StateReader(workspace)
        reader.read()
        with open(workspace.stream, "ab") as file:
            file.write(whole[cut:])
        assert repr(reader.read()) == repr(read_state(workspace))
        reader.close()


def test_a_stream_of_20_mb_is_folded(workspace: Workspace) -> None:
    """In a second; if each line cost as much as all before it, in an hour, and the test would end by its timeout."""
    partial = encode(told("stream_event", event={"delta": {"text": "word " * 20}}))
    block = partial * 400 + encode(tool_use("Bash") | {"pad": "x" * 2000}) * 5
    with open(workspace.stream, "wb") as file:
        while file.tell() < 20_000_000:
            file.write(block)
    state = read_state(workspace)
    assert state.offset == workspace.stream.stat().st_size


def _line(event: Event) -> bytes | None:
    try:
        return encode(event)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("lines", "receipt"),
    [
        (["queued"], "queued"),
        (["started"], "delivered"),
        (["started", "completed"], "completed"),
        (["started", "cancelled"], "completed"),
        (["cancelled"], "dropped"),
        (["replay"], "delivered"),
        (["replay", "started", "completed"], "completed"),
    ],
)
def test_what_the_agent_says_of_a_message_counts_without_a_receipt(
    lines: list[str], receipt: str
) -> None:
    state = RunState()
    fold(told("message_received", message_id="m1", state="queued"), state=state)
    for line in lines:
        for key in (
            "m1",
            "prompt-x",
        ):  # of the prompt, as of any message that the run does not know, no word
            if line == "replay":
                fold(told("user", uuid=key, isReplay=True), state=state)
            else:
                fold(told("command_lifecycle", command_uuid=key, state=line), state=state)
    assert state.messages == {"m1": receipt}
    assert state.unreceipted == (set() if receipt == "queued" else {"m1"})
    fold(told("message_received", message_id="m1", state="completed"), state=state)
    assert (state.messages, state.unreceipted) == ({"m1": "completed"}, set())
    fold(told("command_lifecycle", command_uuid="m1", state="started"), state=state)
    assert (state.messages, state.unreceipted) == ({"m1": "completed"}, set())


def test_what_waits_for_the_model_alone() -> None:
    """A turn runs, and no tool of the agent; what a subagent does is the work of its call."""
    call = {"type": "tool_use", "name": "Bash", "id": "c1"}
    other = {"type": "tool_use", "name": "Task", "id": "c2"}
    below = {"type": "tool_use", "name": "Bash", "id": "c3"}
    told: list[tuple[Event, bool]] = [
        ({"type": "workflow_started"}, False),
        ({"type": "message_received", "message_id": "m", "state": "delivered"}, False),
        ({"type": "system", "subtype": "init", "session_id": "s"}, True),
        (_says("assistant", call), False),
        (_says("assistant", other), False),
        (_says("assistant", below) | {"parent_tool_use_id": "c2"}, False),
        (_says("user", {"type": "tool_result", "tool_use_id": "c1"}), False),
        (_says("user", {"type": "tool_result", "tool_use_id": "c2"}), True),
        ({"type": "permission_requested", "request_id": "p"}, False),
        ({"type": "permission_resolved", "request_id": "p"}, True),
        (_says("assistant", {"type": "text", "text": "done"}), True),
        ({"type": "result", "session_id": "s", "num_turns": 2}, False),
    ]
    state = RunState()
    for offset, (event, awaits) in enumerate(told, 1):
        state.apply(event, offset)
        assert state.awaits_model is awaits, event


def _says(role: str, block: Event) -> Event:
    return {
        "type": role,
        "session_id": "s",
        "message": {"id": "a", "role": role, "content": [block]},
    }


def test_a_silent_model_is_shown() -> None:
    state = RunState()
    now = datetime.now(UTC)
    for event in ({"type": "workflow_started"}, {"type": "system", "subtype": "init"}):
        state.apply(event | {"timestamp": to_iso(now - timedelta(seconds=90))}, 1)
    assert (activity_of(state, "running") or "").startswith("no answer of the model for 9")
    assert activity_of(state, "failed") is None
    state.apply({"type": "progress_update", "status": "busy", "timestamp": to_iso(now)}, 2)
    assert activity_of(state, "running") == "busy"
