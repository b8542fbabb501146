"""`batch` and `batches`: on folders alone, with a runner at work and without one."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from runlog import RunId, Workspace, list_batches, open_batch, read_manifest
from runner.supervise.supervisor import runner_is_active
from tests.support import DEADLINE_S, events, wait_until
from tests.tailcast.conftest import Cli

WAIT = (
    "import os,sys,time\n"
    "end=time.time()+600\n"
    "while not os.path.exists(sys.argv[1]) and time.time()<end: time.sleep(0.02)"
)


def argv(*words: str) -> dict[str, Any]:
    return {"params": {"argv": list(words)}}


def waiting(gate: Path) -> dict[str, Any]:
    return argv(sys.executable, "-c", WAIT, str(gate))


@pytest.fixture
def lines(tmp_path: Path) -> Any:
    def write(*inputs: Any) -> str:
        file = tmp_path / "inputs.jsonl"
        texts = [each if isinstance(each, str) else json.dumps(each) for each in inputs]
        file.write_text("\n".join(texts) + "\n")
        return str(file)

    return write


def runs_of(cli: Cli, batch_id: str) -> list[Workspace]:
    return [Workspace(cli.root, RunId(r)) for r in open_batch(cli.root, batch_id).run_ids]


def the_runner_ends(cli: Cli) -> None:
    wait_until(lambda: not runner_is_active(cli.root), "the runner that was started for it to end")


def test_without_a_runner_one_is_started_and_ends(cli: Cli, lines: Any) -> None:
    """And every bad end is told, with the exit code."""
    file = lines(argv("echo", "one"), "", argv("false"), argv("echo", "three"))
    done = cli("batch", file, "-w", "command", "--description", "Three", "--follow", code=1)
    batch_id, *shown = done.stdout.splitlines()
    assert shown[-1] == "3/3  2 completed, 1 failed"
    assert f"{open_batch(cli.root, batch_id).run_ids[1]} failed: exit_code" in done.stderr
    the_runner_ends(cli)
    log = cli.root / "_runner.log"  # its last line comes after it has let go of the root
    wait_until(lambda: log.read_text().endswith("ended; nothing is running\n"), "its last line")
    (listed,) = cli.json("batches", "ls")
    assert (listed["batch_id"], listed["status"], listed["done"]) == (batch_id, "failed", 3)
    text = cli("batches", "show", "last").stdout
    assert "Three" in text and "2 completed, 1 failed" in text and text.count("command-") == 3


@pytest.mark.usefixtures("runner")
def test_at_most_so_many_at_once_and_started_in_order(cli: Cli, lines: Any, tmp_path: Path) -> None:
    gate = tmp_path / "go"
    (made,) = cli.json("batch", lines(*[waiting(gate)] * 5), "-w", "command", "--max-running", "1")
    batch_id = made["batch_id"]

    def states() -> list[str]:
        (shown,) = cli.json("batches", "show", batch_id)
        return [run["status"] for run in shown["runs"]]

    wait_until(lambda: states() == ["running"] + ["queued"] * 4, "the first to be at work")
    gate.touch()
    told = cli.json("batches", "show", batch_id, "--follow")
    assert (told[-1]["status"], told[-1]["done"]) == ("completed", 5)
    assert all(each["by_status"]["running"] <= 1 for each in told)


@pytest.mark.usefixtures("runner")
def test_ctrl_c_leaves_it_running_and_stop_ends_all(cli: Cli, lines: Any, tmp_path: Path) -> None:
    words = ("batch", lines(*[waiting(tmp_path / "never")] * 4), "-w", "command")
    with cli.popen(*words, "--max-running", "2", "--follow", text=True) as process:
        assert process.stdout is not None
        batch_id = process.stdout.readline().strip()
        wait_until(
            lambda: sum(run.stream.exists() for run in runs_of(cli, batch_id)) == 2, "two at work"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        assert f"batches stop {batch_id}" in process.stderr.read()
    refused = cli("batches", "rm", batch_id, code=2)
    assert "4 runs to go" in refused.stderr and "batches stop" in refused.stderr
    done = cli("batches", "stop", batch_id, "--timeout", "80")
    assert done.stdout == f"{batch_id} stopped: 4 stopped\n"
    begun = [len(events(run, "workflow_started")) for run in runs_of(cli, batch_id)]
    assert begun == [1, 1, 0, 0]
    assert "No run" in cli("batches", "stop", batch_id).stderr
    runs = runs_of(cli, batch_id)
    cli("batches", "rm", batch_id, "--runs")
    assert not any(run.path.exists() for run in runs) and list_batches(cli.root) == []


def test_stop_without_a_runner(cli: Cli, lines: Any) -> None:
    """Of a batch that was made over HTTP while no runner was at work."""
    from runlog import BatchInput, create_batch

    inputs = [BatchInput(params={"argv": ["true"]})] * 3
    batch = create_batch(cli.root, "command", inputs)
    (told,) = cli.json("batches", "stop", batch.batch_id)
    assert told["status"] == "stopped" and len(told["stopped"]) == 3


def test_bad_lines_are_told_with_their_numbers_and_nothing_is_started(cli: Cli, lines: Any) -> None:
    file = lines(
        argv("true"),
        "nope",
        "[1]",
        "",
        argv(),
        {"surprise": 1},
        argv("true") | {"limits": {"sleep_s": 1}},
        argv("true") | {"run_id": "same"},
        argv("true") | {"run_id": "same"},
        '{"prompt": NaN}',
    )
    told = cli("batch", file, "-w", "command", code=2).stderr
    numbers = [line.split()[1] for line in told.splitlines() if line.startswith("  line")]
    assert numbers == ["2:", "3:", "5:", "6:", "7:", "9:", "10:"]
    assert "7 bad lines; nothing was started" in told
    assert "not JSON" in told and "params.argv" in told and "that of line 8" in told
    many = cli("batch", lines(*["{"] * 25), "-w", "command", code=2).stderr
    assert many.count("  line") == 20 and "and 5 more" in many
    assert not list(cli.root.glob("[a-z]*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Name a --workflow or a --deployment"),
        (["-w", "command", "-d", "nightly"], "Name a --workflow or a --deployment"),
        (["-w", "nothing"], "there is no workflow 'nothing'"),
        (["-d", "nothing"], "nothing"),
        (["-w", "command", "--override", "a=1"], "--override goes with"),
        (["-w", "command", "-p", "speed=1"], "speed"),
        (["-w", "command", "--max-running", "0"], "--max-running"),
    ],
)
def test_what_is_wrong_with_all_of_it(cli: Cli, lines: Any, words: list[str], message: str) -> None:
    done = cli("batch", lines(argv("true")), *words, code=2)
    assert message in done.stderr
    assert not list(cli.root.glob("[a-z]*"))


@pytest.mark.usefixtures("runner")
def test_prompts_from_standard_input(cli: Cli) -> None:
    told = '"<<SCRIPT>>[{\\"text\\":\\"one\\"}]<<END>>"\n{"prompt":"<<SCRIPT>>[]<<END>>"}\n'
    done = cli("batch", "-", "-w", "claude", "-p", "max_turns=3", told=told)
    runs = runs_of(cli, done.stdout.splitlines()[0])
    assert [read_manifest(run).params for run in runs] == [{"max_turns": 3}] * 2
    assert read_manifest(runs[1]).prompt == "<<SCRIPT>>[]<<END>>"
    cli("batches", "stop", "last")


def test_too_many_too_few_and_none(cli: Cli, lines: Any, tmp_path: Path) -> None:
    assert "holds no inputs" in cli("batch", lines(""), "-w", "command", code=2).stderr
    many = cli("batch", lines(*[argv("true")] * 1001), "-w", "command", code=2).stderr
    assert "1,001 inputs" in many and "Split it" in many
    nowhere = str(tmp_path / "nowhere")
    assert "can't be read" in cli("batch", nowhere, "-w", "command", code=2).stderr
    assert "does not exist" in cli("batches", "ls").stderr
    cli.root.mkdir()
    assert "No batches" in cli("batches", "ls").stderr
    assert "no batch" in cli("batches", "show", "last", code=2).stderr
