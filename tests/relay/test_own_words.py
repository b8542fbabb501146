"""What whoever starts a run says of it: title, labels, thread, trace; at a start, in batches, deployments, lists."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runlog import Workspace, encode, read_manifest
from runlog.groups.catalog import write_catalog
from tests.relay.live import CATALOG, Relay, running_relay, say
from tests.relay.test_deployments import put, refused
from tests.support import wait_until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WORDS: dict[str, Any] = {
    "title": "Nightly review 👩‍💻",
    "labels": {"team": "search", "ticket": "AB-12"},
    "thread_id": "case:4711",
    "trace": TRACE,
}
ASK: dict[str, Any] = {"workflow": "command", "params": {"argv": ["true"]}}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    root = tmp_path_factory.mktemp("words")
    write_catalog(root, CATALOG)
    with running_relay(root) as relay:
        yield relay


def start(relay: Relay, **asked: Any) -> str:
    answer = relay.post("/workflows", ASK | asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["run_id"])


def found(relay: Relay, **asked: Any) -> set[str]:
    answer = relay.client.get("/api/v1/workflows", params=asked)
    assert answer.status_code == 200, answer.text
    return {row["run_id"] for row in answer.json()["runs"]}


def end(relay: Relay, run_id: str) -> None:
    run = Workspace(relay.root, run_id)
    say(run, "workflow_started", attempt=1)
    say(run, "workflow_completed", result="over")


def test_they_are_kept_and_shown(own: Relay) -> None:
    run_id = start(own, **WORDS)
    body = json.loads(Workspace(own.root, run_id).manifest.read_bytes())
    assert {name: body[name] for name in WORDS} == WORDS
    state = own.get(f"/workflows/{run_id}").json()
    assert {name: state[name] for name in WORDS} == WORDS

    def row() -> Any:
        (told,) = own.client.get("/api/v1/workflows", params={"q": run_id}).json()["runs"]
        return told["status"], {name: told[name] for name in WORDS if name != "trace"}

    kept = {name: value for name, value in WORDS.items() if name != "trace"}
    assert row() == ("queued", kept)
    end(own, run_id)
    wait_until(lambda: row() == ("completed", kept), "the row of the ended run")


def test_without_them_nothing_is_said(own: Relay) -> None:
    run_id = start(own)
    state = own.get(f"/workflows/{run_id}").json()
    told = {"title": "true", "labels": {}, "thread_id": None, "trace": None}
    assert {name: state[name] for name in told} == told


def test_runs_are_found_by_them(own: Relay) -> None:
    """Of runs that go on and of those that ended, alike."""
    named = {
        "a": {"labels": {"env": "prod", "size": "1"}, "thread_id": "t-1", "title": "Älteste"},
        "b": {"labels": {"env": "test"}, "thread_id": "t-1"},
        "c": {"labels": {"env": "prod=x"}, "thread_id": "T-1"},
        "d": {"labels": {"Env": "prod"}},
        "e": {"labels": {"env": ""}},
    }
    ids = {name: start(own, **words) for name, words in named.items()}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"label": "env=prod"}, "a"),
        ({"label": "env"}, "abce"),
        ({"label": "env="}, "e"),
        ({"label": "env=prod=x"}, "c"),
        ({"label": ["env", "size=1"]}, "a"),
        ({"label": ["env=test", "size"]}, ""),
        ({"label": "Env=prod"}, "d"),
        ({"thread_id": "t-1"}, "ab"),
        ({"thread_id": "t"}, ""),
        ({"q": "alteste"}, "a"),
        ({"q": "env prod", "label": "size"}, "a"),
        ({"q": "prod", "thread_id": "t-1"}, "a"),
        ({"label": "env", "order": "cost"}, "abce"),
    ]

    def right(asked: dict[str, Any], names: str) -> bool:
        return found(own, **asked) == {ids[name] for name in names}

    for asked, names in cases:
        assert right(asked, names), asked
    for run_id in ids.values():
        end(own, run_id)
    for asked, names in cases:
        both = asked | {"status": "completed"}
        wait_until(lambda both=both, names=names: right(both, names), f"{asked} of ended runs")
    counts = own.client.get("/api/v1/workflows", params={"label": "env", "counts": True}).json()
    assert counts["counts"]["status"] == {"completed": 4}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"title": ""}, "#/title"),
    ({"title": " "}, "#/title"),
    ({"title": "two\nlines"}, "#/title"),
    ({"title": "x" * 201}, "#/title"),
    ({"title": "\x1b[2J"}, "#/title"),
    ({"title": 1}, "#/title"),
    ({"labels": ["a=b"]}, "#/labels"),
    ({"labels": {f"n{i}": "v" for i in range(17)}}, "#/labels"),
    ({"labels": {"a": 1}}, "#/labels/a"),
    ({"labels": {"a": None}}, "#/labels/a"),
    ({"labels": {"a": "x" * 201}}, "#/labels/a"),
    ({"labels": {"a": "b\rc"}}, "#/labels/a"),
    ({"labels": {"a b": "c"}}, "#/labels/a b"),
    ({"labels": {"": "c"}}, "#/labels/"),
    ({"labels": {"ok": "c", "x" * 64: "c"}}, "#/labels/" + "x" * 64),
    ({"labels": {"=": "c"}}, "#/labels/="),
    ({"thread_id": ""}, "#/thread_id"),
    ({"thread_id": "a b"}, "#/thread_id"),
    ({"thread_id": "x" * 129}, "#/thread_id"),
    ({"trace": "00-abc"}, "#/trace"),
    ({"trace": TRACE.upper()}, "#/trace"),
    ({"trace": f"{TRACE}-00"}, "#/trace"),
    ({"trace": f"ff{TRACE[2:]}"}, "#/trace"),
    ({"trace": f"00-{'0' * 32}-b7ad6b7169203331-01"}, "#/trace"),
    ({"trace": f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01"}, "#/trace"),
    ({"trace": f"{TRACE}\n"}, "#/trace"),
]


def test_what_can_be_none_is_refused(own: Relay) -> None:
    before = sorted(own.root.iterdir())
    for asked, pointer in BAD:
        refused(own.post("/workflows", ASK | asked), pointer)
        batch = {**ASK, "inputs": [{"params": {}}, asked]}
        refused(own.post("/batches", batch), f"#/inputs/1{pointer[1:]}")
    answer = own.post("/workflows", ASK | {"labels": {"a b": "c", "d": 1}, "trace": "x"})
    told = {fault["pointer"] for fault in answer.json()["errors"]}
    assert told == {"#/labels/a b", "#/labels/d", "#/trace"}
    assert sorted(own.root.iterdir()) == before
    for label in ("a b=c", "=c", "a=\n"):
        answer = own.client.get("/api/v1/workflows", params={"label": label})
        assert answer.status_code == 422 and answer.json()["errors"][0]["parameter"] == "label"


def test_a_batch_has_common_ones(own: Relay) -> None:
    common = {"labels": {"team": "a", "env": "test"}, "thread_id": "common", "trace": TRACE}
    inputs = [{}, {"labels": {"team": "b"}, "thread_id": "own", "title": "Second"}]
    answer = own.post("/batches", ASK | common | {"inputs": inputs})
    assert answer.status_code == 201, answer.text
    first, second = (
        read_manifest(Workspace(own.root, run_id)).words for run_id in answer.json()["run_ids"]
    )
    assert first.as_json() == common | {"title": None}
    labels = {"team": "b", "env": "test"}
    assert second.as_json() == common | {"labels": labels, "thread_id": "own", "title": "Second"}
    refused(own.post("/batches", ASK | {"labels": {"a": 1}, "inputs": [{}]}), "#/labels/a")


def test_null_in_an_input_is_without_the_common_one(own: Relay) -> None:
    common = {"thread_id": "common", "trace": TRACE, "output_schema": {"type": "object"}}
    none = dict.fromkeys(common)
    asked = {"workflow": "claude", "inputs": [{"prompt": "a"}, {"prompt": "b"} | none]} | common
    first, second = (
        read_manifest(Workspace(own.root, run_id))
        for run_id in own.post("/batches", asked).json()["run_ids"]
    )
    assert (first.words.thread_id, first.output_schema) == ("common", {"type": "object"})
    assert (second.words.thread_id, second.words.trace, second.output_schema) == (None, None, None)


def test_those_of_a_deployment_stay_unless_it_allows_more(own: Relay) -> None:
    fixed = {"title": "Fixed", "labels": {"team": "a"}, "thread_id": "nightly"}
    body = {"workflow": "command", "params": {"argv": ["true"]}} | fixed
    made = put(own, "words", body)
    assert made.status_code == 201 and {name: made.json()[name] for name in fixed} == fixed

    def begin(**asked: Any) -> dict[str, Any]:
        answer = own.post("/workflows", {"deployment": "words"} | asked)
        assert answer.status_code == 201, answer.text
        return read_manifest(Workspace(own.root, answer.json()["run_id"])).words.as_json()

    assert begin() == fixed | {"trace": None}
    # What it does not have is free, and what is the same is no other.
    more = begin(labels={"team": "a", "env": "x"}, title="Fixed", trace=TRACE)
    assert more == fixed | {"labels": {"team": "a", "env": "x"}, "trace": TRACE}
    for asked, pointer in (
        ({"title": "Other"}, "#/title"),
        ({"thread_id": "other"}, "#/thread_id"),
        ({"labels": {"env": "x", "team": "b"}}, "#/labels/team"),
        ({"labels": {f"n{i}": "" for i in range(16)}}, "#/labels"),
    ):
        refused(own.post("/workflows", {"deployment": "words"} | asked), pointer)

    assert put(own, "words", body | {"allowed_overrides": [*fixed]}).status_code == 200
    other = {"title": "Other", "labels": {"team": "b"}, "thread_id": "other"}
    assert begin(**other) == other | {"trace": None}
    body = {"workflow": "claude", "prompt": "go", "allowed_overrides": ["labels"]}
    assert put(own, "no-params", body).status_code == 201
    sent = {"deployment": "no-params", "runtime_overrides": {"labels": {"team": "b"}}}
    refused(own.post("/workflows", sent), "#/runtime_overrides")
    for bad, pointer in BAD:
        if "trace" not in bad:
            refused(put(own, "bad-words", body | bad), pointer)


def test_a_start_is_repeated_with_them(own: Relay) -> None:
    headers = {"idempotency-key": "words-1"}
    asked = ASK | WORDS
    first, again = (
        own.client.post("/api/v1/workflows", json=asked, headers=headers) for _ in range(2)
    )
    assert first.json()["run_id"] == again.json()["run_id"]
    other = own.client.post("/api/v1/workflows", json=asked | {"title": "no"}, headers=headers)
    assert other.status_code == 422


def test_what_others_wrote_is_used_as_far_as_it_can_be(own: Relay) -> None:
    """A `run.json` of an earlier version, or by hand."""
    run_id = start(own, **WORDS)
    manifest = Workspace(own.root, run_id).manifest
    body = json.loads(manifest.read_bytes())
    manifest.write_bytes(encode(body | {"title": ["no"], "labels": {"a b": "c"}, "trace": "x"}))
    state = own.get(f"/workflows/{run_id}").json()
    told = [state[name] for name in ("title", "labels", "thread_id", "trace")]
    assert told == ["true", {}, "case:4711", None]
    for name in WORDS:
        del body[name]
    manifest.write_bytes(encode(body))
    wait_until(lambda: run_id not in found(own, thread_id="case:4711"), "its row without words")


def test_the_openapi_description_tells_them(own: Relay) -> None:
    shapes = own.client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("StartRunOfWorkflow", "StartRunOfDeployment"):
        assert WORDS.keys() <= shapes[name]["properties"].keys()
    assert {"title", "labels", "thread_id"} <= shapes["Summary"]["properties"].keys()
    assert WORDS.keys() <= shapes["RunView"]["properties"].keys()
