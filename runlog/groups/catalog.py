"""`_catalog.json` in the root: what the runner can start. The runner writes it, the relay reads it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..disk.durable import replace_file
from ..disk.read import read_object
from ..disk.records import encode

__all__ = ["CatalogEntry", "read_catalog", "write_catalog"]

_NAME = "_catalog.json"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A workflow. `params` is the JSON schema of its params; `prompt` says whether it takes one.

    `interactive`: it can be kept open for a conversation. `resumable`: a message can reopen it after its end.
    `pausable`: it can be told to `pause` and `resume`. `messages`: it reads what people say to it.
    `warm`: an agent can wait ready for its runs.
    `structured`: its result can be had by an `output_schema`. `signals`: those that its runs take, by name: what each
    is for (`description`), and the JSON schema of what comes with it (`data`).
    """

    name: str
    description: str
    params: dict[str, Any]
    prompt: Literal["required", "optional", "none"] = "optional"
    interactive: bool = False
    resumable: bool = False
    pausable: bool = False
    messages: bool = True
    warm: bool = False
    structured: bool = False
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_catalog(root: Path, entries: list[CatalogEntry]) -> None:
    """Replace the catalog of a root, atomically."""
    replace_file(root / _NAME, encode({"workflows": [asdict(entry) for entry in entries]}))


def read_catalog(root: Path) -> list[CatalogEntry] | None:
    """What a runner of this root last said it can start; None if none ever did.

    :raises Unusable: what stands there is no catalog.
    """
    try:
        entries = read_object(root.resolve() / _NAME).get("workflows")
    except FileNotFoundError:
        return None
    if not isinstance(entries, list):
        return None
    return [
        CatalogEntry(
            name=str(entry.get("name")),
            description=str(entry.get("description", "")),
            params=entry.get("params") or {},
            prompt=entry.get("prompt", "optional"),
            interactive=entry.get("interactive") is True,
            resumable=entry.get("resumable") is True,
            pausable=entry.get("pausable") is True,
            messages=entry.get("messages") is not False,
            warm=entry.get("warm") is True,
            structured=entry.get("structured") is True,
            signals=entry.get("signals") or {},
        )
        for entry in entries
        if isinstance(entry, dict)
    ]
