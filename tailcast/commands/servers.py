"""`serve`, `relay`, `runner`: what stays up."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from runlog.run.manifest import MAX_PARK_AFTER_S

from ..cli.errors import CommandError
from ..cli.options import (
    DEFAULT_ROOT,
    AsJson,
    Root,
    complete_limit,
    limits_of,
    parse_age,
    shown_path,
)
from ..terminal.output import note, print_json, print_line
from ..terminal.text import clean, plural
from .retain import start_retention

if TYPE_CHECKING:
    from relay.http.settings import RelaySettings, Watch

__all__ = ["TOKEN_FILE_VARIABLE", "relay", "runner", "serve"]

TOKEN_VARIABLE = "TAILCAST_TOKEN"
TOKEN_FILE_VARIABLE = "TAILCAST_TOKEN_FILE"
_IDLE_LOOK_S = 0.5

_Host = Annotated[str, typer.Option("--host", help="Beyond this machine only with a token")]
_Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free one")]
_Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        metavar="TEXT",
        show_default=False,
        help="What callers must send as `Authorization: Bearer …`; `auto`: come in by links alone",
    ),
]
_TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar=TOKEN_FILE_VARIABLE,
        metavar="PATH",
        show_default=False,
        help="Several tokens, with names and scopes: see `tailcast tokens`",
    ),
]
_TrustProxy = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-proxy",
        metavar="ADDRESS",
        help="A proxy that lets only the right ones through: an address, a network, or `unix`; repeat it",
    ),
]
_TrustUserHeader = Annotated[
    str | None,
    typer.Option(
        "--trust-user-header",
        metavar="NAME",
        help="In which that proxy names the user, e.g. X-Forwarded-User",
    ),
]
_UserScope = Annotated[
    Literal["read", "talk", "start", "admin"],
    typer.Option("--user-scope", help="What users may do whom that proxy names"),
]
_Uds = Annotated[
    Path | None,
    typer.Option("--uds", metavar="PATH", help="Listen on a Unix socket, and on no address"),
]
_AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="A Host name to answer to, as behind a proxy; repeat it",
    ),
]
_Watch = Annotated[
    Literal["watchfiles", "inotify"],
    typer.Option(
        "--watch",
        help="What tells the relay of new lines: `watchfiles` in a thread, or `inotify` in its loop (quicker, "
        "and silent while nothing happens)",
    ),
]
_PerPeer = Annotated[
    int | None,
    typer.Option(
        "--max-connections-per-peer",
        min=1,
        metavar="N",
        show_default="1024",
        help="Of one address that is not this machine's; a proxy needs more",
    ),
]
_Dialects = Annotated[
    bool,
    typer.Option("--dialects/--no-dialects", help="Serve front ends of other protocols too"),
]
_MaxRunning = Annotated[
    int, typer.Option("--max-running", min=1, metavar="N", help="At most N runs at once")
]
_MaxWaiting = Annotated[
    int,
    typer.Option(
        "--max-waiting",
        min=0,
        metavar="N",
        help="At most N more that wait for a person, until they are parked",
    ),
]
_ParkAfter = Annotated[
    float,
    typer.Option(
        "--park-after-s",
        min=0,
        max=MAX_PARK_AFTER_S,
        metavar="SECONDS",
        help="So long a run rests with its process, then without one until something comes; 0: for ever",
    ),
]
_Grace = Annotated[
    float,
    typer.Option(
        "--grace-s", min=0, metavar="SECONDS", help="From SIGTERM to SIGKILL, when a run is stopped"
    ),
]
_Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="Of every run, which may have lower ones only, e.g. wall_time_s=3600; repeat it",
        autocompletion=complete_limit,
    ),
]
_Scripted = Annotated[
    bool,
    typer.Option(
        "--scripted-model", help="Every Claude call goes to a stand-in: no key, no network"
    ),
]
_PassEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--pass-env", metavar="NAME", help="A variable that agents get beside the usual; repeat it"
    ),
]
_Retain = Annotated[
    str | None,
    typer.Option(
        "--retain",
        metavar="AGE",
        help="Remove runs that ended longer ago, e.g. 30d or 12h [default: never]",
        show_default=False,
    ),
]


def serve(
    host: _Host = "127.0.0.1",
    port: _Port = 8700,
    uds: _Uds = None,
    token: _Token = None,
    token_file: _TokenFile = None,
    trust_proxy: _TrustProxy = None,
    trust_user_header: _TrustUserHeader = None,
    user_scope: _UserScope = "start",
    allow_host: _AllowHost = None,
    max_connections_per_peer: _PerPeer = None,
    max_running: _MaxRunning = 4,
    max_waiting: _MaxWaiting = 16,
    park_after_s: _ParkAfter = 300.0,
    limit: _Limit = None,
    grace_s: _Grace = 5.0,
    scripted_model: _Scripted = False,
    pass_env: _PassEnv = None,
    retain: _Retain = None,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the web page in the browser, once it is there")
    ] = False,
    watch: _Watch = "watchfiles",
    dialects: _Dialects = True,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Serve HTTP and start runs.

    Relay and runner together; the runs outlive both.
    """
    from runlog.disk.layout import make_root
    from runlog.groups.catalog import write_catalog
    from runner.attempt.catalog import describe_all

    from ..cli.runner_process import RunnerProcess

    limits = limits_of(limit)
    if retain is not None:
        parse_age(retain, "--retain")
    try:
        write_catalog(make_root(root), describe_all())  # so that the first request finds it
    except OSError as error:  # the runner tries again; what is there can be read meanwhile
        note(f"{shown_path(root)} can't be written: {error.strerror or error}")
    arguments = ["--root", str(root), "runner", "--until-stdin-closes"]
    arguments += ["--max-running", str(max_running), "--grace-s", str(grace_s)]
    arguments += ["--max-waiting", str(max_waiting), "--park-after-s", str(park_after_s)]
    arguments += ["--scripted-model"] if scripted_model else []
    arguments += ["--retain", retain] if retain is not None else []
    for limit_name, value in limits.items():
        arguments += ["--limit", f"{limit_name}={value}"]
    for name in pass_env or []:
        arguments += ["--pass-env", name]
    environment = {k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE}
    settings = _settings(
        root,
        token,
        allow_host,
        watch,
        max_connections_per_peer,
        dialects=dialects,
        uds=uds,
        token_file=token_file,
        trusted_proxies=tuple(trust_proxy or ()),
        user_header=trust_user_header,
        user_scope=user_scope,
    )
    child = RunnerProcess(arguments, environment, note)
    try:
        return _serve(
            settings,
            host,
            port,
            as_json=as_json,
            on_started=child.start,
            open_browser=open_browser,
        )
    finally:
        child.stop()


