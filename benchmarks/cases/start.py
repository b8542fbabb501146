"""POST /workflows to the command's first line on the stream, beside what an interpreter takes to start at all."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ..bench import Bench, Figures
from ..processes import BenchError
from ..rows import Row
from ..server import listening

__all__ = ["measure"]

_ARGV = ["/bin/echo", '{"type":"task_progress","message":"first line"}']
# The same text inside a string, as in the run's params, has its quotes escaped.
_FIRST_LINE = b'"type":"task_progress"'
_ENDED = b'"type":"workflow_completed"'
_PATIENCE_S = 30.0
# The fork server has done its imports, those that take long too.
_SETTLED_S = 3.0


def measure(bench: Bench) -> list[Row]:
    with bench.root() as root, listening("tailcast", _serve(root), root, "") as server:
        leisure_s = bench.pick(_SETTLED_S, _SETTLED_S, 0.2)
        _start(server.port)  # the first reads every module from the disk
        found = bench.interleave(
            "start",
            {
                "tailcast": _after(leisure_s, lambda: _start(server.port)),
                "right after another": lambda: _start(server.port),
                "python -c pass": _interpreter(["-c", "pass"]),
                "imports of a run": _interpreter(
                    ["-c", "import runner.attempt.process, runner.workflows.command"]
                ),
                "the guard's interpreter": _interpreter(["-I", "-S", "-c", "pass"]),
            },
        )
    total = found["first line"]
    samples = {name: total[name] for name in ("tailcast", "python -c pass")}
    whole = Row("start", "POST -> the command's first line", "ms", samples, "less")
    whole.within(10, whole.cost("python -c pass"), "10x `python -c pass`")
    second = {"tailcast": total["right after another"], "python -c pass": samples["python -c pass"]}
    rows = [whole, Row("start", "the same, right after another start", "ms", second, "less")]
    for phase in (
        "queued on disk",
        "claimed, run began",
        "command's line written",
        "on the stream",
    ):
        spent = {"tailcast": found[phase]["tailcast"]}
        rows.append(Row("start", f"of it: {phase}", "ms", spent, "less"))
        spent = {"tailcast": found[phase]["right after another"]}
        rows.append(Row("start", f"of it, right after another: {phase}", "ms", spent, "less"))
    alone = ("imports of a run", "the guard's interpreter")
    rows += [Row("start", f"alone: {name}", "ms", {name: total[name]}, "less") for name in alone]
    return rows


def _serve(root: Path) -> list[str]:
    return ["-m", "tailcast", "serve", "--root", str(root), "--port", "0"]


def _after(pause_s: float, measure_: Callable[[], Figures]) -> Callable[[], Figures]:
    def measured() -> Figures:
        time.sleep(pause_s)
        return measure_()

    return measured


def _start(port: int) -> Figures:
    """One start; the answer to the POST is the stream itself."""
    body = json.dumps({"workflow": "command", "params": {"argv": _ARGV}}).encode()
    request = (
        b"POST /api/v1/workflows HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    ) % (len(body), body)
    began, began_at = time.monotonic(), time.time()
    answered = first_line = 0.0
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as sock:
        sock.sendall(request)
        while _ENDED not in received:
            part = sock.recv(65536)
            if not part:
                raise BenchError(f"the stream of a start ended early: {received[-2000:]!r}")
            received += part
            now = time.monotonic()
            answered = answered or now
            if not first_line and _FIRST_LINE in received:
                first_line = now
    lines = [line[6:] for line in received.split(b"\n") if line.startswith(b'data: {"')]
    events = {event["type"]: event for event in map(json.loads, lines) if "type" in event}
    ran_at = _epoch_s(events["workflow_started"]["timestamp"])
    wrote_at = _epoch_s(events["task_progress"]["timestamp"])
    return {
        "first line": (first_line - began) * 1000,
        "queued on disk": (answered - began) * 1000,
        "claimed, run began": (ran_at - began_at - (answered - began)) * 1000,
        "command's line written": (wrote_at - ran_at) * 1000,
        "on the stream": (first_line - began - (wrote_at - began_at)) * 1000,
    }


def _epoch_s(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _interpreter(arguments: list[str]) -> Callable[[], Figures]:
    def measured() -> Figures:
        began = time.monotonic()
        subprocess.run([sys.executable, *arguments], check=True)
        return {"first line": (time.monotonic() - began) * 1000}

    return measured
