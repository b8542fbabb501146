"""`--title`, `--label`, `--thread`, `--trace`: said at a start, found in lists, handed to the agent."""

import json
import sys
from pathlib import Path

import pytest

from runlog import open_workspace, read_manifest
from tests.support import events
from tests.tailcast.conftest import Cli

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PRINT = [sys.executable, "-c", "import os; print(os.environ.get('TRACEPARENT'))"]
WORDS = ["--title", "A run", "-l", "team=a b", "--label", "n=1", "--thread", "t-1"]


def test_a_run_is_named_and_found(cli: Cli) -> None:
    """The trace reaches the agent's environment, and is that of the run alone."""
    cli("run", "command", "-f", "--run-id", "one", *WORDS, "--trace", TRACE, "--", *PRINT)
    cli("run", "command", "-f", "--run-id", "two", "--label", "n=2", "--", *PRINT)
    said = [events(open_workspace(cli.root, run), "log")[0]["message"] for run in ("one", "two")]
    assert said == [TRACE, "None"]
    words = read_manifest(open_workspace(cli.root, "one")).words.as_json()
    labels = {"team": "a b", "n": "1"}
    assert words == {"title": "A run", "labels": labels, "thread_id": "t-1", "trace": TRACE}
    for asked, ids in (
        (["--label", "n"], ["two", "one"]),
        (["-l", "n=1"], ["one"]),
        (["-l", "n", "-l", "team=a b"], ["one"]),
        (["--thread", "t-1"], ["one"]),
        (["run", "team"], ["one"]),
        (["-l", "n=3"], []),
    ):
        assert [row["run_id"] for row in cli.json("ls", *asked)] == ids, asked
    table = cli("ls").stdout
    assert "A run" in table and "team=a b n=1" in table and "LABELS" in table
    shown = cli("show", "one").stdout
    assert all(text in shown for text in ("A run", "team=a b n=1", "t-1", TRACE))


def test_a_batch_and_a_deployment_have_them(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "inputs.jsonl"
    lines = [{}, {"title": "Second", "labels": {"n": "2"}, "thread_id": "own"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    argv = f"argv={json.dumps(PRINT)}"
    words = ["-l", "n=1", "-l", "x=y", "--thread", "t", "--trace", TRACE]
    (made,) = cli.json("batch", str(file), "--workflow", "command", "-p", argv, *words)
    first, second = (read_manifest(open_workspace(cli.root, run)).words for run in made["run_ids"])
    assert (first.title, first.labels, first.thread_id) == (None, {"n": "1", "x": "y"}, "t")
    assert (second.title, second.labels, second.thread_id) == (
        "Second",
        {"n": "2", "x": "y"},
        "own",
    )
    assert first.trace == second.trace == TRACE

    put = ["deployments", "put", "d", "--workflow", "command", "-p", argv]
    cli(*put, "--title", "Fixed", "-l", "team=a", "--thread", "nightly")
    assert "team=a" in cli("deployments", "show", "d").stdout
    cli("run", "-d", "d", "--run-id", "three", "-l", "more=b", "-f")
    words = read_manifest(open_workspace(cli.root, "three")).words
    assert (words.title, words.labels) == ("Fixed", {"team": "a", "more": "b"})
    assert "does not allow" in cli("run", "-d", "d", "-l", "team=b", code=2).stderr
    cli(*put, "--title", "Fixed", "-l", "team=a", "--allow-override", "labels")
    cli("run", "-d", "d", "--run-id", "four", "-l", "team=b", "-f")
    assert read_manifest(open_workspace(cli.root, "four")).words.labels == {"team": "b"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--title", ""], "one line"),
        (["--label", "a"], "has no value"),
        (["--label", "a b=c"], "name of a label"),
        (["--label", "a=b", "--label", "a=c"], "given twice"),
        (["--thread", "a b"], "thread_id"),
        (["--trace", "x"], "traceparent"),
    ],
)
def test_what_can_be_none_starts_nothing(cli: Cli, words: list[str], told: str) -> None:
    assert told in cli("run", "command", *words, "--", "true", code=2).stderr
    assert not cli.root.exists() or not [p for p in cli.root.iterdir() if p.name[0] not in "_."]
