"""Batches as commands need them: which one is meant, who starts its runs, and what is told of them."""

import os
import subprocess
import sys
import time
from pathlib import Path

from runlog import (
    Batch,
    RunIndex,
    Summary,
    UnknownBatch,
    check_run_id,
    list_batches,
    read_batch,
)
from runlog.groups.batch_state import BatchState, batch_rows, batch_state
from runlog.groups.batches import remove_unmade

from .errors import CommandError
from .options import command_line, shown_path

__all__ = ["RUNNER_LOG", "BatchWatch", "begin_batch", "find_batch", "told_counts"]

_NEWEST = ("last", "@")
# At work in the root of a batch that no runner would start; see `runner --until-idle`.
RUNNER_LOG = "_runner.log"
_TAKEN_UP_S = 30.0
_POLL_S = 0.02
_DEFAULT_RUNNING = 4


class BatchWatch:
    """Looks at one batch again and again; what has not changed is not read again."""

    def __init__(self, root: Path, batch: Batch) -> None:
        self.batch = batch
        self._index = RunIndex(root)

    def look(self) -> tuple[BatchState, list[Summary]]:
        """Its totals, and its runs that are there still."""
        rows = batch_rows(self._index, self.batch)
        return batch_state(self.batch, rows), [row for row in rows if row is not None]


def told_counts(state: BatchState) -> str:
    """`12 completed, 2 running`."""
    told = {**state.by_status, "removed": state.removed}
    return ", ".join(f"{count} {status}" for status, count in told.items() if count)


def find_batch(root: Path, text: str) -> Batch:
    """The batch that `text` names: its id, the unique beginning of its id, or `last` (`@`) for the newest.

    :raises UnknownBatch: there is none.
    :raises CommandError: there are several.
    """
    remove_unmade(root)
    if text not in _NEWEST and (batch := read_batch(root, text)) is not None:
        return batch
    batches = list_batches(root)
    if text in _NEWEST:
        found = batches[:1]
    else:
        check_run_id(text)
        found = [batch for batch in batches if batch.batch_id.startswith(text)]
    if not found:
        shown = shown_path(root)
        raise UnknownBatch(
            f"there is no batch {text!r} under {shown}"
            if root.exists()
            else f"{shown} does not exist",
            f"List the batches with `{command_line(root, 'batches', 'ls')}`",
        )
    if len(found) > 1:
        some = ", ".join(batch.batch_id for batch in found[:4]) + (", …" if len(found) > 4 else "")
        raise CommandError(f"{text!r} is the beginning of {len(found)} batches", f"One of {some}")
    return found[0]


def begin_batch(root: Path, batch: Batch, *, scripted_model: bool) -> bool:
    """See to it that the runs of a batch begin: False if a runner is at work here, which takes them up.

    Else one is started that outlives this command, and ends when nothing is queued or running any more.

    :raises CommandError: it did not start.
    """
    from runner.supervise.supervisor import runner_is_active

    if runner_is_active(root):
        return False
    count = max(_DEFAULT_RUNNING, batch.max_running or 0)
    arguments = ["--root", str(root), "runner", "--until-idle", "--max-running", str(count)]
    arguments += ["--scripted-model"] if scripted_model else []
    log = root / RUNNER_LOG
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tailcast", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=fd,
            stderr=fd,
            start_new_session=True,
        )
    finally:
        os.close(fd)
    deadline = time.monotonic() + _TAKEN_UP_S
    while not runner_is_active(root):
        if process.poll() is not None or time.monotonic() > deadline:
            raise CommandError(
                f"the runs of {batch.batch_id} are queued, and no runner came up: see {shown_path(log)}",
                f"Start one: {command_line(root, 'runner')}",
                exit_code=1,
            )
        time.sleep(_POLL_S)
    return True
