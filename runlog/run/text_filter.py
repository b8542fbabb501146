"""Events that hold words: looked for in all their texts, whatever the type. Pure."""

from collections.abc import Iterator
from typing import Any

from ..disk.records import Event

__all__ = ["holds", "sought_words"]


def sought_words(q: str) -> tuple[str, ...]:
    """What is between the spaces of a query; case does not matter."""
    return tuple(q.casefold().split())


def holds(event: Event, words: tuple[str, ...]) -> bool:
    """Whether each of the words stands somewhere in a text of the event; names of fields are none."""
    left = set(words)
    for text in _texts(event):
        if not left:
            break
        folded = text.casefold()
        left = {word for word in left if word not in folded}
    return not left


def _texts(value: Any) -> Iterator[str]:
    # Not by recursion: lines are nested as deep as JSON goes.
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            rest += value.values()
        elif isinstance(value, list):
            rest += value
