"""A stand-in for Anthropic's Messages API on 127.0.0.1: it plays the script that the prompt holds.

Demo, tests and `--scripted-model` point the real Claude CLI at it (`ANTHROPIC_BASE_URL`, any
`ANTHROPIC_API_KEY`), so a whole run works with no network; model_script.py says what a script is.
Models named `no-such…` or `unknown…` are 404, the key `bad-key` is 401. Between calls it keeps only how often a
conversation was sent whose step is to go wrong some `times`.

Formats: https://docs.anthropic.com/en/api/messages and, streamed, …/api/messages-streaming
"""

import argparse
import hashlib
import json
import math
import re
import select
import signal
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import urlsplit

from .script import MAX_WAIT_S, Step, next_step

__all__ = ["main", "scripted_model"]

_MAX_BODY_BYTES = 64 * 1024 * 1024  # the real API takes 32 MiB
_WAIT_SLICE_S = 0.1  # how soon a wait notices that the client or the server is gone
_WORDS_PER_CHUNK = 4  # when no `chunk_delay_s` asks for single words
_INPUT_CHUNK_CHARS = 400
_CHARS_PER_TOKEN = 4

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@contextmanager
def scripted_model(port: int = 0) -> Iterator[str]:
    """Serve on 127.0.0.1 in a background thread; yields the base URL for `ANTHROPIC_BASE_URL`.

    :param port: 0 picks a free one.
    :raises OSError: the port is taken.
    """
    server = _Server(("127.0.0.1", port), _Handler)
    thread = threading.Thread(
        target=server.serve_forever, args=(_WAIT_SLICE_S,), name="scripted-model", daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the first line printed is `listening on http://127.0.0.1:PORT`."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.scripted", description="Scripted Messages API."
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default, picks a free one")
    port = parser.parse_args(arguments).port
    # Blocked before the threads start, so that none of them takes the signal from sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        with scripted_model(port) as base_url:
            sys.stdout.write(f"listening on {base_url}\n")
            sys.stdout.flush()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"can't listen on port {port}: {error}; choose another with --port\n")
        return 2
    return 0


def _content(step: Step, *, offered_tools: bool) -> list[dict[str, Any]]:
    """The content blocks of a step. A call that offers no tools (a title, say) gets none."""
    content: list[dict[str, Any]] = []
    if step.thinking:
        content.append(
            {
                "type": "thinking",
                "thinking": step.thinking,
                "signature": f"scripted-{uuid.uuid4().hex}",
            }
        )
    if step.text or not (step.thinking or (step.tools and offered_tools)):
        content.append({"type": "text", "text": step.text or "OK"})
    for name, arguments in step.tools if offered_tools else ():
        content.append(
            {
                "type": "tool_use",
                "id": _id("toolu", step.tool_id),
                "name": name,
                "input": arguments,
            }
        )
    return content


def _message(body: dict[str, Any], content: list[dict[str, Any]], step: Step) -> dict[str, Any]:
    uses_tools = any(block["type"] == "tool_use" for block in content)
    return {
        "id": _id("msg", step.id),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": step.stop_reason or ("tool_use" if uses_tools else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": _input_tokens(body),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": _tokens(content),
        },
    }


def _id(kind: str, given: str | None) -> str:
    return f"{kind}_{uuid.uuid4().hex[:24]}" if given is None else given


def _input_tokens(body: dict[str, Any]) -> int:
    return _tokens([body.get("system"), body.get("tools"), body["messages"]])


def _tokens(value: Any) -> int:
    return max(1, len(json.dumps(value, ensure_ascii=False)) // _CHARS_PER_TOKEN)


def _stream_events(
    message: dict[str, Any], chunk_delay_s: float
) -> Iterator[tuple[float, dict[str, Any]]]:
    """The events of a streamed answer, each with the seconds to wait before it."""
    opening = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": {**message["usage"], "output_tokens": 1},
    }
    yield 0, {"type": "message_start", "message": opening}
    for index, block in enumerate(message["content"]):
        empty, deltas = _deltas(block, single_words=chunk_delay_s > 0)
        yield 0, {"type": "content_block_start", "index": index, "content_block": empty}
        for number, delta in enumerate(deltas):
            wait_s = chunk_delay_s if number and delta["type"] == "text_delta" else 0
            yield wait_s, {"type": "content_block_delta", "index": index, "delta": delta}
        yield 0, {"type": "content_block_stop", "index": index}
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield 0, {"type": "message_delta", "delta": ending, "usage": message["usage"]}
    yield 0, {"type": "message_stop"}


