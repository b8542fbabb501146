"""`ls`, `rm`, `show`."""

import os
from pathlib import Path

import pytest

from runlog import BatchInput, Workspace, append_lines, create_batch, create_run, encode, list_runs
from runlog.groups.deployments import deployment_of, write_deployment
from tailcast.commands.listing import run_columns
from tailcast.terminal.table import print_table
from tests.support import events, kill, tree_of, wait_for, wait_for_end, wait_until
from tests.tailcast.conftest import TAILCAST, Cli, external, started
from tests.tailcast.terminals import on_terminal, without_colour

SLOW = {"argv": ["sh", "-c", "echo up; exec tail -f /dev/null"]}


def test_ls_in_a_pipe(cli: Cli) -> None:
    create_run(cli.root, "command", run_id="one", params={"argv": ["true", "x" * 150]})
    external(
        cli.root,
        {"type": "workflow_started", "workflow": "shell", "timestamp": "2025-01-01T00:00:00Z"},
        {"type": "questions_presented", "question_id": "q", "questions": []},
        {"type": "progress_update", "progress": 45, "message": "nearly"},
    )
    head, first, second = cli("ls").stdout.splitlines()
    assert head.split() == ["RUN", "WORKFLOW", "STATUS", "AGE", "TOOK", "DONE", "COST", "TITLE"]
    assert first.split()[:3] == ["one", "command", "queued"] and "x" * 150 in first
    assert second.split()[:3] == ["outside", "shell", "waiting?"] and "45%" in second
    assert "nearly" in second
    assert first.index("command") == second.index("shell") == head.index("WORKFLOW")


def test_ls_asks_as_the_api_does(cli: Cli) -> None:
    for name, prompt, cost in (
        ("a", "mend the parser", 0.5),
        ("b", "read the docs", 2),
        ("c", "parser docs", None),
    ):
        run = create_run(
            cli.root, "claude", run_id=name, prompt=prompt, batch_id="b1" if cost else None
        )
        stats = {} if cost is None else {"cost_usd": cost}
        append_lines(run.stream, encode({"type": "workflow_completed", "stats": stats}))

    def ids(*words: str) -> list[str]:
        return [row["run_id"] for row in cli.json("ls", *words)]

    assert ids("parser") == ["c", "a"]
    assert ids("docs", "pars") == ["c"]
    assert ids("--order", "cost") == ["b", "a", "c"]
    assert ids("--order", "oldest", "--cost-over", "0.1") == ["a", "b"]
    assert ids("--batch", "b1", "-n", "1") == ["b"]
    assert ids("--created-before", "2020-01-01") == []
    assert ids("--created-after", "2020-01-01T00:00:00+02:00") == ["c", "b", "a"]
    (counts,) = cli.json("ls", "--counts", "parser")
    assert counts["status"] == {"completed": 2} and counts["batch"] == {"b1": 1}
    table = cli("ls", "--counts").stdout.split()
    assert table[:3] == ["FACET", "VALUE", "RUNS"] and "completed" in table
    assert "random" in cli("ls", "--order", "random", code=None).stderr
    assert "soon" in cli("ls", "--created-after", "soon", code=None).stderr


def test_ls_on_a_terminal_of_80_columns(cli: Cli) -> None:
    create_run(cli.root, "command", params={"argv": ["true", "x" * 150]})
    create_run(cli.root, "command", params={"argv": ["日本語" * 40]})
    told = on_terminal(cli, "ls")
    assert "\x1b[" in told
    lines = without_colour(told).splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 80 for line in lines) and lines[2].endswith("…")
    assert "日本語" in lines[1] and len(lines[1].encode("gb18030")) <= 80 + 4
    cli.environment["NO_COLOR"] = "1"
    assert "\x1b[" not in on_terminal(cli, "ls")


