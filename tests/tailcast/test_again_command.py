"""`again`: the start of a run once more, without a server."""

import sys

from runlog import open_workspace, read_manifest
from tests.tailcast.conftest import Cli

SAY = 'argv=["echo", "other"]'


def test_again(cli: Cli) -> None:
    say = [sys.executable, "-c", "print('hello')"]
    cli(
        "run", "command", "--run-id", "one", "-l", "a=1", "--limit", "turns=9", "--wait", "--", *say
    )
    shown = cli("again", "one", "--run-id", "two", "-f")
    assert "hello" in shown.stdout
    first, second = (read_manifest(open_workspace(cli.root, run)) for run in ("one", "two"))
    assert (second.params, second.words, second.limits) == (first.params, first.words, first.limits)
    more = ["-l", "b=2", "--title", "Other", "--limit", "turns=3", "--priority", "2"]
    cli("again", "last", "--run-id", "three", "-p", SAY, *more, "--wait")
    third = read_manifest(open_workspace(cli.root, "three"))
    assert third.params == {"argv": ["echo", "other"]} and third.priority == 2
    assert third.words.labels == {"a": "1", "b": "2"} and third.limits == {"turns": 3}
    assert third.words.title == "Other"
    assert "argv" in cli("again", "one", "-p", "argv=[]", code=2).stderr
    cli("again", "one", "--run-id", "without", "--limit", "turns=none", "--wait")
    assert read_manifest(open_workspace(cli.root, "without")).limits == {}
    assert "no limit" in cli("again", "one", "--limit", "naps=none", code=2).stderr
    assert "no run" in cli("again", "none-such", code=2).stderr

    cli("deployments", "put", "d", "--workflow", "command", "--allow-override", "argv")
    cli("run", "-d", "d", "--override", SAY, "--run-id", "four", "--wait")
    cli("again", "four", "--run-id", "five", "--wait")
    fifth = read_manifest(open_workspace(cli.root, "five"))
    assert (fifth.deployment, fifth.params) == ("d", {"argv": ["echo", "other"]})
    assert "does not allow" in cli("again", "four", "-p", "cwd=x", code=2).stderr
