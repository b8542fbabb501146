"""Keep the relay's secrets from other processes: out of its command line, its environment and its memory as seen by
them.

What was written there at the start can't be unseen by who looked in that moment; a file (--token-file) was never
there.
"""

import ctypes
import os
import sys

__all__ = ["conceal"]

_PR_SET_DUMPABLE = 4
# Fields of /proc/self/stat, counted from the state on: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
_ARG_START, _ARG_END, _ENV_START, _ENV_END = (number - 3 for number in (48, 49, 50, 51))


def conceal(secret: str | None) -> None:
    """Blot `secret`, if there is one, out of what `ps` and /proc/PID/environ show of this process.

    Nobody but root may look into its memory after this, nor make it dump core. Changes nothing where the kernel does
    not let it.
    """
    if secret is not None:
        _conceal_text(secret)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _conceal_text(secret: str) -> None:
    for name in [name for name, value in os.environ.items() if value == secret]:
        del os.environ[name]
    sys.argv[:] = [word.replace(secret, "…") for word in sys.argv]
    for start, end in _areas():
        _blot(start, end, secret.encode())


def _areas() -> list[tuple[int, int]]:
    """Where the kernel reads the command line and the environment from."""
    try:
        with open("/proc/self/stat") as file:
            # The name before the state may hold anything.
            fields = file.read().rpartition(")")[2].split()
        first, last, env_first, env_last = (
            int(fields[n]) for n in (_ARG_START, _ARG_END, _ENV_START, _ENV_END)
        )
    except (OSError, ValueError, IndexError):
        return []
    return [(a, b) for a, b in ((first, last), (env_first, env_last)) if 0 < a < b]


def _blot(start: int, end: int, secret: bytes) -> None:
    area = ctypes.string_at(start, end - start)
    place = area.find(secret)
    while place >= 0:
        # A whole value only: a short secret may stand in other words by chance.
        before = area[max(0, place - 1) : place]
        after = area[place + len(secret) : place + len(secret) + 1]
        if before in (b"", b"\0", b"=") and after in (b"", b"\0"):
            ctypes.memset(start + place, ord("*"), len(secret))
        place = area.find(secret, place + 1)
