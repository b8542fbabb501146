"""Values of events that anyone may have written: the value if it is of its kind, else None."""

from typing import Any

from ..disk.records import Event

__all__ = ["TEXT_CHARS", "blocks_of", "count", "number", "percent", "text"]

# Kept of a text in the state; the whole is in the stream.
TEXT_CHARS = 2000


def text(value: object, chars: int = TEXT_CHARS) -> str | None:
    """A text, cut."""
    return value[:chars] if isinstance(value, str) else None


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def percent(value: object) -> float | None:
    found = number(value)
    return None if found is None else min(100.0, max(0.0, found))


def count(value: object) -> int | None:
    """A whole number that JSON carries everywhere without loss (up to 2**53)."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= 1 << 53 else None


def blocks_of(event: Event) -> list[dict[str, Any]]:
    """The content blocks of a line of Claude's; a text is one block."""
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
