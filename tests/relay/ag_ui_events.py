"""What AG-UI's client checks of the events of a run, as its `verifyEvents` does, and what it makes of them."""

import json
from dataclasses import dataclass, field
from typing import Any

_OPENS = {
    "TEXT_MESSAGE_START": ("text", "messageId"),
    "REASONING_START": ("span", "messageId"),
    "REASONING_MESSAGE_START": ("reasoning", "messageId"),
    "TOOL_CALL_START": ("tool", "toolCallId"),
    "STEP_STARTED": ("step", "stepName"),
}
_GROWS = {
    "TEXT_MESSAGE_CONTENT": ("text", "messageId"),
    "REASONING_MESSAGE_CONTENT": ("reasoning", "messageId"),
    "TOOL_CALL_ARGS": ("tool", "toolCallId"),
}
_ENDS = {
    "TEXT_MESSAGE_END": ("text", "messageId"),
    "REASONING_END": ("span", "messageId"),
    "REASONING_MESSAGE_END": ("reasoning", "messageId"),
    "TOOL_CALL_END": ("tool", "toolCallId"),
    "STEP_FINISHED": ("step", "stepName"),
}


@dataclass
class Thread:
    """Texts, calls and results by id, and the state, over the runs of one thread."""

    texts: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    custom: list[str] = field(default_factory=list)
    outcome: str = ""
    interrupts: list[dict[str, Any]] = field(default_factory=list)

    def feed(self, stream: bytes) -> "Thread":
        """Take in a whole run."""
        events = [json.loads(frame[6:]) for frame in stream.split(b"\n\n") if frame]
        assert events[0]["type"] == "RUN_STARTED"
        assert events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR")
        self._open: set[tuple[str, str]] = set()
        for event in events[1:]:
            self._take(event["type"], event)
        assert self.outcome == "error" or not self._open
        return self

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        if kind in _OPENS:
            name, key = _OPENS[kind]
            assert (name, event[key]) not in self._open
            self._open.add((name, event[key]))
            if name == "tool":
                assert event[key] not in self.calls, "a call is told once on a thread"
        elif kind in _GROWS:
            name, key = _GROWS[kind]
            assert (name, event[key]) in self._open
            assert event["delta"]
            into = self.calls if name == "tool" else self.texts
            into[event[key]] = into.get(event[key], "") + event["delta"]
        elif kind in _ENDS:
            name, key = _ENDS[kind]
            self._open.remove((name, event[key]))
        elif kind == "TOOL_CALL_RESULT":
            assert event["toolCallId"] in self.calls
            self.results[event["toolCallId"]] = event["content"]
        elif kind == "STATE_SNAPSHOT":
            self.state = event["snapshot"]
        elif kind == "STATE_DELTA":
            for change in event["delta"]:
                *path, last = [
                    p.replace("~1", "/").replace("~0", "~") for p in change["path"].split("/")[1:]
                ]
                place = self.state
                for name in path:
                    place = place[name]
                place[last] = change["value"]
        elif kind == "RUN_FINISHED":
            self.outcome = event["outcome"]["type"]
            self.interrupts = event["outcome"].get("interrupts", [])
            assert (self.outcome == "interrupt") == bool(self.interrupts)
        elif kind == "RUN_ERROR":
            self.outcome, self.interrupts = "error", []
            assert event["message"]
        else:
            assert kind == "CUSTOM"
            self.custom.append(event["name"])
