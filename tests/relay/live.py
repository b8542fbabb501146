"""Relays as real processes on a free port, runs as real files; no runner."""

import contextlib
import itertools
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from runlog import RunLock, Workspace, append_lines, create_run, encode
from runlog.groups.catalog import CatalogEntry
from runlog.run.events import TERMINAL_STATUS
from tests.forks import WATCHED_RELAY, Forked
from tests.support import DEADLINE_S

PROJECT = Path(__file__).resolve().parents[2]

CATALOG = [
    CatalogEntry(
        "claude",
        "An agent",
        {
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "max_turns": {"type": "integer", "minimum": 1},
                "allowed_tools": {"type": "array", "items": {"type": "string"}},
            },
            "additionalProperties": False,
        },
        prompt="required",
        interactive=True,
        resumable=True,
        structured=True,
    ),
    CatalogEntry(
        "command",
        "Any command",
        {
            "type": "object",
            "properties": {"argv": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            "required": ["argv"],
        },
        prompt="none",
    ),
]


@dataclass
class Relay:
    root: Path
    url: str
    process: "subprocess.Popen[str]"
    client: httpx.Client

    def workflow_url(self, run: Workspace, rest: str = "") -> str:
        return f"/api/v1/workflows/{run.run_id}{rest}"

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.client.get(f"/api/v1{path}", **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> httpx.Response:
        given = {} if body is None else {"json": body}
        return self.client.post(f"/api/v1{path}", **given, **kwargs)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)


@contextlib.contextmanager
def running_relay(root: Path, *args: str, port: int = 0) -> Iterator[Relay]:
    words = ["--root", str(root), "--port", str(port), *args]
    process = Forked(WATCHED_RELAY, *words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        assert url.startswith("http://"), "the relay did not start"
        with httpx.Client(base_url=url, trust_env=False, timeout=DEADLINE_S) as client:
            yield Relay(root, url, process, client)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()


_numbers = itertools.count()
# Locks that the test holds as a run's process would: let go with the terminal line, as that does.
HELD: dict[Path, RunLock] = {}


def new_run(root: Path, workflow: str = "command", **fields: Any) -> Workspace:
    """A queued run."""
    return create_run(root, workflow, run_id=f"run-{next(_numbers)}", **fields)


def say(run: Workspace, event_type: str, **fields: Any) -> int:
    """Append an event; returns its offset."""
    event = {"type": event_type, "timestamp": "2025-01-19T10:30:45.123Z", "run_id": run.run_id}
    offset = append_lines(run.stream, encode(event | fields))
    if event_type in TERMINAL_STATUS and (lock := HELD.pop(run.path, None)):
        lock.release()
    return offset


def recorded(run: Workspace, count: int = 30) -> bytes:
    """Write a whole run of `count` lines and a terminal one; returns the bytes of its stream."""
    say(run, "workflow_started", workflow="command", attempt=1)
    for number in range(count):
        text = json.dumps(
            {"type": "log", "n": number, "text": "é" * (number % 7)}, ensure_ascii=False
        )
        append_lines(run.stream, text.encode() + b"\n")
    say(run, "workflow_completed", duration_s=1.5, inbox_offset=0)
    return run.stream.read_bytes()
