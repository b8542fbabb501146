"""The tokens that a relay knows, kept as hashes: the one of `--token`, and those of a file that may change.

The file is JSON: `{"tokens": [{"name", "scope", "sha256", "expires_at", "deployments"}]}`. A plain SHA-256 will do,
since a token that is made here has 256 random bits: there is no list of likely ones to go through.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runlog.disk.durable import folder_locked, replace_file
from runlog.disk.read import is_of_file

from .callers import SCOPES, Caller
from .settings import RelayError

__all__ = [
    "NAME",
    "Token",
    "TokenFile",
    "add_token",
    "digest_of",
    "new_secret",
    "read_tokens",
    "remove_token",
]

NAME = re.compile(r"[^\x00-\x20\x7f-\xa0](?:[^\x00-\x1f\x7f-\x9f]{0,126}[^\x00-\x20\x7f-\xa0])?")
"""Of a token or a person: 1 to 128 characters that can be seen, spaces within."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"name", "scope", "sha256", "expires_at", "deployments"})


@dataclass(frozen=True, slots=True)
class Token:
    """:param sha256: of the token, in hexadecimal.
    :param expires_at: from then on it opens nothing; None: it does not expire.
    """

    sha256: str
    caller: Caller
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    def as_json(self) -> dict[str, Any]:
        names = self.caller.deployments
        return {
            "name": self.caller.name,
            "scope": self.caller.scope,
            "sha256": self.sha256,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "deployments": None if names is None else sorted(names),
        }


def new_secret() -> str:
    """A token that nobody can guess."""
    return "tc_" + secrets.token_urlsafe(32)


def digest_of(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


class TokenFile:
    """What a token file says now: looked at again when it has changed. Waits for the disk."""

    def __init__(self, path: Path) -> None:
        """:raises RelayError: it can't be used."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int, int] | None = self._look()
        self._tokens = read_tokens(path)

    def find(self, sha256: str) -> Token | None:
        """The token of this hash, also if it has expired.

        A file that can't be read now, or is wrong, opens nothing: who took someone out of it relies on that.
        """
        with self._lock:
            try:
                stamp = self._look()
                if stamp != self._stamp:
                    self._stamp = None
                    self._tokens = read_tokens(self._path)
                    self._stamp = stamp
            except (OSError, RelayError) as error:
                cause = error if isinstance(error, OSError) else error.__cause__
                if isinstance(cause, OSError) and not is_of_file(cause):
                    raise cause from None  # the token may be a good one
                return None
        # Over all of them, so that the time says nothing of which one it is.
        found = [t for t in self._tokens if hmac.compare_digest(t.sha256, sha256)]
        return found[0] if found else None

    def _look(self) -> tuple[int, int, int, int]:
        try:
            told = os.stat(self._path)
        except FileNotFoundError:
            return (0, 0, 0, 0)
        return (told.st_ino, told.st_size, told.st_mtime_ns, told.st_mode)


def read_tokens(path: Path) -> list[Token]:
    """:raises RelayError: it is not there, or says something else."""
    hint = f"Make it with `tailcast tokens add NAME --token-file {path}`"
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise RelayError(f"the token file {path} can't be read: {error.strerror}", hint) from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RelayError(
            f"the token file {path} can be changed by other users", f"Run `chmod 600 {path}`"
        )
    try:
        told = json.loads(content)
        listed = told["tokens"]
        if not isinstance(listed, list):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RelayError(f'the token file {path} is not JSON with a list "tokens"', hint) from None
    tokens = [_token_of(entry, f"{path}: token {n}") for n, entry in enumerate(listed, 1)]
    for what, found in (
        ("names", [t.caller.name for t in tokens]),
        ("hashes", [t.sha256 for t in tokens]),
    ):
        if len(set(found)) != len(found):
            raise RelayError(
                f"the token file {path} has two tokens of equal {what}", "Remove one of them"
            )
    return tokens


def add_token(path: Path, token: Token) -> None:
    """Add it to the file, which is made if it is not there. :raises RelayError: the name is taken."""
    with folder_locked(path.absolute().parent):
        tokens = read_tokens(path) if path.exists() else []
        if any(t.caller.name == token.caller.name for t in tokens):
            raise RelayError(
                f"there is a token {token.caller.name!r} already",
                "Choose another name, or take that one out: `tailcast tokens rm NAME`",
            )
        _write(path, [*tokens, token])


def remove_token(path: Path, name: str) -> None:
    """:raises RelayError: there is none of that name."""
    with folder_locked(path.absolute().parent):
        tokens = read_tokens(path)
        left = [t for t in tokens if t.caller.name != name]
        if len(left) == len(tokens):
            raise RelayError(
                f"there is no token {name!r}", "`tailcast tokens ls` shows those there are"
            )
        _write(path, left)


def _write(path: Path, tokens: list[Token]) -> None:
    told = {"tokens": [token.as_json() for token in tokens]}
    replace_file(path.absolute(), json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")


def _token_of(entry: object, where: str) -> Token:
    if not isinstance(entry, dict):
        raise RelayError(f"{where} is no object", "Write `name`, `scope` and `sha256`")
    if unknown := sorted(set(entry) - _FIELDS):
        raise RelayError(
            f"{where} has a field {unknown[0]!r}", f"There are {', '.join(sorted(_FIELDS))}"
        )
    name, sha256, scope = entry.get("name"), entry.get("sha256"), entry.get("scope")
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise RelayError(f"{where} has no usable `name`", "1 to 128 characters that can be seen")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise RelayError(f"{where} has no usable `sha256`", "64 hexadecimal digits, lower case")
    if scope not in SCOPES:
        raise RelayError(f"{where} has no usable `scope`", f"One of {', '.join(SCOPES)}")
    names = entry.get("deployments")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(each, str) for each in names)
    ):
        raise RelayError(f"{where} has no usable `deployments`", "A list of names, or null")
    if names is not None and scope == "admin":
        raise RelayError(
            f"{where}: `admin` is not bound to deployments", "Give it the scope `start`"
        )
    allowed = None if names is None else frozenset(names)
    return Token(sha256, Caller(name, scope, allowed), _moment_of(entry.get("expires_at"), where))


def _moment_of(told: object, where: str) -> datetime | None:
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(told)  # type: ignore[arg-type] # a TypeError says the same
    except (TypeError, ValueError):
        raise RelayError(
            f"{where} has no usable `expires_at`", "Write a time as 2027-01-31T12:00:00Z, or null"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
