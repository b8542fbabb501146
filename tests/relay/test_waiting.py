"""`?wait=` and `/wait`: a call that is answered when a run has come so far, or says that it has not."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from runlog import RunLock, Workspace, append_lines, encode
from runlog.groups.catalog import write_catalog
from runlog.run.manifest import remove_run
from tests.relay.live import CATALOG, Relay, new_run, running_relay, say
from tests.relay.test_deployments import refused
from tests.support import DEADLINE_S, wait_until

Hold = Callable[[Workspace], RunLock]
LONG = 60
MANY = 90  # the client of the tests has a hundred connections


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Nobody else listens to it."""
    root = tmp_path_factory.mktemp("waiting")
    write_catalog(root, CATALOG)
    with running_relay(root) as started:
        yield started


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads


def begin(relay: Relay, hold: Hold) -> Workspace:
    run = new_run(relay.root, "claude", interactive=True, prompt="go")
    hold(run)
    say(run, "workflow_started", workflow="claude", attempt=1, inbox_offset=0)
    return run


def read(run: Workspace, message_id: str, text: str) -> None:
    """The agent reads a message at rest, and answers: as the CLI tells it."""
    say(run, "message_received", message_id=message_id, state="queued", inbox_offset=1)
    say(run, "progress_update", status="working")
    say(run, "command_lifecycle", command_uuid=message_id, state="started")
    block = {"type": "text", "text": text}
    say(run, "assistant", message={"id": f"m-{message_id}", "content": [block]})


def rest(run: Workspace, message_id: str, text: str) -> None:
    say(run, "result", subtype="success", result=text)
    say(run, "message_received", message_id=message_id, state="completed", inbox_offset=1)
    say(run, "progress_update", status="waiting")


def listens(relay: Relay) -> int:
    """Waiters follow the tails of their runs, as listeners do."""
    lines = relay.client.get("/metrics").text.splitlines()
    return int(float(next(li for li in lines if li.startswith("tailcast_listeners")).split()[1]))


def ask(relay: Relay, run: Workspace, **asked: Any) -> httpx.Response:
    return relay.get(f"/workflows/{run.run_id}/wait", params={"wait": LONG} | asked)


def test_the_end(relay: Relay, alive: Hold, pool: ThreadPoolExecutor) -> None:
    run = begin(relay, alive)
    read(run, "prompt", "half")
    answer = ask(relay, run, wait=0.01)
    body = answer.json()
    assert (answer.status_code, body["done"], body["state"]["status"]) == (202, False, "running")
    waiting = [pool.submit(ask, relay, run, **{"for": "end"}) for _ in range(3)]
    rest(run, "prompt", "whole")
    say(run, "workflow_failed", reason="exit_code", error="oh")
    for each in waiting:
        answer = each.result(DEADLINE_S)
        body = answer.json()
        assert (answer.status_code, body["done"], body["text"]) == (200, True, "whole")
        assert (body["state"]["status"], body["state"]["reason"]) == ("failed", "exit_code")
    for what in ("end", "turn", "attention"):
        assert ask(relay, run, **{"for": what}).json()["done"] is True


def test_a_turn_and_what_it_came_to(relay: Relay, alive: Hold, pool: ThreadPoolExecutor) -> None:
    run = begin(relay, alive)
    waiting = pool.submit(ask, relay, run, **{"for": "turn"})
    read(run, "prompt", "first ")
    block = {"type": "text", "text": "of two lines"}
    say(run, "assistant", message={"id": "m-prompt", "content": [block]})
    inner = {"type": "text", "text": "of a subagent"}
    say(run, "assistant", parent_tool_use_id="t", message={"id": "m-2", "content": [inner]})
    say(run, "result", subtype="success")
    say(run, "progress_update", status="waiting")
    body = waiting.result(DEADLINE_S).json()
    assert (body["done"], body["text"]) == (True, "first of two lines")
    assert body["turn"]["number"] == 1 and body["turn"]["running"] is False
    assert body["state"]["waiting_for"] == "message"

    # Somebody has said something meanwhile: it is at rest no longer, though the run does not know yet.
    path = f"/workflows/{run.run_id}/messages"
    assert relay.post(path, {"message": "and?", "id": "m-next"}).status_code == 202
    assert ask(relay, run, wait=0, **{"for": "turn"}).json()["done"] is False
    waiting = pool.submit(ask, relay, run, **{"for": "turn"})
    read(run, "m-next", "second")
    rest(run, "m-next", "second")
    assert waiting.result(DEADLINE_S).json()["text"] == "second"


