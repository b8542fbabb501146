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


def spent(root: Path) -> None:
    """Whatever sums can go wrong over: a subagent, two models, a compaction, cleared sessions, an interrupt in
    mid-turn, a kill in mid-tool, and two resumes."""
    task = {"description": "d", "prompt": script({"tools": [bash("echo a")]}, {"text": "sub"})}
    asks = {"tools": [{"name": "Task", "input": task | _AWAITED}]}
    run = _start(root, "spent", script({"text": "one"}), interactive=True)
    _done(run, f"prompt-{run.run_id}")
    _say(run, script(asks, {"text": "two"}), "m1")
    _done(run, "m1")
    runlog.post(run, {"type": "set_model", "model": "claude-haiku-4-5", "id": "haiku"})
    wait_for(run, "message_received", _DEADLINE_S, message_id="haiku", state="completed")
    for number, said in enumerate(("/cost", "and now?", "/compact", "and?", "/clear", "who?"), 2):
        _say(run, said, f"m{number}")
        _done(run, f"m{number}")
    _say(run, script({"tools": [bash("echo b")]}, {"tools": [wait_tool(root / "never")]}), "m8")
    wait_for_tool(run, 4)
    runlog.post(run, {"type": "interrupt"})
    _done(run, "m8")
    _say(run, script({"tools": [bash("echo c")]}, {"tools": [wait_tool(root / "never")]}), "m9")
    wait_for_tool(run, 6)
    kill(wait_for(run, "workflow_started")["pid"])
    wait_for_end(run, _DEADLINE_S)
    _say(run, script({"text": "back"}), "m10", resume=True)
    _done(run, "m10")
    _say(run, "/clear", "m11")
    _done(run, "m11")
    _say(run, script(asks, {"text": "three"}), "m12")
    _done(run, "m12")
    _stop(run, 2)
    _say(run, "once more", "m13", resume=True)
    _done(run, "m13")
    _stop(run, 3)


def errors(root: Path) -> None:
    """A model that can't answer: overloaded, a bad request, a connection lost in mid-text; then it answers."""
    params = _PARTIAL | {"env": {"CLAUDE_CODE_MAX_RETRIES": "0"}}
    run = _start(root, "errors", script({"status": 529}), interactive=True, params=params)
    _done(run, f"prompt-{run.run_id}")
    steps = (
        {"status": 400, "error": "bad thing"},
        {"text": "half of it, and", "fault": "cut"},
        {"text": "here I am"},
    )
    for number, step in enumerate(steps):
        _say(run, script(step), f"e{number}")
        _done(run, f"e{number}")
    _stop(run)


def limited(root: Path) -> None:
    """A subagent takes the cost of the run over its limit."""
    task = {"description": "d", "prompt": script({"tools": [bash("echo a")]}, {"text": "sub"})}
    asks = {"tools": [{"name": "Task", "input": task | _AWAITED}]}
    run = _start(root, "limited", script(asks, {"text": "end"}), limits={"cost_usd": 0.09})
    wait_for_end(run, _DEADLINE_S)


_RUNS: dict[str, Callable[[Path], None]] = {
    run.__name__: run
    for run in (
        *(killed, commands, merged, interrupted, subagent, awaited),
        *(spent, errors, limited),
    )
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
