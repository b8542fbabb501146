"""Check what is asked against the catalog, and put the run on the disk: whole, once, or not at all.

Nothing here is HTTP but the `Problem`s. All of it waits for the disk: call it from a thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from runlog import (
    BadRunId,
    RunId,
    Workspace,
    check_run_id,
    create_run,
    new_run_id,
    read_manifest,
)
from runlog.disk.stamp import Stamp, stamp_of
from runlog.errors import BadDeployment, BadOwnWords, UnknownDeployment
from runlog.groups.catalog import CatalogEntry, read_catalog
from runlog.groups.deployments import read_deployment
from runlog.groups.faults import MAX_FAULTS, Fault, Faults, Refused, refused
from runlog.groups.resolution import Start, check_start, entry_of, history_of, start_of_deployment
from runlog.groups.schedule_starts import start_of_schedule
from runlog.groups.schedules import Schedule
from runlog.run.limits import faults_of_limits
from runlog.run.manifest import takes_spare
from runlog.run.own_words import NO_WORDS, OwnWords, check_own_words
from runlog.run.reserved import take

from ..http.asked import StartRun
from ..http.problems import Problem
from .idempotency import Recipe, make_once

__all__ = ["Catalog", "Started", "resolve_start", "start_run", "start_scheduled", "words_of"]


class Catalog:
    """What can be started, read again when the runner wrote it anew."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamp: Stamp = None
        self._entries: dict[str, CatalogEntry] = {}

    def entries(self) -> dict[str, CatalogEntry]:
        """By name.

        :raises Problem: 503, no runner has said what it can start.
        :raises Unusable: what stands in the place of the catalog is none.
        """
        stamp = stamp_of(self._root / "_catalog.json")
        if stamp is not None and stamp == self._stamp:
            return self._entries
        found = read_catalog(self._root)
        if found is None:
            raise Problem(
                503,
                "no-catalog",
                f"No runner has written a catalog into {self._root} yet, so nothing can be started. Start one with "
                "`tailcast runner`, or both with `tailcast serve`",
                headers={"retry-after": "2"},
            )
        entries = {entry.name: entry for entry in found}
        self._entries, self._stamp = entries, stamp
        return entries


@dataclass(frozen=True, slots=True)
class Started:
    """`repeated`: the run was there already, under the same idempotency key."""

    workspace: Workspace
    repeated: bool = False


def start_run(root: Path, catalog: Catalog, asked: StartRun, key: str | None) -> Started:
    """Put a queued run on the disk.

    :param key: an `Idempotency-Key`: the same key and request give the same run, however often they come.
    :raises Problem: the request can't be granted; nothing was created.
    :raises Refused: likewise, for what is wrong with it.
    :raises RunExists: the `run_id` is taken.
    """

    def resolve() -> Start:
        return resolve_start(root, catalog.entries(), asked)

    return _start(root, asked, key, resolve, asked.run_id)


def start_scheduled(root: Path, catalog: Catalog, schedule: Schedule, key: str | None) -> Started:
    """The same for a run of a schedule, now."""

    def resolve() -> Start:
        return start_of_schedule(root, catalog.entries(), schedule, None)

    return _start(root, _RunSchedule(schedule=schedule.name), key, resolve)


class _RunSchedule(BaseModel):
    """What is asked, for an `Idempotency-Key`."""

    schedule: str


def resolve_start(root: Path, entries: Mapping[str, CatalogEntry], asked: StartRun) -> Start:
    """The run that is asked for, with all that its deployment has: whole, and checked. Nothing is made.

    :raises Refused: what is wrong with the request.
    :raises BrokenDeployment: the file of its deployment can't be used.
    """
    found = Faults()
    if asked.run_id is not None:
        try:
            check_run_id(asked.run_id)
        except BadRunId as error:
            found.add(refused("/run_id", str(error)))
    limits = dict(asked.limits or {})
    for bad in islice(faults_of_limits(asked.limits or {}), MAX_FAULTS):
        found.add(refused(f"/limits/{bad.name}", str(bad)))
        del limits[bad.name]  # the rest is looked at without it
    words = NO_WORDS
    with found.gather():
        words = words_of(asked.title, asked.labels, asked.thread_id, asked.trace)
    start: Start | None = None
    with found.gather():
        if asked.deployment is not None:
            start = _resolve_deployment(root, entries, asked, words, limits, asked.deployment)
        else:
            start = _resolve_workflow(entries, asked, words, limits, found)
    found.raise_if_any()
    assert start is not None
    return start


