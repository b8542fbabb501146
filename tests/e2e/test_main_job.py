"""Start, follow, talk into, stop, resume, replay: over HTTP, on the real CLI."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
from httpx_sse import connect_sse

import runlog
from runlog import Workspace
from tests.e2e.conftest import House, relay_of, runner_of
from tests.support import (
    DEADLINE_S,
    bash,
    events,
    kill,
    receipts,
    records,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_for_transcript,
    wait_tool,
    wait_until,
)

COUNT = """
import sys, time, os
n, gate = int(sys.argv[1]), sys.argv[2]
for i in range(n):
    print('{"type":"count","n":%d}' % i, flush=True)
    if i == n // 2:
        while not os.path.exists(gate): time.sleep(0.01)
"""


def sse(url: str, **headers: str) -> list[tuple[str, str, str]]:
    """All events of a stream as (event, id, data), by a client that others wrote."""
    with (
        httpx.Client(timeout=DEADLINE_S) as client,
        connect_sse(client, "GET", url, headers=headers) as source,
    ):
        assert source.response.status_code == 200
        return [(event.event, event.id, event.data) for event in source.iter_sse()]


def data_of(run: Workspace) -> list[str]:
    return [record.line.decode() for record in records(run)]


def test_talk_into_a_running_agent(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    prompt = script({"text": "wait", "tools": [wait_tool(gate)]}, {"text": "heard: {{last_user}}"})
    run = house.start("claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
    with ThreadPoolExecutor() as pool:
        live = pool.submit(sse, house.stream_url(run))
        wait_for_tool(run)
        answer = house.say(run, "the blue one", id="m1")
        assert answer.status_code == 202
        wait_for(run, "command_lifecycle", command_uuid="m1")
        gate.touch()
        seen = live.result(timeout=DEADLINE_S)
    assert house.client.get(f"/api/v1/workflows/{run.run_id}").json()["status"] == "completed"
    assert seen[-1][0] == "end" and json.loads(seen[-1][2]) == {"status": "completed"}
    assert [data for _, _, data in seen[:-1]] == data_of(run)
    assert any("heard: the blue one" in data for _, _, data in seen)
    assert receipts(run, "m1") == ["queued", "delivered", "completed"]
    # Replay from every offset is what is left of it, and so is the long poll.
    offsets = [0, *(record.offset for record in records(run))]
    for number, offset in enumerate(offsets[:-1]):
        assert sse(house.stream_url(run, f"?after={offset}"))[:-1] == seen[number:-1]
        page = house.client.get(
            f"/api/v1/workflows/{run.run_id}/events?after={offset}&wait=1"
        ).json()
        assert [e["offset"] for e in page["events"]] == offsets[number + 1 :]
    ended = httpx.get(
        house.stream_url(run), headers={"Last-Event-ID": str(offsets[-1])}, timeout=DEADLINE_S
    )
    assert ended.status_code == 204


def test_before_during_and_after_see_the_same(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        body = {"argv": ["python3", "-c", COUNT, "400", str(gate)]}
        answer = house.client.post(
            "/api/v1/workflows", json={"workflow": "command", "params": body, "run_id": "counted"}
        )
        assert answer.status_code == 201
        run = runlog.open_workspace(house.root, "counted")
        before = pool.submit(sse, house.stream_url(run))
        wait_until(lambda: len(events(run, "count")) > 200, "half of it")
        during = [pool.submit(sse, house.stream_url(run)) for _ in range(3)]
        gate.touch()
        wait_for_end(run)
        after = sse(house.stream_url(run))
        assert before.result(DEADLINE_S) == after
        assert all(each.result(DEADLINE_S) == after for each in during)
    assert [json.loads(d)["n"] for _, _, d in after if '"count"' in d] == list(range(400))


def test_thousand_messages_of_eight_writers(house: House) -> None:
    """Each arrives once, in the order of the inbox, also those that were posted twice."""
    code = (
        "import sys, json\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    print(json.dumps({'type': 'got', 'id': m['id']}), flush=True)\n"
    )
    run = house.start("command", params={"argv": ["python3", "-c", code], "input": "stdin"})
    wait_for(run, "workflow_started")

    def write(writer: int) -> None:
        with httpx.Client(base_url=house.url, timeout=DEADLINE_S) as client:
            for number in range(125):
                body = {"message": f"{writer}/{number}", "id": f"w{writer}-{number}"}
                url = f"/api/v1/workflows/{run.run_id}/messages"
                for _ in range(1 if number % 10 else 2):
                    # Of eight writers at a slow disk one may be told to come again.
                    while (answer := client.post(url, json=body)).status_code == 503:
                        assert answer.json()["type"].endswith("run-busy")
                    assert answer.status_code == 202

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(events(run, "got")) >= 1000, "all of them")
    assert house.client.post(f"/api/v1/workflows/{run.run_id}/stop").status_code == 202
    wait_for_end(run)
    inbox = [line.id for line in runlog.read_inbox(run.inbox) if line.type == "message"]
    got = [event["id"] for event in events(run, "got")]
    assert len(inbox) == len(set(inbox)) == 1000
    assert got == inbox
    delivered = [
        e["message_id"]
        for e in events(run, "message_received")
        if e["state"] == "delivered" and e["message_type"] == "message"
    ]
    assert delivered == inbox


def test_relay_killed_in_mid_stream(root: Path, tmp_path: Path, free_port: int) -> None:
    """A client that reconnects with the last id it has, as an EventSource does, has every event once."""
    root.mkdir()
    gate = tmp_path / "go"
    seen: list[tuple[str, str, str]] = []
    with runner_of(root):
        with relay_of(root, free_port) as house:
            params = {"argv": ["python3", "-c", COUNT, "2000", str(gate)]}
            run = house.start("command", params=params)
            with (
                httpx.Client(timeout=DEADLINE_S) as client,
                connect_sse(client, "GET", house.stream_url(run)) as source,
            ):
                for event in source.iter_sse():
                    seen.append((event.event, event.id, event.data))
                    if len(seen) == 700:
                        house.kill_relay()
                        break
        with relay_of(root, free_port) as house:
            gate.touch()
            last = seen[-1][1]
            seen += sse(house.stream_url(run), **{"Last-Event-ID": last})
    assert [data for _, _, data in seen[:-1]] == data_of(run)
    assert seen[-1][0] == "end"


def test_runner_killed_runs_go_on_and_are_adopted(root: Path, tmp_path: Path) -> None:
    root.mkdir()
    gate = tmp_path / "go"
    with relay_of(root, 0) as house:
        with runner_of(root) as first:
            prompt = script({"tools": [wait_tool(gate)]}, {"text": "{{last_user}}"})
            run = house.start("claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
            wait_for_tool(run)
            kill(first.pid)
            first.wait()
            assert house.say(run, "still there?", id="m1").status_code == 202
        with runner_of(root):
            wait_for(run, "command_lifecycle", command_uuid="m1")
            assert house.client.get(f"/api/v1/workflows/{run.run_id}").json()["status"] == "running"
            gate.touch()
            assert wait_for_end(run)["result"] == "still there?"
    assert len(events(run, "workflow_started")) == 1


def test_killed_agent_is_resumed_in_the_same_stream(house: House, tmp_path: Path) -> None:
    prompt = script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"})
    run = house.start("claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
    wait_for_tool(run)
    wait_for_transcript(run)
    with ThreadPoolExecutor() as pool:
        live = pool.submit(sse, house.stream_url(run))
        kill(wait_for(run, "workflow_started")["pid"])  # first, or it would tell of the agent's end
        for pid in tree_of(run):
            with suppress(ProcessLookupError):  # the guard ends them too
                kill(pid)
        assert wait_for_end(run)["reason"] == "lost"
        first = live.result(DEADLINE_S)
    assert json.loads(first[-1][2]) == {"status": "failed"}
    assert house.say(run, "x").status_code == 409
    answer = house.say(run, script({"text": "back again"}), id="m1", resume=True)
    assert answer.status_code == 202
    rest = sse(house.stream_url(run), **{"Last-Event-ID": first[-2][1]})
    assert [d for _, _, d in first[:-1] + rest[:-1]] == data_of(run)
    assert wait_for_end(run, attempt=2)["result"] == "back again"
    state = house.client.get(f"/api/v1/workflows/{run.run_id}").json()
    assert (state["status"], state["attempt"]) == ("completed", 2)


def test_stop_and_interrupt(house: House, tmp_path: Path) -> None:
    prompt = script({"tools": [wait_tool(tmp_path / "never")]}, {"text": "no"})
    params = {"allowed_tools": ["Bash"]}
    run = house.start("claude", prompt=prompt, params=params, interactive=True)
    wait_for_tool(run)
    base = f"/api/v1/workflows/{run.run_id}"
    assert house.client.delete(base).status_code == 409
    assert house.client.post(f"{base}/interrupt").status_code == 202
    wait_for(run, "result", subtype="error_during_execution")
    wait_until(lambda: house.client.get(base).json()["status"] == "waiting", "waiting")
    assert house.client.post(f"{base}/stop").status_code == 202
    assert wait_for_end(run)["type"] == "workflow_stopped"
    assert house.client.post(f"{base}/stop").status_code == 409
    wait_until(lambda: not tree_of(run), "the tree to be gone")
    wait_until(lambda: house.client.delete(base).status_code == 204, "the folder to be removed")
    assert house.client.get(base).status_code == 404


def test_start_with_the_stream_as_the_answer(house: House) -> None:
    body = {"workflow": "claude", "prompt": "hello you", "params": {"tools": []}}
    with (
        httpx.Client(base_url=house.url, timeout=DEADLINE_S) as client,
        client.stream(
            "POST", "/api/v1/workflows", json=body, headers={"Accept": "text/event-stream"}
        ) as answer,
    ):
        assert answer.status_code == 201
        text = answer.read().decode()
    assert "hello you" in text and text.rstrip().endswith('data: {"status":"completed"}')
    assert answer.headers["location"].startswith("/api/v1/workflows/claude-")


def test_files_of_the_agent(house: House) -> None:
    tool = bash("mkdir sub; echo one > sub/a.txt; ln -s /etc/passwd leak; echo '<b>' > page.html")
    run = house.start(
        "claude",
        prompt=script({"tools": [tool]}, {"text": "x"}),
        params={"allowed_tools": ["Bash"]},
    )
    wait_for_end(run)
    base = f"/api/v1/workflows/{run.run_id}/files"
    assert house.client.get(f"{base}/sub/a.txt").text == "one\n"
    assert house.client.get(f"{base}/leak").status_code in (403, 404)
    assert "attachment" in house.client.get(f"{base}/page.html").headers["content-disposition"]
    assert house.client.get(f"{base}/_stream.jsonl").content == run.stream.read_bytes()
