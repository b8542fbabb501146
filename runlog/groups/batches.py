"""`_batches/<batch_id>.json`: runs that were asked for together. Written once, after all its runs were made.

A run with the `batch_id` of a batch whose file is not there is never started: so a batch begins whole, or not at all.
While one is made its file has another name, which says what is being made, and its maker holds it locked; what a
maker left behind who died is removed by whoever makes or lists batches next.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..disk.append import Unusable, open_plain
from ..disk.durable import folder_locked, names_in, remove_file, sync_folder
from ..disk.layout import RunId, Workspace, check_run_id, make_root, new_run_id
from ..disk.plain import may_be_unfit, unfit
from ..disk.read import MAX_FILE_BYTES, read_plain
from ..disk.records import decode, encode
from ..disk.ticks import next_iso
from ..errors import BadRunId, BadValues, BatchExists, RunExists, RunlogError, UnknownBatch
from ..run.manifest import Manifest, read_manifest, remove_building, remove_run, sync_run, write_run
from ..run.own_words import NO_WORDS, OwnWords, check_own_words

__all__ = [
    "MAX_BATCH_RUNS",
    "Batch",
    "BatchInput",
    "create_batch",
    "list_batches",
    "open_batch",
    "read_batch",
    "remove_batch",
    "remove_unmade",
    "unusable_batches",
]

# Of one batch. A thousand are made in a second or so.
MAX_BATCH_RUNS = 1000

_FOLDER = "_batches"
_UNMADE = ".making-"
# Disks take many fsyncs at once: eight threads need a third of the time of one.
_SYNC_THREADS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """What was asked together. `max_running`: so many of its runs at once; None: as many as the runner may.

    `created_at` is an ISO time in UTC. `run_ids` are in the order of the inputs; some may have been removed since.
    """

    batch_id: str
    created_at: str
    workflow: str
    run_ids: tuple[str, ...]
    deployment: str | None = None
    description: str | None = None
    max_running: int | None = None


@dataclass(frozen=True, slots=True)
class BatchInput:
    """One run of a batch that is to be made, with the fields of its `Manifest`. `run_id` None: one is made up."""

    prompt: str | list[Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    interactive: bool = False
    chat_history: list[Any] = field(default_factory=list)
    priority: int = 0
    park_after_s: float | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    words: OwnWords = NO_WORDS
    output_schema: dict[str, Any] | None = None
    named: tuple[str, ...] | None = None


def create_batch(
    root: Path,
    workflow: str,
    inputs: Sequence[BatchInput],
    *,
    deployment: str | None = None,
    description: str | None = None,
    max_running: int | None = None,
    batch_id: str | None = None,
) -> Batch:
    """Put queued runs on the disk, all or none of them; when this returns they survive a power cut.

    :param inputs: 1 to `MAX_BATCH_RUNS`.
    :raises BadRunId: the `batch_id` or a `run_id` can't be one.
    :raises BatchExists: the `batch_id` is taken.
    :raises RunExists: a `run_id` is taken, or comes twice.
    :raises ValueError: something in it is not JSON, or there are too many inputs or none.
    """
    if not 0 < len(inputs) <= MAX_BATCH_RUNS:
        raise ValueError(f"a batch has 1 to {MAX_BATCH_RUNS} inputs, not {len(inputs)}")
    root = make_root(root)
    batch = Batch(
        batch_id=check_run_id(batch_id) if batch_id is not None else new_run_id("batch"),
        created_at=next_iso(),
        workflow=workflow,
        run_ids=_run_ids(workflow, [asked.run_id for asked in inputs]),
        deployment=deployment,
        description=description,
        max_running=max_running,
    )
    with _reserved(root, batch) as making:
        made: list[Workspace] = []
        try:
            made_at, before = batch.created_at, ""
            for run_id, asked in zip(batch.run_ids, inputs, strict=True):
                if (
                    run_id < before
                ):  # of ids that are the caller's own: of one time they would begin by their names
                    made_at = next_iso()
                before = run_id
                manifest = _manifest(batch, run_id, made_at, asked)
                made.append(write_run(root, manifest, durable=False))
            with ThreadPoolExecutor(_SYNC_THREADS) as threads:
                list(threads.map(sync_run, made))
            sync_folder(root)
            os.rename(making, _path(root, batch.batch_id))
        except BaseException:
            for workspace in made:
                remove_run(workspace)
            os.unlink(making)
            raise
    sync_folder(root / _FOLDER)
    return batch


def read_batch(root: Path, batch_id: str) -> Batch | None:
    """The batch of that id; None if there is none, or it is not made yet, or its file can't be used."""
    try:
        return _read(root, check_run_id(batch_id))
    except (OSError, BadRunId):
        return None


