"""A client by the letter of the specification, on raw sockets: what a browser would make of the bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.relay.live import Relay
from tests.support import DEADLINE_S

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Dispatched:
    """What `onmessage` would get. `id` is the last event id at that moment."""

    event: str
    data: bytes
    id: str


class Decoder:
    """Bytes in, events out; keeps what a browser keeps between events."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self.comments: list[bytes] = []
        self._buffer = b""
        self._id, self._event = "", ""
        self._data = bytearray()  # an event may have a million lines of data

    def feed(self, data: bytes) -> list[Dispatched]:
        found = []
        *lines, self._buffer = _LINE_END.split(self._buffer + data)
        for line in lines:
            event = self._line(line)
            if event is not None:
                found.append(event)
        return found

    def _line(self, line: bytes) -> Dispatched | None:
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            self.comments.append(line)
            return None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value.decode()
        elif name == b"data":
            self._data += value + b"\n"
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode()
        elif name == b"retry" and value.isdigit():
            self.retry = int(value)
        return None

    def _dispatch(self) -> Dispatched | None:
        self.last_id = self._id
        event, data = self._event, bytes(self._data)
        self._event, self._data = "", bytearray()
        return Dispatched(event or "message", data[:-1], self._id) if data else None


class Stream:
    """One request on a socket of its own. `status` 204 and errors have no events."""

    def __init__(self, relay: Relay, path: str, headers: dict[str, str] | None = None) -> None:
        self._socket = socket.create_connection(relay.address, timeout=DEADLINE_S)
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.decoder = Decoder()
        self.raw = b""
        self.complete = False  # the body has ended as HTTP wants it to

    def __iter__(self) -> Iterator[Dispatched]:
        while block := self.read_block():
            yield from self.decoder.feed(block)

    def read_block(self) -> bytes:
        """One chunk of the body; empty at its end."""
        if self.headers.get("transfer-encoding") != "chunked":
            return b""
        size = int(self._file.readline().strip() or b"0", 16)
        block = self._file.read(size)
        self._file.readline()
        self.complete = size == 0
        self.raw += block
        return block

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_all(relay: Relay, path: str, **headers: str) -> tuple[list[Dispatched], Stream]:
    """Every event until the server ends the stream."""
    sent: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    with Stream(relay, path, sent) as stream:
        return list(stream), stream


def status_of(relay: Relay, path: str, headers: dict[str, str] | None = None) -> int:
    with Stream(relay, path, headers) as stream:
        return stream.status
