"""What a workflow is: a class with a schema and one coroutine. Other packages register theirs by entry point."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, StringConstraints

from runlog import Workspace

from .endings import RunFailed, RunStopped
from .run import Run

__all__ = ["Ahead", "EnvName", "ExtraMissing", "Plain", "RunFailed", "RunStopped", "Workflow"]

# A text that can stand on a command line and in the environment.
Plain = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
EnvName = Annotated[str, StringConstraints(pattern=r"^[^=\x00]+$")]


class ExtraMissing(ImportError):
    """Raised by the module of a workflow whose extra is not installed: no fault of the installation.

    Its text follows the workflow's name: "needs …".
    """


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known of a run before it is there, by the names of `Run`: enough to get ready for its first attempt."""

    workspace: Workspace
    params: Any
    interactive: bool
    limits: Mapping[str, float]
    grace_s: float
    output_schema: None = None  # runs that have one are not waited for

    @property
    def files(self) -> Path:
        return self.workspace.files


class Workflow(Protocol):
    """Made anew for each attempt of a run, in a process of its own.

    The first line of the class docstring is what the catalog says of it. `Params` refuses unknown fields, so that a
    misspelt one is told before anything runs.

    Five more class variables may be there. `pausable`: it awaits `run.unpaused()` at its safe points.
    `messages`, False: it reads none, and declines them (`run.inbox.decline`).
    `graceful_stop`: it ends by itself, within the grace, when `run.stopping` is set, and what it returns is the
    `result` of the stopped run. `structured`: what it returns fits `run.output_schema`, if that is not None; the run
    fails (`bad_output`) if it does not. `imports`: names of modules that take long, imported ahead, once, for all
    runs.

    Two methods may be there together. `prepare(ahead)`: an async context manager that gets ready what takes long for
    a run that is to come, on the object that then runs it, and gives what can be awaited: it ends when that is lost.
    The context is left once the run is over, or if none comes. It may write nothing into the stream.
    `can_prepare(params)`, a class method: whether anything can be got ready for these.
    """

    Params: ClassVar[type[BaseModel]]
    prompt: ClassVar[Literal["required", "optional", "none"]]
    interactive: ClassVar[bool]
    resumable: ClassVar[bool]

    async def run(self, run: Run) -> Any:
        """Do the work and return its result (anything JSON can hold).

        Cancelled when the run is stopped (after the grace, with `graceful_stop`): clean up and let it pass.

        :raises RunFailed: the run ends as `failed`. Any other exception does so too, with reason `error`.
        """
        ...
