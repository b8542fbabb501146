"""`deployments`, `run --deployment`, `ls --deployment`: on the folders alone, and told the same over HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runlog import open_workspace, read_manifest
from runlog.groups.catalog import write_catalog
from runner.attempt.catalog import describe_all
from tests.relay.live import running_relay
from tests.support import DEADLINE_S, wait_for_end
from tests.tailcast.conftest import TAILCAST, Cli

PRINT = [sys.executable, "-c", "print('hello')"]
FAIL = [sys.executable, "-c", "raise SystemExit(3)"]


def put(cli: Cli, name: str = "hello", *words: str, argv: list[str] = PRINT) -> None:
    """A deployment of `command`, which may be given another."""
    given = ["-p", f"argv={json.dumps(argv)}", "--allow-override", "argv"]
    cli("deployments", "put", name, "-w", "command", *given, *words)


def test_put_show_ls_rm(cli: Cli) -> None:
    words = ["--description", "Says hello", "--limit", "wall_time_s=600", "--max-running", "2"]
    done = cli(
        "deployments",
        "put",
        "hello",
        "-w",
        "command",
        "--params-json",
        json.dumps({"argv": PRINT}),
        *words,
    )
    assert done.stdout.splitlines()[0] == "made hello"
    assert "run --deployment hello" in done.stdout
    (told,) = cli.json("deployments", "show", "hello")
    assert (told["workflow"], told["params"]) == ("command", {"argv": PRINT})
    assert (told["limits"], told["max_running"]) == ({"wall_time_s": 600}, 2)
    assert told["statistics"]["runs"] == 0
    assert cli.json("deployments", "ls") == [told]
    head, row = cli("deployments", "ls").stdout.splitlines()
    assert head.split()[:3] == ["NAME", "WORKFLOW", "RUNS"]
    assert row.split()[:3] == ["hello", "command", "0"] and row.endswith("Says hello")
    shown = cli("deployments", "show", "hello").stdout
    assert "Says hello" in shown and "wall_time_s=600" in shown and "at once" in shown
    assert cli.json("deployments", "rm", "hello") == [{"name": "hello", "removed": True}]
    assert "no deployment 'hello'" in cli("deployments", "show", "hello", code=2).stderr
    assert "No deployments" in cli("deployments", "ls").stderr


def test_what_is_shown_can_be_changed_and_put_again(cli: Cli, tmp_path: Path) -> None:
    put(cli)
    (before,) = cli.json("deployments", "show", "hello")
    done = cli("deployments", "put", "hello", "-", told=json.dumps(before | {"priority": 4}))
    assert done.stdout.startswith("replaced hello")
    file = tmp_path / "hello.json"
    file.write_text(json.dumps(before | {"priority": 5}))
    (after,) = cli.json("deployments", "put", "hello", str(file), "--description", "Wins")
    own = {"priority": 5, "description": "Wins", "updated_at": after["updated_at"]}
    assert after == before | own
    assert (
        "is there already" in cli("deployments", "put", "hello", str(file), "--new", code=2).stderr
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Upper", "-w", "command"], "'Upper' is not a name"),
        (["..", "-w", "command"], "'..' is not a name"),
        (["a/b", "-w", "command"], "is not a name"),
        (["x" * 81, "-w", "command"], "is not a name"),
        (["x"], "no workflow is named"),
        (["x", "-w", "nope"], "there is no workflow 'nope'"),
        (["x", "-w", "command"], "'argv' is a required property"),
        (["x", "-w", "command", "-p", "argv=[]"], "params.argv: "),
        (["x", "-w", "command", "-p", "argv"], "has no value"),
        (["x", "-w", "command", "--allow-override", "nope"], "no param 'nope'"),
        (["x", "-w", "monty", "-p", "min_sleep_s=9"], "is over max_sleep_s"),
        (["x", "-w", "monty", "-p", "min_sleep_s=many"], "params.min_sleep_s: "),
        (["x", "-w", "monty", "-i"], "can't be interactive"),
        (["x", "-w", "monty", "--limit", "speed=1"], "speed"),
        (["x", "-w", "monty", "--limit", "turns=x"], "turns"),
        (["x", "-w", "monty", "--max-running", "0"], "max-running"),
        (["x", "-w", "monty", "--params-json", "{"], "--params-json is not JSON"),
        (["x", "-w", "monty", "--params-json", "[]"], "holds no JSON object"),
        (["x", "-w", "monty", "--prompt", "a", "--prompt-file", "b"], "given twice"),
        (["x", "nowhere.json"], "nowhere.json can't be read"),
    ],
)
def test_what_can_not_be_put(cli: Cli, words: list[str], message: str) -> None:
    assert message in cli("deployments", "put", *words, code=2).stderr
    assert not (cli.root / "_deployments").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"workflow": "monty", "speed": 1}, "`speed`"),
        ({"workflow": "monty", "params": []}, "`params`"),
        ({"workflow": "monty", "name": "another"}, "`name`"),
        ({"workflow": 7}, "`workflow`"),
        ({"workflow": "monty", "allowed_overrides": [1]}, "`allowed_overrides`"),
        ({"workflow": "monty", "prompt": ""}, "prompt"),
    ],
)
def test_files_that_are_no_deployment(cli: Cli, body: Any, message: str) -> None:
    assert message in cli("deployments", "put", "x", "-", told=json.dumps(body), code=2).stderr
    assert not (cli.root / "_deployments").exists()


def test_runs_and_their_statistics(cli: Cli) -> None:
    put(cli, "hello", "--priority", "2", "--limit", "wall_time_s=600")
    assert "hello" in cli("run", "--deployment", "hello", "--follow", "--run-id", "one").stdout
    made = read_manifest(open_workspace(cli.root, "one"))
    assert (made.workflow, made.deployment, made.params) == ("command", "hello", {"argv": PRINT})
    assert (made.priority, made.limits) == (2, {"wall_time_s": 600})
    override = f"argv={json.dumps(FAIL)}"
    words = ["--deployment", "hello", "-f", "--limit", "wall_time_s=300", "--priority", "0"]
    cli("run", *words, "--run-id", "two", "--override", override, code=1)
    made = read_manifest(open_workspace(cli.root, "two"))
    assert (made.params["argv"], made.priority) == (FAIL, 0)
    assert made.limits == {"wall_time_s": 300}
    # The command by its words, as without a deployment.
    cli("run", "-d", "hello", "-f", "--run-id", "three", "--", *PRINT[:2], "print('again')")
    cli("run", "command", "-f", "--", *PRINT)

    (told,) = cli.json("deployments", "show", "hello")
    statistics = told["statistics"]
    assert statistics["runs"] == 3
    assert (statistics["by_status"]["completed"], statistics["by_status"]["failed"]) == (2, 1)
    assert statistics["success_rate"] == pytest.approx(2 / 3)
    took = [row["duration_s"] for row in cli.json("ls", "--deployment", "hello")]
    assert len(took) == 3 and statistics["duration_s"]["max"] == max(took)
    assert statistics["last_run"]["run_id"] == "three"
    assert "67%" in cli("deployments", "ls").stdout
    assert "three, completed" in cli("deployments", "show", "hello").stdout
    assert "command, deployment hello" in cli("show", "three").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-d", "nope"], "no deployment 'nope'"),
        (["-d", "../x"], "is not a name"),
        (["-d", "locked", "--override", "argv=[]"], "runtime_overrides.argv"),
        (["-d", "locked", "--", "true"], "does not allow to override 'argv'. Allowed: none"),
        (["-d", "hello", "--override", "argv=[]"], "runtime_overrides.argv"),
        (["-d", "hello", "--override", "argv=1"], "runtime_overrides.argv"),
        (["-d", "hello", "--override", "input=1"], "Allowed: argv"),
        (["-d", "hello", "--override", "argv"], "--override 'argv' has no value"),
        (["-d", "hello", "-p", "argv=[]"], "hello has its own params"),
        (["-d", "hello", "--model", "x"], "does not allow to override 'model'"),
        (["-d", "hello", "--limit", "wall_time_s=999"], "may only go below"),
        (["-d", "gone"], "no workflow 'gone-since'"),
        (["-d", "torn"], "can't be used"),
        (["command", "--override", "a=1", "--", "true"], "--override goes with a --deployment"),
        ([], "no WORKFLOW is named"),
    ],
)
def test_starts_that_are_refused(cli: Cli, words: list[str], message: str) -> None:
    put(cli, "hello", "--limit", "wall_time_s=600")
    folder = cli.root / "_deployments"
    hello = json.loads((folder / "hello.json").read_text())
    locked = hello | {"name": "locked", "allowed_overrides": []}
    (folder / "locked.json").write_text(json.dumps(locked))
    (folder / "gone.json").write_text(json.dumps({"workflow": "gone-since"}))
    (folder / "torn.json").write_text("{")
    assert message in cli("run", *words, code=2).stderr
    assert os.listdir(cli.root) == ["_deployments"]


def test_a_broken_file_hides_no_other(cli: Cli) -> None:
    put(cli)
    (cli.root / "_deployments" / "torn.json").write_text("{")
    done = cli("deployments", "ls")
    assert "hello" in done.stdout and "torn.json can't be used" in done.stderr
    assert [each["name"] for each in cli.json("deployments", "ls")] == ["hello"]
    assert "Mend the file" in cli("deployments", "show", "torn", code=2).stderr
    assert cli("deployments", "rm", "torn", "hello").stdout.split() == [
        "removed",
        "torn",
        "removed",
        "hello",
    ]


def test_rm_of_one_that_is_not_there_removes_none(cli: Cli) -> None:
    put(cli)
    cli("deployments", "rm", "hello", "nope", code=2)
    assert [each["name"] for each in cli.json("deployments", "ls")] == ["hello"]


def test_both_ways_are_the_same(cli: Cli) -> None:
    """Put here, started there, and the other way round."""
    put(cli, "here", "--description", "From the folders")
    write_catalog(cli.root, describe_all())
    with running_relay(cli.root) as relay:
        (told,) = cli.json("deployments", "show", "here")
        links = relay.get("/deployments/here").json()
        assert links == told | {"links": links["links"]}
        run_id = relay.post("/workflows", {"deployment": "here"}).json()["run_id"]
        again = relay.client.put("/api/v1/deployments/here", json=told | {"priority": 1})
        assert again.status_code == 200
        there = {
            "workflow": "monty",
            "params": {"count": 1, "min_sleep_s": 0.05, "max_sleep_s": 0.05},
        }
        assert relay.client.put("/api/v1/deployments/there", json=there).status_code == 201
    cli("run", "-d", "there", "--follow", "--run-id", "one")
    assert wait_for_end(open_workspace(cli.root, "one"))["type"] == "workflow_completed"
    (told,) = cli.json("deployments", "show", "here")
    assert told["priority"] == 1
    assert told["statistics"]["last_run"]["run_id"] == run_id
    assert told["statistics"]["by_status"]["queued"] == 1


def test_puts_at_once_by_both_ways(cli: Cli) -> None:
    put(cli)
    body = json.loads((cli.root / "_deployments" / "hello.json").read_text())
    write_catalog(cli.root, describe_all())
    with running_relay(cli.root) as relay:
        words = [TAILCAST, "deployments", "put", "hello", "-"]
        there = [
            subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=cli.environment
            )
            for _ in range(3)
        ]
        for number, process in enumerate(there):
            process.stdin.write(json.dumps(body | {"description": f"cli {number}"}).encode())  # type: ignore[union-attr]
            process.stdin.close()  # type: ignore[union-attr]
        for number in range(30):
            own = body | {"description": f"http {number}"}
            assert relay.client.put("/api/v1/deployments/hello", json=own).status_code == 200
        assert [process.wait(DEADLINE_S) for process in there] == [0, 0, 0]
        told = relay.get("/deployments/hello").json()
    assert told["description"].split()[0] in ("cli", "http")
    assert told["created_at"] == body["created_at"]
    assert os.listdir(cli.root / "_deployments") == ["hello.json"]


def test_completion(cli: Cli) -> None:
    put(cli, "hello")
    put(cli, "help")

    def complete(line: str) -> list[str]:
        environment = cli.environment | {
            "_TAILCAST_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split()) - (not line.endswith(" "))),
        }
        done = subprocess.run([TAILCAST], env=environment, capture_output=True, text=True)
        return done.stdout.split()

    assert complete("tailcast deployments show he") == ["hello", "help"]
    assert complete("tailcast deployments rm hell") == ["hello"]
    assert complete("tailcast run --deployment hel") == ["hello", "help"]
    assert complete("tailcast ls --deployment hell") == ["hello"]


def test_doctor_tells_of_what_can_not_be_started(cli: Cli) -> None:
    put(cli)
    folder = cli.root / "_deployments"
    (folder / "torn.json").write_text("{")
    (folder / "gone.json").write_text(json.dumps({"workflow": "gone-since"}))
    told = next(check for check in cli.json("doctor") if check["check"] == "deployments")
    assert told["level"] == "warn" and "hello" not in told["found"]
    assert "torn.json" in told["found"] and "gone: there is no workflow" in told["found"]
