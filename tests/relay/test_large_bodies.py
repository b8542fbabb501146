"""Bodies within 10 MiB that would cost far more: values are counted before they are made, and faults cut."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from relay.http.bodies import MAX_VALUES, parse_json
from relay.http.problems import Problem
from runlog import RunLock, Workspace, read_manifest
from runlog.groups.catalog import CatalogEntry, write_catalog
from tests.relay.live import CATALOG, Relay, new_run, running_relay, say
from tests.relay.sse_client import Stream
from tests.relay.test_heads import DEADLINE_S, peak_bytes

pytestmark = pytest.mark.timeout(200)

Hold = Callable[[Workspace], RunLock]

MANY = 1_000_000
TEXTS = {"type": "array", "items": {"type": "string"}}
CHOICES = {
    "type": "object",
    "properties": {
        "any": {"anyOf": [TEXTS, {"type": "array", "items": {"type": "boolean"}}]},
        "one": {"oneOf": [TEXTS, {"type": "array", "items": {"type": "boolean"}}]},
        "both": {"allOf": [TEXTS, TEXTS]},
        "nested": {"type": "array", "items": {"anyOf": [{"type": "string"}, TEXTS]}},
    },
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root = tmp_path_factory.mktemp("large")
    write_catalog(root, [*CATALOG, CatalogEntry("choices", "", CHOICES, prompt="optional")])
    with running_relay(root) as started:
        yield started


@contextmanager
def others_go_on(relay: Relay, alive: Hold) -> Iterator[None]:
    """A listener gets every line, and calls are answered, while it happens; and it takes no memory to speak of."""
    before = peak_bytes(relay)
    run = new_run(relay.root)
    alive(run)
    over = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=relay.url, trust_env=False, timeout=DEADLINE_S) as client:
            statuses.append(client.get("/healthz").status_code)
            while not over.is_set():
                statuses.append(client.get("/healthz").status_code)

    asking = threading.Thread(target=ask)
    with Stream(relay, relay.workflow_url(run, "/stream")) as stream:
        asking.start()
        try:
            yield
        finally:
            over.set()
            asking.join()
        say(run, "log", n=1)
        assert json.loads(next(iter(stream)).data)["n"] == 1
    assert set(statuses) == {200}
    # Within some bodies of 10 MiB, as text and as objects.
    assert peak_bytes(relay) < before + 150e6


def sent(relay: Relay, method: str, path: str, body: bytes) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return relay.client.request(
        method, f"/api/v1{path}", content=body, headers=headers, timeout=DEADLINE_S
    )


def numbers(count: int) -> bytes:
    return b"[" + b"1," * (count - 1) + b"1]"


def fields(count: int) -> bytes:
    return b"{" + b",".join(b'"x%d":1' % n for n in range(count)) + b"}"


TOO_MANY = {
    "argv": ("POST", "/workflows", b'{"workflow":"command","params":{"argv":%b}}' % numbers(MANY)),
    "4,000,000": ("POST", "/workflows", b'{"workflow":"claude","prompt":%b}' % numbers(4 * MANY)),
    "prompt": ("POST", "/workflows", b'{"workflow":"claude","prompt":%b}' % numbers(MANY)),
    "history": ("POST", "/workflows", b'{"chat_history":%b}' % numbers(MANY)),
    "unknown": ("POST", "/workflows", fields(700_000)),
    "params": ("POST", "/workflows", b'{"workflow":"claude","params":%b}' % fields(700_000)),
    "list": ("POST", "/workflows", numbers(MANY)),
    "lists": ("POST", "/workflows", b"[" + b"[]," * MANY + b"[]]"),
    "objects": ("POST", "/workflows", b'{"prompt":[' + b"{}," * MANY + b"{}]}"),
    "texts": ("POST", "/workflows", b'{"prompt":[' + b'"",' * MANY + b'""]}'),
    "broken": ("POST", "/workflows", b'{"prompt":[' + b"1," * MANY),
    "inputs": ("POST", "/batches", b'{"workflow":"command","inputs":%b}' % numbers(MANY)),
    "deployment": ("PUT", "/deployments/d", b'{"allowed_overrides":%b}' % numbers(MANY)),
    "message": ("POST", "/workflows/RUN/messages", b'{"message":%b}' % numbers(MANY)),
    "answers": ("POST", "/workflows/RUN/answers", b'{"answers":%b}' % fields(700_000)),
    "stop": ("POST", "/workflows/RUN/stop", fields(700_000)),
}


@pytest.mark.parametrize(("method", "path", "body"), TOO_MANY.values(), ids=TOO_MANY)
def test_too_many_values(large: Relay, alive: Hold, method: str, path: str, body: bytes) -> None:
    run = new_run(large.root)
    with others_go_on(large, alive):
        answer = sent(large, method, path.replace("RUN", run.run_id), body)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/docs#content-too-large"
    assert f"{MAX_VALUES:,} values" in answer.json()["detail"]
    assert not run.inbox.exists()


# Just so many that they are looked at.
SOME = MAX_VALUES - 1000
FAULTY = {
    "argv": ("/workflows", {"workflow": "command", "params": {"argv": [1] * SOME}}, "/params/argv"),
    "prompt": ("/workflows", {"workflow": "claude", "prompt": [1] * SOME}, "/prompt/0"),
    "history": ("/workflows", {"chat_history": [1] * SOME}, "/chat_history/0"),
    "unknown": ("/workflows", {f"x{n}": 1 for n in range(SOME)}, "/x"),
    "params": ("/workflows", {"workflow": "claude", "prompt": "x", "params": {f"x{n}": 1 for n in range(SOME)}}, ""),
    "any": ("/workflows", {"workflow": "choices", "params": {"any": [1] * SOME}}, "/params/any"),
    "one": ("/workflows", {"workflow": "choices", "params": {"one": [1] * SOME}}, "/params/one"),
    "both": ("/workflows", {"workflow": "choices", "params": {"both": [1] * SOME}}, "/params/both"),
    "nested": ("/workflows", {"workflow": "choices", "params": {"nested": [1] * SOME}}, "/params/"),
    "inputs": ("/batches", {"inputs": [{f"x{n}": 1 for n in range(150)}] * 1000}, "/"),
    "entries": ("/batches", {"inputs": [1] * SOME}, "/"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body", "pointer"), FAULTY.values(), ids=FAULTY)
def test_many_faults(large: Relay, alive: Hold, path: str, body: Any, pointer: str) -> None:
    with others_go_on(large, alive):
        answer = sent(large, "POST", path, json.dumps(body).encode())
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert 1 <= len(pointers) <= 20
    assert len(set(pointers)) == len(pointers) or pointer == "/params/both"
    assert all(each.startswith(f"#{pointer}") for each in pointers)


def test_overrides_that_are_not_allowed(large: Relay, alive: Hold) -> None:
    body = {"workflow": "claude", "prompt": "x"}
    assert large.client.put("/api/v1/deployments/strict", json=body).is_success
    overrides = {f"x{n}": 1 for n in range(SOME)}
    asked = {"deployment": "strict", "runtime_overrides": overrides}
    with others_go_on(large, alive):
        answer = sent(large, "POST", "/workflows", json.dumps(asked).encode())
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20


def test_a_websocket_is_no_way_around(large: Relay, alive: Hold) -> None:
    run = new_run(large.root)
    alive(run)
    url = f"{large.url.replace('http', 'ws')}{large.workflow_url(run, '/ws')}"
    with connect(url, proxy=None, max_size=None, open_timeout=DEADLINE_S) as socket:
        with others_go_on(large, alive):
            kinds = []
            for line in (
                {"type": "message", "content": [1] * MANY},
                {"type": "message", "content": [1] * SOME},
                {"type": "answer", **{f"x{n}": 1 for n in range(SOME)}},
            ):
                socket.send(json.dumps(line))
                problem = json.loads(socket.recv(timeout=DEADLINE_S))["problem"]
                assert len(problem.get("errors", ())) <= 20
                kinds.append(problem["type"].removeprefix("/docs#"))
    assert kinds == ["content-too-large", "invalid-request", "invalid-request"]


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        ({"prompt": 7}, ["#/prompt"]),
        ({"prompt": {"type": "text"}}, ["#/prompt"]),
        ({"prompt": [{"type": "text", "text": "x"}, 7, 8]}, ["#/prompt/1"]),
        ({"prompt": True, "run_id": 7, "more": 1}, ["#/prompt", "#/run_id", "#/more"]),
    ],
)
def test_a_choice_is_told_once(large: Relay, asked: Any, pointers: list[str]) -> None:
    errors = large.post("/workflows", {"workflow": "claude"} | asked).json()["errors"]
    assert [error["pointer"] for error in errors] == pointers


def test_the_path_comes_before_the_body(large: Relay) -> None:
    answer = large.post("/workflows", {"workflow": 7}, headers={"idempotency-key": "k" * 300})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/workflow"]
    gone = large.post("/workflows/none/messages", {"message": 7})
    assert gone.json()["type"] == "/docs#unknown-run"  # the path comes first


@pytest.mark.parametrize(
    "text",
    ["a, [b], {c}" * 200_000, ',"[{' * 300_000, "\\,\\" * 500_000, '\\"' * 900_000 + "," * MANY],
    ids=["code", "quotes", "backslashes", "escaped quotes"],
)
def test_what_stands_in_a_text_is_no_value(large: Relay, alive: Hold, text: str) -> None:
    with others_go_on(large, alive):
        answer = large.post("/workflows", {"workflow": "claude", "prompt": text})
    assert answer.status_code == 201
    assert read_manifest(Workspace(large.root, answer.json()["run_id"])).prompt == text


@pytest.mark.parametrize(
    "body",
    [
        b'"\\' * 3_000_000 + b"," * MANY,
        b'"' + b"\\" * 5_000_000 + b"," * MANY,
        b'{"prompt":"' + b"[{," * 2_000_000,
        "{}".encode("utf-16"),
        '{"a": "\u222c"}'.encode("utf-16-le"),
        b"[" * 150_000,
    ],
    ids=["open texts", "backslashes", "an open text", "UTF-16", "UTF-16 without mark", "deep"],
)
def test_what_is_no_json_costs_no_more(large: Relay, alive: Hold, body: bytes) -> None:
    with others_go_on(large, alive):
        answer = sent(large, "POST", "/workflows", body)
    assert answer.status_code in (413, 422)


_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('a,[{"\\]}é\n')),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner),
)


@settings(max_examples=25)
@given(_JSON, st.sampled_from([None, 1]), st.booleans())
def test_values_are_counted_as_they_are(value: Any, indent: int | None, ascii_only: bool) -> None:
    """Beside as many others as are just taken, and as are just too many."""
    body = json.dumps([value], indent=indent, ensure_ascii=ascii_only)
    assert parse_json(body.encode()) == [value]
    parts = _parts(value)
    taken = MAX_VALUES - parts - 4  # brackets and commas of the whole
    filler = ",".join(["0"] * taken)
    assert parse_json(f"[[{filler}],{body}]".encode())[1] == [value]
    with pytest.raises(Problem) as error:
        parse_json(f"[[{filler},0],{body}]".encode())
    assert error.value.status == 413


def _parts(value: Any) -> int:
    """Its brackets and commas."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(len(value) - 1, 0) + sum(map(_parts, inner))
    return 0
