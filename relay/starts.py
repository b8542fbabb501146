"""Check what is asked against the catalog, and put the run on the disk: whole, once, or not at all.

Nothing here is HTTP but the `Problem`s. All of it waits for the disk: call it from a thread.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as ParamsError
from referencing import Registry

from runlog import (
    BadMessage,
    BadRunId,
    Event,
    RunExists,
    Workspace,
    check_run_id,
    create_run,
    decode,
    encode,
    new_run_id,
    now_iso,
    read_manifest,
)
from runlog.catalog import CatalogEntry, read_catalog
from runlog.inbox_lines import check_message
from runlog.manifest import sync_folder

from .models import StartRun
from .problems import Problem

__all__ = ["Catalog", "Started", "start_run"]

_KEYS = "_idempotency"
_KEY_LIFE_S = 24 * 3600.0
_MAX_ERRORS = 20
# With schemas of ours alone: a `$ref` to elsewhere fetches nothing.
_NOTHING_FETCHED: dict[str, Any] = {"registry": Registry()}


class Catalog:
    """What can be started, read again when the runner wrote it anew."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, CatalogEntry] = {}

    def entries(self) -> dict[str, CatalogEntry]:
        """By name. :raises Problem: 503, no runner has said what it can start."""
        try:
            stat = os.stat(self._root / "_catalog.json")
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if stamp == self._stamp:
                return self._entries
            found = read_catalog(self._root)
        except FileNotFoundError:
            found = None
        if found is None:
            raise Problem(
                503,
                "no-catalog",
                f"No runner has written a catalog into {self._root} yet, so nothing can be started. Start one with "
                "`tailcast runner`, or both with `tailcast serve`",
                headers={"retry-after": "2"},
            )
        entries = {entry.name: entry for entry in found}
        self._entries, self._stamp = entries, stamp
        return entries


@dataclass(frozen=True, slots=True)
class Started:
    """`repeated`: the run was there already, under the same idempotency key."""

    workspace: Workspace
    repeated: bool = False


def start_run(root: Path, catalog: Catalog, asked: StartRun, key: str | None) -> Started:
    """Put a queued run on the disk.

    :param key: an `Idempotency-Key`: the same key and request give the same run, however often they come.
    :raises Problem: the request can't be granted; nothing was created.
    :raises RunExists: the `run_id` is taken.
    """
    _check(catalog.entries(), asked)
    if key is None:
        return Started(_create(root, asked, asked.run_id))
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem(
            400, "bad-idempotency-key", "An Idempotency-Key is 1 to 255 printable ASCII characters"
        )
    return _create_once(root, asked, key)


def _check(entries: dict[str, CatalogEntry], asked: StartRun) -> None:
    entry = entries.get(asked.workflow)
    if entry is None:
        raise _invalid(
            "/workflow", f"There is no such workflow. Use one of: {', '.join(sorted(entries))}"
        )
    if asked.run_id is not None:
        try:
            check_run_id(asked.run_id)
        except BadRunId as error:
            raise _invalid("/run_id", str(error)) from None
    if asked.prompt is not None:
        if entry.prompt == "none":
            raise _invalid("/prompt", f"`{entry.name}` takes no prompt: leave it out")
        try:
            check_message({"type": "message", "content": asked.prompt})
        except BadMessage as error:
            raise _invalid("/prompt", str(error).replace("the message", "the prompt")) from None
    elif entry.prompt == "required" and not asked.interactive:
        raise _invalid("/prompt", f"`{entry.name}` needs a prompt: say what is to be done")
    if asked.interactive and not entry.interactive:
        raise _invalid("/interactive", f"`{entry.name}` can't be interactive: leave it out")
    validator = Draft202012Validator(entry.params, **_NOTHING_FETCHED)
    faults = sorted(
        validator.iter_errors(asked.params), key=lambda fault: list(map(str, fault.path))
    )
    if faults:
        errors = [_fault(fault) for fault in faults[:_MAX_ERRORS]]
        raise Problem(
            422,
            "bad-params",
            f"The params do not fit `{entry.name}`; GET /api/v1/catalog has their schema",
            errors=errors,
        )


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem(
        422, "invalid-request", detail, errors=[{"pointer": f"#{pointer}", "detail": detail}]
    )


