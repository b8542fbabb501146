"""`_catalog.json` in the root: what the runner can start. The runner writes it, the relay reads it."""

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..disk.records import decode, encode

__all__ = ["CatalogEntry", "read_catalog", "write_catalog"]

_NAME = "_catalog.json"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A workflow. `params` is the JSON schema of its params; `prompt` says whether it takes one.

    `interactive`: it can be kept open for a conversation. `resumable`: a message can reopen it after its end.
    `pausable`: it can be told to `pause` and `resume`. `messages`: it reads what people say to it.
    """

    name: str
    description: str
    params: dict[str, Any]
    prompt: Literal["required", "optional", "none"] = "optional"
    interactive: bool = False
    resumable: bool = False
    pausable: bool = False
    messages: bool = True


def write_catalog(root: Path, entries: list[CatalogEntry]) -> None:
    """Replace the catalog of a root, atomically."""
    temporary = root / f".catalog-{secrets.token_hex(4)}"
    temporary.write_bytes(encode({"workflows": [asdict(entry) for entry in entries]}))
    os.chmod(temporary, 0o600)
    os.replace(temporary, root / _NAME)


def read_catalog(root: Path) -> list[CatalogEntry] | None:
    """What a runner of this root last said it can start; None if none ever did."""
    try:
        data = decode((root / _NAME).read_bytes())
    except FileNotFoundError:
        return None
    entries = data.get("workflows") if data else None
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
        )
        for entry in entries
        if isinstance(entry, dict)
    ]
