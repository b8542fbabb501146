"""Sessions as the CLI keeps them: no results, no receipts. The page is held to the same by `tests/vectors`."""

from typing import Any

import pytest

from runlog import Event, RunState
from runlog.run.history import ChatHistory
from runlog.run.reasons import kept_reason
from runlog.run.transcript import Transcript, line_alone

OPUS, HAIKU = "claude-opus-5", "claude-haiku-4"


def kept(**fields: Any) -> Event:
    return {"sessionId": "s", "isSidechain": False, **fields}


def user(content: Any, **fields: Any) -> Event:
    return kept(type="user", message={"role": "user", "content": content}, **fields)


def answer(key: str, *blocks: Event, stop: str | None = None, **fields: Any) -> Event:
    message: Event = {"id": key, "model": fields.pop("model", OPUS), "content": list(blocks)}
    message["stop_reason"] = stop
    if tokens := fields.pop("tokens", None):
        message["usage"] = dict(zip(("input_tokens", "output_tokens"), tokens, strict=True))
    return kept(type="assistant", message=message, **fields)


def gave(key: str, content: Any = "x", **fields: Any) -> Event:
    return user([{"type": "tool_result", "tool_use_id": key, "content": content}], **fields)


def queued(prompt: Any, **fields: Any) -> Event:
    return kept(type="attachment", attachment={"type": "queued_command", "prompt": prompt} | fields)


def removed(content: str, **fields: Any) -> Event:
    return kept(type="queue-operation", operation="remove", content=content, **fields)


TEXT = {"type": "text", "text": "so"}
THOUGHT = {"type": "thinking", "thinking": "hm"}
CALL = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
MARK = user([{"type": "text", "text": "[Request interrupted by user]"}])
SILENCE = answer("x", {"type": "text", "text": "No response requested."}, model="<synthetic>")
TASK = user(
    "<task-notification><summary>done</summary></task-notification>",
    origin={"kind": "task-notification"},
)
SKILL = "<command-name>pdf</command-name><skill-format>true</skill-format>"
NAME = user("<command-name>/review</command-name>", uuid="c")


def fold(*events: Event) -> RunState:
    state = RunState()
    for number, event in enumerate(events, 1):
        state.apply(event, 10 * number)
    return state


def turns(*events: Event) -> list[tuple[str | None, str | None]]:
    """What began each turn, and how it ended: None for one that runs."""
    state, seen = RunState(), {}
    for number, event in enumerate(events, 1):
        state.apply(event, 10 * number)
        for turn in filter(None, (state.talk.before, state.turn)):
            seen[turn.number] = (turn.message_id, turn.finish_reason)
    return list(seen.values())


