"""`tailcast.toml`: settings that stand in one place. Arguments go before them, and `TAILCAST_…` variables.

Its keys are the long options of `serve`, with `_` for `-`, and `root`; values are what TOML has for them:

    root = "workspaces"
    token_file = "tokens.json"
    allow_host = ["app.example.com"]
    max_running = 8
    limit = { wall_time_s = 3600 }
"""

import dataclasses
import difflib
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from .errors import CommandError
from .server_options import RelayOptions, RunnerOptions

__all__ = ["SETTINGS_FILE", "SettingsFile", "find_settings_file", "read_settings_file"]

SETTINGS_FILE = "tailcast.toml"

_OF_RELAY = tuple(field.name for field in dataclasses.fields(RelayOptions))
_OF_RUNNER = tuple(field.name for field in dataclasses.fields(RunnerOptions))
_TYPES = get_type_hints(RelayOptions) | get_type_hints(RunnerOptions)
_NAMES = ("root", *_OF_RELAY, *_OF_RUNNER)
# Written beside the file, as they are meant.
_PATHS = ("root", "token_file", "uds")
_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


@dataclasses.dataclass(frozen=True, slots=True)
class SettingsFile:
    """:param values: by the names of options."""

    path: Path
    values: Mapping[str, Any]

    @property
    def root(self) -> Path | None:
        return self.values.get("root")

    def by_command(self) -> dict[str, dict[str, Any]]:
        """What each command takes in place of its defaults."""
        relay = {name: self.values[name] for name in _OF_RELAY if name in self.values}
        runner = {name: self.values[name] for name in _OF_RUNNER if name in self.values}
        both = relay | runner
        return {"serve": both, "config": both, "relay": relay, "runner": runner}


def find_settings_file(given: Path | None) -> Path | None:
    """The one that is named, or that of the working directory."""
    if given is not None:
        return given
    usual = Path(SETTINGS_FILE)
    return usual if usual.is_file() else None


def read_settings_file(path: Path) -> SettingsFile:
    """:raises CommandError: it can't be read, or says what can't be."""
    try:
        mode = path.stat().st_mode
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f"Name another one with --config, or write {SETTINGS_FILE} in the working directory"
        raise CommandError(f"{path} can't be read: {error.strerror or error}", hint) from error
    except ValueError as error:
        raise CommandError(f"{path} is no TOML: {error}", "See https://toml.io") from error
    for name in told:
        if name not in _NAMES:
            near = difflib.get_close_matches(name.replace("-", "_"), _NAMES, 1)
            hint = f"Did you mean {near[0]}?" if near else "`tailcast config` shows all there are"
            raise CommandError(f"{path}: there is no setting {name!r}", hint)
    if "token" in told and mode & _OTHERS_MAY_READ:
        raise CommandError(
            f"{path} has the token, and others may read it",
            f"chmod 600 {path}; or set a token_file, which has hashes only",
        )
    return SettingsFile(path, {name: _value(path, name, told[name]) for name in told})


def _value(path: Path, name: str, value: Any) -> Any:
    if name in _PATHS and isinstance(value, str):
        return (path.resolve().parent / value).resolve()
    if name == "limit" and isinstance(value, dict):
        return [f"{limit}={amount}" for limit, amount in value.items()]
    wanted = _TYPES.get(name, Path)
    if wanted == list[str] | None:
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        needed = "a list of texts"
    elif wanted is bool:
        fits, needed = isinstance(value, bool), "true or false"
    elif wanted in (int, int | None, float):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        needed = "a number"
    else:
        fits, needed = isinstance(value, str), "a text"
    if not fits:
        raise CommandError(
            f"{path}: {name} must be {needed}", "`tailcast serve --help` says what for"
        )
    return value
