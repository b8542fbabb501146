"""What keeps the runner from doing its work for a run, as it last said: `_troubles.json` in the root.

Only the runner writes it, and it holds nothing that the runner reads back. A run that is not in it has no trouble.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ..disk.durable import replace_file
from ..disk.read import read_object
from ..disk.records import Event, encode
from ..disk.stamp import Stamp, stamp_of

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
    path = root / _NAME
    told = _read(path, stamp_of(path)).get(run_id)
    return told if isinstance(told, str) else None


@lru_cache(maxsize=4)
def _read(path: Path, stamp: Stamp) -> Event:
    """Once for each that the runner has written: every look at a run asks."""
    try:
        return {} if stamp is None else read_object(path)
    except OSError:
        return {}
