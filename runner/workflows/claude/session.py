"""Around a session of the CLI: how it is started, whether it exists, what it has not heard."""

import shlex
import shutil
from pathlib import Path
from typing import Any

from runlog.run.history import earlier_text
from runlog.sessions.place import has_session

from ...attempt.run import Run
from ...attempt.workflow import Ahead
from ...keeper.command import guarded

__all__ = ["import_session", "with_history", "write_launcher"]


def write_launcher(run: Run | Ahead, cli: Path) -> Path:
    """The program that the SDK starts as its CLI: the real one under the guard, which writes the stream.

    A file of the run, since the SDK takes a path and no arguments; whoever looks at the folder sees what was run.
    """
    stream = run.workspace.stream
    command = guarded([str(cli)], run.grace_s, tee=stream, tee_waits=isinstance(run, Ahead))
    launcher = run.workspace.path / "_claude"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    launcher.chmod(0o700)
    return launcher


def import_session(run: Run, session_id: str, config: Path) -> None:
    """With homes of their own (scripted model), runs do not see each other's sessions: copy the one asked for."""
    if has_session(config, session_id):
        return
    for found in run.workspace.root.glob(f"*/_home/.claude/projects/*/{session_id}.jsonl"):
        target = config / "projects" / found.parent.name / found.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(found, target)
        return


def with_history(history: list[Any], content: str | list[Any]) -> str | list[Any]:
    """A message, after what was said before in a conversation that the session has not seen."""
    before = earlier_text(history)
    if not before:
        return content
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{"type": "text", "text": before}, *blocks]
