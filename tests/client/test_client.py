"""The client on real relays; runs are real files, written by the test."""

import json
import queue
import secrets
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runlog import Workspace, append_lines, read_inbox
from runlog.run.inbox_lines import input_sha256
from tailcast import ConnectionLost, NoReceipt, ProblemError, StreamReset
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.support import DEADLINE_S, free_port, wait_until


def inbox(run: Workspace) -> list[dict[str, Any]]:
    return [line.body for line in read_inbox(run.inbox)]  # type: ignore[union-attr]


def test_start_get_list(client: Any, relay: Relay) -> None:
    started = client.start("command", params={"argv": ["true"]})
    assert started.status == "queued"
    run = client.get(started.run_id)
    assert (run.run_id, run.workflow, run.ended) == (started.run_id, "command", False)
    assert run.params == {"argv": ["true"]}
    page = client.list(limit=1)
    assert page.runs[0].run_id == started.run_id
    assert started.run_id in [row.run_id for row in client.runs()]
    since = datetime.now(UTC) - timedelta(hours=1)
    asked = {"q": started.run_id, "status": "queued", "created_after": since, "order": "oldest"}
    page = client.list(counts=True, **asked)
    assert [row.run_id for row in page.runs] == [started.run_id] and page.complete
    assert page.counts["workflow"] == {"command": 1}
    assert [row.run_id for row in client.runs(**asked)] == [started.run_id]
    assert client.list(**asked | {"created_after": since + timedelta(days=1)}).runs == []
    assert client.list().counts is None


def test_start_again_with_a_key_is_one_run(client: Any) -> None:
    asked = {"params": {"argv": ["true"]}, "idempotency_key": f"key-{secrets.token_hex(4)}"}
    assert client.start("command", **asked).run_id == client.start("command", **asked).run_id


def test_catalog(client: Any) -> None:
    names = [workflow.name for workflow in client.catalog()]
    assert names == ["claude", "command"]


def test_problems_are_errors(client: Any, run: Workspace) -> None:
    with pytest.raises(ProblemError) as unknown:
        client.get("nobody")
    assert (unknown.value.status, unknown.value.kind) == (404, "unknown-run")
    assert "List the runs" in unknown.value.detail
    with pytest.raises(ProblemError) as refused:
        client.start("command", params={"argv": []})
    assert refused.value.kind == "bad-params"
    assert refused.value.errors[0]["pointer"].startswith("#/params")
    with pytest.raises(ProblemError, match="unknown-run"):
        list(client.stream("nobody"))
    say(run, "workflow_completed")
    with pytest.raises(ProblemError, match="run-finished"):
        client.send(run.run_id, "too late")


def test_stream_is_every_line_once(client: Any, run: Workspace) -> None:
    data = recorded(run, 40)
    told = list(client.stream(run.run_id))
    assert [event.data for event in told] == [json.loads(line) for line in data.splitlines()]
    assert told[-1].offset == len(data)
    assert told[0].type == "workflow_started"
    middle = told[20].offset
    assert [e.offset for e in client.stream(run.run_id, after=middle)] == [
        e.offset for e in told[21:]
    ]
    assert list(client.stream(run.run_id, after=len(data))) == []
    assert [e.offset for e in client.read(run.run_id)] == [e.offset for e in told]
    assert list(client.read(run.run_id, q="no such words")) == []
    logs = list(client.stream(run.run_id, types=["log"]))
    assert {event.type for event in logs} == {"log"}
    assert [e.type for e in client.stream(run.run_id, tail=1)] == ["workflow_completed"]


def test_stream_of_hard_lines(client: Any, run: Workspace) -> None:
    texts = ["\u2028 and \u0085", "a\\nb", "\U0001f388"]
    for text in texts:
        line = json.dumps({"type": "log", "message": text}, ensure_ascii=False)
        append_lines(run.stream, line.encode() + b"\n")
    append_lines(run.stream, b'{"type":"log",\r"message":"cr"}\r\n')
    append_lines(run.stream, b"no json\n")
    append_lines(run.stream, b'{"looks":like it}\n')
    say(run, "workflow_completed")
    told = list(client.stream(run.run_id))
    assert [e.data.get("message") for e in told[:4]] == [*texts, "cr"]
    assert [e.type for e in told[4:]] == ["malformed", "malformed", "workflow_completed"]
    assert told[4].data["head"] == "no json"


