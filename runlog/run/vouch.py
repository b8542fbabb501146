"""Who vouches that an answer is a person's: the relay and the command line, by a mark on the line that they post.

Anyone may write into an inbox, an agent into its own too. The mark (`vouch`) is an HMAC-SHA256 of the line and its
run by the key of the root, `_key`, which whoever posts first makes. It is worth as much as that file is hidden from
agents: one that may read what its user may read can forge it.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from ..disk.durable import sync_folder
from ..disk.layout import Workspace
from ..disk.read import is_of_file
from ..disk.records import Event

__all__ = ["is_vouched", "vouched"]

_NAME = "_key"
_KEY_BYTES = 32


def vouched(workspace: Workspace, body: Event) -> Event:
    """A line of the inbox with its mark; without one if there is no key and none can be made."""
    key = _read_key(workspace.root) or _make_key(workspace.root)
    mark = _mark(key, workspace, body) if key else None
    return body if mark is None else body | {"vouch": mark}


def is_vouched(workspace: Workspace, body: Event) -> bool:
    """Whether a line has the mark that the relay or the command line gave it."""
    key, told = _read_key(workspace.root), body.get("vouch")
    if not key or not isinstance(told, str):
        return False
    mark = _mark(key, workspace, body)
    return mark is not None and hmac.compare_digest(mark.encode(), told.encode(errors="replace"))


def _mark(key: bytes, workspace: Workspace, body: Event) -> str | None:
    said = {name: value for name, value in body.items() if name != "vouch"}
    try:
        text = json.dumps([workspace.run_id, said], sort_keys=True)
    except (RecursionError, ValueError):
        return None  # nested too deep
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _read_key(root: Path) -> bytes | None:
    try:
        fd = os.open(root / _NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if not is_of_file(error):
            raise  # it is there, perhaps
        return None
    try:
        key = os.read(fd, _KEY_BYTES)
    except OSError:
        return None
    finally:
        os.close(fd)
    return key if len(key) == _KEY_BYTES else None


def _make_key(root: Path) -> bytes | None:
    temporary = root / f".key-{secrets.token_hex(4)}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(fd)
        with contextlib.suppress(FileExistsError):  # another was quicker: that one's counts
            os.link(temporary, root / _NAME)
        sync_folder(root)
    except OSError:
        pass  # it is read-only, or full
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return _read_key(root)
