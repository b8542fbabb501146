"""An agent that waits ready for the next run of a deployment: it is that run's alone, and goes when not wanted."""

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

import runlog
from runlog import RunId, Workspace, new_run_id
from runlog.groups.deployments import Deployment, remove_deployment, write_deployment
from runlog.run.own_words import OwnWords
from runlog.run.reserved import request_key, reservations, reserve, set_free, take, take_over
from runner.supervise.spares import Spares
from runner.supervise.supervisor import runner_is_active
from tests.runner.claude_runs import cli_pid, control, say, texts
from tests.runner.conftest import RUNNER, runner_process
from tests.support import (
    bash,
    events,
    kill,
    script,
    tree_of,
    wait_for,
    wait_for_end,
    wait_until,
)

GRACE_S = 20.0
PARAMS: dict[str, Any] = {"allowed_tools": ["Bash"]}
LIMITS = {"turns": 50}
KEY = request_key("claude", PARAMS, False, LIMITS)


@pytest.fixture
def spare(runner: None, claude_cli: None, root: Path) -> Iterator[Callable[[], Workspace]]:
    """The workspace of one that is ready, once it is."""
    deployment = Deployment("quick", "claude", params=PARAMS, limits=LIMITS, warm=1)
    write_deployment(root, deployment)

    def ready() -> Workspace:
        def found() -> Workspace | None:
            names = [one.run_id for one in reservations(root) if one.state == "ready"]
            return Workspace(root, names[0]) if names else None

        one: Workspace = wait_until(found, "a spare")
        return one

    yield ready
    remove_deployment(root, "quick")
    wait_until(lambda: not reservations(root), "the end of the spares")