def _deltas(
    block: dict[str, Any], *, single_words: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it is opened, and the deltas that fill it."""
    if block["type"] == "text":
        words = re.findall(r"\s*\S+\s*", block["text"]) or [block["text"]]
        size = 1 if single_words else _WORDS_PER_CHUNK
        chunks = ["".join(words[at : at + size]) for at in range(0, len(words), size)]
        return {**block, "text": ""}, [{"type": "text_delta", "text": chunk} for chunk in chunks]
    if block["type"] == "thinking":
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    source = json.dumps(block["input"])
    chunks = [
        source[at : at + _INPUT_CHUNK_CHARS] for at in range(0, len(source), _INPUT_CHUNK_CHARS)
    ]
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": chunk} for chunk in chunks
    ]


class _ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of the default 5, a burst of runs would see refused connections

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()  # guarded by _lock
        self._tries: Counter[bytes] = Counter()  # guarded by _lock
        super().__init__(address, handler)

    def tries(self, messages: Any) -> int:
        """How often this very conversation was sent, with this time."""
        key = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).digest()
        with self._lock:
            self._tries[key] += 1
            return self._tries[key]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self.closing.set()
        super().server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(
                        socket.SHUT_RDWR
                    )  # ends the thread that waits for a request


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # each event is a small write of its own
    timeout = MAX_WAIT_S

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: stdout belongs to `listening on`, and prompts are nobody's business."""

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # the client left
            super().handle()

    def do_HEAD(self) -> None:
        self._send_json(200, {})

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/":
            self._send_json(
                200,
                {
                    "type": "scripted_model",
                    "endpoints": ["/v1/messages", "/v1/messages/count_tokens"],
                },
            )
        else:
            self._send_error(_ApiError(404, f"there is no GET {self.path}"))

    def do_POST(self) -> None:
        try:
            path = urlsplit(self.path).path
            body = self._read_body()
            self._check(body)
            if path == "/v1/messages":
                self._answer(body)
            elif path == "/v1/messages/count_tokens":
                self._send_json(200, {"input_tokens": _input_tokens(body)})
            else:
                raise _ApiError(404, f"there is no POST {path}")
        except _ApiError as error:
            self._send_error(error)

    def _read_body(self) -> dict[str, Any]:
        try:
            length = int(self.headers["Content-Length"])
        except (TypeError, ValueError):
            length = -1
        if not 0 <= length <= _MAX_BODY_BYTES:
            self.close_connection = True  # what follows is the unread body, not a request
            raise _ApiError(
                413 if length > 0 else 400,
                f"the body needs a Content-Length of at most {_MAX_BODY_BYTES} bytes",
            )
        try:
            body = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError) as error:
            raise _ApiError(400, f"the body is not JSON: {error}") from error
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not all(
            isinstance(message, dict) for message in messages
        ):
            raise _ApiError(400, "messages: must be a list of objects")
        if not isinstance(body.get("model"), str):
            raise _ApiError(400, "model: must be a string")
        return dict(body)

    def _check(self, body: dict[str, Any]) -> None:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if "bad-key" in (self.headers.get("x-api-key"), bearer):
            raise _ApiError(401, "invalid x-api-key")
        if body["model"].startswith(("no-such", "unknown")):
            raise _ApiError(404, f"model: {body['model']}")

    def _answer(self, body: dict[str, Any]) -> None:
        deadline = time.monotonic() + MAX_WAIT_S
        step = next_step(body["messages"])
        self._wait(step.delay_s, deadline)
        fails = bool(step.status or step.fault) and (
            step.times is None or self.server.tries(body["messages"]) <= step.times
        )
        if fails and step.status is not None:
            raise _ApiError(step.status, step.error or f"the script answers with {step.status}")
        content = _content(step, offered_tools=bool(body.get("tools")))
        message = _message(body, content, step)
        if not body.get("stream"):
            if fails:
                self._spoil(step.fault, json.dumps(message).encode(), deadline)
            else:
                self._send_json(200, message)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        events = list(_stream_events(message, step.chunk_delay_s))
        for number, (wait_s, event) in enumerate(events):
            self._wait(wait_s, deadline)
            if fails and number == len(events) // 2:
                self._break_off(step.fault, deadline)
            frame = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        self.wfile.write(b"0\r\n\r\n")

    def _spoil(self, fault: str, payload: bytes, deadline: float) -> None:
        """An answer that is no stream, and goes wrong."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload[: len(payload) // 2])
        if fault == "bad_json":
            self.wfile.write(b"}" * (len(payload) - len(payload) // 2))
        else:
            self._stay_away(fault, deadline)

    def _break_off(self, fault: str, deadline: float) -> None:
        """Half-way in a stream."""
        if fault == "bad_json":
            frame = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":\n\n'
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        else:
            self._stay_away(fault, deadline)

    def _stay_away(self, fault: str, deadline: float) -> NoReturn:
        """:raises ConnectionError: in the end, so that nothing more is sent."""
        if fault == "silence":
            self._wait(math.inf, deadline)
        raise ConnectionAbortedError(f"the script has it end by {fault}")

    def _wait(self, wait_s: float, deadline: float) -> None:
        """Wait, at most until the deadline.

        :raises ConnectionError: the client went away or the server closes.
        """
        end = min(time.monotonic() + wait_s, deadline)
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        while (left_s := end - time.monotonic()) > 0:
            if self.server.closing.wait(min(left_s, _WAIT_SLICE_S)):
                raise ConnectionAbortedError("the server closes")
            if poll.poll(0) and not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError("the client went away")

    def _send_error(self, error: _ApiError) -> None:
        kind = _ERROR_TYPES.get(
            error.status, "api_error" if error.status >= 500 else "invalid_request_error"
        )
        retry = error.status == 429 or error.status >= 500
        self._send_json(
            error.status,
            {"type": "error", "error": {"type": kind, "message": str(error)}},
            retry=retry,
        )

    def _send_json(self, status: int, value: dict[str, Any], *, retry: bool | None = None) -> None:
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("request-id", f"req_{uuid.uuid4().hex[:24]}")
        if retry is not None:
            self.send_header("x-should-retry", "true" if retry else "false")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)
