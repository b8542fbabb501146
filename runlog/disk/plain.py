"""What is taken in from outside as JSON, and comes through everything of ours whole. Pure.

JSON can say more than a command line, a file name, a browser or the next reader of the same JSON can hold: half a
pair of surrogates, NUL, whole numbers of more than 64 bits. What was taken in so would fail a run much later, or be
another value there. So it is refused where it comes in, with its place.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from .pointers import escaped

__all__ = ["MAX_SAFE", "TooDeep", "is_deep", "loads_plain", "may_be_unfit", "unfit"]

# The largest whole number that every reader of JSON has exactly.
MAX_SAFE = 1 << 53

_INT64 = 1 << 63
_MAX_FAULTS = 20
# In the bytes of JSON, escaped or not. Most bodies have none of these, and need not be walked.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|[0-9]{19}")
_DIGIT = re.compile("[1-9]")
_UNFIT_TEXT = re.compile("[\0\ud800-\udfff]")

_Place = tuple[Any, object] | None


class TooDeep(ValueError):
    """JSON that nests more lists and objects than the parser takes."""

    def __init__(self) -> None:
        super().__init__("it is nested too deep")


def loads_plain(text: str) -> Any:
    """JSON and no more: Python's parser would take NaN and infinities too, 1e999 among them.

    :raises ValueError: it is none: a `JSONDecodeError`, `TooDeep`, or of a whole number of thousands of digits.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise TooDeep from None


def is_deep(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in one another more than so many times."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[Any] = []
        for here in layer:
            if isinstance(here, Mapping):
                inner += here.values()
            elif isinstance(here, list):
                inner += here
        layer = [here for here in inner if isinstance(here, Mapping | list)]
        if not layer:
            return False
    return True


def may_be_unfit(body: bytes) -> bool:
    """Whether JSON is worth a look by `unfit`."""
    return _SUSPECT.search(body) is not None


def unfit(value: Any) -> dict[str, str]:
    """The first places (JSON pointers, `/params/argv/0`) of what does not come through, and what it is."""
    faults: dict[str, str] = {}
    todo: list[tuple[_Place, Any]] = [(None, value)]
    while todo and len(faults) < _MAX_FAULTS:
        place, here = todo.pop()
        if isinstance(here, str):
            if told := _unfit_text(here):
                faults[_pointer(place)] = f"A text can't have {told}"
        elif isinstance(here, Mapping):
            for name in here:
                if isinstance(name, str) and (told := _unfit_text(name)):
                    faults[_pointer(place)] = f"The name {ascii(name[:60])} can't have {told}"
            todo += [((place, name), inner) for name, inner in reversed(list(here.items()))]
        elif isinstance(here, list | tuple):
            todo += [((place, number), here[number]) for number in range(len(here) - 1, -1, -1)]
        elif isinstance(here, int):
            if not -_INT64 <= here < _INT64:
                faults[_pointer(place)] = "A whole number has at most 64 bits"
        elif isinstance(here, float) and not math.isfinite(here):
            faults[_pointer(place)] = f"{here} is no number of JSON"
    return faults


def _unfit_text(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return ""
    found = _UNFIT_TEXT.search(text)
    if found is None:
        return ""
    if found[0] == "\0":
        return "a NUL (U+0000)"
    return f"half of a character, the lone surrogate U+{ord(found[0]):04X}"


def _pointer(place: _Place) -> str:
    """RFC 6901, with what can't be shown escaped."""
    parts = []
    while place is not None:
        place, name = place
        part = escaped(str(name))
        parts.append(ascii(part)[1:-1] if _unfit_text(part) else part)
    return "".join(f"/{part}" for part in reversed(parts))


def _finite(text: str) -> float:
    # 1e999 would become an infinity, and be written to the disk as null; 1e-999 a 0, which may mean "for ever".
    number = float(text)
    vanished = number == 0 and _DIGIT.search(text.lower().partition("e")[0])
    return _refuse(text[:40]) if vanished or not math.isfinite(number) else number


def _refuse(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)
