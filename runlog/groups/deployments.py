"""`_deployments/<name>.json`: a workflow with params and limits under a name. Whether they fit is for the caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..disk.durable import folder_locked, replace_file
from ..disk.records import encode, now_iso
from ..errors import (
    BadDeployment,
    BrokenDeployment,
    BrokenNamed,
    UnknownDeployment,
)
from .field_checks import (
    PRIORITY_WANTED,
    START_KINDS,
    Kind,
    checked_fields,
    is_object,
    is_priority,
    is_text,
    is_whole,
)
from .named_files import NamedFiles, Precondition

__all__ = [
    "DEPLOYMENTS_FOLDER",
    "MAX_WARM",
    "OWN_OVERRIDES",
    "READ_ONLY",
    "Deployment",
    "DeploymentPrecondition",
    "check_deployment_name",
    "deployment_of",
    "list_deployments",
    "read_deployment",
    "remove_deployment",
    "write_deployment",
]

# Shown of a deployment, and passed over where one is put, so that what was read can be changed and put again.
READ_ONLY = frozenset({"created_at", "updated_at", "statistics", "links"})

# What a start may set beside params, if it is among `allowed_overrides`, though the deployment has its own.
OWN_OVERRIDES = frozenset({"title", "labels", "thread_id", "output_schema"})

DEPLOYMENTS_FOLDER = "_deployments"
# Spare processes of a root, at some 200 MB each.
MAX_WARM = 8


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a run is started with by this name.

    `params` may lack required ones that are in `allowed_overrides`, the names of the params that a start may set;
    with them those of `title`, `labels`, `thread_id` and `output_schema`, of each run, that it may replace.
    `max_running`: at most so many of its runs at once; None: as many as the runner takes. `limits`: name -> number.
    `warm`: so many processes wait ready for its next runs, where its workflow can get ready ahead.
    `park_after_s`: as of a run.
    Times are ISO, in UTC. A run holds all it needs: changes here are for later ones.
    """

    name: str
    workflow: str
    description: str = ""
    prompt: str | list[Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    interactive: bool = False
    limits: dict[str, float] = field(default_factory=dict)
    priority: int = 0
    park_after_s: float | None = None
    max_running: int | None = None
    warm: int = 0
    allowed_overrides: tuple[str, ...] = ()
    title: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    output_schema: dict[str, Any] | None = None
    created_at: str = ""
    updated_at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Not a deep copy (as of `asdict`), which would end at a far smaller depth of nesting than JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


DeploymentPrecondition = Precondition[Deployment]


def check_deployment_name(text: str) -> str:
    """:raises BadDeployment: `text` does not match `^[a-z0-9][a-z0-9-]{0,79}$`."""
    if not _FILES.is_name(text):
        raise BadDeployment(
            f"{text[:100]!r} is not a name of a deployment",
            "A name is 1 to 80 of a-z, 0-9 and '-', and begins with a letter or digit",
            pointer="/name",
        )
    return text


def deployment_of(name: str, body: Mapping[str, Any]) -> Deployment:
    """A deployment from JSON data; what is missing has its default.

    :raises BadDeployment: the name can't be one, or a field is unknown, missing or of a wrong type.
    """
    check_deployment_name(name)
    given = checked_fields("deployment", name, body, _FIELDS, _KINDS, _REQUIRED, _bad)
    if "allowed_overrides" in given:
        given["allowed_overrides"] = tuple(dict.fromkeys(given["allowed_overrides"]))
    return Deployment(**given)


def read_deployment(root: Path, name: str) -> Deployment:
    """:raises BadDeployment: there can be none of that name.
    :raises UnknownDeployment: there is none.
    :raises BrokenDeployment: its file can't be read, or holds something else.
    :raises OSError: the system can't open anything now.
    """
    return _FILES.read(root, check_deployment_name(name))


def list_deployments(root: Path) -> tuple[list[Deployment], dict[str, BrokenNamed]]:
    """All of a root in the order of their names; and by name, why the others can't be used."""
    return _FILES.read_all(root)


def write_deployment(
    root: Path, deployment: Deployment, precondition: DeploymentPrecondition | None = None
) -> tuple[Deployment, bool]:
    """Make or replace it; on the disk when this returns. The times in it are set here.

    :return: what was written, and whether it is new.
    """
    path = _FILES.path(root, check_deployment_name(deployment.name))
    with folder_locked(path.parent):
        present = _FILES.present(root, deployment.name)
        if precondition is not None:
            precondition(present)
        body = deployment.as_json() | {"updated_at": now_iso()}
        made_at = present.created_at if isinstance(present, Deployment) else ""
        body["created_at"] = made_at or body["updated_at"]
        replace_file(path, encode(body))
        return deployment_of(deployment.name, body), present is None


def remove_deployment(
    root: Path, name: str, precondition: DeploymentPrecondition | None = None
) -> None:
    """Its runs stay, and those that run go on.

    :raises UnknownDeployment: there is none.
    """
    _FILES.remove(root, check_deployment_name(name), precondition)


_FILES = NamedFiles(
    "deployment",
    DEPLOYMENTS_FOLDER,
    "deployments",
    deployment_of,
    BadDeployment,
    UnknownDeployment,
    BrokenDeployment,
)


def _bad(name: str, told: str) -> BadDeployment:
    return BadDeployment(f"`{name[:100]}` of the deployment: {told}", pointer=f"/{name[:100]}")


_FIELDS = frozenset(f.name for f in fields(Deployment))
_REQUIRED = {"workflow": "name the workflow to start"}
_KINDS: dict[str, Kind] = START_KINDS | {
    "workflow": (lambda v: isinstance(v, str) and 0 < len(v) <= 200, "the name of a workflow"),
    "params": (is_object, "an object"),
    "interactive": (lambda v: isinstance(v, bool), "true or false"),
    "priority": (is_priority, PRIORITY_WANTED),
    "max_running": (lambda v: v is None or (is_whole(v) and v >= 1), "at least 1, or null"),
    "warm": (
        lambda v: is_whole(v) and 0 <= v <= MAX_WARM,
        f"a whole number from 0 to {MAX_WARM}",
    ),
    "allowed_overrides": (
        lambda v: isinstance(v, list | tuple) and all(map(is_text, v)),
        "a list of names of params",
    ),
}
