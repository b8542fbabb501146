"""The tee: copies an agent's output to our own, and its event lines into the run's stream first.

Loaded by the guard by path, like `tree`; imports nothing of this project at run time. "First" is
the point: nobody can act on a line that the log does not hold. The lines are recorded as the bytes
they came as.
"""

from __future__ import annotations

import _thread
import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tee", "recorded"]

# Claude's control channel is between the CLI and the SDK, no part of the stream.
_UNRECORDED_TYPES = (
    "control_request",
    "control_response",
    "control_cancel_request",
    "transcript_mirror",
    "keep_alive",
)
# A line with none of these is of another type and has no top-level timestamp: only \u can spell a
# letter otherwise.
_NEEDS_PARSING = (b'"timestamp"', b"control_", b"transcript_mirror", b"keep_alive", b"\\u")

_CHUNK_BYTES = 65536
# Four times what the relay takes for a line. Beyond, memory matters more than the record.
_MAX_LINE_BYTES = 64 * 1024 * 1024
_FIONREAD = 0x541B


class Tee:
    """A thread that reads `source_fd` to its end, or to the end of the tree that writes to it.

    A thread, because an append can wait for a lock and our reader may not read, while the guard
    must hear signals. `wake` is called from the thread when it has finished and when it has failed.
    After a failed append (`error`) everything is read and dropped, neither recorded nor passed on:
    the guard ends the tree.
    """

    def __init__(
        self,
        source_fd: int,
        out_fd: int,
        append: Callable[[bytes], int],
        wake: Callable[[], None],
    ) -> None:
        self.finished = False
        self.error: Exception | None = None
        self._source_fd = source_fd
        self._out_fd = out_fd
        self._append = append
        self._wake = wake
        self._ended_fd = os.eventfd(0)
        self._abandoned_fd = os.eventfd(0)
        self._out_open = True
        # Only the thread touches these.
        self._held = bytearray()
        self._in_long_line = False

    def start(self) -> None:
        _thread.start_new_thread(self._run, ())

    def tree_ended(self) -> None:
        """Read what is in the pipe now and finish: who still holds it open is a stranger."""
        os.eventfd_write(self._ended_fd, 1)

    def abandon_output(self) -> None:
        """Stop passing on (our reader does not read); go on recording."""
        os.eventfd_write(self._abandoned_fd, 1)

    def _run(self) -> None:
        try:
            self._copy()
        except Exception as error:
            self.error = error
        finally:
            self.finished = True
            self._wake()

    def _copy(self) -> None:
        poll = select.poll()
        poll.register(self._source_fd, select.POLLIN)
        poll.register(self._ended_fd, select.POLLIN)
        while all(fd != self._ended_fd for fd, _ in poll.poll()):
            chunk = os.read(self._source_fd, _CHUNK_BYTES)
            if not chunk:
                break
            self._take(chunk)
        left_bytes = _readable_bytes(self._source_fd)
        while left_bytes > 0:
            chunk = os.read(self._source_fd, min(left_bytes, _CHUNK_BYTES))
            if not chunk:
                break
            left_bytes -= len(chunk)
            self._take(chunk)
        # A torn last line is no event, but it is the agent's output.
        self._pass_on(bytes(self._held))

    def _take(self, chunk: bytes) -> None:
        if self._in_long_line:
            end = chunk.find(b"\n") + 1
            self._pass_on(chunk[:end] if end else chunk)
            if not end:
                return
            self._in_long_line = False
            chunk = chunk[end:]
        end = chunk.rfind(b"\n") + 1
        self._held += chunk[:end] if end else chunk
        if end:
            whole = bytes(self._held)
            self._held = bytearray(chunk[end:])
            self._record(whole)
            self._pass_on(whole)
        elif len(self._held) > _MAX_LINE_BYTES:
            os.write(2, b"guard: a line of more than 64 MiB is passed on, not recorded\n")
            self._in_long_line = True
            self._pass_on(bytes(self._held))
            self._held = bytearray()

    def _record(self, lines: bytes) -> None:
        if self.error is not None:
            return
        events = recorded(lines, _utc_now())
        if not events:
            return
        try:
            self._append(events)
        except OSError as error:
            self.error = error
            self._wake()

    def _pass_on(self, output: bytes) -> None:
        poll = select.poll()
        poll.register(self._out_fd, select.POLLOUT)
        poll.register(self._abandoned_fd, select.POLLIN)
        rest = memoryview(output)
        while rest and self._out_open and self.error is None:
            if any(fd == self._abandoned_fd for fd, _ in poll.poll()):
                self._out_open = False
                return
            try:
                # A pipe that polls writable takes PIPE_BUF bytes without waiting, so abandoning is
                # heard. Our standard output is never made non-blocking: others may share its
                # description.
                rest = rest[os.write(self._out_fd, rest[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except OSError:
                self._out_open = False


def recorded(lines: bytes, now: str) -> bytes:
    """What of `lines` (whole, each ended by LF) belongs into the stream, each with a timestamp.

    Lines that begin with `{` and are not of the control channel. One without a top-level
    `timestamp` gets `now` (RFC 3339) spliced in before its last brace; one that is no JSON is
    recorded as it is.
    """
    events = (_recorded(line, now) for line in lines[:-1].split(b"\n"))
    return b"".join([event + b"\n" for event in events if event])


def _recorded(line: bytes, now: str) -> bytes:
    if not line.startswith(b"{"):
        return b""
    if any(text in line for text in _NEEDS_PARSING):
        event = _parse(line)
        if event is not None and event.get("type") in _UNRECORDED_TYPES:
            return b""
        if event is None or "timestamp" in event:
            return line
    body = line.rstrip(b" \t\r")
    if not body.endswith(b"}"):
        return line
    comma = b"," if body[1:-1].strip() else b""
    return b'%b%b"timestamp":"%b"%b' % (body[:-1], comma, now.encode(), line[len(body) - 1 :])


def _parse(line: bytes) -> dict[str, object] | None:
    # Not above: it costs 8 ms, half of the guard's start, and by now the agent runs anyway.
    import json

    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _utc_now() -> str:
    now_s = time.time()
    return (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s)) + f".{int(now_s * 1000) % 1000:03d}Z"
    )


def _readable_bytes(fd: int) -> int:
    import fcntl

    return int.from_bytes(fcntl.ioctl(fd, _FIONREAD, bytes(4)), "little")
