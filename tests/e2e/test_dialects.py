"""Dialects on real runs: fifty at once, through the death of a relay, and again from the file."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx

from relay.dialects.ai_sdk import AiSdkFold
from relay.dialects.turns import Turn
from runlog import Workspace
from runlog.disk.tail import Chunk
from tests.e2e.conftest import House, relay_of, runner_of
from tests.relay.ag_ui_events import Thread
from tests.relay.ui_chunks import UiMessage
from tests.support import DEADLINE_S, script, wait_for, wait_tool, wait_until

LISTENERS = 50


class Chat:
    """An answer of the dialect that is read in a thread, as `useChat` would."""

    def __init__(self, house: House, method: str, path: str, body: Any = None) -> None:
        self.raw = b""
        self._args = (house.url, method, path, body)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        url, method, path, body = self._args
        try:
            with httpx.stream(method, url + path, json=body, timeout=DEADLINE_S) as answer:
                for data in answer.iter_bytes():
                    self.raw += data
        except httpx.RemoteProtocolError:
            pass  # the relay was killed

    def whole(self) -> bytes:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
        return self.raw


def replayed(run: Workspace, said: str) -> bytes:
    """The turn as the file has it."""
    data = run.stream.read_bytes()
    fold = AiSdkFold(run.run_id, Turn(said, 0, len(data)))
    frames, _ = fold.take(Chunk(0, len(data), data))
    return fold.begin() + frames


def user(message_id: str, text: str) -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}


def test_fifty_through_the_death_of_a_relay(root: Path, tmp_path: Path, free_port: int) -> None:
    root.mkdir(mode=0o700)
    gate = tmp_path / "go"
    tool = wait_tool(gate)
    prompt = script(
        {"thinking": "Hm.", "text": "I wait a while.", "tools": [tool]},
        {"text": "It is over.", "chunk_delay_s": 0.01},
    )
    body = {"id": "fifty", "messages": [user("m1", prompt)]}
    body["params"] = {"allowed_tools": [tool["name"]]}
    with runner_of(root):
        with relay_of(root, free_port) as house:
            first = Chat(house, "POST", "/dialects/ai-sdk", body)
            run = Workspace(root, "fifty")  # type: ignore[arg-type]
            wait_until(lambda: b"tool-input-available" in first.raw, "the call of the tool")
            early = [Chat(house, "GET", "/dialects/ai-sdk/fifty/stream") for _ in range(5)]
            wait_until(lambda: all(b"tool-input-a" in chat.raw for chat in early), "the replay")
            house.kill_relay()
        begun = first.whole()
        assert begun
        with relay_of(root, free_port) as house:
            chats = [Chat(house, "GET", "/dialects/ai-sdk/fifty/stream") for _ in range(LISTENERS)]
            wait_until(lambda: all(b"tool-input-a" in chat.raw for chat in chats), "the replay")
            gate.touch()
            answers = {chat.whole() for chat in chats}
            expected = replayed(run, "prompt-fifty")
            assert answers == {expected}
            assert expected.startswith(begun.removesuffix(b": keepalive\n"))
            assert all(expected.startswith(chat.raw) for chat in early)
            message = UiMessage().feed(expected)
            assert (message.text, message.finish) == ("I wait a while.|It is over.", "stop")


def test_two_dialects_on_one_run(house: House) -> None:
    """A thread of AG-UI that was begun by `useChat`; both see the same."""
    chat = Chat(
        house, "POST", "/dialects/ai-sdk", {"id": "both", "messages": [user("m1", "Hello")]}
    )
    assert UiMessage().feed(chat.whole()).text == "Hello"
    said = {"id": "m2", "role": "user", "content": "And more"}
    body = {"threadId": "both", "runId": "r1", "messages": [said]}
    run = Workspace(house.root, "both")  # type: ignore[arg-type]
    told = Thread().feed(Chat(house, "POST", "/dialects/ag-ui", body).whole())
    assert list(told.texts.values()) == ["And more"]
    wait_for(run, "message_received", message_id="m2", state="completed")
    assert UiMessage().feed(replayed(run, "m2")).text == "And more"
    url = f"{house.url}/dialects/durable-streams/both"
    lines = [json.loads(line) for line in run.stream.read_bytes().splitlines()]
    assert httpx.get(url).json()[: len(lines)] == lines


def test_a_chat_of_a_run_that_has_ended_reopens_it(house: House) -> None:
    body = {"id": "again", "messages": [user("m1", "Hello")]}
    assert UiMessage().feed(Chat(house, "POST", "/dialects/ai-sdk", body).whole()).text == "Hello"
    house.client.post("/api/v1/workflows/again/stop")
    run = Workspace(house.root, "again")  # type: ignore[arg-type]
    wait_for(run, "workflow_stopped")
    wait_until(
        lambda: house.client.get("/api/v1/workflows/again").json()["status"] == "stopped", "the end"
    )
    old = {"id": "a", "role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}
    body = {"id": "again", "messages": [user("m1", "Hello"), old, user("m2", "Still there?")]}
    message = UiMessage().feed(Chat(house, "POST", "/dialects/ai-sdk", body).whole())
    assert (message.text, message.finish) == ("Still there?", "stop")