def test_stream_survives_restarts_of_the_relay(make_client: Any, root: Path, alive: Any) -> None:
    """Each line once, in order, though the relay is killed and started again twice while it is followed."""
    run = new_run(root)
    alive(run)
    say(run, "workflow_started")
    port = free_port()
    client = make_client(url=f"http://127.0.0.1:{port}")
    heard: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def follow() -> None:
        for event in client.stream(run.run_id, exclude=["workflow_started"]):
            heard.put(event.data.get("n"))

    listener = threading.Thread(target=follow)
    listener.start()
    written = 0
    told: list[int | None] = []
    for round_ in range(3):
        with running_relay(root, port=port) as relay:
            for _ in range(50):
                say(run, "log", n=written)
                written += 1
            told += [heard.get(timeout=DEADLINE_S) for _ in range(written - len(told))]
            if round_ == 1:
                relay.process.kill()
        say(run, "log", n=written)  # while nobody serves
        written += 1
    say(run, "workflow_completed")
    with running_relay(root, port=port):
        listener.join(DEADLINE_S)
    assert not listener.is_alive()
    while not heard.empty():
        told.append(heard.get())
    assert told == [*range(written), None]


def test_calls_wait_for_the_relay_to_come_back(make_client: Any, root: Path) -> None:
    run = new_run(root)
    port = free_port()
    client = make_client(url=f"http://127.0.0.1:{port}")
    got: list[Any] = []
    caller = threading.Thread(target=lambda: got.append(client.send(run.run_id, "hello")))
    caller.start()
    with running_relay(root, port=port):
        caller.join(DEADLINE_S)
    assert [line["content"] for line in inbox(run)] == ["hello"]
    assert got[0].message_id == inbox(run)[0]["id"]


def test_gives_up(make_client: Any) -> None:
    port = free_port()
    client = make_client(url=f"http://127.0.0.1:{port}", give_up_s=0.2)
    with pytest.raises(ConnectionLost):
        client.get("x")
    with pytest.raises(ConnectionLost):
        list(client.stream("x"))


def test_reset_is_told(client: Any, run: Workspace) -> None:
    recorded(run, 3)
    with pytest.raises(StreamReset):
        list(client.stream(run.run_id, after=10_000_000))


def test_send_and_wait_for_the_receipt(client: Any, run: Workspace, alive: Any) -> None:
    alive(run)
    say(run, "workflow_started")
    got: list[Any] = []

    def send() -> None:
        got.append(client.send_and_wait(run.run_id, "hello", id="m-1", state="delivered"))

    caller = threading.Thread(target=send)
    caller.start()
    wait_until(run.inbox.exists, "the message")
    say(run, "message_received", message_id="other", state="delivered")
    say(run, "message_received", message_id="m-1", state="queued")
    offset = say(run, "message_received", message_id="m-1", state="delivered")
    caller.join(DEADLINE_S)
    (receipt,) = got
    assert (receipt.state, receipt.offset, receipt.reason) == ("delivered", offset, None)
    say(run, "message_received", message_id="m-2", state="dropped", reason="cancelled")
    dropped = client.wait_for_receipt(run.run_id, "m-2", state="completed")
    assert (dropped.state, dropped.reason) == ("dropped", "cancelled")
    with pytest.raises(TimeoutError):
        client.wait_for_receipt(run.run_id, "m-3", timeout_s=0.2)
    say(run, "workflow_completed")
    with pytest.raises(NoReceipt):
        client.wait_for_receipt(run.run_id, "m-3")


