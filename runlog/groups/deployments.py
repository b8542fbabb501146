"""`_deployments/<name>.json`: a workflow with params and limits under a name. Whether they fit is for the caller."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..disk.durable import folder_locked, names_in, remove_file, replace_file
from ..disk.read import is_of_file, read_object
from ..disk.records import encode, now_iso
from ..errors import BadDeployment, BadLimit, BadOwnWords, BrokenDeployment, UnknownDeployment
from ..run.limits import check_limits
from ..run.manifest import MAX_PARK_AFTER_S, MAX_PRIORITY, is_park_time
from ..run.own_words import check_own_words

__all__ = [
    "DEPLOYMENTS_FOLDER",
    "MAX_WARM",
    "OWN_OVERRIDES",
    "READ_ONLY",
    "Deployment",
    "Precondition",
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
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_MAX_BYTES = 16 * 1024 * 1024  # a request body is at most 10 MiB; a file beyond is none of ours


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


# What is there now, or why it can't be read, or None: raises if the change is not to be made.
Precondition = Callable[[Deployment | BrokenDeployment | None], None]


def check_deployment_name(text: str) -> str:
    """:raises BadDeployment: `text` does not match `^[a-z0-9][a-z0-9-]{0,79}$`."""
    if not _NAME.fullmatch(text):
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
    given = dict(body) | {"name": check_deployment_name(name)}
    if body.get("name", name) != name:
        raise _bad("name", f"it is {str(body['name'])[:100]!r} here; leave it out, or use {name!r}")
    if unknown := sorted(given.keys() - {f.name for f in fields(Deployment)}):
        raise _bad(unknown[0], "there is no such field of a deployment")
    if "workflow" not in given:
        raise _bad("workflow", "it is missing: name the workflow to start")
    for known, (fits, wanted) in _KINDS.items():
        if known in given and not fits(given[known]):
            raise _bad(known, f"it must be {wanted}")
    try:
        check_limits(given.get("limits", {}))
    except BadLimit as error:
        raise _bad(f"limits/{error.name}", str(error)) from None
    try:
        check_own_words(*(given.get(name) for name in ("title", "labels", "thread_id")))
    except BadOwnWords as error:
        pointer, told = next(iter(error.faults.items()))
        raise _bad(pointer[1:], told) from None
    if "allowed_overrides" in given:
        given["allowed_overrides"] = tuple(dict.fromkeys(given["allowed_overrides"]))
    return Deployment(**given)


def read_deployment(root: Path, name: str) -> Deployment:
    """:raises BadDeployment: there can be none of that name.
    :raises UnknownDeployment: there is none.
    :raises BrokenDeployment: its file can't be read, or holds something else.
    :raises OSError: the system can't open anything now.
    """
    path = _path(root, name)
    try:
        body = read_object(path, _MAX_BYTES)
        return deployment_of(name, body)
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownDeployment(
            f"no deployment {name!r} under {root}",
            "List them with `tailcast deployments ls` or GET /api/v1/deployments",
        ) from None
    except (OSError, BadDeployment) as error:
        if isinstance(error, OSError) and not is_of_file(error):
            raise
        told = error.strerror if isinstance(error, OSError) else getattr(error, "message", error)
        raise BrokenDeployment(
            f"{path} can't be used: {told}", "Mend the file, put the deployment anew, or remove it"
        ) from error


def list_deployments(root: Path) -> tuple[list[Deployment], dict[str, BrokenDeployment]]:
    """All of a root in the order of their names; and by name, why the others can't be used."""
    found: list[Deployment] = []
    broken: dict[str, BrokenDeployment] = {}
    for file_name in sorted(names_in(root / DEPLOYMENTS_FOLDER)):
        name = file_name.removesuffix(".json")
        if name == file_name or not _NAME.fullmatch(name):
            continue
        try:
            found.append(read_deployment(root, name))
        except BrokenDeployment as error:
            broken[name] = error
        except UnknownDeployment:  # removed this moment
            continue
    return found, broken


def write_deployment(
    root: Path, deployment: Deployment, precondition: Precondition | None = None
) -> tuple[Deployment, bool]:
    """Make or replace it; on the disk when this returns. The times in it are set here.

    :return: what was written, and whether it is new.
    """
    path = _path(root, deployment.name)
    with folder_locked(path.parent):
        present = _present(root, deployment.name)
        if precondition is not None:
            precondition(present)
        body = deployment.as_json() | {"updated_at": now_iso()}
        made_at = present.created_at if isinstance(present, Deployment) else ""
        body["created_at"] = made_at or body["updated_at"]
        replace_file(path, encode(body))
        return deployment_of(deployment.name, body), present is None


def remove_deployment(root: Path, name: str, precondition: Precondition | None = None) -> None:
    """Its runs stay, and those that run go on.

    :raises UnknownDeployment: there is none.
    """
    path = _path(root, name)
    if not path.parent.is_dir():
        read_deployment(root, name)
    with folder_locked(path.parent):
        present = _present(root, name)
        if present is None:
            read_deployment(root, name)  # tells that there is none
        if precondition is not None:
            precondition(present)
        remove_file(path)


def _path(root: Path, name: str) -> Path:
    return root / DEPLOYMENTS_FOLDER / f"{check_deployment_name(name)}.json"


def _present(root: Path, name: str) -> Deployment | BrokenDeployment | None:
    try:
        return read_deployment(root, name)
    except BrokenDeployment as error:
        return error
    except UnknownDeployment:
        return None


def _bad(name: str, told: str) -> BadDeployment:
    return BadDeployment(f"`{name[:100]}` of the deployment: {told}", pointer=f"/{name[:100]}")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "workflow": (lambda v: isinstance(v, str) and 0 < len(v) <= 200, "the name of a workflow"),
    "description": (_is_text, "text"),
    "prompt": (
        lambda v: v is None or isinstance(v, str | list),
        "text, or a list of content blocks",
    ),
    "params": (_is_object, "an object"),
    "interactive": (lambda v: isinstance(v, bool), "true or false"),
    "limits": (_is_object, "an object"),
    "priority": (
        lambda v: _is_whole(v) and abs(v) <= MAX_PRIORITY,
        f"a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}",
    ),
    "park_after_s": (
        lambda v: v is None or is_park_time(v),
        f"seconds, from 0 to {MAX_PARK_AFTER_S}, or null",
    ),
    "max_running": (lambda v: v is None or (_is_whole(v) and v >= 1), "at least 1, or null"),
    "warm": (
        lambda v: _is_whole(v) and 0 <= v <= MAX_WARM,
        f"a whole number from 0 to {MAX_WARM}",
    ),
    "allowed_overrides": (
        lambda v: isinstance(v, list | tuple) and all(map(_is_text, v)),
        "a list of names of params",
    ),
    "labels": (_is_object, "an object"),
    "output_schema": (lambda v: v is None or _is_object(v), "a JSON Schema: an object, or null"),
    "created_at": (_is_text, "a time"),
    "updated_at": (_is_text, "a time"),
}
