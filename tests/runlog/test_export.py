"""A run for other readers: as a session, as Markdown, as a page, as it is."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runlog import Event, Workspace, create_run, encode, open_workspace
from runlog.errors import NoConversation, UnknownRun
from runlog.export.formats import FORMATS, FormatName, export_run, file_name
from runlog.run.own_words import check_own_words
from tests.vectors import names, read

SESSION = "33333333-aaaa-4bbb-8ccc-000000000003"


INIT = {"type": "system", "subtype": "init", "session_id": SESSION}


def run_of(root: Path, *lines: Event | bytes, run_id: str = "r") -> Workspace:
    folder = root / run_id
    folder.mkdir(exist_ok=True)
    body = b"".join(line if isinstance(line, bytes) else encode(line) for line in lines)
    (folder / "_stream.jsonl").write_bytes(body)
    return open_workspace(root, run_id)


def exported(run: Workspace, name: FormatName) -> str:
    return b"".join(export_run(run, name)).decode()


def session(run: Workspace) -> list[Event]:
    return [json.loads(line) for line in exported(run, "claude").splitlines()]


def said(text: Any, uuid: str, **fields: Any) -> Event:
    message = {"role": "user", "content": text}
    return {"type": "user", "message": message, "uuid": uuid, "session_id": SESSION, **fields}


def answer(*blocks: Event, uuid: str, **fields: Any) -> Event:
    message = {"id": f"msg_{uuid}", "role": "assistant", "model": "big", "content": list(blocks)}
    line = {"type": "assistant", "message": message, "uuid": uuid, "session_id": SESSION}
    return line | {"timestamp": "2025-06-01T10:00:00.000Z"} | fields


def text(words: str) -> Event:
    return {"type": "text", "text": words}


def call(key: str, **given: Any) -> Event:
    return {"type": "tool_use", "id": key, "name": "Bash", "input": given}


def gave(key: str, content: str, uuid: str, **fields: Any) -> Event:
    return said([{"type": "tool_result", "tool_use_id": key, "content": content}], uuid, **fields)


def test_each_line_goes_on_from_the_one_before(tmp_path: Path) -> None:
    init = {"type": "system", "subtype": "init", "cwd": "/work", "claude_code_version": "2.1.7"}
    run = run_of(
        tmp_path,
        init,
        {"type": "stream_event", "event": {}},
        said("Go", "a"),
        answer(text("I ask."), call("t", prompt="x"), uuid="b"),
        answer(text("I am aside."), uuid="c", parent_tool_use_id="t", agent_id="g"),
        answer(text("Still."), uuid="d", parent_tool_use_id="t"),
        gave("t", "none", "e", tool_use_result={"agentId": "g"}),
        said("Go", "a"),  # found read by a later attempt
        answer(text("Done."), uuid="f"),
        {"type": "result", "session_id": SESSION, "total_cost_usd": 0.25, "num_turns": 2},
    )
    lines = session(run)
    assert [(line.get("uuid"), line.get("parentUuid")) for line in lines] == [
        ("a", None),
        ("b", "a"),
        ("c", None),
        ("d", "c"),
        ("e", "b"),
        ("f", "e"),
        (None, None),
    ]
    assert [line.get("isSidechain") for line in lines[:4]] == [False, False, True, True]
    assert lines[2]["agentId"] == "g" and lines[4]["toolUseResult"] == {"agentId": "g"}
    assert {line["sessionId"] for line in lines} == {SESSION}
    assert (lines[0]["cwd"], lines[0]["version"]) == ("/work", "2.1.7")
    assert lines[-1]["totalCostUSD"] == 0.25 and lines[-1]["type"] == "cost-state"
    assert file_name(run, "claude") == f"{SESSION}.jsonl"


def test_a_compaction_begins_anew(tmp_path: Path) -> None:
    head = "This session is being continued from a previous conversation"
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "c"}
    lines = session(
        run_of(
            tmp_path,
            said("Go", "a"),
            answer(text("Yes."), uuid="b"),
            boundary | {"compact_metadata": {"trigger": "manual", "pre_tokens": 9}},
            said(f"{head}: …", "d", isSynthetic=True),
            said("Told to the agent alone", "e", isSynthetic=True),
            answer(text("Yes."), uuid="b"),  # what it has kept is told again
            said("On", "f"),
        )
    )
    assert [(line["uuid"], line["parentUuid"]) for line in lines[2:]] == [
        ("c", None),
        ("d", "c"),
        ("e", "d"),
        ("f", "e"),
    ]
    assert lines[2]["compactMetadata"] == {"trigger": "manual", "preTokens": 9}
    assert lines[3]["isCompactSummary"] and lines[4]["isMeta"]


def test_a_run_of_several_sessions_and_of_none(tmp_path: Path) -> None:
    """Calls of a workflow are sessions each; graphs write lines of Claude's kind without any."""
    own = {"type": "assistant", "message": {"content": "So."}}
    run = run_of(tmp_path, {"type": "user", "message": {"content": "Go"}}, own)
    lines = session(run)
    assert lines[1]["message"]["content"] == [text("So.")] and lines[1]["message"]["usage"]
    assert lines[1]["parentUuid"] == lines[0]["uuid"] and lines[0]["message"]["role"] == "user"
    assert file_name(run, "claude") == f"{lines[0]['sessionId']}.jsonl"
    assert session(run)[0]["sessionId"] == lines[0]["sessionId"]  # each time the same
    other = answer(text("x"), uuid="b") | {"session_id": SESSION[:-1] + "4"}
    both = session(run_of(tmp_path, INIT, said("Go", "a"), other, answer(text("y"), uuid="c")))
    assert {line["sessionId"] for line in both} == {SESSION}