def test_wait_for_the_end(client: Any, run: Workspace, alive: Any) -> None:
    alive(run)
    say(run, "workflow_started")
    with pytest.raises(TimeoutError):
        client.wait(run.run_id, timeout_s=0.2)
    timer = threading.Timer(0.2, lambda: say(run, "workflow_completed", result="all of it"))
    timer.start()
    ended = client.wait(run.run_id)
    timer.join()
    assert (ended.status, ended.result, ended.ended) == ("completed", "all of it", True)


def test_commands_and_answers(client: Any, run: Workspace, alive: Any) -> None:
    alive(run)
    say(run, "workflow_started")
    say(run, "questions_presented", question_id="q", questions=[])
    say(run, "permission_requested", request_id="p-1", tool_name="Bash", input={})
    say(run, "permission_requested", request_id="p-2", tool_name="Bash", input={})
    state = client.get(run.run_id)
    assert [q["question_id"] for q in state.open_questions] == ["q"]
    client.answer(run.run_id, "q", {"Which?": "this"})
    with pytest.raises(ProblemError, match="another call"):
        client.approve(run.run_id, "p-1", input_sha256="0" * 64)
    client.approve(run.run_id, "p-1", updated_input={"command": "ls"})
    client.deny(run.run_id, "p-2", "not now", input_sha256=input_sha256("Bash", {}))
    for name in ("interrupt", "pause", "resume"):
        getattr(client, name)(run.run_id)
    client.set_model(run.run_id, None)
    client.set_permission_mode(run.run_id, "plan")
    sent = client.send(run.run_id, "later", delivery="queue")
    client.cancel(run.run_id, sent.message_id)
    client.stop(run.run_id)
    lines = inbox(run)
    assert [line["type"] for line in lines] == [
        "answer",
        "permission",
        "permission",
        "interrupt",
        "pause",
        "resume",
        "set_model",
        "set_permission_mode",
        "message",
        "cancel",
        "stop",
    ]
    assert lines[0]["answers"] == {"Which?": "this"}
    assert (lines[1]["decision"], lines[1]["updated_input"]) == ("allow", {"command": "ls"})
    assert (lines[2]["decision"], lines[2]["message"]) == ("deny", "not now")
    assert lines[8]["delivery"] == "queue"
    with pytest.raises(ProblemError, match="not-open|answered"):
        client.answer(run.run_id, "q", {})


def test_files_history_remove(client: Any, run: Workspace) -> None:
    run.files.mkdir(exist_ok=True)
    (run.files / "ü b.txt").write_bytes(b"\x00hello")
    listing = client.files(run.run_id)
    (entry,) = [entry for entry in listing.entries if entry.name == "ü b.txt"]
    assert entry.size == 6
    assert client.read_file(run.run_id, entry.path) == b"\x00hello"
    with pytest.raises(ProblemError, match="unknown-file"):
        client.read_file(run.run_id, "nothing")
    block = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}
    say(run, "user", message={"content": "hi"}, uuid="m", isReplay=True)
    say(run, "assistant", message={"id": "a", "content": [block]})
    chat = client.history(run.run_id)
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert chat.messages[1].tool_calls[0].name == "Read"
    say(run, "workflow_completed")
    client.remove(run.run_id)
    with pytest.raises(ProblemError, match="unknown-run"):
        client.get(run.run_id)


def test_token(make_client: Any, root: Path) -> None:
    with running_relay(root, "--token", "open sesame") as relay:
        with pytest.raises(ProblemError, match="unauthorized"):
            make_client(url=relay.url).list()
        assert make_client(url=relay.url, token="open sesame").list().runs == []


