"""What was measured, and what it was to reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

__all__ = ["Row", "Samples", "Target"]

# System -> one value for each round. Rounds of all systems are interleaved, so they pair up.
Samples = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Target:
    """`text` says what was to be reached, `value` what was."""

    text: str
    value: str
    reached: bool


@dataclass(slots=True)
class Row:
    """One figure of one case, for each system that was measured. `tailcast` is ours."""

    case: str
    work: str
    unit: str
    samples: Samples
    better: Literal["less", "more"] = "more"
    targets: list[Target] = field(default_factory=list)

    def median(self, system: str = "tailcast") -> float:
        return median(self.samples[system])

    def ratio(self, rival: str) -> float:
        """How many times as good as `rival` we are: the median over the rounds."""
        pairs = zip(self.samples["tailcast"], self.samples[rival], strict=False)
        ratios = [
            (theirs / ours if self.better == "less" else ours / theirs) if ours and theirs else 0.0
            for ours, theirs in pairs
        ]
        return median(ratios)

    def cost(self, rival: str) -> float:
        """How many times as bad as `rival` we are."""
        ratio = self.ratio(rival)
        return 1 / ratio if ratio else 0.0

    def at_most(self, limit: float, what: str = "") -> "Row":
        """Ours is to be at most `limit`."""
        return self._aim(f"{what or 'at most'} {limit:g} {self.unit}", self.median(), limit)

    def within(self, limit: float, value: float, text: str) -> "Row":
        """`value`, a figure made from this row, is to be at most `limit`."""
        return self._aim(text, value, limit)

    def times(self, rival: str, limit: float) -> "Row":
        """At least `limit` times as good as `rival`; nothing to reach where it was not measured."""
        if rival in self.samples:
            ratio = self.ratio(rival)
            target = Target(f"{limit:g}x {rival}", f"{ratio:.3g}x", ratio >= limit)
            self.targets.append(target)
        return self

    def _aim(self, text: str, value: float, limit: float) -> "Row":
        self.targets.append(Target(text, f"{value:.3g}", value <= limit))
        return self