def test_attention(relay: Relay, alive: Hold, pool: ThreadPoolExecutor) -> None:
    run = begin(relay, alive)
    read(run, "prompt", "may I?")
    assert ask(relay, run, wait=0, **{"for": "attention"}).status_code == 202
    waiting = pool.submit(ask, relay, run, **{"for": "attention"})
    say(run, "permission_requested", request_id="p", tool_name="Bash", input={})
    body = waiting.result(DEADLINE_S).json()
    assert (body["done"], body["text"]) == (True, "may I?")
    assert body["state"]["open_permissions"][0]["request_id"] == "p"
    assert ask(relay, run, wait=0, **{"for": "turn"}).json()["done"] is False
    say(run, "permission_resolved", request_id="p", decision="allow")
    rest(run, "prompt", "x")
    assert ask(relay, run, wait=0, **{"for": "attention"}).json()["done"] is False


def test_a_message_is_answered(relay: Relay, alive: Hold, pool: ThreadPoolExecutor) -> None:
    """By the turn that it begins, though others come before and after it."""
    run = begin(relay, alive)
    path = f"/workflows/{run.run_id}/messages"

    def send(name: str, wait: float = LONG) -> httpx.Response:
        return relay.post(path, {"message": name, "id": name}, params={"wait": wait})

    late = send("one", wait=0.01)
    assert late.status_code == 202 and late.json()["done"] is False
    assert late.json()["message_id"] == "one" and late.json()["state"]["status"] == "running"
    names = ["one", "two", "three"]
    waiting = {name: pool.submit(send, name) for name in names}
    wait_until(lambda: run.inbox.read_bytes().count(b"\n") == 3, "the messages")
    for name in names:
        read(run, name, f"part of {name}")
        rest(run, name, f"answer to {name}")
    for number, name in enumerate(names, 1):
        answer = waiting[name].result(DEADLINE_S)
        assert (answer.status_code, answer.json()["text"]) == (200, f"answer to {name}")
        again = ask(relay, run, message=name, **{"for": "turn"}).json()
        assert again["text"] == f"answer to {name}"
        assert again["turn"] is None or again["turn"]["number"] == number
    # The same message again is answered at once.
    assert send("three").json()["text"] == "answer to three"


def test_a_message_that_goes_into_a_turn_or_comes_to_nothing(
    relay: Relay, alive: Hold, pool: ThreadPoolExecutor
) -> None:
    run = begin(relay, alive)
    path = f"/workflows/{run.run_id}/messages"
    read(run, "prompt", "working")

    def send(name: str) -> Future[httpx.Response]:
        return pool.submit(relay.post, path, {"message": name, "id": name}, params={"wait": LONG})

    steered, dropped = send("steered"), send("dropped")
    wait_until(lambda: run.inbox.exists() and run.inbox.read_bytes().count(b"\n") == 2, "both")
    say(run, "message_received", message_id="dropped", state="dropped", reason="cancelled")
    body = dropped.result(DEADLINE_S).json()
    assert (body["done"], body["text"], body["turn"]) == (True, None, None)
    say(run, "message_received", message_id="steered", state="delivered")
    rest(run, "prompt", "both heard")
    say(run, "message_received", message_id="steered", state="completed")
    body = steered.result(DEADLINE_S).json()
    assert (body["text"], body["turn"]["message_id"]) == ("both heard", "prompt")
    # One that nobody takes any more: the run ends.
    left = send("left")
    wait_until(lambda: b'"left"' in run.inbox.read_bytes(), "the last one")
    say(run, "workflow_stopped", reason="stop", inbox_offset=run.inbox.stat().st_size)
    assert left.result(DEADLINE_S).json()["state"]["status"] == "stopped"


