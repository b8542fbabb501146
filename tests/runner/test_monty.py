"""The `monty` workflow: it loops, counts, pauses, stops with totals, and is cheap."""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import runlog
from runlog import Workspace
from runner.workflows.samples.monty_quotes import QUOTES
from tests.support import events, kill, receipts, wait_for, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("runner")

FIELDS = {
    "progress",
    "status",
    "iteration_count",
    "total_quotes_delivered",
    "current_quote",
    "total_elapsed",
    "should_exit",
}
GRACE_S = 20.0
BRISK = {"min_sleep_s": 0.05, "max_sleep_s": 0.1}


def start(root: Path, prompt: str | None = None, **params: Any) -> Workspace:
    return runlog.create_run(root, "monty", prompt=prompt, params=params)


def quotes(run: Workspace) -> list[str]:
    return [e["message"] for e in events(run, "progress_update") if e["status"].endswith("_quote")]


def test_a_counted_run_ends_with_totals(root: Path) -> None:
    run = start(root, count=3, quotes=["spam", "eggs"], **BRISK)
    end = wait_for_end(run)
    assert end["type"] == "workflow_completed"
    told = events(run, "progress_update")
    assert [e["status"] for e in told if not e["status"].endswith("_sleeping")] == [
        "iteration_1_quote",
        "iteration_2_quote",
        "iteration_3_quote",
        "done",
    ]
    assert all(FIELDS <= e.keys() for e in told[:-1])
    assert [e["should_exit"] for e in told] == [False] * (len(told) - 1) + [True]
    assert {e["current_quote"] for e in told} <= {"spam", "eggs"}
    progress = [e["progress"] for e in told[:-1]]
    assert progress == sorted(progress) and progress[-1] == 100
    assert end["result"].keys() == {"iteration_count", "total_quotes_delivered", "total_elapsed"}
    assert end["result"]["total_quotes_delivered"] == 3
    state = runlog.read_state(run)
    assert state.fields["iteration_count"] == 3


def test_an_update_each_500_ms_while_it_sleeps(root: Path) -> None:
    run = start(root, count=1, min_sleep_s=2, max_sleep_s=2)
    wait_for_end(run)
    told = events(run, "progress_update")[:-1]
    assert [e["status"] for e in told] == ["iteration_1_quote"] + ["iteration_1_sleeping"] * 4
    assert [e["progress"] for e in told] == [0, 25, 50, 75, 100]
    times = [datetime.fromisoformat(e["timestamp"]).timestamp() for e in told]
    assert all(b - a > 0.45 for a, b in zip(times, times[1:], strict=False))


def test_the_same_seed_says_the_same(root: Path) -> None:
    runs = [start(root, count=4, seed=7, **BRISK) for _ in range(2)]
    for run in runs:
        wait_for_end(run)
    assert quotes(runs[0]) == quotes(runs[1])


def test_people_are_quoted_next(root: Path) -> None:
    run = start(root, "first words", **BRISK)
    wait_for(run, "progress_update", current_quote="first words")
    runlog.post(run, {"type": "message", "content": "second words", "id": "m"})
    wait_for(run, "progress_update", message="second words")
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)
    assert receipts(run, "m") == ["queued", "completed"]
    assert quotes(run)[0] == "first words"


def test_stop_ends_with_totals(root: Path) -> None:
    run = start(root, min_sleep_s=600, max_sleep_s=600)
    wait_for(run, "progress_update", status="iteration_1_sleeping")
    runlog.post(run, {"type": "stop"})
    end = wait_for_end(run)
    assert (end["type"], end["reason"]) == ("workflow_stopped", "stop")
    assert end["result"]["iteration_count"] == 1
    last = events(run, "progress_update")[-1]
    assert (last["status"], last["should_exit"]) == ("stopping", True)
    assert events(run, "log") == []


def test_more_sleep_at_least_than_at_most_is_refused(root: Path) -> None:
    run = start(root, min_sleep_s=3, max_sleep_s=1)
    end = wait_for_end(run)
    assert end["reason"] == "bad_params"
    assert "min_sleep_s (3) is over max_sleep_s (1)" in end["error"]


def test_it_counts_on_after_sigkill(root: Path) -> None:
    run = start(root, seed=1, **BRISK)
    wait_for(run, "progress_update", status="iteration_3_quote")
    kill(events(run, "workflow_started")[0]["pid"])
    assert wait_for_end(run)["reason"] == "lost"
    before = events(run, "progress_update")[-1]["iteration_count"]
    runlog.post(run, {"type": "message", "content": "again", "resume": True})
    started = wait_for(run, "workflow_started", attempt=2)

    def told_again() -> list[runlog.Event]:
        told = events(run)
        return [e for e in told[told.index(started) :] if e["type"] == "progress_update"]

    again = wait_until(told_again, "the second attempt")[0]
    assert again["iteration_count"] == before + 1
    runlog.post(run, {"type": "stop"})
    assert wait_for_end(run, attempt=2)["result"]["iteration_count"] > before


def test_its_own_quotes_are_many_and_short() -> None:
    own = list(QUOTES)
    assert len(own) == len(set(own)) >= 24
    assert max(map(len, own)) <= 80


def test_a_sleeping_one_costs_little(root: Path) -> None:
    run = start(root, min_sleep_s=600, max_sleep_s=600)
    pid = wait_for(run, "workflow_started")["pid"]
    wait_for(run, "progress_update", status="iteration_1_sleeping")

    def cpu_s() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ticks() -> int:
        return len(events(run, "progress_update"))

    spent_s, first, began = cpu_s(), ticks(), time.monotonic()
    wait_until(lambda: ticks() >= first + 3, "a second and a half of sleep")
    # Some 2 %; however long it took, one that polls in earnest would have all of it.
    assert (cpu_s() - spent_s) / (time.monotonic() - began) < 0.3
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)
