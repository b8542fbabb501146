"""Runs that are recorded: the real CLI, with the scripted model behind it."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import runlog
from runlog import Workspace
from runner.attempt.options import RunOptions
from runner.supervise.supervisor import Supervisor
from tests.support import (
    bash,
    end_runs,
    kill,
    records,
    script,
    wait_for,
    wait_for_end,
    wait_for_tool,
    wait_for_transcript,
    wait_tool,
    wait_until,
)

__all__ = ["ABOUT", "record"]

_SHOWN_ROOT = "/home/dev/tailcast/workspaces"
_DEADLINE_S = 80.0
_AWAITED = {"subagent_type": "general-purpose", "run_in_background": False}
_PARTIAL = {"include_partial_messages": True}


def _start(root: Path, name: str, prompt: str, **fields: Any) -> Workspace:
    params = {"allowed_tools": ["Bash", "Task"]} | fields.pop("params", {})
    return runlog.create_run(root, "claude", prompt=prompt, params=params, run_id=name, **fields)


def _say(run: Workspace, text: str, message_id: str, **fields: Any) -> None:
    runlog.post(run, {"type": "message", "content": text, "id": message_id, **fields})


def _done(run: Workspace, message_id: str) -> None:
    wait_for(run, "message_received", _DEADLINE_S, message_id=message_id, state="completed")
    wait_until(lambda: runlog.run_status(run) == "waiting", "the end of the turn", _DEADLINE_S)


def _stop(run: Workspace, attempt: int = 1) -> None:
    runlog.post(run, {"type": "stop"})
    wait_for_end(run, _DEADLINE_S, attempt)


def killed(root: Path) -> None:
    """A run that was killed in mid-tool and resumed twice: the second process counts from zero, the third goes on."""
    run = _start(root, "killed", script({"text": "one"}), interactive=True)
    _done(run, f"prompt-{run.run_id}")
    _say(run, script({"tools": [wait_tool(root / "never")]}), "m1")
    wait_for_tool(run)
    wait_for_transcript(run)
    kill(wait_for(run, "workflow_started")["pid"])
    wait_for_end(run, _DEADLINE_S)
    for attempt, message_id in ((2, "m2"), (3, "m3")):
        steps = ({"tools": [bash("echo b")]}, {"text": message_id})
        _say(run, script(*steps), message_id, resume=True)
        _done(run, message_id)
        _stop(run, attempt)


def commands(root: Path) -> None:
    """Slash commands of the CLI, one of them a compaction, and one that it does not know."""
    run = _start(root, "commands", "hello", interactive=True)
    _done(run, f"prompt-{run.run_id}")
    for number, said in enumerate(("/cost", "/compact keep it short", "/nosuch", "and now?")):
        _say(run, said, f"c{number}")
        _done(run, f"c{number}")
    _stop(run)


def headless(root: Path) -> None:
    """Commands that the CLI has for its screen alone, or does without the model, and what follows a /clear."""
    run = _start(root, "headless", "hello", interactive=True)
    _done(run, f"prompt-{run.run_id}")
    for number, said in enumerate(_WITHOUT_MODEL):
        _say(run, said, f"h{number}")
        _done(run, f"h{number}")
    _stop(run)


# Then a word to the model; the last is the CLI's own again.
_WITHOUT_MODEL = (
    *("/help", "/status", "/context", "/model haiku", "/nosuch at all", "/clear", "and now?"),
    *("/help me", "/cost"),
)


def merged(root: Path) -> None:
    """Three messages that the CLI takes together."""
    steps = {"text": "word " * 30, "chunk_delay_s": 0.1}
    run = _start(root, "merged", script(steps), interactive=True, params=_PARTIAL)
    wait_for(run, "stream_event", _DEADLINE_S)
    for number in range(3):
        _say(run, f"note {number}", f"n{number}")
    _done(run, "n2")
    _stop(run)


def interrupted(root: Path) -> None:
    """A tool and a text that a person interrupted, and a stop."""
    first = script({"tools": [wait_tool(root / "never")]})
    run = _start(root, "interrupted", first, interactive=True, params=_PARTIAL)
    wait_for_tool(run)
    runlog.post(run, {"type": "interrupt"})
    _done(run, f"prompt-{run.run_id}")
    _say(run, script({"text": "word " * 50, "chunk_delay_s": 0.3}), "m1")
    wait_until(lambda: b'"text_delta"' in run.stream.read_bytes(), "the text", _DEADLINE_S)
    runlog.post(run, {"type": "interrupt"})
    _done(run, "m1")
    _say(run, script({"tools": [wait_tool(root / "never")]}), "m2")
    wait_for_tool(run, 2)
    _stop(run)


def subagent(root: Path) -> None:
    """A subagent that works in the background, and asks for a permission."""
    inner = script({"text": "Looking.", "tools": [bash("touch a")]}, {"text": "none."})
    task = {"description": "count", "prompt": inner, "subagent_type": "general-purpose"}
    steps = ({"text": "I ask.", "tools": [{"name": "Task", "input": task}]}, {"text": "done"})
    params = {"allowed_tools": ["Task"], "ask_permissions": True}
    run = _start(root, "subagent", script(*steps), params=params)
    asked = wait_for(run, "permission_requested", _DEADLINE_S)
    line = {"type": "permission", "request_id": asked["request_id"], "decision": "allow"}
    runlog.post(run, line)
    wait_for_end(run, _DEADLINE_S)


def awaited(root: Path) -> None:
    """Two subagents at once, and the agent waits for both."""
    tasks = [
        {"name": "Task", "input": {"description": name, "prompt": script(*steps)} | _AWAITED}
        for name, steps in (
            ("first", ({"tools": [bash("echo a")]}, {"text": "alpha"})),
            ("second", ({"thinking": "hm", "tools": [bash("echo b; exit 2")]}, {"text": "beta"})),
        )
    ]
    run = _start(root, "awaited", script({"tools": tasks}, {"text": "both"}))
    wait_for_end(run, _DEADLINE_S)


_RUNS: dict[str, Callable[[Path], None]] = {
    run.__name__: run
    for run in (killed, commands, headless, merged, interrupted, subagent, awaited)
}
ABOUT = {name: (run.__doc__ or "").strip() for name, run in _RUNS.items()}


def record(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each run and its lines, without a path of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspaces"
        root.mkdir(mode=0o700)
        options = RunOptions(1.0, scripted_model=True)
        runner = Supervisor(root, max_running=2, options=options, tell=lambda told: None)
        stop = threading.Event()
        thread = threading.Thread(target=runner.work, args=(stop,))
        thread.start()
        try:
            for name in names:
                _RUNS[name](root)
                lines = [r.line.decode() for r in records(Workspace(root, runlog.RunId(name)))]
                yield name, [_shown(line, root) for line in lines]
        finally:
            stop.set()
            runner.wake()
            thread.join()
            end_runs(root)


def _shown(line: str, root: Path) -> str:
    line = line.replace(str(root), _SHOWN_ROOT).replace(sys.executable, "python3")
    return line.replace(str(root).replace("/", "-"), _SHOWN_ROOT.replace("/", "-"))