def test_a_start_is_answered(relay: Relay, pool: ThreadPoolExecutor) -> None:
    asked = {"workflow": "command", "params": {"argv": ["true"]}}
    late = relay.post("/workflows", asked, params={"wait": 0})
    body = late.json()
    assert (late.status_code, body["done"], body["status"]) == (202, False, "queued")
    assert late.headers["location"] == body["links"]["self"]

    named = asked | {"run_id": "awaited"}
    waiting = pool.submit(relay.post, "/workflows", named, params={"wait": LONG})
    run = Workspace(relay.root, "awaited")  # type: ignore[arg-type]
    wait_until(run.manifest.exists, "the run")
    say(run, "workflow_started", attempt=1)
    say(run, "workflow_completed", result={"n": 1})
    answer = waiting.result(DEADLINE_S)
    body = answer.json()
    assert (answer.status_code, body["done"], body["status"]) == (201, True, "completed")
    assert body["state"]["result"] == {"n": 1} and body["run_id"] == "awaited"


def test_bad_waits(relay: Relay, run: Workspace) -> None:
    for asked in ({"wait": -1}, {"wait": 601}, {"wait": "nan"}, {"for": "rest"}, {"message": "m"}):
        answer = relay.get(f"/workflows/{run.run_id}/wait", params=asked)
        assert answer.status_code == 422, asked
        assert answer.json()["errors"][0]["parameter"] == next(iter(asked))
    assert relay.get("/workflows/nobody/wait").status_code == 404
    ask_stream = {"accept": "text/event-stream"}
    body = {"workflow": "command", "params": {"argv": ["true"]}}
    answer = relay.post("/workflows", body, params={"wait": 1}, headers=ask_stream)
    assert answer.status_code == 422
    refused(relay.post("/workflows", {"workflow": "no"}, params={"wait": 1}), "#/workflow")


def test_a_run_that_goes_away_and_one_whose_file_is_replaced(
    relay: Relay, alive: Hold, pool: ThreadPoolExecutor
) -> None:
    gone, other = begin(relay, alive), begin(relay, alive)
    before = listens(relay)
    waiting = [pool.submit(ask, relay, run) for run in (gone, other)]
    wait_until(lambda: listens(relay) >= before + 2, "both to wait")
    remove_run(gone)
    answer = waiting[0].result(DEADLINE_S)
    assert (answer.status_code, answer.json()["type"]) == (404, "/docs#unknown-run")
    other.stream.unlink()
    say(other, "workflow_started", attempt=1)
    say(other, "workflow_completed", result="another")
    assert waiting[1].result(DEADLINE_S).json()["state"]["result"] == "another"


def test_many_wait_for_one_run_that_writes_all_the_time(relay: Relay, alive: Hold) -> None:
    """One look at a time serves them all; none is refused, and others are answered meanwhile."""
    run = begin(relay, alive)
    stop = threading.Event()
    line = encode({"type": "log", "message": "x" * 100})

    def write() -> None:
        while not stop.is_set():
            append_lines(run.stream, line * 10)

    before = listens(relay)
    with ThreadPoolExecutor(MANY) as pool:
        waiting = [pool.submit(ask, relay, run) for _ in range(MANY)]
        wait_until(lambda: listens(relay) >= before + MANY, "all to wait")
        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert relay.get(f"/workflows/{run.run_id}").status_code == 200
        finally:
            stop.set()
            writer.join(DEADLINE_S)
        say(run, "workflow_completed", result="over")
        codes = [each.result(DEADLINE_S).status_code for each in waiting]
    assert codes == [200] * MANY
    wait_until(lambda: listens(relay) == before, "their tails to be let go")


def test_who_waits_and_goes_leaves_nothing_behind(relay: Relay, alive: Hold) -> None:
    run = begin(relay, alive)
    before = listens(relay)
    with httpx.Client(base_url=relay.url, timeout=0.5) as client, pytest.raises(httpx.ReadTimeout):
        client.get(f"/api/v1/workflows/{run.run_id}/wait", params={"wait": LONG})
    wait_until(lambda: listens(relay) == before, "the waiter to be forgotten")


