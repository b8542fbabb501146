"""What an agent may leave in its folder, and what becomes of the calls: the names of files are the contract's."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest

from runlog import AppendFile, RunLock, Workspace
from runlog.groups.catalog import write_catalog
from tests.odd import ODD, SECRET, take_place
from tests.relay.live import CATALOG, PROJECT, Relay, new_run, recorded, running_relay, say
from tests.support import wait_until

RUN_FILES = ["run.json", "_stream.jsonl", "_inbox.jsonl", "_lock", "_stderr.log", "files"]


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("/docs#")


def row_of(relay: Relay, run: Workspace, **fields: Any) -> dict[str, Any] | None:
    """The run's row in the listing, if it has these fields."""
    rows = relay.get("/workflows?limit=200").json()["runs"]
    rows = [row for row in rows if row["run_id"] == run.run_id]
    return next((row for row in rows if row.items() >= fields.items()), None)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", RUN_FILES)
def test_what_is_no_file_is_told_of_and_removed(relay: Relay, name: str, kind: str) -> None:
    run, other = new_run(relay.root), new_run(relay.root)
    outside = take_place(run.path / name, kind)
    url = relay.workflow_url
    state = relay.client.get(url(run))
    broken = name in ("run.json", "_stream.jsonl") or (name == "_lock" and kind != "huge")
    status = "failed" if broken else "queued"
    # The listing may have seen the run before, and learns of what took the file's place.
    row = wait_until(lambda: row_of(relay, run, status=status), "the row")
    assert state.status_code == 200
    if broken:
        assert (state.json()["status"], state.json()["reason"]) == ("failed", "broken")
        assert str(run.path / name) in state.json()["error"]
        # Of a huge file the listing reads the end only.
        assert row["reason"] == "broken" or kind == "huge"
    else:
        assert state.json()["status"] == "queued"
    told = []
    for path in ("/events", "/history", "/stream?follow=false", "/stream?follow=false&tail=3"):
        answer = relay.client.get(url(run, path))
        assert SECRET.strip() not in answer.content
        assert answer.status_code in (200, 204) or kind_of(answer) == "unreadable-stream"
        told.append(answer.status_code)
    assert told == [503] * 4 if name == "_stream.jsonl" else 503 not in told
    for form in ("markdown", "claude") if kind != "huge" else ():
        answer = relay.client.get(url(run, f"/export?format={form}"))
        assert answer.status_code in (200, 409, 503)
        if answer.status_code != 200 and kind_of(answer) != "no-conversation":
            assert str(run.path / name) in answer.json()["detail"]
    for path in ("/messages", "/stop"):
        body = {"message": "hello", "id": "m-1"} if path == "/messages" else None
        answer = relay.client.post(url(run, path), json=body)
        assert answer.status_code == 202 or kind_of(answer) in ("unusable-file", "run-finished")
        if name == "_inbox.jsonl" or (row["reason"] == "broken" and kind != "huge"):
            assert kind_of(answer) == "unusable-file"
    assert relay.client.head(url(run, f"/files/{name}")).status_code in (200, 403, 404)
    assert outside.read_bytes() == SECRET
    assert relay.client.get("/metrics").status_code == 200
    assert relay.client.post(url(other, "/messages"), json={"message": "hi"}).status_code == 202
    answer = relay.client.delete(url(run))
    if row["status"] != "queued" or (name == "_inbox.jsonl" and kind != "huge"):
        assert answer.status_code == 204
        assert not os.path.lexists(run.path)
    else:
        assert kind_of(answer) == "run-active"
        shutil.rmtree(run.path)
    assert outside.read_bytes() == SECRET


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\0", b'"text"'])
def test_a_run_json_that_says_nothing(relay: Relay, run: Workspace, body: bytes) -> None:
    run.manifest.write_bytes(body)
    state = relay.client.get(relay.workflow_url(run)).json()
    assert (state["status"], state["reason"]) == ("failed", "broken")
    row = wait_until(lambda: row_of(relay, run, status="failed"), "the row")
    assert "not a JSON object" in row["message"]
    assert relay.client.delete(relay.workflow_url(run)).status_code == 204


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "fifo", "socket"])
def test_what_is_no_folder_is_no_run(relay: Relay, tmp_path: Path, kind: str) -> None:
    """A link would lead out of the root, however much what it leads to looks like a run."""
    run = new_run(relay.root)
    recorded(run, 2)
    moved = tmp_path / "moved"
    run.path.rename(moved)
    ODD[kind](run.path, moved)
    for path in ("", "/stream", "/events", "/history", "/files", "/files/run.json"):
        answer = relay.client.get(relay.workflow_url(run, path))
        assert (answer.status_code, kind_of(answer)) == (404, "unknown-run")
    for path in ("/messages", "/stop"):
        answer = relay.client.post(relay.workflow_url(run, path), json={"message": "hi"})
        assert answer.status_code in (404, 422)
    assert relay.client.delete(relay.workflow_url(run)).status_code == 404
    assert row_of(relay, run) is None
    assert sorted(os.listdir(moved)) == ["_stream.jsonl", "files", "run.json"]
    run.path.unlink()


