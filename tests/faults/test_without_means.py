"""A relay that may open nothing for a while: it says so (503), and takes nothing for missing, broken or wrong."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.http.callers import Caller
from relay.http.tokens import Token, add_token, digest_of, new_secret
from runlog import RunIndex, RunLock, Workspace
from runlog.groups.catalog import write_catalog
from runlog.groups.deployments import Deployment, write_deployment
from runlog.run.seal import is_genuine, new_seal
from tests.relay.live import CATALOG, Relay, new_run, recorded, running_relay, say

_TRUE = {"params": {"argv": ["true"]}}
_RUN = {"workflow": "command"} | _TRUE
# What a relay that was started this moment is asked first: it has imported and opened as little as can be.
CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/workflows", _RUN),
    ("GET", "/workflows", None),
    ("GET", "/workflows/{ended}", None),
    ("POST", "/workflows/{live}/messages", {"message": "\U0001f600"}),
    ("GET", "/workflows/{ended}/events", None),
    ("GET", "/workflows/{ended}/history", None),
    ("GET", "/workflows/{ended}/files", None),
    ("GET", "/workflows/{ended}/files/_stream.jsonl", None),
    ("GET", "/workflows/{ended}/stream?follow=false", None),
    ("GET", "/deployments", None),
    ("GET", "/deployments/kept", None),
    ("PUT", "/deployments/new", _RUN),
    ("POST", "/workflows", {"deployment": "kept"}),
    ("POST", "/batches", {"workflow": "command", "inputs": [_TRUE]}),
    ("GET", "/batches", None),
    ("POST", "/workflows/{live}/stop", None),
    ("GET", "/catalog", None),
    ("GET", "/events/schema", None),
    ("DELETE", "/workflows/{ended}", None),
]


@contextlib.contextmanager
def _without_descriptors(relay: Relay) -> Iterator[None]:
    pid = relay.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    most = max(map(int, os.listdir(f"/proc/{pid}/fd")))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("with_tokens", [False, True])
def test_every_call_can_be_sent_again(tmp_path: Path, with_tokens: bool) -> None:
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    write_catalog(root, CATALOG)
    write_deployment(root, Deployment("kept", "command", params=_TRUE["params"]))
    ended, live = new_run(root), new_run(root)
    recorded(ended, 3)
    arguments, headers = (), {}
    if with_tokens:
        tokens = tmp_path / "tokens"
        made = _add_token(tokens)
        arguments, headers = ("--token-file", str(tokens)), {"authorization": f"Bearer {made}"}
    with running_relay(root, *arguments) as relay, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(
                httpx.Client(base_url=relay.url, trust_env=False, timeout=80, headers=headers)
            )
            for _ in CALLS
        ]
        for client in clients:  # each has its connection; to take one would need a descriptor too
            assert client.get("/healthz").status_code == 200
        with _without_descriptors(relay):
            for client, (method, path, body) in zip(clients, CALLS, strict=True):
                path = path.format(ended=ended.run_id, live=live.run_id)
                answer = client.request(method, f"/api/v1{path}", json=body)
                assert answer.is_success or answer.status_code == 503, (method, path, answer.text)
        for method, path, body in CALLS:
            path = path.format(ended=ended.run_id, live=live.run_id)
            answer = clients[0].request(method, f"/api/v1{path}", json=body)
            assert answer.is_success or method == "DELETE", (method, path, answer.text)


def _add_token(path: Path) -> str:
    secret = new_secret()
    add_token(path, Token(digest_of(secret.encode()), Caller("me", "admin")))
    return secret


def test_no_run_leaves_the_view(tmp_path: Path) -> None:
    """Rows that can't be read now are shown as they were, and read again after it."""
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    ended, live, fresh = (new_run(root) for _ in range(3))
    recorded(ended, 1)
    index = RunIndex(root)
    try:
        shown = {row.run_id: row.status for row in index.page(limit=10).runs}
        assert shown == {ended.run_id: "completed", live.run_id: "queued", fresh.run_id: "queued"}
        recorded(live, 1)
        later = new_run(root)
        say(ended, "workflow_started", attempt=2)  # it goes on
        with _as_process_without_descriptors():
            with contextlib.suppress(OSError):
                index.look()
            with contextlib.suppress(OSError):  # or it is shown as it was
                assert {row.run_id for row in index.page(limit=10).runs} >= shown.keys()
        say(ended, "workflow_failed", inbox_offset=0)
        shown = {row.run_id: row.status for row in index.page(limit=10).runs}
        assert shown == {
            ended.run_id: "failed",
            live.run_id: "completed",
            fresh.run_id: "queued",
            later.run_id: "queued",
        }
    finally:
        index.close()


def test_a_view_that_can_not_be_made_is_none(tmp_path: Path) -> None:
    """Of a relay that was started this moment: an error, and no list with less in it."""
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    runs = {new_run(root).run_id for _ in range(3)}
    index = RunIndex(root)
    try:
        with _only_folders_can_be_listed(), pytest.raises(OSError, match="open files"):
            index.page(limit=10)
        assert {row.run_id for row in index.page(limit=10).runs} == runs
    finally:
        index.close()


@contextlib.contextmanager
def _only_folders_can_be_listed() -> Iterator[None]:
    """One descriptor is left: enough for a folder, not for a file in a folder, which takes two."""
    free = os.dup(0)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def _as_process_without_descriptors() -> Iterator[None]:
    """This process; what it has open stays so."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_forged_end_does_not_count_where_the_seal_can_not_be_read(tmp_path: Path) -> None:
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    run: Workspace = new_run(root)
    lock = RunLock(run.lock)
    assert lock.acquire()
    try:
        new_seal(lock)
        say(run, "workflow_started", attempt=1)
        event = {"type": "workflow_completed", "seal": "forged"}
        assert not is_genuine(run, event)
        with _as_process_without_descriptors(), pytest.raises(OSError, match="open files"):
            is_genuine(run, event)
    finally:
        lock.release()


def test_a_root_that_could_not_be_listed_is_not_empty(tmp_path: Path) -> None:
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    index = RunIndex(root)
    assert index.page(limit=10).runs == []
    run = new_run(root)
    os.utime(root, (1, 1))  # what is in it has long been so
    try:
        with _as_process_without_descriptors():
            for _ in range(3):
                with contextlib.suppress(OSError):
                    assert [row.run_id for row in index.page(limit=10).runs] == [run.run_id]
        assert [row.run_id for row in index.page(limit=10).runs] == [run.run_id]
    finally:
        index.close()
