"""The demo: relay and runner as `serve` starts them, the real Claude CLI, a scripted model, plain HTTP."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx

from runlog import (
    RunId,
    RunlogError,
    Workspace,
    decode,
    is_locked,
    post,
    read_records,
    read_state,
    run_status,
)

from .cli.errors import CommandError
from .cli.options import command_line, shown_path
from .cli.runs import check_scripted, look_at
from .client.streams import Frame, StreamState
from .terminal.output import print_json
from .terminal.render import Renderer
from .terminal.screen import Screen, make_console
from .terminal.text import cost, duration, plural, size

__all__ = ["play"]

# Bounds for a busy machine; who has ended is not waited for.
_START_S = 60.0
_RUN_S = 60.0
_END_S = 30.0
_KEPT_LINES = 30
_SAME = ("✔", "identical to", "bold green")
_DIFFERENT = ("✘", "NOT THE SAME as", "bold red")

_ASKED = "Look at your folder and wait a moment. Then tell me what I said meanwhile."
_SAID = "By the way: the file is the log."
_SCRIPT = [
    {
        "thinking": "The folder first. While the command waits, a message may come in.",
        "text": "I look at the folder, and wait three seconds.",
        "tools": [
            {
                "name": "Bash",
                "input": {
                    "command": "pwd; timeout 3 tail -f /dev/null; echo 'three seconds later'",
                    "description": "Show the folder, then wait",
                },
            }
        ],
    },
    {
        "text": "While the command ran you said: “{{last_user}}”\n\n"
        "I read it in the same turn, and nothing was lost. That is all.",
        "chunk_delay_s": 0.04,
    },
]


def play(root: Path, *, as_json: bool) -> int:
    """Play it in `root`; the run stays there to be looked at.

    :raises CommandError: something did not come in time, or not as it should.
    """
    check_scripted(root, True)
    screen = Screen(make_console(None if not as_json else sys.stderr))
    screen.block(
        "", "Tailcast demo: the real Claude CLI on a scripted model. No key, no network.", "bold"
    )
    try:
        return _Demo(root, screen).play(as_json=as_json)
    except httpx.HTTPError as error:
        raise CommandError(f"the relay did not answer: {error}", exit_code=1) from error


class _Demo:
    """One showing. Whatever was started is ended at the end, also of a broken one."""

    def __init__(self, root: Path, screen: Screen) -> None:
        self._root = root
        self._screen = screen
        self._lines: list[tuple[int, bytes]] = []  # offset and bytes of each event, as they came

    def play(self, *, as_json: bool) -> int:
        began = time.monotonic()
        self._step(1, "Relay and runner start.")
        with _server(self._root) as url:
            self._tell(f"listening on {url}")
            with httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=_RUN_S) as client:
                self._step(2, "A run starts over HTTP. This is its stream, as it comes:")
                workspace = self._start(client)
                with _ended(workspace):
                    self._follow(client, workspace)
                self._step(3, "The same stream once more, from its middle:")
                middle, same = self._replay(client, workspace)
        view = look_at(workspace)
        if as_json:
            print_json(view.as_json() | {"replayed_after": middle, "identical": same})
        else:
            self._close(workspace, time.monotonic() - began)
        return 0 if same and view.status == "completed" else 1

    def _start(self, client: httpx.Client) -> Workspace:
        asked = {
            "workflow": "claude",
            "prompt": f"{_ASKED} <<SCRIPT>>{json.dumps(_SCRIPT)}<<END>>",
            "params": {"allowed_tools": ["Bash"], "include_partial_messages": True},
        }
        answer = client.post("/workflows", json=asked)
        answer.raise_for_status()
        run_id = answer.json()["run_id"]
        self._tell(f"POST /workflows  →  {run_id}")
        return Workspace(self._root, RunId(run_id))

    def _follow(self, client: httpx.Client, workspace: Workspace) -> None:
        def command(word: str, *words: str) -> str:
            return command_line(self._root, word, workspace.run_id, *words)

        renderer = Renderer(self._screen, command)
        said = False
        for offset, line in _stream(client, workspace, 0):
            self._lines.append((offset, line))
            event = decode(line) or {}
            renderer.show(event)
            if not said and _calls_a_tool(event):
                said = True
                self._say(client, workspace)
        renderer.close()

    def _say(self, client: httpx.Client, workspace: Workspace) -> None:
        answer = client.post(f"/workflows/{workspace.run_id}/messages", json={"message": _SAID})
        answer.raise_for_status()
        self._screen.gap()
        self._screen.block("you:", _SAID, "bold magenta")
        self._tell("POST …/messages, while the command runs")
        self._screen.gap()

    def _replay(self, client: httpx.Client, workspace: Workspace) -> tuple[int, bool]:
        middle = self._lines[len(self._lines) // 2][0]
        again = b"".join(line + b"\n" for _, line in _stream(client, workspace, middle))
        records = list(read_records(workspace.stream, middle))
        stored = b"".join(record.line + b"\n" for record in records)
        same = again == stored and len(records) > 0
        self._tell(
            f"GET …/stream?after={middle}  →  {plural(len(records), 'event')}, {len(again):,} bytes"
        )
        sign, verdict, style = _SAME if same else _DIFFERENT
        self._screen.block(sign, f"{verdict} the file from byte {middle} on", style)
        return middle, same

    def _close(self, workspace: Workspace, took_s: float) -> None:
        view = look_at(workspace)
        parts = [
            plural(len(self._lines), "event"),
            size(view.state.offset),
            cost(view.state.cost_usd),
        ]
        self._screen.gap()
        self._screen.block("", f"All of the run is in {shown_path(workspace.path)}/", "bold")
        self._tell(
            f"{', '.join(parts)} (play money), in {duration(took_s)}; relay and runner have ended"
        )
        self._screen.gap()
        self._screen.block("", "Try next:", "bold")
        root, run_id = self._root, workspace.run_id
        scripted = ("--resume", "--scripted-model", "--wait")
        self._command(command_line(root, "tail", run_id), "read it once more")
        self._command(command_line(root, "send", run_id, "And now?", *scripted), "go on with it")
        self._command(
            command_line(root, "replay", run_id, "--speed", "2"), "see it again, twice as fast"
        )
        self._command(
            command_line(root, "serve", "--scripted-model", "--open"), "see it in a browser"
        )

    def _step(self, number: int, told: str) -> None:
        self._screen.gap()
        self._screen.block(f"{number}", told, "bold")

    def _tell(self, told: str) -> None:
        self._screen.block(" ", told, "dim")

    def _command(self, command: str, told: str) -> None:
        self._screen.block(" ", f"# {told}", "dim")
        self._screen.unwrapped(f"  {command}", "cyan")


def _calls_a_tool(event: dict[str, Any]) -> bool:
    if event.get("type") != "assistant":
        return False
    return any(block.get("type") == "tool_use" for block in event["message"]["content"])


class _Lines(StreamState[tuple[int, bytes]]):
    """Offset and bytes of each event, as they were sent."""

    def _dispatch(self, frame: Frame) -> tuple[int, bytes] | None:
        self.ended = frame.event == b"end"
        if self.ended or frame.data is None:
            return None
        return int(frame.id), frame.data


def _stream(client: httpx.Client, workspace: Workspace, after: int) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each event until `event: end`."""
    lines = _Lines(f"/workflows/{workspace.run_id}/stream", after, {}, 0)
    with client.stream("GET", lines.path, params=lines.params) as response:
        response.raise_for_status()
        for data in response.iter_bytes():
            yield from lines.feed(data)
            if lines.ended:
                return


