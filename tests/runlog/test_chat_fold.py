"""Who said what: the families of lines that mislead. The page's own fold is held to the same (said.test.ts)."""

from typing import Any

import pytest

from runlog import Event, Workspace, post
from runlog.run.history import ChatHistory, may_speak
from runlog.run.words import InboxWords


def user(content: Any, **fields: Any) -> Event:
    return {"type": "user", "message": {"role": "user", "content": content}, **fields}


def answer(key: str, *blocks: Event, tokens: int | None = None, **fields: Any) -> Event:
    usage = {} if tokens is None else {"usage": {"input_tokens": tokens, "output_tokens": 1}}
    return {"type": "assistant", "message": {"id": key, "content": list(blocks)} | usage, **fields}


def call(key: str, given: Any = None) -> Event:
    return {"type": "tool_use", "id": key, "name": "Bash", "input": given or {}}


def gave(key: str, content: str, **fields: Any) -> Event:
    return user([{"type": "tool_result", "tool_use_id": key, "content": content, **fields}])


def saying(text: str) -> Event:
    return {"type": "text", "text": text}


def fold(*events: Event, words: Any = None) -> ChatHistory:
    chat = ChatHistory(100, (), words or (lambda message_id: None))
    for number, event in enumerate(events, 1):
        chat.apply(event, number)
    return chat


def told(*events: Event, words: Any = None) -> list[str]:
    """A line for each message, and one for each call."""
    lines = []
    for message in fold(*events, words=words).messages:
        view = message.view()
        match view["kind"]:
            case "command":
                failed = "!" if view["is_error"] else ""
                lines.append(f"command: {view['content']} -> {failed}{view['output']}")
            case "compaction":
                size = f"{view['tokens_before']} -> {view['tokens_after']}"
                summary = ", summary" if view["content"] else ""
                lines.append(f"compaction: {size}, {view['command']}{summary}")
            case "message":
                if view["role"] == "user" or view["content"]:
                    lines.append(f"{view['role']}: {view['content']}")
            case kind:
                lines.append(f"{kind}: {view['content']}")
        lines += [f"call: {c['input']} -> {c['result']}" for c in view.get("tool_calls", [])]
    return lines


def test_commands_before_what_they_gave() -> None:
    assert told(
        user("<local-command-caveat>Caveat: by the user</local-command-caveat>", isMeta=True),
        user(
            "<command-message>context</command-message>\n<command-name>/context</command-name>\n"
            "<command-args>all</command-args>",
            uuid="c",
        ),
        user("<local-command-stdout>12k</local-command-stdout>"),
        user("<command-name>/nope</command-name>"),
        user("<local-command-stderr>no such command</local-command-stderr>"),
        user("<bash-input>ls</bash-input>"),
        user("<bash-stdout>a.txt</bash-stdout><bash-stderr></bash-stderr>"),
        user("and now?", uuid="u"),
    ) == [
        "command: /context all -> 12k",
        "command: /nope -> !no such command",
        "command: ! ls -> a.txt",
        "user: and now?",
    ]


def test_commands_after_what_they_gave() -> None:
    made_up = answer("x", saying("$0.05"), local_command_run={"command": "usage", "args": ""})
    name = user("<command-name>/usage</command-name>", uuid="c0", isReplay=True)
    result = {"type": "result", "local_command": "cost", "num_turns": 0}
    assert told(made_up, name, result) == ["command: /cost -> $0.05"]
    assert told(made_up, name, words={"c0": "/cost "}.get) == ["command: /cost -> $0.05"]
    assert told(answer("x", saying("y"), local_command_source="<z>")) == ["command:  -> y"]
    kept = answer("x", saying("y"), local_command_source="<z>", uuid="1")
    assert told(kept, kept) == ["command:  -> y"]  # a compaction tells again what it has kept
    (message,) = fold(made_up, name, result).messages
    assert (message.role, message.message_id) == ("user", "c0")


@pytest.mark.parametrize("command_first", [True, False])
def test_compactions(command_first: bool) -> None:
    metadata = {"trigger": "manual", "pre_tokens": 13547, "post_tokens": 3059}
    boundary = {"type": "system", "subtype": "compact_boundary", "compact_metadata": metadata}
    summary = user(
        "This session is being continued from a previous conversation…", isSynthetic=True
    )
    typed = user("<command-name>/compact</command-name><command-args>be brief</command-args>")
    given = user("<local-command-stdout>\u001b[2mCompacted </local-command-stdout>")
    by_hand = "compaction: 13547 -> 3059, /compact be brief, summary"
    lines = [boundary, summary, given, typed]
    if command_first:
        lines = [typed, boundary, summary, given]
        assert told(*lines, user("so"))[-2:] == [by_hand, "user: so"]
    else:
        assert told(*lines, user("so")) == [by_hand, "user: so"]
    older = {"type": "system", "subtype": "compact_boundary", "compactMetadata": {"preTokens": 9}}
    assert told(older, user("x", isCompactSummary=True)) == ["compaction: 9 -> None, None, summary"]
    assert told(user("x", isCompactSummary=True)) == ["compaction: None -> None, None, summary"]


