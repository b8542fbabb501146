"""Where a command's output goes: lines for people, JSON for programs."""

import sys
from collections.abc import Mapping
from typing import Any

from runlog import encode

from .text import clean, escaped

__all__ = ["note", "print_bytes", "print_json", "print_line"]


def print_line(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """A word to the person, beside the output."""
    sys.stdout.flush()
    sys.stderr.write(clean(line) + "\n")
    sys.stderr.flush()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    print_bytes(encode(value))


def print_bytes(line: bytes) -> None:
    """As they are; but what an agent wrote has no power over a terminal."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        line = escaped(line.decode(errors="replace")).encode(errors="replace")
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
