"""The web page in a real browser: what it weighs, how soon a long run can be used, how busy a live one keeps it.

The runs are the one of workspaces/example again and again, with ids of its own each time: messages that stream, tool
calls, results, as Claude's CLI writes them.
"""

import contextlib
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

from runlog import AppendFile

from ..bench import Bench, Figures
from ..browser import absence, chromium
from ..processes import BenchError
from ..rows import Row
from ..server import Server

__all__ = ["measure"]

_PROJECT = Path(__file__).parents[2]
_UI = _PROJECT / "relay" / "ui"
_EXAMPLE = _PROJECT / "workspaces" / "example" / "_stream.jsonl"
_WINDOW = {"width": 1280, "height": 800}
_PATIENCE_MS = 60_000
_LAST = b"the last word of this run"
_PER_S = 200
_FRAMES = 120

# Two frames after the thing is there, so that it is on the screen and the page answers again.
_WHEN_USABLE = """([selector, text, patience]) => new Promise((done, failed) => {
  setTimeout(() => failed(new Error(`no ${selector} with ${text}`)), patience);
  const there = () => [...document.querySelectorAll(selector)].some((e) => e.textContent.includes(text));
  const look = () => requestAnimationFrame(() => {
    if (there()) requestAnimationFrame(() => setTimeout(() => done(performance.now())));
    else look();
  });
  look();
})"""
_SCROLL = """([selector, frames]) => new Promise((done) => {
  const list = document.querySelector(selector);
  const end = list.scrollHeight, times = [];
  let before = performance.now();
  const step = (frame) => requestAnimationFrame((now) => {
    times.push(now - before);
    before = now;
    list.scrollTop = (end * frame) / frames;
    if (frame < frames) step(frame + 1);
    else done(times.slice(2).sort((a, b) => a - b));
  });
  step(1);
})"""


def measure(bench: Bench) -> list[Row]:
    if why := absence():
        bench.skipped["page"] = why
        return []
    _build()
    events = bench.pick(50_000, 20_000, 400)
    seconds = bench.pick(10.0, 5.0, 1.0)
    with bench.servers("tailcast") as servers, chromium() as browser:
        server = servers["tailcast"]
        server.add_run("long", b"".join(_recording(events)))
        opened = bench.interleave(
            "page, open", {"tailcast": lambda: _open(browser, server, events)}
        )
        live = bench.interleave(
            "page, live", {"tailcast": lambda: _live(bench, browser, server, seconds)}
        )
    long = f"open a run of {events:,} events"
    paced = f"{_PER_S} events/s live"
    return [
        Row("page", "first load, gzipped", "KB", opened["first load KB"], "less").at_most(250),
        Row("page", f"{long}: Chat can be used", "s", opened["chat s"], "less").at_most(2),
        Row("page", f"{long}: Trace can be used", "s", opened["trace s"], "less").at_most(2),
        Row("page", f"{long}: memory of scripts", "MB", opened["heap MB"], "less"),
        Row("page", "scroll its Trace: 95 of 100 frames within", "ms", opened["frame ms"], "less"),
        Row(
            "page", f"{paced}: Chat keeps the main thread busy", "%", live["chat %"], "less"
        ).at_most(50),
        Row(
            "page", f"{paced}: Trace keeps the main thread busy", "%", live["trace %"], "less"
        ).at_most(50),
    ]


def _build() -> None:
    done = subprocess.run(
        [sys.executable, str(_UI / "build.py")], capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise BenchError(done.stderr)


def _open(browser: Browser, server: Server, events: int) -> Figures:
    with _page(browser, server) as page:
        page.goto("/")
        page.get_by_role("button", name="New run").first.wait_for()
        page.wait_for_timeout(500)  # whatever it loads by itself after that
        weight = _weight(page)
    with _page(browser, server) as page:
        page.goto("/runs/long/chat", wait_until="commit")
        chat_ms = page.evaluate(_WHEN_USABLE, ["[role=log]", _LAST.decode(), _PATIENCE_MS])
    with _page(browser, server) as page:
        page.goto("/runs/long/trace", wait_until="commit")
        full = f"[role=grid][aria-rowcount='{events + 1}']"  # with its head
        trace_ms = page.evaluate(_WHEN_USABLE, [full, "", _PATIENCE_MS])
        heap = _meter(page)("JSHeapUsedSize")
        frames = page.evaluate(_SCROLL, ["[role=grid]", _FRAMES])
    return {
        "first load KB": weight / 1000,
        "chat s": chat_ms / 1000,
        "trace s": trace_ms / 1000,
        "heap MB": heap / 1e6,
        "frame ms": frames[int(len(frames) * 0.95)],
    }


def _weight(page: Page) -> int:
    """Bytes, gzipped, of all that was loaded. A shared worker's file is not in the page's own list."""
    names = page.evaluate(
        "() => performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname)"
    )
    assets = {Path(name).name for name in names if name.startswith("/assets/")}
    folder = _UI / "dist" / "assets"
    assets |= {path.name for path in folder.glob("worker*.js")}
    files = [_UI / "dist" / "index.html", *(folder / name for name in assets)]
    return sum(_gzipped(file).stat().st_size for file in files)


def _gzipped(file: Path) -> Path:
    compressed = file.with_name(f"{file.name}.gz")
    return compressed if compressed.exists() else file


def _live(bench: Bench, browser: Browser, server: Server, seconds: float) -> Figures:
    figures = {}
    for tab in ("chat", "trace"):
        run = bench.new_run()
        server.add_run(run, next(_recording(None)))
        with _page(browser, server) as page, _writing(server.root / run / "_stream.jsonl"):
            page.goto(f"/runs/{run}/{tab}")
            page.locator("[role=log] li, [role=grid] [role=gridcell]").nth(5).wait_for()
            read = _meter(page)
            before_s, began = read("TaskDuration"), time.monotonic()
            page.wait_for_timeout(seconds * 1000)
            busy_s, took_s = read("TaskDuration") - before_s, time.monotonic() - began
        figures[f"{tab} %"] = 100 * busy_s / took_s
    return figures


@contextlib.contextmanager
def _page(browser: Browser, server: Server) -> Iterator[Page]:
    """In a browser that was never here: nothing is in its cache."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{server.port}", viewport=_WINDOW)
    context.set_default_timeout(_PATIENCE_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


def _meter(page: Page) -> Callable[[str], float]:
    """Reads figures of the page's main thread: `TaskDuration` in s since now, `JSHeapUsedSize` in bytes, …"""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def read(name: str) -> float:
        told = session.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in told if metric["name"] == name))

    return read


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """`_PER_S` lines a second, one by one, until the end of the block."""
    ended = threading.Event()

    def write() -> None:
        file = AppendFile(path)
        due = time.monotonic()
        for line in itertools.islice(_recording(None), 1, None):
            file.append(line)
            due += 1 / _PER_S
            if ended.wait(max(0.0, due - time.monotonic())):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def _recording(count: int | None) -> Iterator[bytes]:
    """A run of `count` lines, the last one its end; or one without an end."""
    first, *middle, last = _EXAMPLE.read_bytes().splitlines(keepends=True)
    yield first
    again = (_numbered(line, number) for number in itertools.count() for line in middle)
    yield from again if count is None else itertools.islice(again, count - 3)
    yield b'{"type":"log","level":"info","message":"%b"}\n' % _LAST
    yield last


def _numbered(line: bytes, number: int) -> bytes:
    """Messages and calls that come again would be taken for the same."""
    for mark in (b"msg_", b"toolu_", b'"uuid":"'):
        line = line.replace(mark, b"%b%d-" % (mark, number))
    return line
