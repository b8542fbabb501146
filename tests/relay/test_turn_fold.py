"""Recorded turns, told in other protocols: the same however they are cut, and never an exception."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dialects.ag_ui import AgUiFold
from relay.dialects.ai_sdk import AiSdkFold
from relay.dialects.turn_fold import TurnFold
from relay.dialects.turns import Turn, begins
from relay.streaming.fold import Fold
from runlog import decode, encode
from runlog.disk.tail import Chunk
from tests import vectors
from tests.relay.ag_ui_events import Thread
from tests.relay.ui_chunks import UiMessage

RECORDED = Path(__file__).resolve().parents[2] / "relay/ui/src/model/fixtures"
NAMES = sorted(file.stem for file in RECORDED.glob("*.jsonl"))
FOLDS: list[type[TurnFold]] = [AiSdkFold, AgUiFold]


def lines_of(name: str) -> list[bytes]:
    return (RECORDED / f"{name}.jsonl").read_bytes().splitlines(True)


def chunks(lines: list[bytes], start: int = 0) -> list[Chunk]:
    """A chunk for each line."""
    ends = accumulate(map(len, lines), initial=start)
    return [Chunk(a, b, line) for (a, b), line in zip(pairwise(ends), lines, strict=True)]


def told(fold: Fold, parts: list[Chunk]) -> tuple[bytes, Fold]:
    """All frames of an answer, and the state at its end."""
    frames = fold.begin()
    for chunk in parts:
        more, fold = fold.take(chunk)
        frames += more
    return frames, fold


def turns(name: str) -> list[str]:
    """The ids of the messages that were answered."""
    found = [f"prompt-{name}"]
    for line in lines_of(name):
        said = begins(decode(line) or {})
        if said and said not in found:
            found.append(said)
    return found


def answers(kind: type[TurnFold], name: str, said: str) -> Iterator[bytes]:
    """A turn as it is told live: it ends at each request of the agent's, and the next answer goes on from there."""
    parts, answered, known = chunks(lines_of(name)), frozenset[str](), 0
    while True:
        fold: Fold = kind(name, Turn(said, 0, known), answered, answered)
        frames = fold.begin()
        for chunk in parts:
            more, fold = fold.take(chunk)
            frames += more
            if fold.over:
                break
        yield frames
        assert isinstance(fold, TurnFold)
        known, answered = chunk.end, fold.open_requests
        if not answered:
            return


EVERY = [pytest.param(name, said, id=said) for name in NAMES for said in turns(name)]


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize(("name", "said"), EVERY)
def test_a_turn_is_the_same_in_one_piece_and_line_by_line(
    fold: type[TurnFold], name: str, said: str
) -> None:
    lines = lines_of(name)
    data = b"".join(lines)
    turn = Turn(said, 0, len(data))
    whole, at_end = told(fold(name, turn), [Chunk(0, len(data), data)])
    apart, state = told(fold(name, turn), chunks(lines))
    assert whole == apart
    assert at_end == state
    assert hash(at_end) == hash(state)
    assert state.over


@pytest.mark.parametrize(("name", "said"), EVERY)
def test_the_client_takes_every_recorded_turn(name: str, said: str) -> None:
    lines = lines_of(name)
    frames, _ = told(AiSdkFold(name, Turn(said, 0, sum(map(len, lines)))), chunks(lines))
    message = UiMessage().feed(frames)
    assert message.done
    assert (message.finish is None) != (message.error is None)
    waiting = [part for part in message.parts if part.get("state") == "approval"]
    assert not waiting or message.finish == "tool-calls"


@pytest.mark.parametrize(("name", "said"), EVERY)
def test_an_answer_in_pieces_comes_to_the_same_as_a_replay(name: str, said: str) -> None:
    """Live, it ends at each request of the agent's, and the next request goes on from there."""
    lines = lines_of(name)
    parts, size = chunks(lines), sum(map(len, lines))
    replayed = UiMessage().feed(told(AiSdkFold(name, Turn(said, 0, size)), parts)[0])
    live = UiMessage()
    for frames in answers(AiSdkFold, name, said):
        live.feed(frames)
    assert live.parts == replayed.parts
    assert (live.finish, live.error) == (replayed.finish, replayed.error)


@pytest.mark.parametrize(("name", "said"), EVERY)
def test_ag_ui_takes_every_turn_replayed_and_in_pieces(name: str, said: str) -> None:
    lines = lines_of(name)
    turn = Turn(said, 0, sum(map(len, lines)))
    replayed = Thread().feed(told(AgUiFold(name, turn), chunks(lines))[0])
    live = Thread()
    for frames in answers(AgUiFold, name, said):
        live.feed(frames)
    assert live == replayed


def test_a_turn_in_ag_ui() -> None:
    runs = list(answers(AgUiFold, "talk", "prompt-talk"))
    thread, reasons = Thread(), []
    for frames in runs:
        thread.feed(frames)
        reasons += [interrupt["reason"] for interrupt in thread.interrupts]
    assert reasons == ["tool_call", "tool_call", "input_required", "tool_call"]
    assert thread.results.keys() == thread.calls.keys()
    assert "denied" in thread.results.values()
    assert thread.state["cost_usd"] > 0
    research = Thread().feed(b"".join(answers(AgUiFold, "research", "prompt-research")))
    assert research.state["tasks"]
    assert research.state["progress"] == 100


