"""The account of a world under faults: what was done to it, and what went wrong. All threads write into it."""

import json
import threading
from collections import Counter
from typing import Any

__all__ = ["WRONG", "Account"]

# What must be none at the end, in the order of the table.
WRONG = {
    "losses": "bytes, events or messages that are missing somewhere",
    "repeats": "events or messages that came twice",
    "leftovers": "processes, files and locks that outlived what they were for",
    "false statuses": "what was said of a run that was not so, or not in time",
}


class Account:
    """Counts by name, and the first words of each wrong."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self.told: list[str] = []

    def count(self, what: str, by: int = 1) -> None:
        with self._lock:
            self._done[what] += by

    def fault(self, name: str) -> None:
        with self._lock:
            self._faults[name] += 1

    def wrong(self, what: str, told: str) -> None:
        """:param what: of `WRONG`."""
        assert what in WRONG
        with self._lock:
            self._wrong[what] += 1
            self.told.append(f"{what}: {told}")

    def slow(self, told: str) -> None:
        """What this machine was too slow for: nothing wrong, but less was tried than it seems."""
        with self._lock:
            self._done["slow machine"] += 1
            self.told.append(f"slow machine: {told}")

    @property
    def is_clean(self) -> bool:
        return not self._wrong

    def of(self, what: str) -> int:
        return self._done[what]

    @property
    def faults(self) -> dict[str, int]:
        return dict(sorted(self._faults.items()))

    def as_json(self) -> dict[str, Any]:
        done = {name: self._done[name] for name in _DONE}
        wrong = {name: self._wrong[name] for name in WRONG}
        return {**done, "faults": self.faults, **wrong, "told": self.told}

    def table(self) -> str:
        rows = [(name, f"{self._done[name]:,}") for name in _DONE]
        rows += [("faults", f"{sum(self._faults.values()):,}")]
        rows += [(f"  {name}", f"{number:,}") for name, number in self.faults.items()]
        rows += [(name, f"{self._wrong[name]:,}") for name in WRONG]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {number:>15}" for name, number in rows]
        return "\n".join([*lines, *self.told])

    def __str__(self) -> str:
        return json.dumps(self.as_json(), indent=1)


_DONE = (
    *("cycles", "runs", "Claude runs", "bytes compared", "listeners", "connections", "messages"),
    *("permissions", "looks", "slow machine"),
)
