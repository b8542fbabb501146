"""Where a command's output goes: lines for people, JSON for programs."""

import sys
from collections.abc import Mapping
from typing import Any

from runlog import encode

__all__ = ["note", "print_bytes", "print_json", "print_line"]


def print_line(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """A word to the person, beside the output."""
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line."""
    print_bytes(encode(value))


def print_bytes(line: bytes) -> None:
    """As they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
