"""The start of a run once more: as its `run.json` has it, with what is asked to be otherwise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runlog import Manifest, Workspace, read_manifest
from runlog.errors import BadDeployment, UnknownDeployment
from runlog.groups.deployments import OWN_OVERRIDES, Deployment, read_deployment
from runlog.groups.faults import refused
from runlog.run.manifest import EXTERNAL

from ..http.asked import StartAgain, StartRun

__all__ = ["start_again"]

# Where what is asked goes over what was, name by name.
_BY_NAME = ("params", "runtime_overrides", "labels", "limits")
# And where null, which is no value of these, takes one out.
_TAKEN_OUT = ("labels", "limits")


def start_again(root: Path, run: Workspace, asked: StartAgain) -> StartRun:
    """The start to make: not checked yet. Of a deployment: what the run itself asked for; else what that says now.

    The `trace` is not repeated, nor are id and batch; the files of the run are its own.

    :raises Refused: nobody has started the run, or its deployment is gone.
    :raises BrokenDeployment: the file of its deployment can't be used.
    :raises Unusable: `run.json` can't be.
    """
    made = read_manifest(run)
    if made.workflow == EXTERNAL:
        raise refused("", f"{run.run_id!r} was started by somebody else: start a run of a workflow")
    fields = _as_asked(root, made)
    for name in asked.model_fields_set:
        given = getattr(asked, name)
        if name in _BY_NAME and given is not None:
            given = fields.get(name, {}) | given
        fields[name] = given
    for name in _TAKEN_OUT:
        if fields.get(name):
            fields[name] = {key: value for key, value in fields[name].items() if value is not None}
    return StartRun(**{name: value for name, value in fields.items() if value is not None})


def _as_asked(root: Path, made: Manifest) -> dict[str, Any]:
    words = made.words
    fields: dict[str, Any] = {
        "prompt": made.prompt,
        "interactive": made.interactive,
        "chat_history": made.chat_history,
        "priority": made.priority,
        "limits": made.limits,
        "park_after_s": made.park_after_s,
        "title": words.title,
        "labels": dict(words.labels),
        "thread_id": words.thread_id,
        "output_schema": made.output_schema,
    }
    if made.deployment is None:
        return fields | {"workflow": made.workflow, "params": made.params}
    try:
        deployment = read_deployment(root, made.deployment)
    except (BadDeployment, UnknownDeployment) as error:
        raise refused("/deployment", str(error)) from None
    return _within(deployment, made, fields)


def _within(deployment: Deployment, made: Manifest, fields: dict[str, Any]) -> dict[str, Any]:
    """What the start of the run named itself, without what a start of this deployment may not bring: it may have
    changed since. Of a run that does not tell what it named: all that it had, likewise.
    """
    allowed = deployment.allowed_overrides
    if made.named is not None:
        fields = {name: value for name, value in fields.items() if f"/{name}" in made.named}
    for name in OWN_OVERRIDES - {"labels"}:
        if name not in allowed and getattr(deployment, name) is not None:
            fields[name] = None

    def named(of: str, values: Mapping[str, Any]) -> dict[str, Any]:
        names = values.keys() if made.named is None else made.named_in(of)
        return {name: value for name, value in values.items() if name in names}

    fields["labels"] = {
        name: value
        for name, value in named("labels", made.words.labels).items()
        if "labels" in allowed or name not in deployment.labels
    }
    fields["limits"] = {
        name: value
        for name, value in named("limits", made.limits).items()
        if value <= deployment.limits.get(name, value)
    }
    overrides = {
        name: value for name, value in named("params", made.params).items() if name in allowed
    }
    return fields | {"deployment": deployment.name, "runtime_overrides": overrides}
