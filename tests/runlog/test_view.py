"""The view of a root: what is asked of it, and the file that it is kept in."""

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runlog import RunIndex, RunLock, Summary, Workspace, append_lines, create_run, encode, post
from runlog.index import ORDERS, Order
from runlog.run.manifest import remove_run
from tests.runlog.pythons import Python
from tests.runlog.test_index import make

DEADLINE_S = 80.0
FILE = "_index/runs.sqlite"


def kept(root: Path) -> RunIndex:
    """An index that keeps the file."""
    index = RunIndex(root)
    index.listen(lambda: None)
    index.look()
    return index


@pytest.fixture
def keep() -> Iterator[Callable[[Path], RunIndex]]:
    made: list[RunIndex] = []

    def start(root: Path) -> RunIndex:
        made.append(kept(root))
        return made[-1]

    yield start
    for index in made:
        index.close()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def ids(index: RunIndex, **asked: Any) -> list[str]:
    return [row.run_id for row in index.page(**asked).runs]


def walk(index: RunIndex, limit: int, **asked: Any) -> list[Summary]:
    rows: list[Summary] = []
    cursor: str | None = None
    while True:
        page = index.page(limit=limit, cursor=cursor, **asked)
        rows += page.runs
        cursor = page.next
        if cursor is None:
            return rows


def varied(root: Path, count: int) -> None:
    """Runs of few moments, some that cost something, some that go on or wait."""
    chance = random.Random(7)
    for number in range(count):
        end = chance.choice(("completed", "failed", "stopped", None))
        run = make(
            root,
            f"r{chance.randrange(10**6):06d}-{number}",
            f"2025-01-0{chance.randrange(1, 4)}T00:00:00.000Z",
            workflow=chance.choice(("claude", "command")),
            deployment=chance.choice((None, "nightly")),
            prompt=chance.choice(("look at the parser", "Naïve café; a 'quoted' tail_of 100%")),
        )
        if end:
            stats = {"cost_usd": chance.choice((0, 0.5, 1.25))} if number % 3 else {}
            line = {"type": f"workflow_{end}", "duration_s": number % 5, "stats": stats}
            if end == "failed":
                line["reason"] = ("exit_code", "lost", "wall_time_s")[number % 3]
            append_lines(run.stream, encode(line | {"result": f"answer {number % 4}"}))


def value(order: Order, row: Summary) -> Any:
    match order:
        case "cost":
            return -1 if row.cost_usd is None else row.cost_usd
        case "duration":
            return -1 if row.duration_s is None else row.duration_s
        case _:
            return row.created_at, row.run_id


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_each_order_is_walked_once_through(root: Path, order: Order, limit: int) -> None:
    varied(root, 60)
    index = RunIndex(root)
    rows = walk(index, limit, order=order)
    assert len({row.run_id for row in rows}) == len(rows) == 60
    values = [value(order, row) for row in rows]
    assert values == sorted(values, reverse=order != "oldest")
    for asked in (
        {"status": "failed"},
        {"reason": "lost"},
        {"q": "parser"},
        {"deployment": "nightly", "q": "answer"},
    ):
        some = walk(index, limit, order=order, **asked)
        wanted = set(ids(index, limit=1000, **asked))
        assert [row.run_id for row in rows if row.run_id in wanted] == [r.run_id for r in some]


@pytest.mark.parametrize("full_text", [True, False])
def test_search(root: Path, full_text: bool) -> None:
    make(root, "claude-k7f2qa", "2025-01-01T00:00:00Z", prompt="Fix the Parser, then rest")
    make(root, "b", "2025-01-02T00:00:00Z", params={"argv": ["make", "-j3", "docs"]})
    run = make(root, "c", "2025-01-03T00:00:00Z", prompt=[{"type": "text", "text": "look here"}])
    line = {"type": "workflow_completed", "result": {"answer": "the parser was 100% fine"}}
    append_lines(run.stream, encode(line))
    index = RunIndex(root, full_text=full_text)
    for _ in range(2):
        assert ids(index, q="parser") == ids(index, q="PARS") == ["c", "claude-k7f2qa"]
        assert ids(index, q="parser fix") == ids(index, q=" the  fix ") == ["claude-k7f2qa"]
        assert ids(index, q="k7f2") == ids(index, q="claude-k7f2qa") == ["claude-k7f2qa"]
        assert ids(index, q="docs") == ids(index, q="make") == ["b"]
        assert ids(index, q="look") == ids(index, q="fine") == ["c"]
        assert ids(index, q="fine fix") == ids(index, q="nothing") == ids(index, q="%%") == []
        assert ids(index, q="parser", status="queued") == ["claude-k7f2qa"]
        assert len(ids(index, q=" ")) == len(ids(index, q="")) == 3


