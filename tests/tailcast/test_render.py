"""What people see of events, and that no event can do more than be seen."""

import io
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tailcast.terminal.markdown import markdown
from tailcast.terminal.render import Renderer
from tailcast.terminal.screen import Screen
from tailcast.terminal.text import (
    age,
    cells,
    clean,
    cost,
    cut_cells,
    duration,
    one_line,
    size,
    without_script,
)
from tests import vectors

FORBIDDEN = {*map(chr, range(32)), *map(chr, range(127, 160)), *"\u202e\u2066\u2028\ufeff"} - {"\n"}


def shown(
    *events: dict[str, Any],
    width: int | None = None,
    full: bool = False,
    words: dict[str, Any] | None = None,
) -> str:
    """:param width: of a terminal without colours; None: a pipe."""
    file = io.StringIO()
    console = Console(
        file=file,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        force_terminal=width is not None,
        color_system=None,
    )
    renderer = Renderer(
        Screen(console),
        lambda *said: " ".join(("tailcast", *said)),
        full=full,
        words=(words or {}).get,
    )
    for event in events:
        renderer.show(event)
    renderer.close()
    return file.getvalue()


def assistant(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}} | fields


def delta(kind: str, text: str) -> dict[str, Any]:
    field = kind.removesuffix("_delta")
    event = {"type": "content_block_delta", "delta": {"type": kind, field: text}}
    return {"type": "stream_event", "event": event, "parent_tool_use_id": None}


@pytest.mark.parametrize(
    ("event", "parts"),
    [
        ({"type": "workflow_started", "workflow": "w", "attempt": 2}, ["▶ w started, attempt 2"]),
        ({"type": "workflow_paused", "reason": "lunch"}, ["paused: lunch"]),
        ({"type": "workflow_resumed"}, ["goes on"]),
        ({"type": "workflow_stopped", "reason": "stop"}, ["■ stopped\n"]),
        ({"type": "workflow_failed", "reason": "r", "error": "a\nb"}, ["✘ failed (r)", "  a\n  b"]),
        (
            {"type": "workflow_completed", "result": {"n": 1}, "stats": {"turns": 2}},
            ["2 turns", '{"n":1}'],
        ),
        (
            {"type": "progress_update", "progress": 45.5, "message": "half", "iteration_count": 3},
            ["45.5% · half · iteration_count 3"],
        ),
        ({"type": "task_progress", "task_name": "t", "progress": 10}, ["t 10%"]),
        ({"type": "task_failed", "task_id": "t1", "message": "m"}, ["t1 failed · m"]),
        (
            {"type": "iteration_started", "iteration": 2, "iterations": 5},
            ["iteration 2 of 5 started"],
        ),
        ({"type": "node_completed", "node": "n", "message": "m"}, ["n completed · m"]),
        (
            {
                "type": "reason_card",
                "agent": "a",
                "node": "n",
                "decision": "d",
                "confidence": 0.8,
                "reasoning": "r",
            },
            ["❖ d · a/n · 80% sure", "  r"],
        ),
        (
            {
                "type": "questions_presented",
                "question_id": "q-1",
                "timeout_s": 300,
                "questions": [
                    {
                        "question": "Which?",
                        "options": [
                            {"label": "red", "description": "like fire"},
                            {"label": "blue"},
                        ],
                    }
                ],
            },
            [
                "? Which?",
                "1. red – like fire",
                "2. blue",
                "5m00s to answer",
                "tailcast answer q-1 red",
            ],
        ),
        ({"type": "auto_approving"}, ["nobody answered"]),
        (
            {"type": "responses_collected", "answers": {"Which?": "red"}, "source": "default"},
            ["→ Which?: red (by default)"],
        ),
        (
            {
                "type": "permission_requested",
                "request_id": "p-1",
                "tool_name": "Bash",
                "input": {"command": "ls\npwd"},
            },
            ["may it use Bash?", "  ls\n  pwd", "tailcast approve p-1", "tailcast deny p-1"],
        ),
        ({"type": "permission_resolved", "decision": "deny", "message": "no"}, ["→ denied · no"]),
        ({"type": "log", "level": "warning", "message": "careful"}, ["· careful"]),
        ({"type": "error", "message": "broken"}, ["✘ broken"]),
        ({"type": "something_else", "a": 1}, ['· something_else {"a":1}']),
        ({"type": "system", "subtype": "permission_denied", "tool_name": "Bash"}, ["denied: Bash"]),
        (
            {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 2},
            ["try 1 of 2"],
        ),
        (
            assistant({"type": "tool_use", "name": "Read", "input": {"file_path": "/a/b"}}),
            ["⏺ Read /a/b"],
        ),
        (
            {
                "type": "result",
                "is_error": True,
                "result": "no credit",
                "duration_ms": 1500,
                "total_cost_usd": 0.5,
                "usage": {"input_tokens": 1234, "output_tokens": 5},
                "permission_denials": [{"tool_name": "Bash"}],
            },
            ["— turn · 1.5s · $0.5000 so far · 1,234 in · 5 out · denied: Bash", "  no credit"],
        ),
    ],
)
def test_events_as_people_read_them(event: dict[str, Any], parts: list[str]) -> None:
    told = shown(event)
    for part in parts:
        assert part in told