def test_importing_tailcast_stays_light() -> None:
    code = "import sys, tailcast; before = 'httpx' in sys.modules; tailcast.Client; print(before)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_deployments(client: Any, relay: Relay) -> None:
    name = f"review-{uuid.uuid4().hex[:8]}"
    made = client.put_deployment(
        name, "claude", prompt="Review", params={"max_turns": 5}, allowed_overrides=["max_turns"]
    )
    assert (made.name, made.workflow, made.params) == (name, "claude", {"max_turns": 5})
    started = client.start(deployment=name, runtime_overrides={"max_turns": 2}, limits={"turns": 9})
    run = client.get(started.run_id)
    assert (run.deployment, run.params, run.limits) == (name, {"max_turns": 2}, {"turns": 9})
    assert [row.run_id for row in client.list(deployment=name).runs] == [started.run_id]
    assert [row.deployment for row in client.runs(deployment=name)] == [name]
    read = client.deployment(name)
    assert read.statistics.runs == read.statistics.by_status["queued"] == 1
    assert read.statistics.last_run.run_id == started.run_id
    assert name in [each.name for each in client.deployments()]
    with pytest.raises(ProblemError) as refused:
        client.start(deployment=name, runtime_overrides={"model": "x"})
    assert refused.value.errors[0]["pointer"] == "#/runtime_overrides/model"

    assert client.put_deployment(name, "claude", if_match=read.etag).params == {}
    for condition in ({"if_match": read.etag}, {"create_only": True}):
        with pytest.raises(ProblemError, match="precondition-failed"):
            client.put_deployment(name, "claude", **condition)
    with pytest.raises(ProblemError, match="invalid-request"):
        client.put_deployment(name, "claude", prompts="misspelt")
    client.remove_deployment(name)
    with pytest.raises(ProblemError, match="unknown-deployment"):
        client.deployment(name)


def test_a_run_has_words_of_its_own(client: Any, relay: Relay) -> None:
    own = secrets.token_hex(4)
    words: dict[str, Any] = {
        "title": "Mine",
        "labels": {"kind": "client", "number": own},
        "thread_id": f"t-{own}",
        "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    started = client.start("command", params={"argv": ["true"]}, **words)
    run = client.get(started.run_id)
    assert {name: getattr(run, name) for name in words} == words
    number = f"number={own}"
    for asked in ({"label": number}, {"label": ["kind", number]}, {"thread_id": f"t-{own}"}):
        (row,) = client.list(**asked).runs
        assert (row.run_id, row.title) == (started.run_id, "Mine")
        assert (row.labels, row.thread_id) == (words["labels"], words["thread_id"])
    batch = client.start_batch(
        "command", [{"labels": {"a": "b"}}], params={"argv": ["true"]}, labels={"c": "d"}
    )
    assert client.get(batch.run_ids[0]).labels == {"a": "b", "c": "d"}
    fields: dict[str, Any] = {"params": {"argv": ["true"]}}
    fields |= {"title": "Theirs", "labels": {"team": "a"}, "thread_id": "t"}
    made = client.put_deployment(f"words-{own}", "command", **fields)
    assert {name: getattr(made, name) for name in fields} == fields


def test_a_run_is_started_again_and_waited_for(client: Any, relay: Relay) -> None:
    first = client.start("command", params={"argv": ["true"]}, labels={"a": "1"})
    second = client.again(first.run_id, labels={"b": "2"}, title="Again")
    run = client.get(second.run_id)
    assert (run.title, run.labels) == ("Again", {"a": "1", "b": "2"})
    with pytest.raises(TimeoutError):
        client.wait(second.run_id, timeout_s=0.05)
    with pytest.raises(TimeoutError):
        client.wait(second.run_id, for_="attention", timeout_s=0)
    recorded(Workspace(relay.root, second.run_id), 3)
    assert client.wait(second.run_id, for_="turn", timeout_s=DEADLINE_S).ended


def test_when_a_run_is_parked_is_asked_for_and_told(client: Any, relay: Relay) -> None:
    started = client.start("command", params={"argv": ["true"]}, park_after_s=3)
    run = client.get(started.run_id)
    assert (run.park_after_s, run.parked, run.parked_until) == (3, False, None)
    assert [row.parked for row in client.runs() if row.run_id == started.run_id] == [False]
    kept = client.put_deployment("kept", "command", params={"argv": ["true"]}, park_after_s=0)
    assert kept.park_after_s == 0
