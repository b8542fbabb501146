"""Batches and streams of several runs, by both clients."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from runlog import RunId, Workspace
from tailcast import ProblemError
from tailcast.client import Event, RunChange
from tests.relay.live import Relay, new_run, recorded, running_relay, say
from tests.support import wait_until

INPUTS = [{"params": {"argv": ["echo", str(n)]}} for n in range(3)]


def runs_of(relay: Relay, run_ids: list[str]) -> list[Workspace]:
    return [Workspace(relay.root, RunId(run_id)) for run_id in run_ids]


def lines(told: list[Any], run: Workspace) -> list[Any]:
    return [event.data for event in told if event.run_id == run.run_id]


def stored(run: Workspace) -> list[Any]:
    return [json.loads(line) for line in run.stream.read_bytes().splitlines()]


def test_a_batch_from_start_to_removal(client: Any, relay: Relay) -> None:
    made = client.start_batch("command", INPUTS, max_running=2, description="Count")
    batch = client.batch(made.batch_id)
    assert (batch.status, batch.total, batch.done, batch.ended) == ("queued", 3, 0, False)
    assert [run.run_id for run in batch.runs] == made.run_ids
    assert batch.runs[0].batch_id == made.batch_id and batch.description == "Count"
    assert made.batch_id in [each.batch_id for each in client.batches()]
    assert sorted(client.stop_batch(made.batch_id)) == sorted(made.run_ids)
    for run in runs_of(relay, made.run_ids):
        say(run, "workflow_stopped", reason="stopped before it began")
    assert client.batch(made.batch_id).status == "stopped"
    assert client.stop_batch(made.batch_id) == []
    client.remove_batch(made.batch_id, runs=True)
    with pytest.raises(ProblemError, match="unknown-batch"):
        client.batch(made.batch_id)


def test_inputs_may_be_prompts(client: Any, relay: Relay) -> None:
    made = client.start_batch("claude", ["one", {"prompt": "two"}], params={"max_turns": 2})
    assert [client.get(run_id).prompt for run_id in made.run_ids] == ["one", "two"]
    with pytest.raises(ProblemError) as refused:
        client.start_batch("claude", ["one", {"params": {"max_turns": 0}, "prompt": "x"}])
    assert refused.value.errors[0]["pointer"] == "#/inputs/1/params/max_turns"


def test_start_again_with_a_key_is_one_batch(client: Any) -> None:
    key = f"batch-{secrets.token_hex(4)}"
    first, again = (client.start_batch("command", INPUTS, idempotency_key=key) for _ in range(2))
    assert first == again


def test_stream_batch_is_every_line_once(client: Any, relay: Relay) -> None:
    made = client.start_batch("command", INPUTS)
    runs = runs_of(relay, made.run_ids)
    for run in runs:
        recorded(run, 10)
    told = list(client.stream_batch(made.batch_id))
    assert all(lines(told, run) == stored(run) for run in runs)
    rest = list(client.stream_batch(made.batch_id, after=told[7].cursor))
    assert all(lines(told[:8] + rest, run) == stored(run) for run in runs)
    ends = list(client.stream_batch(made.batch_id, types=["workflow_completed"]))
    assert len(ends) == 3


def test_a_restart_of_the_relay_is_not_seen(make_client: Any, root: Path) -> None:
    with running_relay(root) as relay:
        port = relay.address[1]
        client = make_client(url=relay.url)
        made = client.start_batch("command", INPUTS)
        runs = runs_of(relay, made.run_ids)
        streamed = client.stream_batch(made.batch_id)
        recorded(runs[0], 10)
        first = [next(streamed) for _ in range(5)]
        relay.process.kill()
        relay.process.wait()
        recorded(runs[1], 10)
    with running_relay(root, port=port):
        recorded(runs[2], 10)
        told = first + list(streamed)
    assert all(lines(told, run) == stored(run) for run in runs)


def test_stream_many(client: Any, relay: Relay) -> None:
    runs = [new_run(relay.root) for _ in range(2)]
    for run in runs:
        recorded(run, 5)
    told = list(client.stream_many([run.run_id for run in runs]))
    assert all(lines(told, run) == stored(run) for run in runs)
    rest = list(client.stream_many([run.run_id for run in runs], after=told[4].cursor))
    assert all(lines(told[:5] + rest, run) == stored(run) for run in runs)


def test_stream_many_with_feed(client: Any, relay: Relay) -> None:
    run = new_run(relay.root)
    seen: list[Any] = []
    completed = False
    for told in client.stream_many([run.run_id], feed=True):
        if isinstance(told, Event):
            seen.append(told.data)
        elif isinstance(told, RunChange) and told.run_id == run.run_id:
            assert told.summary is not None
            completed = told.summary.status == "completed"
            if not run.stream.exists():
                recorded(run, 3)
        # The listing may tell of the end before the stream has told of all that led to it.
        if completed and len(seen) == len(stored(run)):
            break
    assert seen == stored(run)
    wait_until(lambda: client.get(run.run_id).ended, "the end")
