"""Where a client is in several runs at once, as one text: the id of an event that resumes them all. No files here.

It begins with a mark of which runs those are, in which order: a cursor of others is refused, not misread.
"""

import binascii
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Protocol

from runlog import BadCursor, parse_cursor

__all__ = ["MAX_OPEN_RUNS", "MAX_RUNS", "BatchCursor", "ListCursor", "MultiCursor"]

# Of a list, and the longest cursor there can be: a name, an offset and two marks for each run.
MAX_RUNS = 100
_LIST_CHARS = MAX_RUNS * (80 + 1 + 16 + 1)
# Of a batch that are told at once. Proxies pass headers of 8 KiB, and the cursor is one: 250 offsets, and what is
# done of 1,000 runs, stay below that.
MAX_OPEN_RUNS = 250
_BATCH_CHARS = 8 * 1024
_OVER = "end"


class MultiCursor(Protocol):
    """Where a client is in each of his runs, which have numbers."""

    def move(self, number: int, offset: int) -> None: ...

    def finish(self, number: int) -> None:
        """All of the run was told."""

    def id(self) -> bytes:
        """As clients have it."""

    def around(self, number: int) -> tuple[bytes, bytes]:
        """The id before and after the offset of one run."""


class ListCursor:
    """An offset for each run: `9ae0daaf-1482,0,7`."""

    def __init__(self, run_ids: Sequence[str], offsets: Iterable[int]) -> None:
        self.offsets = list(offsets)
        self._mark = _mark_of(run_ids)

    @classmethod
    def parse(cls, text: str, run_ids: Sequence[str]) -> "ListCursor":
        """From an `id` of ours or from `A:123,B:456`; runs that are not named begin at 0.

        :raises BadCursor: it is neither, or of other runs.
        """
        hint = "Send the id of the last event you have, for the same runs in the same order, or RUN:OFFSET,RUN:OFFSET"
        if len(text) > _LIST_CHARS:
            raise BadCursor("the cursor is too long", hint)
        if ":" not in text and text:
            mark, _, rest = text.partition("-")
            offsets = tuple(map(parse_cursor, rest.split(","))) if rest else ()
            if mark != _mark_of(run_ids) or len(offsets) != len(run_ids):
                raise BadCursor(f"cursor {text[:40]!r} is of other runs", hint)
            return cls(run_ids, offsets)
        named: dict[str, int] = {}
        for part in filter(None, text.split(",")):
            run_id, _, place = part.rpartition(":")
            if run_id not in run_ids:
                raise BadCursor(f"cursor {part[:100]!r} is of a run that was not asked for", hint)
            named[run_id] = parse_cursor(place)
        return cls(run_ids, (named.get(run_id, 0) for run_id in run_ids))

    def move(self, number: int, offset: int) -> None:
        self.offsets[number] = offset

    def finish(self, number: int) -> None:
        pass  # it may be reopened, and goes on from there

    def id(self) -> bytes:
        return f"{self._mark}-{','.join(map(str, self.offsets))}".encode()

    def around(self, number: int) -> tuple[bytes, bytes]:
        before = "".join(f"{place}," for place in self.offsets[:number])
        after = "".join(f",{place}" for place in self.offsets[number + 1 :])
        return f"{self._mark}-{before}".encode(), after.encode()


class BatchCursor:
    """Which runs were told to their end, and the offset of each that was begun: `9ae0daaf-0_16.18-17:4821,19:99`.

    Of all others nothing was told. At the very end: `9ae0daaf-end`.
    """

    def __init__(self, run_ids: Sequence[str]) -> None:
        self.done: set[int] = set()
        self.offsets: dict[int, int] = {}
        self.over = False  # the end of the batch was told too
        self._mark = _mark_of(run_ids)
        self._count = len(run_ids)
        self._ranges = ""
        self._begun: list[int] = []  # the numbers of `offsets`, in order

    @classmethod
    def parse(cls, text: str, run_ids: Sequence[str]) -> "BatchCursor":
        """From an `id` of ours.

        :raises BadCursor: it is none, or of another batch.
        """
        found = cls(run_ids)
        mark, _, rest = text.partition("-")
        if mark != found._mark or len(text) > _BATCH_CHARS:
            raise BadCursor(
                f"cursor {text[:40]!r} is of another batch",
                "Send the id of the last event that you have of this batch, or none to begin anew",
            )
        if rest == _OVER:
            found.over = True
            found.done.update(range(len(run_ids)))
            return found
        ranges, _, offsets = rest.partition("-")
        for part in filter(None, ranges.split(".")):
            first, _, last = part.partition("_")
            found.done.update(range(found._number(first), found._number(last or first) + 1))
        for part in filter(None, offsets.split(",")):
            number, _, offset = part.partition(":")
            found.move(found._number(number), parse_cursor(offset))
        if found.done & found.offsets.keys():
            raise BadCursor(f"cursor {text[:40]!r} is not one of ours", "Send the id as you got it")
        if len(found.offsets) > MAX_OPEN_RUNS:
            raise BadCursor("the cursor is of too many runs at once", "Send the id as you got it")
        found._ranges = _ranges_of(found.done)
        return found

    def move(self, number: int, offset: int) -> None:
        if number not in self.offsets:
            insort(self._begun, number)
        self.offsets[number] = offset

    def finish(self, number: int) -> None:
        if self.offsets.pop(number, None) is not None:
            self._begun.remove(number)
        self.done.add(number)
        self._ranges = _ranges_of(self.done)

    def close(self) -> None:
        """The end of the batch is told next."""
        self.over = True

    def id(self) -> bytes:
        if self.over:
            return f"{self._mark}-{_OVER}".encode()
        offsets = ",".join(f"{number}:{self.offsets[number]}" for number in self._begun)
        return f"{self._mark}-{self._ranges}-{offsets}".encode()

    def around(self, number: int) -> tuple[bytes, bytes]:
        at = bisect_left(self._begun, number)
        behind = self._begun[at + 1 :] if number in self.offsets else self._begun[at:]
        before = "".join(f"{other}:{self.offsets[other]}," for other in self._begun[:at])
        after = "".join(f",{other}:{self.offsets[other]}" for other in behind)
        return f"{self._mark}-{self._ranges}-{before}{number}:".encode(), after.encode()

    def _number(self, text: str) -> int:
        number = parse_cursor(text)
        if number >= self._count:
            raise BadCursor(f"the batch has no run {text[:40]}", "Send the id as you got it")
        return number


def _mark_of(run_ids: Sequence[str]) -> str:
    return f"{binascii.crc32(','.join(run_ids).encode()):08x}"


def _ranges_of(numbers: set[int]) -> str:
    """`{0, 1, 2, 5}` as `0_2.5`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ".".join(f"{first}_{last}" if last > first else f"{first}" for first, last in parts)
