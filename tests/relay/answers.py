"""An answer of a dialect, read while it comes; and what is said meanwhile."""

import contextlib
import threading
from typing import Any

import httpx

from runlog import Workspace
from runlog.run.inbox_lines import InboxLine, read_inbox
from tests.relay.live import Relay, say
from tests.support import DEADLINE_S, wait_until

__all__ = ["Answer", "begin", "inbox", "wait"]


def inbox(run: Workspace) -> list[InboxLine]:
    return [line for line in read_inbox(run.inbox) if isinstance(line, InboxLine)]


def begin(run: Workspace) -> None:
    """The first lines of a claude run with the prompt `Hello`."""
    say(run, "workflow_started", workflow="claude", attempt=1)
    say(run, "user", message={"content": "Hello"}, uuid=f"prompt-{run.run_id}", isReplay=True)


def wait(run: Workspace) -> None:
    say(run, "progress_update", status="waiting", message="waiting for a message")


class Answer:
    """An answer that is read in a thread of its own."""

    def __init__(
        self,
        relay: Relay,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        """:param wait: for its head."""
        self.raw, self.status, self.headers = b"", 0, {}
        self._args = (relay, method, path, body, headers)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if wait:
            wait_until(lambda: self.status, "the answer")

    def _read(self) -> None:
        relay, method, path, body, headers = self._args
        url = f"/dialects{path}"
        with (
            contextlib.suppress(httpx.ReadError),  # a test that is over does not read on
            relay.client.stream(method, url, json=body, headers=headers) as response,
        ):
            self.headers = dict(response.headers)
            self.status = response.status_code
            for data in response.iter_bytes():
                self.raw += data

    def whole(self) -> bytes:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self.raw

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text.encode() in self.raw, text)
