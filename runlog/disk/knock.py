"""Say that a run has changed which nobody looks at any more, since it had ended or waits.

A file that comes and goes at once: whoever watches the folder learns its name, and there is nothing to clear away. A
hint, as all notifications: whoever misses it finds the change by his slow sweep.
"""

import os
from pathlib import Path

__all__ = ["INDEX_FOLDER", "KNOCK_FOLDER", "knock"]

INDEX_FOLDER = "_index"
KNOCK_FOLDER = f"{INDEX_FOLDER}/changed"


def knock(root: Path, run_id: str) -> None:
    """Never fails: without the folder nobody watches."""
    path = f"{root}/{KNOCK_FOLDER}/{run_id}"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        os.unlink(path)
    except OSError:
        pass