def test_a_run_with_a_process_is_not_removed_however_broken(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], RunLock]
) -> None:
    lock = alive(run)
    say(run, "workflow_started", attempt=1)
    take_place(run.manifest, "fifo")
    answer = relay.client.delete(relay.workflow_url(run))
    assert (answer.status_code, kind_of(answer)) == (409, "run-active")
    assert relay.client.post(relay.workflow_url(run, "/stop")).status_code == 202
    lock.release()
    assert relay.client.delete(relay.workflow_url(run)).status_code == 204


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "huge"])
def test_a_stream_that_becomes_something_else_while_it_is_followed(
    relay: Relay, run: Workspace, kind: str, alive: Callable[[Workspace], RunLock]
) -> None:
    """Its listener is sent home without an `end`: who comes again is told why. Mended, it goes on."""
    alive(run)
    say(run, "workflow_started", attempt=1)
    before = run.stream.read_bytes()
    url = relay.workflow_url(run, "/stream")
    with httpx_sse.connect_sse(relay.client, "GET", url) as source:
        events = source.iter_sse()
        assert next(events).id == str(len(before))
        outside = take_place(run.stream, kind)
        assert [event.event for event in events] == ["reset"]
    assert kind_of(relay.client.get(url)) == "unreadable-stream"
    if kind == "folder":
        shutil.rmtree(run.stream)
    else:
        run.stream.unlink()
    run.stream.write_bytes(before)
    say(run, "workflow_completed", inbox_offset=0)
    with httpx_sse.connect_sse(relay.client, "GET", url) as source:
        assert [event.event for event in source.iter_sse()] == ["message", "message", "end"]
    assert outside.read_bytes() == SECRET


def test_one_bad_stream_among_many(relay: Relay, run: Workspace) -> None:
    good = new_run(relay.root)
    recorded(good, 2)
    recorded(run, 2)
    take_place(run.stream, "fifo")
    path = f"/api/v1/stream?run={run.run_id}&run={good.run_id}"
    with httpx_sse.connect_sse(relay.client, "GET", path) as source:
        told = [(event.event, event.json()["run_id"]) for event in source.iter_sse()]
    assert ("gone", run.run_id) in told and ("end", good.run_id) in told


def test_files_of_the_root(root: Path) -> None:
    """Each answers, and is mended by what writes it, or removed."""
    batches, deployments = root / "_batches", root / "_deployments"
    batches.mkdir()
    deployments.mkdir()
    asked = {"workflow": "command", "params": {"argv": ["true"]}}
    with running_relay(root) as relay:
        for kind in ODD:
            outside = [
                take_place(path, kind)
                for path in (batches / "odd.json", deployments / "odd.json", root / "_catalog.json")
            ]
            outside.append(take_place(batches / f".making-{kind}.json", kind))
            assert relay.get("/batches").json()["batches"] == []
            assert kind_of(relay.get("/batches/odd")) == "unusable-file"
            assert kind_of(relay.get("/deployments/odd")) == "broken-deployment"
            listed = relay.get("/deployments").json()
            assert [each["name"] for each in listed["broken"]] == ["odd"]
            assert kind_of(relay.get("/catalog")) == "unusable-file"
            assert kind_of(relay.post("/workflows", asked)) == "unusable-file"
            assert relay.get("/workflows").status_code == 200
            write_catalog(root, CATALOG)  # as a runner does when it starts
            for url in ("/batches/odd", "/deployments/odd"):
                assert relay.client.delete(f"/api/v1{url}").status_code == 204
                assert relay.get(url).status_code == 404
            take_place(deployments / "odd.json", kind)
            answer = relay.client.put("/api/v1/deployments/odd", json=asked)
            assert answer.status_code in (200, 201), answer.text
            assert relay.get("/deployments/odd").status_code == 200
            assert {path.read_bytes() for path in outside} == {SECRET}
            (deployments / "odd.json").unlink()


