"""The lines that are written, and what the load client finds in them without parsing.

Each line holds `MARK` exactly once, so counting one byte counts events, whatever frames or chunks they come in; the
last line of a burst ends in `LAST`, so who looks for it only has to look at the end of what he got. A stamped line
holds the time of its writing, on the clock that all processes of a machine share.
"""

import time

__all__ = ["LAST", "MARK", "STAMP", "STAMP_DIGITS", "StampedLine", "end_line", "replay_lines"]

MARK = b"~"
LAST = b"^"
STAMP = b'"at":"'
STAMP_DIGITS = 20


class StampedLine:
    """Makes lines of one size, each with the moment it was made."""

    def __init__(self, line_bytes: int) -> None:
        self._head = b'{"type":"log",' + STAMP
        tail = b'","level":"info","mark":"' + MARK + b'","message":"%b%b"}\n'
        padding = line_bytes - len(self._head) - STAMP_DIGITS - len(tail % (b"", b"."))
        if padding < 0:
            raise ValueError(f"a stamped line has no room in {line_bytes} bytes")
        self._tails = [tail % (b"x" * padding, end) for end in (b".", LAST)]

    def make(self, last: bool = False) -> bytes:
        return b"%b%020d%b" % (self._head, time.monotonic_ns(), self._tails[last])


def replay_lines(count: int, line_bytes: int) -> bytes:
    """`count` lines in the shape of Claude's messages, every second one of type `assistant`; the last ends in `LAST`.

    `type` comes again further in, as it does in real streams, and one line in twenty is not ASCII.
    """
    head = (
        b'{"type":"%b","n":%9d,"mark":"' + MARK + b'","message":{"type":"message","content":'
        b'[{"type":"text","text":"'
    )
    tail = b'"}]}}\n'
    padding = line_bytes - len(head % (b"assistant", 0)) - len(LAST + tail)
    ascii_text = b"The quick brown fox jumps over the lazy dog. "
    plain = (ascii_text * (padding // len(ascii_text) + 1))[:padding]
    other = ("é".encode() * (padding // 2)).ljust(padding, b".")
    lines = []
    for number in range(count):
        # The second is padded, so that all lines are of one size.
        kind, gap = (b"user", b"     ") if number % 2 else (b"assistant", b"")
        text = other if number % 20 == 7 else plain
        end = LAST if number == count - 1 else b"."
        lines.append(head % (kind, number) + text + gap + end + tail)
    return b"".join(lines)


def end_line() -> bytes:
    """What ends a run. It holds no mark."""
    return b'{"type":"workflow_completed","timestamp":"2025-01-19T10:30:45.123Z","duration_s":1}\n'
