"""Runs as commands need them: who begins a queued one, and what is told of a run."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runlog import (
    Manifest,
    RunIndex,
    RunState,
    Status,
    Unusable,
    Workspace,
    is_locked,
    is_terminal,
    read_manifest,
    read_state,
    run_status,
)
from runlog.disk.layout import runner_lock
from runlog.groups.troubles import read_trouble
from runlog.run.manifest import readable_manifest
from runlog.run.status import broken_state, tail_state, unfinished_bytes
from runlog.run.view import duration_of, reason_of, state_view, workflow_of

from .errors import CommandError
from .options import command_line

__all__ = [
    "OurProcess",
    "RunView",
    "begin",
    "check_scripted",
    "is_parked",
    "look_at",
    "runner_is_at_work",
    "tell_if_lost",
]

_RUNNER_TELLS_S = 20.0  # it looks ten times a second; a busy machine gets its time
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class RunView:
    """All that is known of a run at one moment."""

    workspace: Workspace
    manifest: Manifest
    state: RunState
    status: Status
    queue_position: int | None  # of a queued run, 1 for the next
    trouble: str | None = None  # what keeps the runner from starting or ending it

    @property
    def workflow(self) -> str:
        return workflow_of(self.manifest, self.state)

    @property
    def duration_s(self) -> float | None:
        """Of a run that goes on: until now."""
        return duration_of(self.state, self.status)

    @property
    def reason(self) -> str | None:
        return reason_of(self.state, self.status)

    def as_json(self) -> dict[str, Any]:
        """With the names that `GET /workflows/{id}` uses, and the folder's `path`."""
        unfinished = unfinished_bytes(self.workspace, self.state)
        place, trouble = self.queue_position, self.trouble
        view = state_view(self.manifest, self.state, self.status, place, trouble, unfinished)
        return view | {"path": str(self.workspace.path)}


def look_at(workspace: Workspace) -> RunView:
    """:raises UnknownRun: it was removed this moment."""
    try:
        state = read_state(workspace)
        manifest, status = read_manifest(workspace), run_status(workspace, state)
    except Unusable as error:
        broken = broken_state(error)
        return RunView(workspace, readable_manifest(workspace), broken, "failed", None)
    queued = status == "queued"
    place = RunIndex(workspace.root).queue_position(workspace.run_id) if queued else None
    trouble = read_trouble(workspace.root, workspace.run_id)
    return RunView(workspace, manifest, state.shown_as(status), status, place, trouble)


class OurProcess:
    """The process of a run that this command started. It outlives us."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def alive(self) -> bool:
        return self._process.poll() is None


def tell_if_lost(workspace: Workspace, *, never_began: bool = False) -> None:
    """If the process of the run died, see to it that the stream says so: a runner here does, else we do.

    :param never_began: its process ended; a run that is queued still was not taken up by it, and is lost too.
    """
    deadline = time.monotonic() + _RUNNER_TELLS_S
    while _is_lost(workspace, never_began):
        from runner.supervise.lost import end_run
        from runner.supervise.supervisor import runner_is_active

        if not runner_is_active(workspace.root):
            end_run(workspace, "workflow_failed", "lost", "the run's process died")
            return
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


def _is_lost(workspace: Workspace, never_began: bool) -> bool:
    status = run_status(workspace)
    if status == "failed":
        return os.path.lexists(workspace.manifest) and not is_terminal(tail_state(workspace).status)
    return never_began and status == "queued"


def is_parked(workspace: Workspace) -> bool:
    """Whether it waits without a process: with no runner at work, who speaks to it has to begin it again."""
    return tail_state(workspace).parked


def runner_is_at_work(root: Path) -> bool:
    """Whether a runner takes up what waits here."""
    return is_locked(runner_lock(root))


def begin(workspace: Workspace, *, scripted_model: bool) -> OurProcess | None:
    """See to it that a queued run begins: None if a runner is at work here, which takes it up."""
    from runner.attempt.options import RunOptions
    from runner.supervise.spawn import start_run_process
    from runner.supervise.supervisor import runner_is_active

    if runner_is_active(workspace.root):
        return None
    process = start_run_process(workspace, RunOptions(scripted_model=scripted_model))
    return OurProcess(process)


def check_scripted(root: Path, scripted_model: bool) -> None:
    """:raises CommandError: a runner is at work that sends its runs to the real model."""
    from runner.supervise.supervisor import active_options

    options = active_options(root)
    if scripted_model and options is not None and not options.scripted_model:
        raise CommandError(
            "the runner at work here sends its runs to the real model, so --scripted-model can't be had",
            f"Start it as `{command_line(root, 'runner', '--scripted-model')}`, or use another --root",
        )
