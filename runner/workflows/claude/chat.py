"""A conversation with Claude that stays open: what a chat window needs, with no params to get right."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from ...attempt.run import Run
from ...attempt.workflow import Ahead
from .params import ClaudeParams
from .workflow import Claude

__all__ = ["Chat", "ChatParams"]


class ChatParams(ClaudeParams):
    """As of `claude`, for a person in front of it: partial text is streamed, and what is not allowed is asked."""

    include_partial_messages: bool = Field(
        default=True, description="Stream text as it is made (`stream_event` lines)"
    )
    ask_permissions: bool | None = Field(
        default=True, description="Ask people for permissions and answers"
    )


class Chat(Claude):
    """Talk with Claude Code: stays open for messages, asks before it acts, goes on from a `chat_history`."""

    Params: ClassVar[type[BaseModel]] = ChatParams
    prompt: ClassVar[Literal["required", "optional", "none"]] = "optional"

    async def run(self, run: Run) -> Any:
        run.interactive = True
        return await super().run(run)

    def _asks(self, run: Run | Ahead) -> bool:
        return bool(run.params.ask_permissions is not False)  # it stays open, whoever asked for it