def test_search_takes_what_people_type(root: Path) -> None:
    varied(root, 10)
    index = RunIndex(root)
    assert len(ids(index, q="cafe")) == len(ids(index, q="CAFÉ")) == len(ids(index, q="naive"))
    for q in (
        '"',
        "'",
        "*",
        "AND",
        "NOT x",
        "a OR",
        "(",
        "run_text:x",
        "^a",
        "a\0b",
        "\ud800",
        "-",
        "NEAR(",
    ):
        for full_text in (None, False):
            index = RunIndex(root, full_text=full_text)
            index.page(q=q)
            index.counts(q=q)
    assert len(ids(index)) == 10


def test_texts_that_sqlite_does_not_take(root: Path) -> None:
    run = make(root, "a", "2025-01-01T00:00:00Z")
    run.manifest.write_bytes(b'{"workflow":"w\\ud800","prompt":"cut \\ud83d off"}')
    append_lines(
        run.stream, b'{"type":"workflow_failed","reason":"\\udfff","result":"\\ud800 x"}\n'
    )
    assert ids(RunIndex(root), q="cut") == ids(RunIndex(root)) == ["a"]


def test_times_and_costs(root: Path) -> None:
    for day, cost in ((1, 0.5), (2, None), (3, 2.0)):
        run = make(root, f"r{day}", f"2025-01-0{day}T12:00:00.000Z")
        stats = {} if cost is None else {"cost_usd": cost}
        append_lines(run.stream, encode({"type": "workflow_completed", "stats": stats}))
    index = RunIndex(root)
    noon = datetime(2025, 1, 2, 12, tzinfo=UTC)
    assert ids(index, created_after=noon) == ["r3", "r2"]
    assert ids(index, created_before=noon) == ["r1"]
    assert ids(index, cost_over=0) == ["r3", "r1"]
    assert ids(index, cost_over=0.5) == ["r3"]


def test_counts_are_of_all_runs(root: Path) -> None:
    varied(root, 60)
    live = make(root, "live", "2025-01-05T00:00:00Z", workflow="claude", batch_id="b1")
    index = RunIndex(root)
    rows = walk(index, 200)
    counts = index.counts()
    for facet, name in (("status", "status"), ("workflow", "workflow"), ("batch", "batch_id")):
        wanted: dict[str, int] = {}
        for row in rows:
            if (found := getattr(row, name)) is not None:
                wanted[found] = wanted.get(found, 0) + 1
        assert counts[facet] == wanted
    failed = [row for row in rows if row.status == "failed"]
    narrowed = index.counts(status="failed")
    assert narrowed["status"] == counts["status"]  # what else could be chosen
    assert sum(narrowed["workflow"].values()) == len(failed) == index.total(status="failed")
    found = index.counts(q="parser", workflow="claude")
    assert sum(found["status"].values()) == index.total(q="parser", workflow="claude")
    # One ends, one goes: told at once.
    before = counts["status"]
    append_lines(live.stream, encode({"type": "workflow_failed"}))
    remove_run(Workspace(root, failed[0].run_id))  # type: ignore[arg-type]
    after = index.counts()["status"]
    assert (after["queued"], after["failed"]) == (before["queued"] - 1, before["failed"])


def test_a_run_that_goes_on_is_told_whole_however_long_its_stream(root: Path) -> None:
    """Its start is MiB before the end."""
    run = create_run(root, "claude", run_id="long")
    lock = RunLock(run.lock)
    assert lock.acquire()
    begin = {"type": "workflow_started", "timestamp": "2025-01-01T00:00:00Z", "attempt": 3}
    line = encode({"type": "log", "message": "x" * 1000})
    append_lines(run.stream, encode(begin) + line * 3000)
    index = RunIndex(root)
    (row,) = index.page().runs
    assert (row.status, row.attempt) == ("running", 3)
    assert row.duration_s is not None and row.duration_s > 24 * 3600
    lock.release()
    for found in (index, RunIndex(root)):  # its process died, and nobody has said so
        (row,) = found.page().runs
        assert (row.status, row.reason, row.attempt) == ("failed", "lost", 3)


