"""The options of what stays up: of the relay and of the runner, each told once for all commands that have them."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from runlog.groups.deployments import MAX_WARM
from runlog.run.manifest import MAX_PARK_AFTER_S
from runlog.sessions.place import config_folder

from .options import complete_limit, limits_of, parse_age

if TYPE_CHECKING:
    from relay.http.settings import RelaySettings
    from runner.attempt.options import RunOptions

__all__ = ["TOKEN_FILE_VARIABLE", "TOKEN_VARIABLE", "RelayOptions", "RunnerOptions"]

TOKEN_VARIABLE = "TAILCAST_TOKEN"
TOKEN_FILE_VARIABLE = "TAILCAST_TOKEN_FILE"


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """Of `serve` and `relay`."""

    host: Annotated[str, typer.Option("--host", help="Beyond this machine only with a token")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free one")] = 8700
    uds: Annotated[
        Path | None,
        typer.Option("--uds", metavar="PATH", help="Listen on a Unix socket, and on no address"),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar=TOKEN_VARIABLE,
            metavar="TEXT",
            show_default=False,
            help="What callers must send as `Authorization: Bearer …`; `auto`: come in by links alone",
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar=TOKEN_FILE_VARIABLE,
            metavar="PATH",
            show_default=False,
            help="Several tokens, with names and scopes: see `tailcast tokens`",
        ),
    ] = None
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-proxy",
            metavar="ADDRESS",
            help="A proxy that lets only the right ones through: an address, a network, or `unix`; repeat it",
        ),
    ] = None
    trust_user_header: Annotated[
        str | None,
        typer.Option(
            "--trust-user-header",
            metavar="NAME",
            help="In which that proxy names the user, e.g. X-Forwarded-User",
        ),
    ] = None
    user_scope: Annotated[
        Literal["read", "talk", "start", "admin"],
        typer.Option("--user-scope", help="What users may do whom that proxy names"),
    ] = "start"
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A Host name to answer to, as behind a proxy; repeat it",
        ),
    ] = None
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="Pages of this origin may call, e.g. https://app.example; repeat it",
        ),
    ] = None
    root_path: Annotated[
        str,
        typer.Option(
            "--root-path",
            metavar="PATH",
            show_default=False,
            help="Below which a proxy serves it, e.g. /tailcast",
        ),
    ] = ""
    proxy_headers: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy-headers",
            metavar="ADDRESS",
            help="A proxy whose X-Forwarded-For and -Proto say who asks, and how; it lets nobody in; repeat it",
        ),
    ] = None
    max_connections_per_peer: Annotated[
        int | None,
        typer.Option(
            "--max-connections-per-peer",
            min=1,
            metavar="N",
            show_default="1024",
            help="Of one address that is not this machine's; a proxy needs more",
        ),
    ] = None
    watch: Annotated[
        Literal["watchfiles", "inotify"],
        typer.Option(
            "--watch",
            help="What tells the relay of new lines: `watchfiles` in a thread, or `inotify` in its loop (quicker, "
            "and silent while nothing happens)",
        ),
    ] = "watchfiles"
    dialects: Annotated[
        bool,
        typer.Option("--dialects/--no-dialects", help="Serve front ends of other protocols too"),
    ] = True
    dialect_start: Annotated[
        list[str] | None,
        typer.Option(
            "--dialect-start",
            metavar="DIALECT=NAME",
            help="The workflow or deployment that a dialect starts: of `trace` (monty), `trace-chat` (chat), `tasks` "
            "(research), `reasons` (design); repeat it",
        ),
    ] = None
    allow_import: Annotated[
        bool,
        typer.Option(
            "--allow-import",
            help="Let callers of scope admin make runs of the Claude Code sessions of this user",
        ),
    ] = False

    def settings(self, root: Path) -> "RelaySettings":
        from relay.http.settings import LOOPBACK_HOSTS, ConnectionLimits, RelaySettings

        usual = ConnectionLimits()
        per_peer = self.max_connections_per_peer or usual.connections_per_peer
        return RelaySettings(
            root=root,
            token=None if self.token == "auto" else self.token,
            links_only=self.token == "auto",
            token_file=self.token_file,
            user_header=self.trust_user_header,
            user_scope=self.user_scope,
            uds=self.uds,
            trusted_proxies=tuple(self.trust_proxy or ()),
            allowed_hosts=LOOPBACK_HOSTS | {name.lower() for name in self.allow_host or ()},
            allowed_origins=tuple(self.allow_origin or ()),
            root_path=self.root_path,
            forwarding_proxies=tuple(self.proxy_headers or ()),
            watch=self.watch,
            dialects=self.dialects,
            dialect_starts=tuple(self.dialect_start or ()),
            claude_folder=config_folder(os.environ) if self.allow_import else None,
            limits=replace(usual, connections_per_peer=per_peer),
        )


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """Of `serve` and `runner`."""

    max_running: Annotated[
        int, typer.Option("--max-running", min=1, metavar="N", help="At most N runs at once")
    ] = 4
    max_waiting: Annotated[
        int,
        typer.Option(
            "--max-waiting",
            min=0,
            metavar="N",
            help="At most N more that wait for a person, until they are parked",
        ),
    ] = 16
    park_after_s: Annotated[
        float,
        typer.Option(
            "--park-after-s",
            min=0,
            max=MAX_PARK_AFTER_S,
            metavar="SECONDS",
            help="So long a run rests with its process, then without one until something comes; 0: for ever",
        ),
    ] = 300.0
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="NAME=VALUE",
            help="Of every run, which may have lower ones only, e.g. wall_time_s=3600; repeat it",
            autocompletion=complete_limit,
        ),
    ] = None
    grace_s: Annotated[
        float,
        typer.Option(
            "--grace-s",
            min=0,
            metavar="SECONDS",
            help="From SIGTERM to SIGKILL, when a run is stopped",
        ),
    ] = 5.0
    scripted_model: Annotated[
        bool,
        typer.Option(
            "--scripted-model", help="Every Claude call goes to a stand-in: no key, no network"
        ),
    ] = False
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            "--pass-env",
            metavar="NAME",
            help="A variable that agents get beside the usual; repeat it",
        ),
    ] = None
    retain: Annotated[
        str | None,
        typer.Option(
            "--retain",
            metavar="AGE",
            help="Remove runs that ended longer ago, e.g. 30d or 12h [default: never]",
            show_default=False,
        ),
    ] = None
    warm: Annotated[
        int,
        typer.Option(
            "--warm",
            min=0,
            max=MAX_WARM,
            metavar="N",
            help="Agents that wait ready for what is started most often, some 200 MB each",
        ),
    ] = 0

    def retain_age(self) -> timedelta | None:
        """:raises CommandError: it is no age."""
        return None if self.retain is None else parse_age(self.retain, "--retain")

    def run_options(self) -> "RunOptions":
        """:raises CommandError: a limit is none."""
        from runner.attempt.options import RunOptions

        return RunOptions(
            self.grace_s,
            self.scripted_model,
            tuple(self.pass_env or ()),
            limits_of(self.limit),
            self.park_after_s,
        )

    def arguments(self) -> list[str]:
        """The same, for a `tailcast runner` of our own. :raises CommandError: one of them can't be."""
        self.retain_age()
        options = self.run_options()
        arguments = ["--max-running", str(self.max_running), "--grace-s", str(self.grace_s)]
        arguments += ["--max-waiting", str(self.max_waiting)]
        arguments += ["--park-after-s", str(self.park_after_s)]
        arguments += ["--scripted-model"] if self.scripted_model else []
        arguments += ["--retain", self.retain] if self.retain is not None else []
        for limit_name, value in options.limits.items():
            arguments += ["--limit", f"{limit_name}={value}"]
        arguments += ["--warm", str(self.warm)] if self.warm else []
        for name in options.pass_env:
            arguments += ["--pass-env", name]
        return arguments