def _resolve_workflow(
    entries: Mapping[str, CatalogEntry],
    asked: StartRun,
    words: OwnWords,
    limits: dict[str, float],
    found: Faults,
) -> Start:
    """:param found: takes what is wrong beside what is raised."""
    chat_history: list[Any] = []
    with found.gather():
        chat_history = history_of(asked.chat_history)
    if asked.runtime_overrides is not None:
        told = "They go with a `deployment`: send what you need in `params`"
        found.add(refused("/runtime_overrides", told))
    if asked.workflow is None:
        raise refused("/workflow", "Name the `workflow` to start, or a `deployment`")
    start = Start(
        workflow=asked.workflow,
        prompt=asked.prompt,
        params=asked.params,
        interactive=asked.interactive or False,
        chat_history=chat_history,
        deployment=None,
        priority=asked.priority or 0,
        park_after_s=asked.park_after_s,
        limits=limits,
        words=words,
        output_schema=asked.output_schema,
    )
    check_start(entry_of(entries, start.workflow, "/workflow"), start)
    return start


def words_of(title: Any, labels: Any, thread_id: Any = None, trace: Any = None) -> OwnWords:
    """:raises Refused: see `check_own_words`."""
    try:
        return check_own_words(title, labels, thread_id, trace)
    except BadOwnWords as error:
        faults = [Fault(pointer, detail) for pointer, detail in error.faults.items()]
        raise Refused("invalid-request", str(error), faults) from None


def _resolve_deployment(
    root: Path,
    entries: Mapping[str, CatalogEntry],
    asked: StartRun,
    words: OwnWords,
    limits: dict[str, float],
    name: str,
) -> Start:
    found = Faults()
    if asked.workflow is not None:
        found.add(refused("/workflow", "A deployment has its own workflow: send one of the two"))
    if "params" in asked.model_fields_set:
        told = "A deployment has its own params: send what it allows in `runtime_overrides`"
        found.add(refused("/params", told))
    overrides = asked.runtime_overrides or {}
    with found.gather():
        try:
            deployment = read_deployment(root, name)
        except (BadDeployment, UnknownDeployment) as error:
            raise refused("/deployment", str(error)) from None
        start = start_of_deployment(
            deployment,
            prompt=asked.prompt,
            overrides=overrides,
            interactive=asked.interactive,
            chat_history=asked.chat_history,
            priority=asked.priority,
            park_after_s=asked.park_after_s,
            limits=limits,
            words=words,
            output_schema=asked.output_schema,
            found=found,
        )
        check_start(entry_of(entries, deployment.workflow, "/deployment"), start, overrides)
    found.raise_if_any()
    return start


def _start(
    root: Path,
    asked: BaseModel,
    key: str | None,
    resolve: Callable[[], Start],
    run_id: str | None = None,
) -> Started:
    if key is None:
        return Started(create_run(root, **resolve().fields(), run_id=run_id))

    def recipe() -> Recipe:
        start = resolve()

        def make(run_id: str) -> None:
            create_run(root, **start.fields(), run_id=run_id)

        return Recipe(
            run_id or _reserved_id(root, start) or new_run_id(start.workflow),
            make,
            lambda run_id: _is_of(start, Workspace(root, RunId(run_id))),
        )

    def exists(run_id: str) -> bool:
        return Workspace(root, RunId(run_id)).exists()

    made = make_once(root, key, "run", asked, recipe, exists)
    return Started(Workspace(root, RunId(made.id)), made.repeated)


def _reserved_id(root: Path, start: Start) -> str | None:
    """Of a folder in which a runner has got ready for such a run."""
    if not takes_spare(start.words, start.output_schema):
        return None
    return take(root, start.workflow, start.params, start.interactive, start.limits)


def _is_of(start: Start, workspace: Workspace) -> bool:
    """Whether the run is one that was started so. Of a deployment, which may have changed since: of the same one."""
    made = read_manifest(workspace)
    if start.deployment is not None:
        return made.deployment == start.deployment
    return all(getattr(made, name) == value for name, value in start.fields().items())
