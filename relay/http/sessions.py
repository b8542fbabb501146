"""Links that let a browser in once, and the sessions that they begin.

Both are files of the root, named by the hash of what opens them: `_links/<sha256>.json`, `_sessions/<sha256>.json`.
So a link can be made by whoever may write the root, whether a relay runs or not; a session outlives the relay, and
ends when its file is removed. All of it waits for the disk.
"""

import contextlib
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runlog import encode
from runlog.disk.durable import remove_file, replace_file
from runlog.disk.read import is_of_file, read_object

from .tokens import digest_of

__all__ = [
    "LINK_AGE",
    "SESSION_AGE",
    "Session",
    "begin_session",
    "find_session",
    "link_path",
    "new_link",
]

LINK_AGE = timedelta(minutes=15)
SESSION_AGE = timedelta(days=30)

_LINKS, _SESSIONS = "_links", "_sessions"


@dataclass(frozen=True, slots=True)
class Session:
    """:param token: the SHA-256 of the token that it stands for, and ends with. None stands for none in particular:
    it came by a link of the operator's own.
    """

    token: str | None
    expires_at: datetime

    def is_valid(self, now: datetime) -> bool:
        return now < self.expires_at


def new_link(root: Path, token: str | None = None, age: timedelta = LINK_AGE) -> str:
    """Make a link, and return what follows the relay's address: it works once.

    :param token: see `Session`.
    """
    code = secrets.token_urlsafe(24)
    _write(root / _LINKS, code, Session(token, datetime.now(UTC) + age))
    return link_path(code)


_MAX_BYTES = 64 * 1024


def link_path(code: str) -> str:
    return f"/login/{code}"


def begin_session(root: Path, code: str, own_token: str | None) -> tuple[str, Session] | None:
    """Use up a link.

    :return: what the browser's cookie holds, and its session. None: there is no such link (any more).
    :param own_token: the session of an operator's link ends with this one.
    """
    path = _path(root / _LINKS, code)
    link = _read(path)
    try:
        os.unlink(path)  # of two at once only one gets here
    except OSError:
        return None
    now = datetime.now(UTC)
    if link is None or not link.is_valid(now):
        return None
    session = Session(link.token or own_token, now + SESSION_AGE)
    secret = secrets.token_urlsafe(32)
    _write(root / _SESSIONS, secret, session)
    return secret, session


def find_session(root: Path, secret: str) -> Session | None:
    """None: there is none, or it is over."""
    session = _read(_path(root / _SESSIONS, secret))
    return session if session is not None and session.is_valid(datetime.now(UTC)) else None


def _path(folder: Path, secret: str) -> Path:
    return folder / f"{digest_of(secret.encode())}.json"


def _write(folder: Path, secret: str, entry: Session) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    _remove_expired(folder)
    told = {"token": entry.token, "expires_at": entry.expires_at.isoformat()}
    replace_file(_path(folder, secret), encode(told))


def _read(path: Path) -> Session | None:
    try:
        told = read_object(path, _MAX_BYTES)
        token, expires_at = told["token"], datetime.fromisoformat(told["expires_at"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and not is_of_file(error):
            raise
        return None
    if expires_at.tzinfo is None or not (token is None or isinstance(token, str)):
        return None
    return Session(token, expires_at)


def _remove_expired(folder: Path) -> None:
    now = datetime.now(UTC)
    for path in folder.glob("*.json"):
        entry = _read(path)
        if entry is None or not entry.is_valid(now):
            with contextlib.suppress(OSError):
                remove_file(path)