def test_what_no_spare_could_do_is_not_counted(root: Path) -> None:
    told: list[str] = []
    server: Any = None
    spares = Spares(root, server, 2, GRACE_S, told.append)
    words = OwnWords(trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    for fields in ({"output_schema": {"type": "object"}}, {"words": words}, {"batch_id": "b"}):
        spares.note(runlog.create_run(root, "claude", prompt="x", params=PARAMS, **fields))  # type: ignore[arg-type]
    assert not spares.noted
    spares.note(runlog.create_run(root, "claude", prompt="x", params=PARAMS))
    assert spares.noted == [request_key("claude", PARAMS, False, {})]


def start(root: Path, prompt: str, **fields: Any) -> Workspace:
    asked = {"params": PARAMS, "limits": LIMITS, "deployment": "quick"} | fields
    return runlog.create_run(root, "claude", prompt=prompt, **asked)


def transcripts(run: Workspace) -> str:
    return "".join(file.read_text() for file in run.path.glob("_home/.claude/projects/*/*.jsonl"))


def test_runs_take_it_over_and_share_nothing(root: Path, spare: Callable[[], Workspace]) -> None:
    told = []
    for word in ("q1apple", "q2pear"):
        waiting = spare()
        assert not waiting.exists() and waiting.run_id not in [
            row.run_id for row in runlog.list_runs(root)
        ]
        pid = cli_pid(waiting)
        show = 'echo "$HOME $TAILCAST_WORKSPACE"; pwd; touch made; ls -a ~/.claude/projects | wc -l'
        run = start(root, script({"tools": [bash(show)]}, {"text": word}))
        assert run.run_id == waiting.run_id
        assert cli_pid(run) == pid
        assert wait_for_end(run)["result"] == word
        lines = events(run)
        assert lines[0]["type"] == "workflow_started"
        assert sum(line["type"] == "workflow_started" for line in lines) == 1
        (init, *_) = [line for line in lines if line.get("subtype") == "init"]
        assert init["cwd"] == str(run.files)
        assert (run.files / "made").exists()
        assert f"{run.path}/_home {run.path}" in json.dumps(lines)
        told.append((run, init["session_id"], word))
        wait_until(lambda run=run: not tree_of(run), "the end of its processes")
    (first, first_session, apple), (second, second_session, pear) = told
    assert first_session != second_session
    assert first_session in transcripts(first) and second_session in transcripts(second)
    assert pear not in transcripts(first) and apple not in transcripts(second)
    assert str(first.path) not in (second.stream.read_text() + transcripts(second))


def test_a_chat_that_took_it_over_asks_people_and_goes_on_after_its_end(
    root: Path, spare: Callable[[], Workspace]
) -> None:
    write_deployment(root, Deployment("quick", "chat", warm=1))
    key = request_key("chat", {}, False, {})

    def found() -> list[RunId]:
        return [one.run_id for one in reservations(root) if (one.key, one.state) == (key, "ready")]

    (name,) = wait_until(found, "a spare for the chat")
    history = [{"role": "user", "content": "I am Ada."}]
    asked = script({"tools": [bash("touch made")]}, {"text": "one"}, {"text": "two {{last_user}}"})
    run = runlog.create_run(root, "chat", prompt=asked, chat_history=history, deployment="quick")
    assert run.run_id == name
    request = wait_for(run, "permission_requested")
    control(run, "permission", request_id=request["request_id"], decision="allow")
    wait_for(run, "progress_update", status="waiting")
    assert (run.files / "made").exists() and "I am Ada." in transcripts(run)
    say(run, "pears", "m1")
    wait_until(lambda: texts(run) == ["one", "two pears"], "the second answer")
    control(run, "stop")
    wait_for_end(run)
    session = runlog.read_state(run).session_id
    say(run, "again", "m2", resume=True)
    wait_until(lambda: len(texts(run)) == 3, "an answer after the end")
    assert runlog.read_state(run).session_id == session
    control(run, "stop")
    wait_for_end(run, attempt=2)


def test_a_run_that_has_the_folder_and_asks_for_more_gets_nothing_of_it(
    root: Path, spare: Callable[[], Workspace]
) -> None:
    waiting = spare()
    pid = cli_pid(waiting)
    asked = script({"tools": [bash("echo $GREETING")]}, {"text": "done"})
    run = start(root, asked, run_id=waiting.run_id, params=PARAMS | {"env": {"GREETING": "hello"}})
    assert wait_for_end(run)["result"] == "done"
    assert '"hello"' in run.stream.read_text()
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("part", ["run process", "all"])
def test_one_that_is_killed_is_cleared_away(
    root: Path, spare: Callable[[], Workspace], part: str
) -> None:
    waiting = spare()
    cli = psutil.Process(cli_pid(waiting))
    guard = cli.parent()
    assert guard is not None and (process := guard.parent()) is not None
    parts = {"run process": [process], "guard": [guard], "cli": [cli]}
    for each in parts.get(part, [process, guard, cli]):
        kill(each.pid)
    wait_until(lambda: not waiting.has_folder(), "its folder to be gone")
    wait_until(lambda: not tree_of(waiting), "its processes to be gone")


@pytest.mark.parametrize("part", ["run process", "guard", "cli"])
def test_a_run_whose_spare_is_killed_is_done_all_the_same(
    root: Path, spare: Callable[[], Workspace], part: str
) -> None:
    """Killed as the run takes it over: whoever notices first."""
    waiting = spare()
    process = psutil.Process(cli_pid(waiting))
    for _ in range({"run process": 2, "guard": 1, "cli": 0}[part]):
        above = process.parent()
        assert above is not None
        process = above
    process.kill()  # without waiting for its end
    run = start(root, "hello")
    assert wait_for_end(run)["result"] == "hello"


def test_one_that_can_not_get_ready_keeps_nothing_from_its_runs(root: Path, runner: None) -> None:
    params = {"cli_path": "no-such-claude"}
    write_deployment(root, Deployment("broken", "claude", params=params, warm=1))
    try:
        (one,) = wait_until(lambda: reservations(root), "a spare")
        run = start(root, "hello", params=params, limits={}, deployment="broken")
        assert wait_for_end(run)["reason"] == "cannot_start"
    finally:
        remove_deployment(root, "broken")
    wait_until(lambda: not Workspace(root, one.run_id).has_folder(), "its folder to be gone")
    wait_until(lambda: not reservations(root), "the end of the spares")


def test_it_ends_with_its_runner_and_a_later_one_clears_up(
    claude_cli: None, tmp_path: Path
) -> None:
    """Also where nobody could: runner and spare killed together. `warm` alone has one for what the page starts."""
    root = tmp_path / "workspaces"
    root.mkdir(mode=0o700)
    program = RUNNER.replace("int(sys.argv[2]),", "int(sys.argv[2]), warm=1,")

    def ready() -> list[RunId]:
        return [one.run_id for one in reservations(root) if one.state == "ready"]

    with runner_process(root, 2, grace_s=GRACE_S, program=program) as process:
        (name,) = wait_until(ready, "a spare")
        first = Workspace(root, name)
        kill(process.pid)
        wait_until(lambda: not first.has_folder() and not tree_of(first), "the end of the spare")
        assert not reservations(root)
    with runner_process(root, 2, grace_s=GRACE_S, program=program) as process:
        (name,) = wait_until(ready, "a spare")
        second = Workspace(root, name)
        tree = [psutil.Process(pid) for pid in tree_of(second)]
        kill(process.pid)
        for each in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        wait_until(lambda: not tree_of(second), "the end of the spare")
        set_ready = request_key("chat", {}, False, {})
        reserve(root, second.run_id, set_ready, "ready")  # as if it had been killed first
        second.files.mkdir(parents=True, exist_ok=True)
    with runner_process(root, 2, grace_s=GRACE_S):
        wait_until(lambda: runner_is_active(root), "the runner")
        wait_until(lambda: not second.has_folder(), "the folder to be gone")
        assert not reservations(root)


def reserved(root: Path, key: str = KEY) -> Workspace:
    workspace = Workspace(root, new_run_id("claude"))
    workspace.files.mkdir(parents=True)
    reserve(root, workspace.run_id, key, "ready")
    return workspace


@pytest.mark.parametrize(
    "fields",
    [
        {"params": {}},
        {"params": PARAMS | {"max_turns": 1}},
        {"params": {"allowed_tools": ["Read"]}},
        {"params": {"allowed_tools": []}},
        {"limits": {}},
        {"limits": {"turns": 49}},
        {"limits": LIMITS | {"cost_usd": 1}},
        {"interactive": True},
        {"run_id": "mine"},
    ],
)
def test_only_the_very_same_request_takes_it(tmp_path: Path, fields: dict[str, Any]) -> None:
    waiting = reserved(tmp_path)
    assert start(tmp_path, "hello", **fields).run_id != waiting.run_id
    assert start(tmp_path, "hello").run_id == waiting.run_id
    assert start(tmp_path, "hello").run_id != waiting.run_id


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), (1, 1.0), ("1", 1), ([], {}), (None, 0)]
)
def test_values_that_python_takes_for_equal_are_not(
    tmp_path: Path, one: object, other: object
) -> None:
    key = request_key("claude", {"deep": [{"value": one}]}, False, {})
    reserve(tmp_path, RunId("waiting"), key, "ready")
    assert take(tmp_path, "claude", {"deep": [{"value": other}]}, False, {}) is None
    assert take(tmp_path, "claude", {"deep": [{"value": one}]}, False, {}) == "waiting"


def test_one_of_many_takes_it(tmp_path: Path) -> None:
    waiting = reserved(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: start(tmp_path, f"hello {number}"), range(8)))
    assert sum(run.run_id == waiting.run_id for run in runs) == 1
    assert len({run.run_id for run in runs}) == 8
    assert runlog.read_manifest(waiting).prompt in {f"hello {number}" for number in range(8)}
    assert not reservations(tmp_path)


def test_what_is_taken_is_not_given_up_and_what_is_given_up_not_taken(tmp_path: Path) -> None:
    waiting, other = reserved(tmp_path), reserved(tmp_path)
    assert set_free(other)
    assert take(tmp_path, "claude", PARAMS, False, LIMITS) == waiting.run_id
    assert take(tmp_path, "claude", PARAMS, False, LIMITS) is None
    assert not set_free(waiting)
    manifest = tmp_path / "run.json"
    manifest.write_text("{}")
    assert take_over(waiting, manifest)
    assert not set_free(waiting)
    manifest.write_text("{}")
    assert not take_over(waiting, manifest) and not take_over(other, manifest)
