"""What a LangGraph graph streams, as events of a run.

Nodes become `node_started` and `node_completed`. Messages become lines in the shape of Claude's (`stream_event` for
partial text, `assistant`, `user`), so that whatever shows a chat shows this one. What a node writes to its stream
writer is an event if it says which, else a `log`. The modes are those of https://docs.langchain.com/oss/python/langgraph/streaming.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langgraph.types import StreamMode
from pydantic import BaseModel

from runlog import encode
from runlog.run.events import is_reserved

from ...attempt.run import Run

__all__ = ["MODES", "GraphEvents", "plain"]

MODES: tuple[StreamMode, ...] = ("tasks", "updates", "messages", "custom")

# Of what a node returned: more belongs into a file of the workspace.
_MAX_OUTPUT_BYTES = 1024 * 1024
_INTERRUPT = "__interrupt__"


class GraphEvents:
    """Tells a run what one invocation streams. `nodes` counts those that were completed."""

    def __init__(self, run: Run) -> None:
        self.nodes = 0
        self._run = run
        # By message id: the place of its task, and what came so far.
        self._open: dict[str, tuple[str, AIMessageChunk]] = {}
        self._told: set[str] = set()

    def take(self, namespace: tuple[str, ...], mode: str, data: Any) -> None:
        """One item of `astream(stream_mode=MODES, subgraphs=True)`."""
        path = "".join(f"{part.partition(':')[0]}/" for part in namespace)
        if mode == "tasks":
            self._task(path, data)
        elif mode == "updates":
            self._update(path, data)
        elif mode == "messages":
            message, about = data
            self._message(message, str(about.get("langgraph_checkpoint_ns", "")))
        else:
            self._custom(data)

    def said(self, content: str | list[Any], message_id: str) -> None:
        """What the person said, at the moment the graph gets it."""
        self._say("user", {"role": "user", "content": content}, message_id)

    def close(self) -> None:
        """Tell what was begun and will not go on."""
        for message_id in list(self._open):
            self._finish(message_id)

    def _task(self, path: str, task: Mapping[str, Any]) -> None:
        if "input" in task:
            self._run.emit("node_started", node=path + task["name"])
            return
        for message_id, (place, _) in list(self._open.items()):
            if place.endswith(str(task["id"])):
                self._finish(message_id)

    def _update(self, path: str, update: Mapping[str, Any]) -> None:
        for node, outputs in update.items():
            if node == _INTERRUPT:
                continue
            self.nodes += 1
            told = plain(outputs)
            size = len(encode({"outputs": told}))
            if size > _MAX_OUTPUT_BYTES:
                told = {"truncated": True, "size_bytes": size}
            self._run.emit("node_completed", node=path + node, outputs=told)

    def _message(self, message: BaseMessage, place: str) -> None:
        message_id = message.id or f"message-{len(self._told) + len(self._open)}"
        if not isinstance(message, AIMessageChunk):
            self._tell(message, message_id)
            return
        begun = self._open.get(message_id)
        if begun is None:
            told = {"id": message_id, "type": "message", "role": "assistant", "content": []}
            self._partial({"type": "message_start", "message": told})
            block = {"type": "text", "text": ""}
            self._partial({"type": "content_block_start", "index": 0, "content_block": block})
        self._open[message_id] = (place, message if begun is None else begun[1] + message)
        if message.text:
            delta = {"type": "text_delta", "text": message.text}
            self._partial({"type": "content_block_delta", "index": 0, "delta": delta})
        if message.chunk_position == "last":
            self._finish(message_id)

    def _finish(self, message_id: str) -> None:
        _, message = self._open.pop(message_id)
        self._partial({"type": "content_block_stop", "index": 0})
        self._partial({"type": "message_stop"})
        self._tell(message, message_id)

    def _tell(self, message: BaseMessage, message_id: str) -> None:
        if message_id in self._told:
            return
        self._told.add(message_id)
        if isinstance(message, AIMessage):
            self._say("assistant", _assistant(message, message_id), message_id)
        elif isinstance(message, ToolMessage):
            result = {
                "type": "tool_result",
                "tool_use_id": message.tool_call_id,
                "content": message.text,
                "is_error": message.status == "error",
            }
            self._say("user", {"role": "user", "content": [result]}, message_id)
        elif isinstance(message, HumanMessage):
            self._say("user", {"role": "user", "content": message.text}, message_id)

    def _custom(self, data: Any) -> None:
        told = plain(data)
        kind = told.get("type") if isinstance(told, dict) else None
        if isinstance(kind, str) and kind and not is_reserved(kind):
            self._run.emit(kind, **{k: v for k, v in told.items() if k not in _COMMON})
        else:
            self._run.log("info", "a node wrote to its stream", value=told)

    def _partial(self, event: dict[str, Any]) -> None:
        self._run.emit("stream_event", event=event, parent_tool_use_id=None)

    def _say(self, kind: str, message: dict[str, Any], message_id: str) -> None:
        self._run.emit(kind, message=message, uuid=message_id, parent_tool_use_id=None)


def plain(value: Any) -> Any:
    """Anything a graph holds, as JSON data; what is none of its kinds as its text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case BaseMessage():
            told = {"role": value.type, "content": plain(value.content), "id": value.id}
            calls = getattr(value, "tool_calls", None)
            return told | ({"tool_calls": plain(calls)} if calls else {})
        case BaseModel():
            return plain(value.model_dump())
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _:
            return str(value)


def _assistant(message: AIMessage, message_id: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    content += [
        {"type": "tool_use", "id": call["id"], "name": call["name"], "input": plain(call["args"])}
        for call in message.tool_calls
    ]
    told: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "content": content,
    }
    if message.usage_metadata:
        usage = message.usage_metadata
        told["usage"] = {k: usage[k] for k in ("input_tokens", "output_tokens")}
    return told


_COMMON = frozenset({"type", "timestamp", "run_id"})
