"""What keeps the runner from doing its work for a run, as it last said: `_troubles.json` in the root.

Only the runner writes it, and it holds nothing that the runner reads back. A run that is not in it has no trouble.
"""

from collections.abc import Mapping
from pathlib import Path

from ..disk.durable import replace_file
from ..disk.records import decode, encode

__all__ = ["read_trouble", "write_troubles"]

_NAME = "_troubles.json"


def write_troubles(root: Path, troubles: Mapping[str, str]) -> None:
    """Replace what was said before.

    :param troubles: run id -> what is wrong and that it is tried again, for people.
    """
    path = root / _NAME
    if troubles or path.exists():
        replace_file(path, encode(troubles))


def read_trouble(root: Path, run_id: str) -> str | None:
    """Of one run; None if there is none."""
    try:
        told = decode((root / _NAME).read_bytes()) or {}
    except OSError:
        return None
    trouble = told.get(run_id)
    return trouble if isinstance(trouble, str) else None