def open_batch(root: Path, batch_id: str) -> Batch:
    """The batch of that id.

    :raises BadRunId: see `check_run_id`.
    :raises UnknownBatch: there is none.
    :raises Unusable: its file is none of ours.
    """
    try:
        return _read(root, check_run_id(batch_id))
    except FileNotFoundError:
        raise UnknownBatch(
            f"no batch {batch_id!r} under {root}",
            "List the batches with `tailcast batches ls` or GET /api/v1/batches",
        ) from None


def list_batches(root: Path) -> list[Batch]:
    """All batches of a root that can be used, newest first."""
    ids = (
        name.removesuffix(".json") for name in names_in(root / _FOLDER) if name.endswith(".json")
    )
    found = [batch for batch_id in ids if (batch := read_batch(root, batch_id)) is not None]
    return sorted(found, key=lambda batch: (batch.created_at, batch.batch_id), reverse=True)


def remove_batch(root: Path, batch_id: str) -> None:
    """Forget a batch; its runs stay. That they have ended is for the caller to know.

    :raises UnknownBatch: there is none.
    """
    try:
        remove_file(_path(root, check_run_id(batch_id)))
    except FileNotFoundError:
        raise UnknownBatch(f"no batch {batch_id!r} under {root}") from None


def unusable_batches(root: Path) -> dict[str, Unusable]:
    """By id, why a file that should be a batch's is none."""
    found: dict[str, Unusable] = {}
    for name in sorted(names_in(root / _FOLDER)):
        try:
            if name.endswith(".json"):
                _read(root, check_run_id(name.removesuffix(".json")))
        except Unusable as error:
            found[name.removesuffix(".json")] = error
        except (OSError, BadRunId):
            continue
    return found


def remove_unmade(root: Path) -> int:
    """Remove what makers of batches left who died before their batch was whole; how many runs that were.

    Cheap where there is nothing to do.
    """
    if not any(name.startswith(_UNMADE) for name in names_in(root / _FOLDER)):
        return 0
    with folder_locked(root / _FOLDER):
        return _remove_unmade(root)