@contextlib.contextmanager
def _ended(workspace: Workspace) -> Iterator[None]:
    """At the end of the block the run has ended, and its process is gone; a broken demo stops it."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(RunlogError):
            post(workspace, {"type": "stop"})
        raise
    finally:
        deadline = time.monotonic() + _END_S
        while time.monotonic() < deadline and (
            is_locked(workspace.lock) or run_status(workspace) in ("queued", "running")
        ):
            time.sleep(0.02)
        pid = read_state(workspace).pid
        if pid is not None:
            _wait_for_exit(pid, deadline - time.monotonic())


def _wait_for_exit(pid: int, timeout_s: float) -> None:
    """A run has ended when it lets go of its lock; its process needs a moment more, to tear itself down."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([fd], [], [], max(timeout_s, 0))
    finally:
        os.close(fd)


@contextlib.contextmanager
def _server(root: Path) -> Iterator[str]:
    """`tailcast serve` on a free port while the block runs; yields its URL."""
    command = [sys.executable, "-P", "-m", "tailcast", "--root", str(root)]
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", "--scripted-model"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,  # Ctrl-C is for us: we stop the run first
    )
    assert process.stdout is not None and process.stderr is not None
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    threads = [threading.Thread(target=_keep, args=(process.stderr, said), daemon=True)]
    first: list[str] = []
    heard = threading.Event()
    threads.append(
        threading.Thread(target=_read_first, args=(process.stdout, first, heard), daemon=True)
    )
    for thread in threads:
        thread.start()
    try:
        heard.wait(_START_S)
        url = first[0].removeprefix("listening on ").strip() if first else ""
        if not url.startswith("http://"):
            process.kill()
            threads[0].join(_END_S)
            raise CommandError(
                f"`serve` did not start: {' '.join(said) or 'it said nothing'}", exit_code=1
            )
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in threads:
            thread.join(_END_S)
        process.stdout.close()
        process.stderr.close()


def _keep(stream: IO[str], said: deque[str]) -> None:
    for line in stream:
        said.append(line.strip())


def _read_first(stream: IO[str], first: list[str], heard: threading.Event) -> None:
    for line in stream:
        first.append(line)
        heard.set()
    heard.set()
