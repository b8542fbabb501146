"""`trace`, `tasks`, `deployments`, `reasons`, `relay`: dialects of whole runs, by the words of their pages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runlog import RunLock, Workspace, open_workspace, read_manifest
from runlog.groups.catalog import write_catalog
from runlog.groups.deployments import Deployment, write_deployment
from tests.relay.answers import Answer, begin, inbox
from tests.relay.live import CATALOG, Relay, new_run, running_relay, say
from tests.support import wait_until

Alive = Callable[[Workspace], RunLock]
DATA = b"data: "


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Its dialects start the deployments `quick` and `agent`; the silence is short."""
    root = tmp_path_factory.mktemp("root")
    write_catalog(root, CATALOG)
    write_deployment(root, Deployment("quick", "command", params={"argv": ["true"]}))
    write_deployment(
        root, Deployment("agent", "claude", params={}, allowed_overrides=("max_turns",))
    )
    chosen = ("trace=quick", "trace-chat=agent", "tasks=agent", "reasons=agent")
    options = [word for one in chosen for word in ("--dialect-start", one)]
    with running_relay(root, *options) as started:
        yield started


def frames(raw: bytes) -> list[tuple[dict[str, str], Any]]:
    """The fields of each event beside its data, and that."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if "data" in fields:
            found.append((fields, json.loads(fields.pop("data"))))
    return found


def told(relay: Relay, path: str, **headers: str) -> list[tuple[dict[str, str], Any]]:
    answer = relay.client.get(f"/dialects{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return frames(answer.content)


def the_run(relay: Relay, answer: Answer) -> Workspace:
    return open_workspace(relay.root, answer.headers["x-workflow-id"])


# trace


def monty(run: Workspace) -> None:
    say(run, "workflow_started", workflow="monty", attempt=1)
    counts = {"iteration_count": 2, "total_quotes_delivered": 2, "total_elapsed": 1.5}
    counts |= {"current_quote": "Ni!", "should_exit": False}
    say(run, "progress_update", progress=40.0, status="iteration_2_quote", **counts)
    say(run, "log", message="not for them")
    say(run, "error", message="a hiccup")


def test_trace_of_a_run_that_is_started_by_a_get(relay: Relay, alive: Alive) -> None:
    answer = Answer(relay, "GET", "/trace/monty/stream")
    run = the_run(relay, answer)
    assert read_manifest(run).deployment == "quick"
    alive(run)
    monty(run)
    answer.wait_for("a hiccup")
    result = {"iteration_count": 2, "total_quotes_delivered": 2}
    say(run, "workflow_stopped", duration_s=1.5, reason="stop", result=result)
    events = [data for _, data in frames(answer.whole())]
    assert [event["event"] for event in events] == [
        "workflow_started",
        "progress_update",
        "error",
        "workflow_completed",
    ]
    assert {event["workflow_id"] for event in events} == {run.run_id}
    assert all(event["timestamp"] for event in events)
    progress = events[1]
    assert (progress["progress"], progress["status"]) == (40.0, "iteration_2_quote")
    assert (progress["iteration"], progress["quotes_delivered"], progress["elapsed"]) == (2, 2, 1.5)
    assert events[3]["result"]["total_iterations"] == 2


def test_a_browser_that_connects_again_goes_on_with_its_run(relay: Relay, alive: Alive) -> None:
    answer = Answer(relay, "GET", "/trace/monty/stream")
    run = the_run(relay, answer)
    alive(run)
    monty(run)
    answer.wait_for("a hiccup")
    ids = [fields["id"] for fields, _ in frames(answer.raw)]
    again = Answer(relay, "GET", "/trace/monty/stream", headers={"last-event-id": ids[0]})
    say(run, "workflow_completed", duration_s=1)
    assert frames(again.whole()) == frames(answer.whole())[1:]
    last = frames(answer.raw)[-1][0]["id"]
    over = relay.client.get("/dialects/trace/monty/stream", headers={"last-event-id": last})
    assert over.status_code == 204  # which ends a browser's trying
    strange = relay.client.get("/dialects/trace/monty/stream", headers={"last-event-id": "no:1"})
    assert strange.status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors"},
    ],
)
def test_a_get_that_starts_a_run_passes_the_doors_of_a_change(
    relay: Relay, headers: dict[str, str]
) -> None:
    count = len(relay.get("/workflows?limit=200").json()["runs"])
    answer = relay.client.get("/dialects/trace/monty/stream", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/docs#foreign-origin")
    assert len(relay.get("/workflows?limit=200").json()["runs"]) == count


def test_trace_signals_and_looks(relay: Relay, alive: Alive) -> None:
    run = new_run(relay.root)
    alive(run)
    monty(run)
    url = f"/dialects/trace/workflow/{run.run_id}"
    sent = relay.client.post(f"{url}/signal/stop")
    assert sent.json() == {
        "status": "signal sent",
        "workflow_id": run.run_id,
        "signal": "stop_workflow",
    }
    assert relay.client.post(f"{url}/signal/pause").json()["signal"] == "pause"
    assert [line.type for line in inbox(run)] == ["stop", "pause"]
    unknown = relay.client.post(f"{url}/signal/dance")
    assert unknown.status_code == 404 and "no signal 'dance'" in unknown.json()["detail"]
    status = relay.client.get(f"{url}/status").json()
    assert (status["workflow_id"], status["status"]) == (run.run_id, "RUNNING")
    query = relay.client.get(f"{url}/query").json()
    assert (query["progress"], query["current_quote"], query["iteration"]) == (40.0, "Ni!", 2)
    say(run, "workflow_completed", duration_s=1)
    assert relay.client.get(f"{url}/status").json()["status"] == "COMPLETED"
    history = relay.client.get(f"{url}/history").json()
    assert [event["event"] for event in history["events"]] == [
        "workflow_started",
        "progress_update",
        "error",
        "workflow_completed",
    ]
    assert history["next"] is None


def test_trace_chat_answers_in_the_call(relay: Relay, alive: Alive) -> None:
    answer = Answer(relay, "POST", "/trace/chat", {"message": "Hello"}, wait=False)
    run = _newest(relay, "agent", "Hello")
    alive(run)
    begin(run)
    content = [{"type": "text", "text": "Hi!"}]
    say(run, "assistant", message={"id": "m1", "role": "assistant", "content": content})
    say(run, "result", subtype="success", is_error=False, num_turns=1, result="Hi!")
    say(run, "workflow_completed", duration_s=1, result="Hi!")
    body = json.loads(answer.whole())
    assert (body["workflow_id"], body["response"]) == (run.run_id, "Hi!")
    assert relay.client.post("/dialects/trace/chat", json={"message": ""}).status_code == 422
    gone = {"message": "x", "workflow_id": "nobody"}
    assert relay.client.post("/dialects/trace/chat", json=gone).status_code == 404


def _newest(relay: Relay, deployment: str, prompt: str) -> Workspace:
    def look() -> str | None:
        rows = relay.get(f"/workflows?deployment={deployment}").json()["runs"]
        return next((row["run_id"] for row in rows if row["title"] == prompt), None)

    return open_workspace(relay.root, wait_until(look, "the run"))


# tasks


def test_tasks_planned_executed_and_followed(relay: Relay, alive: Alive) -> None:
    plan = {"name": "Tides", "tasks": [], "config": {"max_turns": 3}}
    made = relay.client.post("/dialects/tasks/api/v1/workflows/", json=plan)
    assert made.status_code == 201
    plan_id = made.json()["id"]
    assert relay.client.get(f"/dialects/tasks/api/v1/workflows/{plan_id}").json()["status"] == (
        "created"
    )
    url = f"/dialects/tasks/api/v1/workflows/{plan_id}/execute?stream=true"
    done = [relay.client.post(url).json() for _ in range(2)]  # the second changes nothing
    stream_url = done[0]["metadata"]["stream_url"]
    assert [one["id"] for one in done] == [plan_id, plan_id]
    run = open_workspace(relay.root, plan_id)
    manifest = read_manifest(run)
    assert (manifest.prompt, manifest.params) == ("Tides", {"max_turns": 3})
    alive(run)
    answer = Answer(relay, "GET", stream_url.removeprefix("/dialects"))
    say(run, "workflow_started", workflow="research", attempt=1, pid=1)
    say(run, "task_started", task_id="a", task_name="Moon", progress=0.0, data={"iteration": 1})
    say(run, "assistant", message={"role": "assistant", "content": []})
    say(run, "task_completed", task_id="a", task_name="Moon", progress=50, data={"finding": "two"})
    answer.wait_for("two")
    say(run, "workflow_completed", duration_s=1, result="The report", seal="s", inbox_offset=0)
    (_, first), *rest = frames(answer.whole())
    assert first == {"status": "connected", "workflow_id": plan_id}
    for fields, data in rest:
        assert fields["event"] == data["event_type"]
        assert data["workflow_id"] == plan_id and data["message"] and data["timestamp"]
    assert [data["event_type"] for _, data in rest] == [
        "workflow_started",
        "task_started",
        "task_completed",
        "workflow_completed",
    ]
    assert [data["progress_percent"] for _, data in rest] == [0.0, 0.0, 50.0, 100.0]
    assert rest[2][1]["data"]["result"] == "two"
    assert rest[3][1]["data"] == {"duration_s": 1, "result": "The report"}
    replayed = told(relay, stream_url.removeprefix("/dialects"))
    assert replayed == frames(answer.raw)
    later = told(relay, stream_url.removeprefix("/dialects"), **{"last-event-id": rest[1][0]["id"]})
    assert later[1:] == rest[2:]


@pytest.mark.parametrize(
    ("plan", "fault"),
    [
        ({}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": "x", "tasks": [{"name": "t"}]}, "#/runtime_overrides/tasks"),
        ({"name": "x", "config": {"max_turns": -1}}, "#/runtime_overrides/max_turns"),
        ({"name": "x", "config": {"model": "other"}}, "#/runtime_overrides/model"),
    ],
)
def test_a_plan_that_can_not_be_started_is_refused_at_once(
    relay: Relay, plan: dict[str, Any], fault: str
) -> None:
    answer = relay.client.post("/dialects/tasks/api/v1/workflows/", json=plan)
    assert answer.status_code == 422, answer.text
    assert fault in [error["pointer"] for error in answer.json()["errors"]]


def test_tasks_that_nobody_planned(relay: Relay) -> None:
    url = "/dialects/tasks/api/v1/workflows/nothing"
    assert relay.client.post(f"{url}/execute").status_code == 404
    assert relay.client.get(f"{url}/stream").status_code == 404
    assert relay.client.get(url).status_code == 404


# deployments


def test_a_deployment_in_pieces(relay: Relay, alive: Alive) -> None:
    body = {
        "deployment_name": "agent",
        "query": "Go on",
        "chat_history": [{"actor": "user", "content": "a"}, {"actor": "assistant", "content": "b"}],
        "runtime_overrides": {"max_turns": 2},
    }
    answer = Answer(relay, "POST", "/deployments/api/workflows/execute/stream", body)
    run = the_run(relay, answer)
    manifest = read_manifest(run)
    assert manifest.params == {"max_turns": 2}
    assert [turn["role"] for turn in manifest.chat_history] == ["user", "assistant"]
    alive(run)
    begin(run)
    start = {"type": "message_start", "message": {"id": "m1"}}
    say(run, "stream_event", event=start)
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    say(run, "stream_event", event=block)
    for word in ("one ", "two"):
        delta = {"type": "text_delta", "text": word}
        say(run, "stream_event", event={"type": "content_block_delta", "index": 0, "delta": delta})
    answer.wait_for("two")
    content = [{"type": "text", "text": "one two"}]
    say(run, "assistant", message={"id": "m1", "role": "assistant", "content": content})
    say(run, "permission_requested", request_id="p1", tool_name="Bash", input={})
    say(run, "result", subtype="success", is_error=False, num_turns=1, result="one two")
    say(run, "workflow_completed", duration_s=1, result="one two")
    events = [data for _, data in frames(answer.whole())]
    assert [(e["type"], e["data"], e["status"]) for e in events] == [
        ("status", None, "started"),
        ("content", "one ", None),
        ("content", "two", None),
        ("status", None, "completed"),
    ]
    for event in events:
        assert event["workflow_id"] == run.run_id and event["deployment_name"] == "agent"
        assert event["timestamp"] and event["error"] is None


def test_a_deployment_that_fails_and_one_that_says_nothing_but_a_result(
    relay: Relay, alive: Alive
) -> None:
    body = {"deployment_name": "agent", "query": "x"}
    failing, silent = (
        Answer(relay, "POST", "/deployments/api/workflows/execute/stream", body) for _ in range(2)
    )
    for answer in (failing, silent):
        run = the_run(relay, answer)
        alive(run)
        say(run, "workflow_started", workflow="theirs", attempt=1)
    say(the_run(relay, failing), "workflow_failed", reason="exit", error="it broke")
    say(the_run(relay, silent), "workflow_completed", duration_s=1, result={"n": 1})
    last = frames(failing.whole())[-1][1]
    assert (last["status"], last["error"]) == ("error", "it broke")
    assert [data["data"] for _, data in frames(silent.whole())] == [None, '{"n":1}', None]


def test_a_deployment_that_is_not_there(relay: Relay) -> None:
    for name in ("nothing", "command", "../x"):
        body = {"deployment_name": name, "query": "x"}
        for path in ("execute", "execute/stream"):
            answer = relay.client.post(f"/dialects/deployments/api/workflows/{path}", json=body)
            assert answer.status_code in (400, 404) and answer.json()["detail"]


# reasons


def test_a_decision_set(relay: Relay, alive: Alive) -> None:
    body = {
        "messages": [
            {"role": "user", "content": "earlier"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "A list"},
        ],
        "thread_id": "t-1",
    }
    begun = relay.client.post("/dialects/reasons/api/chat/async", json=body).json()
    run = open_workspace(relay.root, begun["decision_set_id"])
    assert begun == {
        "decision_set_id": run.run_id,
        "job_id": run.run_id,
        "thread_id": "t-1",
        "status": "pending",
    }
    job = f"/dialects/reasons/api/jobs/{run.run_id}/status"
    assert relay.client.get(job).json()["status"] == "pending"
    alive(run)
    say(run, "workflow_started", workflow="design", attempt=1)
    say(run, "steps_planned", steps=[{"name": "a"}, {"name": "b"}])
    say(run, "node_started", node="a", message="Beginning")
    say(run, "node_completed", node="a", outputs={})
    say(run, "progress_update", progress=50, message="half", status="b")
    say(run, "reason_card", agent="critic", decision="Keep it", confidence=0.9)
    say(run, "workflow_paused", reason="question")
    question = {"question": "How many?", "header": "N", "multiSelect": False}
    question["options"] = [{"label": name, "description": ""} for name in ("One", "Two")]
    say(run, "questions_presented", question_id="q1", questions=[question])
    answer = Answer(relay, "GET", f"/reasons/api/streams/{run.run_id}")
    answer.wait_for("questions-presented")
    assert relay.client.get(job).json()["status"] == "processing"
    url = f"/dialects/reasons/api/workflows/{run.run_id}/responses"
    bad = relay.client.post(url, json={"responses": {"How few?": "One"}})
    assert bad.status_code == 422
    said = relay.client.post(url, json={"responses": [{"question": "How many?", "answer": "Two"}]})
    assert (said.status_code, said.json()["question_id"]) == (202, "q1")
    assert inbox(run)[-1].body["answers"] == {"How many?": "Two"}
    say(run, "responses_collected", question_id="q1", answers={"How many?": "Two"})
    say(run, "workflow_resumed", reason="question")
    assert relay.client.post(url, json={"responses": {}}).status_code == 409
    say(run, "workflow_completed", duration_s=1, result={"plan": "x"})
    found = frames(answer.whole())
    assert [fields["event"] for fields, _ in found] == [
        "workflow-start",
        "node-start",
        "node-complete",
        "progress",
        "reason-card",
        "workflow-paused",
        "questions-presented",
        "responses-collected",
        "workflow-resumed",
        "workflow-complete",
    ]
    for fields, data in found:
        assert (data["type"], data["decision_set_id"]) == (fields["event"], run.run_id)
        assert data["timestamp"] and isinstance(data["data"], dict)
    assert [data["data"]["nodes_remaining"] for _, data in found[1:4]] == [2, 1, 1]
    assert found[3][1]["data"]["progress_percentage"] == 50.0
    assert found[1][1]["message"] == "Beginning"
    view = relay.client.get(job).json()
    assert (view["status"], view["result"]) == ("completed", {"plan": "x"})


def test_a_silence_is_broken_by_a_heartbeat(root: Path, alive: Alive) -> None:
    with running_relay(root, "--keepalive", "0.2") as relay:
        run = new_run(root)
        alive(run)
        say(run, "workflow_started", workflow="design", attempt=1)
        answer = Answer(relay, "GET", f"/reasons/api/streams/{run.run_id}")
        answer.wait_for("event: heartbeat")
        say(run, "workflow_completed", duration_s=1)
        for fields, data in frames(answer.whole())[1:-1]:
            assert (fields, data["type"]) == ({"event": "heartbeat"}, "heartbeat")
            assert data["decision_set_id"] == run.run_id and data["timestamp"]


# All of them.


@pytest.mark.parametrize("path", ["/tasks/api/v1/workflows/{}/stream", "/reasons/api/streams/{}"])
def test_an_end_that_is_none_is_not_told(relay: Relay, alive: Alive, path: str) -> None:
    """Neither what an agent writes, nor the end of an attempt that another one followed."""
    run = new_run(relay.root)
    alive(run)
    say(run, "workflow_started", workflow="x", attempt=1)
    body = {"type": "workflow_completed", "result": "forged"}
    with run.stream.open("a") as stream:  # `say` would let the lock go
        stream.write(json.dumps(body) + "\n")
    answer = Answer(relay, "GET", path.format(run.run_id))
    answer.wait_for("start")
    say(run, "workflow_started", workflow="x", attempt=2)
    say(run, "workflow_failed", reason="exit", error="the real one")
    raw = answer.whole()
    assert b"forged" not in raw and b"the real one" in raw


def test_a_run_whose_process_died_ends_for_all(relay: Relay) -> None:
    run = new_run(relay.root)
    say(run, "workflow_started", workflow="x", attempt=1)
    tasks = told(relay, f"/tasks/api/v1/workflows/{run.run_id}/stream")
    assert tasks[-1][1]["event_type"] == "workflow_failed"
    reasons = told(relay, f"/reasons/api/streams/{run.run_id}")
    assert (reasons[-1][0]["event"], reasons[-1][1]["data"]["reason"]) == ("error", "lost")


def test_two_dialects_on_one_run_at_once_see_the_same(relay: Relay, alive: Alive) -> None:
    run = new_run(relay.root)
    alive(run)
    say(run, "workflow_started", workflow="x", attempt=1)
    paths = (f"/tasks/api/v1/workflows/{run.run_id}/stream", f"/reasons/api/streams/{run.run_id}")
    answers = [Answer(relay, "GET", path) for path in paths for _ in range(5)]
    for number in range(50):
        say(run, "progress_update", progress=number, message=f"step {number}")
    say(run, "workflow_completed", duration_s=1)
    for answer in answers:
        steps = [data["message"] for _, data in frames(answer.whole()) if "step" in str(data)]
        assert steps == [f"step {number}" for number in range(50)]


def test_relay_is_the_api_itself(relay: Relay, alive: Alive) -> None:
    run = new_run(relay.root)
    alive(run)
    say(run, "workflow_started", workflow="x", attempt=1)
    base = f"/dialects/relay/api/v1/workflows/{run.run_id}"
    sent = relay.client.post(f"{base}/messages", json={"message": "hello"})
    assert sent.status_code == 202 and inbox(run)[-1].content == "hello"
    say(run, "workflow_completed", duration_s=1)
    ours = relay.get(f"/workflows/{run.run_id}/stream").content
    assert relay.client.get(f"{base}/stream").content == ours
