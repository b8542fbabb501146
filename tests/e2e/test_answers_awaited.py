"""Wait for answers of the real CLI: by HTTP, by the client, from the command line."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runlog import open_workspace
from tailcast import Client
from tests.e2e.conftest import House
from tests.support import DEADLINE_S, script, wait_for_tool, wait_tool

WAIT = {"wait": 60}


def test_a_chat_of_calls_that_answer(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    prompt = script({"text": "hello"})
    asked = {"workflow": "claude", "prompt": prompt, "interactive": True, "run_id": "talk"}
    asked["params"] = {"allowed_tools": ["Bash"]}
    begun = house.client.post("/api/v1/workflows", json=asked, params=WAIT)
    body = begun.json()
    assert (begun.status_code, body["text"], body["turn"]["number"]) == (201, "hello", 1)
    assert body["state"]["waiting_for"] == "message"

    path = "/api/v1/workflows/talk/messages"
    said = script({"text": "first", "tools": [wait_tool(gate)]}, {"text": "heard {{last_user}}"})
    with ThreadPoolExecutor() as pool, Client(house.url) as client:
        working = pool.submit(house.client.post, path, json={"message": said}, params=WAIT)
        run = open_workspace(house.root, "talk")
        wait_for_tool(run)
        steered = pool.submit(client.ask, "talk", "the blue one", id="steered")
        late = house.client.get("/api/v1/workflows/talk/wait", params={"for": "turn", "wait": 0.1})
        assert late.status_code == 202 and late.json()["state"]["status"] == "running"
        gate.touch()
        answer = working.result(DEADLINE_S)
        assert answer.status_code == 200 and answer.json()["turn"]["number"] == 2
        assert "the blue one" in answer.json()["text"]
        assert steered.result(DEADLINE_S).text == answer.json()["text"]
        assert client.ask("talk", script({"text": "third"})).text == "third"
        assert client.wait("talk", for_="turn").text == "third"
        client.stop("talk")
        assert client.wait("talk").status == "stopped"


def test_from_the_command_line(tmp_path: Path) -> None:
    root = tmp_path / "root"

    def cli(*words: str, code: int = 0) -> str:
        argv = [sys.executable, "-m", "tailcast", "--root", str(root), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    answer = ["run", "claude", script({"text": "forty-two"}), "--scripted-model", "--run-id", "one"]
    assert cli(*answer, "--wait") == "forty-two\n"
    assert cli("wait", "one") == "forty-two\n"
    told = json.loads(cli("wait", "one", "--for", "attention", "--json"))
    assert told["done"] is True and told["state"]["status"] == "completed"
    failing = ["run", "command", "--wait", "--", "sh", "-c", "exit 3"]
    assert cli(*failing, code=1) == ""
    endless = [
        "run",
        "command",
        "--run-id",
        "two",
        "--wait",
        "--timeout",
        "0.2",
        "--",
        "sleep",
        "600",
    ]
    assert cli(*endless, code=124) == ""
    cli("wait", "two", "--timeout", "0", code=124)
    cli("stop", "two")
    cli("wait", "two", "--for", "turn")
    cli("wait", "two", "--for", "nothing", code=2)
    cli("run", "command", "--timeout", "1", "--", "true", code=2)
