"""What the index keeps of a run, and how its store may fail."""

from dataclasses import dataclass

from ..run.status import Summary

__all__ = ["FILE_NAME", "Row", "StoreBlocked", "StoreBroken"]

FILE_NAME = "runs.sqlite"


class StoreBroken(Exception):
    """The file holds something else than what was written: make another one."""


class StoreBlocked(Exception):
    """The file can't be used now: another process keeps it, or the disk does not take it."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is kept of a run. `asked`: the workflow that `run.json` names. `stamps` tell its files from changed ones.

    `texts` are what is searched beside its id: the prompt or command, and the result. Read back, they are empty.
    """

    summary: Summary
    asked: str
    stamps: str
    texts: tuple[str, str] = ("", "")
