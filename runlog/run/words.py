"""What people said to a run, word for word: from its inbox and its prompt, by the ids of the messages.

The agent's own lines tell it too, but several messages merged into one, and commands by other names.
"""

from typing import Any

from ..disk.layout import Workspace
from ..disk.tail import LogReplaced
from .inbox_lines import InboxLine, read_inbox
from .manifest import read_manifest

__all__ = ["PROMPT_ID", "InboxWords"]

# The prompt of a run is a message too, under this and the run's id.
PROMPT_ID = "prompt-"


class InboxWords:
    """Looks messages up by id. Reads the inbox as far as it needs to, once.

    Of an id that was posted several times the first counts, as for the run.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._said: dict[str, str | list[Any] | None] = {}
        self._offset = 0

    def __call__(self, message_id: str) -> str | list[Any] | None:
        """The text or the content blocks; None if nobody said it here."""
        if message_id == f"{PROMPT_ID}{self._workspace.run_id}" and message_id not in self._said:
            self._said[message_id] = read_manifest(self._workspace).prompt
        if message_id not in self._said:
            self._read_on()
        return self._said.get(message_id)

    def _read_on(self) -> None:
        try:
            for line in read_inbox(self._workspace.inbox, self._offset):
                self._offset = line.offset
                if isinstance(line, InboxLine) and line.type == "message":
                    self._said.setdefault(line.id, line.content)
        except LogReplaced:
            self._offset = 0  # someone cut the inbox: what comes new is found the next time