def user(content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "user", "message": {"role": "user", "content": content}} | fields


def test_a_command_is_shown_as_typed_with_what_it_gave() -> None:
    typed = user("<command-name>/usage</command-name>", uuid="c0", isReplay=True)
    made_up = assistant({"type": "text", "text": "$0.05"}, local_command_source="<x>")
    end = {"type": "result", "local_command": "cost", "num_turns": 0}
    lines = shown(made_up, typed, end, words={"c0": "/cost"}).split("\n")
    assert [line for line in lines if line] == ["❯ /cost", "  ⎿ $0.05"]
    # A transcript tells the command first, and nobody knows how it was typed.
    output = user("<local-command-stderr>no such</local-command-stderr>")
    lines = shown(typed, output, user("next")).split("\n")
    assert [line for line in lines if line] == ["❯ /usage", "  ⎿ no such", "❯ next"]
    # And one of whose name only the result tells.
    lines = shown(made_up, end).split("\n")
    assert [line for line in lines if line] == ["❯ /cost", "  ⎿ $0.05"]


def test_a_compaction_has_its_tokens() -> None:
    metadata = {"trigger": "manual", "pre_tokens": 13547, "post_tokens": 3059}
    boundary = {"type": "system", "subtype": "compact_boundary", "compact_metadata": metadata}
    summary = user("This session is being continued from a previous conversation", isSynthetic=True)
    given = user("<local-command-stdout>Compacted </local-command-stdout>")
    typed = user("<command-name>/compact</command-name><command-args>be brief</command-args>")
    told = shown(boundary, summary, given, typed)
    assert [line for line in told.split("\n") if line] == [
        "✂ compacted: 13,547 → 3,059 tokens",
        "❯ /compact be brief",
    ]
    assert "This session" in shown(boundary, summary, full=True)


def test_an_interrupt_that_a_person_asked_for_is_no_failure() -> None:
    asked = {"type": "message_received", "message_id": "i", "message_type": "interrupt"}
    mark = user([{"type": "text", "text": "[Request interrupted by user]"}])
    end = {"type": "result", "is_error": True, "terminal_reason": "aborted_tools", "errors": ["x"]}
    told = shown(asked | {"state": "completed"}, mark, end)
    assert "■ interrupted by you" in told and "— turn, interrupted" in told and "x" not in told
    renderer = Renderer(Screen(Console(file=io.StringIO())), lambda *said: "")
    renderer.hear({"type": "user", "message": 7})  # of whatever shape
    stopped = asked | {"message_type": "stop", "state": "completed"}
    assert "interrupted: the run was stopped" in shown(stopped, mark, end)


def test_messages_that_were_merged_are_shown_once_each() -> None:
    events = [user("a", uuid="1"), user("b", uuid="2"), user("a\nb\nc", uuid="3")]
    for words in ({}, {"1": "a", "2": "b", "3": "c"}):
        lines = shown(*events, words=words).split("\n")
        assert [line for line in lines if line] == ["❯ a", "❯ b", "❯ c"]


def test_receipts_of_the_prompt_are_told_if_it_is_dropped() -> None:
    receipt = {"type": "message_received", "message_id": "prompt-x", "message_type": "message"}
    assert shown(receipt | {"state": "delivered"}) == ""
    assert "dropped: late" in shown(receipt | {"state": "dropped", "reason": "late"})


def test_noise_is_left_out() -> None:
    subtypes = ("session_state_changed", "status", "thinking_tokens", "task_started")
    quiet = [{"type": "system", "subtype": subtype} for subtype in subtypes]
    assert shown({"type": "command_lifecycle"}, {"type": "rate_limit_event"}, *quiet) == ""


def test_a_session_is_told_once() -> None:
    event = {"type": "system", "subtype": "init", "session_id": "s-1", "model": "m"}
    assert shown(event, event).count("s-1") == 1


def test_receipts_are_told_as_they_grow() -> None:
    steps = [
        {"type": "message_received", "message_id": "m1", "state": state}
        for state in ("queued", "delivered", "completed")
    ]
    assert shown(*steps).splitlines()[-1] == "✉ message m1 queued → delivered → completed"
    dropped = {"type": "message_received", "message_id": "m2", "state": "dropped", "reason": "late"}
    assert "dropped: late" in shown(dropped)


