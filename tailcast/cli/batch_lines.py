"""The inputs of a batch as lines of a file: each a JSON object, or a JSON string that is a prompt."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runlog import RunlogError, Workspace, check_run_id
from runlog.disk.plain import loads_plain
from runlog.groups.batches import MAX_BATCH_RUNS

from ..terminal.text import cut, plural
from .asked import load_workflow, params_hint
from .errors import CommandError

if TYPE_CHECKING:
    from relay.batches.models import StartBatch
    from runlog.groups.resolution import Start

__all__ = ["ResolvedBatch", "resolve_lines"]

_MAX_TOLD = 20


@dataclass(frozen=True, slots=True)
class ResolvedBatch:
    """What was asked, and the start of each of its inputs, checked."""

    asked: "StartBatch"
    starts: "list[Start]"


def resolve_lines(root: Path, text: str, source: str, common: dict[str, Any]) -> ResolvedBatch:
    """Check every line as the relay and the workflow would; nothing is made.

    :param common: the fields of `StartBatch` that are not of the lines.
    :raises CommandError: the lines that are bad, with their numbers; or what is wrong with all of them.
    """
    from relay.batches.models import StartBatch

    numbers, inputs, faults = _parse(text)
    if not inputs and not faults:
        raise CommandError(f"{source} holds no inputs", "Write one JSON object or string a line")
    if len(inputs) > MAX_BATCH_RUNS:
        raise CommandError(
            f"{source} holds {len(inputs):,} inputs, and a batch takes {MAX_BATCH_RUNS:,}",
            "Split it into several batches",
        )
    asked = StartBatch.model_construct(None, **common, inputs=inputs)
    starts = []
    for number, start in _resolve(root, numbers, asked):
        if isinstance(start, str):
            faults.append((number, start))
        else:
            starts.append(start)
    if faults:
        faults.sort()
        shown = [f"line {number}: {cut(told, 300)}" for number, told in faults[:_MAX_TOLD]]
        if len(faults) > _MAX_TOLD:
            shown.append(f"and {len(faults) - _MAX_TOLD} more")
        bad = plural(len({number for number, _ in faults}), "bad line")
        raise CommandError(f"{source} has {bad}; nothing was started\n  " + "\n  ".join(shown))
    return ResolvedBatch(asked, starts)


def _parse(text: str) -> tuple[list[int], list[Any], list[tuple[int, str]]]:
    """The numbers of the lines that hold something, what each holds, and what is wrong with others."""
    from pydantic import ValidationError

    from relay.batches.models import BatchInputAsked

    numbers, inputs, faults = [], [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            told = loads_plain(line)
            if isinstance(told, str):
                told = {"prompt": told}
            if not isinstance(told, dict):
                raise ValueError("neither a JSON object nor a string")
            inputs.append(BatchInputAsked.model_validate(told))
            numbers.append(number)
        except ValidationError as error:
            for fault in error.errors():
                place = ".".join(map(str, fault["loc"]))
                faults.append((number, f"{place}: {fault['msg']}"))
        except ValueError as error:
            what = "" if "JSON" in str(error) else "not JSON: "
            faults.append((number, f"{what}{error}"))
    return numbers, inputs, faults


def _resolve(
    root: Path, numbers: list[int], asked: "StartBatch"
) -> "Iterator[tuple[int, Start | str]]":
    """For each input its start, or all that is wrong with it."""
    from relay.batches.create import is_common, resolve_input
    from runlog.groups.deployments import read_deployment
    from runlog.groups.faults import Refused
    from runner.attempt.catalog import check_params, describe
    from runner.attempt.workflow import RunFailed

    name = asked.workflow
    if asked.deployment is not None:
        name = read_deployment(root, asked.deployment).workflow
    assert name is not None
    workflow = load_workflow(name)
    entries = {name: describe(name, workflow)}
    seen: dict[str, int] = {}
    for number, own in zip(numbers, asked.inputs, strict=True):
        try:
            start = resolve_input(root, entries, asked, own)
            check_params(workflow, start.params)
        except Refused as refused:
            for fault in refused.faults:
                place = fault.pointer[1:].replace("/", ".")
                if is_common(fault.pointer, own):
                    raise CommandError(
                        f"{place}: {fault.detail}", params_hint(root, name)
                    ) from None
                yield number, f"{place}: {fault.detail}"
            continue
        except RunFailed as error:
            yield number, error.error
            continue
        if own.run_id is not None:
            if own.run_id in seen:
                yield number, f"run_id: {own.run_id!r} is that of line {seen[own.run_id]} too"
            elif _is_taken(root, own.run_id):
                yield number, f"run_id: there is a run {own.run_id!r} already"
            seen.setdefault(own.run_id, number)
        yield number, start


def _is_taken(root: Path, run_id: str) -> bool:
    try:
        return os.path.lexists(Workspace(root, check_run_id(run_id)).path)
    except RunlogError:
        return False  # told by its other check
