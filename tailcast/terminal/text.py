"""Text for people from values that agents wrote: made harmless, cut, counted. Values in, text out.

Nothing that an agent writes may move the cursor, colour the screen, hide or reorder what is shown.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime

from runlog.disk.records import from_iso

__all__ = [
    "age",
    "cells",
    "clean",
    "cost",
    "count",
    "cut",
    "cut_cells",
    "duration",
    "escaped",
    "one_line",
    "plural",
    "size",
    "without_script",
]

# See runner.scripted.script; a title may be cut within it.
_SCRIPT = re.compile(r"<<SCRIPT>>.*(?:<<END>>|\Z)", re.DOTALL)


def _visible(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)  # U+241B for ESC, and so on
    if code == 0x7F:
        return "\u2421"
    return f"<U+{code:04X}>"


# Controls (C0, C1, DEL) but LF; line separators; marks that turn the direction of text; invisible tags.
_HARMLESS = {
    code: _visible(code)
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        *(0x061C, 0x200E, 0x200F, 0xFEFF),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xE0000, 0xE0080),
    )
    if code != 0x0A
} | {0x09: "    ", 0x0D: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}


def clean(text: str) -> str:
    """The text without any power over a terminal: controls are shown as pictures, CR and others end a line."""
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_HARMLESS)


# JSON has these in its strings only (and CR between values), where the escape is the same value.
_ESCAPED = {code: json.dumps(chr(code))[1:-1] for code in _HARMLESS if code != 0x09} | {
    0x7F: "\\u007f"
}


def escaped(line: str) -> str:
    """A line of JSON without any power over a terminal, and of the same value: controls as `\\uXXXX`.

    LF and TAB stay. What is no JSON, and a CR between values, is harmless afterwards and no JSON any more.
    """
    return line.translate(_ESCAPED)


def one_line(text: str, max_chars: int = 200) -> str:
    """Cleaned, on one line, cut with an ellipsis."""
    return cut(" ".join(clean(text[: 4 * max_chars]).split()), max_chars)


def cut(text: str, max_chars: int) -> str:
    """:param max_chars: at least 1, the ellipsis included."""
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def without_script(text: str) -> str:
    """The words of a prompt, without what it tells the scripted model to play."""
    return _SCRIPT.sub("", text).strip() or "(a script for the scripted model)"


def cells(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def cut_cells(text: str, width: int) -> str:
    """Cut to `width` columns, with an ellipsis."""
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[:-1]
    return text + "…" if width > 0 else ""


def duration(seconds: float | None) -> str:
    """`0.4s`, `42s`, `3m05s`, `2h03m`, `4d`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def age(timestamp: str | None, now: datetime | None = None) -> str:
    """How long ago: `5s`, `3m`, `2h`, `4d`; empty if the timestamp says nothing."""
    moment = from_iso(timestamp)
    if moment is None:
        return ""
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def cost(usd: float | None) -> str:
    """`$0.1020`, `$12.50`; empty for None."""
    if usd is None:
        return ""
    return f"${usd:,.2f}" if usd >= 10 else f"${usd:.4f}"


def count(number: object) -> str:
    """`24,983`; what is no whole number is shown as nothing."""
    return f"{number:,}" if isinstance(number, int) and not isinstance(number, bool) else ""


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(count_bytes: int) -> str:
    """`812 B`, `23.8 kB`, `1.2 GB`."""
    if count_bytes < 1000:
        return f"{count_bytes} B"
    amount = count_bytes / 1000
    for unit in ("kB", "MB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
