"""`config`: what `serve` would be told, and by whom."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import typer

from ..cli.option_groups import variable_of, with_option_groups
from ..cli.options import DEFAULT_ROOT, ROOT_VARIABLE, AsJson, Root, shown_path
from ..cli.server_options import RelayOptions, RunnerOptions
from ..cli.settings_file import SettingsFile
from ..terminal.output import print_json
from ..terminal.table import Column, colours, print_table, terminal_width
from ..terminal.text import one_line

__all__ = ["config"]


@with_option_groups
def config(
    context: typer.Context,
    relay: RelayOptions,
    runner: RunnerOptions,
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> int:
    """Show the settings of `serve`, and where each came from.

    An argument goes before a variable TAILCAST_NAME, that before tailcast.toml, and that before the default. With
    the arguments of `serve` it shows what they would come to.
    """
    rows = list(_settings(context, root, relay, runner))
    if as_json:
        told = {name: {"value": value, "from": source} for name, value, source in rows}
        print_json({"settings": told})
        return 0
    print_table(
        [
            Column("SETTING", [name for name, _, _ in rows]),
            Column("VALUE", [_shown(value) for _, value, _ in rows]),
            Column("FROM", [source for _, _, source in rows], last=True),
        ],
        colour=colours(),
        width=terminal_width(),
    )
    return 0


def _settings(
    context: typer.Context, root: Any, *options: RelayOptions | RunnerOptions
) -> Iterator[tuple[str, Any, str]]:
    """Name, value as JSON, and source."""
    yield "root", str(root), _source_of_root(context)
    for each in options:
        for field in dataclasses.fields(each):
            value = getattr(each, field.name)
            if field.name == "token" and value is not None:
                value = "***"
            yield field.name, _plain(value), _source(context, field.name)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    if source is None or source.name == "DEFAULT":
        return "default"
    if source.name == "DEFAULT_MAP":
        return _file(context)
    return variable_of(name) if source.name == "ENVIRONMENT" else "argument"


def _source_of_root(context: typer.Context) -> str:
    source = context.get_parameter_source("root")
    if source is not None and source.name == "COMMANDLINE":
        return "argument"
    above = context.find_root()
    source = above.get_parameter_source("root")
    if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT"):
        return "argument" if source.name == "COMMANDLINE" else ROOT_VARIABLE
    return "default" if above.params.get("root") is None else _file(context)


def _file(context: typer.Context) -> str:
    found = context.find_object(SettingsFile)
    return "" if found is None else shown_path(found.path)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    told = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return one_line(told)
