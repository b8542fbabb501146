"""Record the runs that the tests of the model fold, and what the relay makes of the same lines.

Beside each `NAME.jsonl` (a stream) goes `NAME.json`: `state` is `GET /workflows/{id}`, `history` is its chat. Run it
again when the events or the folds change: `python -m tests.ui.record_fixtures`
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailcast import Client

HERE = Path(__file__).resolve().parents[2] / "relay/ui/src/model/fixtures"
SHOWN_ROOT = "/home/dev/tailcast/workspaces"
TIMEOUT_S = 90
SAID = {
    "text": "One file in the home folder.",
    "reasoning": "A list of ten things needs no server.",
    "decision": "Keep it in one file",
    "confidence": 0.8,
    "category": "storage",
    "priority": "high",
    "alternatives_considered": ["a database"],
    "references": ["RFC 4180"],
    "questions": [
        {
            "question": "How many people share the list?",
            "header": "People",
            "options": [{"label": "One"}, {"label": "Several", "description": "at once"}],
            "default": "One",
        }
    ],
}


BACKGROUND = {"command": "sleep 1; echo over", "description": "later", "run_in_background": True}


def script(*steps: dict[str, Any]) -> str:
    return f"<<SCRIPT>>{json.dumps(steps)}<<END>>"


def bash(command: str) -> dict[str, Any]:
    return {"name": "Bash", "input": {"command": command, "description": "a command"}}


def talk(client: Client, run_id: str) -> None:
    """Thinking, tools, a permission allowed and one denied, a question, a message in between."""
    question = {
        "question": "Which database?",
        "header": "Database",
        "options": [
            {"label": "SQLite", "description": "one file"},
            {"label": "Postgres", "description": "a server"},
        ],
        "multiSelect": False,
    }
    prompt = "Begin.\n\n" + script(
        {
            "thinking": "I look around first.",
            "text": "I make a file.",
            "tools": [bash("touch a.txt; echo made")],
        },
        {"text": "And another.", "tools": [bash("touch b.txt")]},
        {
            "text": "I ask.",
            "tools": [{"name": "AskUserQuestion", "input": {"questions": [question]}}],
        },
        {
            "text": "A slow one.",
            "tools": [bash("python3 -c 'import time; time.sleep(1)'; ls /nowhere")],
        },
        {"text": "You said: **{{last_user}}**", "chunk_delay_s": 0.01},
    )
    params = {"include_partial_messages": True, "allowed_tools": ["Bash(python3:*)", "Bash(ls:*)"]}
    client.start("claude", prompt, run_id=run_id, params=params, interactive=True)
    decisions: Iterator[Callable[[str], object]] = iter(
        [
            lambda request: client.approve(run_id, request),
            lambda request: client.deny(run_id, request, "one is enough"),
        ]
    )
    for event in client.stream(run_id):
        data = event.data
        if event.type == "permission_requested":
            next(decisions, lambda request: client.approve(run_id, request))(data["request_id"])
        elif event.type == "questions_presented":
            client.answer(run_id, data["question_id"], {"Which database?": "Postgres"})
        elif event.type == "assistant" and "slow one" in json.dumps(data):
            client.send(run_id, "Use tabs", id="hint-1")
        elif event.type == "progress_update" and data.get("status") == "waiting":
            client.stop(run_id)


def earlier(client: Client, run_id: str) -> None:
    """A conversation that began before the run, and goes on in it."""
    said = [
        {"role": "user", "content": "Which files are there?"},
        {"role": "assistant", "content": "Two:\n\n- a.txt\n- b.txt"},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "And here?"}, {"type": "image"}]},
        {"role": "assistant", "content": "A picture."},
    ]
    prompt = "Go on.\n\n" + script({"text": "I go on."})
    client.start("claude", prompt, run_id=run_id, chat_history=said)


def helpers(client: Client, run_id: str) -> None:
    """A subagent."""
    inner = script({"text": "Looking.", "tools": [bash("ls")]}, {"text": "There are none."})
    task = {
        "description": "count",
        "prompt": f"Count the files. {inner}",
        "subagent_type": "general-purpose",
    }
    prompt = "Use a helper.\n\n" + script(
        {"text": "I ask a helper.", "tools": [{"name": "Task", "input": task}]},
        {"text": "It counts."},
    )
    params = {"include_partial_messages": True, "allowed_tools": ["Task", "Bash"]}
    client.start("claude", prompt, run_id=run_id, params=params)


def commands(client: Client, run_id: str) -> None:
    """What the CLI writes in the person's name: an interrupt, slash commands, a compaction, messages told merged."""
    held = bash("python3 -c 'import time; time.sleep(60)'")
    steps = [
        {"text": "I wait.", "tools": [held]},
        {"text": "After."},
        {"text": "word " * 12, "chunk_delay_s": 0.2},
        {"text": "All three."},
        {"text": "A summary of it."},
    ]
    later = script(
        {"tools": [{"name": "Bash", "input": BACKGROUND}]},
        {"text": "It runs."},
        {"text": "It is over."},
    )
    params = {"include_partial_messages": True, "allowed_tools": ["Bash"]}
    client.start(
        "claude", "Begin. " + script(*steps), run_id=run_id, params=params, interactive=True
    )
    says = iter(
        ["go on", "write", "/cost", "/compact keep it short", f"In the background. {later}"]
    )
    sent_three = False
    for event in client.stream(run_id):
        data, told = event.data, json.dumps(event.data)
        if event.type == "assistant" and '"tool_use"' in told and "time.sleep(60)" in told:
            client.interrupt(run_id)
        elif event.type == "stream_event" and "word" in told and not sent_three:
            sent_three = True
            for number in range(3):
                client.send(run_id, f"note {number}", id=f"n{number}")
        elif event.type == "progress_update" and data.get("status") == "waiting":
            if (said := next(says, None)) is not None:
                client.send(run_id, said)
        elif event.type == "assistant" and "It is over." in told:
            client.stop(run_id)


