"""Check all that is asked of a batch, and put it on the disk: all of its runs, or none.

All of it waits for the disk: call it from a thread.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runlog import (
    BadRunId,
    Batch,
    BatchInput,
    RunId,
    Workspace,
    check_run_id,
    create_batch,
    new_run_id,
    open_batch,
    read_batch,
)
from runlog.groups.catalog import CatalogEntry
from runlog.groups.faults import MAX_FAULTS, Fault, Faults, Refused, refused
from runlog.groups.resolution import Start

from ..http.asked import StartRun
from ..http.problems import Problem
from ..starting.create_run import Catalog, resolve_start
from ..starting.idempotency import Recipe, make_once
from .models import BatchInputAsked, StartBatch

__all__ = ["create_resolved", "is_common", "resolve_input", "start_batch"]

_PARAMS = ("params", "runtime_overrides")
# Of these, a name of an input's goes over the common one.
_BY_NAME = (*_PARAMS, "labels")
# And these are an input's own, null too, or else the common one.
_WHOLE = ("thread_id", "trace", "output_schema")


def start_batch(root: Path, catalog: Catalog, asked: StartBatch, key: str | None) -> Batch:
    """Put the queued runs of a batch on the disk.

    :param key: an `Idempotency-Key`: the same key and request give the same batch, however often they come.
    :raises Problem: the request can't be granted; nothing was created.
    :raises Refused: likewise, for what is wrong with it.
    :raises BatchExists: the `batch_id` is taken.
    """

    def resolve() -> Recipe:
        starts = _resolve_all(root, catalog, asked)
        return Recipe(
            asked.batch_id or new_run_id("batch"),
            lambda batch_id: _make(root, asked, starts, batch_id),
            lambda batch_id: _is_of(asked, open_batch(root, batch_id)),
        )

    if key is None:
        recipe = resolve()
        recipe.make(recipe.id)
        return open_batch(root, recipe.id)
    made = make_once(
        root, key, "batch", asked, resolve, lambda batch_id: read_batch(root, batch_id) is not None
    )
    return open_batch(root, made.id)


def _make(root: Path, asked: StartBatch, starts: list[Start], batch_id: str) -> None:
    _check_run_ids_free(root, asked)
    create_resolved(root, asked, starts, batch_id)


def create_resolved(
    root: Path, asked: StartBatch, starts: list[Start], batch_id: str | None
) -> Batch:
    """See `create_batch`. :param starts: of each input, as `resolve_input` gave it."""
    inputs = [
        BatchInput(
            prompt=start.prompt,
            params=start.params,
            run_id=own.run_id,
            interactive=start.interactive,
            chat_history=start.chat_history,
            priority=start.priority,
            park_after_s=start.park_after_s,
            limits=start.limits,
            words=start.words,
            output_schema=start.output_schema,
            named=start.named,
        )
        for own, start in zip(asked.inputs, starts, strict=True)
    ]
    return create_batch(
        root,
        starts[0].workflow,
        inputs,
        deployment=starts[0].deployment,
        description=asked.description,
        max_running=asked.max_running,
        batch_id=batch_id,
    )


def _is_of(asked: StartBatch, batch: Batch) -> bool:
    """Whether the batch is one that was started so; its id was made up, or is the caller's own."""
    return (batch.description, batch.max_running, len(batch.run_ids)) == (
        asked.description,
        asked.max_running,
        len(asked.inputs),
    )


def _resolve_all(root: Path, catalog: Catalog, asked: StartBatch) -> list[Start]:
    """The runs that are asked for, each whole and checked. Nothing is made.

    :raises Refused: what is wrong with the request, of at most 20 places.
    """
    found = Faults()
    if asked.batch_id is not None:
        try:
            check_run_id(asked.batch_id)
        except BadRunId as error:
            found.add(refused("/batch_id", str(error).replace("run id", "batch id")))
    entries = catalog.entries()
    starts: list[Start] = []
    for number, own in enumerate(asked.inputs):
        try:
            starts.append(resolve_input(root, entries, asked, own))
        except Refused as error:
            for fault in error.faults:
                place = _place(fault.pointer, number, own)
                placed = Fault(place, fault.detail)
                found.add(Refused(error.kind, f"{place}: {fault.detail}", [placed]))
        if len(found) >= MAX_FAULTS:
            break
    for fault in _twice(asked):
        found.add(Refused("invalid-request", f"{fault.pointer}: {fault.detail}", [fault]))
    found.raise_if_any()
    return starts


def resolve_input(
    root: Path, entries: Mapping[str, CatalogEntry], asked: StartBatch, own: BatchInputAsked
) -> Start:
    """The run that one input asks for, with what is common to all, checked.

    :raises Refused: what is wrong with it; pointers are as in the start of a single run. See `is_common`.
    """
    fields: dict[str, Any] = {
        name: getattr(own, name) for name in own.model_fields_set if name not in _BY_NAME
    }
    for name in ("workflow", "deployment"):
        fields[name] = getattr(asked, name)
    for name in _WHOLE:
        fields[name] = getattr(own if name in own.model_fields_set else asked, name)
    for name in _BY_NAME:
        common, given = getattr(asked, name), getattr(own, name)
        if common is not None or given is not None:
            fields[name] = (common or {}) | (given or {})
    return resolve_start(root, entries, StartRun(**fields))


def is_common(pointer: str, own: BatchInputAsked) -> bool:
    """Whether a fault is of what is common to all, and not of the input."""
    _, name, *path = pointer.split("/")
    if name in _BY_NAME:
        return bool(path) and path[0] not in (getattr(own, name) or {})
    if name in _WHOLE:
        return name not in own.model_fields_set
    return name in ("workflow", "deployment")


def _place(pointer: str, number: int, own: BatchInputAsked) -> str:
    return pointer if is_common(pointer, own) else f"/inputs/{number}{pointer}"


def _twice(asked: StartBatch) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for number, own in enumerate(asked.inputs):
        if own.run_id is not None and own.run_id in seen:
            faults.append(Fault(f"/inputs/{number}/run_id", f"{own.run_id!r} comes twice"))
        seen |= {own.run_id} if own.run_id is not None else set()
    return faults


def _check_run_ids_free(root: Path, asked: StartBatch) -> None:
    taken = [
        (number, own.run_id)
        for number, own in enumerate(asked.inputs)
        if own.run_id is not None and os.path.lexists(Workspace(root, RunId(own.run_id)).path)
    ]
    if taken:
        names = ", ".join(repr(run_id) for _, run_id in taken[:5])
        raise Problem(
            409,
            "run-exists",
            f"There is a run {names} already. Choose another run_id, or leave it out and get one made",
            errors=[
                {"pointer": f"#/inputs/{number}/run_id", "detail": f"{run_id!r} is taken"}
                for number, run_id in taken[:MAX_FAULTS]
            ],
        )