def _fault(fault: ParamsError) -> dict[str, str]:
    # The message quotes the value, which may be all of 10 MiB.
    path = "".join(f"/{part}" for part in fault.absolute_path)
    return {"pointer": f"#/params{path}", "detail": fault.message[:500]}


def _create(root: Path, asked: StartRun, run_id: str | None) -> Workspace:
    return create_run(
        root,
        asked.workflow,
        prompt=asked.prompt,
        params=asked.params,
        interactive=asked.interactive,
        chat_history=asked.chat_history,
        run_id=run_id,
    )


def _create_once(root: Path, asked: StartRun, key: str) -> Started:
    """The key is noted, with the id its run will have, before the run is made: a relay that dies in between finds
    the note when the client asks again, and makes the run then."""
    canonical = json.dumps(asked.model_dump(), sort_keys=True).encode()
    asked_note = {
        "run_id": asked.run_id or new_run_id(asked.workflow),
        "body_sha256": hashlib.sha256(canonical).hexdigest(),
        "created_at": now_iso(),
        "made": False,
    }
    with _keys_locked(root) as folder:
        note_path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        note = _read_note(note_path)
        repeated = note is not None
        if note is None:
            _drop_old(folder)
            _write(note_path, asked_note)
            note = asked_note
        _check_note(note, asked_note)
        workspace = Workspace(root, check_run_id(str(note["run_id"])))
        if note["made"]:
            if not workspace.exists():
                raise Problem(
                    410,
                    "run-removed",
                    f"Run {workspace.run_id!r}, which this Idempotency-Key started, has been removed. Use a new key",
                )
            return Started(workspace, repeated=True)
        try:
            _create(root, asked, workspace.run_id)
        except RunExists:
            # With a note from before, it is the run that a relay had made just when it died; or someone else's,
            # who took the id since.
            if not (repeated and _is_of(asked, workspace)):
                note_path.unlink()
                raise
        except BaseException:
            # The fault may be of after the run was made (its folder could not be synced): then the note stays, and
            # the next call with this key finds the run.
            if not workspace.exists():
                note_path.unlink()
            raise
        _write(note_path, note | {"made": True})
    return Started(workspace, repeated)


@contextlib.contextmanager
def _keys_locked(root: Path) -> Iterator[Path]:
    """One start by key at a time, also of several relays: some ms each."""
    folder = root / _KEYS
    folder.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(fd)


def _is_of(asked: StartRun, workspace: Workspace) -> bool:
    """Whether the run is one that was started as `asked`."""
    made = read_manifest(workspace)
    return (made.workflow, made.prompt, made.params, made.interactive, made.chat_history) == (
        asked.workflow,
        asked.prompt,
        asked.params,
        asked.interactive,
        asked.chat_history or [],
    )


def _read_note(path: Path) -> Event | None:
    try:
        note = decode(path.read_bytes())
    except FileNotFoundError:
        return None
    return note if note and {"run_id", "body_sha256", "made"} <= note.keys() else None


def _check_note(note: Event, asked: Event) -> None:
    if note["body_sha256"] != asked["body_sha256"]:
        raise Problem(
            422,
            "idempotency-key-reused",
            f"This Idempotency-Key started run {note['run_id']} with another body. Use a new key for a new run",
        )


def _write(path: Path, note: Event) -> None:
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(encode(note))
        file.flush()
        os.fsync(fd)
    os.replace(temporary, path)
    sync_folder(path.parent)


def _drop_old(folder: Path) -> None:
    """Keys are for retries: they are kept for a day."""
    oldest = time.time() - _KEY_LIFE_S
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                os.unlink(entry.path)