def test_what_tasks_tell() -> None:
    note = (
        "<task-notification>\n<task-id>b1</task-id>\n<status>failed</status>\n"
        "<summary>Background command failed</summary>\n</task-notification>"
    )
    bare = "<task-notification><task-id>b2</task-id></task-notification>"
    done = {"type": "system", "subtype": "task_notification", "status": "completed"}
    chat = fold(
        user(note, origin={"kind": "task-notification"}),
        user(bare),
        done | {"summary": "It ended"},
        done,
    )
    assert [(m.kind, m.content, m.is_error) for m in chat.messages] == [
        ("task", "Background command failed", True),
        ("task", "Background task b2 tells something", False),
        ("task", "It ended", False),
        ("task", "A background task is completed", False),
    ]


def test_what_is_told_to_the_agent_alone() -> None:
    assert told(
        user("x", isMeta=True),
        user("y", isSynthetic=True),
        user("<system-reminder>\nbe brief</system-reminder>\n"),
        user([saying("<system-reminder>x</system-reminder>"), saying("hi")]),
        answer("sub", saying("of a subagent"), parent_tool_use_id="t"),
        user("to a subagent", isSidechain=True),
        answer("sub", saying("of a subagent"), isSidechain=True),
    ) == ["user: hi"]


def test_what_a_person_writes_about_such_things_is_his_own() -> None:
    words = [
        "What does <command-name> mean?",
        "See [Request interrupted by user] in the log",
        "a <system-reminder>x</system-reminder> b",
    ]
    assert told(*map(user, words)) == [f"user: {said}" for said in words]


MARK = "[Request interrupted by user]"


def receipt(message_type: str, state: str) -> Event:
    fields = {"message_id": message_type, "message_type": message_type, "state": state}
    return {"type": "message_received", **fields}


@pytest.mark.parametrize("mark", [MARK, "[Request interrupted by user for tool use]"])
@pytest.mark.parametrize(
    ("receipts", "source"),
    [
        ([receipt("interrupt", "completed")], "person"),
        ([receipt("message", "queued")], "person"),
        ([receipt("stop", "completed")], "stop"),
        ([receipt("interrupt", "dropped")], None),
        ([], None),  # by a limit, say
        (None, "person"),  # a transcript of others tells no receipts
    ],
)
def test_who_interrupted(mark: str, receipts: list[Event] | None, source: str | None) -> None:
    before = [] if receipts is None else [{"type": "workflow_started"}, *receipts]
    (message,) = fold(*before, user([saying(mark)])).messages
    assert (message.role, message.kind, message.source) == ("system", "interrupt", source)
    assert (message.content == "interrupted by you") is (source == "person")


def replay(key: str, content: Any) -> Event:
    return user(content, uuid=key, isReplay=True)


def taken(*ids: str) -> Event:
    return {"type": "system", "subtype": "init", "user_message_uuids": list(ids)}


IMAGE = {"type": "image", "source": {"type": "base64", "data": "eA=="}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([replay("1", "a"), replay("2", "b"), replay("3", "a\nb\nc")], ["a", "b", "c"]),
        ([replay("1", "a"), taken("1", "2"), replay("2", "a\nb")], ["a", "b"]),
        ([taken("1"), replay("1", "a"), taken("2"), replay("2", "a\nb")], ["a", "a\nb"]),
        ([replay("1", "a"), answer("m"), replay("2", "a\nb")], ["a", "a\nb"]),
        (
            [
                replay("1", [saying("look"), IMAGE]),
                replay("2", [saying("look"), IMAGE, saying("x")]),
            ],
            ["look\n[image]", "x"],
        ),
        ([replay("1", "a"), replay("1", "a")], ["a"]),  # a later attempt finds it read
    ],
)
def test_messages_that_the_cli_took_together(events: list[Event], said: list[str]) -> None:
    assert [m.content for m in fold(*events).messages if m.role == "user"] == said


def test_a_persons_words_come_from_the_inbox(workspace: Workspace) -> None:
    words = InboxWords(workspace)
    assert words("n0") is None
    for number in range(3):
        post(workspace, {"type": "message", "content": f"note {number}", "id": f"n{number}"})
    post(workspace, {"type": "interrupt", "id": "i"})
    merged = replay("n2", "told otherwise\nnote 1\nnote 2")
    assert told(replay("n0", "note 0"), merged, words=words) == ["user: note 0", "user: note 2"]
    assert words("i") is None and words("nobody") is None
    post(workspace, {"type": "message", "content": [saying("later")], "id": "n3"})
    assert told(replay("n3", "x"), words=words) == ["user: later"]