def test_partial_text_grows_and_is_not_repeated() -> None:
    told = shown(
        delta("thinking_delta", "Let me "),
        delta("thinking_delta", "see."),
        assistant({"type": "thinking", "thinking": "Let me see."}),
        delta("text_delta", "Hello\n\n"),
        {"type": "message_received", "message_id": "m1", "state": "queued"},
        delta("text_delta", "you"),
        assistant({"type": "text", "text": "Hello\n\nyou"}),
    )
    assert told.count("Let me see.") == 1
    assert told.count("Hello") == 1 and told.count("you") == 1


def test_a_message_after_the_middle_of_its_partial_text_is_shown_whole() -> None:
    told = shown(
        delta("text_delta", "the end"), assistant({"type": "text", "text": "all to the end"})
    )
    assert "all to the end" in told


def test_a_subagent_is_indented_and_its_partial_text_left_out() -> None:
    piece = delta("text_delta", "piece") | {"parent_tool_use_id": "t1"}
    told = shown(piece, assistant({"type": "text", "text": "whole"}, parent_tool_use_id="t1"))
    assert "│ ● whole" in told and "piece" not in told


def test_lines_are_wrapped_on_a_terminal_only() -> None:
    text = "word " * 60
    event = assistant({"type": "text", "text": text})
    assert text.strip() in shown(event)
    lines = shown(event, width=40).splitlines()
    assert len(lines) > 5 and all(len(line) <= 40 for line in lines)
    assert all(line.startswith("  ") for line in lines[1:])
    pieces = [delta("text_delta", word + " ") for word in text.split()]
    assert all(len(line.rstrip()) <= 40 for line in shown(*pieces, width=40).splitlines())


HOSTILE = (
    "\x1b[31mred\x1b]8;;http://evil\x07link\x1b]8;;\x07 \x9b2J \x1b]0;title\x07 \x07\x08\x7f"
    "[bold]markup[/bold] :smile: \u202eesrever\u2066 \r\nover\rwrite \u2028 \x00 \ufeff \U000e0041"
)


def harmless(told: str) -> None:
    assert not set(told) & FORBIDDEN
    assert "[bold]markup[/bold] :smile:" in told


def test_hostile_text_has_no_power() -> None:
    where: list[dict[str, Any]] = [
        assistant({"type": "text", "text": HOSTILE}),
        assistant({"type": "thinking", "thinking": HOSTILE}),
        assistant({"type": "tool_use", "name": HOSTILE, "input": {"command": HOSTILE}}),
        delta("text_delta", HOSTILE),
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": HOSTILE}]}},
        {"type": "user", "message": {"content": HOSTILE}},
        {"type": "result", "is_error": True, "result": HOSTILE},
        {"type": "system", "subtype": HOSTILE},
        {"type": "workflow_started", "workflow": HOSTILE},
        {"type": "workflow_failed", "reason": HOSTILE, "error": HOSTILE},
        {"type": "workflow_completed", "result": HOSTILE},
        {"type": "progress_update", "message": HOSTILE, HOSTILE: HOSTILE},
        {"type": "log", "message": HOSTILE},
        {"type": "log", "level": "info", "message": HOSTILE, "data": {"source": "stdout"}},
        {
            "type": "permission_requested",
            "request_id": HOSTILE,
            "tool_name": HOSTILE,
            "input": HOSTILE,
        },
        {
            "type": "questions_presented",
            "question_id": HOSTILE,
            "questions": [{"question": HOSTILE}],
        },
        {"type": "message_received", "message_id": HOSTILE, "state": HOSTILE},
        {"type": "malformed", "head": HOSTILE},
        {"type": HOSTILE},
    ]
    for event in where:
        harmless(shown(event))
        harmless(shown(event, width=4000))  # wide, so that no word of it is broken


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "message", "name"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
TYPES = sorted(
    """assistant user system result stream_event workflow_started workflow_completed workflow_failed workflow_stopped
    progress_update task_progress iteration_started node_started reason_card questions_presented countdown_tick
    responses_collected permission_requested permission_resolved message_received log error malformed other""".split()
)
FIELDS = """message event content subtype session_id delta questions answers stats error result progress params usage
    duration_s total_cost_usd remaining_s message_id state data level input confidence permission_denials""".split()


