"""From the files of a run to its row. The one place of the index that reads them."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from ..disk.layout import Workspace
from ..disk.lock import is_locked
from ..disk.read import is_of_file
from ..disk.stamp import Stamp, stamp_of
from ..errors import RunlogError
from ..run.events import is_terminal
from ..run.manifest import Manifest, readable_manifest
from ..run.own_words import label_text
from ..run.state import RunState
from ..run.status import BROKEN, prompt_text, summary_of, title_of
from .row import Row

__all__ = [
    "Stamps",
    "is_alive",
    "is_run_folder",
    "one_text",
    "read_asked",
    "read_row",
    "read_slim",
    "stamps_of",
]

# Kept of a prompt and of a result, to be searched.
_TEXT_CHARS = 16 * 1024

Stamps = tuple[Stamp, Stamp, Stamp]
"""Of `run.json`, the stream and the inbox."""


def stamps_of(root: str, run_id: str) -> Stamps:
    # Paths as text: objects for a hundred thousand runs take longer than the calls.
    folder = f"{root}/{run_id}"
    return (
        stamp_of(f"{folder}/run.json"),
        stamp_of(f"{folder}/_stream.jsonl"),
        stamp_of(f"{folder}/_inbox.jsonl"),
    )


def one_text(stamps: tuple[Stamp, ...]) -> str:
    """To be kept and compared."""
    return ";".join("" if stamp is None else ",".join(map(str, stamp)) for stamp in stamps)


def is_run_folder(root: str, run_id: str) -> bool:
    path = f"{root}/{run_id}"
    return os.path.isdir(path) and not os.path.islink(path)


def is_alive(root: str, run_id: str) -> bool:
    """Whether a process of the run holds its lock."""
    try:
        return is_locked(f"{root}/{run_id}/_lock")
    except OSError:
        return False  # what is no file can't be held; what the system refuses, the next look sees


def read_slim(workspace: Workspace) -> Manifest | None:
    """What was asked, without what may be large: of the prompt the title. None if that can't be read.

    :raises OSError: the system can't open anything now.
    """
    manifest = _read(workspace)
    if manifest is None:
        return None
    title = title_of(manifest)
    return replace(
        manifest,
        prompt=title,
        params={},
        chat_history=[],
        limits={},
        output_schema=None,
        named=None,
    )


def read_row(
    workspace: Workspace,
    manifest: Manifest,
    stamps: Stamps,
    read: Callable[[], RunState] | None = None,
) -> tuple[Row, bool] | None:
    """The row of a run, and whether it has ended for good; None if its files can't be read, or it is gone.

    :param stamps: from before this call: a change in between then shows at the next look.
    :param read: see `summary_of`.
    :raises OSError: the system can't open anything now: that says nothing of the run.
    """
    try:
        summary, state = summary_of(workspace, manifest, read)
    except RunlogError:
        return None
    except OSError as error:
        if not is_of_file(error):
            raise
        return None
    # One whose process died is not over before somebody says so in its stream.
    # One that can't be used is looked at again too: somebody may mend it.
    over = is_terminal(summary.status) and state.lifecycle == summary.status
    ended = over and summary.reason != BROKEN
    result = _result_text(state.result) if ended else ""
    return Row(summary, manifest.workflow, one_text(stamps), ("", result)), ended


def read_asked(workspace: Workspace) -> str:
    """The own words of a run and its prompt or command, to be searched."""
    try:
        manifest = _read(workspace)
    except OSError:
        manifest = None
    if manifest is None:
        return ""
    words = manifest.words
    prompt = prompt_text(manifest.prompt)[:_TEXT_CHARS] or title_of(manifest)
    told = (words.title, label_text(words.labels), words.thread_id, prompt)
    return "\n".join(filter(None, told))


def _read(workspace: Workspace) -> Manifest | None:
    try:
        return readable_manifest(workspace)
    except RunlogError:
        return None
    except OSError as error:
        if not is_of_file(error):
            raise
        return None


def _result_text(result: Any) -> str:
    if result is None or isinstance(result, str):
        return (result or "")[:_TEXT_CHARS]
    try:
        return orjson.dumps(result).decode()[:_TEXT_CHARS]
    except (TypeError, ValueError):
        return ""
