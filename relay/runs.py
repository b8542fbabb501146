"""The state of runs, kept warm, and what a client sees of it."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from runlog import (
    Manifest,
    RunState,
    StateReader,
    Status,
    Summary,
    Workspace,
    is_terminal,
    read_manifest,
    run_status,
)
from runlog.records import from_iso

__all__ = ["RunStates", "links_of", "run_view", "summary_view"]

# Each holds a descriptor and the folded state, some 10 KiB.
_WARM_RUNS = 256


class RunStates:
    """States of the runs that were asked for last, each folded on from where it was. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warm: OrderedDict[Workspace, _Warm] = OrderedDict()

    @contextmanager
    def read(self, workspace: Workspace) -> Iterator[RunState]:
        """The state up to now. It changes with the next read: take from it what you need inside the block."""
        with self._lock:
            warm = self._warm.setdefault(workspace, _Warm(workspace))
            self._warm.move_to_end(workspace)
            warm.users += 1
            self._cool()
        try:
            with warm.lock:
                yield warm.reader.read()
        finally:
            with self._lock:
                warm.users -= 1

    def forget(self, workspace: Workspace) -> None:
        """Let go of a run that was removed."""
        with self._lock:
            warm = self._warm.get(workspace)
            if warm is not None and not warm.users:
                self._warm.pop(workspace).reader.close()

    def close(self) -> None:
        with self._lock:
            for warm in self._warm.values():
                warm.reader.close()
            self._warm.clear()

    def _cool(self) -> None:
        excess = len(self._warm) - _WARM_RUNS
        if excess > 0:
            idle = [workspace for workspace, warm in self._warm.items() if not warm.users]
            for workspace in idle[:excess]:
                self._warm.pop(workspace).reader.close()


class _Warm:
    def __init__(self, workspace: Workspace) -> None:
        self.reader = StateReader(workspace)
        self.lock = threading.Lock()
        self.users = 0


def links_of(run_id: str) -> dict[str, str]:
    own = f"/api/v1/workflows/{run_id}"
    names = ("stream", "events", "messages", "files", "stop")
    return {"self": own} | {name: f"{own}/{name}" for name in names}


def summary_view(summary: Summary) -> dict[str, Any]:
    return asdict(summary) | {"links": links_of(summary.run_id)}


def run_view(states: RunStates, workspace: Workspace) -> dict[str, Any]:
    """What `GET /workflows/{id}` shows.

    :raises UnknownRun: there is no such run.
    """
    manifest = read_manifest(workspace)
    with states.read(workspace) as state:
        status = run_status(workspace, state)
        return _view(manifest, state, status)


def _view(manifest: Manifest, state: RunState, status: Status) -> dict[str, Any]:
    lost = status == "failed" and state.ended_at is None
    return {
        "run_id": manifest.run_id,
        "workflow": (state.workflow or manifest.workflow)
        if manifest.workflow == "external"
        else manifest.workflow,
        "status": status,
        "attempt": state.attempt,
        "created_at": manifest.created_at,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "duration_s": state.duration_s if is_terminal(status) else _elapsed_s(state),
        "last_event_at": state.last_event_at,
        "progress": state.progress,
        "message": state.message,
        "activity": state.activity,
        "fields": dict(state.fields),
        "counts": {
            "events": dict(state.event_counts),
            "tool_calls": state.tool_calls,
            "turns": state.turns,
            "messages": dict(Counter(state.messages.values())),
        },
        "current_node": state.current_node,
        "current_tool": state.current_tool,
        "open_questions": list(state.open_questions.values()),
        "open_permissions": list(state.open_permissions.values()),
        "usage": dict(state.usage),
        "cost_usd": state.cost_usd,
        "session_id": state.session_id,
        "model": state.model,
        "result": state.result,
        "error": state.error,
        "reason": state.reason or ("lost" if lost else None),
        "prompt": manifest.prompt,
        "params": manifest.params,
        "interactive": manifest.interactive,
        "offset": state.offset,
        "links": links_of(manifest.run_id),
    }


def _elapsed_s(state: RunState) -> float | None:
    began = from_iso(state.started_at)
    return None if began is None else max(0.0, (datetime.now(UTC) - began).total_seconds())
