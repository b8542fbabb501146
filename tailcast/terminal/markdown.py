"""A little Markdown for terminals: headings, lists, bold, code. What it does not know stays as it was written."""

import re

from rich.text import Text

__all__ = ["markdown"]

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_BULLET = re.compile(r"(\s*)[-*+]\s+(.*)")
_INLINE = re.compile(r"`([^`\n]+)`|\*\*([^*\n]+)\*\*")


def markdown(text: str) -> Text:
    """:param text: cleaned already."""
    lines = []
    fenced = False
    for line in text.strip("\n").split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced:
            lines.append(Text(f"  {line}", style="cyan"))
        elif heading := _HEADING.fullmatch(line):
            lines.append(_inline(heading[1], "bold"))
        elif bullet := _BULLET.fullmatch(line):
            lines.append(Text(f"{bullet[1]}• ") + _inline(bullet[2]))
        else:
            lines.append(_inline(line))
    return Text("\n").join(lines)


def _inline(line: str, style: str = "") -> Text:
    text = Text(style=style)
    at = 0
    for found in _INLINE.finditer(line):
        text.append(line[at : found.start()])
        text.append(found[1] or found[2], style="cyan" if found[1] else "bold")
        at = found.end()
    text.append(line[at:])
    return text
