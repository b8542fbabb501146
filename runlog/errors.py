"""What can go wrong with a run on disk. Each error carries a `hint`: what to do next."""

__all__ = [
    "BadAnswers",
    "BadCursor",
    "BadDecision",
    "BadDeployment",
    "BadLimit",
    "BadMessage",
    "BadOwnWords",
    "BadRunId",
    "BadSchedule",
    "BadSession",
    "BadValues",
    "BatchActive",
    "BatchExists",
    "BrokenDeployment",
    "BrokenNamed",
    "BrokenSchedule",
    "NoConversation",
    "NotRemovable",
    "RunActive",
    "RunExists",
    "RunFinished",
    "RunlogError",
    "UnknownBatch",
    "UnknownDeployment",
    "UnknownMessage",
    "UnknownNamed",
    "UnknownRun",
    "UnknownSchedule",
    "UnknownSession",
    "UnknownSignal",
]


class RunlogError(Exception):
    """Base of all errors of this package."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class BadRunId(RunlogError):
    """A name that can never be a run's."""


class BadCursor(RunlogError):
    """A cursor that is not the decimal number of a byte."""


class BadLimit(RunlogError):
    """A limit that does not exist, or a value that can't be one; `name` is its name."""

    def __init__(self, name: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.name = name


class BadOwnWords(RunlogError):
    """A title, label, thread or trace that can't be one. `faults`: pointer (`/labels/a`) -> what is wrong there."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults


class BadValues(RunlogError):
    """Texts or numbers that do not come through (`disk.plain`). `faults`: pointer (`/params/argv/0`) -> what it is"""

    def __init__(self, faults: dict[str, str]) -> None:
        told = (f"{place[1:].replace('/', '.')}: {what}" for place, what in faults.items())
        super().__init__("; ".join(told), "Send it without")
        self.faults = faults


class BadMessage(RunlogError):
    """A message that the inbox does not take: wrong type, wrong id, missing field, too long.

    `pointer`: of a content that can't be used, the place in it (`/0/text`).
    """

    def __init__(self, message: str, hint: str = "", *, pointer: str | None = None) -> None:
        super().__init__(message, hint)
        self.pointer = pointer


class BadAnswers(BadMessage):
    """Answers that do not fit what was asked.

    `faults` says of each question that has no good answer, and of each key that is no question, what is wrong.
    """

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(
            "; ".join(faults.values()), "Answer each question by its text or its header"
        )
        self.faults = faults


class BadDecision(BadMessage):
    """A decision that does not fit the permission that was asked. `faults`: field of the line -> what is wrong."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(faults.values()), "The request is open still: decide it again")
        self.faults = faults


class UnknownRun(RunlogError):
    """No folder of that name holds a run."""


class RunExists(RunlogError):
    """The id is taken."""


class RunActive(RunlogError):
    """The run has not ended, so it can't be removed or reopened."""


class NotRemovable(RunlogError):
    """Of a run, or of what is left of one, something can't be unlinked. `causes`: each with its path."""

    def __init__(self, message: str, hint: str, causes: list[OSError]) -> None:
        super().__init__(message, hint)
        self.causes = causes


class UnknownBatch(RunlogError):
    """There is no batch of that id."""


class BatchExists(RunlogError):
    """The id of a batch is taken."""


class BatchActive(RunlogError):
    """Runs of the batch have not ended, so it can't be removed."""


class RunFinished(RunlogError):
    """The run has ended and takes no more messages."""


class UnknownMessage(RunlogError):
    """The inbox holds no message of that id, or it can no longer be taken back."""


class UnknownSignal(RunlogError):
    """The workflow of the run takes no signal of that name."""


class BadDeployment(RunlogError):
    """Not a deployment: `pointer` (`/name`, `/params`) says which part of it is wrong."""

    def __init__(self, message: str, hint: str = "", *, pointer: str) -> None:
        super().__init__(message, hint)
        self.pointer = pointer


class BrokenNamed(RunlogError):
    """The file of a thing that has a name can't be read, or holds something else."""


class UnknownNamed(RunlogError):
    """There is no such thing of that name."""


class BrokenDeployment(BrokenNamed):
    """Of a deployment."""


class UnknownDeployment(UnknownNamed):
    """Of a deployment."""


class BadSchedule(RunlogError):
    """Not a schedule: `pointer` (`/cron`, `/timezone`) says which part of it is wrong."""

    def __init__(self, message: str, hint: str = "", *, pointer: str) -> None:
        super().__init__(message, hint)
        self.pointer = pointer


class BrokenSchedule(BrokenNamed):
    """Of a schedule."""


class UnknownSchedule(UnknownNamed):
    """Of a schedule."""


class UnknownSession(RunlogError):
    """There is no session of Claude's CLI of that id, or no such file."""


class BadSession(RunlogError):
    """A file that can't be imported: it is no session, or too large; or several are meant."""


class NoConversation(RunlogError):
    """A run in which nothing was said can't be exported as a session."""
