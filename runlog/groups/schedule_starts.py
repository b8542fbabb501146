"""The runs of schedules: what they are started with, and under which id one of a certain time is found again."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ..disk.layout import RunId
from ..disk.records import to_iso
from ..errors import BadDeployment, BadOwnWords, UnknownDeployment
from ..run.own_words import check_own_words
from .catalog import CatalogEntry
from .deployments import read_deployment
from .faults import Fault, Refused, refused
from .resolution import Start, check_start, entry_of, start_of_deployment
from .schedules import Schedule, title_at

__all__ = ["run_id_of", "start_of_schedule"]

_NAME_CHARS = 80 - 2 - 15 - 6


def run_id_of(name: str, due: datetime) -> RunId:
    """Always the same one: a run that is there already is not started again.

    `<schedule>-<UTC yyyymmddthhmmss>-<6 of a hash>`
    """
    moment = due.astimezone(UTC).strftime("%Y%m%dt%H%M%S")
    digest = hashlib.sha256(f"{name} {moment}".encode()).hexdigest()
    return RunId(f"{name[:_NAME_CHARS]}-{moment}-{digest[:6]}")


def start_of_schedule(
    root: Path, entries: Mapping[str, CatalogEntry], schedule: Schedule, due: datetime | None
) -> Start:
    """The start that a schedule and its deployment come to, checked.

    :param due: None: a person starts it, now.
    :raises Refused: it can't be started so.
    :raises BrokenDeployment: the file of its deployment can't be used.
    """
    try:
        deployment = read_deployment(root, schedule.deployment)
    except (BadDeployment, UnknownDeployment) as error:
        raise refused("/deployment", str(error)) from None
    entry = entry_of(entries, deployment.workflow, "/deployment")
    try:
        title = title_at(schedule, due or datetime.now(UTC))
        words = check_own_words(title, schedule.labels, schedule.thread_id)
    except BadOwnWords as error:
        faults = [Fault(pointer, detail) for pointer, detail in error.faults.items()]
        raise Refused("invalid-request", str(error), faults) from None
    start = start_of_deployment(
        deployment,
        prompt=schedule.prompt,
        overrides=schedule.runtime_overrides,
        interactive=schedule.interactive,
        priority=schedule.priority,
        park_after_s=schedule.park_after_s,
        limits=schedule.limits,
        words=words,
        output_schema=schedule.output_schema,
    )
    check_start(entry, start, schedule.runtime_overrides)
    return replace(start, schedule=schedule.name, due_at=None if due is None else to_iso(due))
