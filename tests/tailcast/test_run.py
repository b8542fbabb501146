"""`run`: what is checked, what is started, who starts it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from runlog import list_runs, open_workspace, read_manifest, run_status
from tests.support import DEADLINE_S, script, wait_for_end
from tests.tailcast.conftest import Cli

PRINT = [sys.executable, "-c"]


def test_a_command_is_started_and_left(cli: Cli) -> None:
    done = cli("run", "command", "--run-id", "one", "--", *PRINT, "print('hello')")
    lines = done.stdout.splitlines()
    assert lines[0] == "one" and "started" in lines[1]
    assert any("tail -f one" in line for line in lines)
    assert wait_for_end(open_workspace(cli.root, "one"))["type"] == "workflow_completed"


def test_follow_shows_it_and_tells_how_it_ended(cli: Cli) -> None:
    done = cli("run", "command", "-f", "--", *PRINT, "print('hello')")
    assert "command started" in done.stdout and "hello" in done.stdout
    assert "completed" in done.stdout
    done = cli("run", "command", "-f", "--", *PRINT, "print('oh'); raise SystemExit(3)", code=1)
    assert "failed (exit_code)" in done.stdout and "exit code 3" in done.stdout


def test_follow_as_json(cli: Cli) -> None:
    events = cli.json("run", "command", "-f", "--", *PRINT, "print('hello')")
    assert [e["event"]["type"] for e in events] == ["workflow_started", "log", "workflow_completed"]
    assert events[-1]["offset"] > events[0]["offset"] > 0


def test_started_as_json(cli: Cli) -> None:
    (told,) = cli.json("run", "command", "--", "true")
    assert told["status"] == "queued" and Path(told["path"]).is_dir()
    wait_for_end(open_workspace(cli.root, told["run_id"]))


def test_params_as_json_as_text_and_from_a_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "params.json"
    file.write_text(json.dumps({"argv": ["false"], "env": {"A": "1"}}))
    argv = json.dumps([*PRINT, "print('given')"])
    words = ["--params-file", str(file), "-p", f"argv={argv}", "-p", "input=stdin"]
    cli("run", "command", "-f", "--run-id", "one", *words)
    params = read_manifest(open_workspace(cli.root, "one")).params
    assert params == {"argv": json.loads(argv), "env": {"A": "1"}, "input": "stdin"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["command"], "params.argv"),
        (["command", "-p", "speed=1", "--", "true"], "params.speed"),
        (["command", "-p", "argv", "--", "true"], "has no value"),
        (["command", "-p", 'argv=["true"]', "--", "true"], "given twice"),
        (["command", "-i", "--", "true"], "can't be interactive"),
        (["command", "--run-id", "../up", "--", "true"], "not a run id"),
        (["command", "--params-file", "{bad}", "--", "true"], "not JSON"),
        (["claude"], "needs a prompt"),
        (["claude", "two", "words"], "2 words"),
        (["claude", "one", "--prompt-file", "-"], "given twice"),
        (["claude", "hello", "--permission-mode", "yolo"], "params.permission_mode"),
        (["claude", "hello", "--resume-session", "nope"], "params.resume_session_id"),
    ],
)
def test_what_is_wrong_starts_nothing(
    cli: Cli, tmp_path: Path, words: list[str], message: str
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{nope")
    done = cli(
        "run", *(word.format(bad=bad) if "{bad}" in word else word for word in words), code=2
    )
    assert message in done.stderr
    assert list_runs(cli.root) == []


def test_an_id_that_is_taken(cli: Cli) -> None:
    cli("run", "command", "-f", "--run-id", "one", "--", "true")
    assert "exists already" in cli("run", "command", "--run-id", "one", "--", "true", code=2).stderr


def test_claude_on_the_scripted_model(cli: Cli) -> None:
    step: dict[str, Any] = {"thinking": "Hm.", "text": "I list **it**.\n\n- one", "tools": []}
    step["tools"] = [
        {"name": "Bash", "input": {"command": "echo from the tool", "description": "x"}}
    ]
    prompt = "Please list. " + script(step, {"text": "All `done`."})
    words = ["--allow", "Bash", "--scripted-model", "--follow"]
    told = cli("run", "claude", prompt, *words).stdout
    assert "❯ Please list." in told and "SCRIPT" not in told
    assert "✻ Hm." in told
    assert "● I list it." in told and "• one" in told
    assert "⏺ Bash  echo from the tool" in told or "⏺ Bash echo from the tool" in told
    assert "⎿ from the tool" in told
    assert "● All done." in told
    assert "✔ completed in" in told and "1 tool call" in told and "$" in told
    assert list_runs(cli.root)[0].title.startswith("Please list.")


def test_partial_text_is_shown_once(cli: Cli) -> None:
    prompt = script({"text": "one two three four five", "chunk_delay_s": 0.01})
    told = cli("run", "claude", prompt, "--partial", "--scripted-model", "--follow").stdout
    assert told.count("one two three four five") == 1


def test_the_prompt_from_a_file_or_stdin(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "prompt.md"
    file.write_text("from a file")
    words = ["--scripted-model", "--follow"]
    assert "● from a file" in cli("run", "claude", "--prompt-file", str(file), *words).stdout
    assert "● from stdin" in cli("run", "claude", "-", *words, told="from stdin").stdout
    done = cli("run", "claude", "--prompt-file", str(tmp_path / "no"), *words, code=2)
    assert "can't be read" in done.stderr


def test_a_runner_at_work_takes_it_up(cli: Cli, runner: None) -> None:
    told = cli("run", "command", "--run-id", "one", "--", *PRINT, "print('hello')").stdout
    assert "the runner at work here starts it" in told
    assert "completed" in cli("tail", "-f", "one").stdout
    assert "● hello" in cli("run", "claude", "hello", "--scripted-model", "-f").stdout


def test_a_run_that_has_to_wait_says_so(cli: Cli) -> None:
    hold = "import time; time.sleep(600)"
    with cli.popen("runner", "--max-running", "1") as runner:
        assert b"at most 1 run" in runner.stdout.readline()
        cli("run", "command", "--run-id", "first", "--", *PRINT, hold)
        with cli.popen("run", "command", "-f", "--run-id", "second", "--", "true") as process:
            assert b"second is queued" in process.stderr.readline()
            cli("stop", "first")
            assert process.wait(DEADLINE_S) == 0


def test_describe(cli: Cli) -> None:
    told = cli("run", "claude", "--describe").stdout
    assert "permission_mode" in told and "default | acceptEdits" in told
    (described,) = cli.json("run", "command", "--describe")
    assert described["params"]["required"] == ["argv"]
    assert "--describe" in cli("run", "claude", "x", "-p", "speed=1", code=2).stderr
    assert not cli.root.exists()


def test_a_runner_on_the_real_model_is_not_taken_for_the_scripted(cli: Cli) -> None:
    from runner.supervise.supervisor import active_options
    from tests.support import wait_until

    with cli.popen("runner"):
        wait_until(lambda: active_options(cli.root), "the runner")
        done = cli("run", "claude", "hello", "--scripted-model", code=2)
        assert "real model" in done.stderr
        assert list_runs(cli.root) == []


def test_a_process_that_dies_is_told(cli: Cli) -> None:
    """Killed while it is followed, with no runner to tell of it: the command says so, in the stream too."""
    from tests.support import kill, wait_for, wait_until

    code = "import time; print('up', flush=True); time.sleep(600)"
    with cli.popen("run", "command", "--run-id", "one", "-f", "--", *PRINT, code) as process:
        wait_until(lambda: (cli.root / "one" / "_stream.jsonl").exists(), "the stream")
        run = open_workspace(cli.root, "one")
        wait_for(run, "log", message="up")
        kill(wait_for(run, "workflow_started")["pid"])
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert b"failed (lost)" in out
    assert run_status(run) == "failed"
