"""The chat of a run: the recorded Claude run, and lines that are hard to fold."""

import json
import os
import shutil
import time
from typing import Any

import pytest

from runlog import RunId, Workspace, append_lines, encode
from tests.relay.live import PROJECT, Relay, new_run, say


def history(relay: Relay, run_id: str, **params: Any) -> dict[str, Any]:
    answer = relay.get(f"/workflows/{run_id}/history", params=params)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def write(run: Workspace, event: dict[str, Any]) -> int:
    return append_lines(run.stream, encode(event))


def assistant(message_id: str, *blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    message = {"id": message_id, "role": "assistant", "content": list(blocks)}
    return {"type": "assistant", "message": message} | fields


def user(content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "user", "message": {"role": "user", "content": content}} | fields


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def test_recorded_run(relay: Relay) -> None:
    shutil.copytree(PROJECT / "workspaces" / "example", relay.root / "recorded-chat")
    told = history(relay, "recorded-chat")
    first, wrote, counted, asked, sorted_, done = told["messages"]
    assert first["role"] == asked["role"] == "user"
    assert (asked["content"], asked["message_id"]) == ("please sort them by word", "msg-sort")
    assert "tool_calls" not in asked
    assert wrote["thinking"].startswith("The file is small")
    assert wrote["content"] == "I'll write a small word counter and try it on a text."
    assert [call["name"] for call in wrote["tool_calls"]] == ["Write"]
    assert "created successfully" in wrote["tool_calls"][0]["result"]
    (bash,) = counted["tool_calls"]
    assert bash["input"]["description"] == "Count the words of a line"
    assert (bash["result"], bash["is_error"]) == ("  3 the\n  2 and\n  1 cat", False)
    assert sorted_["tool_calls"][0]["result"] == "  2 and\n  1 cat\n  3 the"
    assert done["content"].startswith("Done.")
    assert done["thinking"] is None
    assert done["tool_calls"] == []
    offsets = [message["offset"] for message in told["messages"]]
    assert offsets == sorted(offsets)
    assert told["offset"] == (relay.root / "recorded-chat" / "_stream.jsonl").stat().st_size
    assert told["truncated"] is False


def test_limit_keeps_the_newest(relay: Relay, run: Workspace) -> None:
    for number in range(10):
        write(run, user(f"q{number}", uuid=f"m-{number}", isReplay=True))
        write(run, assistant(f"a{number}", text(f"a{number}")))
    told = history(relay, run.run_id, limit=3)
    assert [m["content"] for m in told["messages"]] == ["a8", "q9", "a9"]
    assert told["truncated"] is True
    assert history(relay, run.run_id, limit=20)["truncated"] is False


def test_newest_messages_of_a_long_stream(relay: Relay, run: Workspace) -> None:
    """Found from the end, past partial text that fills the first looks."""
    write(run, user("begin", uuid="m-0", isReplay=True))
    write(run, assistant("a0", text("first half")))
    filler = encode({"type": "stream_event", "event": {"delta": "x" * 1000}})
    append_lines(run.stream, filler * 3000)
    write(run, assistant("a0", text("second half")))
    write(run, user("end", uuid="m-1", isReplay=True))
    one = history(relay, run.run_id, limit=1)
    assert [m["content"] for m in one["messages"]] == ["end"]
    both = history(relay, run.run_id, limit=2)
    assert [m["content"] for m in both["messages"]] == ["first half\n\nsecond half", "end"]
    assert both["truncated"] is True


def test_blocks_of_one_message_and_parallel_tools(relay: Relay, run: Workspace) -> None:
    def tool(n: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"t{n}", "name": "Read", "input": {"n": n}}

    def result(n: int, content: Any, **fields: Any) -> dict[str, Any]:
        return {"type": "tool_result", "tool_use_id": f"t{n}", "content": content} | fields

    write(run, assistant("a", tool(1)))
    write(run, user([result(1, [text("one"), {"type": "image", "source": {}}])]))
    write(run, assistant("a", tool(2)))
    write(run, user([result(2, "no such file", is_error=True)]))
    write(run, assistant("a", tool(3)))
    (message,) = history(relay, run.run_id)["messages"]
    told = [(c["id"], c["result"], c["is_error"]) for c in message["tool_calls"]]
    assert told == [
        ("t1", "one\n[image]", False),
        ("t2", "no such file", True),
        ("t3", None, False),
    ]


def test_what_is_no_part_of_the_chat(relay: Relay, run: Workspace) -> None:
    write(run, user("hello", uuid="m-1", isReplay=True))
    write(run, user("hello", uuid="m-1", isReplay=True))  # a later attempt finds it read
    write(run, user("a caveat for the model", uuid="s-1", isSynthetic=True))
    write(run, assistant("sub", text("from a subagent"), parent_tool_use_id="t1"))
    write(run, {"type": "log", "message": 'says "user" and "assistant"'})
    write(run, {"type": "assistant", "message": "of another shape"})
    write(run, {"type": "user", "message": {"content": 5}})
    append_lines(run.stream, b'{"type":"assistant","message":{"id":"torn\n')
    say(run, "workflow_completed")
    assert [m["content"] for m in history(relay, run.run_id)["messages"]] == ["hello"]


def test_begins_with_the_chat_history(relay: Relay) -> None:
    earlier = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [text("ho")]}]
    run = new_run(relay.root, "claude", prompt="and?", chat_history=earlier)
    told = history(relay, run.run_id)
    assert [(m["role"], m["content"], m["offset"]) for m in told["messages"]] == [
        ("user", "hi", 0),
        ("assistant", "ho", 0),
    ]
    assert told["offset"] == 0


