"""A batch is made whole or not at all, whatever happens in between."""

import fcntl
from pathlib import Path

import pytest

from runlog import (
    BadRunId,
    BatchExists,
    BatchInput,
    RunExists,
    RunId,
    RunIndex,
    Workspace,
    create_batch,
    create_run,
    list_batches,
    open_batch,
    read_batch,
    read_manifest,
)
from runlog.errors import UnknownBatch
from runlog.groups.batch_state import batch_rows, batch_state
from runlog.groups.batches import MAX_BATCH_RUNS, remove_batch, remove_unmade
from runlog.run.manifest import start_order


def inputs(count: int) -> list[BatchInput]:
    return [BatchInput(params={"n": number}) for number in range(count)]


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != "_batches")


def leave_unmade(root: Path, batch_id: str) -> list[Workspace]:
    """What a maker leaves who dies just before its batch is whole."""
    batch = create_batch(root, "command", inputs(3), batch_id=batch_id)
    folder = root / "_batches"
    (folder / f"{batch_id}.json").rename(folder / f".making-{batch_id}.json")
    return [Workspace(root, RunId(run_id)) for run_id in batch.run_ids]


def test_what_was_asked_is_what_is_read(tmp_path: Path) -> None:
    asked = [*inputs(2), BatchInput("hello", run_id="own", priority=3, limits={"turns": 2})]
    batch = create_batch(
        tmp_path, "claude", asked, deployment="nightly", description="Try", max_running=2
    )
    assert read_batch(tmp_path, batch.batch_id) == batch == open_batch(tmp_path, batch.batch_id)
    made = [read_manifest(Workspace(tmp_path, RunId(run_id))) for run_id in batch.run_ids]
    assert [run.params for run in made] == [{"n": 0}, {"n": 1}, {}]
    assert {(run.workflow, run.deployment, run.batch_id) for run in made} == {
        ("claude", "nightly", batch.batch_id)
    }
    last = made[2]
    assert (last.run_id, last.prompt, last.priority, last.limits) == (
        "own",
        "hello",
        3,
        {"turns": 2},
    )
    assert (tmp_path / "_batches").stat().st_mode & 0o777 == 0o700
    (file,) = (tmp_path / "_batches").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_runs_sort_as_their_inputs(tmp_path: Path) -> None:
    batch = create_batch(tmp_path, "command", inputs(200))
    made = [read_manifest(Workspace(tmp_path, RunId(run_id))) for run_id in batch.run_ids]
    assert made == sorted(made, key=lambda run: (run.created_at, run.run_id))


def test_newest_first(tmp_path: Path) -> None:
    ids = [
        create_batch(tmp_path, "command", inputs(1), batch_id=f"b-{n}").batch_id for n in range(3)
    ]
    assert [batch.batch_id for batch in list_batches(tmp_path)] == ids[::-1]


def test_a_fault_in_the_midst_leaves_nothing(tmp_path: Path) -> None:
    asked = [*inputs(5), BatchInput(params={"n": object()}), *inputs(5)]
    with pytest.raises(ValueError, match="not an event"):
        create_batch(tmp_path, "command", asked)
    assert names(tmp_path) == [] and list((tmp_path / "_batches").iterdir()) == []


def test_what_a_dead_maker_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = leave_unmade(tmp_path, "half")
    (tmp_path / f".new-{left[0].run_id}-0a1b2c3d").mkdir()
    assert read_batch(tmp_path, "half") is None and left[0].exists()
    batch = create_batch(tmp_path, "command", inputs(1), batch_id="half")
    assert names(tmp_path) == list(batch.run_ids)


def test_others_are_left_alone(tmp_path: Path) -> None:
    """A run whose id the dead maker only meant to take, and a maker that lives."""
    left = leave_unmade(tmp_path, "half")
    remove_unmade(tmp_path)
    create_run(tmp_path, "command", run_id=left[0].run_id)
    left = leave_unmade(tmp_path, "alive")
    with open(tmp_path / "_batches" / ".making-alive.json", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_unmade(tmp_path) == 0 and all(run.exists() for run in left)
        with pytest.raises(BatchExists):
            create_batch(tmp_path, "command", inputs(1), batch_id="alive")
    assert remove_unmade(tmp_path) == 3 and len(names(tmp_path)) == 1
    torn = tmp_path / "_batches" / ".making-torn.json"
    torn.write_bytes(b'{"batch_id": "torn", "run')
    assert remove_unmade(tmp_path) == 0 and not torn.exists()


def test_ids_that_are_taken(tmp_path: Path) -> None:
    create_run(tmp_path, "command", run_id="mine")
    with pytest.raises(RunExists, match="exists already"):
        create_batch(tmp_path, "command", [*inputs(2), BatchInput(run_id="mine")])
    with pytest.raises(RunExists, match="comes twice"):
        create_batch(tmp_path, "command", [BatchInput(run_id="a"), BatchInput(run_id="a")])
    assert names(tmp_path) == ["mine"]
    create_batch(tmp_path, "command", inputs(1), batch_id="taken")
    with pytest.raises(BatchExists):
        create_batch(tmp_path, "command", inputs(1), batch_id="taken")
    for bad in ("../x", "_x", ""):
        with pytest.raises(BadRunId):
            create_batch(tmp_path, "command", inputs(1), batch_id=bad)
    for count in (0, MAX_BATCH_RUNS + 1):
        with pytest.raises(ValueError, match="1 to 1000"):
            create_batch(tmp_path, "command", inputs(count))
    assert len(names(tmp_path)) == 2


def test_a_run_under_the_id_of_one_that_was_removed_is_none_of_the_batch(tmp_path: Path) -> None:
    batch = create_batch(tmp_path, "command", inputs(2))
    run = Workspace(tmp_path, RunId(batch.run_ids[0]))
    run.path.rename(tmp_path / ".away")
    create_run(tmp_path, "command", run_id=run.run_id)
    state = batch_state(batch, batch_rows(RunIndex(tmp_path), batch))
    assert (state.total, state.removed, state.done, state.status) == (2, 1, 1, "queued")
    remove_batch(tmp_path, batch.batch_id)
    with pytest.raises(UnknownBatch):
        remove_batch(tmp_path, batch.batch_id)
    assert read_batch(tmp_path, batch.batch_id) is None and run.exists()


def test_runs_with_ids_of_the_callers_begin_as_their_inputs(tmp_path: Path) -> None:
    ids = ["z", "b", "c", "a"]
    create_batch(tmp_path, "command", [BatchInput(run_id=run_id) for run_id in ids])
    made = [read_manifest(Workspace(tmp_path, RunId(run_id))) for run_id in ids]
    assert start_order(reversed(made)) == made
