"""A page of another origin, in a real browser: what it gets of a relay, with and without `--allow-origin`."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.relay.live import new_run, recorded
from tests.support import DEADLINE_S
from tests.ui.support import BROWSER, Site

pytestmark = BROWSER

READS = """async (url) => {
  const seen = {};
  const get = async (name, path, options) => {
    try {
      const answer = await fetch(url + path, options);
      seen[name] = [answer.status, (await answer.text()).length > 0];
    } catch { seen[name] = "blocked"; }
  };
  await get("list", "/api/v1/workflows");
  await get("stream", "/api/v1/workflows/RUN/stream?follow=false");
  await get("written", "/api/v1/workflows", { method: "POST", headers: { "Content-Type": "application/json",
    "Idempotency-Key": "k" }, body: JSON.stringify({ workflow: "command", params: { argv: ["true"] } }) });
  await get("simple", "/api/v1/workflows/RUN/stop", { method: "POST", mode: "no-cors" });
  seen.events = await new Promise((done) => {
    const source = new EventSource(url + "/api/v1/workflows/RUN/stream");
    source.onmessage = () => { source.close(); done("heard"); };
    source.onerror = () => { source.close(); done("blocked"); };
  });
  seen.socket = await new Promise((done) => {
    const socket = new WebSocket(url.replace("http", "ws") + "/api/v1/workflows/RUN/ws");
    socket.onmessage = () => { socket.close(); done("heard"); };
    socket.onerror = () => done("blocked");
  });
  const object = (run) => new Promise((done) => {
    const probe = document.createElement("object");
    probe.onload = () => done("loaded");
    probe.onerror = () => done("failed");
    probe.data = `${url}/api/v1/workflows/${run}`;
    document.body.append(probe);
  });
  seen.objects = [await object("RUN"), await object("nothing")];
  const window_ = window.open(`${url}/api/v1/workflows`);
  const isCutOff = (done) => window_.closed ? done(true) : setTimeout(isCutOff, 20, done);
  seen.window = window_ !== null && (await new Promise(isCutOff));
  return seen;
}"""


@contextmanager
def elsewhere() -> Iterator[str]:
    """A page on another port of this machine: another origin, and the same site. Its address."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(DEADLINE_S)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"], ids=["same site", "another site"])
@pytest.mark.parametrize("let_in", [False, True], ids=["shut", "let in"])
def test_a_page_of_another_origin(browser: Browser, site: Site, let_in: bool, name: str) -> None:
    with elsewhere() as origin:
        if let_in:
            site.close()
            site.words = ("--allow-origin", origin)
            site.start()
        run = new_run(site.root, "external")
        recorded(run)
        context = browser.new_context()
        page = context.new_page()
        page.goto(origin)
        url = site.url.replace("127.0.0.1", name)
        seen = page.evaluate(READS.replace("RUN", run.run_id), url)
        context.close()
    if let_in:
        assert seen["list"] == [200, True] and seen["stream"] == [200, True]
        assert seen["written"] == [201, True]
        assert (seen["events"], seen["socket"]) == ("heard", "heard")
    else:
        blocked = {"list", "stream", "written", "events", "socket"}
        assert {name for name in blocked if seen[name] != "blocked"} == set(), json.dumps(seen)
        assert len(site.get("/workflows")["runs"]) == 1
    first, second = seen["objects"]
    assert first == second  # whether there is such a run
    assert seen["window"] is True  # cut off from who opened it
    assert not run.inbox.exists() or let_in
