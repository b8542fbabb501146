"""`run.json`: what was asked. Written once, by an atomic rename of the whole folder, never changed."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeGuard

from ..disk.append import Unusable, open_plain
from ..disk.durable import remove_tree, sync_folder
from ..disk.layout import RunId, Workspace, check_run_id, make_root, new_run_id
from ..disk.plain import may_be_unfit, unfit
from ..disk.pointers import unescaped
from ..disk.read import MAX_FILE_BYTES, is_of_file, read_object
from ..disk.records import encode, from_epoch, from_iso, to_iso
from ..disk.tail import read_records
from ..disk.ticks import next_iso
from ..errors import BadValues, RunExists, UnknownRun
from .earlier import checked_history, usable_history
from .graves import remove_leftovers, remove_run
from .own_words import MAX_TITLE_CHARS, NO_WORDS, OwnWords, check_own_words, usable_words
from .reserved import take, take_over

__all__ = [
    "EXTERNAL",
    "MAX_PARK_AFTER_S",
    "MAX_PRIORITY",
    "Manifest",
    "create_run",
    "is_park_time",
    "prompt_text",
    "read_manifest",
    "readable_manifest",
    "remove_leftovers",
    "remove_run",
    "start_order",
    "takes_spare",
    "title_of",
]

# The workflow of a folder that holds a stream and no run.json: someone else's writing, listed and relayed.
EXTERNAL = "external"
# Of one whose run.json can't be read.
UNKNOWN = "unknown"
# Of queued runs, either way: enough for any order, and a number that every JSON reader knows.
MAX_PRIORITY = 100
# A year: who wants longer wants never, which is 0.
MAX_PARK_AFTER_S = 366 * 86400


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was asked of a run.

    `created_at` is an ISO time in UTC. `prompt` is text or a list of Claude content blocks. `params` were checked
    against the schema of the workflow by whoever created the run; the run process checks them again.
    `deployment` and `batch_id` name what it was started from. Of queued runs the one of the highest `priority` is
    started first. `limits`: name -> number; to pass one ends the run. `park_after_s`: so long it rests with its
    process; 0 for ever, None as the runner has it. `words` are fields of their own in the file.
    `output_schema`: a JSON Schema (checked) that the result has to fit. `named`: of a run of a deployment, JSON
    pointers to what its start itself named (`/limits/turns`), the rest is the deployment's; None: nobody kept that.
    `schedule` names what it was started by, and `due_at` the time (ISO) that was meant; None if a person did not wait
    for that.
    """

    run_id: str
    workflow: str
    created_at: str
    prompt: str | list[Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    interactive: bool = False
    chat_history: list[Any] = field(default_factory=list)
    deployment: str | None = None
    batch_id: str | None = None
    priority: int = 0
    limits: dict[str, Any] = field(default_factory=dict)
    park_after_s: float | None = None
    words: OwnWords = NO_WORDS
    output_schema: dict[str, Any] | None = None
    named: tuple[str, ...] | None = None
    schedule: str | None = None
    due_at: str | None = None

    def named_in(self, field_name: str) -> frozenset[str]:
        """The names within a field (`limits`) that the start itself named."""
        start = f"/{field_name}/"
        return frozenset(
            unescaped(pointer.removeprefix(start))
            for pointer in self.named or ()
            if pointer.startswith(start)
        )


def create_run(
    root: Path,
    workflow: str,
    *,
    prompt: str | list[Any] | None = None,
    params: dict[str, Any] | None = None,
    interactive: bool = False,
    chat_history: list[Any] | None = None,
    deployment: str | None = None,
    batch_id: str | None = None,
    priority: int = 0,
    limits: dict[str, Any] | None = None,
    park_after_s: float | None = None,
    words: OwnWords = NO_WORDS,
    output_schema: dict[str, Any] | None = None,
    named: tuple[str, ...] | None = None,
    schedule: str | None = None,
    due_at: str | None = None,
    run_id: str | None = None,
) -> Workspace:
    """Put a queued run on the disk; when this returns it survives a power cut.

    Where a runner has got ready for just such a run (`reserved`), and no `run_id` is given, it is that one.

    :raises BadRunId: the given `run_id` can't be one.
    :raises RunExists: it is taken.
    :raises BadOwnWords: see `check_own_words`.
    :raises BadValues: something in it does not come through: see `disk.plain`.
    :raises ValueError: what is in it is no JSON, or too long to be read again; or `chat_history` has another form.
    """
    manifest = Manifest(
        run_id=check_run_id(run_id) if run_id is not None else new_run_id(workflow),
        workflow=workflow,
        created_at=next_iso(),
        prompt=prompt,
        params=params or {},
        interactive=interactive,
        chat_history=_checked(chat_history or []),
        deployment=deployment,
        batch_id=batch_id,
        priority=priority,
        limits=limits or {},
        park_after_s=park_after_s,
        words=check_own_words(**words.as_json()),
        output_schema=output_schema,
        named=named,
        schedule=schedule,
        due_at=due_at,
    )
    root = make_root(root)
    if run_id is None and takes_spare(words, output_schema):
        reserved = take(root, workflow, manifest.params, interactive, manifest.limits)
        if reserved is not None:
            with contextlib.suppress(RunExists):  # its runner gave it up meanwhile
                return write_run(root, replace(manifest, run_id=reserved))
    return write_run(root, manifest)


def takes_spare(words: OwnWords, output_schema: dict[str, Any] | None) -> bool:
    """Whether a process that was got ready ahead can do it: that has its environment already, and knows no schema."""
    return words.trace is None and output_schema is None


def write_run(
    root: Path,
    manifest: Manifest,
    *,
    durable: bool = True,
    fill: Callable[[Workspace], None] = lambda building: None,
) -> Workspace:
    """Put a run on the disk as its manifest says, whose `run_id` was checked. The rest as `create_run`.

    :param fill: puts more into the folder, and onto the disk, before it has its name.
    :param durable: False leaves it to `sync_run` of each run, and one `sync_folder` of the root, that they survive
        a power cut.
    """
    workspace = Workspace(root, RunId(manifest.run_id))
    # Not by `asdict`, which copies deep and so ends at a far smaller depth of nesting than JSON.
    asked = {f.name: getattr(manifest, f.name) for f in fields(manifest)}
    asked |= asked.pop("words").as_json()
    body = encode(asked)
    if may_be_unfit(body) and (faults := unfit(asked)):
        raise BadValues(faults)
    if len(body) > MAX_FILE_BYTES:
        raise ValueError(
            f"a run is asked for in at most {MAX_FILE_BYTES:,} bytes, not {len(body):,}"
        )
    building = root / f"{_building(manifest.run_id)}-{secrets.token_hex(4)}"
    building.mkdir(mode=0o700)
    try:
        (building / "files").mkdir(mode=0o700)
        _write_new(building / "run.json", body)
        fill(Workspace(root, RunId(building.name)))
        if durable:
            sync_run(Workspace(root, RunId(building.name)))
        try:
            os.rename(building, workspace.path)
        except OSError as error:
            if os.path.lexists(workspace.path):
                if take_over(workspace, building / "run.json"):
                    _remove_quietly(building)
                    if durable:
                        sync_folder(workspace.path)
                        sync_folder(root)
                    return workspace
                raise RunExists(
                    f"run {manifest.run_id!r} exists already",
                    "Choose another run_id, or leave it out and get one made",
                ) from error
            raise
    except BaseException:
        _remove_quietly(building)
        raise
    if durable:
        sync_folder(root)
    return workspace


def sync_run(workspace: Workspace) -> None:
    """Bring what was asked of a run onto the disk."""
    fd = open_plain(workspace.manifest)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(workspace.path)


def read_manifest(workspace: Workspace) -> Manifest:
    """What was asked; for a folder without `run.json`, a manifest of the workflow `external`.

    :raises UnknownRun: the folder holds neither `run.json` nor a stream.
    :raises Unusable: a `run.json` that is no file, or not what one holds.
    """
    try:
        data = read_object(workspace.manifest)
    except FileNotFoundError:
        return _external(workspace)
    workflow, created_at = data.get("workflow"), data.get("created_at")
    prompt, params, history = data.get("prompt"), data.get("params"), data.get("chat_history")
    deployment, batch_id = data.get("deployment"), data.get("batch_id")
    priority, limits = data.get("priority"), data.get("limits")
    park_after_s = data.get("park_after_s")
    output_schema, named = data.get("output_schema"), data.get("named")
    schedule, due_at = data.get("schedule"), data.get("due_at")
    return Manifest(
        run_id=workspace.run_id,
        workflow=workflow if isinstance(workflow, str) else EXTERNAL,
        created_at=created_at if isinstance(created_at, str) else "",
        prompt=prompt if isinstance(prompt, str | list) else None,
        params=params if isinstance(params, dict) else {},
        interactive=data.get("interactive") is True,
        chat_history=usable_history(history),
        deployment=deployment if isinstance(deployment, str) else None,
        batch_id=batch_id if isinstance(batch_id, str) else None,
        priority=priority if type(priority) is int else 0,
        limits=limits if isinstance(limits, dict) else {},
        park_after_s=park_after_s if is_park_time(park_after_s) else None,
        words=usable_words(data),
        output_schema=output_schema if isinstance(output_schema, dict) else None,
        named=tuple(p for p in named if isinstance(p, str)) if isinstance(named, list) else None,
        schedule=schedule if isinstance(schedule, str) else None,
        due_at=due_at if isinstance(due_at, str) else None,
    )


def is_park_time(value: object) -> TypeGuard[float]:
    """Whether it can be a `park_after_s`."""
    return type(value) in (int, float) and 0 <= value <= MAX_PARK_AFTER_S  # type: ignore[operator]


def readable_manifest(workspace: Workspace) -> Manifest:
    """As `read_manifest`; where that can't be used, one that knows no more than the folder tells.

    :raises UnknownRun: see `read_manifest`.
    """
    try:
        return read_manifest(workspace)
    except OSError as error:
        if not is_of_file(error):
            raise
        return Manifest(workspace.run_id, UNKNOWN, _made_at(workspace))


def title_of(manifest: Manifest) -> str:
    """One line that says what the run is about: its own title, its prompt, or its command."""
    if manifest.words.title is not None:
        return manifest.words.title
    text = prompt_text(manifest.prompt)
    if not text and isinstance(argv := manifest.params.get("argv"), list):
        text = " ".join(map(str, argv))
    return " ".join(text.split())[:MAX_TITLE_CHARS]


def prompt_text(prompt: str | list[Any] | None) -> str:
    """The text of a prompt or message: itself, or its text blocks."""
    if isinstance(prompt, list):
        blocks = (b.get("text", "") for b in prompt if isinstance(b, dict))
        return "\n".join(text for text in blocks if isinstance(text, str) and text)
    return prompt or ""


def start_order(queued: Iterable[Manifest]) -> list[Manifest]:
    """The highest priority first, and of one priority the oldest."""
    return sorted(queued, key=lambda run: (-run.priority, run.created_at, run.run_id))


def remove_building(root: Path, run_ids: Iterable[str]) -> None:
    """Remove folders of runs whose maker died before they had their name. That he did is for the caller to know."""
    stems = {_building(run_id) for run_id in run_ids}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.rpartition("-")[0] in stems:
                _remove_quietly(Path(entry.path))


def _remove_quietly(building: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(building)


def _building(run_id: str) -> str:
    return f".new-{run_id[:60]}"


def _checked(history: list[Any]) -> list[Any]:
    turns, faults = checked_history(history)
    if faults:
        raise ValueError(f"chat_history{faults[0].pointer}: {faults[0].detail}")
    return turns


def _external(workspace: Workspace) -> Manifest:
    if not workspace.exists():
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}")
    made_at = _made_at(workspace)
    try:
        first = next(read_records(workspace.stream), None)
    except Unusable:
        first = None  # for whoever reads the stream to tell
    began = from_iso(first.event().get("timestamp")) if first else None
    return Manifest(
        run_id=workspace.run_id,
        workflow=EXTERNAL,
        created_at=to_iso(began) if began else made_at,
    )


def _made_at(workspace: Workspace) -> str:
    try:
        made = from_epoch(os.lstat(workspace.path).st_mtime)
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownRun(f"no run {workspace.run_id!r} under {workspace.root}") from None
    return to_iso(made) if made else ""


def _write_new(path: Path, body: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        file.write(body)
