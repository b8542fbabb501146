"""Listing runs, their state, what is said to them, and their end."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from runlog import RunLock, Workspace, append_lines, read_inbox
from runlog.run.inbox_lines import input_sha256
from runlog.run.vouch import is_vouched
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.relay.sse_client import Stream
from tests.support import DEADLINE_S

Hold = Callable[[Workspace], RunLock]


def inbox(run: Workspace) -> list[dict[str, Any]]:
    return [line.body for line in read_inbox(run.inbox)]  # type: ignore[union-attr]


def test_list_pages_newest_first(root: Path) -> None:
    runs = [new_run(root, "command" if n % 2 else "claude").run_id for n in range(7)]
    with running_relay(root) as relay:
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = relay.get("/workflows", params={"limit": 3, **cursor}).json()
            seen += [row["run_id"] for row in page["runs"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == sorted(seen, key=lambda r: read_created(root, r), reverse=True)
        assert sorted(seen) == sorted(runs)
        say(Workspace(root, runs[0]), "workflow_completed", duration_s=2)
        done = relay.get("/workflows", params={"status": "completed"}).json()["runs"]
        assert [row["run_id"] for row in done] == [runs[0]]
        assert done[0]["duration_s"] == 2
        assert done[0]["links"]["self"] == f"/api/v1/workflows/{runs[0]}"
        claude = relay.get("/workflows", params={"workflow": "claude"}).json()["runs"]
        assert len(claude) == 4


def read_created(root: Path, run_id: str) -> tuple[str, str]:
    return json.loads((root / run_id / "run.json").read_text())["created_at"], run_id


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("status=done", 422),
        ("limit=0", 422),
        ("limit=201", 422),
        ("limit=x", 422),
        ("cursor=nonsense", 400),
    ],
)
def test_bad_list_queries(relay: Relay, query: str, status: int) -> None:
    answer = relay.get(f"/workflows?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


def test_state(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    url = f"/workflows/{run.run_id}"
    say(run, "workflow_started", workflow="command", attempt=1)
    say(run, "progress_update", progress=40, message="half", status="digging", holes=3)
    say(run, "node_started", node="dig")
    say(run, "questions_presented", question_id="q1", questions=[])
    say(run, "message_received", message_id="m1", state="delivered")
    state = relay.get(url).json()
    assert state["status"] == "waiting"
    assert (state["progress"], state["message"], state["activity"]) == (40, "half", "digging")
    assert state["fields"] == {"holes": 3}
    assert state["current_node"] == "dig"
    assert [q["question_id"] for q in state["open_questions"]] == ["q1"]
    assert state["counts"]["events"]["progress_update"] == 1
    assert state["counts"]["messages"] == {"delivered": 1}
    assert state["offset"] == run.stream.stat().st_size
    say(run, "workflow_failed", reason="exit", error="it broke \ud83d", duration_s=3)
    state = json.loads(relay.get(url).content)
    assert (state["status"], state["reason"], state["duration_s"]) == ("failed", "exit", 3)
    assert state["open_questions"] == []
    assert relay.client.get(state["links"]["events"]).json()["end"] is True


def test_state_of_a_lost_run_and_of_an_external_one(relay: Relay, run: Workspace) -> None:
    say(run, "workflow_started", workflow="theirs")
    state = relay.get(f"/workflows/{run.run_id}").json()
    assert (state["status"], state["reason"]) == ("failed", "lost")
    run.manifest.unlink()
    state = relay.get(f"/workflows/{run.run_id}").json()
    assert (state["status"], state["workflow"]) == ("running", "theirs")


def test_what_a_lost_run_was_about_is_over_before_a_line_says_so(
    relay: Relay, run: Workspace
) -> None:
    """In every view alike, and as it is once the runner has written its end."""
    say(run, "workflow_started", workflow="theirs", attempt=1)
    say(run, "user", uuid="m1", message={"role": "user", "content": "go"})
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
    say(run, "assistant", message={"id": "a1", "role": "assistant", "content": [call]})
    say(run, "node_started", node="n1")
    say(run, "questions_presented", question_id="q1", questions=[])
    say(run, "permission_requested", request_id="p1", tool_name="Bash", input={})
    url = f"/workflows/{run.run_id}"
    before = relay.get(url).json()
    row = relay.get("/workflows").json()["runs"][0]
    waited = relay.get(f"{url}/wait?for=turn").json()
    refused = relay.post(f"{url}/answers", {"question_id": "q1", "answers": {}})
    say(run, "workflow_failed", reason="lost")
    after = relay.get(url).json()
    for told in (before, after):
        assert (told["open_questions"], told["open_permissions"]) == ([], [])
        assert (told["current_tool"], told["current_node"]) == (None, None)
        assert (told["turn"]["running"], told["turn"]["finish_reason"]) == (False, "lost")
    assert (row["open_questions"], row["status"]) == (0, "failed")
    assert waited["turn"] == after["turn"]
    assert refused.status_code == 409


@pytest.mark.parametrize(
    "bad", ["..", "a%2Fb", "a%00b", "x" * 200, "A", "_idempotency", ".new", "%2e%2e%2f"]
)
@pytest.mark.parametrize("rest", ["", "/stream", "/events", "/files", "/files/run.json"])
def test_bad_run_ids(relay: Relay, bad: str, rest: str) -> None:
    # By hand: a client would tidy up the dots.
    with Stream(relay, f"/api/v1/workflows/{bad}{rest}") as answer:
        assert answer.status in (400, 404)
        assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"


def test_messages(relay: Relay, run: Workspace) -> None:
    url = f"/workflows/{run.run_id}/messages"
    first = relay.post(url, {"message": "hello", "id": "m-1", "delivery": "queue"})
    assert first.status_code == 202
    wait = f"/api/v1{url.removesuffix('/messages')}/wait?for=turn&message=m-1"
    told = {"message_id": "m-1", "offset": run.inbox.stat().st_size, "links": {"wait": wait}}
    assert first.json() == told
    again = relay.post(url, {"message": "hello", "id": "m-1"})
    assert (again.status_code, again.json()) == (202, first.json())
    blocks = [{"type": "text", "text": "é"}]
    second = relay.post(url, {"message": blocks}).json()
    lines = inbox(run)
    assert [line["content"] for line in lines] == ["hello", blocks]
    assert lines[0]["delivery"] == "queue"
    assert lines[1]["id"] == second["message_id"]
    taken_back = relay.client.delete(f"/api/v1{url}/m-1")
    assert taken_back.status_code == 202
    assert inbox(run)[-1] | {"type": "cancel", "message_id": "m-1"} == inbox(run)[-1]
    assert relay.client.delete(f"/api/v1{url}/nobody").status_code == 404
    say(run, "message_received", message_id=second["message_id"], state="delivered")
    assert relay.client.delete(f"/api/v1{url}/{second['message_id']}").status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": ""},
        {"message": " "},
        {"message": 7},
        {"message": []},
        {"message": [{"text": "no type"}]},
        {"message": "x", "delivery": "teleport"},
        {"message": "x", "id": "spaces are not"},
        {"message": "x", "id": ""},
        {"message": "x", "resume": "yes"},
        {"text": "x"},
    ],
)
def test_bad_messages(relay: Relay, run: Workspace, body: Any) -> None:
    answer = relay.post(f"/workflows/{run.run_id}/messages", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json; charset=utf-8"
    assert not run.inbox.exists()


def test_a_run_that_has_ended_takes_messages_only_to_go_on(relay: Relay) -> None:
    run = new_run(relay.root, "claude")
    recorded(run, 1)
    url = f"/workflows/{run.run_id}/messages"
    refused = relay.post(url, {"message": "more"})
    assert refused.status_code == 409
    assert "resume" in refused.json()["detail"]
    assert relay.post(f"/workflows/{run.run_id}/stop").status_code == 409
    assert relay.post(url, {"message": "more", "resume": True}).status_code == 202
    assert relay.get(f"/workflows/{run.run_id}").json()["status"] == "queued"
    other = new_run(relay.root, "command")
    recorded(other, 1)
    refused = relay.post(f"/workflows/{other.run_id}/messages", {"message": "x", "resume": True})
    assert refused.status_code == 409
    assert not other.inbox.exists()


def test_a_thousand_messages_of_eight_writers_arrive_once_each(
    relay: Relay, run: Workspace
) -> None:
    url = f"/workflows/{run.run_id}/messages"

    def write(writer: int) -> list[tuple[int, str]]:
        answers = [relay.post(url, {"message": f"{writer}-{n}"}).json() for n in range(125)]
        return [(answer["offset"], f"{writer}-{n}") for n, answer in enumerate(answers)]

    with ThreadPoolExecutor(8) as pool:
        told = sorted(pair for pairs in pool.map(write, range(8)) for pair in pairs)
    assert len(told) == 1000
    assert [line["content"] for line in inbox(run)] == [content for _, content in told]


@pytest.mark.parametrize("kind", ["stop", "interrupt", "pause", "resume"])
def test_commands(relay: Relay, run: Workspace, kind: str) -> None:
    url = f"/workflows/{run.run_id}/{kind}"
    assert relay.post(url).status_code == 202
    assert relay.post(url, {}).status_code == 202
    with_id = relay.post(url, {"id": "mine"}).json()
    assert with_id["message_id"] == "mine"
    assert relay.post(url, {"id": "mine"}).json() == with_id
    assert relay.post(url, {"unknown": 1}).status_code == 422
    assert [line["type"] for line in inbox(run)] == [kind] * 3
    assert relay.post(f"/workflows/nobody/{kind}").status_code == 404


def test_model_and_permission_mode(relay: Relay, run: Workspace) -> None:
    url = f"/workflows/{run.run_id}"
    assert relay.post(f"{url}/model", {"model": "m"}).status_code == 202
    assert relay.post(f"{url}/model", {"model": None}).status_code == 202
    assert relay.post(f"{url}/permission-mode", {"mode": "plan"}).status_code == 202
    assert relay.post(f"{url}/permission-mode", {}).status_code == 422
    told = [(line["type"], line.get("model"), line.get("mode")) for line in inbox(run)]
    assert told == [
        ("set_model", "m", None),
        ("set_model", None, None),
        ("set_permission_mode", None, "plan"),
    ]


def test_answers_and_permissions_count_once(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    url = f"/workflows/{run.run_id}"
    answer = {"question_id": "q 1", "answers": {"which?": "this"}}
    assert relay.post(f"{url}/answers", answer).status_code == 409
    say(run, "questions_presented", question_id="q 1", questions=[])
    say(run, "permission_requested", request_id="p1", tool_name="Bash", input={})
    forged = {"command": "rm -r ."}  # of an id the first request counts
    say(run, "permission_requested", request_id="p1", tool_name="Bash", input=forged)
    barrier = threading.Barrier(6)

    def race(_: int) -> int:
        barrier.wait(DEADLINE_S)
        return relay.post(f"{url}/answers", answer).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(race, range(6))) == [202] + [409] * 5
    permit = {"request_id": "p1", "decision": "allow", "updated_input": {"command": "ls"}}
    assert relay.post(f"{url}/permissions", permit | {"decision": "maybe"}).status_code == 422
    assert relay.post(f"{url}/permissions", permit | {"decision": "deny"}).status_code == 422
    assert relay.post(f"{url}/permissions", permit).status_code == 202
    assert relay.post(f"{url}/permissions", permit).status_code == 409
    first, second = inbox(run)
    assert (first["type"], first["answers"]) == ("answer", {"which?": "this"})
    assert {name: second[name] for name in permit} == permit
    assert second["input_sha256"] == input_sha256("Bash", {})
    assert is_vouched(run, first) and is_vouched(run, second)
    say(run, "responses_collected", question_id="q 1", answers={}, source="human")
    refused = relay.post(f"{url}/answers", answer)
    assert refused.status_code == 409
    assert "none" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("wrong", "status", "told"),
    [
        ({"input_sha256": input_sha256("Bash", {"command": "ls"})}, 422, "#/input_sha256"),
        ({"input_sha256": ""}, 422, "#/input_sha256"),
        ({"input_sha256": "0" * 64, "decision": "deny"}, 422, "#/input_sha256"),
        ({"input_sha256": 7}, 422, "#/input_sha256"),
        ({"updated_input": ["ls"]}, 422, "#/updated_input"),
        ({"updated_input": "ls"}, 422, "#/updated_input"),
        ({"updated_input": {}}, 422, "#/updated_input"),
        ({"updated_input": {"cmd": "ls"}}, 422, "#/updated_input"),
        ({"updated_input": {"command": 7, "cwd": "/"}}, 422, "#/updated_input/command"),
        ({"updated_permissions": [{"type": "setMode"}]}, 422, "#/updated_permissions/0"),
        ({"answers": {"which?": "this"}}, 422, "#/answers"),
        ({"request_id": "q-1"}, 409, "'q-1' is a question, no permission request"),
        ({"request_id": "p-2"}, 409, "Open now: 'p-1'"),
    ],
)
def test_a_decision_that_does_not_fit_leaves_the_request_open(
    relay: Relay, run: Workspace, alive: Hold, wrong: Any, status: int, told: str
) -> None:
    alive(run)
    say(run, "questions_presented", question_id="q-1", questions=QUESTIONS)
    say(run, "permission_requested", request_id="p-1", tool_name="Bash", input={"command": "rm x"})
    url = f"/workflows/{run.run_id}/permissions"
    body = {"request_id": "p-1", "decision": "allow"}
    refused = relay.post(url, body | wrong)
    assert refused.status_code == status
    problem = refused.json()
    assert told in problem["detail"] or told in [e["pointer"] for e in problem["errors"]]
    url_of_socket = f"{relay.url.replace('http', 'ws')}/api/v1/workflows/{run.run_id}/ws?types=none"
    with connect(url_of_socket, proxy=None, open_timeout=DEADLINE_S) as socket:
        socket.send(json.dumps({"type": "permission"} | body | wrong))
        answer = json.loads(socket.recv(timeout=DEADLINE_S))
    assert answer["problem"]["detail"] == problem["detail"]
    assert inbox(run) == []
    right = body | {"input_sha256": input_sha256("Bash", {"command": "rm x"})}
    assert relay.post(url, right).status_code == 202
    asked = relay.post(f"/workflows/{run.run_id}/answers", {"question_id": "p-1", "answers": {}})
    assert asked.status_code == 409 and "is a permission request" in asked.json()["detail"]


def test_after_an_answer_that_was_dropped_comes_another(
    relay: Relay, run: Workspace, alive: Hold
) -> None:
    alive(run)
    say(run, "permission_requested", request_id="p-1", tool_name="Bash", input={})
    url = f"/workflows/{run.run_id}/permissions"
    for attempt in range(3):
        posted = relay.post(url, {"request_id": "p-1", "decision": "deny"})
        assert posted.status_code == 202, attempt
        assert relay.post(url, {"request_id": "p-1", "decision": "deny"}).status_code == 409
        receipt = {"message_id": posted.json()["message_id"], "state": "dropped"}
        say(run, "message_received", **receipt, message_type="permission")
    assert len({line["id"] for line in inbox(run)}) == 3


def test_a_run_whose_process_died_is_removed_once_its_stream_says_so(
    relay: Relay, run: Workspace
) -> None:
    url = f"/api/v1/workflows/{run.run_id}"
    say(run, "workflow_started")
    refused = relay.client.delete(url)
    assert (refused.status_code, refused.json()["type"]) == (409, "/docs#run-active")
    assert "runner" in refused.json()["detail"]
    say(run, "workflow_failed", reason="lost")
    assert relay.client.delete(url).status_code == 204
    assert not run.path.exists()


QUESTIONS = [
    {"question": "Which database?", "header": "DB", "options": [{"label": "Postgres"}]},
    {"question": "a/b ~ c?", "header": "Sizes", "options": [], "multiSelect": True},
]


@pytest.mark.parametrize(
    ("answers", "pointers"),
    [
        ({}, ["#/answers/Which database?", "#/answers/a~1b ~0 c?"]),
        ({"db": "x", "Sizes": "S"}, ["#/answers/db", "#/answers/Which database?"]),
        ({"DB": ["x"], "Sizes": "S"}, ["#/answers/DB"]),
        ({"DB": "x", "Sizes": []}, ["#/answers/Sizes"]),
        ({"DB": "x", "Sizes": None, "z": 1}, ["#/answers/Sizes", "#/answers/z"]),
    ],
)
def test_answers_that_do_not_fit_leave_the_question_open(
    relay: Relay, run: Workspace, alive: Hold, answers: Any, pointers: list[str]
) -> None:
    alive(run)
    url = f"/workflows/{run.run_id}/answers"
    say(run, "questions_presented", question_id="q", questions=QUESTIONS)
    refused = relay.post(url, {"question_id": "q", "answers": answers})
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == pointers
    assert inbox(run) == []
    taken = relay.post(url, {"question_id": "q", "answers": {"Sizes": ["S"], "DB": "Postgres"}})
    assert taken.status_code == 202
    assert inbox(run)[0]["answers"] == {"Which database?": "Postgres", "a/b ~ c?": ["S"]}


def test_only_a_run_that_has_ended_can_be_removed(
    relay: Relay, run: Workspace, alive: Hold
) -> None:
    url = f"/api/v1/workflows/{run.run_id}"
    queued = relay.client.delete(url)
    assert queued.status_code == 409
    assert "/stop" in queued.json()["detail"]
    lock = alive(run)
    say(run, "workflow_started")
    assert relay.client.delete(url).status_code == 409
    append_lines(run.stream, b'{"type":"workflow_completed"}\n')
    assert relay.client.delete(url).status_code == 409, "its process still holds the lock"
    lock.release()
    (run.files / "locked").mkdir()
    assert relay.get(f"/workflows/{run.run_id}").status_code == 200
    assert relay.client.delete(url).status_code == 204
    assert not run.path.exists()
    assert [p for p in relay.root.iterdir() if p.name.startswith(".old")] == []
    for answer in (relay.client.get(url), relay.client.delete(url)):
        assert answer.status_code == 404
    # The name is free again, and nothing of the first is remembered.
    asked = {"workflow": "command", "params": {"argv": ["x"]}, "run_id": run.run_id}
    assert relay.post("/workflows", asked).status_code == 201
    assert relay.client.get(url).json()["counts"]["events"] == {}


def test_pages_of_events(relay: Relay, run: Workspace) -> None:
    url = f"/workflows/{run.run_id}/events"
    assert relay.get(url).json() == {"events": [], "next": 0, "end": False}
    data = recorded(run, 20)
    offsets, events, after = [], [], 0
    while True:
        page = relay.get(url, params={"after": after, "limit": 3}).json()
        offsets += [item["offset"] for item in page["events"]]
        events += [item["event"] for item in page["events"]]
        after = page["next"]
        if page["end"]:
            break
    assert events == [json.loads(line) for line in data.splitlines()]
    assert offsets[-1] == after == len(data)
    raw = relay.get(url).content
    assert all(line in raw for line in data.splitlines()), "each line is there as it was written"
    only = relay.get(url, params={"types": "workflow_started"}).json()
    assert (len(only["events"]), only["next"], only["end"]) == (1, len(data), True)
    past = relay.get(url, params={"after": len(data) + 1}).json()
    assert past["reset"] is True and len(past["events"]) == 22
    inside = relay.get(url, params={"after": 1}).json()
    assert len(inside["events"]) == 21


def test_pages_from_every_offset(relay: Relay, run: Workspace) -> None:
    data = recorded(run, 4)
    for offset in range(len(data) + 1):
        page = relay.get(f"/workflows/{run.run_id}/events", params={"after": offset}).json()
        rest = [item["offset"] for item in page["events"]]
        first = next((o for o in rest), len(data))
        assert first >= offset
        assert page["next"] == len(data) and page["end"]


def test_a_long_poll_waits_for_the_first_event(relay: Relay, run: Workspace, alive: Hold) -> None:
    alive(run)
    url = f"/workflows/{run.run_id}/events"
    assert relay.get(url, params={"wait": 0.1}).json()["events"] == []
    with ThreadPoolExecutor(1) as pool:
        for types, written in (({}, "log"), ({"types": "wanted"}, "wanted")):
            after = run.stream.stat().st_size if run.stream.exists() else 0
            poll = pool.submit(relay.get, url, params={"after": after, "wait": 60, **types})
            for kind in ("noise", written) if types else (written,):
                say(run, kind)
            page = poll.result(timeout=DEADLINE_S).json()
            assert page["events"][0]["event"]["type"] == written
        poll = pool.submit(relay.get, url, params={"after": page["next"], "wait": 60, "types": "x"})
        say(run, "workflow_completed")
        page = poll.result(timeout=DEADLINE_S).json()
        assert (page["events"], page["end"]) == ([], True)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=10001", "wait=-1", "wait=61", "wait=nan", "wait=x", "limit=x"]
)
def test_bad_page_queries(relay: Relay, run: Workspace, query: str) -> None:
    answer = relay.get(f"/workflows/{run.run_id}/events?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