def relay(
    host: _Host = "127.0.0.1",
    port: _Port = 8700,
    uds: _Uds = None,
    token: _Token = None,
    token_file: _TokenFile = None,
    trust_proxy: _TrustProxy = None,
    trust_user_header: _TrustUserHeader = None,
    user_scope: _UserScope = "start",
    allow_host: _AllowHost = None,
    watch: _Watch = "watchfiles",
    dialects: _Dialects = True,
    max_connections_per_peer: _PerPeer = None,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Serve HTTP alone.

    It lists, streams and takes messages; what it is asked to start waits for a runner on the same root.
    """
    from runlog.disk.layout import make_root

    make_root(root)
    settings = _settings(
        root,
        token,
        allow_host,
        watch,
        max_connections_per_peer,
        dialects=dialects,
        uds=uds,
        token_file=token_file,
        trusted_proxies=tuple(trust_proxy or ()),
        user_header=trust_user_header,
        user_scope=user_scope,
    )
    return _serve(settings, host, port, as_json=as_json)


def runner(
    max_running: _MaxRunning = 4,
    max_waiting: _MaxWaiting = 16,
    park_after_s: _ParkAfter = 300.0,
    limit: _Limit = None,
    grace_s: _Grace = 5.0,
    scripted_model: _Scripted = False,
    pass_env: _PassEnv = None,
    retain: _Retain = None,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", hidden=True)] = False,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Start queued runs.

    Ended, it leaves its runs going; started again, it finds them.
    """
    from runner.attempt.options import RunOptions
    from runner.supervise.supervisor import Supervisor

    age = parse_age(retain, "--retain") if retain is not None else None
    names = tuple(pass_env or ())
    options = RunOptions(grace_s, scripted_model, names, limits_of(limit), park_after_s)
    tell = _teller(as_json)
    supervisor = Supervisor(
        root, max_running=max_running, max_waiting=max_waiting, options=options, tell=tell
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
        tell(f"runner at work in {shown_path(root)}, at most {plural(max_running, 'run')} at once")
    if until_idle:
        threading.Thread(target=_wait_for_end_of_work, args=(root, end), daemon=True).start()
    if age is not None:
        start_retention(root, age, stop, tell)
    supervisor.work(stop)
    if not until_stdin_closes:
        tell(_left(root))
    return 130 if signal.SIGINT in ended_by else 0


def _settings(
    root: Path,
    token: str | None,
    allowed: list[str] | None,
    watch: "Watch",
    per_peer: int | None,
    **doors: Any,
) -> "RelaySettings":
    from relay.http.settings import LOOPBACK_HOSTS, ConnectionLimits, RelaySettings

    names = frozenset(name.lower() for name in allowed or ())
    usual = ConnectionLimits()
    return RelaySettings(
        root=root,
        token=None if token == "auto" else token,
        links_only=token == "auto",
        allowed_hosts=LOOPBACK_HOSTS | names,
        watch=watch,
        limits=replace(usual, connections_per_peer=per_peer or usual.connections_per_peer),
        **doors,
    )


def _serve(
    settings: "RelaySettings",
    host: str,
    port: int,
    *,
    as_json: bool,
    on_started: Callable[[], None] | None = None,
    open_browser: bool = False,
) -> int:
    from relay.http.sessions import LINK_AGE, new_link
    from relay.http.settings import RelayError
    from relay.routes.static_page import NOT_BUILT, is_built
    from relay.server import serve as serve_relay

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
        ended_by = serve_relay(settings, host, port, announce, started)
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
