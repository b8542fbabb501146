"""The load client: many listeners on raw sockets and one epoll, in a process of its own.

It counts events in bulk, by the mark that each line holds once: no Python runs for an event. Where even that would
make it the limit (GB/s of a burst), it counts at every 50th listener only, and at the others looks for the mark of
the last line and at the number of bytes. Run as a worker (see
`processes`): it is told a `ClientSpec`, says `connected_s` once every listener has its response head, and then what
it received. `python -m benchmarks --only ceiling` shows how much it can take.
"""

import gc
import json
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NoReturn

from .lines import LAST, MARK, STAMP, STAMP_DIGITS

__all__ = ["ClientSpec", "Listeners"]

_READ_BYTES = 256 * 1024
_COUNTED_OF = 50
# The last line ends in its mark; after it come the rest of a frame and perhaps a comment.
_LAST_WITHIN = 256


@dataclass(frozen=True, slots=True)
class Listeners:
    """`count` listeners who ask for the same."""

    path: str
    count: int = 1
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """What to ask for, and when it is done.

    :param events_each: marks that each listener is to get; more is an error, unless done is `close`.
    :param done: `events`: once all have theirs; `close`: once the server has closed all; `told`: when told so.
    :param count: whose marks to count. `some`: see above; `none`: only bytes.
    :param line_bytes: of each line, for `some`.
    :param stamps: whether to note the age of each event at its arrival.
    :param at_once: connections that are being made at a time; 0 means all.
    :param bytes_per_s: read no faster until told to hurry (one listener only).
    """

    port: int
    groups: tuple[Listeners, ...]
    events_each: int = 0
    done: Literal["events", "close", "told"] = "events"
    count: Literal["all", "some", "none"] = "all"
    line_bytes: int = 0
    stamps: bool = False
    at_once: int = 0
    bytes_per_s: int = 0
    deadline_s: float = 60.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class _Listener:
    __slots__ = ("bytes", "counted", "events", "head", "receive", "request", "sock")

    def __init__(self, request: bytes, counted: bool) -> None:
        self.sock = socket.socket()
        self.request = request
        self.receive = self.sock.recv_into
        self.head: bytes | None = b""  # None once it is complete
        self.events = self.bytes = 0
        self.counted = counted


