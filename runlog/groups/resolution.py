"""What a start asks for, made whole by its deployment and checked against the catalog.

Neither HTTP nor files: the command line asks the same of it, so a deployment means the same by both ways.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError as ParamsError

from .. import BadMessage
from ..disk.plain import unfit
from ..disk.pointers import escaped
from ..run.earlier import checked_history
from ..run.inbox_lines import check_message
from ..run.output_schema import NOTHING_FETCHED, faults_of_schema
from ..run.own_words import MAX_LABELS, NO_WORDS, OwnWords
from .catalog import CatalogEntry
from .dependencies import DEPENDENCIES_KEYWORD, in_order
from .deployments import OWN_OVERRIDES, Deployment
from .faults import MAX_DETAILS, MAX_FAULTS, Fault, Faults, Refused, refused

__all__ = [
    "Start",
    "check_deployment",
    "check_start",
    "entry_of",
    "faults_by_schema",
    "history_of",
    "start_of_deployment",
]

_WALKED = ("prompt", "params", "output_schema")


@dataclass(frozen=True, slots=True)
class Start:
    """A run to make: all that `create_run` takes, beside its id."""

    workflow: str
    prompt: str | list[Any] | None
    params: dict[str, Any]
    interactive: bool
    chat_history: list[Any]
    deployment: str | None
    priority: int
    park_after_s: float | None
    limits: dict[str, float]
    words: OwnWords = NO_WORDS
    output_schema: dict[str, Any] | None = None
    named: tuple[str, ...] | None = None
    schedule: str | None = None
    due_at: str | None = None

    def fields(self) -> dict[str, Any]:
        """As arguments of `create_run`."""
        return {name: getattr(self, name) for name in self.__slots__}


def entry_of(entries: Mapping[str, CatalogEntry], workflow: str, pointer: str) -> CatalogEntry:
    """:raises Refused: it can't be started here; `pointer` is who names it."""
    entry = entries.get(workflow)
    if entry is None:
        known = ", ".join(sorted(entries))
        raise refused(pointer, f"There is no workflow {workflow[:100]!r} here. Use one of: {known}")
    return entry


