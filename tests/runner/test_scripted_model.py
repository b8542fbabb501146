"""The scripted model: over HTTP, and with the real SDK and CLI."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    TextBlock,
    ToolUseBlock,
)

from runner.scripted.model import scripted_model
from runner.scripted.script import ScriptError, next_step, parse_script
from tests.support import DEADLINE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with (
        scripted_model() as base_url,
        httpx.Client(base_url=base_url, timeout=DEADLINE_S, trust_env=False) as opened,
    ):
        yield opened


def script(*steps: dict[str, Any]) -> str:
    return f"<<SCRIPT>>{json.dumps(steps)}<<END>>"


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def request(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tools = [{"name": "Bash", "input_schema": {"type": "object"}}]
    return {"model": "m", "max_tokens": 9, "messages": messages, "tools": tools, **fields}


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return "".join(block.get("text", "") for block in response.json()["content"])


ASSISTANT = {"role": "assistant", "content": "…"}


def test_steps_follow_the_assistant_messages(client: httpx.Client) -> None:
    told = user(script({"text": "one"}, {"text": "two"}))
    answers = [
        text_of(client.post("/v1/messages", json=request(told, *[ASSISTANT, user("go")] * number)))
        for number in range(3)
    ]
    assert answers == ["one", "two", "go"]


def test_ids_of_a_script_are_those_of_the_answer(client: httpx.Client) -> None:
    call = {"name": "Bash", "input": {}}
    step = {"tools": [call, call], "id": "msg_0", "tool_id": "call_0"}
    body = request(user(script(step))) | {"tools": [{"name": "Bash"}]}
    told = client.post("/v1/messages", json=body).json()
    assert (told["id"], [block["id"] for block in told["content"]]) == ("msg_0", ["call_0"] * 2)
    nameless = request(user(script({"text": "so", "id": ""})))
    assert client.post("/v1/messages", json=nameless).json()["id"] == ""


def test_resumed_session_goes_on_with_its_next_step() -> None:
    """The CLI closes a turn that was cut off with an answer of its own, which is no step."""
    told = user(script({"text": "one"}, {"text": "two"}))
    filler = {"role": "assistant", "content": [{"type": "text", "text": "No response requested."}]}
    assert next_step([told, ASSISTANT, filler, user("go on")]).text == "two"


def test_newest_script_wins(client: httpx.Client) -> None:
    messages = [user(script({"text": "old"})), ASSISTANT, user("x", script({"text": "new"}))]
    assert text_of(client.post("/v1/messages", json=request(*messages))) == "new"


def test_repeats_the_user_without_a_script(client: httpx.Client) -> None:
    messages = [user("<system-reminder>\nbe good\n</system-reminder>", "hello there")]
    assert text_of(client.post("/v1/messages", json=request(*messages))) == "hello there"
    tool_result = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
    messages += [ASSISTANT, {"role": "user", "content": [tool_result]}]
    assert text_of(client.post("/v1/messages", json=request(*messages))) == "The tool gave: 42"


@pytest.mark.parametrize(
    "injected",
    [
        {
            "role": "system",
            "content": "The user sent a new message while you were working:\nstop\nplease\n\n"
            "This is how Claude Code surfaces messages the user sends mid-turn.",
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "content": "ok\n\n<system-reminder>\nThe user sent a new message while you were"
                    " working:\nstop\nplease\n</system-reminder>",
                }
            ],
        },
    ],
)
def test_last_user_is_found_in_mid_turn(injected: dict[str, Any]) -> None:
    told = user("do it " + script({"text": "-"}, {"text": "You said: {{last_user}}"}))
    assert next_step([told, ASSISTANT, injected]).text == "You said: stop\nplease"
    assert next_step([told, ASSISTANT]).text == "You said: do it"


def test_script_within_a_script() -> None:
    inner = script({"text": "inner"})
    tools = [{"name": "Task", "input": {"prompt": inner}}]
    outer = script({"tools": tools}, {"text": "outer"})
    assert next_step([user(outer)]).tools == (("Task", {"prompt": inner}),)
    assert next_step([user(outer), ASSISTANT]).text == "outer"


def test_streams_blocks_in_chunks(client: httpx.Client) -> None:
    step = {
        "thinking": "hm",
        "text": "a few words, é\n told slowly",
        "tools": [{"name": "Bash", "input": {"command": "ls"}}] * 2,
        "chunk_delay_s": 0.001,
    }
    body = request(user(script(step)), stream=True)
    with client.stream("POST", "/v1/messages?beta=true", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        frames = [frame.split("\n") for frame in response.read().decode().split("\n\n")[:-1]]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name.removeprefix("event: ") for name, _ in frames] == [e["type"] for e in events]
    assert events[0]["type"] == "message_start"
    assert events[0]["message"]["usage"]["input_tokens"] > 10
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    words = [delta["text"] for delta in deltas if delta["type"] == "text_delta"]
    assert len(words) == 6
    assert "".join(words) == step["text"]
    assert deltas[1]["type"] == "signature_delta"
    starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [start["type"] for start in starts] == ["thinking", "text", "tool_use", "tool_use"]
    assert starts[2]["id"] != starts[3]["id"]
    assert json.loads(deltas[-1]["partial_json"]) == {"command": "ls"}


@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        (400, "invalid_request_error", "false"),
        (429, "rate_limit_error", "true"),
        (500, "api_error", "true"),
        (529, "overloaded_error", "true"),
    ],
)
def test_scripted_errors(client: httpx.Client, status: int, kind: str, retry: str) -> None:
    body = request(user(script({"status": status, "error": "sorry"})), stream=True)
    response = client.post("/v1/messages", json=body)
    assert response.status_code == status
    assert response.json() == {"type": "error", "error": {"type": kind, "message": "sorry"}}
    assert response.headers["x-should-retry"] == retry


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_counts_by_its_tries(client: httpx.Client, times: int, stream: bool) -> None:
    """A retry sends the same conversation; another one has its own tries."""
    step = {"status": 529, "times": times, "text": "at last"}
    for told in ("a", "b"):
        body = request(user(f"{told} {script(step)}"), stream=stream)
        statuses = [client.post("/v1/messages", json=body).status_code for _ in range(times + 2)]
        assert statuses == [529] * times + [200, 200]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut(client: httpx.Client, stream: bool) -> None:
    step = {"fault": "cut", "times": 1, "text": "one two three four five six seven eight nine ten"}
    body = request(user(script(step)), stream=stream)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/messages", json=body)
    answer = client.post("/v1/messages", json=body)
    assert "ten" in answer.text and answer.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_no_json(client: httpx.Client, stream: bool) -> None:
    body = request(user(script({"fault": "bad_json", "text": "a b c d e f g h"})), stream=stream)
    for _ in range(2):  # without `times` each time
        told = client.post("/v1/messages", json=body).text
        lines = [line[6:] for line in told.splitlines() if line.startswith("data: ")] or [told]
        with pytest.raises(ValueError, match="line 1 column"):
            [json.loads(line) for line in lines]


@pytest.mark.parametrize("stream", [False, True])
def test_silence_after_half_of_it(stream: bool) -> None:
    """It lasts until somebody goes: here the model."""
    body = request(user(script({"fault": "silence", "text": "a b c d e f g h"})), stream=stream)
    got = b""
    with (
        contextlib.ExitStack() as model,
        httpx.Client(timeout=DEADLINE_S, trust_env=False) as client,
    ):
        url = model.enter_context(scripted_model())
        with client.stream("POST", f"{url}/v1/messages", json=body) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                for block in answer.iter_raw():
                    got += block
                    if b"content_block_start" in got or not stream:
                        model.close()
    assert got and b"message_stop" not in got


def test_refused_calls(client: httpx.Client) -> None:
    good = request(user("hi"))
    for headers in ({"x-api-key": "bad-key"}, {"Authorization": "Bearer bad-key"}):
        response = client.post("/v1/messages", json=good, headers=headers)
        assert (response.status_code, response.json()["error"]["type"]) == (
            401,
            "authentication_error",
        )
    for model in ("no-such-model", "unknown"):
        response = client.post("/v1/messages", json={**good, "model": model})
        assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    for content in (b"{", b"[]", b'{"model":"m","messages":[1]}', b'{"messages":[]}', b"\xff"):
        assert client.post("/v1/messages", content=content).status_code == 400
    assert client.post("/v1/nothing", json=good).status_code == 404
    assert client.head("/").status_code == client.get("/").status_code == 200
    assert client.post("/v1/messages/count_tokens", json=good).json()["input_tokens"] > 0


def test_too_long_body_is_refused_unread(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(
        client.base_url.host, client.base_url.port, timeout=DEADLINE_S
    )
    with closing(connection):
        connection.putrequest("POST", "/v1/messages")
        connection.putheader("Content-Length", str(2**40))
        connection.endheaders()
        response = connection.getresponse()
        assert (response.status, response.headers["Connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("[", "not JSON"),
        ("{}", "list of steps"),
        ("[1]", "step 0 must be an object"),
        ('[{"txt": "a"}]', "unknown keys: txt"),
        ('[{"text": "a"}, {"text": 1}]', "`text` of step 1"),
        ('[{"text": "a", "delay_s": -1}]', "`delay_s` of step 0"),
        ('[{"text": "a", "delay_s": NaN}]', "`delay_s` of step 0"),
        ('[{"text": "a", "chunk_delay_s": true}]', "`chunk_delay_s` of step 0"),
        ('[{"status": 200}]', "`status` of step 0"),
        ('[{"error": "a", "text": "b"}]', "needs a `status`"),
        ('[{"tools": {}}]', "`tools` of step 0|needs one of"),
        ('[{"tools": [{"name": "Bash", "input": 1}]}]', "`tools` of step 0"),
        ("[{}]", "needs one of"),
        ('[{"fault": "flood"}]', "`fault` of step 0"),
        ('[{"fault": "cut", "status": 500}]', "`fault` of step 0"),
        ('[{"status": 500, "times": 1}]', "`times` of step 0"),
        ('[{"status": 500, "times": 0, "text": "a"}]', "`times` of step 0"),
        ('[{"times": 1, "text": "a"}]', "needs a `status` or a `fault`"),
    ],
)
def test_malformed_script_is_explained(source: str, reason: str) -> None:
    with pytest.raises(ScriptError, match=reason):
        parse_script(source)
    answer = next_step([user(f"<<SCRIPT>>{source}<<END>>")]).text
    assert "can't play this script" in answer
    assert "Mend it" in answer


def test_script_without_end_is_explained() -> None:
    assert "<<END>> is missing" in next_step([user('<<SCRIPT>>[{"text": "a"}]')]).text


def test_closing_ends_a_wait() -> None:
    body = request(user(script({"text": "a", "delay_s": 600})))
    failures: list[Exception] = []

    def post() -> None:
        try:
            httpx.post(f"{base_url}/v1/messages", json=body, timeout=DEADLINE_S, trust_env=False)
        except httpx.HTTPError as error:
            failures.append(error)

    caller = threading.Thread(target=post)
    with scripted_model() as base_url:
        before = threading.active_count()
        caller.start()
        wait_until(lambda: threading.active_count() >= before + 2, "the call to be there")
    caller.join(DEADLINE_S)
    assert not caller.is_alive()
    assert len(failures) == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_command_ends_cleanly(signum: int) -> None:
    command = [sys.executable, "-m", "runner.scripted", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        base_url = line.removeprefix("listening on ").strip()
        assert httpx.get(base_url, timeout=DEADLINE_S, trust_env=False).status_code == 200
        process.send_signal(signum)
        assert process.wait(DEADLINE_S) == 0


async def _sent(text: str) -> AsyncIterator[dict[str, Any]]:
    yield {
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": None,
        "uuid": str(uuid.uuid4()),
    }


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-4-5"])
def test_real_cli_plays_the_script(
    claude_cli: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """A tool step, then a text that repeats what was sent while the tool ran."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "CLAUDE")):
            monkeypatch.delenv(name)
    go_on = tmp_path / "go-on"
    wait = f"until [ -e {go_on} ]; do read -t 0.05 <> <(:) || true; done; echo waited"
    tools = [{"name": "Bash", "input": {"command": wait, "description": "wait"}}]
    prompt = script({"text": "Waiting.", "tools": tools}, {"text": "You said: {{last_user}}"})

    async def converse(base_url: str) -> tuple[list[str], ResultMessage]:
        options = ClaudeAgentOptions(
            cwd=tmp_path,
            model=model,
            setting_sources=[],
            permission_mode="dontAsk",
            allowed_tools=["Bash"],
            env={
                "HOME": str(tmp_path),
                "CLAUDE_CONFIG_DIR": str(tmp_path / ".claude"),
                "TMPDIR": str(tmp_path),
                "CLAUDE_CODE_TMPDIR": str(tmp_path),
                "ANTHROPIC_BASE_URL": base_url,
                "ANTHROPIC_API_KEY": "x",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            },
        )
        texts: list[str] = []
        async with ClaudeSDKClient(options) as sdk:
            await sdk.query(_sent(prompt))
            async for message in sdk.receive_response():
                if isinstance(message, ResultMessage):
                    return texts, message
                for block in message.content if isinstance(message, AssistantMessage) else ():
                    if isinstance(block, TextBlock):
                        texts.append(block.text)
                    elif isinstance(block, ToolUseBlock):
                        await sdk.query(_sent("hurry up"))
                        go_on.touch()
        raise AssertionError("no result")

    with scripted_model() as base_url:
        texts, result = anyio.run(converse, base_url)
    assert texts == ["Waiting.", "You said: hurry up"]
    assert (result.subtype, result.num_turns) == ("success", 2)
