"""docs/FRONTEND_INTEGRATION.md: following a run by EventSource, by fetch and by long polling, over bad networks."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runlog import Workspace
from tests.docs.conftest import Place, listening
from tests.docs.pages import expected, play
from tests.support import script, wait_for, wait_tool

FOLLOW = """
import { createRequire } from "node:module";
import { followRun } from "./follow.mjs";
import { flaky } from "./flaky.mjs";
globalThis.EventSource = createRequire(`${given.packages}/`)("eventsource").EventSource;
if (given.plan) {
  const server = await flaky(given.host, given.plan);
  globalThis.HOST = `http://127.0.0.1:${server.address().port}`;
}
const seen = [], resets = [], malformed = [];
followRun(given.run, {
  after: given.after ?? "0",
  onEvent: (event, cursor) => seen.push([cursor, event]),
  onReset: (reason) => resets.push(reason),
  onMalformed: (told) => malformed.push(told),
  onEnd: (status) => done({ status, seen, resets, malformed }),
});
"""


def test_eventsource_follows_a_living_run(
    place: Place, modules: Path, node_modules: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    code = (
        "import os,sys,time\n"
        "print('one',flush=True)\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(.01)\n"
        "print('two')"
    )
    run = place.start("command", params={"argv": [sys.executable, "-c", code, str(gate)]})
    wait_for(run, "log", message="one")
    gate.touch()
    told = play(modules, FOLLOW, host=place.url, run=run.run_id, packages=str(node_modules))
    assert (told["status"], told["seen"]) == ("completed", expected(run))


def test_eventsource_is_rebuilt_after_a_bad_gateway(
    place: Place, modules: Path, node_modules: Path, recorded: Workspace
) -> None:
    plan = ["502", "cut:150000", "502", "cut:215000", "pass"]
    told = play(
        modules, FOLLOW, host=place.url, run=recorded.run_id, packages=str(node_modules), plan=plan
    )
    assert (told["status"], told["resets"]) == ("completed", [])
    assert told["seen"] == expected(recorded)


def test_eventsource_at_the_end_of_a_finished_run(
    place: Place, modules: Path, node_modules: Path, recorded: Workspace
) -> None:
    """204: the EventSource closes for good, and the state tells that it was the end."""
    end = str(recorded.stream.stat().st_size)
    told = play(
        modules, FOLLOW, host=place.url, run=recorded.run_id, packages=str(node_modules), after=end
    )
    assert (told["status"], told["seen"]) == ("completed", [])


def test_eventsource_of_an_unknown_run(place: Place, modules: Path, node_modules: Path) -> None:
    told = play(modules, FOLLOW, host=place.url, run="nobody", packages=str(node_modules))
    assert told["status"] == "removed"


def test_eventsource_is_told_to_reset(
    place: Place, modules: Path, node_modules: Path, recorded: Workspace
) -> None:
    options = {"run": recorded.run_id, "packages": str(node_modules), "after": "999999999"}
    told = play(modules, FOLLOW, host=place.url, **options)
    assert len(told["resets"]) == 1
    assert told["seen"] == expected(recorded)


def test_eventsource_is_told_of_malformed_lines(
    place: Place, modules: Path, node_modules: Path
) -> None:
    folder = place.root / "bad-lines"
    folder.mkdir(mode=0o700)
    lines = [
        b'{"type":"log","n":1}',
        b"no json",
        b'{"not": json}',
        b'{"type":"workflow_completed"}',
    ]
    (folder / "_stream.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    told = play(modules, FOLLOW, host=place.url, run="bad-lines", packages=str(node_modules))
    assert [event["type"] for _, event in told["seen"]] == ["log", "workflow_completed"]
    assert [bad["offset"] for bad in told["malformed"]] == [29, 43]


PARSE = """
import { SseParser } from "./fetch-stream.mjs";
const runs = given.inputs.map((input) => [1, 2, 3, 7, input.length].map((size) => {
  const seen = [];
  const parser = new SseParser((message) => seen.push(message));
  for (let at = 0; at < input.length; at += size) parser.feed(input.slice(at, at + size));
  return { seen, last: parser.lastEventId };
}));
done(runs);
"""


def test_parser_at_every_chunk_size_and_line_end(modules: Path) -> None:
    lines = [
        "retry: 1000", "id: 5", 'data: {"a":', "data: 1}", "", ": keepalive", "id: 9", "event: end",
        "data:x", "data", "", "id: 12", "", "data: never ended",
    ]  # fmt: skip
    want = [
        {"id": "5", "event": "message", "data": '{"a":\n1}'},
        {"id": "9", "event": "end", "data": "x\n"},
    ]
    inputs = [end.join(lines) for end in ("\n", "\r\n", "\r")]
    for results in play(modules, PARSE, inputs=inputs, host=""):
        for result in results:
            assert (result["seen"], result["last"]) == (want, "12")


FETCH = """
import { followWithToken } from "./fetch-stream.mjs";
import { flaky } from "./flaky.mjs";
if (given.plan) {
  const server = await flaky(given.host, given.plan);
  globalThis.HOST = `http://127.0.0.1:${server.address().port}`;
}
const seen = [];
let ended = null, error = null;
try {
  await followWithToken(given.run, given.token, {
    after: given.after ?? "",
    onMessage: ({ id, event, data }) => {
      if (event === "message") seen.push([id, JSON.parse(data)]);
      if (event === "end") ended = JSON.parse(data).status;
    },
  });
} catch (thrown) { error = thrown.message; }
done({ seen, ended, error });
"""


@pytest.fixture(scope="module")
def locked(place: Place) -> Iterator[str]:
    """A second relay of the same root, with a token."""
    with listening(
        "relay", "--token", "sesame", root=place.root, environment=place.environment
    ) as (url, _):
        yield url


def test_fetch_with_a_token_through_a_bad_network(
    modules: Path, recorded: Workspace, locked: str
) -> None:
    options = {"run": recorded.run_id, "token": "sesame", "plan": ["cut:777", "502", "cut:210001"]}
    told = play(modules, FETCH, host=locked, **options)
    assert (told["error"], told["ended"]) == (None, "completed")
    assert told["seen"] == expected(recorded)


def test_fetch_with_a_wrong_token(modules: Path, recorded: Workspace, locked: str) -> None:
    told = play(modules, FETCH, host=locked, run=recorded.run_id, token="wrong")
    assert "Authorization: Bearer" in told["error"]


def test_fetch_at_the_end(modules: Path, recorded: Workspace, locked: str) -> None:
    end = str(recorded.stream.stat().st_size)
    told = play(modules, FETCH, host=locked, run=recorded.run_id, token="sesame", after=end)
    assert told == {"seen": [], "ended": None, "error": None}


POLL = """
import { poll } from "./poll.mjs";
const seen = [];
for await (const item of poll(given.run, { after: given.after, wait: 5 })) seen.push(item);
done(seen);
"""


def test_long_polling(place: Place, modules: Path, tmp_path: Path) -> None:
    prompt = script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "Done."})
    run = place.start("claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
    wait_for(run, "assistant")
    (tmp_path / "go").touch()
    seen = play(modules, POLL, host=place.url, run=run.run_id, after=0)
    assert [[str(item["offset"]), item["event"]] for item in seen] == expected(run)


def test_long_polling_past_the_end(place: Place, modules: Path, recorded: Workspace) -> None:
    first, *rest = play(modules, POLL, host=place.url, run=recorded.run_id, after=999_999_999)
    assert first == {"reset": True}
    assert [[str(item["offset"]), item["event"]] for item in rest] == expected(recorded)


def test_named_events(place: Place, recorded: Workspace) -> None:
    """What the page says of `?named=true`."""
    url = f"/workflows/{recorded.run_id}/stream"
    text = place.client.get(url, params={"named": "true"}).text
    assert "event: count\ndata: " in text
    assert "event: workflow_completed\n" in text
