"""`GET /workflows`: search, filters, orders, counts; and the view of the root behind it, as clients see it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runlog import RunLock, Workspace, append_lines, encode
from runlog.run.manifest import remove_run
from tests.relay.live import Relay, running_relay, say
from tests.relay.sse_client import Stream
from tests.runlog.test_view import DEADLINE_S, make, varied

Hold = Callable[[Workspace], RunLock]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root = tmp_path_factory.mktemp("listing")
    varied(root, 60)
    with running_relay(root) as relay:
        yield relay


def page(relay: Relay, **asked: Any) -> dict[str, Any]:
    answer = relay.client.get("/api/v1/workflows", params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def every(relay: Relay, **asked: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        told = page(relay, limit=7, **asked, **cursor)
        rows += told["runs"]
        if told["next"] is None:
            return rows
        cursor = {"cursor": told["next"]}


def test_filters_choose_from_what_there_is(full: Relay) -> None:
    rows = every(full)
    assert len({row["run_id"] for row in rows}) == 60
    wanted: list[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = [
        ({"status": "failed"}, lambda row: row["status"] == "failed"),
        ({"workflow": "claude"}, lambda row: row["workflow"] == "claude"),
        ({"workflow": "command", "q": "answer"}, lambda r: r["workflow"] == "command" and r["status"] != "queued"),
        ({"deployment": "nightly"}, lambda row: row["deployment"] == "nightly"),
        ({"batch": "none"}, lambda row: False),
        ({"reason": "exit_code"}, lambda row: row["reason"] == "exit_code"),
        ({"reason": "none such"}, lambda row: False),
        ({"reason": "exit_code", "q": "pars"}, lambda r: r["reason"] == "exit_code" and "parser" in r["title"]),
        ({"cost_over": 0.5}, lambda row: (row["cost_usd"] or 0) > 0.5),
        ({"created_after": "2025-01-02"}, lambda row: row["created_at"] >= "2025-01-02"),
        ({"created_before": "2025-01-02T01:00:00+01:00"}, lambda row: row["created_at"] < "2025-01-02"),
        ({"q": "parser"}, lambda row: "parser" in row["title"]),
        ({"q": "PARS", "status": "failed"}, lambda row: "parser" in row["title"] and row["status"] == "failed"),
    ]  # fmt: skip
    for asked, passes in wanted:
        ids = [row["run_id"] for row in every(full, **asked)]
        assert ids == [row["run_id"] for row in rows if passes(row)], asked
    assert every(full, batch_id="none") == []


@pytest.mark.parametrize("order", ["oldest", "cost", "duration"])
def test_orders(full: Relay, order: str) -> None:
    rows = every(full, order=order)
    assert {row["run_id"] for row in rows} == {row["run_id"] for row in every(full)}
    if order == "oldest":
        assert rows == every(full)[::-1]
    else:
        field = "cost_usd" if order == "cost" else "duration_s"
        values = [-1 if row[field] is None else row[field] for row in rows]
        assert values == sorted(values, reverse=True)


def test_counts_come_when_asked_for(full: Relay) -> None:
    assert set(page(full)) == {"runs", "next", "complete"}
    told = page(full, counts="true", limit=1)
    assert told["complete"] is True and len(told["runs"]) == 1
    assert set(told["counts"]) == {"status", "workflow", "deployment", "batch"}
    assert sum(told["counts"]["status"].values()) == 60
    metrics = full.client.get("/metrics").text
    for status, count in told["counts"]["status"].items():
        assert f'tailcast_runs{{status="{status}"}} {count}.0' in metrics
    failed = page(full, counts="true", status="failed")["counts"]
    assert failed["status"] == told["counts"]["status"]
    assert sum(failed["workflow"].values()) == told["counts"]["status"]["failed"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("created_after=yesterday", 422),
        ("created_before=2025-13-01", 422),
        ("cost_over=-1", 422),
        ("cost_over=nan", 422),
        ("cost_over=1e999", 422),
        ("order=random", 422),
        ("counts=perhaps", 422),
        (f"q={'x' * 501}", 422),
        ("order=cost&cursor=2025-01-01T00:00:00.000Z~r1", 400),
        ("order=cost&cursor=1.0~", 400),
        (f"order=duration&cursor=1.0~{'9' * 30}", 400),
        ("q=%22%20OR%20%28&status=failed", 200),
        ("q=%00%ff%ed%a0%80", 400),
        ("created_after=0001-01-01&created_before=9999-12-31T23:59:59-12:00", 200),
    ],
)
def test_what_is_asked_wrongly(full: Relay, query: str, status: int) -> None:
    answer = full.client.get(f"/api/v1/workflows?{query}")
    assert answer.status_code == status, answer.text


def test_a_relay_that_starts_anew_finds_all(tmp_path: Path) -> None:
    varied(tmp_path, 40)
    with running_relay(tmp_path) as relay:
        rows, counts = every(relay), page(relay, counts="true")["counts"]
    assert (tmp_path / "_index" / "runs.sqlite").exists()
    with running_relay(tmp_path) as relay:
        assert (every(relay), page(relay, counts="true")["counts"]) == (rows, counts)
        shutil.rmtree(tmp_path / "_index")  # while it is at work
        assert (every(relay), page(relay, counts="true")["counts"]) == (rows, counts)
    (tmp_path / "_index" / "runs.sqlite").write_bytes(os.urandom(50_000))
    with running_relay(tmp_path) as relay:
        assert (every(relay, q="parser"), page(relay, counts="true")["counts"]) == (
            [row for row in rows if "parser" in row["title"]],
            counts,
        )


def test_a_live_run_is_listed_as_its_own_page_tells_it(
    relay: Relay, run: Workspace, alive: Hold
) -> None:
    """Also when its beginning is MiB before the end."""
    alive(run)
    say(run, "workflow_started", attempt=4, timestamp="2025-01-01T00:00:00Z")
    say(run, "progress_update", progress=12, message="on its way")
    append_lines(run.stream, encode({"type": "log", "message": "x" * 1000}) * 2500)
    row = next(r for r in every(relay) if r["run_id"] == run.run_id)
    own = relay.client.get(relay.workflow_url(run)).json()
    names = ("status", "attempt", "progress", "message", "cost_usd", "created_at", "reason")
    assert {name: row[name] for name in names} == {name: own[name] for name in names}
    assert row["attempt"] == 4
    assert 0 <= own["duration_s"] - row["duration_s"] < DEADLINE_S


def test_the_feed_takes_thousands_of_changes(tmp_path: Path) -> None:
    """More than it remembers, all at once; and a listener that comes then is told the newest."""
    with running_relay(tmp_path) as relay, Stream(relay, "/api/v1/stream?feed=1") as stream:
        names = [f"r{number:04d}" for number in range(600)]
        for number, name in enumerate(names):
            at = f"2025-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
            make(tmp_path, name, at, "completed")
        seen: dict[str, dict[str, Any]] = {}
        deadline = time.monotonic() + DEADLINE_S
        for event in stream:
            assert event.event == "run" and time.monotonic() < deadline
            row = json.loads(event.data)
            seen[row["run_id"]] = row
            if len(seen) == 600 and all(r["status"] == "completed" for r in seen.values()):
                break
        remove_run(Workspace(tmp_path, names[7]))  # type: ignore[arg-type]
        for event in stream:
            if json.loads(event.data) == {"run_id": names[7], "removed": True}:
                break
        with Stream(relay, "/api/v1/stream?feed=1") as late:
            events = iter(late)
            told = [json.loads(next(events).data)["run_id"] for _ in range(200)]
        assert told == names[-200:]
