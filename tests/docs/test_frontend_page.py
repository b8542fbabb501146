"""docs/FRONTEND_INTEGRATION.md: its modules, run by node against a real relay, and its proxy settings."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import runlog
from runlog import Workspace
from tests.docs.conftest import Place, listening
from tests.docs.samples import sample, samples
from tests.support import (
    bash,
    events,
    receipts,
    records,
    script,
    spawned,
    wait_for,
    wait_for_end,
    wait_tool,
    wait_until,
)

PAGE = "FRONTEND_INTEGRATION.md"
EVENTSOURCE = "eventsource@5.1.5"
NODE_LIMIT_S = 40

# A proxy that misbehaves as networks do. `plan` says what to do with the n-th stream: "502", "cut:BYTES" or "pass".
FLAKY = """
import http from "node:http";
export function flaky(target, plan) {
  let count = 0;
  const server = http.createServer((asked, answer) => {
    const step = asked.url.includes("/stream") ? plan[count++] ?? "pass" : "pass";
    if (step === "502") { answer.writeHead(502).end("bad gateway"); return; }
    let left = step.startsWith("cut:") ? Number(step.slice(4)) : Infinity;
    const { host } = new URL(target);
    const on = http.request(target + asked.url, { method: asked.method, headers: { ...asked.headers, host } });
    asked.pipe(on);
    on.on("error", () => answer.destroy());
    answer.on("close", () => on.destroy());
    on.on("response", (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.on("data", (chunk) => {
        answer.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) { answer.socket.end(); got.destroy(); }
      });
      got.on("end", () => answer.end());
      got.on("error", () => {});
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
"""


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        assert not os.environ.get("CI"), "CI must have node"
        pytest.skip("node is not installed")
    return found


@pytest.fixture(scope="session")
def node_modules(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package `eventsource`: node 20 has no EventSource of its own."""
    folder = tmp_path_factory.mktemp("node")
    options = ["--prefer-offline", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    npm = shutil.which("npm")
    done = npm and subprocess.run(
        [npm, "install", *options, "--prefix", str(folder), EVENTSOURCE],
        capture_output=True,
        timeout=50,
    )
    if not done or done.returncode != 0:
        assert not os.environ.get("CI"), f"CI must be able to install {EVENTSOURCE}"
        pytest.skip(f"npm could not install {EVENTSOURCE}, which stands in for the browser here")
    return folder


@pytest.fixture
def modules(node: str, tmp_path: Path) -> Path:
    """The page's modules as files. `globalThis.HOST` says where the API is, as a page's own host would."""
    for block in samples(PAGE):
        if block.language == "js":
            code = block.code.replace("${API}", "${globalThis.HOST}/api/v1")
            (tmp_path / block.name.replace(".js", ".mjs")).write_text(code)
    (tmp_path / "flaky.mjs").write_text(FLAKY)
    return tmp_path


def play(modules: Path, driver: str, **given: Any) -> Any:
    """Run a driver that imports the page's modules; `given` is its global `given`, what it prints is JSON."""
    path = modules / "driver.mjs"
    path.write_text(
        f"const given = globalThis.given = {json.dumps(given)};\n"
        "globalThis.HOST = given.host;\n"
        "const done = (value) => process.stdout.write(JSON.stringify(value), () => process.exit(0));\n"
        + driver
    )
    ran = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=NODE_LIMIT_S)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def start(place: Place, workflow: str, **body: Any) -> Workspace:
    answer = place.client.post("/workflows", json={"workflow": workflow} | body)
    assert answer.status_code == 201, answer.text
    return place.run(answer.json()["run_id"])


@pytest.fixture(scope="module")
def recorded(place: Place) -> Workspace:
    """A run that has ended, with lines that are hard to read."""
    print_lines = [
        {"type": "log", "message": "é ü 漢字 🎈 \u2028 end"},
        {"type": "log", "message": "x" * 200_000},
        *({"type": "count", "n": n} for n in range(300)),
    ]
    code = "import sys\nfor line in sys.argv[1].split('\\n'): print(line)"
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in print_lines)
    # A string of the command line has at most 128 KiB: the long one is made by the program.
    text = text.replace("x" * 200_000, "LONG")
    code = code.replace("print(line)", "print(line.replace('LONG', 'x' * 200_000))")
    run = start(place, "command", params={"argv": [sys.executable, "-X", "utf8", "-c", code, text]})
    assert wait_for_end(run)["type"] == "workflow_completed"
    return run


def expected(run: Workspace, after: int = 0) -> list[list[Any]]:
    return [[str(r.offset), json.loads(r.line)] for r in records(run) if r.offset > after]


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
    code = "import os,sys,time\nprint('one',flush=True)\nwhile not os.path.exists(sys.argv[1]): time.sleep(.01)\nprint('two')"
    run = start(place, "command", params={"argv": [sys.executable, "-c", code, str(gate)]})
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
    lines = [b'{"type":"log","n":1}', b"no json", b'{"not": json}', b'{"type":"workflow_completed"}']
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


CHAT = """
import { newChat, applyEvent, render } from "./chat.mjs";
import { poll } from "./poll.mjs";
const chat = newChat(), grown = [], offsets = [];
for await (const { offset, event } of poll(given.run)) {
  offsets.push(offset);
  applyEvent(chat, event);
  for (const item of chat.items.values()) if (!item.done && item.text) grown.push(item.text);
}
const drawn = [];
const parent = { ownerDocument: { createElement: () => ({}) }, replaceChildren: (...lines) => drawn.push(...lines) };
render(chat, parent);
const items = [...chat.items.values()].map(({ role, kind, text, done, result }) => ({ role, kind, text, done, result }));
done({ items, grown, offsets, drawn });
"""


def test_chat_with_partial_text(place: Place, modules: Path) -> None:
    answer = "The quick brown fox jumps over <b>the lazy dog</b>."
    prompt = script(
        {"text": "I look.", "tools": [bash("echo found it")]},
        {"thinking": "Hm.", "text": answer, "chunk_delay_s": 0.01},
    )
    run = start(place, "claude", prompt=prompt, params={"include_partial_messages": True})
    wait_for_end(run)
    told = play(modules, CHAT, host=place.url, run=run.run_id)
    shape = [(item["role"], item["kind"], item["text"]) for item in told["items"]]
    assert shape == [
        ("user", "text", prompt),
        ("assistant", "text", "I look."),
        ("assistant", "tool_use", ""),
        ("assistant", "thinking", "Hm."),
        ("assistant", "text", answer),
    ]
    assert all(item["done"] for item in told["items"])
    assert "found it" in json.dumps(told["items"][2]["result"])
    parts = [text for text in told["grown"] if answer.startswith(text)]
    assert "The quick " in parts
    assert told["drawn"][-1]["textContent"] == answer
    assert told["offsets"] == [record.offset for record in records(run)]


SEND = """
import { send, applyReceipt } from "./messages.mjs";
import { poll } from "./poll.mjs";
const real = globalThis.fetch;
let lost = given.lose;
globalThis.fetch = async (url, options) => {
  const answer = await real(url, options);
  if (options?.method === "POST" && lost-- > 0) throw new TypeError("the answer was lost");
  return answer;
};
const outbox = new Map(), states = [];
const id = await send(given.run, "Use tabs", outbox);
states.push(outbox.get(id).state);
const after = async () => {
  for await (const { event } of poll(given.run)) {
    applyReceipt(outbox, event);
    if (event.message_id === id) states.push(outbox.get(id).state);
    if (outbox.get(id).state === "completed" || outbox.get(id).state === "dropped") return;
  }
};
await after();
done({ id, states, outbox: [...outbox.values()] });
"""


@pytest.mark.parametrize("lose", [0, 2])
def test_messages_are_said_once(place: Place, modules: Path, lose: int) -> None:
    run = start(place, "claude", interactive=True)
    wait_for(run, "workflow_started")
    told = play(modules, SEND, host=place.url, run=run.run_id, lose=lose)
    assert told["states"] == ["sent", "queued", "delivered", "completed"]
    assert receipts(run, told["id"]) == ["queued", "delivered", "completed"]
    assert len(run.inbox.read_bytes().splitlines()) == 1
    runlog.post(run, {"type": "stop"})
    wait_for_end(run)


def test_message_to_a_finished_run(place: Place, modules: Path, recorded: Workspace) -> None:
    driver = """
import { send } from "./messages.mjs";
const outbox = new Map();
await send(given.run, "hello", outbox);
done([...outbox.values()]);
"""
    (sent,) = play(modules, driver, host=place.url, run=recorded.run_id)
    assert sent["state"] == "failed"
    assert "has ended" in sent["reason"]


ANSWER = """
import { applyQuestion, loadQuestions, answerQuestion, decide } from "./questions.mjs";
import { poll } from "./poll.mjs";
const open = new Map(), told = {};
const after = await loadQuestions(given.run, open);
const [permission] = open.values();
told.first = permission.tool_name;
told.decided = await decide(given.run, permission.request_id, "allow", { updated_input: given.input });
for await (const { event } of poll(given.run, { after })) {
  applyQuestion(open, event);
  if (event.type === "permission_resolved") told.again = await decide(given.run, permission.request_id, "deny");
  if (event.type === "questions_presented") {
    told.answered = await answerQuestion(given.run, event.question_id, { "Which database?": "Postgres" });
  }
}
done({ ...told, open: [...open.keys()] });
"""


def test_questions_and_permissions(place: Place, modules: Path) -> None:
    options = [{"label": name, "description": name} for name in ("SQLite", "Postgres")]
    question = {
        "question": "Which database?",
        "header": "Database",
        "options": options,
        "multiSelect": False,
    }
    asked = {"name": "AskUserQuestion", "input": {"questions": [question]}}
    prompt = script({"tools": [bash("touch a.txt")]}, {"tools": [asked]}, {"text": "Done."})
    run = start(place, "claude", prompt=prompt, params={"ask_permissions": True})
    wait_for(run, "permission_requested")
    given = bash("touch b.txt")["input"]
    told = play(modules, ANSWER, host=place.url, run=run.run_id, input=given)
    want = {"first": "Bash", "decided": True, "again": False, "answered": True, "open": []}
    assert told == want
    assert (run.files / "b.txt").exists()
    assert events(run, "responses_collected")[0]["answers"] == {"Which database?": "Postgres"}


POLL = """
import { poll } from "./poll.mjs";
const seen = [];
for await (const item of poll(given.run, { after: given.after, wait: 5 })) seen.push(item);
done(seen);
"""


def test_long_polling(place: Place, modules: Path, tmp_path: Path) -> None:
    prompt = script({"tools": [wait_tool(tmp_path / "go")]}, {"text": "Done."})
    run = start(place, "claude", prompt=prompt, params={"allowed_tools": ["Bash"]})
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


@pytest.mark.parametrize(
    ("host", "status"), [("localhost:5173", 409), ("127.0.0.1:8700", 403)], ids=["kept", "changed"]
)
def test_the_proxy_must_keep_the_host(
    place: Place, recorded: Workspace, host: str, status: int
) -> None:
    """409 is the answer of a finished run: the door let the call in."""
    headers = {"Host": host, "Origin": "http://localhost:5173"}
    url = f"/workflows/{recorded.run_id}/messages"
    answer = place.client.post(url, json={"message": "hi"}, headers=headers)
    assert answer.status_code == status


def test_vite_settings(modules: Path) -> None:
    told = play(
        modules, 'import settings from "./vite.config.mjs";\ndone(settings.server.proxy);', host=""
    )
    assert told == {"/api/v1": {"target": "http://127.0.0.1:8700", "changeOrigin": False}}


@contextmanager
def nginx(config: str, folder: Path) -> Iterator[None]:
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{config}}}\n"
    )
    with spawned("nginx", "-c", str(path), "-e", f"{folder}/error.log", "-p", str(folder)) as process:
        yield
        process.terminate()
        process.wait(timeout=10)


