"""Which lines of Claude's are of one answer of the model. Pure.

The page goes by the same rules (relay/ui/src/model/answer.ts).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..disk.records import Event
from .values import blocks_of, text

__all__ = ["BEGINS_ANSWER", "Answer", "begins_answer"]

# How the one `stream_event` begins by which others than the page go: the rest is partial text.
BEGINS_ANSWER = b'{"type":"stream_event","event":{"type":"message_start"'
_CALLS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the model as far as it was told, to know whether a line goes on with it.

    Its id alone does not tell: some model proxies give all answers the same, or none. A tool may be done before the
    rest of its answer is told. `docs/claude.md` says what can't be told apart.
    """

    id: str  # empty: there is none
    input_tokens: int | None = None  # of all kinds; None if not told
    request: str | None = None  # to the API, as transcripts tell it
    part: int = 0  # the last of its kinds of blocks
    done: frozenset[str] = (
        frozenset()
    )  # ids of the tools that it called, and that have given their results
    calls: frozenset[int] = frozenset()  # of which ids and inputs, as hashes
    repeats: bool = False  # an answer before had the same id
    is_over: bool = False  # somebody else has spoken, its turn has ended, or another was begun

    def goes_on(self, event: Event) -> bool:
        """Whether an `assistant` line of the same thread is a part of this answer."""
        if self.is_over or _id_of(event) != self.id:
            return False
        request = _request_of(event)
        if request is not None and self.request is not None:
            return request == self.request
        blocks = blocks_of(event)
        if not self.id and (len(blocks) != 1 or not self._is_next(blocks[0])):
            return False
        if not self.done:
            return True
        tokens = _input_tokens(event)
        if self.repeats or None not in (tokens, self.input_tokens) and tokens != self.input_tokens:
            return False
        return all(
            str(b.get("type")).endswith("tool_use") and b.get("id") not in self.done for b in blocks
        )

    def _is_next(self, block: Event) -> bool:
        """A model thinks, says something, and calls tools."""
        part = _part_of(block)
        return part > self.part or part == self.part == _CALLS

    def told(self, event: Event) -> "Answer":
        """With one more line of it."""
        blocks = blocks_of(event)
        calls = {_hash_of(block) for block in blocks if _part_of(block) == _CALLS}
        part = max(map(_part_of, blocks), default=self.part)
        return replace(self, part=part, calls=self.calls | calls)

    def tells_again(self, block: Event, event: Event) -> bool:
        """Whether a call in a line that goes on with it is told already: where lines tell all of the answer so far,
        or can't be told apart. Else it is another one of the same id."""
        is_apart = isinstance(event.get("uuid"), str) and len(blocks_of(event)) == 1
        return not is_apart and block.get("id") not in self.done and _hash_of(block) in self.calls

    def after(self, results: Iterable[Event], *, is_over: bool = False) -> "Answer":
        """With `tool_result` blocks that came."""
        ids = {str(block.get("tool_use_id")) for block in results}
        return replace(self, done=self.done | ids, is_over=self.is_over or is_over)

    @classmethod
    def begun_by(cls, event: Event, before: "Answer | None") -> "Answer":
        """:param before: the last one of the same thread."""
        key = _id_of(event)
        repeats = before is not None and before.id == key
        begun = cls(key, _input_tokens(event), _request_of(event), repeats=repeats)
        # Others than the CLI write an answer in one line.
        is_whole = not key and len(blocks_of(event)) != 1
        return replace(begun.told(event), is_over=is_whole)


def _hash_of(call: Event) -> int:
    return hash((str(call.get("id")), repr(call.get("input"))))


def _part_of(block: Event) -> int:
    kind = str(block.get("type"))
    return 0 if kind.endswith("thinking") else _CALLS if kind.endswith("tool_use") else 1


def _request_of(event: Event) -> str | None:
    return text(event.get("requestId"), 200) or text(event.get("requestRef"), 200)


def _id_of(event: Event) -> str:
    message = event.get("message")
    return (text(message.get("id"), 200) or "") if isinstance(message, dict) else ""


def _input_tokens(event: Event) -> int | None:
    message = event.get("message")
    usage = message.get("usage") if isinstance(message, dict) else None
    if not isinstance(usage, dict):
        return None
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(n for n in map(usage.get, names) if isinstance(n, int)) or None


def begins_answer(event: Event) -> bool:
    """Whether a `stream_event` tells that the model begins an answer. See also `BEGINS_ANSWER`."""
    part = event.get("event")
    return isinstance(part, dict) and part.get("type") == "message_start"
