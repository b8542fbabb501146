"""What tests of `claude` runs share: start one, talk to it, find its CLI."""

import contextlib
from pathlib import Path
from typing import Any

import runlog
from runlog import Workspace
from tests.support import events, tree_of, wait_for, wait_until

QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}],
}


def start(root: Path, prompt: str | None, *, interactive: bool = False, **params: Any) -> Workspace:
    params = {"allowed_tools": ["Bash"]} | params
    return runlog.create_run(root, "claude", prompt=prompt, interactive=interactive, params=params)


def say(workspace: Workspace, text: str, message_id: str, **fields: Any) -> None:
    runlog.post(workspace, {"type": "message", "content": text, "id": message_id, **fields})


def texts(workspace: Workspace) -> list[str]:
    """What the assistant said, in order."""
    blocks = [b for e in events(workspace, "assistant") for b in e["message"]["content"]]
    return [b["text"] for b in blocks if b["type"] == "text"]


def control(workspace: Workspace, kind: str, **fields: Any) -> str:
    return runlog.post(workspace, {"type": kind, **fields}).message_id


def receipt(workspace: Workspace, message_id: str, state: str) -> dict[str, Any]:
    return wait_for(workspace, "message_received", message_id=message_id, state=state)


def cli_pid(run: Workspace) -> int:
    def found() -> int | None:
        for pid in tree_of(run):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if Path(f"/proc/{pid}/exe").readlink().name == "claude":
                    return pid
        return None

    pid: int = wait_until(found, "the CLI")
    return pid
