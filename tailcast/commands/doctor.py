"""`doctor`: what is missing here, and how to mend it."""

from ..cli.options import DEFAULT_ROOT, AsJson, Root
from ..terminal.output import print_json, print_line
from ..terminal.table import colours, paint
from ..terminal.text import clean

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(root: Root = DEFAULT_ROOT, as_json: AsJson = False) -> int:
    """Say what is missing here, and how to mend it.

    Exit code 1 if something can't work.
    """
    from ..doctor.checks import run_checks

    colour = colours()
    failed = False
    for check in run_checks(root):
        failed = failed or check.level == "fail"
        if as_json:
            print_json(
                {
                    "check": check.name,
                    "level": check.level,
                    "found": check.found,
                    "mend": check.mend,
                }
            )
            continue
        level = paint(f"{check.level:<4}", _STYLES[check.level], colour=colour)
        print_line(f"{level}  {check.name:<13} {clean(check.found)}")
        if check.mend:
            print_line(f"{'':<20}{paint(clean(check.mend), 'dim', colour=colour)}")
    return 1 if failed else 0
