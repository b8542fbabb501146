"""A run process that is started ahead of its run: it gets ready what takes long, in the folder that the run will
have.

It knows the request it is for (`runlog.run.reserved`) and no more. Told to begin, it looks whether the run that has
the folder now asks for exactly that; a run that does not is done as any, and nothing of what was got ready is used.
It waits at a gate, a pipe that the fork server holds: closed without a word, it ends and leaves nothing.
"""

import asyncio
import contextlib
import json
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from runlog import RunId, Workspace
from runlog.run.limits import check_limits, tightest
from runlog.run.manifest import remove_run
from runlog.run.reserved import request_key, reserve, set_free

from ..keeper.tree import end_marked
from .catalog import check_params, load_workflow
from .environment import mark_of
from .options import RunOptions
from .process import EXIT_REFUSED, Begun, attempt, began, main
from .process_title import show_in_ps
from .workflow import Ahead, Workflow

__all__ = ["can_be_spare", "discard", "main_ahead"]

_WAIT_S = 60.0  # to get ready


class _Prepared(Workflow, Protocol):
    """A workflow that can get ready ahead: see `Workflow`."""

    @classmethod
    def can_prepare(cls, params: Any) -> bool: ...

    def prepare(self, ahead: Ahead) -> AbstractAsyncContextManager[Awaitable[Any]]: ...


@dataclass(frozen=True, slots=True)
class _Request:
    key: str
    workflow: type[_Prepared]
    params: Any
    interactive: bool
    limits: dict[str, float]

    @classmethod
    def of(cls, key: str) -> "_Request | None":
        """None: its workflow gets nothing ready, or not for that.

        :raises RunFailed, BadLimit: no run could be made of it.
        """
        told = json.loads(key)
        workflow = load_workflow(told["workflow"])
        if not hasattr(workflow, "prepare"):
            return None
        found = cast("type[_Prepared]", workflow)
        params = check_params(workflow, told["params"])
        limits = check_limits(told["limits"])
        if not found.can_prepare(params):
            return None
        return cls(key, found, params, told["interactive"], limits)


def can_be_spare(key: str) -> bool:
    """:raises RunFailed, BadLimit: no run could be made of such a request."""
    return _Request.of(key) is not None


def main_ahead(folder: Path, key: str, gate_fd: int, go: bytes) -> None:
    """Get ready in `folder`, wait, and do an attempt of the run that has the folder then.

    :param gate_fd: where `go` is to be read before it begins.
    """
    workspace = Workspace(folder.parent, RunId(folder.name))
    show_in_ps(f"{workspace.run_id} (spare)")
    gate = _Gate(gate_fd, go)
    options = RunOptions.from_environment()
    if asyncio.run(_wait_and_work(workspace, key, gate, options)):
        return
    if gate.opened:
        main(folder)
    elif gate.closed:
        discard(workspace, options.grace_s)
    else:
        sys.exit(EXIT_REFUSED)  # the runner tells why it could not get ready, and clears up


def discard(workspace: Workspace, grace_s: float) -> None:
    """Remove what was got ready, if no run has taken it, and end what is left of its processes.

    :raises TreeSurvived: some of them can't be ended.
    """
    if set_free(workspace):
        end_marked(mark_of(workspace.path), grace_s, frozenset({os.getpid()}))
        with contextlib.suppress(FileNotFoundError):
            remove_run(workspace)


class _Gate:
    def __init__(self, fd: int, go: bytes) -> None:
        self._fd = fd
        self._go = go
        self.opened = self.closed = False

    async def wait(self) -> None:
        """Until it is opened, or nobody can open it any more."""
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(self._fd, told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(self._fd)
        self.opened = os.read(self._fd, 16) == self._go
        self.closed = not self.opened


async def _wait_and_work(workspace: Workspace, key: str, gate: _Gate, options: RunOptions) -> bool:
    """Whether a run was done here."""
    opened = asyncio.create_task(gate.wait())
    try:
        async with _prepared(workspace, key, options) as (made, lost):
            reserve(workspace.root, workspace.run_id, key, "ready")
            ends: list[asyncio.Future[Any]] = [opened, lost]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if lost.done() or not gate.opened:
                return False
            show_in_ps(workspace.run_id)
            with began(workspace, options) as begun:
                if begun is None or not _fits(begun, key):
                    return False
                await attempt(begun, made)
                return True
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return False
    finally:
        opened.cancel()


@contextlib.asynccontextmanager
async def _prepared(
    workspace: Workspace, key: str, options: RunOptions
) -> AsyncIterator[tuple[Workflow, "asyncio.Future[Any]"]]:
    request = _Request.of(key)
    assert request is not None  # the runner has asked
    limits = tightest(request.limits, options.limits)
    ahead = Ahead(workspace, request.params, request.interactive, limits, options.grace_s)
    made = request.workflow()
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(_WAIT_S):
            lost = await stack.enter_async_context(made.prepare(ahead))
        yield made, asyncio.ensure_future(lost)


def _fits(begun: Begun, key: str) -> bool:
    manifest = begun.manifest
    if begun.reader.read().lifecycle is not None:
        return False  # a later attempt
    asked = (manifest.workflow, manifest.params, manifest.interactive, manifest.limits)
    return request_key(*asked) == key
