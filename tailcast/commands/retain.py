"""`--retain` of `serve` and `runner`: what `prune` does, again and again."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runlog import RunlogError
from runlog.groups.removal import ended_before, remove_all
from runlog.run.manifest import remove_leftovers

__all__ = ["start_retention"]

# A look goes through all runs of the root; an hour more or less is nothing to runs of days.
_LONGEST_PAUSE_S = 3600.0
_SHORTEST_PAUSE_S = 1.0


def start_retention(
    root: Path, age: timedelta, stop: threading.Event, tell: Callable[[str], None]
) -> None:
    """Remove runs that ended longer ago than `age`, in a thread of its own, until `stop` is set."""
    threading.Thread(
        target=_retain, args=(root, age, stop, tell), name="retention", daemon=True
    ).start()


def _retain(root: Path, age: timedelta, stop: threading.Event, tell: Callable[[str], None]) -> None:
    pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, age.total_seconds() / 10))
    while True:
        try:
            _remove_leftovers(root, tell)
            for run, error in remove_all(root, ended_before(root, datetime.now(UTC) - age)):
                told = (
                    f"removed: it ended at {run.ended_at}" if error is None else f"stays: {error}"
                )
                tell(f"{run.run_id} {told}")
                if stop.is_set():
                    return
        except Exception as error:  # whatever it is: the next time may do better
            tell(f"runs that ended long ago are not removed: {error}")
        if stop.wait(pause_s):
            return


def _remove_leftovers(root: Path, tell: Callable[[str], None]) -> None:
    try:
        remove_leftovers(root)
    except (RunlogError, OSError) as error:
        tell(f"what is left of removed runs stays: {error}")