def test_folders_of_the_root_that_are_none(root: Path) -> None:
    params = {"argv": ["true"]}
    names = ["_batches", "_deployments", "_idempotency"]
    with running_relay(root) as relay:
        for wrong, name in enumerate(names):
            for kind in ("fifo", "dangling", "link", "loop", "socket", "hard-link"):
                outside = take_place(root / name, kind)
                for path in ("/batches", "/deployments", "/workflows", "/catalog"):
                    assert relay.get(path).status_code == 200
                asked = {"workflow": "command", "params": params}
                key = {"idempotency-key": f"{name} {kind}"}
                answers = [
                    relay.post("/batches", {"workflow": "command", "inputs": [{"params": params}]}),
                    relay.client.put(f"/api/v1/deployments/{kind}-{wrong}", json=asked),
                    relay.post("/workflows", asked, headers=key),
                ]
                assert kind_of(answers.pop(wrong)) == "unusable-file"
                assert [answer.status_code for answer in answers] == [201, 201]
                (root / name).unlink()
                outside.unlink()
            for made in names:
                if (root / made).exists():
                    shutil.rmtree(root / made)


# In a mount namespace of its own, a root on a file system that can be read only.
_READ_ONLY = """
set -e
mount --bind {root} {root}
mount -o remount,bind,ro {root}
exec {python} -m relay --root {root} --port 0
"""


def test_a_root_that_is_read_only(root: Path) -> None:
    ended, queued = new_run(root), new_run(root)
    data = recorded(ended, 3)
    live = new_run(root)
    say(live, "workflow_started", attempt=1)
    lock = RunLock(live.lock)
    assert lock.acquire()
    script = _READ_ONLY.format(root=root, python=sys.executable)
    process = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", script],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        if not line and ("unshare" in (told := process.stderr.read()) or "mount" in told):
            pytest.skip("no mount namespace of one's own here")
        with httpx.Client(
            base_url=line.removeprefix("listening on ").strip(), timeout=80
        ) as client:
            relay = Relay(root, "", process, client)
            rows = relay.get("/workflows").json()["runs"]
            statuses = {row["run_id"]: row["status"] for row in rows}
            assert statuses == {
                ended.run_id: "completed",
                queued.run_id: "queued",
                live.run_id: "running",
            }
            for run, status in statuses.items():
                assert relay.get(f"/workflows/{run}").json()["status"] == status
            assert len(relay.get(f"/workflows/{ended.run_id}/events").json()["events"]) == 5
            url = relay.workflow_url(ended, "/stream")
            with httpx_sse.connect_sse(client, "GET", url) as source:
                events = list(source.iter_sse())
            assert [e.data.encode() for e in events[:-1]] == data.splitlines()
            assert events[-1].event == "end"
            asked = {"workflow": "command", "params": {"argv": ["true"]}}
            for answer in (
                relay.post("/workflows", asked),
                relay.post("/workflows", asked, headers={"idempotency-key": "k"}),
                relay.post(
                    "/batches", {"workflow": "command", "inputs": [{"params": asked["params"]}]}
                ),
                client.put("/api/v1/deployments/new", json=asked),
                relay.post(f"/workflows/{live.run_id}/messages", {"message": "hi"}),
                relay.post(f"/workflows/{queued.run_id}/stop"),
                client.delete(f"/api/v1/workflows/{ended.run_id}"),
                client.get("/readyz"),
            ):
                assert answer.status_code == 503, answer.text
                assert kind_of(answer) in ("read-only", "no-root")
            # What the living writes is still read.
            say(live, "workflow_completed", inbox_offset=0)
            lock.release()
            with httpx_sse.connect_sse(
                client, "GET", relay.workflow_url(live, "/stream")
            ) as source:
                assert [event.event for event in source.iter_sse()][-1] == "end"
    finally:
        lock.release()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=80)


def test_a_file_of_elsewhere_is_not_given_out(relay: Relay, run: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    os.link(tmp_path / "secret", run.files / "mine")
    answer = relay.client.get(relay.workflow_url(run, "/files/mine"))
    assert (answer.status_code, kind_of(answer)) == (403, "hard-link")
    (tmp_path / "secret").unlink()  # the file has one name now, and that is the run's
    assert relay.client.get(relay.workflow_url(run, "/files/mine")).content == SECRET


def test_a_stream_that_moves_under_its_writer_is_read_where_it_goes_on(
    relay: Relay, run: Workspace, alive: Callable[[Workspace], RunLock]
) -> None:
    alive(run)
    with AppendFile(run.stream) as writer:
        writer.append(b'{"type":"one"}\n')
        with httpx_sse.connect_sse(
            relay.client, "GET", relay.workflow_url(run, "/stream")
        ) as source:
            events = source.iter_sse()
            assert next(events).json()["type"] == "one"
            run.stream.rename(run.path / "kept")
            writer.append(b'{"type":"two"}\n')
            told = [next(events), next(events)]
            assert [event.event for event in told] == ["reset", "message"]
            assert told[1].json()["type"] == "two"
    assert (run.path / "kept").read_bytes() == b'{"type":"one"}\n'
    wait_until(lambda: relay.get(f"/workflows/{run.run_id}").json()["status"] == "running", "it")
