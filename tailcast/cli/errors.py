"""What a command tells people it can't do."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """Ends a command with `error: message` and `hint: …` on standard error.

    :param exit_code: 2 for what was asked wrongly, 1 for what went wrong.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
