"""Those who listen to a run through every fault, each in a thread: what they got is compared with the file."""

import contextlib
import json
import random
import socket
import threading
import time
from pathlib import Path

import httpx

from tests.faults.account import Account
from tests.relay.sse_client import Decoder
from tests.support import DEADLINE_S

__all__ = ["Listener"]

_PAUSE_S = 0.1


class Listener:
    """Follows one run to its end, and comes back after each break with the last id it has.

    :param kind: `sse` by a socket, `slow` likewise but reading little at a time, `poll` by the long poll.
    """

    def __init__(self, address: tuple[str, int], run_id: str, kind: str, account: Account) -> None:
        self.run_id, self.kind = run_id, kind
        self.got: list[tuple[int, bytes]] = []  # offset after a line, and the line
        self.end: str | None = None
        self._address = address
        self._account = account
        self._last = 0
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"{kind}-{run_id}", daemon=True)
        self._thread.start()
        account.count("listeners")

    def compare(self, stream: Path) -> None:
        """Against the file, once the run has ended."""
        self._thread.join(DEADLINE_S)
        account = self._account
        who = f"{self.kind} of {self.run_id}"
        if self._thread.is_alive():
            self._left.set()
            account.wrong("losses", f"{who}: the stream does not end")
            return
        offset = 0
        *lines, _ = stream.read_bytes().split(b"\n")  # what has no LF is no line
        for line in lines:
            offset += len(line) + 1
            if not line.strip():
                continue
            found, got = self.got.pop(0) if self.got else (0, b"nothing")
            if found != offset:
                what = "repeats" if found and found < offset else "losses"
                account.wrong(what, f"{who}: {found} in place of {offset}: {got[:80]!r}")
                return
            if not (line.startswith(b"{") and line.endswith(b"}")):
                same = json.loads(got)["type"] == "malformed"  # somebody died in the middle of it
            elif self.kind == "poll":
                same = json.loads(got) == json.loads(line)
            else:
                same = got == line
            if not same:
                account.wrong("losses", f"{who} at {offset}: {got[:80]!r} is not {line[:80]!r}")
                return
            account.count("bytes compared", len(line) + 1)
        if self.got:
            account.wrong("repeats", f"{who}: more than the file has: {self.got[0]}")

    def leave(self) -> None:
        self._left.set()

    def _work(self) -> None:
        follow = self._poll if self.kind == "poll" else self._follow
        while not self._left.is_set() and self.end is None:
            self._account.count("connections")
            with contextlib.suppress(OSError, httpx.HTTPError, ValueError, IndexError):
                follow()
            self._left.wait(_PAUSE_S)

    def _take(self, offset: int, line: bytes) -> None:
        self.got.append((offset, line))
        self._last = offset

    def _follow(self) -> None:
        with socket.create_connection(self._address, timeout=DEADLINE_S) as connection:
            ask = f"GET /api/v1/workflows/{self.run_id}/stream HTTP/1.1\r\nHost: localhost\r\n"
            ask += f"Last-Event-ID: {self._last}\r\nConnection: close\r\n\r\n"
            connection.sendall(ask.encode())
            file = connection.makefile("rb")
            status = int(file.readline().split()[1])
            while file.readline().strip():
                pass
            if status == 204:
                self.end = "ended"
            if status != 200:
                return
            decoder = Decoder()
            while self.end is None and not self._left.is_set():
                size = int(file.readline().strip() or b"0", 16)
                block = file.read(size)
                file.readline()
                if not block:
                    return
                for event in decoder.feed(block):
                    if event.event == "end":
                        self.end = json.loads(event.data)["status"]
                    elif event.event == "reset":
                        self._account.wrong("losses", f"{self.kind} of {self.run_id}: a reset")
                        self.end = "reset"
                    else:
                        self._take(int(event.id), event.data)
                if self.kind == "slow":
                    time.sleep(random.uniform(0, 0.05))

    def _poll(self) -> None:
        host, port = self._address
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=DEADLINE_S) as client:
            while not self._left.is_set():
                path = f"/api/v1/workflows/{self.run_id}/events?after={self._last}&wait=5"
                answer = client.get(path)
                if answer.status_code != 200:
                    return
                page = answer.json()
                for event in page["events"]:
                    self._take(event["offset"], json.dumps(event["event"]).encode())
                if page["end"]:
                    self.end = "ended"
                    return
