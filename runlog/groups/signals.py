"""Whether a run of a workflow takes a signal: by what the catalog says of its handlers."""

from typing import Any

from ..disk.pointers import escaped
from ..errors import UnknownSignal
from .catalog import CatalogEntry
from .faults import Fault, Refused
from .resolution import faults_by_schema

__all__ = ["check_signal"]


def check_signal(entry: CatalogEntry, name: str, data: Any) -> None:
    """:raises UnknownSignal: the workflow has no handler of that name; those that it has are told.
    :raises Refused: the data do not fit; pointers lead into them.
    """
    known = entry.signals.get(name)
    if known is None:
        told = f"`{entry.name}` takes no signal {name[:100]!r}"
        names = ", ".join(sorted(entry.signals))
        raise UnknownSignal(told, f"It takes: {names}" if names else "It takes no signals at all")
    faults = [
        Fault(
            "".join(f"/{escaped(str(part))}" for part in fault.absolute_path), fault.message[:500]
        )
        for fault in faults_by_schema(known.get("data") or {}, data)
    ]
    if faults:
        told = f"The data do not fit the signal `{name}` of `{entry.name}`; GET /api/v1/catalog has their schema"
        raise Refused("invalid-request", told, faults)
