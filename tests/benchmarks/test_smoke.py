"""Every case of the benchmark runs, with sizes that say nothing about speed; so the suite does not rot."""

import json
import math
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.cases import CASES, ON_REQUEST
from benchmarks.client import ClientSpec, Listeners
from benchmarks.lines import LAST, MARK, StampedLine, end_line, replay_lines
from benchmarks.processes import BenchError, free_port, worker
from benchmarks.report import Results, print_table, write_results
from benchmarks.rows import Row

pytest.importorskip("sse_starlette", reason="the extra `bench` is not installed")


_OF_CLAUDE = "first-words"


@pytest.fixture
def claude_cli() -> None:
    """Says that a test starts Claude's CLI (`tests/needs.py`)."""


@pytest.mark.parametrize("name", sorted(CASES.keys() - ON_REQUEST - {_OF_CLAUDE}))
def test_case(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


def test_case_of_claude(claude_cli: None, tmp_path: Path) -> None:
    check(_OF_CLAUDE, tmp_path)


def check(name: str, tmp_path: Path) -> None:
    # Its own children alone: what servers of other tests of this worker start is none of its business.
    before = {child.pid for child in psutil.Process().children()}
    rows = CASES[name](Bench(tmp_path, size="tiny", rounds=1))
    assert rows
    for row in rows:
        assert row.samples
        for values in row.samples.values():
            assert values and all(math.isfinite(value) for value in values), row
    left = {child.pid for child in psutil.Process().children()} - before
    assert not left
    assert not list(tmp_path.iterdir())


def test_each_line_holds_its_marks() -> None:
    stamped = StampedLine(300)
    for last in (False, True):
        line = stamped.make(last)
        assert len(line) == 300
        assert line.count(MARK) == 1 and line.count(LAST) == last
        assert json.loads(line)["type"] == "log"
    lines = replay_lines(40, 250).splitlines(keepends=True)
    assert {len(line) for line in lines} == {250}
    assert all(line.count(MARK) == 1 for line in lines)
    assert [line.count(LAST) for line in lines] == [0] * 39 + [1]
    assert {json.loads(line)["type"] for line in lines} == {"assistant", "user"}
    assert MARK not in end_line()


def test_a_client_that_can_not_connect_says_so() -> None:
    spec = ClientSpec(free_port(), (Listeners("/"),), events_each=1, deadline_s=5)
    with pytest.raises(BenchError), worker("client", spec.as_json()) as client:
        client.answer()


def test_ratios_and_targets() -> None:
    row = Row("case", "work", "ms", {"tailcast": [2, 4, 3], "naive": [50, 80, 60]}, "less")
    row.at_most(3).times("naive", 15).times("absent", 2).times("naive", 100)
    assert row.ratio("naive") == 20 and row.cost("naive") == 0.05
    assert [target.reached for target in row.targets] == [True, True, False]


def test_results_are_written(tmp_path: Path) -> None:
    (tmp_path / "bounds").mkdir()
    (tmp_path / "bounds" / "fan-out.md").write_text("The loopback.")
    missed = Row("fan-out", "work", "events/s", {"tailcast": [10], "nchan": [5]}).times("nchan", 5)
    results = Results({"Python": "3"}, "tiny", rounds=1, rows=[missed], skipped={"naive": "absent"})
    write_results(results, tmp_path, tmp_path / "bounds")
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| fan-out | work | events/s | 10 |" in text and "The loopback." in text
    assert json.loads((tmp_path / "results.json").read_text())["rows"][0]["ratios"] == {"nchan": 2}
    with Console(width=150, record=True) as console:
        print_table(results, console)
    assert "fan-out" in console.export_text()
