"""`serve`, `relay`, `runner`: how they begin, and what lives on when they end or die."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from typer.main import get_command

from runlog import create_run, open_workspace, run_status
from runner.supervise.supervisor import active_options, runner_is_active
from tailcast.app import app
from tests.support import DEADLINE_S, kill, wait_for, wait_for_end, wait_until
from tests.tailcast.conftest import Cli

HOLD = {"argv": [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]}


@contextlib.contextmanager
def serving(cli: Cli, *words: str) -> Iterator[tuple[Any, httpx.Client]]:
    with cli.popen(*(words or ("serve",)), "--port", "0") as process:
        first = process.stdout.readline().decode()
        assert first.startswith("listening on http://127.0.0.1:"), first
        url = first.removeprefix("listening on ").strip()
        with httpx.Client(base_url=url, trust_env=False, timeout=DEADLINE_S) as client:
            yield process, client


def test_serve_starts_runs_and_outlives_nothing_but_them(cli: Cli) -> None:
    with serving(cli, "serve", "--scripted-model") as (process, client):
        assert client.get("/healthz").status_code == 200
        asked = {"workflow": "command", "params": HOLD, "run_id": "one"}
        assert client.post("/api/v1/workflows", json=asked).status_code == 201
        run = open_workspace(cli.root, "one")
        wait_for(run, "log", message="up")
        (child,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert b"1 run goes on" in err and b"Traceback" not in err
    assert not child.is_running()
    assert run_status(run) == "running"
    cli("stop", "one")


def test_serve_ends_by_sigterm_with_0(cli: Cli) -> None:
    with serving(cli) as (process, _):
        wait_until(lambda: runner_is_active(cli.root), "the runner")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert not runner_is_active(cli.root)


def test_a_killed_serve_takes_its_runner_along_and_no_run(cli: Cli) -> None:
    with serving(cli) as (process, client):
        asked = {"workflow": "command", "params": HOLD, "run_id": "one"}
        client.post("/api/v1/workflows", json=asked)
        run = open_workspace(cli.root, "one")
        wait_for(run, "log", message="up")
        kill(process.pid)
    wait_until(lambda: not runner_is_active(cli.root), "the end of the runner")
    assert run_status(run) == "running"
    with serving(cli) as (process, client):
        wait_until(lambda: runner_is_active(cli.root), "the next runner")
        assert client.get("/api/v1/workflows/one").json()["status"] == "running"
        client.post("/api/v1/workflows/one/stop")
        assert wait_for_end(run)["type"] == "workflow_stopped"
        process.terminate()
        process.wait(DEADLINE_S)


def test_a_runner_that_dies_is_started_again(cli: Cli) -> None:
    with serving(cli) as (process, _):
        wait_until(lambda: runner_is_active(cli.root), "the runner")
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        assert b"started again in 0.5 s" in process.stderr.readline()
        run = create_run(cli.root, "command", params={"argv": ["true"]})
        assert wait_for_end(run)["type"] == "workflow_completed"
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


def test_options_of_serve_reach_the_runner(cli: Cli) -> None:
    cli.environment |= {"SECRET_OF_MINE": "1", "TAILCAST_TOKEN": "tell-nobody"}
    words = [
        "--max-running",
        "1",
        "--grace-s",
        "2.5",
        "--pass-env",
        "SECRET_OF_MINE",
        "--warm",
        "1",
    ]
    with serving(cli, "serve", "--scripted-model", *words) as (process, client):
        assert client.get("/api/v1/workflows").status_code == 401
        client.headers["authorization"] = "Bearer tell-nobody"
        assert client.get("/api/v1/workflows").status_code == 200
        wait_until(lambda: active_options(cli.root), "the runner")
        options = active_options(cli.root)
        assert options is not None and options.scripted_model and options.grace_s == 2.5
        argv = [sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"]
        run = create_run(cli.root, "command", params={"argv": argv})
        told = json.loads(wait_for(run, "log")["message"])
        assert told["SECRET_OF_MINE"] == "1"
        assert "TAILCAST_TOKEN" not in told and "tell-nobody" not in told.values()
        (child,) = psutil.Process(process.pid).children()
        assert "tell-nobody" not in child.environ().values()
        assert "--warm 1" in " ".join(child.cmdline())
        process.terminate()
        process.wait(DEADLINE_S)


def test_serve_has_what_relay_and_runner_have() -> None:
    """With the same defaults: each is told once."""
    command = get_command(app)
    told = {
        name: {
            each.name: (each.opts, each.default)
            for each in command.commands[name].params
            if not each.hidden
        }
        for name in ("serve", "relay", "runner")
    }
    assert told["relay"] | told["runner"] == {
        k: v for k, v in told["serve"].items() if k != "open_browser"
    }


def test_a_port_that_is_taken_and_a_door_without_a_token(cli: Cli) -> None:
    with serving(cli, "relay") as (process, client):
        port = str(client.base_url.port)
        for command in ("serve", "relay"):
            done = cli(command, "--port", port, code=2)
            assert "can't listen" in done.stderr and "--port" in done.stderr
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    done = cli("serve", "--host", "0.0.0.0", "--port", "0", code=2)
    assert "token is required" in done.stderr and "TAILCAST_TOKEN" in done.stderr
    assert not runner_is_active(cli.root)


def test_relay_and_runner_apart(cli: Cli) -> None:
    with (
        serving(cli, "relay") as (relay, client),
        cli.popen("runner", "--max-running", "2") as runner,
    ):
        assert b"runner at work" in runner.stdout.readline()
        wait_until(lambda: client.get("/api/v1/catalog").status_code == 200, "the catalog")
        asked = {"workflow": "command", "params": HOLD, "run_id": "one"}
        client.post("/api/v1/workflows", json=asked)
        run = open_workspace(cli.root, "one")
        wait_for(run, "log", message="up")
        runner.send_signal(signal.SIGINT)
        out, _ = runner.communicate(timeout=DEADLINE_S)
        assert runner.returncode == 130
        assert b"one started" in out and b"1 run goes on" in out
        relay.terminate()
        assert relay.wait(DEADLINE_S) == 0
    assert run_status(run) == "running"
    cli("stop", "one")


def test_serve_as_json(cli: Cli) -> None:
    with cli.popen("--json", "serve", "--port", "0") as process:
        told = json.loads(process.stdout.readline())
        assert told["url"].startswith("http://127.0.0.1:") and Path(told["root"]) == cli.root
        process.terminate()
        assert process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("words", [["--max-running", "0"], ["--grace-s", "-1"], ["--port", "-1"]])
def test_options_that_can_not_be(cli: Cli, words: list[str]) -> None:
    assert words[0] in cli("serve", *words, code=2).stderr
    assert not os.path.exists(cli.root)


def test_open_lets_the_browser_in_by_a_link(cli: Cli, tmp_path: Path) -> None:
    """The token would stand in the browser's command line, which every user of the machine can read."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o700)
    cli.environment |= {"BROWSER": str(browser), "TAILCAST_TOKEN": "a&b/c-and-more/of/it"}
    with cli.popen("serve", "--open", "--host", "0.0.0.0", "--port", "0") as process:
        port = process.stdout.readline().decode().strip().rpartition(":")[2]
        wait_until(opened.exists, "the browser")
        link = opened.read_text()
        assert link.startswith(f"http://127.0.0.1:{port}/login/") and "a&b" not in link
        answer = httpx.get(link, trust_env=False, timeout=DEADLINE_S)
        assert answer.status_code == 303 and "set-cookie" in answer.headers
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