def test_rows_are_kept_between_starts(root: Path, keep: Callable[[Path], RunIndex]) -> None:
    """A stream is changed here in a way that leaves no trace, which shows that nobody read it again."""
    run = make(root, "a", "2025-01-01T00:00:00Z", "completed", prompt="hello")
    assert ids(keep(root)) == ["a"]
    assert (root / FILE).exists()
    before = run.stream.stat()
    body = run.stream.read_bytes().replace(b'completed"', b'stopped"  ')
    run.stream.write_bytes(body)
    os.utime(run.stream, ns=(before.st_atime_ns, before.st_mtime_ns))
    for index in (RunIndex(root), keep(root)):
        assert ids(index, status="completed", q="hello") == ["a"]
    os.utime(run.stream)
    assert RunIndex(root).page().runs[0].status == "stopped"


def test_what_changed_while_nobody_looked(root: Path, keep: Callable[[Path], RunIndex]) -> None:
    for number in range(6):
        make(root, f"r{number}", f"2025-01-0{number + 1}T00:00:00Z", "completed")
    first = keep(root)
    assert len(ids(first)) == 6
    first.close()
    remove_run(Workspace(root, "r1"))  # type: ignore[arg-type]
    reopenable = Workspace(root, "r2")  # type: ignore[arg-type]
    append_lines(reopenable.stream, encode({"type": "workflow_completed", "inbox_offset": 0}))
    post(reopenable, {"type": "message", "content": "on", "resume": True})
    make(root, "new", "2025-02-01T00:00:00Z")
    again = keep(root)
    assert ids(again) == ["new", "r5", "r4", "r3", "r2", "r0"]
    assert sorted(ids(again, status="queued")) == ["new", "r2"]


@pytest.mark.parametrize("how", ["garbage", "empty", "torn", "version", "tables", "folder", "gone"])
def test_a_file_that_can_not_be_used_is_made_again(
    root: Path, keep: Callable[[Path], RunIndex], how: str
) -> None:
    varied(root, 30)
    first = keep(root)
    wanted = ids(first)
    first.close()
    file = root / FILE
    match how:
        case "garbage":
            file.write_bytes(b"no database at all" * 1000)
        case "empty":
            file.write_bytes(b"")
        case "torn":
            body = file.read_bytes()
            half = len(body) // 2
            file.write_bytes(body[:half] + os.urandom(len(body) - half))
        case "version" | "tables":
            with sqlite3.connect(file) as db:
                db.execute("PRAGMA user_version=7" if how == "version" else "DROP TABLE runs")
            db.close()
        case "folder":
            file.unlink()
            file.mkdir()
        case "gone":
            file.unlink()
    index = keep(root)
    assert ids(index) == wanted
    assert index.counts() == first_counts(root)
    assert len(walk(index, 7, q="parser")) == index.total(q="parser")
    assert ids(keep(root)) == wanted


def first_counts(root: Path) -> dict[str, dict[str, int]]:
    """Read from the folders alone."""
    index = RunIndex(root)
    index._known.in_memory = True
    return index.counts()


def test_a_file_that_is_removed_while_it_is_used(
    root: Path, keep: Callable[[Path], RunIndex]
) -> None:
    varied(root, 10)
    index = keep(root)
    wanted = ids(index)
    for path in (root / "_index").glob("runs.sqlite*"):
        path.unlink()
    index.look()
    assert ids(index) == wanted and (root / FILE).exists()


def test_a_root_that_takes_no_file(root: Path, keep: Callable[[Path], RunIndex]) -> None:
    varied(root, 10)
    (root / "_index").write_text("in the way")
    index = keep(root)
    assert len(ids(index, q="parser")) == index.total(q="parser") > 0
    make(root, "more", "2026-01-01T00:00:00Z")
    assert ids(index)[0] == "more"


def test_a_question_leaves_a_small_root_as_it_is(root: Path) -> None:
    varied(root, 5)
    names = set(os.listdir(root))
    assert len(ids(RunIndex(root))) == 5
    assert set(os.listdir(root)) == names


