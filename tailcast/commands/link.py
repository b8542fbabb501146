"""`link`: let a browser into a relay that has a token, once."""

from pathlib import Path
from typing import Annotated

import typer

from ..cli.errors import CommandError
from ..cli.options import DEFAULT_ROOT, AsJson, Root, none_in, parse_age
from ..cli.server_options import TOKEN_FILE_VARIABLE
from ..terminal.output import print_json, print_line

__all__ = ["link"]

_URL = "http://127.0.0.1:8700"  # of `serve` as it is


def link(
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Where people reach the relay")
    ] = _URL,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Of a token in the --token-file: with its name and scope, and for as long as it is there "
            "[default: yourself, who may do all]",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", envvar=TOKEN_FILE_VARIABLE, metavar="PATH", show_default=False
        ),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="AGE", help="When it works no more")
    ] = "15m",
    root: Root = DEFAULT_ROOT,
    as_json: AsJson = False,
) -> None:
    """Make a link that lets a browser into the relay of this root, once.

    Opening it sets a cookie. Needs no relay that runs, but the right to write the root.
    """
    from relay.http.sessions import new_link

    age = parse_age(expires, "--expires")
    if not root.is_dir():
        raise CommandError(none_in(root, "relay"), "Give the --root of the relay")
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--url {url} is no address", f"Write it as {_URL}")
    made = url.rstrip("/") + new_link(
        root, None if name is None else _digest(token_file, name), age
    )
    if as_json:
        print_json({"link": made})
    else:
        print_line(made)


def _digest(token_file: Path | None, name: str) -> str:
    from relay.http.settings import RelayError
    from relay.http.tokens import read_tokens

    if token_file is None:
        raise CommandError("--as needs the file that the name stands in", "Add --token-file PATH")
    try:
        found = [t.sha256 for t in read_tokens(token_file) if t.caller.name == name]
    except RelayError as error:
        raise CommandError(error.message, error.hint) from error
    if not found:
        raise CommandError(
            f"there is no token {name!r}", "`tailcast tokens ls` shows those there are"
        )
    return found[0]
