"""The inbox: each message once, in order, and never after the end."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythons import Python, go

from runlog import (
    BadMessage,
    InboxLine,
    InboxReader,
    RefusedLine,
    RunFinished,
    RunLock,
    UnknownMessage,
    UnknownRun,
    Workspace,
    append_lines,
    cancel_message,
    encode,
    post,
    read_inbox,
    read_state,
    run_status,
)
from runlog.disk.records import MAX_LINE_BYTES
from runlog.run.inbox_lines import INBOX_TYPES, check_message, has_pending_resume, pending_lines
from tests.support import DEADLINE_S

Write = Callable[..., None]

POSTER = """
import sys
from pathlib import Path
from runlog import RunFinished, check_run_id, post, Workspace
from runlog.disk.append import Busy
workspace = Workspace(Path(sys.argv[1]), check_run_id("r1"))
name, count, ids = sys.argv[2], int(sys.argv[3]), sys.argv[4]
sys.stdin.read(1)
for number in range(count):
    body = {"type": "message", "content": f"{name} {number}"}
    if ids == "own":
        body["id"] = f"{name}-{number}"
    elif ids == "same":
        body["id"] = f"same-{number}"
    while True:
        try:
            posted = post(workspace, body)
        except Busy:  # of many writers at a slow disk
            continue
        except RunFinished:
            print("refused", flush=True)
            sys.exit()
        break
    print(posted.message_id, posted.offset, posted.repeated, flush=True)
"""


def text(content: str = "hi", **fields: object) -> dict[str, Any]:
    return {"type": "message", "content": content, **fields}


def inbox(workspace: Workspace) -> list[InboxLine]:
    lines = []
    for line in read_inbox(workspace.inbox):
        assert isinstance(line, InboxLine)
        lines.append(line)
    return lines


@pytest.mark.parametrize("ids", ["own", "made"])
def test_a_thousand_messages_of_eight_writers(
    workspace: Workspace, python: Python, ids: str
) -> None:
    posters = [python(POSTER, workspace.root, name, 125, ids) for name in "abcdefgh"]
    go(*posters)
    told = [
        line.split() for p in posters for line in p.communicate(timeout=DEADLINE_S)[0].splitlines()
    ]
    lines = inbox(workspace)
    assert len(lines) == len(told) == 1000
    assert {(line.id.encode(), b"%d" % line.offset) for line in lines} == {
        (message_id, offset) for message_id, offset, _ in told
    }
    by_writer: dict[str, list[int]] = {}
    for line in lines:
        assert isinstance(line.content, str)
        name, number = line.content.split()
        by_writer.setdefault(name, []).append(int(number))
    assert by_writer == {name: list(range(125)) for name in "abcdefgh"}


def test_one_id_of_many_writers_takes_effect_once(workspace: Workspace, python: Python) -> None:
    posters = [python(POSTER, workspace.root, name, 20, "same") for name in "abcdef"]
    go(*posters)
    told = [line for p in posters for line in p.communicate(timeout=DEADLINE_S)[0].splitlines()]
    lines = inbox(workspace)
    assert [line.id for line in lines] == [f"same-{n}" for n in range(20)]
    assert len(told) == 120
    assert sum(line.endswith(b"False") for line in told) == 20
    assert {tuple(line.split()[:2]) for line in told} == {
        (line.id.encode(), b"%d" % line.offset) for line in lines
    }


def test_what_is_posted_before_the_end_is_seen_by_the_end(
    workspace: Workspace, python: Python
) -> None:
    """The end holds the folder, reads the inbox and writes its line: nothing can come between."""
    ender = """
import sys
from pathlib import Path
from runlog import *
from runlog.run.inbox import inbox_closed
workspace = Workspace(Path(sys.argv[1]), check_run_id("r1"))
lock = RunLock(workspace.lock)
assert lock.acquire()
append_lines(workspace.stream, encode({"type": "workflow_started"}))
print("up", flush=True)
sys.stdin.read(1)
with inbox_closed(workspace):
    lines = list(read_inbox(workspace.inbox))
    end = lines[-1].offset if lines else 0
    append_lines(workspace.stream, encode({"type": "workflow_completed", "inbox_offset": end}))
    lock.release()
