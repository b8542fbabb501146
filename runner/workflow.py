"""What a workflow is: a class with a schema and one coroutine. Other packages register theirs by entry point."""

from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel

from .run import Run

__all__ = ["RunFailed", "RunStopped", "Workflow"]


class RunFailed(Exception):
    """Raised by a workflow to end its run as `failed`.

    :param reason: one word that programs can test, such as `exit_code` or `authentication`.
    :param error: what happened, for people; the last of the agent's stderr is added to it.
    :param fields: more for the `workflow_failed` line, such as `exit_code`.
    """

    def __init__(self, reason: str, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error
        self.fields = fields


class RunStopped(Exception):
    """Raised by a workflow to end its run as `stopped`: a person ended it by other means than `stop`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Workflow(Protocol):
    """Made anew for each attempt of a run, in a process of its own.

    The first line of the class docstring is what the catalog says of it. `Params` refuses unknown fields, so that a
    misspelt one is told before anything runs.
    """

    Params: ClassVar[type[BaseModel]]
    prompt: ClassVar[Literal["required", "optional", "none"]]
    interactive: ClassVar[bool]
    resumable: ClassVar[bool]

    async def run(self, run: Run) -> Any:
        """Do the work and return its result (anything JSON can hold).

        Cancelled when the run is stopped: clean up and let the cancellation pass.

        :raises RunFailed: the run ends as `failed`. Any other exception does so too, with reason `error`.
        """
        ...