ONE, TWO = user("one", uuid="1"), user("two", uuid="2")


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([ONE], [("1", None)]),
        ([ONE, answer("a", THOUGHT)], [("1", None)]),
        ([ONE, answer("a", TEXT, stop="tool_use")], [("1", None)]),
        ([ONE, answer("a", TEXT, CALL)], [("1", None)]),
        ([ONE, answer("a", TEXT, stop="end_turn")], [("1", "completed")]),
        ([ONE, answer("a", TEXT)], [("1", "completed")]),  # earlier versions give no reason
        ([ONE, answer("a", TEXT), answer("a", CALL)], [("1", None)]),
        ([ONE, answer("a", TEXT), answer("a", CALL), gave("t"), answer("b", TEXT)],
         [("1", "completed")]),
        ([ONE, answer("a", TEXT), TWO], [("1", "completed"), ("2", None)]),
        ([ONE, TWO, answer("a", TEXT)], [("1", "completed")]),  # taken together
        ([ONE, answer("a", CALL), gave("t"), queued("steer"), answer("b", TEXT)],
         [("1", "completed")]),
        ([ONE, answer("a", CALL), gave("t"), removed("steer"), answer("b", TEXT)],
         [("1", "completed")]),
        ([ONE, answer("a", CALL), user([{"type": "tool_result", "tool_use_id": "t"}, TEXT])],
         [("1", None)]),
        ([ONE, answer("a", CALL), TWO], [("1", "interrupted"), ("2", None)]),  # it was cut off
        ([ONE, answer("a", CALL), gave("t"), SILENCE, TWO], [("1", "interrupted"), ("2", None)]),
        ([ONE, answer("a", CALL), gave("t"), MARK], [("1", "interrupted")]),
        ([ONE, answer("a", TEXT), MARK, TWO], [("1", "interrupted"), ("2", None)]),
        ([MARK], []),
        ([ONE, answer("a", TEXT), TASK, answer("b", TEXT)],
         [("1", "completed"), (None, "completed")]),
        ([ONE, answer("a", TEXT), NAME, answer("b", TEXT)],
         [("1", "completed"), ("c", "completed")]),
        ([NAME, user("<local-command-stdout>x</local-command-stdout>")], []),
        ([ONE, answer("a", CALL), kept(type="system", subtype="turn_duration")],
         [("1", "completed")]),
        ([ONE, answer("a", TEXT, stop="refusal")], [("1", "refusal")]),
        ([ONE, answer("a", TEXT, stop="max_tokens")], [("1", "max_output")]),
        ([ONE, answer("a", TEXT, isSidechain=True, agentId="g", stop="end_turn")], [("1", None)]),
    ],
)  # fmt: skip
def test_turns_without_results(events: list[Event], told: list[Any]) -> None:
    assert turns(*events) == told


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "completed"),
        ({"isApiErrorMessage": True, "apiErrorStatus": 529}, "overloaded"),
        ({"isApiErrorMessage": True, "apiErrorStatus": 429}, "rate_limit"),
        ({"isApiErrorMessage": True, "error": "authentication_failed"}, "authentication"),
        ({"error": "max_output_tokens"}, "max_output"),
        ({"isApiErrorMessage": True, "error": 7}, "api_error"),
        ({"isApiErrorMessage": True}, "api_error"),
    ],
)
def test_errors_of_the_model(fields: Event, reason: str) -> None:
    assert kept_reason(answer("a", TEXT) | fields) == reason


def usage(*events: Event) -> tuple[int, int]:
    told = fold(*events).usage
    return told.get("input_tokens", 0), told.get("output_tokens", 0)


def test_an_answer_counts_once_with_the_most_that_its_lines_tell() -> None:
    lines = [answer("a", THOUGHT, tokens=(5, 1)), answer("a", TEXT, tokens=(5, 9))]
    assert usage(*lines) == (5, 9)
    assert usage(*lines, answer("b", TEXT, tokens=(7, 2))) == (12, 11)
    # Another one under the same id, as some model proxies do.
    assert usage(*lines, ONE, answer("a", TEXT, tokens=(6, 3))) == (11, 12)
    # A line that a compaction has kept is told again.
    again = answer("a", TEXT, tokens=(5, 9), uuid="l")
    assert usage(again, again) == (5, 9)
    assert usage(answer("a", TEXT, tokens=(5, 9), model="<synthetic>")) == (0, 0)


@pytest.mark.parametrize("ids", [{"g": {"agentId": "g"}, "h": {"agentId": "h"}}, None])
def test_subagents_that_take_turns(ids: Any) -> None:
    """Each by his id, or in earlier versions by the chain of his lines."""

    def line(who: str, number: int, tokens: tuple[int, int]) -> Event:
        about = ids[who] if ids else {"uuid": f"{who}{number}", "parentUuid": f"{who}{number - 1}"}
        return answer(f"m-{who}", TEXT, tokens=tokens, model=HAIKU, **about) | {"isSidechain": True}

    state = fold(
        ONE,
        answer("a", CALL, tokens=(1, 1)),
        line("g", 1, (10, 1)),
        line("h", 1, (20, 1)),
        line("g", 2, (10, 5)),
        line("h", 2, (20, 6)),
    )
    by_model = state.spending.by_model
    assert (by_model[HAIKU]["input_tokens"], by_model[HAIKU]["output_tokens"]) == (30, 11)
    assert by_model[OPUS]["output_tokens"] == 1 and "cost_usd" not in by_model[OPUS]
    assert state.turns == 1 and state.model == OPUS and state.session_id == "s"
    assert state.cost_usd is None


