"""Texts and numbers that JSON can say and nothing else can hold: refused where they come in, with their place."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from runlog import RunLock, Workspace, create_run, post
from runlog.errors import BadMessage, BadValues
from runlog.run.limits import LIMITS
from tailcast.client import Client
from tailcast.client.errors import ProblemError
from tests.relay.live import Relay, new_run, say

Hold = Callable[[Workspace], RunLock]
HALF, NUL = "a\ud800b", "a\0b"
NUMBERS = [
    "1" + "0" * 23,
    "1e23",
    "NaN",
    "-Infinity",
    "1e400",
    "-0",
    "-0.0",
    "1e-400",
    "true",
    "-1",
]
NUMBERS += ["9223372036854775808", "18446744073709551616", "9007199254740993", '"5"', "null", "[1]"]


def command(**fields: Any) -> dict[str, Any]:
    return {"workflow": "command", "params": {"argv": ["true"]}, **fields}


def starts(bad: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """name -> path, pointer, body."""
    argv = {"argv": ["true", bad]}
    said = {"role": "user", "content": bad}
    claude = {"workflow": "claude", "prompt": "hello"}
    start = {
        "argv": ("/params/argv/1", {"workflow": "command", "params": argv}),
        "env": ("/params/env/A", command(params={"argv": ["true"], "env": {"A": bad}})),
        "env name": ("/params/env", command(params={"argv": ["true"], "env": {bad: "x"}})),
        "prompt": ("/prompt", {"workflow": "claude", "prompt": bad}),
        "block": ("/prompt/0/text", claude | {"prompt": [{"type": "text", "text": bad}]}),
        "history": ("/chat_history/0/content", claude | {"chat_history": [said]}),
        "schema": ("/output_schema/title", claude | {"output_schema": {"title": bad}}),
        "title": ("/title", command(title=bad)),
        "label": ("/labels/a", command(labels={"a": bad})),
        "label name": ("/labels", command(labels={bad: "a"})),
        "thread": ("/thread_id", command(thread_id=bad)),
        "trace": ("/trace", command(trace=bad)),
        "run id": ("/run_id", command(run_id=bad)),
        "unknown": ("", command(**{bad: 1})),
        "deployment": ("/deployment", {"deployment": bad}),
    }
    found = {name: ("/workflows", place, body) for name, (place, body) in start.items()}
    batch = {"workflow": "command", "inputs": [{"params": argv}]}
    found["batch"] = ("/batches", "/inputs/0/params/argv/1", batch)
    found["batch words"] = (
        "/batches",
        "/description",
        {**batch, "inputs": [{}], "description": bad},
    )
    found["deployment's params"] = ("/deployments/d", "/params/argv/1", start["argv"][1])
    return found


def sent(relay: Relay, path: str, body: str | bytes, method: str = "POST") -> httpx.Response:
    headers = {"content-type": "application/json"}
    return relay.client.request(method, f"/api/v1{path}", content=body, headers=headers)


def refused_at(relay: Relay, path: str, body: Any, method: str = "POST") -> list[str]:
    answer = sent(relay, path, body if isinstance(body, str) else json.dumps(body), method)
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.fixture
def nothing_new(relay: Relay) -> Any:
    before = sorted(os.listdir(relay.root))
    yield
    assert sorted(os.listdir(relay.root)) == before


@pytest.mark.usefixtures("nothing_new")
@pytest.mark.parametrize("bad", [HALF, NUL, "\udfff", "\ud83d\ud83d"], ids=ascii)
@pytest.mark.parametrize("name", starts(""))
def test_text_of_a_start(relay: Relay, name: str, bad: str) -> None:
    path, place, body = starts(bad)[name]
    method = "PUT" if path.startswith("/deployments") else "POST"
    assert refused_at(relay, path, body, method) == [f"#{place}"]


def test_a_whole_pair_is_a_character(relay: Relay) -> None:
    body = b'{"workflow":"command","params":{"argv":["\\ud83d\\ude00"]},"title":"\\\\ud800"}'
    assert sent(relay, "/workflows", body).status_code == 201


def test_half_a_character_that_is_not_escaped(relay: Relay) -> None:
    body = b'{"workflow":"command","params":{"argv":["\xed\xa0\x80"]}}'
    answer = sent(relay, "/workflows", body)
    assert [e["pointer"] for e in answer.json()["errors"]] == ["#/params/argv/0"]


@pytest.mark.usefixtures("nothing_new")
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", [*LIMITS, "priority", "park_after_s"])
def test_number_of_a_start(relay: Relay, name: str, number: str) -> None:
    # Those are what they say: no limit, and the same as left out.
    if (name, number) in {("priority", "-0"), ("priority", "-1")} or number == "null":
        return
    if name == "park_after_s" and number in ("-0", "-0.0"):
        return
    if name in LIMITS:
        field = f'"limits":{{"{name}":{number}}}'
        # Of what is counted in seconds and USD.
        where = {f"#/limits/{name}", "#"}
    else:
        field, where = f'"{name}":{number}', {f"#/{name}", "#"}
    body = f'{{"workflow":"command","params":{{"argv":["true"]}},{field}}}'
    assert set(refused_at(relay, "/workflows", body)) <= where


@pytest.mark.parametrize("bad", [HALF, NUL], ids=ascii)
def test_what_is_said_to_a_run(relay: Relay, alive: Hold, bad: str) -> None:
    run = new_run(relay.root)
    alive(run)
    say(run, "workflow_started", attempt=1)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("messages", "/message", {"message": bad}),
        ("messages", "/message/0/text", {"message": [{"type": "text", "text": bad}]}),
        ("messages", "/id", {"message": "x", "id": bad}),
        ("answers", "/answers/x", {"question_id": "q", "answers": {"x": bad}}),
        ("answers", "/question_id", {"question_id": bad, "answers": {"x": "y"}}),
        ("permissions", "/request_id", {"request_id": bad, "decision": "allow"}),
        ("model", "/model", {"model": bad}),
        ("permission-mode", "/mode", {"mode": bad}),
        ("stop", "/id", {"id": bad}),
        ("again", "/params/argv/0", {"params": {"argv": [bad]}}),
    ]
    for path, place, body in calls:
        assert refused_at(relay, f"/workflows/{run.run_id}/{path}", body) == [f"#{place}"]
    url = relay.url.replace("http", "ws") + relay.workflow_url(run, "/ws")
    with connect(url, proxy=None) as socket:
        socket.send(json.dumps({"type": "message", "id": "m-1", "content": bad}))
        while "event" in (told := json.loads(socket.recv())):
            pass
    assert [e["pointer"] for e in told["problem"]["errors"]] == ["#/content"]
    with Client(relay.url) as client:
        for call in (
            lambda: client.send(run.run_id, bad),
            lambda: client.start("command", params={"argv": [bad]}),
        ):
            with pytest.raises(ProblemError) as error:
                call()
            assert error.value.status == 422
    with pytest.raises(BadMessage, match="`content`"):
        post(run, {"type": "message", "content": bad})
    assert not run.inbox.exists()


@pytest.mark.parametrize("bad", [HALF, NUL], ids=ascii)
def test_no_run_is_made_of_it(tmp_path: Path, bad: str) -> None:
    with pytest.raises(BadValues, match="params.argv.0"):
        create_run(tmp_path, "command", params={"argv": [bad]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", ["q=%00", "q=%ED%A0%80", "limit=%ff", "after=%00", "x=a%00"])
def test_query(relay: Relay, query: str) -> None:
    for path in ("/api/v1/workflows", "/api/v1/batches", "/api/v1/stream"):
        answer = relay.client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["type"]) == (400, "/docs#bad-request")


@pytest.mark.parametrize("number", ["nan", "inf", "1e400", "-1", "true", "9" * 30, "0x10"])
def test_number_of_a_query(relay: Relay, run: Workspace, number: str) -> None:
    for path in ("?limit=", "/events?limit=", "/events?after=", "/events?wait=", "/wait?wait="):
        url = f"/api/v1/workflows{path}" if path == "?limit=" else relay.workflow_url(run, path)
        assert relay.client.get(f"{url}{number}").status_code in (400, 422)


@pytest.mark.parametrize(("levels", "status"), [(400, 201), (600, 400), (100_000, 422)])
def test_depth(relay: Relay, levels: int, status: int) -> None:
    deep = "[" * levels + "]" * levels
    body = f'{{"workflow":"command","params":{{"argv":["true"],"more":{deep}}}}}'
    answer = sent(relay, "/workflows", body)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["type"] == "/docs#too-deep"
