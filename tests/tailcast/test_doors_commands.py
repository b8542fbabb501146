"""`serve --token`, `link`, `tokens`: what they print, and what of it others can see."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from runlog import open_workspace
from tailcast.client import AsyncClient, Client
from tests.support import DEADLINE_S, bash, events, script, wait_for, wait_for_end, wait_until
from tests.tailcast.conftest import Cli

TOKEN = "open-sesame-0123456789"


def listening(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout is not None
    first = process.stdout.readline().decode()
    return first.removeprefix("listening on ").strip()


def open_link(link: str) -> httpx.Response:
    return httpx.get(link, trust_env=False, timeout=DEADLINE_S)


def status(url: str, **headers: str) -> int:
    url = f"{url}/api/v1/workflows"
    return httpx.get(url, headers=headers, trust_env=False, timeout=DEADLINE_S).status_code


def cookie_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303
    return answer.headers["set-cookie"].partition(";")[0]


def link_in(line: str) -> str:
    match = re.fullmatch(r"open (http://\S+/login/\S+) \(once, within 15 minutes\)", line.strip())
    assert match is not None, line
    return match[1]


def test_serve_prints_a_link_and_link_another_one(cli: Cli) -> None:
    with cli.popen("relay", "--port", "0", "--token", TOKEN) as process:
        url = listening(process)
        first = link_in(process.stdout.readline().decode())
        assert first.startswith(url)
        cookie = cookie_of(open_link(first))
        assert status(url, cookie=cookie) == 200 and status(url) == 401
        assert open_link(first).status_code == 410
        other = cli("link", "--url", url).stdout.strip()
        assert status(url, cookie=cookie_of(open_link(other))) == 200
        (told,) = cli.json("link", "--url", url, "--expires", "1h")
        assert open_link(told["link"]).status_code == 303


def test_a_made_token_is_for_links_alone(cli: Cli) -> None:
    with cli.popen("--json", "relay", "--port", "0", "--token", "auto") as process:
        told = json.loads(process.stdout.readline())
        assert status(told["url"]) == 401
        assert status(told["url"], authorization="Bearer auto") == 401
        assert status(told["url"], cookie=cookie_of(open_link(told["link"]))) == 200


def test_without_a_token_there_is_no_link(cli: Cli) -> None:
    with cli.popen("--json", "relay", "--port", "0") as process:
        assert set(json.loads(process.stdout.readline())) == {"url", "root"}
    assert not (cli.root / "_links").exists()


def test_tokens_add_ls_rm(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    cli.environment["TAILCAST_TOKEN_FILE"] = str(file)
    cli("deployments", "put", "hello", "-w", "command", "-p", 'argv=["true"]')
    words = ["--scope", "start", "-d", "hello", "--expires", "90d"]
    anna = cli("tokens", "add", "Anna B", *words).stdout.strip()
    (ben,) = cli.json("tokens", "add", "ben")
    assert ben["scope"] == "read" and len({anna, ben["token"]}) == 2
    listed = cli.json("tokens", "ls")
    assert [(e["name"], e["scope"], e["deployments"]) for e in listed] == [
        ("Anna B", "start", ["hello"]),
        ("ben", "read", None),
    ]
    shown = cli("tokens", "ls").stdout
    for secret in (anna, ben["token"]):
        assert secret not in shown + file.read_text()
    assert "already" in cli("tokens", "add", "ben", code=2).stderr
    assert "start" in cli("tokens", "add", "x", "--scope", "admin", "-d", "hello", code=2).stderr
    with cli.popen("serve", "--port", "0") as process:
        url = listening(process)
        assert status(url) == 401
        with Client(url, token=anna) as client:
            started = client.start(deployment="hello")
        run = cli.root / started.run_id
        assert run.is_dir()
        link = cli("link", "--url", url, "--as", "ben").stdout.strip()
        cookie = cookie_of(open_link(link))
        assert status(url, cookie=cookie) == 200
        cli("tokens", "rm", "ben")
        wait_until(lambda: status(url, cookie=cookie) == 401, "the end of ben")
        assert status(url, authorization=f"Bearer {ben['token']}") == 401
        process.terminate()
        process.wait(DEADLINE_S)
    assert "no token" in cli("tokens", "rm", "ben", code=2).stderr
    assert "no token" in cli("link", "--as", "ben", code=2).stderr


def test_a_name_comes_through_to_receipts_and_decisions(cli: Cli, tmp_path: Path) -> None:
    """A real run tells who said what, who allowed and who answered."""
    cli.environment["TAILCAST_TOKEN_FILE"] = str(tmp_path / "tokens.json")
    (anna,) = cli.json("tokens", "add", "anna", "--scope", "admin")
    (ben,) = cli.json("tokens", "add", "ben", "--scope", "talk")
    question = {
        "question": "Which colour?",
        "header": "Colour",
        "options": [{"label": "Red", "description": "r"}, {"label": "Blue", "description": "b"}],
        "multiSelect": False,
    }
    prompt = script(
        {"tools": [bash("touch a")]},
        {"tools": [{"name": "AskUserQuestion", "input": {"questions": [question]}}]},
        {"text": "end"},
    )
    with cli.popen("serve", "--port", "0", "--scripted-model") as process:
        url = listening(process)
        with Client(url, token=anna["token"]) as one, Client(url, token=ben["token"]) as other:
            params = {"allowed_tools": [], "ask_permissions": True, "question_timeout_s": 600}
            one.start("claude", prompt, params=params, run_id="one", interactive=True)
            run = open_workspace(cli.root, "one")
            asked = wait_for(run, "permission_requested")
            other.approve("one", asked["request_id"])
            assert wait_for(run, "permission_resolved")["by"] == "ben"
            presented = wait_for(run, "questions_presented")
            one.answer("one", presented["question_id"], {"Which colour?": "Blue"})
            assert wait_for(run, "responses_collected")["by"] == "anna"
            wait_for(run, "result")
            other.stop("one")
            wait_for_end(run)
        process.terminate()
        process.wait(DEADLINE_S)
    told = {
        r["message_type"]: r.get("by") for r in events(run, "message_received") if r["inbox_offset"]
    }
    assert told == {"permission": "ben", "answer": "anna", "stop": "ben"}


@pytest.mark.parametrize("way", ["argument", "equals", "environment"])
def test_the_token_is_out_of_sight(cli: Cli, way: str) -> None:
    cli.fresh = True
    words = {"argument": ["--token", TOKEN], "equals": [f"--token={TOKEN}"], "environment": []}[way]
    if way == "environment":
        cli.environment["TAILCAST_TOKEN"] = TOKEN
    with cli.popen("serve", "--port", "0", *words) as process:
        url = listening(process)
        assert status(url, authorization=f"Bearer {TOKEN}") == 200
        wait_until(lambda: psutil.Process(process.pid).children(), "the runner")
        family = [
            process.pid,
            *(c.pid for c in psutil.Process(process.pid).children(recursive=True)),
        ]
        for pid in family:
            for name in ("cmdline", "environ"):
                seen = Path(f"/proc/{pid}/{name}").read_bytes()
                assert TOKEN.encode() not in seen, (pid, name)
        told = subprocess.run(
            ["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True
        )
        assert TOKEN not in told.stdout
        # Its memory is root's alone to look at.
        if os.geteuid() != 0:
            with pytest.raises(PermissionError):
                Path(f"/proc/{process.pid}/environ").read_bytes()
        else:
            assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE_S)
        assert TOKEN.encode() not in err


async def _listed(url: str) -> int:
    async with AsyncClient(url) as client:
        return len((await client.list()).runs)


def test_the_client_speaks_over_a_unix_socket(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with cli.popen("serve", "--uds", str(path)) as process:
        url = listening(process)
        assert url == f"unix:{path}"
        with Client(url) as client:
            started = client.start("command", params={"argv": ["echo", "hello"]})
            told = [event.type for event in client.stream(started.run_id)]
        assert told[-1] == "workflow_completed"
        assert asyncio.run(_listed(url)) == 1
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert not path.exists()