class _Client:
    def __init__(self, spec: ClientSpec) -> None:
        self._spec = spec
        self._poll = select.epoll()
        self._unconnected: list[_Listener] = []
        self._listeners: dict[int, _Listener] = {}
        self._buffer = bytearray(_READ_BYTES)
        self._deadline = time.monotonic() + spec.deadline_s
        self._open = self._headless = self._owed = sum(group.count for group in spec.groups)
        self._bytes = self._events = 0
        self._ages_ns: list[int] = []

    def run(self) -> dict[str, Any]:
        began_ns = time.monotonic_ns()
        self._prepare()
        self._connect(self._spec.at_once or self._headless)
        while self._headless:
            self._turn()
        _say({"connected_s": (time.monotonic_ns() - began_ns) / 1e9})
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._told = False
        while not self._is_done():
            self._turn()
        done_ns = time.monotonic_ns()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "done_ns": done_ns,
            "seconds": (done_ns - began_ns) / 1e9,
            "events": self._events,
            "bytes": self._bytes,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "ages_ms": _quantiles_ms(self._ages_ns),
        }

    def _is_done(self) -> bool:
        match self._spec.done:
            case "events":
                return self._owed <= 0
            case "close":
                return self._open == 0
            case "told":
                return self._told

    def _prepare(self) -> None:
        every = self._spec.count == "all"
        for group in self._spec.groups:
            headers = "".join(f"{name}: {value}\r\n" for name, value in group.headers.items())
            request = (
                f"GET {group.path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                f"Connection: close\r\n{headers}\r\n"
            ).encode()
            for _ in range(group.count):
                counted = every or len(self._unconnected) % _COUNTED_OF == 0
                self._unconnected.append(_Listener(request, counted))
        self._unconnected.reverse()

    def _connect(self, count: int) -> None:
        for _ in range(min(count, len(self._unconnected))):
            listener = self._unconnected.pop()
            sock = listener.sock
            sock.setblocking(False)
            if self._spec.bytes_per_s:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            sock.connect_ex(("127.0.0.1", self._spec.port))
            self._listeners[sock.fileno()] = listener
            self._poll.register(sock, select.EPOLLOUT)

    def _turn(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            _fail(
                f"after {self._spec.deadline_s} s {self._headless} of the listeners had no head, {self._owed} "
                f"were owed events, {self._open} were open; {self._events} events in all"
            )
        for fd, _ in self._poll.poll(left_s, maxevents=4096):
            listener = self._listeners.get(fd)
            if listener is None:
                sys.stdin.readline()
                self._told = True
            elif listener.request:
                listener.sock.send(listener.request)
                listener.request = b""
                self._poll.modify(fd, select.EPOLLIN)
            else:
                self._read(listener)

    def _read(self, listener: _Listener) -> None:
        buffer, spec = self._buffer, self._spec
        received = listener.receive(buffer)
        if not received:
            self._closed(listener)
            return
        if listener.head is not None:
            received = self._take_head(listener, received)
        self._bytes += received
        if spec.count == "none":
            return
        if not listener.counted:
            self._look_for_last(listener, received)
            return
        events = buffer.count(MARK, 0, received)
        if not events:
            return
        if spec.stamps:
            self._note_ages(received)
        self._events += events
        listener.events += events
        if listener.events >= spec.events_each:
            self._owed -= 1
            if listener.events > spec.events_each and spec.done == "events":
                _fail(f"a listener got {listener.events} events instead of {spec.events_each}")

    def _look_for_last(self, listener: _Listener, received: int) -> None:
        listener.bytes += received
        if self._buffer.find(LAST, max(0, received - _LAST_WITHIN), received) >= 0:
            spec = self._spec
            if listener.bytes < spec.events_each * spec.line_bytes:
                _fail(f"a listener got the last line, but only {listener.bytes} bytes in all")
            self._events += spec.events_each
            listener.events = spec.events_each
            self._owed -= 1

    def _take_head(self, listener: _Listener, received: int) -> int:
        """Returns how much of the buffer is body; the body is moved to its front."""
        assert listener.head is not None
        head = listener.head + bytes(self._buffer[:received])
        end = head.find(b"\r\n\r\n")
        if end < 0:
            listener.head = head
            return 0
        if not head.startswith(b"HTTP/1.1 200"):
            _fail(f"a listener was answered {head[:300]!r}")
        listener.head = None
        self._headless -= 1
        self._connect(1)
        body = head[end + 4 :]
        self._buffer[: len(body)] = body
        return len(body)

    def _note_ages(self, received: int) -> None:
        now = time.monotonic_ns()
        buffer = self._buffer
        at = buffer.find(STAMP, 0, received)
        while at >= 0:
            at += len(STAMP)
            stamp = buffer[at : at + STAMP_DIGITS]
            if at + STAMP_DIGITS <= received:  # else cut in two by this read: not a sample
                self._ages_ns.append(now - int(stamp))
            at = buffer.find(STAMP, at, received)

    def _closed(self, listener: _Listener) -> None:
        done = self._spec.done
        if done == "told" or (done == "events" and listener.events < self._spec.events_each):
            _fail(f"the server closed a listener that had {listener.events} events")
        if listener.head is not None:
            _fail(f"the server closed a listener before its head: {listener.head[:300]!r}")
        self._poll.unregister(listener.sock)
        listener.sock.close()
        self._open -= 1


class _SlowClient(_Client):
    """One listener that takes so many bytes a second, until it is told to hurry."""

    def run(self) -> dict[str, Any]:
        step_s = 0.05
        self._prepare()
        self._connect(1)
        while self._headless:
            self._turn()
        _say({"connected_s": 0.0})
        (listener,) = self._listeners.values()
        self._buffer = bytearray(max(1, int(self._spec.bytes_per_s * step_s)))
        while not select.select([sys.stdin], [], [], step_s)[0]:
            if select.select([listener.sock], [], [], 0)[0]:
                self._read(listener)
        before_hurry = self._bytes
        self._buffer = bytearray(_READ_BYTES)
        while not self._is_done():
            self._turn()
        return {"bytes_before_hurry": before_hurry, "bytes": self._bytes, "events": self._events}


def _quantiles_ms(ages_ns: list[int]) -> dict[str, float]:
    if not ages_ns:
        return {}
    ages = sorted(ages_ns)
    last = len(ages) - 1
    return {
        "p50": ages[last // 2] / 1e6,
        "p99": ages[round(last * 0.99)] / 1e6,
        "max": ages[last] / 1e6,
    }


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _fail(message: str) -> NoReturn:
    _say({"error": f"load client: {message}"})
    sys.exit(1)


def _main() -> None:
    told = json.loads(sys.stdin.readline())
    told["groups"] = tuple(Listeners(**group) for group in told["groups"])
    spec = ClientSpec(**told)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()  # nothing here is circular, and a collection would show as latency
    client = _SlowClient(spec) if spec.bytes_per_s else _Client(spec)
    try:
        _say(client.run())
    except OSError as error:
        _fail(f"{error}")


if __name__ == "__main__":
    _main()