def test_two_processes_read_a_root_at_once(root: Path, python: Callable[..., Python]) -> None:
    varied(root, 300)
    code = (
        "import sys; from pathlib import Path; from runlog import RunIndex\n"
        "index = RunIndex(Path(sys.argv[1])); index.listen(lambda: None)\n"
        "sys.stdin.readline()\n"
        "while index.look().more: pass\n"
        "print(len(index.page(limit=1000).runs), index.total(q='parser')); index.close()"
    )
    started = [python(code, root) for _ in range(3)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    told = {process.communicate(timeout=DEADLINE_S)[0] for process in started}
    index = RunIndex(root)
    assert told == {f"300 {index.total(q='parser')}\n".encode()}
    with sqlite3.connect(root / FILE) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()


def test_notices_tell_of_new_reopened_and_removed_runs(root: Path) -> None:
    ended = make(root, "ended", "2025-01-01T00:00:00Z")
    append_lines(ended.stream, encode({"type": "workflow_completed", "inbox_offset": 0}))
    index, heard = RunIndex(root), threading.Event()
    index.listen(heard.set)
    index.collect()
    try:
        index.look()
        index._known.swept_once = True  # what is found from now on was told
        index._known.sweep_at = time.monotonic() + 1000
        index.take_changes()
        seen: dict[str, Summary | None] = {}

        def told(run_id: str, status: str | None) -> bool:
            heard.wait(0.05)
            heard.clear()
            index.look()
            seen.update(index.take_changes())
            return run_id in seen and getattr(seen[run_id], "status", None) == status

        post(ended, {"type": "message", "content": "go on", "resume": True})
        until(lambda: told("ended", "queued"), "the reopened run")
        new = create_run(root, "claude", run_id="new")
        until(lambda: told("new", "queued"), "the new run")
        remove_run(new)
        until(lambda: told("new", None), "that it was removed")
    finally:
        index.close()


def test_what_is_written_by_hand_is_found_by_the_sweep(
    root: Path, keep: Callable[[Path], RunIndex]
) -> None:
    runs = [
        make(root, f"r{n:03d}", f"2025-01-01T00:{n // 60:02d}:{n % 60:02d}Z", "completed")
        for n in range(300)
    ]
    index = keep(root)
    for run in runs:  # their last lines say how much of the inbox was read
        append_lines(run.stream, encode({"type": "workflow_completed", "inbox_offset": 0}))
    until(lambda: not index.look().more, "the first sweep")
    line = encode({"type": "message", "content": "on", "resume": True})
    for number in (0, 150, 299):
        append_lines(runs[number].inbox, line)
    until(
        lambda: (index.look(), index.total(status="queued") == 3)[1],
        "the runs that are to go on",
    )


def test_large_results_are_not_kept(root: Path, keep: Callable[[Path], RunIndex]) -> None:
    for number in range(20):
        run = make(root, f"r{number}", "2025-01-01T00:00:00Z")
        result = f"begin{number} " + "x" * 1_000_000 + " unending"
        append_lines(run.stream, encode({"type": "workflow_completed", "result": result}))
    index = keep(root)
    assert ids(index, q="begin7") == ["r7"]
    assert ids(index, q="unending") == []
    assert (root / FILE).stat().st_size < 4_000_000


def test_queue_positions_are_of_the_moment(root: Path) -> None:
    for number, priority in enumerate((0, 5, 0)):
        make(root, f"r{number}", f"2025-01-0{number + 1}T00:00:00Z", priority=priority)
    index = RunIndex(root)
    assert {r.run_id: r.queue_position for r in index.page().runs} == {"r1": 1, "r0": 2, "r2": 3}
    append_lines(root / "r1" / "_stream.jsonl", encode({"type": "workflow_failed"}))
    assert index.queue_position("r0") == 1
    assert index.rows(["r1", "no", "r2"])[2].queue_position == 2  # type: ignore[union-attr]


def test_a_run_that_came_while_another_process_kept_the_file_stays(
    root: Path, keep: Callable[[Path], RunIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runlog.index.known._BLOCKED_S", 0.0)
    root.mkdir()
    index = keep(root)
    other = sqlite3.connect(root / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run = create_run(root, "command")
    index.look()
    assert ids(index) == [run.run_id]
    other.execute("ROLLBACK")
    other.close()
    for _ in range(2):
        index.look()
        assert ids(index) == [run.run_id]