def sums(usd: float, tokens: int, **fields: Any) -> Event:
    told = {OPUS: {"inputTokens": tokens, "outputTokens": 0, "costUSD": usd}}
    return kept(type="cost-state", totalCostUSD=usd, modelUsage=told, **fields)


def test_sums_that_the_cli_leaves() -> None:
    def told(*events: Event) -> tuple[float | None, int]:
        state = fold(*events)
        return state.cost_usd, state.usage["input_tokens"]

    first = answer("a", TEXT, tokens=(100, 0))
    assert told(first) == (None, 100)
    assert told(first, sums(0.5, 120)) == (0.5, 120)  # a compaction is in the sums alone
    assert told(first, sums(0.5, 120), sums(0.7, 150)) == (0.7, 150)
    assert told(first, sums(0.5, 80)) == (0.5, 100)  # killed: it has lost count
    assert told(first, sums(0.5, 120), sums(0.2, 60)) == (0.7, 180)  # and begun anew
    assert told(sums(0.5, 120), sums(0.5, 120, sessionId="other")) == (1.0, 240)
    assert fold(sums(0.5, 120) | {"totalCostUSD": "x", "modelUsage": 5}).cost_usd is None


def said(*events: Event) -> list[str]:
    chat = ChatHistory(100)
    for number, event in enumerate(events, 1):
        chat.apply(event, number)
    return [f"{m.role} {m.kind} {m.message_id}: {m.content}" for m in chat.messages]


def test_what_came_while_a_turn_ran() -> None:
    assert said(queued("a", source_uuid="m1")) == ["user message m1: a"]
    assert said(queued([TEXT])) == ["user message None: so"]
    assert said(queued("x", isMeta=True)) == []
    assert said(queued("<task-notification><summary>y</summary></task-notification>")) == [
        "system task None: y"
    ]
    assert said(kept(type="attachment", attachment={"type": "file", "prompt": "x"})) == []
    # Earlier versions have it in the queue alone.
    assert said(removed("a", commandUuid="m1")) == ["user message m1: a"]
    assert said(removed("a", reason="absorbed_mid_turn")) == ["user message None: a"]
    assert said(removed("a", reason="cancelled")) == []
    assert said(removed("a") | {"operation": "enqueue"}) == []
    assert said(removed("a") | {"content": [TEXT]}) == []
    assert said(queued("a"), removed("a")) == ["user message None: a"]


def test_commands_in_lines_of_the_system() -> None:
    out = "<local-command-stdout>12 files</local-command-stdout>"
    for line in (
        kept(type="system", subtype="local_command", content=out),
        {"type": "system", "subtype": "local_command_output", "content": "12 files"},
    ):
        chat = ChatHistory(10)
        chat.apply(NAME, 1)
        chat.apply(line, 2)
        (message,) = chat.messages
        assert (message.content, message.output) == ("/review", "12 files")


SENT = {"promptSource": "sdk"}
NOTICE = (
    "[SYSTEM NOTIFICATION - NOT USER INPUT]\n"
    "<task-notification><status>failed</status><summary>it broke</summary></task-notification>"
)