def test_long_texts_are_cut(relay: Relay, run: Workspace) -> None:
    write(run, user("é" * 100_000, uuid="m", isReplay=True))
    (message,) = history(relay, run.run_id)["messages"]
    assert message["content"] == "é" * 65536


@pytest.mark.parametrize(("path", "status"), [("nobody/history", 404), ("No/history", 400)])
def test_unknown_runs(relay: Relay, path: str, status: int) -> None:
    assert relay.get(f"/workflows/{path}").status_code == status


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_bad_limits(relay: Relay, run: Workspace, limit: str) -> None:
    answer = relay.get(f"/workflows/{run.run_id}/history?limit={limit}")
    assert answer.status_code == 422
    assert json.loads(answer.content)["errors"][0]["parameter"] == "limit"


def test_a_transcript_of_others_as_a_file_may_end(relay: Relay) -> None:
    """With a mark at its beginning, and no line end at its end: told alike by every way of reading."""
    lines = [
        user("<command-name>/cost</command-name>\n<command-args></command-args>", uuid="u1"),
        user("<local-command-stdout>$0.05</local-command-stdout>"),
        user("hi", uuid="u2"),
        assistant("a1", text("ho")),
    ]
    content = b"\xef\xbb\xbf" + b"".join(map(encode, lines))[:-1]
    run = Workspace(relay.root, RunId("transcript"))
    run.path.mkdir()
    run.stream.write_bytes(content)
    moment = time.time() - 60
    os.utime(run.stream, (moment, moment))
    url = f"/workflows/{run.run_id}"
    state = relay.get(url).json()
    assert state["counts"]["events"] == {"user": 3, "assistant": 1}
    assert (state["offset"], state["unfinished"]) == (len(content), None)
    told = history(relay, run.run_id)["messages"]
    assert [(m["role"], m["kind"], m["content"]) for m in told] == [
        ("user", "command", "/cost"),
        ("user", "message", "hi"),
        ("assistant", "message", "ho"),
    ]
    page = relay.get(f"{url}/events").json()
    assert [e["event"]["type"] for e in page["events"]] == ["user", "user", "user", "assistant"]
    assert page["next"] == len(content)
    stream = relay.get(f"{url}/stream", params={"follow": "false"}).text
    assert stream.count("data: ") == 4 and f"id: {len(content)}\n" in stream
    with open(run.stream, "ab") as file:
        file.write(b'\n{"type":"as')
    os.utime(run.stream, (moment, moment))
    state = relay.get(url).json()
    assert state["counts"]["events"] == {"user": 3, "assistant": 1}
    assert (state["offset"], state["unfinished"]) == (len(content) + 1, len(b'{"type":"as'))
