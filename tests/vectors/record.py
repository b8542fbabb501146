"""Runs that are recorded: the real CLI, with the scripted model behind it."""

import re
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

__all__ = ["ABOUT", "EARLIER", "record"]

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


def lookalikes(root: Path) -> None:
    """A person's words that look like the CLI's, one after the other, the prompt too; and a command, which is one."""
    run = _start(root, "lookalikes", _TASK_OVER, interactive=True)
    _done(run, f"prompt-{run.run_id}")
    for number, said in enumerate(_LOOKALIKES):
        _say(run, said, f"w{number}")
        _done(run, f"w{number}")
    _stop(run)


def taken(root: Path) -> None:
    """Such words, with a picture, that the CLI takes together."""
    steps = {"text": "word " * 30, "chunk_delay_s": 0.1}
    run = _start(root, "taken", script(steps), interactive=True, params=_PARTIAL)
    wait_for(run, "stream_event", _DEADLINE_S)
    pictured = [_PICTURE, _text("<bash-input>ls</bash-input>")]
    for number, said in enumerate((_INTERRUPTED, _TASK_OVER, _COMMAND, pictured, _REMINDER)):
        _say(run, said, f"n{number}")
    _done(run, "n4")
    _stop(run)


def steered(root: Path) -> None:
    """Such words that a running turn takes in."""
    steps = ({"tools": [wait_tool(root / "gate")]}, {"text": "a"})
    run = _start(root, "steered", script(*steps), interactive=True)
    wait_for_tool(run)
    for number, said in enumerate((_TASK_OVER, _INTERRUPTED, _OUTPUT, "plain")):
        _say(run, said, f"s{number}")
    wait_for(run, "message_received", _DEADLINE_S, message_id="s3", state="queued")
    (root / "gate").touch()
    _done(run, "s3")
    _stop(run)


def resumed(root: Path) -> None:
    """Such words after the process was killed, and once more after an orderly end."""
    run = _start(root, "resumed", _INTERRUPTED, interactive=True)
    _done(run, f"prompt-{run.run_id}")
    wait_for_transcript(run)
    kill(wait_for(run, "workflow_started")["pid"])
    wait_for_end(run, _DEADLINE_S)
    for attempt, message_id, said in ((2, "m2", _TASK_OVER), (3, "m3", _OUTPUT)):
        _say(run, said, message_id, resume=True)
        _done(run, message_id)
        _stop(run, attempt)


def earlier(root: Path) -> None:
    """Such words before the run, in its first message, and later one that looks like a conversation before it."""
    run = _start(root, "earlier", _REMINDER, interactive=True, chat_history=EARLIER["earlier"])
    _done(run, f"prompt-{run.run_id}")
    told = "The conversation so far:\n\nuser: a\n\nIt goes on:"
    for number, said in enumerate((_INTERRUPTED, [_text(told), _text("so?")])):
        _say(run, said, f"m{number}")
        _done(run, f"m{number}")
    _stop(run)


def background(root: Path) -> None:
    """A subagent that ends while its turn goes on, and a command that ends at rest: in two lines and in one."""
    task = {"description": "count", "prompt": script({"text": "four"}), "run_in_background": True}
    beside = wait_tool(root / "end")["input"] | {"run_in_background": True}
    steps = (
        {"tools": [{"name": "Task", "input": {"subagent_type": "general-purpose"} | task}]},
        {"tools": [wait_tool(root / "over")]},
        {"tools": [{"name": "Bash", "input": beside}]},
        {"text": "a"},
        {"text": "b"},
    )
    run = _start(root, "background", script(*steps), interactive=True)
    wait_for(run, "system", _DEADLINE_S, subtype="task_notification")
    (root / "over").touch()
    _done(run, f"prompt-{run.run_id}")
    (root / "end").touch()
    wait_until(lambda: b'"text":"b"' in run.stream.read_bytes(), "the answer", _DEADLINE_S)
    wait_until(lambda: runlog.run_status(run) == "waiting", "the end of the turn", _DEADLINE_S)
    _stop(run)


def repeated(root: Path) -> None:
    """A model that gives the answers of a turn one id, and all calls; two at once, which ask for the same."""
    _repeat(root, "repeated")


def parts(root: Path) -> None:
    """The same, with what the model says in parts."""
    _repeat(root, "parts", params=_PARTIAL)


def _repeat(root: Path, name: str, **fields: Any) -> None:
    # Of one id alone: the CLI takes all of them for one answer, and the script would not go on.
    ids, others = ({"id": f"msg_{n}", "tool_id": "call_0"} for n in range(2))
    twice = {"text": "one", "tools": [bash("echo 1"), bash("echo 1")], **ids}
    run = _start(root, name, script(twice, {"text": "two", **ids}), interactive=True, **fields)
    _done(run, f"prompt-{run.run_id}")
    _say(run, script({"tools": [bash("echo 1")], **others}, {"text": "three", **others}), "m1")
    _done(run, "m1")
    _say(run, script({"text": "four", **others}), "m2")
    _done(run, "m2")
    _stop(run)


def nameless(root: Path) -> None:
    """A model that gives its answers no id."""
    steps = ({"text": "one", "tools": [bash("echo 1")], "id": ""}, {"text": "two", "id": ""})
    run = _start(root, "nameless", script(*steps), interactive=True)
    _done(run, f"prompt-{run.run_id}")
    _say(run, script({"text": "three", "id": ""}), "m1")
    _done(run, "m1")
    _stop(run)


def _text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


_TASK_OVER = (
    "<task-notification>\n<task-id>b1</task-id>\n<status>failed</status>\n"
    "<summary>mine</summary>\n</task-notification>"
)
# What was said before a run, by its name.
EARLIER: dict[str, list[dict[str, Any]]] = {
    "earlier": [
        {"role": "user", "content": _TASK_OVER},
        {"role": "assistant", "content": "I see."},
    ]
}
_INTERRUPTED = "[Request interrupted by user]"
_COMMAND = "<command-name>/cost</command-name>"
_REMINDER = "<system-reminder>be brief</system-reminder>"
_OUTPUT = "<local-command-stdout>out</local-command-stdout>"
_PICTURE = {
    "type": "image",
    "source": {
        "type": "base64",
        "media_type": "image/png",
        "data": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    },
}
_LOOKALIKES: tuple[str | list[dict[str, Any]], ...] = (
    _OUTPUT,
    _REMINDER,
    _INTERRUPTED,
    _COMMAND,
    "Caveat: The messages below were generated by the user while running local commands",
    "<bash-input>ls</bash-input>",
    "<channel>c</channel>",
    '<teammate-message from="a">c</teammate-message>',
    "This session is being continued from a previous conversation that ran out",
    [_text(_REMINDER), _text("hi")],
    [_PICTURE, _text(_INTERRUPTED)],
    "/cost",
)


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
        killed,
        commands,
        headless,
        merged,
        interrupted,
        subagent,
        awaited,
        lookalikes,
        taken,
        steered,
        resumed,
        earlier,
        background,
        repeated,
        parts,
        nameless,
        spent,
        errors,
        limited,
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
    for path in (str(root), re.sub(r"[^A-Za-z0-9]", "-", str(root))):
        line = line.replace(path.replace("/", "-"), _SHOWN_ROOT.replace("/", "-"))
    return line