def test_a_relay_that_ends_answers_who_waits(root: Any, alive: Hold) -> None:
    with running_relay(root) as relay, ThreadPoolExecutor() as pool:
        run = begin(relay, alive)
        waiting = pool.submit(ask, relay, run)
        wait_until(lambda: listens(relay) == 1, "somebody to wait")
        relay.process.terminate()
        answer = waiting.result(DEADLINE_S)
        assert (answer.status_code, answer.json()["done"]) == (202, False)


def test_the_openapi_description_tells_it(relay: Relay) -> None:
    paths = relay.client.get("/openapi.json").json()["paths"]
    waiting = paths["/api/v1/workflows/{run_id}/wait"]["get"]
    assert (
        waiting["operationId"] == "wait_for_run" and {"200", "202"} <= waiting["responses"].keys()
    )
    for path, code in (
        ("/api/v1/workflows", "202"),
        ("/api/v1/workflows/{run_id}/messages", "200"),
    ):
        told = paths[path]["post"]
        assert code in told["responses"]
        assert "wait" in [parameter["name"] for parameter in told["parameters"]]


def test_what_a_reopened_run_was_told_before_it_began(relay: Relay, alive: Hold) -> None:
    """It looks at rest once before it takes the message that had it go on, and once while the turn begins."""
    run = begin(relay, alive)
    read(run, "prompt", "first")
    rest(run, "prompt", "first")
    say(run, "workflow_stopped", reason="stop", inbox_offset=0)
    append_lines(run.inbox, encode({"type": "message", "id": "m", "content": "on", "resume": True}))
    told = run.inbox.stat().st_size
    alive(run)
    say(run, "workflow_started", workflow="claude", attempt=2, inbox_offset=told)
    say(run, "message_received", message_id="m", state="queued", inbox_offset=told)
    say(run, "progress_update", status="waiting")
    assert ask(relay, run, wait=0.3, **{"for": "turn"}).json()["done"] is False
    say(run, "command_lifecycle", command_uuid="m", state="started")
    say(run, "message_received", message_id="m", state="delivered", inbox_offset=told)
    assert ask(relay, run, wait=0.3, **{"for": "turn"}).json()["done"] is False
    rest(run, "m", "second")
    body = ask(relay, run, **{"for": "turn"}).json()
    assert (body["done"], body["text"]) == (True, "second")


def test_the_link_waits_for_the_turn_in_question(relay: Relay, alive: Hold) -> None:
    run = begin(relay, alive)
    read(run, "prompt", "x")
    path = f"/workflows/{run.run_id}/messages"
    late = relay.post(path, {"message": "hi", "id": "m"}, params={"wait": 0}).json()
    assert late["done"] is False
    rest(run, "prompt", "of the prompt")
    read(run, "m", "of the message")
    asked = late["links"]["wait"].removeprefix("/api/v1")
    again = relay.get(f"{asked}&wait=0")
    assert (again.status_code, again.json()["links"]) == (202, late["links"])
    rest(run, "m", "of the message")
    assert relay.get(asked).json()["text"] == "of the message"
    # A start's is for the answer to it, though the run goes on.
    body = {"workflow": "command", "params": {"argv": ["true"]}}
    started = relay.post("/workflows", body, params={"wait": 0}).json()
    assert started["links"]["wait"].endswith(f"{started['run_id']}/wait?for=turn")


def test_a_message_that_nobody_has_said(relay: Relay, alive: Hold) -> None:
    run = begin(relay, alive)
    read(run, "prompt", "x")
    for left in (1, 0):  # of a run that goes on, and of one that has ended
        answer = ask(relay, run, message="nobodys", **{"for": "turn"})
        assert (answer.status_code, answer.json()["type"]) == (404, "/docs#unknown-message")
        if left:
            append_lines(run.inbox, encode({"type": "message", "id": "left", "content": "hi"}))
            assert ask(relay, run, wait=0, message="left", **{"for": "turn"}).status_code == 202
            say(run, "workflow_failed", reason="lost", error="oh")
    # What nobody has taken has no answer, least of all that to another one.
    body = ask(relay, run, message="left", **{"for": "turn"}).json()
    assert (body["done"], body["text"], body["turn"]) == (True, None, None)
