"""`tokens add|ls|rm`: who may come into a relay with `--token-file`, and with how much."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from ..cli.errors import CommandError
from ..cli.help import Group
from ..cli.options import AsJson, complete_deployment, parse_age
from ..cli.server_options import TOKEN_FILE_VARIABLE
from ..terminal.output import note, print_json, print_line
from ..terminal.table import Column, colours, print_table, terminal_width
from ..terminal.text import clean

__all__ = ["app"]

app = typer.Typer(
    name="tokens",
    help="Who may come in with `serve --token-file`: each with a name and a scope. The relay sees changes at once.",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_File = Annotated[
    Path,
    typer.Option(
        "--token-file",
        envvar=TOKEN_FILE_VARIABLE,
        metavar="PATH",
        show_default=False,
        help="Holds hashes, no tokens",
    ),
]
T = TypeVar("T")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Stands in what its holder says")]


@app.command("add")
def add(
    name: _Name,
    token_file: _File,
    scope: Annotated[
        Literal["read", "talk", "start", "admin"],
        typer.Option(
            "--scope",
            help="`read`: look and stream; `talk`: say and answer too; `start`: start runs too; `admin`: all",
        ),
    ] = "read",
    deployment: Annotated[
        list[str] | None,
        typer.Option(
            "--deployment",
            "-d",
            metavar="NAME",
            help="Only this one may be started, and only its runs talked to; repeat it",
            autocompletion=complete_deployment,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="AGE", help="e.g. 90d [default: never]", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it: it is shown this once, and kept nowhere."""
    from relay.http.callers import Caller
    from relay.http.tokens import NAME, Token, add_token, digest_of, new_secret

    if NAME.fullmatch(name) is None:
        raise CommandError("that name can't be shown", "Give 1 to 128 characters that can be seen")
    if deployment and scope == "admin":
        raise CommandError("`admin` is not bound to deployments", "Give --scope start")
    expires_at = None
    if expires is not None:
        expires_at = datetime.now(UTC).replace(microsecond=0) + parse_age(expires, "--expires")
    secret = new_secret()
    allowed = frozenset(deployment) if deployment else None
    token = Token(digest_of(secret.encode()), Caller(name, scope, allowed), expires_at)
    _told(lambda: add_token(token_file, token))
    if as_json:
        print_json({"name": name, "scope": scope, "token": secret})
    else:
        note(f"The token of {clean(name)}; it is shown this once:")
        print_line(secret)


@app.command("ls")
def ls(token_file: _File, as_json: AsJson = False) -> None:
    """List the tokens, without what opens."""
    from relay.http.tokens import read_tokens

    tokens = _told(lambda: read_tokens(token_file))
    if as_json:
        for token in tokens:
            print_json({k: v for k, v in token.as_json().items() if k != "sha256"})
    elif tokens:
        now = datetime.now(UTC)
        ends = [t.expires_at for t in tokens]
        bounds = [t.caller.deployments for t in tokens]
        columns = [
            Column("NAME", [str(t.caller.name) for t in tokens]),
            Column("SCOPE", [t.caller.scope for t in tokens]),
            Column(
                "EXPIRES",
                [
                    "" if e is None else "expired" if e <= now else f"{e:%Y-%m-%d %H:%M}"
                    for e in ends
                ],
            ),
            Column(
                "DEPLOYMENTS",
                ["" if b is None else ", ".join(sorted(b)) for b in bounds],
                last=True,
            ),
        ]
        print_table(columns, colour=colours(), width=terminal_width())
    else:
        note("No tokens. Make one: tailcast tokens add NAME --token-file PATH")


@app.command("rm")
def rm(name: _Name, token_file: _File, as_json: AsJson = False) -> None:
    """Take a token out: it opens nothing any more, nor do the links and cookies that it gave."""
    from relay.http.tokens import remove_token

    _told(lambda: remove_token(token_file, name))
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        print_line(f"removed {clean(name)}")


def _told(call: Callable[[], T]) -> T:
    from relay.http.settings import RelayError

    try:
        return call()
    except RelayError as error:
        raise CommandError(error.message, error.hint) from error
