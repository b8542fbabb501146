"""`serve`, `relay`, `runner`: what stays up."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..cli.errors import CommandError
from ..cli.option_groups import with_option_groups
from ..cli.options import DEFAULT_ROOT, AsJson, Root, shown_path
from ..cli.server_options import TOKEN_VARIABLE, RelayOptions, RunnerOptions
from ..terminal.output import note, print_json, print_line
from ..terminal.text import clean, plural
from .retain import start_retention

__all__ = ["relay", "runner", "serve"]

_IDLE_LOOK_S = 0.5


@with_option_groups
def serve(
    relay: RelayOptions,
    runner: RunnerOptions,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the web page in the browser, once it is there")
    ] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Serve HTTP and start runs.

    Relay and runner together; the runs outlive both. Each option can be set as TAILCAST_NAME too, or in
    tailcast.toml: `tailcast config` shows what holds.
    """
    from runlog.disk.layout import make_root
    from runlog.groups.catalog import write_catalog
    from runner.attempt.catalog import describe_all

    from ..cli.runner_process import RunnerProcess

    # All that it needs to know stands in its arguments: it reads no file of its own.
    arguments = ["--root", str(root), "--config", os.devnull, "runner", "--until-stdin-closes"]
    arguments += runner.arguments()
    try:
        write_catalog(make_root(root), describe_all())  # so that the first request finds it
    except OSError as error:  # the runner tries again; what is there can be read meanwhile
        note(f"{shown_path(root)} can't be written: {error.strerror or error}")
    environment = {k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE}
    child = RunnerProcess(arguments, environment, note)
    try:
        return _serve(
            relay, root, as_json=as_json, on_started=child.start, open_browser=open_browser
        )
    finally:
        child.stop()


@with_option_groups
def relay(
    options: RelayOptions,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Serve HTTP alone.

    It lists, streams and takes messages; what it is asked to start waits for a runner on the same root.
    """
    from runlog.disk.layout import make_root

    make_root(root)
    return _serve(options, root, as_json=as_json)


@with_option_groups
def runner(
    options: RunnerOptions,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", hidden=True)] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start queued runs.

    Ended, it leaves its runs going; started again, it finds them.
    """
    from runner.supervise.supervisor import Supervisor

    age = options.retain_age()
    run_options = options.run_options()
    tell = _teller(as_json)
    limit = options.max_running
    supervisor = Supervisor(
        root,
        max_running=limit,
        max_waiting=options.max_waiting,
        warm=options.warm,
        options=run_options,
        tell=tell,
    )
    stop = threading.Event()
    ended_by: list[int] = []

    def end(number: int = 0, _: object = None) -> None:
        ended_by.append(number)
        stop.set()
        supervisor.wake()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_stdin, args=(end,), daemon=True).start()
    else:
        tell(f"runner at work in {shown_path(root)}, at most {plural(limit, 'run')} at once")
    if until_idle:
        threading.Thread(target=_wait_for_end_of_work, args=(root, end), daemon=True).start()
    if age is not None:
        start_retention(root, age, stop, tell)
    supervisor.work(stop)
    if not until_stdin_closes:
        tell(_left(root))
    return 130 if signal.SIGINT in ended_by else 0


def _serve(
    options: RelayOptions,
    root: Path,
    *,
    as_json: bool,
    on_started: Callable[[], None] | None = None,
    open_browser: bool = False,
) -> int:
    from relay.http.sessions import LINK_AGE, new_link
    from relay.http.settings import RelayError
    from relay.routes.static_page import NOT_BUILT, is_built
    from relay.server import serve as serve_relay

    settings = options.settings(root)

    def announce(url: str) -> None:
        page = url_to_open(url)
        link = None
        if settings.is_guarded and page is not None:
            link = page + new_link(settings.root)
        if as_json:
            told = {"url": url, "root": str(settings.root)}
            print_json(told if link is None else told | {"link": link})
        else:
            print_line(f"listening on {url}")
            if link is not None:
                print_line(f"open {link} (once, within {LINK_AGE.seconds // 60} minutes)")
            if not is_built(settings.page):
                note(NOT_BUILT)
        if open_browser and page is not None:
            _open_browser(page if link is None else page + new_link(settings.root))

    try:
        started = None if on_started is None else (lambda _: on_started())
        ended_by = serve_relay(settings, options.host, options.port, announce, started)
    except RelayError as error:
        raise CommandError(error.message, error.hint) from error
    if not as_json:
        note(_left(settings.root))
    return 130 if ended_by == signal.SIGINT else 0


def url_to_open(url: str) -> str | None:
    """What a browser on this machine opens of a relay; None: it can't."""
    for any_address, loopback in (("//0.0.0.0:", "//127.0.0.1:"), ("//[::]:", "//[::1]:")):
        url = url.replace(any_address, loopback)
    return url if url.startswith("http") else None


def _open_browser(url: str) -> None:
    import webbrowser

    # Some browsers stay until they are closed.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _teller(as_json: bool) -> Callable[[str], None]:
    if as_json:
        return lambda line: print_json({"told": line})
    return lambda line: print_line(clean(line))


def _left(root: Path) -> str:
    from runlog import RunIndex

    going = ("running", "waiting", "paused")
    rows = RunIndex(root).live()
    count = sum(row.status in going and row.workflow != "external" for row in rows)
    if not count:
        return "ended; nothing is running"
    return f"ended; {plural(count, 'run')} {'goes' if count == 1 else 'go'} on"


def _wait_for_end_of_stdin(end: Callable[[], None]) -> None:
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        end()


def _wait_for_end_of_work(root: Path, end: Callable[[], None]) -> None:
    from runlog import RunIndex, is_terminal

    index = RunIndex(root)
    while any(not is_terminal(row.status) and row.workflow != "external" for row in index.live()):
        time.sleep(_IDLE_LOOK_S)
    end()
