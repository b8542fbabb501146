"""Batches and streams of many runs in the pages: the file is a real one, commands and modules run as written."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runlog import RunId, Workspace
from runlog.groups.batches import Batch
from tests.docs.conftest import Place
from tests.docs.pages import play
from tests.docs.samples import sample
from tests.docs.test_client_page import printed
from tests.support import records, wait_for, wait_for_end

MANY = """
import { createRequire } from "node:module";
import { followMany } from "./many.mjs";
import { flaky } from "./flaky.mjs";
globalThis.EventSource = createRequire(`${given.packages}/`)("eventsource").EventSource;
if (given.plan) {
  const server = await flaky(given.host, given.plan);
  globalThis.HOST = `http://127.0.0.1:${server.address().port}`;
}
const seen = [], ends = [], rows = [];
followMany(given.query, {
  onEvent: (event, run, offset) => seen.push([run, offset, event]),
  onRunEnd: (run, status) => ends.push([run, status]),
  onChange: (row) => { rows.push(row); if (given.until && row.run_id === given.until) done({ rows }); },
  onEnd: (batch) => done({ batch: batch ?? null, seen, ends }),
  onRefused: (detail) => done({ refused: detail }),
}, given.after);
"""

SOCKET = """
import { converse } from "./socket.mjs";
const seen = [], problems = [];
const talk = converse(given.run, {
  onEvent: (event) => {
    seen.push(event);
    if (event.type === "workflow_started") talk.send({ type: "message", content: "hello", id: "socket-1" });
    if (event.type === "result") talk.send({ type: "stop" });
  },
  onProblem: (problem) => problems.push(problem),
  onEnd: (status) => done({ status, seen, problems }),
});
"""


@pytest.fixture
def batch(place: Place) -> tuple[str, list[Workspace]]:
    """A batch that has ended."""
    code = "print('x' * 3000); print('é 漢字 🎈')"
    inputs = [{"params": {"argv": [sys.executable, "-X", "utf8", "-c", code]}}] * 3
    made = place.client.post("/batches", json={"workflow": "command", "inputs": inputs}).json()
    runs = [Workspace(place.root, RunId(run_id)) for run_id in made["run_ids"]]
    for run in runs:
        wait_for_end(run)
    return made["batch_id"], runs


def in_order(seen: list[Any]) -> Callable[[Workspace], list[Any]]:
    return lambda run: [told[1:] for told in seen if told[0] == run.run_id]


def stored(run: Workspace) -> list[Any]:
    return [[record.offset, json.loads(record.line)] for record in records(run)]


def test_the_file() -> None:
    body = json.loads(sample("contract.md", "batch").code)
    assert body.keys() == set(Batch.__dataclass_fields__)


def test_by_curl(place: Place) -> None:
    made, *stream, totals = place.shell(sample("contract.md", "batches").code).splitlines()
    assert json.loads(made.partition("retry")[0])["batch_id"] == "greetings"
    last = [line for line in stream if line.startswith("data: ")][-1]
    assert json.loads(last.removeprefix("data: "))["status"] == "completed"
    assert json.loads(totals)["by_status"]["completed"] == 2


def test_by_the_client(place: Place) -> None:
    assert printed(place, "batch") == ["['one', 'three', 'two']", "completed 3/3 3"]


def test_a_page_follows_a_batch_over_a_bad_network(
    place: Place, modules: Path, node_modules: Path, batch: tuple[str, list[Workspace]]
) -> None:
    batch_id, runs = batch
    told = play(
        modules,
        MANY,
        host=place.url,
        query=f"batch={batch_id}",
        after="",
        packages=str(node_modules),
        plan=["502", "cut:4000", "502", "pass", "pass"],
    )
    assert told["batch"]["batch_id"] == batch_id and told["batch"]["status"] == "completed"
    assert all(in_order(told["seen"])(run) == stored(run) for run in runs)
    assert sorted(told["ends"]) == sorted([run.run_id, "completed"] for run in runs)


def test_a_page_follows_a_list_of_runs(
    place: Place, modules: Path, node_modules: Path, batch: tuple[str, list[Workspace]]
) -> None:
    _, runs = batch
    query = "&".join(f"run={run.run_id}" for run in runs)
    given = {"host": place.url, "packages": str(node_modules), "after": ""}
    told = play(modules, MANY, query=query, **given)
    assert told["batch"] is None
    assert all(in_order(told["seen"])(run) == stored(run) for run in runs)
    refused = play(modules, MANY, query="batch=nobody", **given)
    assert "no batch 'nobody'" in refused["refused"]
    listed = play(modules, MANY, query="feed=1", until=runs[0].run_id, **given)
    assert listed["rows"][-1]["status"] == "completed"


def test_a_conversation_by_websocket(
    place: Place, modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Node 20 has a WebSocket as browsers do, and wants to be asked for it.
    monkeypatch.setenv("NODE_OPTIONS", "--experimental-websocket --no-warnings")
    run = place.start("claude", interactive=True)
    wait_for(run, "workflow_started")
    told = play(modules, SOCKET, host=place.url, run=run.run_id)
    assert (told["status"], told["problems"]) == ("stopped", [])
    assert told["seen"] == [event for _, event in stored(run)]
    wait_for(run, "message_received", message_id="socket-1", state="completed")