"""
    run = python(ender, workspace.root)
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    posters = [python(POSTER, workspace.root, name, 5000, "made") for name in "abcd"]
    go(*posters)
    for poster in posters:
        assert poster.stdout is not None
        os.read(poster.stdout.fileno(), 1)
    go(run)
    for poster in posters:
        out, _ = poster.communicate(timeout=DEADLINE_S)
        assert out.splitlines()[-1] == b"refused"
    assert run.wait(DEADLINE_S) == 0
    assert read_state(workspace).inbox_offset == workspace.inbox.stat().st_size


def test_posting_to_a_run_that_has_ended(workspace: Workspace, write: Write) -> None:
    posted = post(workspace, text(id="early"))
    write("workflow_started")
    write("workflow_completed", inbox_offset=posted.offset)
    with pytest.raises(RunFinished) as caught:
        post(workspace, text())
    assert '"resume": true' in caught.value.hint
    again = post(workspace, text(id="early"))  # the answer to a repeat is that of the first
    assert (again.offset, again.repeated) == (posted.offset, True)
    with pytest.raises(RunFinished):
        post(workspace, {"type": "stop", "resume": True})
    assert not has_pending_resume(workspace, read_state(workspace))

    reopened = post(workspace, text("go on", resume=True))
    assert run_status(workspace) == "queued"
    after = post(workspace, text("and more"))  # now it is open to all
    state = read_state(workspace)
    assert [line.id for line in pending_lines(workspace, state)] == [
        reopened.message_id,
        after.message_id,
    ]
    write("workflow_started", attempt=2)
    write("message_received", message_id=reopened.message_id, state="delivered")
    assert not has_pending_resume(workspace, read_state(workspace))


def test_a_run_that_ended_again_has_no_pending_resume(workspace: Workspace, write: Write) -> None:
    write("workflow_started")
    write("workflow_failed", reason="lost", inbox_offset=0)
    posted = post(workspace, text(resume=True))
    write("workflow_started", attempt=2)
    write("workflow_stopped", inbox_offset=posted.offset)
    assert run_status(workspace) == "stopped"


def test_a_run_that_dies_before_it_says_so_can_be_reopened(
    workspace: Workspace, write: Write
) -> None:
    write("workflow_started")
    with pytest.raises(RunFinished, match="failed"):
        post(workspace, text())
    post(workspace, text(resume=True))


def test_no_run_no_post(root: Path, workspace: Workspace) -> None:
    (root / "empty").mkdir()
    for name in ("none", "empty"):
        with pytest.raises(UnknownRun):
            post(Workspace(root, name), text())  # type: ignore[arg-type]
    assert os.listdir(root / "empty") == []


def test_an_external_run_takes_messages_and_no_resume(root: Path) -> None:
    workspace = Workspace(root, "shell")  # type: ignore[arg-type]
    workspace.path.mkdir(parents=True)
    append_lines(workspace.stream, b'{"type":"log"}\n')
    assert post(workspace, text()).offset == workspace.inbox.stat().st_size
    append_lines(workspace.stream, b'{"type":"workflow_completed","inbox_offset":0}\n')
    with pytest.raises(RunFinished):
        post(workspace, text(resume=True))


def test_a_posted_line(workspace: Workspace) -> None:
    posted = post(workspace, text("Grüße \U0001f600", delivery="queue"))
    assert posted.message_id.startswith("msg-")
    (line,) = read_inbox(workspace.inbox)
    assert isinstance(line, InboxLine)
    assert (line.content, line.delivery, line.offset) == (
        "Grüße \U0001f600",
        "queue",
        posted.offset,
    )
    assert list(line.body)[:2] == ["id", "timestamp"]
    assert workspace.inbox.stat().st_mode & 0o777 == 0o600


BAD: list[dict[str, Any]] = [
    {},
    {"type": "shout"},
    {"type": ["message"], "content": "x"},
    text(""),
    text(" \n"),
    {"type": "message"},
    {"type": "message", "content": []},
    {"type": "message", "content": [{"text": "no type"}]},
    {"type": "message", "content": ["text"]},
    text(delivery="later"),
    text(delivery=["steer"]),
    text(id=""),
    text(id=7),
    text(id=None),
    text(id="a b"),
    text(id="x" * 129),
    text(id="line\n"),
    {"type": "cancel"},
    {"type": "answer", "question_id": "q"},
    {"type": "answer", "question_id": "q", "answers": []},
    {"type": "answer", "answers": {}},
    {"type": "permission", "request_id": "p"},
    {"type": "permission", "request_id": "p", "decision": "maybe"},
    {"type": "set_permission_mode"},
]


@pytest.mark.parametrize("body", BAD, ids=str)
def test_what_the_inbox_does_not_take(workspace: Workspace, body: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as caught:
        post(workspace, body)
    assert caught.value.hint
    assert not workspace.inbox.exists()


def test_too_long_or_too_deep_for_a_line(workspace: Workspace) -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for body in (text("x" * MAX_LINE_BYTES), text(extra=deep), text(extra=object())):
        with pytest.raises(BadMessage):
            post(workspace, body)
    assert not workspace.inbox.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3),
    max_leaves=6,
)
BODY_FIELDS = sorted(
    {"id", "type", "content", "delivery", "answers", *sum(INBOX_TYPES.values(), ())}
)


@given(st.dictionaries(st.sampled_from(BODY_FIELDS), JSON | st.sampled_from(list(INBOX_TYPES))))
def test_checking_any_object(body: dict[str, Any]) -> None:
    try:
        check_message(body)
    except BadMessage as error:
        assert error.hint
    else:
        assert body["type"] in INBOX_TYPES


def test_lines_written_by_hand(workspace: Workspace) -> None:
    deep = b"[" * 1015 + b"]" * 1015
    lines = [
        b'{"type":"message","content":"no id"}',
        b"not json",
        b"",
        b'{"type":"message","content":"","id":"empty"}',
        b'{"type":"stop","id":%b}' % deep,
        b'{"type":%b}' % deep,
        b'{"type":"message","content":"x","delivery":%b}' % deep,
        b'{"type":"pause","id":"p"}\r',
        b'{"type":"message","content":"half',
    ]
    workspace.inbox.write_bytes(b"\n".join(lines))
    reader = InboxReader(workspace)
    first = reader.read()
    kinds = [line.id if isinstance(line, InboxLine) else "refused" for line in first]
    assert kinds == ["inbox-37", *["refused"] * 5, "p"]
    assert all(line.why for line in first if isinstance(line, RefusedLine))
    assert reader.read() == []
    post(workspace, text("next", id="n"))  # ends the half line first
    torn, last = reader.read()
    assert isinstance(torn, RefusedLine)
    assert isinstance(last, InboxLine) and last.id == "n"
    assert post(workspace, text(id="inbox-37")).repeated
    assert post(workspace, {"type": "pause", "id": "p"}).repeated


def test_an_id_written_with_escapes_is_found(workspace: Workspace) -> None:
    workspace.inbox.write_bytes(b'{"type":"stop","id":"\\u0061b"}\n')
    assert post(workspace, {"type": "stop", "id": "ab"}).repeated


def test_the_reader_gives_each_id_once_and_begins_where_it_was(workspace: Workspace) -> None:
    reader = InboxReader(workspace, taken=frozenset({"a"}))
    assert reader.read() == []
    for name in ("a", "b", "b", "c"):
        append_lines(workspace.inbox, encode(text(id=name)))
    assert [line.id for line in reader.read() if isinstance(line, InboxLine)] == ["b", "c"]
    assert reader.offset == workspace.inbox.stat().st_size
    assert reader.read() == []
    # Cut and written anew: what was taken is not taken again.
    workspace.inbox.write_bytes(encode(text(id="c")) + encode(text(id="d")))
    assert [line.id for line in reader.read() if isinstance(line, InboxLine)] == ["d"]
    workspace.inbox.unlink()
    assert reader.read() == []


_STOP = b'{"type":"stop"}\n'


@pytest.mark.parametrize("how", ["replaced", "cut", "removed"])
@pytest.mark.parametrize("size", [-1, 0, 1])
def test_an_inbox_that_is_another_when_the_reader_looks_again(
    workspace: Workspace, how: str, size: int
) -> None:
    """Shorter, as long, or longer than what was read; and nobody saw it change."""
    reader = InboxReader(workspace)
    first = encode(text(id="a")) + b"no line of ours\n" + b'{"type":"pause"}\n'
    workspace.inbox.write_bytes(first)
    assert len(reader.read()) == 3
    padding = b"\n" * (len(first) + size * 8 - len(_STOP) - len(encode(text(id="b"))))
    second = _STOP + padding + encode(text(id="b"))
    assert (len(second) > len(first)) - (len(second) < len(first)) == size
    if how == "cut":
        workspace.inbox.write_bytes(second)
    else:
        if how == "removed":
            workspace.inbox.unlink()
        other = workspace.path / "other"
        other.write_bytes(second)
        other.rename(workspace.inbox)
    os.utime(workspace.inbox, (1, 1))
    lines = [line for line in reader.read() if isinstance(line, InboxLine)]
    assert [(line.type, line.body.get("id")) for line in lines] == [
        ("stop", None),
        ("message", "b"),
    ]
    assert reader.read() == []
    append_lines(workspace.inbox, encode(text(id="a")) + encode(text(id="c")))
    assert [line.id for line in reader.read() if isinstance(line, InboxLine)] == ["c"]


def test_a_line_by_hand_in_the_same_place_is_another_one(workspace: Workspace) -> None:
    reader = InboxReader(workspace)
    for kind, told in (("pause", ["pause"]), ("abort", []), ("pause", [])):
        line = b'{"type":"%b"}\n' % kind.encode()
        workspace.inbox.unlink(missing_ok=True)
        workspace.inbox.write_bytes(line)
        assert [x.type for x in reader.read() if isinstance(x, InboxLine)] == told
    workspace.inbox.write_bytes(b'{"type":"stop" }\n')
    assert [x.type for x in reader.read() if isinstance(x, InboxLine)] == ["stop"]


def test_taking_a_message_back(workspace: Workspace, write: Write) -> None:
    lock = RunLock(workspace.lock)
    assert lock.acquire()
    write("workflow_started")
    for name in ("queued", "told", "delivered", "dropped"):
        post(workspace, text(id=name))
    write("message_received", message_id="told", state="queued")
    write("message_received", message_id="delivered", state="delivered")
    write("message_received", message_id="dropped", state="dropped")
    for name in ("queued", "told"):
        cancel_message(workspace, name)
    for name in ("delivered", "dropped"):
        with pytest.raises(RunFinished, match=name):
            cancel_message(workspace, name)
    post(workspace, {"type": "stop", "id": "stop"})
    for name in ("stop", "none", "\ud800", "inbox-5", ""):
        with pytest.raises(UnknownMessage):
            cancel_message(workspace, name)
    lines = [json.loads(line) for line in workspace.inbox.read_bytes().splitlines()]
    assert [x["message_id"] for x in lines if x["type"] == "cancel"] == ["queued", "told"]
    write("workflow_completed", inbox_offset=0)
    lock.release()
    with pytest.raises(RunFinished):
        cancel_message(workspace, "queued")


@pytest.mark.parametrize("left", ["nothing", "half a line", "the first line", "another line"])
@pytest.mark.parametrize("long", [False, True])
def test_a_resume_after_the_inbox_of_an_ended_run_was_cut(
    workspace: Workspace, write: Write, left: str, long: bool
) -> None:
    """It is asked to go on, whether the line ends before the place that the run had come to, or goes over it."""
    for number in range(3):
        post(workspace, text(f"{number}", id=f"old-{number}"))
    write("workflow_started")
    for number in range(3):
        write("message_received", message_id=f"old-{number}", state="completed")
    before = workspace.inbox.read_bytes()
    write("workflow_completed", inbox_offset=len(before), stats={})
    assert run_status(workspace) == "completed"
    kept = {
        "nothing": b"",
        "half a line": before[:20],
        "the first line": before[: before.index(b"\n") + 1],
        "another line": b'{"type":"message","content":"by hand"}\n',
    }
    workspace.inbox.write_bytes(kept[left])
    assert run_status(workspace) == "completed"
    posted = post(workspace, text("on" * (500 if long else 1), resume=True))
    assert run_status(workspace) == "queued"
    state = read_state(workspace)
    ids = [line.id for line in pending_lines(workspace, state)]
    assert ids[-1] == posted.message_id and not {"old-0", "old-1"} & set(ids)
    write("message_received", message_id=posted.message_id, state="completed")
    write("workflow_completed", inbox_offset=posted.offset, stats={})
    assert run_status(workspace) == "completed"
