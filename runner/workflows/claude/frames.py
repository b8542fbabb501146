"""What the CLI says of itself, read back from the stream: the guard has written its lines there, byte for byte.

The SDK's typed messages leave these frames out. Format: stream-json of the Claude Code CLI 2.1 (docs/claude.md).
"""

from collections.abc import AsyncIterator

from runlog import Event, LogFile, Workspace
from runlog.disk.tail import records_of

from ...attempt.wakes import Waiter

__all__ = ["AgentEnded", "follow_frames", "prompt_was_read"]

# Each of these decides something here; all else is passed over unparsed.
_MARKS = (
    b'"command_lifecycle"',
    b'"session_state_changed"',
    b'"type":"result"',
    b'"subtype":"init"',
    b'"isReplay":true',
    b'"subtype":"task_',  # of what goes on in the background
    b'"<synthetic>"',  # told in the model's place, perhaps an error
)


class AgentEnded(Exception):
    """The CLI ended while the run still needed it."""


async def follow_frames(workspace: Workspace, offset: int, folder: Waiter) -> AsyncIterator[Event]:
    """The frames after `offset` that tell of turns, sessions and messages, as they are written; without end."""
    with LogFile(workspace.stream) as log:
        while True:
            while chunk := log.read(offset):
                for record in records_of(chunk):
                    if any(mark in record.line for mark in _MARKS):
                        yield record.event()
                offset = chunk.end
            await folder.change()


def prompt_was_read(workspace: Workspace, prompt_id: str) -> bool:
    """Whether an earlier attempt brought the prompt to the model."""
    mark = b'"command_uuid":"%b"' % prompt_id.encode()
    with LogFile(workspace.stream) as log:
        offset = 0
        while chunk := log.read(offset):
            if mark in chunk.data:
                for record in records_of(chunk):
                    if mark in record.line and record.event().get("state") == "started":
                        return True
            offset = chunk.end
    return False