def test_tool_ids_that_come_again() -> None:
    one, two, three = ({"n": n} for n in (1, 2, 3))
    assert told(
        answer("m1", call("t", one)),
        gave("t", "1"),
        answer("m2", call("t", two)),
        gave("t", "2"),
        answer("m2", call("t", three)),
        gave("t", "3"),
    ) == [f"call: {{'n': {n}}} -> {n}" for n in (1, 2, 3)]
    # Two of one answer, under one id: each has its own result.
    assert told(answer("m", call("t", one), call("t", two)), gave("t", "1"), gave("t", "2")) == [
        "call: {'n': 1} -> 1",
        "call: {'n': 2} -> 2",
    ]
    # One that never got a result takes none of another's.
    assert told(answer("m1", call("t", one)), answer("m2", call("t", two)), gave("t", "2")) == [
        "call: {'n': 1} -> None",
        "call: {'n': 2} -> 2",
    ]
    # The same call, told further.
    assert told(answer("m", call("t")), answer("m", call("t"), call("u")), gave("t", "1")) == [
        "call: {} -> 1",
        "call: {} -> None",
    ]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([answer("m", saying("a")), user("and?"), answer("m", saying("b"))], ["a", "b"]),
        (
            [answer("m", saying("a"), call("t")), gave("t", "1"), answer("m", saying("b"))],
            ["a", "b"],
        ),
        ([answer("m", saying("a")), {"type": "result"}, answer("m", saying("b"))], ["a", "b"]),
        ([answer("m", saying("a")), answer("m", saying("b"))], ["a\n\nb"]),
        (
            [
                answer("m", saying("a"), call("t"), tokens=5),
                gave("t", "1"),
                answer("m", call("u"), tokens=9),
            ],
            ["a", ""],
        ),
        (
            [
                answer("m", saying("a"), call("t"), tokens=5),
                gave("t", "1"),
                answer("m", call("u"), tokens=5),
            ],
            ["a"],
        ),
        ([answer("m", saying("a"), uuid="l"), answer("n", saying("a"), uuid="l")], ["a"]),
        ([answer("", saying("a")), answer("", saying("b"))], ["a", "b"]),
        ([answer("", saying("a")), answer("", call("t"))], ["a"]),
    ],
)
def test_message_ids_that_come_again(events: list[Event], said: list[str]) -> None:
    assert [m.content for m in fold(*events).messages if m.role == "assistant"] == said


def test_a_limit_forgets_the_calls_of_what_it_drops() -> None:
    chat = ChatHistory(1)
    for number in range(3):
        chat.apply(answer(f"m{number}", call("t", {"n": number})), number)
    chat.apply(gave("t", "x"), 9)
    (message,) = chat.messages
    assert message.tool_calls[0].result == "x" and chat.dropped == 2


@pytest.mark.parametrize("bad", [None, 7, "x", [], [7], {}, {"content": 5}, {"content": [None]}])
def test_lines_of_another_shape_break_nothing(bad: Any) -> None:
    for kind in ("user", "assistant", "system", "result", "message_received"):
        names = "message origin uuid user_message_uuids compact_metadata local_command_run state"
        fields = dict.fromkeys(names.split(), bad)
        chat = fold({"type": kind, "subtype": "compact_boundary", "message_id": bad, **fields})
        assert all(message.view()["offset"] for message in chat.messages)


def test_the_cheap_test_lets_through_what_is_told() -> None:
    assert not may_speak(b'{"type":"stream_event","event":{"role":"user"}}')
    assert may_speak(b'{"type":"stream_event","event":{"type":"message_start","message":{}}}')
    assert not may_speak(b'{"type":"log","message":"x"}')
    assert may_speak(b'{"type":"system","subtype":"compact_boundary"}')


LOOKALIKES: list[Any] = [
    "<task-notification><task-id>b1</task-id><summary>mine</summary></task-notification>",
    "<local-command-stdout>out</local-command-stdout>",
    "<bash-stdout>out</bash-stdout>",
    "<bash-input>ls</bash-input>",
    "<user-memory-input>x</user-memory-input>",
    "<command-name>/cost</command-name>",
    "<system-reminder>x</system-reminder>",
    "<ide_opened_file>x</ide_opened_file>",
    "<local-command-caveat>x</local-command-caveat>",
    "Caveat: The messages below were generated by the user while running local commands",
    "<teammate-message>x</teammate-message>",
    "[Request interrupted by user for tool use]",
    "This session is being continued from a previous conversation",
    "No response requested.",
    [saying("<system-reminder>x</system-reminder>"), saying("hi")],
    [IMAGE, saying("[Request interrupted by user]")],
    [IMAGE, saying("<system-reminder>x</system-reminder>")],
]


