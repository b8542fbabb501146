"""What the AI SDK's client makes of a UI message stream, as its `processUIMessageStream` does: parts, or an error."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class UiMessage:
    id: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    finish: str | None = None
    done: bool = False
    _open: dict[str, dict[str, Any]] = field(default_factory=dict)

    def feed(self, stream: bytes) -> "UiMessage":
        """Take in a whole answer; one that continues the message may follow."""
        self.done, self._open = False, {}
        for frame in stream.split(b"\n\n"):
            data = b"".join(line[6:] for line in frame.split(b"\n") if line.startswith(b"data: "))
            if data:
                assert not self.done, "nothing follows [DONE]"
                self.done = data == b"[DONE]"
                if not self.done:
                    self._take(json.loads(data))
        return self

    @property
    def text(self) -> str:
        return "|".join(part["text"] for part in self.parts if part["type"] == "text")

    def tools(self) -> dict[str, str]:
        """Name and state of each call."""
        return {part["toolName"]: part["state"] for part in self.parts if "toolCallId" in part}

    def tool(self, call_id: str) -> dict[str, Any]:
        return next(part for part in self.parts if part.get("toolCallId") == call_id)

    def _take(self, chunk: dict[str, Any]) -> None:
        kind = chunk["type"]
        assert self.error is None, "an error ends the reading"
        name, _, what = kind.rpartition("-")
        if kind == "start":
            self.id = chunk["messageId"]
        elif name in ("text", "reasoning"):
            self._grow(name, what, chunk)
        elif kind in ("tool-input-start", "tool-input-available"):
            known = [p for p in self.parts if p.get("toolCallId") == chunk["toolCallId"]]
            part = known[0] if known else {"type": "tool"}
            if not known:
                self.parts.append(part)
            part.update(chunk, type="tool", state=kind.removeprefix("tool-"))
        elif kind == "tool-input-delta":
            assert self.tool(chunk["toolCallId"])["state"] == "input-start"
        elif kind == "tool-approval-request":
            self.tool(chunk["toolCallId"]).update(state="approval", approval=chunk["approvalId"])
        elif kind.startswith("tool-output-"):
            self.tool(chunk["toolCallId"]).update(chunk, type="tool", state=kind[5:])
        elif kind == "start-step":
            self.parts.append({"type": "step"})
        elif kind.startswith("data-"):
            same = [p for p in self.parts if "id" in chunk and p.get("data_id") == chunk["id"]]
            if same:
                same[0].update(data=chunk["data"])
            elif not chunk.get("transient"):
                self.parts.append({"type": kind, "data_id": chunk.get("id"), "data": chunk["data"]})
        elif kind == "error":
            self.error = chunk["errorText"]
        elif kind == "finish":
            self.finish = chunk["finishReason"]
        else:
            assert kind == "finish-step", f"the client does not know {kind}"

    def _grow(self, name: str, what: str, chunk: dict[str, Any]) -> None:
        if what == "start":
            assert chunk["id"] not in self._open
            self._open[chunk["id"]] = {"type": name, "text": ""}
            self.parts.append(self._open[chunk["id"]])
        elif what == "delta":
            self._open[chunk["id"]]["text"] += chunk["delta"]
        else:
            del self._open[chunk["id"]]
