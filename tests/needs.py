"""What a test needs beside Python, found by looking at it: Claude's CLI, a browser.

`make check` runs those that need neither. By fixtures where those say it; in the folders where a test may start
anything by its name, by what stands in its code, and in the functions of its module that it calls.
"""

from types import CodeType, FunctionType
from typing import Any

import pytest

from tests import support

__all__ = ["needs"]

_OF_A_BROWSER = frozenset({"browser", "built_page"})
_OF_CLAUDE = frozenset({"claude_cli", "place"})
_BY_NAME = frozenset({"e2e", "runner", "tailcast"})
# Words that start Claude, or a workflow that does.
_WORDS = frozenset({"chat", "claude", "demo", "design", "doctor", "research", "--scripted-model"})
_FOR_THE_MODEL = (support.script, support.bash, support.wait_tool, support.wait_for_transcript)


def needs(item: pytest.Item) -> set[str]:
    """`browser`, `claude`, both, or nothing."""
    found = set()
    fixtures = frozenset(getattr(item, "fixturenames", ()))
    if fixtures & _OF_A_BROWSER or item.path.parent.name == "ui":
        found.add("browser")
    function = getattr(item, "function", None)
    if fixtures & _OF_CLAUDE or (
        item.path.parent.name in _BY_NAME
        and isinstance(function, FunctionType)
        and _starts_claude(function, set())
    ):
        found.add("claude")
    return found


def _starts_claude(function: FunctionType, seen: set[FunctionType]) -> bool:
    seen.add(function)
    names, words = _used(function.__code__)
    if words & _WORDS:
        return True
    for value in (function.__globals__.get(name) for name in names):
        if any(value is helper for helper in _FOR_THE_MODEL):
            return True
        if isinstance(value, str | tuple | list | dict) and "<<SCRIPT>>" in repr(value):
            return True
        ours = isinstance(value, FunctionType) and value.__module__ == function.__module__
        if ours and value not in seen and _starts_claude(value, seen):
            return True
    return False


def _used(code: CodeType) -> tuple[set[str], set[Any]]:
    """Names and texts of a function, with those of the functions within it."""
    names, words = set(code.co_names), set()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _used(constant)
            names |= inner[0]
            words |= inner[1]
        elif isinstance(constant, tuple):
            words.update(part for part in constant if isinstance(part, str))
        elif isinstance(constant, str):
            words.add(constant)
    return names, words
