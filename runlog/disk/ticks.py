"""The time at which something is made, such that what is made later has a later one.

Within one process, and in the milliseconds that files hold: whoever sorts by it has the order of the making.
"""

import threading
from datetime import UTC, datetime, timedelta

from .records import to_iso

__all__ = ["next_iso"]

_STEP = timedelta(milliseconds=1)
# A clock that was set back by more goes on from there.
_MAX_AHEAD = timedelta(seconds=2)

_lock = threading.Lock()
_last = datetime.min.replace(tzinfo=UTC)


def next_iso() -> str:
    """The present moment as `2025-01-19T10:30:45.123Z`; if that was given in this process already, the next one."""
    global _last
    with _lock:
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if timedelta(0) <= _last - now < _MAX_AHEAD:
            now = _last + _STEP
        _last = now
        return to_iso(now)