@pytest.mark.parametrize(
    ("content", "fields", "told"),
    [
        ("Caveat: The messages below were generated by the user while running …", {}, []),
        ("<user-memory-input>use tabs</user-memory-input>", {}, ["user command None: # use tabs"]),
        ([{"type": "text", "text": "<ide_selection>x</ide_selection>"}, TEXT], {},
         ["user message None: so"]),
        ("<user-prompt-submit-hook>x</user-prompt-submit-hook>", {}, []),
        (SKILL, {}, []),
        ("go on", {"origin": {"kind": "auto-continuation"}}, []),
        ("go on", {"origin": {"kind": "human"}}, ["user message None: go on"]),
        ("<teammate-message from='b'>hi</teammate-message>", {}, ["system task None: hi"]),
        ("<cross-session-message>hi</cross-session-message>", {}, ["system task None: hi"]),
        ("<agent-message from='a3c'>\nDone.\n</agent-message>", {}, ["system task None: Done."]),
        ("Another Claude session sent a message:\n<cross-session-message from='x'>hi</cross-session-message>", {},
         ["system task None: Another Claude session sent a message: hi"]),
        (NOTICE, {}, ["system task None: it broke"]),
        ("[SYSTEM NOTIFICATION] was all it said", {}, ["user message None: [SYSTEM NOTIFICATION] was all it said"]),
        ("hi", {"origin": {"kind": "peer"}}, ["system task None: hi"]),
        ("hi", {"origin": {"kind": "peer"}, "isMeta": True}, ["system task None: hi"]),
        ("What is a <channel> here?", {}, ["user message None: What is a <channel> here?"]),
        # Where the file says that a program has sent it for him, it is.
        ("<channel>c</channel>", SENT, ["user message None: <channel>c</channel>"]),
        ("[Request interrupted by user]", SENT, ["user message None: [Request interrupted by user]"]),
        ("<bash-input>ls</bash-input>", {"promptSource": "typed"}, ["user command None: ! ls"]),
        ([{"type": "text", "text": "<ide_selection>x</ide_selection>"}, TEXT], SENT, ["user message None: so"]),
        ("<channel>c</channel>", SENT | {"origin": {"kind": "channel"}}, ["system task None: c"]),
        ("x", SENT | {"isMeta": True}, []),
    ],
)  # fmt: skip
def test_what_is_not_a_persons(content: Any, fields: Event, told: list[str]) -> None:
    assert said(user(content, **fields)) == told


@pytest.mark.parametrize("mode", ["prompt", "task-notification"])
def test_what_a_person_says_while_a_turn_runs_is_his(mode: str) -> None:
    prompt = "<task-notification><summary>mine</summary></task-notification>"
    about = {"type": "queued_command", "prompt": prompt, "source_uuid": "q", "commandMode": mode}
    line = {"type": "attachment", "attachment": about, "uuid": "a", "sessionId": "s"}
    his, others = [f"user message q: {prompt}"], ["system task None: mine"]
    assert said(line) == (his if mode == "prompt" else others)


def test_the_file_of_a_subagent() -> None:
    aside = {"isSidechain": True, "agentId": "g"}
    lines = [user("Count", **aside), answer("a", TEXT, **aside), gave("t", **aside)]
    assert said(*lines) == ["user message None: Count", "assistant message a: so"]
    assert fold(*lines).turns == 1
    assert said(ONE, *lines) == ["user message 1: one"]
    # Of another one in it, and where earlier versions name none, they stand aside.
    assert len(said(*lines, answer("b", TEXT, isSidechain=True, agentId="h"))) == 2
    assert said(user("Warmup", isSidechain=True), ONE) == ["user message 1: one"]


def test_lines_of_the_stream_come_back_as_they_are() -> None:
    for line in (
        {"type": "user", "session_id": "s", "message": {"content": "x"}},
        {"type": "assistant", "parent_tool_use_id": "t", "message": {}},
        {"type": "system", "subtype": "init"},
        {"type": "system", "subtype": "local_command", "content": 5},
        {"type": "attachment", "attachment": "x"},
        {"type": "queue-operation"},
        {"type": 5},
        {},
    ):
        assert Transcript().line(line) is line
        assert line_alone(line) is line


def test_what_the_agent_waits_for_is_told_at_its_call_alone() -> None:
    done = {
        "type": "system",
        "subtype": "task_notification",
        "tool_use_id": "t",
        "status": "completed",
        "summary": "It is done",
    }
    assert said(answer("a", CALL), done, gave("t")) == ["assistant message a: "]
    assert said(answer("a", CALL), gave("t"), done)[1:] == ["system task None: It is done"]
    assert said(done) == ["system task None: It is done"]