def test_nginx_settings(place: Place, recorded: Workspace, tmp_path: Path) -> None:
    """As on the page, but for the port, the certificate and the relay's address."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    port = _free_port()
    config = sample(PAGE, "nginx").code
    kept = [line for line in config.splitlines() if "ssl_" not in line and "http2" not in line]
    config = "\n".join(kept).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    arguments = ("relay", "--allow-host", "app.example.com")
    with listening(*arguments, root=place.root, environment=place.environment) as (url, _):
        config = config.replace("http://127.0.0.1:8700", url)
        with nginx(config, tmp_path):
            client = httpx.Client(
                base_url=f"http://127.0.0.1:{port}/api/v1",
                headers={"Host": "app.example.com"},
                trust_env=False,
            )
            wait_until(lambda: _answers(client), "nginx")
            stream = client.get(f"/workflows/{recorded.run_id}/stream")
            data = [line[6:] for line in stream.text.split("\n") if line.startswith("data: {")]
            assert "\n".join(data[:-1]) + "\n" == recorded.stream.read_text()
            headers = {"Origin": "http://app.example.com"}
            body = {"workflow": "command", "params": {"argv": ["cat"], "input": "stdin"}}
            run_id = client.post("/workflows", json=body, headers=headers).json()["run_id"]
            # Not buffered: a line of a living run comes through while the stream is open.
            with client.stream("GET", f"/workflows/{run_id}/stream") as live:
                lines = live.iter_lines()
                assert any("workflow_started" in line for line in lines)
                client.post(f"/workflows/{run_id}/stop", headers=headers).raise_for_status()
                assert any("workflow_stopped" in line for line in lines)
            client.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/workflows").status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
