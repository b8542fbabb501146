"""Chunks of a file that were read and framed not long ago, for the listeners who come to the same place."""

from collections import OrderedDict

from runlog.disk.tail import Chunk

from .fold import Fold
from .sse import Variant, frame_chunk

__all__ = ["Budget", "Framed", "ChunkCache"]

# The last MiB or so of a file: its bytes, and the frames of a variant or two.
_RING_BYTES = 3 * 1024 * 1024
_ALL_BYTES = 64 * 1024 * 1024
# What a chunk costs beside its bytes, roughly: a live stream has one for each line.
_OVERHEAD_BYTES = 600
# Sets of filters whose frames a chunk keeps; with more, they are made for each listener.
_KEPT_VARIANTS = 8


class Framed:
    """A chunk, and its frames for each variant that was asked for so far."""

    __slots__ = ("chunk", "cost_bytes", "folded", "frames")

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.frames: dict[Variant, bytes] = {}
        self.folded: dict[Fold, tuple[bytes, Fold]] = {}  # by the state before it
        self.cost_bytes = _OVERHEAD_BYTES + len(chunk.data)


class Budget:
    """What all rings together hold, and give back when it is too much."""

    def __init__(self) -> None:
        self.spent_bytes = 0
        self.rings: set[ChunkCache] = set()

    def spend(self, change_bytes: int) -> None:
        self.spent_bytes += change_bytes
        if self.spent_bytes > _ALL_BYTES:
            for ring in self.rings:
                ring.shrink(_RING_BYTES // 8)


class ChunkCache:
    """Chunks of one file by where they start; the one that was not wanted for the longest time goes first.

    It keeps one chunk at least, whatever its size: a line of 16 MiB is framed once for a hundred listeners too.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._chunks: OrderedDict[int, Framed] = OrderedDict()
        self._bytes = 0
        budget.rings.add(self)

    def __contains__(self, start: int) -> bool:
        return start in self._chunks

    def get(self, start: int) -> Framed | None:
        framed = self._chunks.get(start)
        if framed is not None:
            self._chunks.move_to_end(start)
        return framed

    def add(self, chunk: Chunk) -> Framed:
        framed = self._chunks[chunk.start] = Framed(chunk)
        self._spend(framed.cost_bytes)
        return framed

    def frames(self, framed: Framed, variant: Variant) -> bytes:
        """The frames of a chunk, made once for all who want the same."""
        frames = framed.frames.get(variant)
        if frames is None:
            frames = frame_chunk(framed.chunk, variant)
            if len(framed.frames) < _KEPT_VARIANTS and self._holds(framed):
                framed.frames[variant] = frames
                self._charge(framed, len(frames))
        return frames

    def folded(self, framed: Framed, fold: Fold) -> tuple[bytes, Fold]:
        """The frames of a chunk in another protocol and the state after it, made once for all of equal states."""
        folded = framed.folded.get(fold)
        if folded is None:
            folded = fold.take(framed.chunk)
            if len(framed.folded) < _KEPT_VARIANTS and self._holds(framed):
                framed.folded[fold] = folded
                self._charge(framed, len(folded[0]) + _OVERHEAD_BYTES)
        return folded

    def shrink(self, most_bytes: int) -> None:
        while self._bytes > most_bytes and len(self._chunks) > 1:
            _, framed = self._chunks.popitem(last=False)
            self._bytes -= framed.cost_bytes
            self._budget.spent_bytes -= framed.cost_bytes

    def clear(self) -> None:
        self._budget.spent_bytes -= self._bytes
        self._bytes = 0
        self._chunks.clear()

    def close(self) -> None:
        self.clear()
        self._budget.rings.discard(self)

    def _holds(self, framed: Framed) -> bool:
        return self._chunks.get(framed.chunk.start) is framed

    def _charge(self, framed: Framed, cost_bytes: int) -> None:
        framed.cost_bytes += cost_bytes
        self._spend(cost_bytes)

    def _spend(self, cost_bytes: int) -> None:
        self._bytes += cost_bytes
        self._budget.spend(cost_bytes)
        self.shrink(_RING_BYTES)
