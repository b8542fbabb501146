"""One thing that `doctor` looked at, and what it found."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """:param level: `warn`: it works, but not all of it or not well; `fail`: it can't work.
    :param mend: what to do about it.
    """

    name: str
    level: Literal["ok", "warn", "fail"]
    found: str
    mend: str = ""
