"""Which workflows can be started: those of this package and of every other that registers an entry point."""

import contextlib
import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from runlog.groups.catalog import CatalogEntry

from .signals import signals_of
from .workflow import RunFailed, Workflow

__all__ = [
    "all_workflows",
    "check_params",
    "describe",
    "describe_all",
    "load_workflow",
    "workflow_names",
]

_GROUP = "tailcast.workflows"


def workflow_names() -> list[str]:
    return sorted(_registered())


def load_workflow(name: str) -> type[Workflow]:
    """The class of a workflow.

    :raises RunFailed: `unknown_workflow`, or `broken_workflow` if its package can't be imported.
    """
    entry = _registered().get(name)
    if entry is None:
        raise RunFailed(
            "unknown_workflow",
            f"there is no workflow {name!r} here. Use one of: {', '.join(workflow_names())}",
        )
    try:
        workflow: type[Workflow] = entry.load()
    except Exception as error:
        raise RunFailed("broken_workflow", f"{entry.value} can't be imported: {error}") from error
    return workflow


def check_params(workflow: type[Workflow], params: dict[str, Any]) -> Any:
    """The params as the workflow's `Params`.

    :raises RunFailed: `bad_params`, with each fault and where it is.
    """
    try:
        return workflow.Params.model_validate(params)
    except ValidationError as error:
        faults = "; ".join(
            f"params.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise RunFailed("bad_params", faults) from error


def describe_all() -> list[CatalogEntry]:
    """The catalog; a workflow that can't be imported is left out (`tailcast doctor` tells of it)."""
    return [describe(name, workflow) for name, workflow in all_workflows().items()]


def describe(name: str, workflow: type[Workflow]) -> CatalogEntry:
    """What the catalog says of a workflow."""
    return CatalogEntry(
        name=name,
        description=" ".join((inspect.getdoc(workflow) or "").partition("\n\n")[0].split()),
        params=workflow.Params.model_json_schema(),
        prompt=workflow.prompt,
        interactive=workflow.interactive,
        resumable=workflow.resumable,
        pausable=getattr(workflow, "pausable", False),
        messages=getattr(workflow, "messages", True),
        warm=hasattr(workflow, "prepare"),
        structured=getattr(workflow, "structured", False),
        signals=signals_of(workflow),
    )


def all_workflows() -> dict[str, type[Workflow]]:
    """Every workflow that can be imported, by name."""
    loaded = {}
    for name in workflow_names():
        with contextlib.suppress(RunFailed):
            loaded[name] = load_workflow(name)
    return loaded


@cache
def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}