def test_what_is_in_a_turn() -> None:
    lines = lines_of("talk")
    fold = AiSdkFold("talk", Turn("prompt-talk", 0, sum(map(len, lines))))
    message = UiMessage().feed(told(fold, chunks(lines))[0])
    assert message.id == "answer-prompt-talk"
    kinds = {part["type"] for part in message.parts}
    assert {"step", "text", "reasoning", "tool", "data-cost"} <= kinds
    states = {part["state"] for part in message.parts if part["type"] == "tool"}
    assert states == {"output-available", "output-denied", "output-error"}  # the last was cut off
    question = next(p for p in message.parts if p.get("toolName") == "AskUserQuestion")
    assert question["input"]["questions"][0]["question"] in question["output"]


def vector_turn(kind: type[TurnFold], name: str, said: str) -> list[dict[str, Any]]:
    """What a turn of a shared vector is told as, frame by frame."""
    lines = [f"{line}\n".encode() for line in vectors.read(name)["lines"]]
    frames, _ = told(kind(name, Turn(said, 0, sum(map(len, lines)))), chunks(lines))
    data = (frame.removeprefix(b"data: ") for frame in frames.split(b"\n\n") if frame)
    return [decode(frame) or {} for frame in data if frame != b"[DONE]"]


ERRORS = [
    ("prompt-errors", "API Error: 529", "overloaded", ""),
    ("e0", "API Error: 400 bad thing", "api_error", ""),
    ("e1", "API Error: Connection", "api_error", "half of it, and"),
]


@pytest.mark.parametrize(("said", "why", "code", "text"), ERRORS)
def test_what_kept_the_model_from_answering_is_an_error_and_no_text_of_the_agent(
    said: str, why: str, code: str, text: str
) -> None:
    frames = vector_turn(AiSdkFold, "errors", said)
    assert "".join(f.get("delta", "") for f in frames) == text
    assert frames[-1]["type"] == "error" and frames[-1]["errorText"].startswith(why)
    events = vector_turn(AgUiFold, "errors", said)
    assert "".join(e["delta"] for e in events if e["type"] == "TEXT_MESSAGE_CONTENT") == text
    assert events[-1]["type"] == "RUN_ERROR" and events[-1]["code"] == code
    assert events[-1]["message"].startswith(why)


def test_after_an_error_comes_an_answer() -> None:
    frames = vector_turn(AiSdkFold, "errors", "e2")
    assert "".join(f.get("delta", "") for f in frames) == "here I am"
    assert frames[-1] == {"type": "finish", "finishReason": "stop"}


@pytest.mark.parametrize("said", ["prompt-interrupted", "m1"])
def test_a_turn_that_a_person_interrupted_is_no_error(said: str) -> None:
    finish = vector_turn(AiSdkFold, "interrupted", said)[-1]
    assert finish == {"type": "finish", "finishReason": "other"}
    ended = vector_turn(AgUiFold, "interrupted", said)[-1]
    assert (ended["type"], ended["outcome"]) == ("RUN_FINISHED", {"type": "cancelled"})


def ended(**result: Any) -> list[bytes]:
    made_up = {"type": "text", "text": "API Error: once"}
    message = {"model": "<synthetic>", "content": [made_up]}
    lines = [
        {"type": "assistant", "error": "server_error", "message": message},
        {"type": "result", "is_error": False, "subtype": "success"} | result,
        {"type": "message_received", "message_id": "prompt-x", "state": "completed"},
    ]
    return [STARTED, *map(encode, lines)]


@pytest.mark.parametrize(
    ("result", "finish"),
    [
        ({}, {"type": "finish", "finishReason": "stop"}),
        ({"stop_reason": "max_tokens"}, {"type": "finish", "finishReason": "length"}),
        ({"stop_reason": "refusal"}, {"type": "finish", "finishReason": "content-filter"}),
        (
            {"is_error": True, "subtype": "error_max_turns", "errors": ["too many"]},
            {"type": "error", "errorText": "too many"},
        ),
        ({"is_error": True, "result": "no"}, {"type": "error", "errorText": "no"}),
    ],
)
def test_the_result_has_the_last_word(result: dict[str, Any], finish: dict[str, Any]) -> None:
    frames, _ = told(AiSdkFold("x", TURN), chunks(ended(**result)))
    last = frames.split(b"\n\n")[-3]
    assert decode(last.removeprefix(b"data: ")) == finish


TURN = Turn("prompt-x", 0, 10**9)
STARTED = encode({"type": "workflow_started", "attempt": 1})
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("toolu_1")
TYPES = [
    *("stream_event", "assistant", "user", "result", "permission_requested"),
    *("permission_resolved", "questions_presented", "responses_collected", "message_received"),
    *("command_lifecycle", "task_started", "progress_update", "reason_card", "workflow_failed"),
]
KEYS = [
    *("type", "event", "message", "content", "content_block", "delta", "index", "id", "input"),
    *("name", "tool_use_id", "request_id", "question_id", "parent_tool_use_id", "is_error"),
    *("result", "error", "state", "message_id", "task_id", "decision", "attempt", "uuid"),
]
BLOCKS = ["text", "thinking", "tool_use", "tool_result", "message_start", "content_block_start"]
VALUE: Any = st.recursive(
    PLAIN | st.sampled_from(BLOCKS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
LINE = st.builds(
    lambda kind, rest: encode(rest | {"type": kind}),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=6),
)


@pytest.mark.parametrize("fold", FOLDS)
@given(lines=st.lists(LINE | st.binary(max_size=20).map(lambda b: b + b"\n"), max_size=8))
def test_no_line_is_too_odd(fold: type[TurnFold], lines: list[bytes]) -> None:
    """A listener's fold runs in the midst of the shared tail: an exception there would be everyone's."""
    data = STARTED + b"".join(lines)
    frames, state = told(fold("x", TURN), [Chunk(0, len(data), data)])
    hash(state)
    assert frames.endswith(b"\n\n")
    state.end(0, "failed")
