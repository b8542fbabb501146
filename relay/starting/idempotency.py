"""`Idempotency-Key`: the same key and request make one thing, however often they come.

The key is noted, with the id of what it will make, before that is made: a relay that dies in between finds the note
when the client asks again, and makes it then. All of it waits for the disk: call it from a thread.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from runlog import BatchExists, Event, RunExists, check_run_id, encode, now_iso
from runlog.disk.durable import folder_locked, remove_file, replace_file
from runlog.disk.read import read_object

from ..http.problems import Problem

__all__ = ["Made", "Recipe", "make_once"]

_FOLDER = "_idempotency"
_KEY_LIFE_S = 24 * 3600.0
_DROP_EACH_S = 3600.0
_dropped_at: dict[Path, float] = {}  # by this process, in which folder

Kind = Literal["run", "batch"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was checked and can be made: under the `id`, or another one that a note has.

    :param make: raises if something of that id is there.
    :param is_ours: whether what is there of that id is what this recipe makes.
    """

    id: str
    make: Callable[[str], None]
    is_ours: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Made:
    """`repeated`: it was there already, under the same key."""

    id: str
    repeated: bool


def make_once(
    root: Path,
    key: str,
    kind: Kind,
    asked: BaseModel,
    resolve: Callable[[], Recipe],
    exists: Callable[[str], bool],
) -> Made:
    """Make what is `asked`, unless the key has.

    :param resolve: checks the request. What was made is told without: its deployment may have changed since.
    :param exists: whether there is a thing of this kind with that id.
    :raises Problem: the key can't be used for this request.
    """
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem(
            400, "bad-idempotency-key", "An Idempotency-Key is 1 to 255 printable ASCII characters"
        )
    # Without what was left out, so that a field that is new here changes no request of before.
    canonical = json.dumps(asked.model_dump(exclude_defaults=True), sort_keys=True).encode()
    body_sha256 = hashlib.sha256(canonical).hexdigest()
    note_path = root / _FOLDER / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    id_name = f"{kind}_id"
    made = _made(_read_note(note_path), kind, body_sha256, exists)
    if made is not None:
        return made
    recipe = resolve()
    with folder_locked(root / _FOLDER):
        note = _read_note(note_path)
        made = _made(note, kind, body_sha256, exists)
        if made is not None:
            return made
        repeated = note is not None
        if note is None:
            note = {
                id_name: recipe.id,
                "body_sha256": body_sha256,
                "created_at": now_iso(),
                "made": False,
            }
            replace_file(note_path, encode(note))
        chosen = check_run_id(str(note[id_name]))
        try:
            recipe.make(chosen)
        except (RunExists, BatchExists):
            # With a note from before, it is what a relay had made just when it died; or someone else's, who took
            # the id since.
            if not (repeated and exists(chosen) and recipe.is_ours(chosen)):
                note_path.unlink()
                raise
        except BaseException:
            # The fault may be of after it was made (its folder could not be synced): then the note stays, and the
            # next call with this key finds it.
            if not exists(chosen):
                note_path.unlink()
            raise
        replace_file(note_path, encode(note | {"made": True}))
    _drop_old(root / _FOLDER)
    return Made(chosen, repeated)


def _made(
    note: Event | None, kind: Kind, body_sha256: str, exists: Callable[[str], bool]
) -> Made | None:
    """What the key of a note has made; None if it has not yet."""
    if note is None:
        return None
    # Bodies of different kinds are never the same.
    if note["body_sha256"] != body_sha256:
        started = note.get("run_id") or note.get("batch_id")
        raise Problem(
            422,
            "idempotency-key-reused",
            f"This Idempotency-Key started {started} with another body. Use a new key for a new {kind}",
        )
    if not note["made"]:
        return None
    chosen = check_run_id(str(note[f"{kind}_id"]))
    if not exists(chosen):
        raise Problem(
            410,
            f"{kind}-removed",
            f"{kind.capitalize()} {chosen!r}, which this Idempotency-Key started, has been removed. Use a new key",
        )
    return Made(chosen, repeated=True)


def _read_note(path: Path) -> Event | None:
    try:
        note = read_object(path)
    except FileNotFoundError:
        return None
    return note if {"body_sha256", "made"} <= note.keys() else None


def _drop_old(folder: Path) -> None:
    """Keys are for retries: they are kept for a day, and looked through now and then, while nobody waits for it."""
    now = time.time()
    if now - _dropped_at.get(folder, 0.0) < _DROP_EACH_S:
        return
    _dropped_at[folder] = now
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another relay was quicker
                if entry.stat(follow_symlinks=False).st_mtime < now - _KEY_LIFE_S:
                    remove_file(Path(entry.path))
