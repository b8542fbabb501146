"""How a stream goes on after its connection broke: bytes in, events out. No network and no waiting here.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. httpx's
`iter_lines` would end lines at U+2028 too, which JSON may hold as it is; so lines are split here, as bytes.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from runlog import decode
from runlog.disk.records import head_of, malformed

from .calls import run_path
from .errors import ConnectionLost, StreamReset
from .results import Event, RunChange, RunSummary, from_json

__all__ = [
    "PASSING",
    "READ_TIMEOUT_S",
    "Backoff",
    "Frame",
    "ManyStream",
    "RunStream",
    "StreamState",
    "is_passing",
]

T = TypeVar("T")

# A relay says something every 15 s; silence of so long means that the connection is dead.
READ_TIMEOUT_S = 45.0

_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 3.0

# What a proxy says while the relay behind it restarts.
_PASSING_STATUS = frozenset({502, 503, 504})
PASSING = (httpx.TransportError,)


def is_passing(response: httpx.Response) -> bool:
    """Whether the answer is of something between us and the relay, and another one may come."""
    own = "problem+json" in response.headers.get("content-type", "")
    return response.status_code in _PASSING_STATUS and not own


class Backoff:
    """How long to wait before the next try, and when to give up.

    :param give_up_s: seconds after the first failure in a row; None is never.
    """

    def __init__(self, give_up_s: float | None) -> None:
        self._give_up_s = give_up_s
        self.reset()

    def reset(self) -> None:
        """It worked."""
        self._since: float | None = None
        self._wait_s = _FIRST_WAIT_S

    def next_s(self, failure: Exception | None, *, repeatable: bool = True) -> float:
        """Seconds to wait now.

        :raises ConnectionLost: it has failed for too long, or in a way that trying again does not mend.
        """
        now = time.monotonic()
        self._since = self._since or now
        sent = not isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
        hopeless = isinstance(failure, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
        late = self._give_up_s is not None and now - self._since >= self._give_up_s
        if hopeless or late or (sent and not repeatable):
            told = f"{type(failure).__name__}: {failure}" if failure else "the stream was cut off"
            raise ConnectionLost(f"the relay can't be reached ({told})") from failure
        wait_s = self._wait_s * random.uniform(0.5, 1.0)
        self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)
        return wait_s


@dataclass(slots=True)
class Frame:
    """One event of a stream as it is sent. `data` is None where only the cursor moves."""

    id: bytes = b""
    event: bytes = b""
    data: bytes | None = None


class StreamState(Generic[T]):
    """Where a listener is, over as many connections as it takes: each event once, in order.

    `after` is his cursor, and `ended` becomes true with the end of the stream.
    """

    def __init__(
        self, path: str, after: int | str | None, params: dict[str, Any], give_up_s: float | None
    ) -> None:
        self.path = path
        self.after = after
        self.ended = False
        self.backoff = Backoff(give_up_s)
        self._params = params
        self.begin()

    def begin(self) -> None:
        """A new connection: what was left of the one before is told again."""
        self._rest = b""
        self._frame = Frame()

    @property
    def params(self) -> dict[str, Any]:
        if self.after is None:
            return self._params
        # `tail` was for the first connection.
        return {k: v for k, v in self._params.items() if k != "tail"} | {"after": self.after}

    def feed(self, data: bytes) -> Iterator[T]:
        """What these bytes complete.

        :raises StreamReset: the cursor means nothing any more.
        """
        self.backoff.reset()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            told = self._line(line.removesuffix(b"\r"))
            if told is not None:
                yield told
            if self.ended:
                return

    def _line(self, line: bytes) -> T | None:
        if not line:
            frame, self._frame = self._frame, Frame()
            return self._dispatch(frame)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            before = self._frame.data
            self._frame.data = value if before is None else before + b"\n" + value
        elif name == b"id":
            self._frame.id = value
        elif name == b"event":
            self._frame.event = value
        return None

    def _dispatch(self, frame: Frame) -> T | None:
        raise NotImplementedError


class RunStream(StreamState[Event]):
    """Of one run; `after` is an offset."""

    after: int | None

    def __init__(
        self, run_id: str, after: int | None, params: dict[str, Any], give_up_s: float | None
    ) -> None:
        super().__init__(run_path(run_id, "/stream"), after, params, give_up_s)
        self._run_id = run_id

    def _dispatch(self, frame: Frame) -> Event | None:
        if frame.event == b"reset":
            raise _reset(frame)
        offset = int(frame.id) if frame.id.isdigit() else None
        if offset is None or frame.data is None:
            self.after = self.after if offset is None else offset
            return None
        if frame.event == b"end":
            self.ended = True
            return None
        if self.after is not None and offset <= self.after:
            return None
        self.after = offset
        told = decode(frame.data)
        if told is None:  # of the shape of an object, and no JSON
            told = malformed(offset, len(frame.data), head_of(frame.data))
        return Event(self._run_id, offset, told)


class ManyStream(StreamState[Event | RunChange]):
    """Of several runs, or of a batch; `after` is a text of the relay's. Changes come with `feed` only."""

    after: str | None

    def __init__(self, after: str | None, params: dict[str, Any], give_up_s: float | None) -> None:
        super().__init__("/stream", after, params, give_up_s)

    def _dispatch(self, frame: Frame) -> Event | RunChange | None:
        if frame.event == b"reset":
            raise _reset(frame)
        if frame.id:
            self.after = frame.id.decode()
        told = decode(frame.data or b"")
        if told is None:
            return None
        match frame.event:
            case b"" | b"malformed":
                return Event(told["run_id"], told["offset"], told["event"], self.after)
            case b"run":
                gone = told.get("removed") is True
                return RunChange(told["run_id"], None if gone else from_json(RunSummary, told))
            case b"end" if "batch_id" in told:
                self.ended = True
        return None


def _reset(frame: Frame) -> StreamReset:
    told = decode(frame.data or b"") or {}
    reason = str(told.get("reason") or "the stream was replaced")
    return StreamReset(f"{told['run_id']}: {reason}" if "run_id" in told else reason)
