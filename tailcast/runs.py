"""Runs as commands need them: who begins a queued one, and what is told of a run."""

import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runlog import (
    Manifest,
    RunState,
    Status,
    Workspace,
    is_terminal,
    read_manifest,
    read_state,
    run_status,
)
from runlog.records import from_iso
from runlog.status import tail_state

from .errors import CommandError
from .options import command_line

__all__ = ["OurProcess", "RunView", "begin", "check_scripted", "look_at", "tell_if_lost"]

_RUNNER_TELLS_S = 5.0  # it looks ten times a second
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class RunView:
    """All that is known of a run at one moment."""

    workspace: Workspace
    manifest: Manifest
    state: RunState
    status: Status

    @property
    def workflow(self) -> str:
        if self.manifest.workflow == "external":
            return self.state.workflow or "external"
        return self.manifest.workflow

    @property
    def duration_s(self) -> float | None:
        """Of a run that goes on: until now."""
        if is_terminal(self.status):
            return self.state.duration_s
        began = from_iso(self.state.started_at)
        return None if began is None else max(0.0, (datetime.now(UTC) - began).total_seconds())

    @property
    def reason(self) -> str | None:
        lost = self.status == "failed" and self.state.ended_at is None
        return self.state.reason or ("lost" if lost else None)

    def as_json(self) -> dict[str, Any]:
        """With the names that `GET /workflows/{id}` uses, and the folder's `path`."""
        state, manifest = self.state, self.manifest
        return {
            "run_id": manifest.run_id,
            "workflow": self.workflow,
            "status": self.status,
            "attempt": state.attempt,
            "created_at": manifest.created_at,
            "started_at": state.started_at,
            "ended_at": state.ended_at,
            "duration_s": self.duration_s,
            "last_event_at": state.last_event_at,
            "progress": state.progress,
            "message": state.message,
            "activity": state.activity,
            "fields": state.fields,
            "counts": {
                "events": state.event_counts,
                "tool_calls": state.tool_calls,
                "turns": state.turns,
                "messages": dict(Counter(state.messages.values())),
            },
            "current_node": state.current_node,
            "current_tool": state.current_tool,
            "open_questions": list(state.open_questions.values()),
            "open_permissions": list(state.open_permissions.values()),
            "usage": state.usage,
            "cost_usd": state.cost_usd,
            "session_id": state.session_id,
            "model": state.model,
            "result": state.result,
            "error": state.error,
            "reason": self.reason,
            "prompt": manifest.prompt,
            "params": manifest.params,
            "interactive": manifest.interactive,
            "offset": state.offset,
            "path": str(self.workspace.path),
        }


def look_at(workspace: Workspace) -> RunView:
    """:raises UnknownRun: it was removed this moment."""
    state = read_state(workspace)
    return RunView(workspace, read_manifest(workspace), state, run_status(workspace, state))


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
        from runner.lost import end_run
        from runner.supervisor import runner_is_active

        if not runner_is_active(workspace.root):
            end_run(workspace, "workflow_failed", "lost", "the run's process died")
            return
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_S)


def _is_lost(workspace: Workspace, never_began: bool) -> bool:
    status = run_status(workspace)
    if status == "failed":
        return workspace.manifest.exists() and not is_terminal(tail_state(workspace).status)
    return never_began and status == "queued"


def begin(workspace: Workspace, *, scripted_model: bool) -> OurProcess | None:
    """See to it that a queued run begins: None if a runner is at work here, which takes it up."""
    from runner.spawn import RunOptions, start_run_process
    from runner.supervisor import runner_is_active

    if runner_is_active(workspace.root):
        return None
    process = start_run_process(workspace, RunOptions(scripted_model=scripted_model))
    return OurProcess(process)


def check_scripted(root: Path, scripted_model: bool) -> None:
    """:raises CommandError: a runner is at work that sends its runs to the real model."""
    from runner.supervisor import active_options

    options = active_options(root)
    if scripted_model and options is not None and not options.scripted_model:
        raise CommandError(
            "the runner at work here sends its runs to the real model, so --scripted-model can't be had",
            f"Start it as `{command_line(root, 'runner', '--scripted-model')}`, or use another --root",
        )