@pytest.mark.parametrize("columns", [20, 60, 100])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["ls"], "r-2"),
        (["batches", "ls"], "b"),
        (["batches", "show", "b"], "r-2"),
        (["deployments", "ls"], "nightly"),
    ],
)
def test_tables_are_as_wide_as_the_terminal(
    cli: Cli, words: list[str], name: str, columns: int
) -> None:
    argv = ["echo", "word " * 30]
    inputs = [BatchInput(params={"argv": argv}, run_id=f"r-{n}") for n in range(3)]
    create_batch(cli.root, "command", inputs, batch_id="b", description="what it is " * 9)
    put = {"workflow": "command", "params": {"argv": argv}, "description": "it does this " * 9}
    write_deployment(cli.root, deployment_of("nightly", put), lambda present: None)
    lines = without_colour(on_terminal(cli, *words, columns=columns)).splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.isupper()) :]
    assert max(map(len, table)) <= columns, table
    assert name in [line.split()[0] for line in table]
    assert columns < 100 or "…" in table[-1]


def test_the_columns_that_say_least_go_first(cli: Cli) -> None:
    external(
        cli.root,
        {"type": "workflow_started", "workflow": "theirs", "timestamp": "2025-01-01T00:00:00Z"},
        {"type": "progress_update", "progress": 45, "message": "nearly there"},
        {"type": "workflow_completed", "timestamp": "2025-01-01T00:00:09Z", "duration_s": 9},
    )
    columns = run_columns(list_runs(cli.root))
    before = [column.name for column in columns]
    for width in range(120, 18, -1):
        lines: list[str] = []
        print_table(columns, colour=False, width=width, write=lines.append)
        assert max(map(len, lines)) <= width
        shown = lines[0].split()
        assert [name for name in before if name in shown] == shown, "none comes back"
        before = shown
    assert before == ["RUN", "STATUS"]


def test_ls_by_status_workflow_and_number(cli: Cli) -> None:
    for number in range(25):
        create_run(cli.root, "command", run_id=f"c-{number:02}")
    external(cli.root, {"type": "workflow_completed"}, run_id="done")
    assert [row["run_id"] for row in cli.json("ls", "--status", "completed")] == ["done"]
    assert len(cli.json("ls")) == 20
    assert len(cli.json("ls", "--all")) == 26
    assert [r["run_id"] for r in cli.json("ls", "-w", "command", "-n", "2")] == ["c-24", "c-23"]
    assert cli("ls", "--status", "paused").stdout == ""