@pytest.mark.parametrize("name", names())
def test_the_whole_chat_of_every_vector(tmp_path: Path, name: str) -> None:
    vector = read(name)
    # What was said before the run stands in its `run.json`, which these have not.
    history = [message for message in vector["history"] if message["offset"]]
    run = run_of(tmp_path, *(line.encode() + b"\n" for line in vector["lines"]))
    shown = exported(run, "markdown")
    page = exported(run, "html")
    for message in history:
        assert message["content"][:40].split("\n")[0].replace("<!--", "&lt;!--") in shown
        for each in message.get("tool_calls", ()):
            assert f"**{each['name']}**" in shown.replace("\\", "")
    assert page.count("<article") == len(history)
    if not any(mark in "".join(vector["lines"]) for mark in ('"user"', '"assistant"')):
        with pytest.raises(NoConversation):
            session(run)
        return
    if name == "ids_again":
        return  # which answer a line of a repeated id goes on with, only a stream's other lines tell
    # Read again, the agent says the same.
    again = run_of(tmp_path, *session(run), run_id="again")
    replies = [m for m in history if m["role"] == "assistant"]
    assert exported(again, "markdown").count("\n## Assistant") == len(replies)


def test_what_was_said_before_is_in_it(tmp_path: Path) -> None:
    earlier = [{"role": "user", "content": f"before {number}"} for number in range(1500)]
    run = create_run(tmp_path, "claude", prompt="Go", chat_history=earlier)
    run.stream.write_bytes(encode(said("Go", "a")))
    shown = exported(run, "markdown")
    assert [f"before {number}\n" in shown for number in (0, 499, 500, 1499)] == [True] * 4
    assert shown.rstrip().endswith("\nGo")


def test_a_long_chat_is_whole(tmp_path: Path) -> None:
    lines = []
    for number in range(1500):
        lines.append(said(f"question {number}", f"q{number}"))
        lines.append(answer(text(f"reply {number}"), call(f"t{number}"), uuid=f"a{number}"))
        lines.append(gave(f"t{number}", f"result {number}", f"r{number}"))
    shown = exported(run_of(tmp_path, *lines), "markdown")
    for word in ("question", "reply", "result"):
        for number in (0, 1, 499, 500, 501, 999, 1000, 1499):
            assert f"{word} {number}\n" in shown
    assert shown.count("\n## ") == 3000