def monty(client: Client, run_id: str) -> None:
    client.start(
        "monty",
        params={"count": 3, "min_sleep_s": 0.2, "max_sleep_s": 1.2, "seed": 3},
        run_id=run_id,
    )


def research(client: Client, run_id: str) -> None:
    tasks = [
        {"id": "now", "name": "How it is", "prompt": script({"text": "Two a day."})},
        {
            "id": "who",
            "name": "Who says so",
            "prompt": script({"status": 400, "error": "no such source"}),
        },
        {
            "id": "why",
            "name": "Why",
            "prompt": script({"text": "The moon."}),
            "depends_on": ["now"],
        },
    ]
    params = {"tasks": tasks, "task_retries": 0, "on_task_failure": "skip"}
    client.start("research", "Two tides a day", params=params, run_id=run_id)


def design(client: Client, run_id: str) -> None:
    prompt = script({"text": f"Here it is:\n```json\n{json.dumps(SAID)}\n```"})
    client.start(
        "design", prompt, params={"node_retries": 0, "question_timeout_s": 3}, run_id=run_id
    )


def command(client: Client, run_id: str) -> None:
    lines = "; ".join(
        [
            "echo hello",
            "echo oops >&2",
            """echo '{"type":"task_started","task_id":"t1","task_name":"Build"}'""",
            """echo '{"type":"task_completed","task_id":"t1","task_name":"Build","data":{"files":12}}'""",
            """echo '{"type":"progress_update","progress":40,"message":"4 of 10 files"}'""",
            """echo '{"type":"workflow_completed"}'""",
            "echo '{\"type\":'",
            "exit 3",
        ]
    )
    client.start("command", params={"argv": ["sh", "-c", lines]}, run_id=run_id)


RUNS = {
    "talk": talk,
    "earlier": earlier,
    "helpers": helpers,
    "commands": commands,
    "monty": monty,
    "research": research,
    "design": design,
    "command": command,
}


@contextmanager
def serving(root: Path) -> Iterator[str]:
    argv = [
        sys.executable,
        "-m",
        "tailcast",
        "serve",
        "--root",
        str(root),
        "--port",
        "0",
        "--scripted-model",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def record(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made, shown = Path(folder, "made"), Path(folder, "shown")
        with serving(made) as url, Client(url) as client:
            for name in names:
                RUNS[name](client, name)
                sys.stderr.write(f"{name}: {client.wait(name, timeout_s=TIMEOUT_S).status}\n")
        # What the relay says has to be of the very bytes that are kept, offsets and all.
        for name in names:
            (shown / name).mkdir(parents=True)
            for file in ("run.json", "_stream.jsonl"):
                text = (made / name / file).read_text().replace(str(made), SHOWN_ROOT)
                (shown / name / file).write_text(text)
        with serving(shown) as url:
            for name in names:
                run = f"{url}/api/v1/workflows/{name}"
                told = {"state": fetch(run), "history": fetch(f"{run}/history")}
                (HERE / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
                (HERE / f"{name}.jsonl").write_bytes((shown / name / "_stream.jsonl").read_bytes())


if __name__ == "__main__":
    record(sys.argv[1:] or list(RUNS))
