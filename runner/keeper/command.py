"""The command line that runs a program under `guard`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["guarded"]

_GUARD = Path(__file__).with_name("guard.py")


def guarded(
    argv: Sequence[str], grace_s: float, *, tee: Path | None = None, tee_waits: bool = False
) -> list[str]:
    """`argv` under a guard that ends its whole tree when this process dies; `tee` gets its JSON lines.

    :param tee_waits: the file is begun by another one: until it is there, the lines are held.
    """
    options = ["--grace-s", str(grace_s), "--parent", str(os.getpid())]
    if tee is not None:
        options += ["--tee", str(tee), *(["--tee-waits"] if tee_waits else [])]
    return [sys.executable, "-I", "-S", str(_GUARD), *options, "--", *argv]