def _remove_unmade(root: Path) -> int:
    removed = 0
    for name in names_in(root / _FOLDER):
        if not name.startswith(_UNMADE):
            continue
        path = root / _FOLDER / name
        try:
            fd = open_plain(path)
        except OSError:
            continue  # none of ours; or for the next who looks
        with open(fd, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its maker is at work
            # Torn, it was written before the first of its runs.
            batch_id = name.removeprefix(_UNMADE).removesuffix(".json")
            batch = _parse(batch_id, file.read(MAX_FILE_BYTES))
            run_ids = batch.run_ids if batch else ()
            removed += sum(_remove_run_of(root, run_id, batch_id) for run_id in run_ids)
            remove_building(root, run_ids)
            path.unlink()
    return removed


def _remove_run_of(root: Path, run_id: str, batch_id: str) -> bool:
    """A run that was made for a batch; not one that had its id before."""
    try:
        workspace = Workspace(root, check_run_id(run_id))
        if read_manifest(workspace).batch_id != batch_id:
            return False
        remove_run(workspace)
    except (RunlogError, FileNotFoundError, Unusable):
        return False
    return True


@contextlib.contextmanager
def _reserved(root: Path, batch: Batch) -> Iterator[Path]:
    """The file of a batch under the name that says it is being made: durable, and locked while the block runs.

    The lock is the file's own: it stays with it when it gets its name, and ends with our process.
    """
    body = encode(asdict(batch))
    if may_be_unfit(body) and (faults := unfit(asdict(batch))):
        raise BadValues(faults)
    making = root / _FOLDER / f"{_UNMADE}{batch.batch_id}.json"
    with folder_locked(root / _FOLDER):
        _remove_unmade(root)
        if os.path.lexists(making) or os.path.lexists(_path(root, batch.batch_id)):
            raise BatchExists(
                f"batch {batch.batch_id!r} exists already",
                "Choose another batch_id, or leave it out and get one made",
            )
        for run_id in batch.run_ids:
            if os.path.lexists(Workspace(root, RunId(run_id)).path):
                raise RunExists(
                    f"run {run_id!r} exists already",
                    "Choose another run_id, or leave it out and get one made",
                )
        fd = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = open(fd, "wb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            file.write(body)
            file.flush()
            os.fsync(fd)
            sync_folder(root / _FOLDER)
        except BaseException:
            making.unlink()
            file.close()
            raise
    with file:
        yield making


def _run_ids(workflow: str, chosen: list[str | None]) -> tuple[str, ...]:
    """Ids for all, in an order that sorts as the inputs do: they may be of the same millisecond."""
    given = [check_run_id(run_id) for run_id in chosen if run_id is not None]
    if len(set(given)) < len(given):
        twice = next(run_id for run_id in given if given.count(run_id) > 1)
        raise RunExists(f"run id {twice!r} comes twice in the batch", "Give each run its own")
    made: set[RunId] = set()
    stem = new_run_id(workflow).rpartition("-")[0]
    while len(made) < len(chosen) - len(given):
        chance = new_run_id(workflow).rpartition("-")[2]
        made.add(RunId(f"{stem}-{chance}"))
    rest = iter(sorted(made))
    return tuple(run_id if run_id is not None else next(rest) for run_id in chosen)


def _manifest(batch: Batch, run_id: str, made_at: str, asked: BatchInput) -> Manifest:
    return Manifest(
        run_id=run_id,
        workflow=batch.workflow,
        created_at=made_at,
        prompt=asked.prompt,
        params=asked.params,
        interactive=asked.interactive,
        chat_history=asked.chat_history,
        deployment=batch.deployment,
        batch_id=batch.batch_id,
        priority=asked.priority,
        park_after_s=asked.park_after_s,
        limits=asked.limits,
        words=check_own_words(**asked.words.as_json()),
        output_schema=asked.output_schema,
        named=asked.named,
    )


def _path(root: Path, batch_id: str) -> Path:
    return root / _FOLDER / f"{batch_id}.json"


def _read(root: Path, batch_id: str) -> Batch:
    """:raises OSError: see `read_plain`."""
    path = _path(root, batch_id)
    batch = _parse(batch_id, read_plain(path))
    if batch is None:
        raise Unusable(errno.EINVAL, "it is not a JSON object", os.fspath(path))
    return batch


def _parse(batch_id: str, raw: bytes) -> Batch | None:
    data = decode(raw)
    if data is None:
        return None
    workflow, created_at = data.get("workflow"), data.get("created_at")
    run_ids, max_running = data.get("run_ids"), data.get("max_running")
    deployment, description = data.get("deployment"), data.get("description")
    return Batch(
        batch_id=batch_id,
        created_at=created_at if isinstance(created_at, str) else "",
        workflow=workflow if isinstance(workflow, str) else "",
        run_ids=tuple(r for r in run_ids if isinstance(r, str))
        if isinstance(run_ids, list)
        else (),
        deployment=deployment if isinstance(deployment, str) else None,
        description=description if isinstance(description, str) else None,
        max_running=max_running if type(max_running) is int and max_running > 0 else None,
    )
