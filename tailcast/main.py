"""The `tailcast` command: exit codes, and errors in one short form. Never a traceback for what people did.

0 done · 1 the run failed · 2 usage · 130 Ctrl-C (runs go on). A closed pipe ends it by SIGPIPE, as other tools.
"""

import sys
from typing import NoReturn

__all__ = ["main"]

_JOIN_S = 0.5


def main() -> NoReturn:
    """Run the command of `sys.argv` and exit with its code."""
    try:
        code = _main()
    except KeyboardInterrupt:
        code = 130
    try:
        sys.stdout.flush()
    except (OSError, KeyboardInterrupt):
        code = code or 1
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Exit, though a thread of the relay may wait for a disk that does not answer."""
    import os
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(_JOIN_S)
            if thread.is_alive():
                os._exit(code)
    sys.exit(code)


def _main() -> int:
    # Imported here, so that Ctrl-C is clean from the first moment.
    import typer

    from runlog import LogReplaced, RunlogError

    from .app import app
    from .cli.errors import CommandError

    for stream in (sys.stdout, sys.stderr):
        # Agents write lone surrogates, terminals may know ASCII only: neither may end a command.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = app(standalone_mode=False)
    except (CommandError, RunlogError) as error:
        return _tell(error.message, error.hint, getattr(error, "exit_code", 2))
    except LogReplaced as error:
        return _tell(str(error), "Its offsets mean nothing any more: begin at the start", 2)
    except typer.Abort:
        sys.stderr.write("\n")
        return 130
    except typer.TyperException as error:
        return _tell_usage(error)
    except OSError as error:
        return _tell(_os_error(error), "`tailcast doctor` looks for what is wrong here", 1)
    return code if isinstance(code, int) else 0


def _tell(message: str, hint: str, code: int) -> int:
    from .terminal.text import clean

    message = clean(message).rstrip(". ")
    sys.stderr.write(f"error: {message}\n")
    if hint:
        sys.stderr.write(f"hint: {clean(hint)}\n")
    return code


def _tell_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return 2  # the help has been printed
    path = context.command_path if context is not None else "tailcast"
    return _tell(getattr(error, "format_message", error.__str__)(), f"See `{path} --help`", 2)


def _os_error(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