def test_nothing_in_markdown_swallows_the_rest(tmp_path: Path) -> None:
    shown = exported(
        run_of(
            tmp_path,
            said("<!-- and\n```py\nx = 1  # <!--", "a"),
            answer(text("~~~~\nopen"), call("t", command="a\n```\nb"), uuid="b"),
            gave("t", "````\nc", "c"),
        ),
        "markdown",
    )
    assert "&lt;!-- and\n```py\nx = 1  # <!--\n```\n" in shown
    assert "~~~~\nopen\n~~~~\n" in shown
    assert "````sh\na\n```\nb\n````\n" in shown and "`````\n````\nc\n`````" in shown


def test_a_page_of_hostile_words(tmp_path: Path) -> None:
    words = "<img src=x onerror=alert(1)>\"'&\ud800 </pre></article><script>"
    page = exported(
        run_of(
            tmp_path,
            json.dumps(said(words, "a")).encode() + b"\n",
            json.dumps(
                answer(text(words), {"type": "thinking", "thinking": words}, uuid="b")
            ).encode()
            + b"\n",
            answer({"type": "tool_use", "id": "t", "name": words[:40], "input": {"q": "</pre>"}},
                   uuid="c"),
            gave("t", "</details><script>", "d"),
            answer(text("x" * 20_000 + "<script>"), uuid="e"),
            answer(text("| a |\n|-|\n| **b** |"), uuid="f"),
        ),
        "html",
    )  # fmt: skip
    body = page.partition("<main>")[2]
    for markup in ("<script", "<img", "<pre></pre>"):
        assert markup not in body
    assert body.count("<article") == body.count("</article>") == 5
    assert "<strong>b</strong>" in body and "prefers-color-scheme: dark" in page
    for loads in ("src=", "@import", "url(", "<link"):
        assert loads not in page.partition("<main>")[0]


def test_of_a_run_that_goes_on(tmp_path: Path) -> None:
    run = run_of(tmp_path, said("Go", "a"), b'{"type":"assis')
    assert exported(run, "jsonl").count("\n") == 1
    assert len(session(run)) == 1 and "Go" in exported(run, "markdown")
    whole = run_of(tmp_path, said("Go", "a"), b'{"type":"x"}')  # its last LF was not written
    assert exported(whole, "jsonl").endswith('{"type":"x"}\n')
    queued = create_run(tmp_path, "command", params={"argv": ["true"]})
    assert exported(queued, "jsonl") == ""
    assert "- Status: queued" in exported(queued, "markdown")


def test_what_a_run_came_to(tmp_path: Path) -> None:
    end = {"type": "workflow_failed", "reason": "exit_code", "error": "no `such` file"}
    run = run_of(tmp_path, {"type": "log", "message": "x"}, end)
    assert "Status: failed: exit\\_code" in exported(run, "markdown")
    assert "## Result\n\n```\nno `such` file\n```" in exported(run, "markdown")
    assert "<pre>no `such` file</pre>" in exported(run, "html")


def test_a_title_goes_along(tmp_path: Path) -> None:
    run = create_run(tmp_path, "claude", prompt="Go", words=check_own_words("Mine"))
    run.stream.write_bytes(encode(INIT) + encode(said("Go", "a")))
    told = {"type": "custom-title", "customTitle": "Mine", "sessionId": SESSION}
    assert session(run)[-1] == told
    kept = {"type": "ai-title", "aiTitle": "Mine", "sessionId": SESSION}
    run.stream.write_bytes(encode(INIT) + encode(said("Go", "a")) + encode(kept))
    assert session(run)[-1] == kept
    assert exported(run, "markdown").startswith("# Mine\n")


@pytest.mark.parametrize("name", FORMATS)
def test_no_such_run(tmp_path: Path, name: FormatName) -> None:
    with pytest.raises((UnknownRun, NoConversation)):
        list(export_run(Workspace(tmp_path, "none"), name))  # type: ignore[arg-type]


def test_its_file_is_looked_at_with_care(tmp_path: Path) -> None:
    run = create_run(tmp_path, "command", params={"argv": ["true"]})
    os.symlink("/etc/passwd", run.stream)
    for name in FORMATS:
        with pytest.raises(OSError, match="link"):
            list(export_run(run, name))