def start_of_deployment(
    deployment: Deployment,
    *,
    prompt: str | list[Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    interactive: bool | None = None,
    chat_history: list[Any] | None = None,
    priority: int | None = None,
    park_after_s: float | None = None,
    limits: Mapping[str, float] | None = None,
    words: OwnWords = NO_WORDS,
    output_schema: dict[str, Any] | None = None,
    found: Faults | None = None,
) -> Start:
    """The start that a deployment and what was sent with it come to; None leaves a thing to the deployment.

    :param overrides: params, in place of the deployment's own of those names.
    :param limits: each a limit (see `check_limits`), in place of the deployment's, or beside them.
    :param words: checked; beside the deployment's, or in place of them if it allows that.
    :param found: takes what is wrong; left out, that is raised.
    :raises Refused: an override is not allowed, or a limit is looser than the deployment's.
    """
    allowed = ", ".join(deployment.allowed_overrides) or "none"
    refused_ones = (name for name in overrides or {} if name not in deployment.allowed_overrides)
    faults = [
        Fault(
            f"/runtime_overrides/{name}",
            f"`{deployment.name}` does not allow to override {name[:100]!r}. Allowed: {allowed}",
        )
        for name in islice(refused_ones, MAX_FAULTS)
    ]
    for name, value in (limits or {}).items():
        most = deployment.limits.get(name)
        if most is not None and value > most:
            told = f"`{deployment.name}` has {most:g}; a start may only go below that"
            faults.append(Fault(f"/limits/{name}", told))
    labels = {**deployment.labels, **words.labels}
    if len(labels) > MAX_LABELS:
        told = f"With those of `{deployment.name}` they are {len(labels)}, and a run has at most {MAX_LABELS}"
        faults.append(Fault("/labels", told))
    faults += [
        Fault(pointer, f"`{deployment.name}` has its own, and does not allow another one")
        for pointer in _replaced(deployment, words, output_schema)
    ]
    own, found = found is None, Faults() if found is None else found
    if faults:
        told = "; ".join(fault.detail for fault in faults[:MAX_DETAILS])
        found.add(Refused("invalid-request", told, faults))
    with found.gather():
        chat_history = history_of(chat_history)
    if own:
        found.raise_if_any()
    given = {
        "prompt": prompt,
        "interactive": interactive,
        "chat_history": chat_history or None,
        "priority": priority,
        "park_after_s": park_after_s,
        "output_schema": output_schema,
        "title": words.title,
        "thread_id": words.thread_id,
        "trace": words.trace,
        "params": overrides or {},
        "limits": limits or {},
        "labels": words.labels,
    }
    return Start(
        workflow=deployment.workflow,
        prompt=deployment.prompt if prompt is None else prompt,
        params=deployment.params | dict(overrides or {}),
        interactive=deployment.interactive if interactive is None else interactive,
        chat_history=chat_history or [],
        deployment=deployment.name,
        priority=deployment.priority if priority is None else priority,
        park_after_s=deployment.park_after_s if park_after_s is None else park_after_s,
        limits=deployment.limits | dict(limits or {}),
        words=OwnWords(
            title=words.title or deployment.title,
            labels=labels,
            thread_id=words.thread_id or deployment.thread_id,
            trace=words.trace,
        ),
        output_schema=deployment.output_schema if output_schema is None else output_schema,
        named=tuple(_pointers(given)),
    )


def _pointers(given: Mapping[str, Any]) -> Iterator[str]:
    """To what is given; of params, limits and labels to each by its name."""
    for name, value in given.items():
        if name in ("params", "limits", "labels"):
            yield from (f"/{name}/{escaped(key)}" for key in value)
        elif value is not None:
            yield f"/{name}"


def _replaced(
    deployment: Deployment, words: OwnWords, output_schema: dict[str, Any] | None
) -> Iterator[str]:
    """Pointers to what would take the place of the deployment's own, though it does not allow that."""
    given = {"title": words.title, "thread_id": words.thread_id, "output_schema": output_schema}
    for name, sent in given.items():
        own = getattr(deployment, name)
        if sent not in (None, own) and own is not None and name not in deployment.allowed_overrides:
            yield f"/{name}"
    if "labels" not in deployment.allowed_overrides:
        for name, value in words.labels.items():
            if deployment.labels.get(name, value) != value:
                yield f"/labels/{name}"


def history_of(chat_history: list[Any] | None) -> list[Any]:
    """What was said before, as `{role, content}` each.

    :raises Refused: what of it can't be understood.
    """
    turns, bad = checked_history(chat_history or [])
    if bad:
        faults = [Fault(f"/chat_history{fault.pointer}", fault.detail) for fault in bad]
        told = "; ".join(f"chat_history{fault.pointer}: {fault.detail}" for fault in bad[:3])
        raise Refused("invalid-request", told, faults[:MAX_FAULTS])
    return turns


def check_start(entry: CatalogEntry, start: Start, overrides: Collection[str] = ()) -> None:
    """:param overrides: names of the params that did not come from the deployment.
    :raises Refused: the workflow can't be started so.
    """
    _check_values(start, *_WALKED, "chat_history")
    found = Faults()
    with found.gather():
        _check_prompt(entry, start.prompt)
        if start.prompt is None and entry.prompt == "required" and not start.interactive:
            raise refused("/prompt", f"`{entry.name}` needs a prompt: say what is to be done")
    with found.gather():
        _check_interactive(entry, start.interactive)
    with found.gather():
        _check_output_schema(entry, start.output_schema)
    faults = faults_by_schema(entry.params, start.params)
    with found.gather():
        if start.deployment is None:
            _raise_bad_params(entry, [_fault(fault) for fault in faults])
        else:
            placed = [_placed(fault, start.deployment, overrides) for fault in faults]
            _raise_bad_params(entry, placed)
    found.raise_if_any()


def check_deployment(entry: CatalogEntry, deployment: Deployment) -> None:
    """Check what is there: a required param that a start may give can be left to it, and so can the prompt.

    :raises Refused: it could never be started so.
    """
    _check_values(deployment, *_WALKED, "description", "allowed_overrides")
    found = Faults()
    with found.gather():
        _check_prompt(entry, deployment.prompt)
    with found.gather():
        _check_interactive(entry, deployment.interactive)
    with found.gather():
        if deployment.warm and not entry.warm:
            told = f"Nothing can be got ready ahead for `{entry.name}`: leave it out"
            raise refused("/warm", told)
        if deployment.warm and deployment.output_schema is not None:
            told = "Nothing can be got ready ahead for runs with an `output_schema`: leave one of the two out"
            raise refused("/warm", told)
    with found.gather():
        _check_output_schema(entry, deployment.output_schema)
    unknown = list(
        islice(
            (
                Fault(f"/allowed_overrides/{number}", f"`{entry.name}` has no param {name[:100]!r}")
                for number, name in enumerate(deployment.allowed_overrides)
                if name not in OWN_OVERRIDES and not _may_have(entry.params, name)
            ),
            MAX_FAULTS,
        )
    )
    if unknown:
        told = "; ".join(fault.detail for fault in unknown[:MAX_DETAILS])
        found.add(Refused("invalid-request", told, unknown))
    required = entry.params.get("required", [])
    left = [name for name in required if name not in deployment.allowed_overrides]
    faults = faults_by_schema(entry.params | {"required": left}, deployment.params)
    with found.gather():
        _raise_bad_params(entry, [_fault(fault) for fault in faults])
    found.raise_if_any()


def _check_values(asked: Start | Deployment, *names: str) -> None:
    """Of these fields; the others have a form that leaves no room for what does not come through."""
    faults = unfit({name: getattr(asked, name) for name in names})
    if not faults:
        return
    placed = []
    for place, told in faults.items():
        if isinstance(asked, Start) and asked.deployment and place.startswith("/params"):
            place = place.replace("/params", "/runtime_overrides", 1)
        placed.append(Fault(place, told))
    raise Refused("invalid-request", "; ".join(faults.values()), placed)


def _check_prompt(entry: CatalogEntry, prompt: str | list[Any] | None) -> None:
    if prompt is not None:
        if entry.prompt == "none":
            raise refused("/prompt", f"`{entry.name}` takes no prompt: leave it out")
        try:
            check_message({"type": "message", "content": prompt})
        except BadMessage as error:
            told = str(error).replace("the message", "the prompt")
            raise refused(f"/prompt{error.pointer or ''}", told) from None


def _check_interactive(entry: CatalogEntry, interactive: bool) -> None:
    if interactive and not entry.interactive:
        raise refused("/interactive", f"`{entry.name}` can't be interactive: leave it out")


def _check_output_schema(entry: CatalogEntry, schema: dict[str, Any] | None) -> None:
    if schema is None:
        return
    if not entry.structured:
        told = f"`{entry.name}` gives no result by a schema: leave it out"
        raise refused("/output_schema", told)
    if faults := faults_of_schema(schema):
        placed = [Fault(f"/output_schema{place}", told) for place, told in faults.items()]
        raise Refused("invalid-request", "; ".join(faults.values()), placed)


def _check_dependencies(
    _: object, names: Mapping[str, str], items: object, __: object
) -> Iterator[ParamsError]:
    """What `DEPENDENCIES_KEYWORD` asks for; items of another shape are for the other keywords to refuse."""
    try:
        in_order((item[names["id"]], item.get(names["depends_on"], [])) for item in items)  # type: ignore[attr-defined]
    except ValueError as error:
        yield ParamsError(str(error))
    except (KeyError, TypeError, AttributeError):
        return


def _check_any_of(
    validator: Any, choices: list[Any], sent: object, _: object
) -> Iterator[ParamsError]:
    """As jsonschema's own, but that one makes all faults of all choices, and nobody is told them."""
    if not any(validator.evolve(schema=choice).is_valid(sent) for choice in choices):
        yield ParamsError(f"{sent!r} is not valid under any of the given schemas")


def _check_one_of(
    validator: Any, choices: list[Any], sent: object, _: object
) -> Iterator[ParamsError]:
    fitting = [choice for choice in choices if validator.evolve(schema=choice).is_valid(sent)]
    if not fitting:
        yield ParamsError(f"{sent!r} is not valid under any of the given schemas")
    elif len(fitting) > 1:
        told = ", ".join(map(repr, fitting))
        yield ParamsError(f"{sent!r} is valid under each of {told}")


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {DEPENDENCIES_KEYWORD: _check_dependencies, "anyOf": _check_any_of, "oneOf": _check_one_of},
)


