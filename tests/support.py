"""What tests share: wait for events, scripts for the model, processes that are ended for sure."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import runlog
from runlog import Event, Record, Workspace
from runlog.disk.records import from_iso
from runlog.run.events import LIFECYCLE_TYPES, TERMINAL_STATUS
from runner.attempt.environment import mark_of
from runner.keeper.tree import end_marked, marked

# Of every wait: a machine at twenty times its load is slow, and a test must not fail of that. Nothing waits so long
# unless the product is wrong.
DEADLINE_S = 80.0


def events(workspace: Workspace, event_type: str | None = None) -> list[Event]:
    found = [record.event() for record in runlog.read_records(workspace.stream)]
    return [e for e in found if event_type is None or e["type"] == event_type]


def records(workspace: Workspace) -> list[Record]:
    return list(runlog.read_records(workspace.stream))


def wait_until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Poll `condition` until it is true; returns its value."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {deadline_s} s in vain for: {what}"
        time.sleep(0.01)
    return value


def wait_for(
    workspace: Workspace, event_type: str, deadline_s: float = DEADLINE_S, **fields: Any
) -> Event:
    """The first event of that type with those fields; fails with the whole stream if it does not come."""

    def found() -> Event | None:
        for event in events(workspace, event_type):
            if all(event.get(k) == v for k, v in fields.items()):
                return event
        return None

    try:
        event: Event = wait_until(found, f"{event_type} {fields}", deadline_s)
    except AssertionError as error:
        told = "\n".join(
            record.line.decode(errors="replace")[:300] for record in records(workspace)
        )
        stderr = workspace.stderr.read_text() if workspace.stderr.exists() else ""
        raise AssertionError(f"{error}\n{told}\nstderr: {stderr}") from error
    return event


def wait_for_end(workspace: Workspace, deadline_s: float = DEADLINE_S, attempt: int = 1) -> Event:
    """The terminal line of the `attempt`-th attempt, once it counts: when the lock is free."""

    def ended() -> Event | None:
        if runlog.is_locked(workspace.lock):
            return None
        terminal = [e for e in events(workspace) if e["type"] in TERMINAL_STATUS]
        return terminal[attempt - 1] if len(terminal) >= attempt else None

    event: Event = wait_until(ended, f"the end of attempt {attempt}", deadline_s)
    return event


def most_at_once(runs: Iterable[Workspace]) -> int:
    """How many of these runs, which have ended, were at work at the same time, as they themselves wrote it."""
    marks = []
    for run in runs:
        for event in events(run):
            if event["type"] in LIFECYCLE_TYPES:
                step = 1 if event["type"] == "workflow_started" else -1
                marks.append((from_iso(event["timestamp"]), step))
    now = most = 0
    for _, step in sorted(marks, key=lambda mark: (mark[0], mark[1])):
        now += step
        most = max(most, now)
    return most


def wait_for_tool(workspace: Workspace, count: int = 1) -> None:
    """Wait until the agent has asked for its `count`-th tool."""
    wait_until(lambda: runlog.read_state(workspace).tool_calls >= count, f"tool call {count}")


def wait_for_transcript(workspace: Workspace) -> None:
    """Wait until the CLI has saved the tool call; it lags behind its lines, and without it there is no session."""
    folder = workspace.path / "_home" / ".claude" / "projects"
    wait_until(
        lambda: any("tool_use" in path.read_text() for path in folder.glob("*/*.jsonl")),
        "the transcript",
    )


def receipts(workspace: Workspace, message_id: str) -> list[str]:
    return [
        e["state"] for e in events(workspace, "message_received") if e["message_id"] == message_id
    ]


def script(*steps: dict[str, Any]) -> str:
    """A prompt that has the scripted model play `steps`."""
    return f"<<SCRIPT>>{json.dumps(steps)}<<END>>"


def bash(command: str) -> dict[str, Any]:
    return {"name": "Bash", "input": {"command": command, "description": "test"}}


def wait_tool(gate: Path, then: str = "echo through") -> dict[str, Any]:
    """A Bash call that waits (at most 10 minutes) until the file `gate` is there. The CLI refuses plain sleeps."""
    code = (
        "import os,sys,time\n"
        "end=time.time()+600\n"
        "while not os.path.exists(sys.argv[1]) and time.time()<end: time.sleep(0.02)"
    )
    return bash(f'{sys.executable} -c "{code}" {gate}; {then}')


def tree_of(workspace: Workspace) -> list[int]:
    """Pids of the living processes that carry the run's mark."""
    return [proc.pid for proc in marked(mark_of(workspace.path))]


@contextlib.contextmanager
def spawned(*argv: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end, if it still runs. Runs outlive it; what else it started ends with it."""
    with ending(subprocess.Popen(argv, **options)) as process:
        yield process


@contextlib.contextmanager
def ending(process: "subprocess.Popen[Any]") -> Iterator["subprocess.Popen[Any]"]:
    """Kill it at the end, if it still runs."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=DEADLINE_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def whole_tree(*argv: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """As `spawned`, for programs that start another one in their place (npm, npx): that is ended too."""
    with spawned(*argv, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def end_runs(root: Path) -> None:
    """End whatever the runs of a root left running, so that a failed test leaves nothing behind."""
    for folder in root.iterdir() if root.exists() else ():
        end_marked(mark_of(folder), 0.2)


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended; a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in (b"Z", b"X")


def free_port() -> int:
    """A port to listen on, now and again later: none that the kernel gives to whoever connects meanwhile."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, lowest) if lowest > 20_000 else 0
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
            taken: int = listener.getsockname()[1]
            return taken


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