def plainly(said: Any) -> str:
    blocks = [saying(said)] if isinstance(said, str) else said
    return "\n".join(block.get("text", "[image]") for block in blocks)


@pytest.mark.parametrize("said", LOOKALIKES, ids=plainly)
@pytest.mark.parametrize("is_known", ["by its words", "by its receipt"])
def test_a_person_may_write_what_looks_like_the_clis(said: Any, is_known: str) -> None:
    words = {"m": said}.get if is_known == "by its words" else None
    before = {"type": "message_received", "message_id": "m", "message_type": "message"}
    lines = [replay("m", said), answer("a", saying("so")), gave("t", "x")]
    if words is None:
        lines.insert(0, before | {"state": "queued"})
    assert told(*lines, words=words) == [f"user: {plainly(said)}", "assistant: so"]
    # In the words of the CLI, or of a transcript, it is what it looks like.
    assert told(user(said), words=words) != [f"user: {plainly(said)}"] or said in (
        "No response requested.",
        "This session is being continued from a previous conversation",
        *LOOKALIKES[-2:],
    )


def test_a_command_is_one_whoever_tells_it() -> None:
    made = "<command-name>/usage</command-name>\n<command-message>usage</command-message>"
    posted = {"type": "message_received", "message_id": "m", "message_type": "message"}
    assert told(posted | {"state": "queued"}, replay("m", made)) == ["command: /usage -> None"]
    assert told(replay("m", made), words={"m": "/cost"}.get) == ["command: /cost -> None"]
    assert told(replay("m", made), words={"m": made}.get) == [f"user: {made}"]
    assert told(replay("m", "/nosuch"), words={"m": "/nosuch"}.get) == ["user: /nosuch"]
    blocks = [IMAGE, saying("/cost")]
    assert told(replay("m", made), words={"m": blocks}.get) == ["command: /usage -> None"]


def test_messages_that_the_cli_does_not_give_back() -> None:
    """What begins as another agent's words does. The answer says to what it is one."""
    said = {"m1": "<teammate-message>x</teammate-message>", "m2": "and"}
    begun = answer("a", saying("so"), user_message_uuids=["m1", "m2"])
    lines = [replay("m2", "and"), begun, answer("a", saying("on"), user_message_uuids=["m1", "m2"])]
    assert told(*lines, words=said.get) == [
        f"user: {said['m1']}",
        "user: and",
        "assistant: so\n\non",
    ]
    assert told(*lines) == ["user: and", "assistant: so\n\non"]
    chat = ChatHistory(9, (), said.get)
    chat.apply(begun, 1)
    assert [m.message_id for m in chat.unheard] == ["m1", "m2"]
    chat.apply(begun, 2)
    assert chat.unheard == []


def over(task_id: str, **fields: Any) -> Event:
    return {"type": "system", "subtype": "task_notification", "task_id": task_id, **fields}


def noted(task_id: str, summary: str) -> Event:
    told = f"<task-id>{task_id}</task-id><summary>{summary}</summary>"
    return user(f"<task-notification>{told}</task-notification>", isReplay=True, uuid=summary)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([over("b", summary="4"), noted("b", "n1")], ["4"]),
        ([noted("b", "n1"), over("b", summary="4")], ["n1"]),
        ([over("b", summary="4"), over("c", summary="5"), noted("b", "n1")], ["4", "5"]),
        ([noted("b", "n1"), noted("c", "n2")], ["n1", "n2"]),
        # One that is taken up again ends again.
        ([over("b", summary="4"), noted("b", "n1"), over("b", summary="5")], ["4", "5"]),
        ([over("b", summary="4"), over("b", summary="5"), noted("b", "1"), noted("b", "2")], ["4", "5"]),
        ([over("b", summary="4"), noted("b", "n1"), noted("b", "n2")], ["4", "n2"]),
    ],
)  # fmt: skip
def test_the_end_of_a_task_is_told_once(events: list[Event], said: list[str]) -> None:
    assert told(*events) == [f"task: {one}" for one in said]


def test_two_calls_of_one_id_and_input() -> None:
    twice = [answer("m", call("t"), uuid="l1"), answer("m", call("t"), uuid="l2")]
    assert told(*twice, gave("t", "1"), gave("t", "2")) == ["call: {} -> 1", "call: {} -> 2"]
    assert told(answer("m", call("t"), call("t")), gave("t", "1")) == [
        "call: {} -> 1",
        "call: {} -> None",
    ]
    # Told again: the whole answer so far, and a line that can't be told from the one before.
    further = [answer("m", call("t"), uuid="l1"), answer("m", call("t"), call("u"), uuid="l2")]
    assert told(*further) == ["call: {} -> None"] * 2
    assert told(answer("m", call("t")), answer("m", call("t"))) == ["call: {} -> None"]