def faults_by_schema(schema: dict[str, Any], params: Any) -> list[ParamsError]:
    """What does not fit, at most 20 places of it."""
    validator = _Validator(schema, **NOTHING_FETCHED)
    # Cut while they come: each costs some KiB, and there may be one for each value.
    faults = islice(validator.iter_errors(params), MAX_FAULTS)
    try:
        return sorted(faults, key=lambda fault: list(map(str, fault.path)))
    except RecursionError:  # of a schema that goes down with them
        return [ParamsError("they are nested too deep")]


def _fault(fault: ParamsError, of: str = "/params") -> Fault:
    # The message quotes the value, which may be all of 10 MiB.
    path = "".join(f"/{part}" for part in fault.absolute_path)
    return Fault(f"{of}{path}", fault.message[:500])


def _placed(fault: ParamsError, deployment: str, overrides: Collection[str]) -> Fault:
    """A fault of the merged params, at the place where they came from."""
    told = fault.message[:500]
    if not fault.absolute_path:
        # What is missing is for the start to bring; what is too much is the deployment's, whose names are checked.
        # So are the names of words that it allows, which go beside the params.
        sent = fault.validator == "required" or OWN_OVERRIDES.intersection(overrides)
        place = "/runtime_overrides" if sent else "/deployment"
        return Fault(place, f"With the params of `{deployment}`: {told}")
    if fault.absolute_path[0] in overrides:
        return _fault(fault, "/runtime_overrides")
    name = ".".join(map(str, fault.absolute_path))
    return Fault("/deployment", f"Param {name} of `{deployment}`: {told}")


def _may_have(schema: dict[str, Any], name: str) -> bool:
    known = schema.get("properties")
    is_open = schema.get("additionalProperties") or schema.get("patternProperties")
    return known is None or name in known or bool(is_open)


def _raise_bad_params(entry: CatalogEntry, faults: list[Fault]) -> None:
    if faults:
        told = f"The params do not fit `{entry.name}`; GET /api/v1/catalog has their schema"
        raise Refused("bad-params", told, faults)
