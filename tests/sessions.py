"""Sessions as Claude Code keeps them, of versions 1 and 2: written here in their shapes, none of them anybody's."""

import json
from pathlib import Path
from typing import Any

from runlog import Event

__all__ = ["ONE", "OTHER", "agent_line", "answer", "session_one", "session_two", "told", "write"]

ONE = "11111111-aaaa-4bbb-8ccc-000000000001"
OTHER = "22222222-aaaa-4bbb-8ccc-000000000002"
CWD = "/home/dev/shop"
_USAGE = {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 1000}


def _kept(session: str, number: int, version: str, **fields: Any) -> Event:
    common = {
        "parentUuid": f"u{number - 1}" if number > 1 else None,
        "isSidechain": False,
        "userType": "external",
        "cwd": CWD,
        "sessionId": session,
        "version": version,
        "gitBranch": "main",
        "uuid": f"u{number}",
        "timestamp": f"2025-06-0{number // 60 + 1}T10:{number % 60:02}:00.000Z",
    }
    return common | fields


def told(
    session: str, number: int, content: Any, *, version: str = "1.0.44", **fields: Any
) -> Event:
    """A line in the person's name."""
    message = {"role": "user", "content": content}
    return _kept(session, number, version, type="user", message=message, **fields)


def answer(
    session: str, number: int, *blocks: Event, version: str = "1.0.44", **fields: Any
) -> Event:
    message = {
        "id": fields.pop("message_id", f"msg_{number}"),
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4",
        "content": list(blocks),
        "stop_reason": fields.pop("stop_reason", None),
        "usage": _USAGE,
    }
    return _kept(session, number, version, type="assistant", message=message, **fields)


def agent_line(session: str, number: int, text: str) -> Event:
    return answer(session, number, _text(text), agentId="a1", version="2.1.9") | {
        "isSidechain": True
    }


def _text(text: str) -> Event:
    return {"type": "text", "text": text}


def _call(key: str, command: str) -> Event:
    return {"type": "tool_use", "id": key, "name": "Bash", "input": {"command": command}}


def _gave(key: str, content: str) -> list[Event]:
    return [{"type": "tool_result", "tool_use_id": key, "content": content}]


def session_one(session: str = ONE) -> list[Event]:
    """Version 1: titles of this and of another session first, a subagent in the same file."""
    return [
        {"type": "summary", "summary": "Another talk", "leafUuid": "elsewhere"},
        {"type": "summary", "summary": "Tests of the shop", "leafUuid": "u6"},
        told(session, 1, "Which tests fail?"),
        answer(session, 2, _text("I look."), _call("t1", "make test")),
        told(session, 3, "Count them", isSidechain=True),
        answer(session, 4, _text("Two."), isSidechain=True),
        told(session, 5, _gave("t1", "2 failed"), toolUseResult={"stdout": "2 failed"}),
        answer(session, 6, _text("Two fail: <b>cart</b> and `pay`."), stop_reason="end_turn"),
    ]


def session_two(session: str = OTHER) -> list[Event]:
    """Version 2: lines of the queue, attachments, an own title, sums at the end."""
    version = "2.1.9"
    return [
        {"type": "queue-operation", "operation": "enqueue", "sessionId": session,
         "timestamp": "2025-06-02T09:59:00.000Z", "content": "Mend them"},
        told(session, 1, "Mend them", version=version),
        _kept(session, 2, version, type="attachment", attachment={"type": "date"}),
        answer(session, 3, {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
               version=version, message_id="msg_a"),
        answer(session, 4, _call("t1", "sed -i s/a/b/ cart.py"), version=version,
               message_id="msg_a", stop_reason="tool_use"),
        told(session, 5, _gave("t1", ""), version=version),
        answer(session, 9, _text("Done."), version=version, stop_reason="end_turn"),
        {"type": "ai-title", "aiTitle": "Mend the cart", "sessionId": session},
        {"type": "cost-state", "sessionId": session, "totalCostUSD": 0.5, "modelUsage": {
            "claude-opus-4": {"inputTokens": 900, "outputTokens": 90, "costUSD": 0.5}}},
    ]  # fmt: skip


def write(
    config: Path,
    lines: list[Event],
    *,
    session: str = ONE,
    project: str = "-home-dev-shop",
    end: bytes = b"",
) -> Path:
    """The file of a session below a Claude folder. `end` comes after its whole lines."""
    path = config / "projects" / project / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.write_bytes(body.encode() + end)
    return path
