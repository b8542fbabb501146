"""docs/proxies.md: its blocks in the real servers, as they stand but for port, certificate and name of the host."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from relay.http.sessions import new_link
from runlog import list_runs, open_workspace, post
from tailcast import Client
from tests.docs.conftest import listening
from tests.docs.samples import REPOSITORY, sample
from tests.support import (
    DEADLINE_S,
    end_runs,
    free_port,
    records,
    spawned,
    wait_for_end,
    wait_until,
)
from tests.ui.support import BROWSER, DESKTOP, Site, Watch, chromium_context

pytestmark = [*BROWSER, pytest.mark.usefixtures("built_page")]

PAGE = "proxies.md"
TOKEN = "a-token-that-is-long-enough-for-anyone"
ECHO = "import json, sys\nfor line in sys.stdin: print(json.loads(line)['content'], flush=True)"


@pytest.fixture(scope="module")
def relay(built_page: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """As the page has it, but for one token. Its address without the root path, and its root."""
    root = tmp_path_factory.mktemp("proxied") / "workspaces"
    words = shlex.split(
        sample(PAGE, "serve").code.replace("--token-file tokens.json", f"--token {TOKEN}")
    )
    assert words[:2] == ["tailcast", "serve"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}
    command = [*words[1:], "--scripted-model", "--grace-s", "1"]
    with listening(*command, root=root, environment=environment) as (url, _):
        assert url.endswith("/tailcast")
        try:
            yield url.removesuffix("/tailcast"), root
        finally:
            for run in list_runs(root):
                if run.ended_at is None:
                    post(open_workspace(root, run.run_id), {"type": "stop"})
                    wait_for_end(open_workspace(root, run.run_id))
    end_runs(root)


@contextmanager
def nginx(relay_url: str, folder: Path) -> Iterator[int]:
    port = free_port()
    block = [line for line in sample(PAGE, "nginx").lines if "ssl_" not in line]
    config = "\n".join(block).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        # As people have it who compress whatever they can.
        "http { gzip on; gzip_types *; gzip_proxied any; access_log off;\n"
        f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"{config.replace('http://127.0.0.1:8700', relay_url)}}}\n"
    )
    command = ("nginx", "-c", str(path), "-e", f"{folder}/error.log", "-p", str(folder))
    with spawned(*command) as process:
        yield port
        process.terminate()
        process.wait(timeout=DEADLINE_S)


@contextmanager
def caddy(relay_url: str, folder: Path) -> Iterator[int]:
    port = free_port()
    block = sample(PAGE, "caddy").code.replace("app.example.com {", f"http://:{port} {{")
    path = folder / "Caddyfile"
    options = "{\n\tadmin off\n\tauto_https off\n}\n"
    path.write_text(options + block.replace("127.0.0.1:8700", relay_url.removeprefix("http://")))
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    command = ("caddy", "run", "--config", str(path), "--adapter", "caddyfile")
    with spawned(*command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield port
        process.terminate()
        process.wait(timeout=DEADLINE_S)


@dataclass
class Proxied:
    """What people see of it: all below `url`, which ends in `/tailcast`."""

    port: int
    root: Path
    http: httpx.Client

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/tailcast"

    def start_echo(self) -> str:
        """A run that says again what it is told. Through the proxy, with the way to it that `Location` tells."""
        body = {
            "workflow": "command",
            "params": {"argv": [sys.executable, "-c", ECHO], "input": "stdin"},
        }
        started = self.http.post(f"{self.url}/api/v1/workflows", json=body)
        assert started.status_code == 201, started.text
        location = started.headers["location"]
        assert location.startswith("/tailcast/api/v1/workflows/")
        assert location == started.json()["links"]["self"]
        state = self.http.get(self.origin + location).raise_for_status()
        return str(state.json()["run_id"])


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(
    relay: tuple[str, Path],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxied]:
    name = request.param.__name__
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    url, root = relay
    with (
        request.param(url, tmp_path_factory.mktemp(name)) as port,
        httpx.Client(
            headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=DEADLINE_S
        ) as http,
    ):
        proxied = Proxied(port, root, http)
        wait_until(lambda: _answers(proxied), name)
        yield proxied


def _answers(proxied: Proxied) -> bool:
    try:
        return proxied.http.get(f"{proxied.url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_stream_resume_poll_and_files(proxied: Proxied) -> None:
    run_id = proxied.start_echo()
    api = f"{proxied.url}/api/v1/workflows/{run_id}"
    with Client(proxied.url, token=TOKEN) as client:
        # Each line comes while the stream is open, though the proxy would like to compress it.
        heard = client.stream(run_id)
        assert next(heard).type == "workflow_started"
        client.send(run_id, json.dumps({"type": "said", "text": "one"}))
        said = next(event for event in heard if event.type == "said")
        assert said.data["text"] == "one"
        # A long poll is answered by what comes after it was asked; or else by what came in between.
        with ThreadPoolExecutor() as pool:
            asked = {"after": said.offset, "types": "later", "wait": 60}
            polled = pool.submit(proxied.http.get, f"{api}/events", params=asked)
            client.send(run_id, json.dumps({"type": "later", "text": "x" * 1_000_000}))
            assert polled.result().json()["events"][0]["event"]["type"] == "later"
        client.stop(run_id)
        assert [event.type for event in heard][-1] == "workflow_stopped"
    run = open_workspace(proxied.root, run_id)
    whole = proxied.http.get(f"{api}/stream").text
    data = [line[6:] for line in whole.split("\n") if line.startswith("data: {")][:-1]
    assert data == [record.line.decode() for record in records(run)]
    resumed = proxied.http.get(f"{api}/stream", headers={"last-event-id": str(said.offset)}).text
    assert whole.endswith(resumed.removeprefix("retry: 1000\n"))
    assert (
        proxied.http.get(f"{api}/stream", params={"after": run.stream.stat().st_size}).status_code
        == 204
    )
    (run.files / "made.bin").write_bytes(bytes(range(256)) * 1000)
    part = proxied.http.get(f"{api}/files/made.bin", headers={"range": "bytes=255-257"})
    assert (part.status_code, part.content) == (206, b"\xff\x00\x01")
    assert len(proxied.http.get(f"{api}/files/made.bin").content) == 256_000


def test_websocket(proxied: Proxied) -> None:
    run_id = proxied.start_echo()
    with connect(
        f"{proxied.url.replace('http', 'ws')}/api/v1/workflows/{run_id}/ws",
        origin=Origin(proxied.origin),
        subprotocols=[Subprotocol("tailcast"), Subprotocol(f"bearer.{TOKEN}")],
        proxy=None,
        open_timeout=DEADLINE_S,
    ) as socket:
        assert "workflow_started" in str(socket.recv(DEADLINE_S))
        socket.send(json.dumps({"type": "stop"}))
        answers = [str(socket.recv(DEADLINE_S)) for _ in range(2)]
        assert any('"posted"' in answer for answer in answers)
    wait_for_end(open_workspace(proxied.root, run_id))


def test_what_tells_paths(proxied: Proxied) -> None:
    """Whatever is followed from an answer stays below the root path."""
    served = proxied.http.get(f"{proxied.url}/openapi.json").json()
    assert served["servers"][0]["url"] == "/tailcast"
    assert 'href="/tailcast/openapi.json"' in proxied.http.get(f"{proxied.url}/docs").text
    told = proxied.http.get(f"{proxied.url}/", headers={"accept": "application/json"}).json()
    assert proxied.http.get(proxied.origin + told["api"] + "/workflows").status_code == 200
    problem = proxied.http.get(f"{proxied.url}/api/v1/workflows/nothing").json()
    assert problem["type"] == "/tailcast/docs#unknown-run"
    bare = proxied.http.get(f"{proxied.origin}/tailcast", headers={"accept": "text/html"})
    assert bare.is_redirect and bare.headers["location"].endswith("/tailcast/")


def test_wrong_tokens_are_counted_by_client(proxied: Proxied) -> None:
    """The proxy says who asks; what a client writes there himself does not count."""
    url = f"{proxied.url}/api/v1/workflows"
    wrong = {"authorization": "Bearer wrong-one"}
    statuses = [
        proxied.http.get(url, headers=wrong | {"x-forwarded-for": f"198.51.100.{n}"}).status_code
        for n in range(30)
    ]
    assert statuses[0] in (401, 429) and statuses[-1] == 429
    assert proxied.http.get(url).status_code == 200


def test_the_page(proxied: Proxied, browser: Browser) -> None:
    run_id = proxied.start_echo()
    site = Site(proxied.root, port=proxied.port)
    watch = Watch()
    with chromium_context(browser, site, watch, viewport=DESKTOP) as context:
        page = context.new_page()
        page.goto(f"{proxied.url}{new_link(proxied.root)}")
        expect(page).to_have_url(f"{proxied.url}/")
        (cookie,) = context.cookies()
        assert cookie["path"] == "/tailcast" and cookie["httpOnly"]
        page.locator(f'a[href="/tailcast/runs/{run_id}"]').first.click()
        expect(page).to_have_url(f"{proxied.url}/runs/{run_id}")
        page.get_by_role("tab", name="Trace").click()
        # Live, by the shared worker's stream.
        with Client(proxied.url, token=TOKEN) as client:
            client.send(run_id, json.dumps({"type": "log", "message": "seen through the proxy"}))
        expect(page.get_by_text("seen through the proxy").first).to_be_visible()
        page.reload()
        expect(page.get_by_text("seen through the proxy").first).to_be_visible()
        page.keyboard.press("?")
        page.get_by_role("link", name="/docs").click()
        expect(page).to_have_url(f"{proxied.url}/docs")
    assert watch.unexpected() == []
