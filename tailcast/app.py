"""The commands, grouped as the help shows them."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from .cli.help import Group
from .cli.options import GlobalJson, GlobalRoot
from .cli.settings_file import find_settings_file, read_settings_file
from .commands import (
    again,
    batch,
    batches,
    config,
    converse,
    demo,
    deployments,
    doctor,
    export,
    link,
    listing,
    prune,
    questions,
    run,
    schedules,
    servers,
    sessions,
    show,
    stop,
    tail,
    tokens,
    wait,
)
from .terminal.output import note

__all__ = ["app"]

app = typer.Typer(
    name="tailcast",
    help="Run agents as plain subprocesses, follow what they write, and talk back. Every run is a folder.",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# These talk to sockets, where a closed peer is an error like others. All else ends quietly when its reader does.
_SERVERS = frozenset({"demo", "doctor", "relay", "runner", "serve"})

_START, _LOOK, _TALK, _HOUSE = "Start", "Look", "Talk", "House"


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"tailcast {version('tailcast')}")
        raise typer.Exit


@app.callback()
def _global(
    context: typer.Context,
    root: GlobalRoot = None,
    as_json: GlobalJson = False,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="TAILCAST_CONFIG",
            metavar="FILE",
            help="Settings of `serve` and of the root [default: tailcast.toml, if it is there]",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    if context.invoked_subcommand not in _SERVERS:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    path = find_settings_file(settings_file)
    if path is not None:
        settings = read_settings_file(path)
        if settings_file is None and context.invoked_subcommand in ("serve", "relay"):
            note(f"settings of {path}")
        context.obj = settings
        context.default_map = settings.by_command()
        if root is None and settings.root is not None:
            context.params["root"] = settings.root


app.command("demo", rich_help_panel=_START)(demo.demo)
app.command("serve", rich_help_panel=_START)(servers.serve)
app.command("run", rich_help_panel=_START)(run.run)
app.command("again", rich_help_panel=_START)(again.again)
app.command("import", rich_help_panel=_START)(sessions.import_)
app.add_typer(batches.app, rich_help_panel=_START)
app.add_typer(deployments.app, rich_help_panel=_START)
app.add_typer(schedules.app, rich_help_panel=_START)
app.command("batch", rich_help_panel=_START)(batch.batch)
app.command("ls", rich_help_panel=_LOOK)(listing.ls)
app.command("sessions", rich_help_panel=_LOOK)(sessions.sessions)
app.command("export", rich_help_panel=_LOOK)(export.export)
app.command("show", rich_help_panel=_LOOK)(show.show)
app.command("tail", rich_help_panel=_LOOK)(tail.tail)
app.command("wait", rich_help_panel=_LOOK)(wait.wait)
app.command("replay", rich_help_panel=_LOOK)(tail.replay)
app.command("send", rich_help_panel=_TALK)(converse.send)
app.command("cancel", rich_help_panel=_TALK)(converse.cancel)
app.command("answer", rich_help_panel=_TALK)(questions.answer)
app.command("approve", rich_help_panel=_TALK)(questions.approve)
app.command("deny", rich_help_panel=_TALK)(questions.deny)
app.command("signal", rich_help_panel=_TALK)(converse.signal)
app.command("interrupt", rich_help_panel=_TALK)(converse.interrupt)
app.command("pause", rich_help_panel=_TALK)(converse.pause)
app.command("resume", rich_help_panel=_TALK)(converse.resume)
app.command("model", rich_help_panel=_TALK)(converse.model)
app.command("mode", rich_help_panel=_TALK)(converse.mode)
app.command("stop", rich_help_panel=_TALK)(stop.stop)
app.command("rm", rich_help_panel=_HOUSE)(listing.rm)
app.command("prune", rich_help_panel=_HOUSE)(prune.prune)
app.command("relay", rich_help_panel=_HOUSE)(servers.relay)
app.command("runner", rich_help_panel=_HOUSE)(servers.runner)
app.command("config", rich_help_panel=_HOUSE)(config.config)
app.command("link", rich_help_panel=_HOUSE)(link.link)
app.add_typer(tokens.app, rich_help_panel=_HOUSE)
app.command("doctor", rich_help_panel=_HOUSE)(doctor.doctor)
