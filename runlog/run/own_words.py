"""What whoever starts a run says of it himself: title, labels, thread, trace. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from unicodedata import category

from ..errors import BadOwnWords

__all__ = [
    "LABEL_NAME_PATTERN",
    "MAX_LABELS",
    "MAX_LABEL_CHARS",
    "MAX_TITLE_CHARS",
    "NO_WORDS",
    "THREAD_ID_PATTERN",
    "TRACE_PATTERN",
    "OwnWords",
    "check_own_words",
    "clean_title",
    "label_text",
    "parse_label",
    "usable_words",
]

MAX_TITLE_CHARS = 200
# They are kept with each row of the index, and shown in each listing.
MAX_LABELS = 16
MAX_LABEL_CHARS = 200
LABEL_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
THREAD_ID_PATTERN = "^[A-Za-z0-9._:-]{1,128}$"
# https://www.w3.org/TR/trace-context/#traceparent-header; a version of later is taken if it looks the same.
TRACE_PATTERN = "^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$"

_LABEL_NAME, _THREAD_ID, _TRACE = (
    re.compile(pattern) for pattern in (LABEL_NAME_PATTERN, THREAD_ID_PATTERN, TRACE_PATTERN)
)
_NOT_OF_A_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class OwnWords:
    """`title`: one line. `labels`: name -> value. `thread_id`: of the conversation or case that the run is of, by
    which several are found. `trace`: a W3C `traceparent`, handed to the agent as `TRACEPARENT`."""

    title: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    thread_id: str | None = None
    trace: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


NO_WORDS = OwnWords()


def check_own_words(
    title: Any = None, labels: Any = None, thread_id: Any = None, trace: Any = None
) -> OwnWords:
    """None is what was not said. :raises BadOwnWords: what is out of bounds, all of it."""
    faults: dict[str, str] = {}
    if title is not None:
        _check_title(title, faults)
    if labels is not None:
        _check_labels(labels, faults)
    if thread_id is not None and not _fits(_THREAD_ID, thread_id):
        faults["/thread_id"] = "A thread_id is 1 to 128 of A-Z a-z 0-9 . _ : -"
    if trace is not None and not _fits(_TRACE, trace):
        faults["/trace"] = (
            "A trace is a W3C traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, in lower case, neither "
            "id all zeros"
        )
    if faults:
        raise BadOwnWords(faults)
    return OwnWords(title, dict(labels or {}), thread_id, trace)


def clean_title(text: str) -> str | None:
    """What others wrote, as a title: on one line, cut. None if nothing of it is left."""
    kept = "".join(" " if category(c) in _NOT_OF_A_LINE else c for c in text[: 8 * MAX_TITLE_CHARS])
    line = " ".join(kept.split())
    return (line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1] + "…") or None


def usable_words(told: Mapping[str, Any]) -> OwnWords:
    """What can be used of those in a file that others may have written."""
    kept: dict[str, Any] = {}
    for name in (f.name for f in fields(OwnWords)):
        try:
            kept[name] = getattr(check_own_words(**{name: told.get(name)}), name)
        except BadOwnWords:
            continue
    return OwnWords(**kept)


def parse_label(text: str) -> tuple[str, str | None]:
    """`NAME=VALUE`; the value of `NAME` alone is None.

    :raises BadOwnWords: there can be no such label.
    """
    name, equals, value = text.partition("=")
    labels = check_own_words(labels={name: value}).labels
    return name, labels[name] if equals else None


def label_text(labels: Mapping[str, str]) -> str:
    """`a=b c=d`, as it is shown and searched."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def _check_title(title: Any, faults: dict[str, str]) -> None:
    if not isinstance(title, str) or not title.strip() or not _is_line(title):
        faults["/title"] = "A title is one line of text, without control characters"
    elif len(title) > MAX_TITLE_CHARS:
        faults["/title"] = f"A title has at most {MAX_TITLE_CHARS} characters, not {len(title):,}"


def _check_labels(labels: Any, faults: dict[str, str]) -> None:
    if not isinstance(labels, Mapping):
        faults["/labels"] = "Labels are an object: name -> value"
        return
    if len(labels) > MAX_LABELS:
        faults["/labels"] = f"A run has at most {MAX_LABELS} labels, not {len(labels):,}"
        return
    for name, value in labels.items():
        place = f"/labels/{str(name)[:100]}"
        if not _fits(_LABEL_NAME, name):
            faults[place] = (
                "The name of a label is 1 to 63 of A-Z a-z 0-9 . _ / -, a letter or digit first"
            )
        elif not isinstance(value, str) or not _is_line(value):
            faults[place] = (
                f"The value of the label {name!r} is one line of text, without control characters"
            )
        elif len(value) > MAX_LABEL_CHARS:
            faults[place] = (
                f"The value of the label {name!r} has at most {MAX_LABEL_CHARS} characters"
            )


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_line(value: str) -> bool:
    # Not `isprintable`, which has no room for what joins the parts of an emoji.
    return not any(category(c) in _NOT_OF_A_LINE for c in value)