def test_ls_of_nothing_says_what_to_do(cli: Cli) -> None:
    done = cli("ls")
    assert done.stdout == "" and "tailcast run" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["ls"],
        ["ls", "--json"],
        ["batches", "ls"],
        ["deployments", "ls"],
        ["prune", "--older-than", "1d"],
        ["rm", "--all-finished", "--yes"],
    ],
)
def test_a_root_that_does_not_exist_is_told(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    done = cli(*words, "--root", str(tmp_path / "typo"))
    assert done.stdout == "" and "typo does not exist" in done.stderr
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "words",
    [["show", "last"], ["tail", "one"], ["send", "@", "hello"], ["batches", "show", "last"]],
)
def test_a_run_of_a_root_that_does_not_exist(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    assert "typo does not exist" in cli(*words, "--root", str(tmp_path / "typo"), code=2).stderr


def test_hostile_names_and_titles_are_harmless(cli: Cli) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe"
    external(cli.root, {"type": "workflow_started", "workflow": evil})
    external(cli.root, {"type": "progress_update", "message": evil}, run_id="two")
    create_run(cli.root, "claude", prompt=evil, run_id="three")
    for words in (["ls"], ["show", "outside"], ["show", "two"], ["show", "three"]):
        for told in (cli(*words).stdout, without_colour(on_terminal(cli, *words))):
            assert not set(told) & set("\x1b\x07\x9b\u202e"), words


def test_show(cli: Cli) -> None:
    cli(
        "run", "command", "-f", "--run-id", "bad", "--", "sh", "-c", "echo oops >&2; exit 4", code=1
    )
    told = cli("show", "bad").stdout
    assert told.startswith("bad  failed\n")
    for part in ("workflow", "command", "exit code 4", "oops", "exit_code", "folder"):
        assert part in told
    (state,) = cli.json("show", "bad")
    assert state["status"] == "failed" and state["reason"] == "exit_code"
    assert Path(state["path"]).name == "bad" and state["params"]["argv"][0] == "sh"


def test_show_tells_open_questions_and_how_to_answer(cli: Cli) -> None:
    external(
        cli.root,
        {
            "type": "questions_presented",
            "question_id": "q-1",
            "questions": [
                {"question": "Which?", "options": [{"label": "the red"}, {"label": "b"}]}
            ],
        },
        {
            "type": "permission_requested",
            "request_id": "p-1",
            "tool_name": "Bash",
            "input": {"command": "rm -rf /"},
        },
    )
    told = cli("show", "outside").stdout
    assert "waiting" in told and "Which?" in told and "1. the red" in told
    assert "answer outside q-1 'the red'" in told
    assert "rm -rf /" in told and "approve outside p-1" in told and "deny outside p-1" in told


def test_show_of_a_queued_run(cli: Cli) -> None:
    create_run(cli.root, "command", run_id="one")
    assert "tailcast runner" in cli("show", "one").stdout.replace(TAILCAST, "tailcast")


def test_rm(cli: Cli) -> None:
    external(cli.root, {"type": "workflow_completed"}, run_id="done")
    external(cli.root, {"type": "log"}, run_id="open")
    create_run(cli.root, "command", run_id="queued")
    assert "has not ended" in cli("rm", "done", "queued", code=2).stderr
    assert (cli.root / "done").exists()
    assert "--force" in cli("rm", "open", code=2).stderr
    assert cli.json("rm", "open", "--force") == [{"run_id": "open", "removed": True}]
    assert cli("rm", "done").stdout == "removed done\n"
    assert sorted(os.listdir(cli.root)) == ["queued"]


def test_rm_refuses_what_runs(cli: Cli) -> None:
    run = started(cli.root, "command", params=SLOW, run_id="slow")
    wait_for(run, "log", message="up")
    assert "it is running" in cli("rm", "slow", code=2).stderr
    assert "it is running" in cli("rm", "slow", "--force", code=2).stderr
    cli("stop", "slow")
    wait_for_end(run)
    cli("rm", "slow")
    assert list_runs(cli.root) == []


def test_rm_all_finished_asks_or_wants_yes(cli: Cli) -> None:
    for number in range(3):
        external(cli.root, {"type": "workflow_stopped"}, run_id=f"r{number}")
    create_run(cli.root, "command", run_id="queued")
    assert "--yes" in cli("rm", "--all-finished", code=2).stderr
    assert len(cli.json("ls")) == 4
    assert cli("rm", "--all-finished", "--yes").stdout.count("removed") == 3
    assert [row["run_id"] for row in cli.json("ls")] == ["queued"]
    cli("rm", "--all-finished", "--yes")


def lost(cli: Cli, run_id: str) -> tuple[Workspace, list[int]]:
    """A run whose process died, with what it started still at work, and no runner that would say so."""
    run = started(cli.root, "command", params=SLOW, run_id=run_id)
    wait_for(run, "log", message="up")
    kill(events(run, "workflow_started")[0]["pid"])
    wait_until(lambda: "failed" in cli("ls").stdout, "its death to be seen")
    return run, tree_of(run)


def test_rm_of_a_lost_run_leaves_nothing_at_work(cli: Cli) -> None:
    run, _ = lost(cli, "lost")
    assert cli("rm", "lost").stdout == "removed lost\n"
    assert not run.path.exists()
    assert tree_of(run) == []