@given(
    st.lists(
        st.builds(
            lambda kind, fields: {"type": kind} | fields,
            st.sampled_from(TYPES) | SHAPES,
            st.dictionaries(st.sampled_from(FIELDS), SHAPES, max_size=6),
        ),
        max_size=5,
    )
)
def test_no_shape_of_event_ends_the_reader(events: list[dict[str, Any]]) -> None:
    told = shown(*events)
    assert not set(told) & FORBIDDEN


def test_cleaning() -> None:
    assert clean("plain – ünï") == "plain – ünï"
    assert clean("a\tb\r\nc\rd") == "a    b\nc\nd"
    assert clean("\x1b[1m") == "␛[1m"
    assert clean("\x9b") == "<U+009B>"
    assert one_line("a\n\n  b\x00", 10) == "a b␀"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("is_partial", [False, True])
def test_what_the_agent_did_not_repeat_is_shown(is_partial: bool) -> None:
    said = '<teammate-message from="a">hi</teammate-message>'
    part = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "So."}}
    answer = assistant({"type": "text", "text": "So."}, user_message_uuids=["m"])
    parts = [{"type": "stream_event", "event": part}] if is_partial else []
    told = shown(*parts, answer, words={"m": said})
    assert (told.count(f"❯ {said}"), told.count("● So.")) == (1, 1)


def test_columns_of_wide_text() -> None:
    assert cells("日本") == 4 and cells("e\u0301") == 1
    assert cut_cells("日本語", 5) == "日本…"
    assert cut_cells("abc", 3) == "abc"
    for _ in range(50):
        text = "".join(random.choice("a日é😀") for _ in range(20))
        assert cells(cut_cells(text, 11)) <= 11


def test_numbers_for_people() -> None:
    seconds = (0.04, 9.94, 42.4, 185, 7380, 400_000, None)
    told = ["0.0s", "9.9s", "42s", "3m05s", "2h03m", "4d", ""]
    assert [duration(s) for s in seconds] == told
    assert [cost(usd) for usd in (0.102, 12.5, None)] == ["$0.1020", "$12.50", ""]
    assert [size(n) for n in (812, 23_810, 1_200_000_000)] == ["812 B", "23.8 kB", "1.2 GB"]
    assert age("nonsense") == "" and age("2025-01-01T00:00:00Z").endswith("d")


def test_markdown_keeps_what_it_does_not_know() -> None:
    text = "# Head\n\n- one `code`\n* two\n```py\nx = 1\n```\n| a | b |\n**bold** 2 * 3 * 4 [l](u)"
    told = markdown(text).plain
    assert told == "Head\n\n• one code\n• two\n  x = 1\n| a | b |\nbold 2 * 3 * 4 [l](u)"


def first_lines(message: dict[str, Any]) -> list[str]:
    """What a terminal has to show of a message of the history, the first line of each part."""
    if message["kind"] == "compaction":
        return ["✂ compacted"]
    signs = {"interrupt": "■ ", "task": "◇ ", "error": "✘ "}
    content = message["content"]
    if message["role"] == "user":
        told = "(a message that the agent did not repeat)"
        if content or message["kind"] == "message":
            content = without_script(content) if content else told
    sign = "❯ " if message["role"] == "user" else signs.get(message["kind"], "")
    parts = [sign + content if content else "", message.get("thinking"), message.get("output")]
    for call in message.get("tool_calls", ()):
        parts += [f"⏺ {call['name']}", call["result"]]
    return [flat(clean(part).strip().split("\n")[0]) for part in parts if part]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", vectors.names())
def test_what_the_history_tells_is_shown(name: str) -> None:
    """Each message, and each call with its result: history, page and terminal are held to the same lines."""
    vector = vectors.read(name)
    # What was said before the run is not of it, and stands in its first line.
    history = [m for m in vector["history"] if m["offset"]]
    # Of a command the stream has another name than the person typed.
    needed = [m for m in history if m["kind"] == "command" or "earlier" in vector]
    words = {m["message_id"]: m["content"] for m in needed if m["role"] == "user"}
    lines = [event for event, _ in vectors.events_of(vector["lines"])]
    events = (
        e for e in lines if e["type"] != "stream_event"
    )  # parts may be torn by what comes between
    told = shown(*events, full=True, words=words)
    text, place = flat(told), 0
    for message in history:
        parts = first_lines(message)
        assert [part for part in parts if part not in text] == []
        if message["kind"] not in ("command", "compaction"):  # these wait for their name
            place = text.find(parts[0], place)
            assert place >= 0, parts
    said = [m for m in history if m["role"] == "user"]
    asked = [m for m in history if m.get("command")]  # a compaction by command
    by_hand = [m for m in said if m["content"].startswith("/compact")]
    people = [line for line in told.split("\n") if line.startswith("❯ ")]
    assert len(people) == len(said) + len(asked) - len(by_hand)
