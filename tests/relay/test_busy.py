"""A run may hold the locks of its own files for ever. Its calls are told so; nothing else waits."""

import fcntl
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from runlog import Workspace, create_run
from tests.forks import TAILCAST, run_forked
from tests.relay.live import Relay, new_run, recorded, running_relay

POSTS = 60  # more than the relay has threads


@pytest.fixture
def held() -> Iterator[list[int]]:
    """Descriptors of what is locked until the test ends."""
    fds: list[int] = []
    yield fds
    for fd in fds:
        os.close(fd)


def hold(path: Path, held: list[int]) -> None:
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    fd = os.open(path, flags, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    held.append(fd)


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("/docs#")


def post_many(relay: Relay, run: Workspace, count: int) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=count)
    with httpx.Client(base_url=relay.url, timeout=80, limits=limits) as client:
        with ThreadPoolExecutor(count) as threads:
            url = relay.workflow_url(run, "/messages")
            posts = [threads.submit(client.post, url, json={"message": "hi"}) for _ in range(count)]
            # While all of those wait, each other call has its answer: the test would run into its deadline else.
            other = new_run(relay.root)
            recorded(other, 2)
            for path in ("", "/events", "/history", "/files", "/stream"):
                answer = relay.client.get(relay.workflow_url(other, path))
                assert answer.status_code == 200
            fresh = new_run(relay.root)
            answer = relay.client.post(
                relay.workflow_url(fresh, "/messages"), json={"message": "hi"}
            )
            assert answer.status_code == 202
            for path in ("/workflows", "/batches", "/deployments"):
                assert relay.get(path).status_code == 200
            assert relay.client.get("/metrics").status_code == 200
            return [post.result() for post in posts]


@pytest.mark.parametrize("name", ["", "_inbox.jsonl"])
def test_a_run_that_holds_its_locks_holds_nobody_else(
    relay: Relay, run: Workspace, held: list[int], name: str
) -> None:
    hold(run.path / name, held)
    answers = post_many(relay, run, POSTS)
    assert {(answer.status_code, kind_of(answer)) for answer in answers} == {(503, "run-busy")}
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    # What only reads asks for no lock.
    for path in ("", "/events", "/history", "/files"):
        assert relay.client.get(relay.workflow_url(run, path)).status_code == 200
    os.close(held.pop())
    answers = post_many(relay, run, 20)
    assert {answer.status_code for answer in answers} == {202}


def test_to_remove_a_run_that_is_held(relay: Relay, run: Workspace, held: list[int]) -> None:
    recorded(run, 2)
    hold(run.path, held)
    answer = relay.client.delete(relay.workflow_url(run))
    assert (answer.status_code, kind_of(answer)) == (503, "run-busy")
    os.close(held.pop())
    assert relay.client.delete(relay.workflow_url(run)).status_code == 204


@pytest.mark.parametrize("name", ["_batches", "_deployments", "_idempotency"])
def test_a_folder_of_the_root_that_is_held(relay: Relay, held: list[int], name: str) -> None:
    (relay.root / name).mkdir(exist_ok=True)
    hold(relay.root / name, held)
    params = {"argv": ["true"]}
    asked = {"workflow": "command", "params": params}
    answer = {
        "_batches": lambda: relay.post(
            "/batches", {"workflow": "command", "inputs": [{"params": params}]}
        ),
        "_deployments": lambda: relay.client.put("/api/v1/deployments/new", json=asked),
        "_idempotency": lambda: relay.post("/workflows", asked, headers={"idempotency-key": "k"}),
    }[name]()
    assert (answer.status_code, kind_of(answer)) == (503, "run-busy")
    assert relay.post("/workflows", asked).status_code == 201


@pytest.mark.parametrize("name", ["", "_inbox.jsonl"])
def test_a_relay_ends_whatever_is_held(root: Path, held: list[int], name: str) -> None:
    run = new_run(root)
    hold(run.path / name, held)
    with running_relay(root) as relay, ThreadPoolExecutor(POSTS) as threads:
        url = f"{relay.url}{relay.workflow_url(run, '/messages')}"

        def post() -> int:
            try:
                return httpx.post(url, json={"message": "hi"}, timeout=80).status_code
            except httpx.TransportError:
                return 0

        posts = [threads.submit(post) for _ in range(POSTS)]
        assert relay.client.get("/healthz").status_code == 200
        relay.process.send_signal(signal.SIGTERM)
        assert relay.process.wait(80) == 0
        assert {each.result() for each in posts} <= {0, 503}


def test_the_command_line_gives_up_too(tmp_path: Path, held: list[int]) -> None:
    run = create_run(tmp_path, "command", params={"argv": ["true"]}, run_id="held")
    hold(run.path, held)
    for words in (["send", "held", "hi"], ["stop", "held", "--no-wait"]):
        done = run_forked(TAILCAST, "--root", str(tmp_path), *words, timeout=80)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "holds it locked" in done.stderr
