"""For how long nothing has been written into a stream."""

import time
from pathlib import Path

from runlog.disk.stamp import Stamp, stamp_of

__all__ = ["Silence"]


class Silence:
    """By the clock that nobody sets, from one look to the next. :param longest_s: beyond that it is too long."""

    def __init__(self, stream: Path, longest_s: float) -> None:
        self._stream = stream
        self._longest_s = longest_s
        self._stamp: Stamp = None
        self._since = time.monotonic()

    def is_too_long(self) -> bool:
        stamp = stamp_of(self._stream)
        if stamp != self._stamp:
            self._stamp, self._since = stamp, time.monotonic()
        return time.monotonic() - self._since > self._longest_s
