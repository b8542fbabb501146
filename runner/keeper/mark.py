"""A process puts a mark into its own environment, where others see it: `/proc/<pid>/environ` shows the memory in
which the kernel laid out the environment at the start, and no `setenv` changes that. A forked child has a copy.
"""

import ctypes

__all__ = ["ROOM", "show_mark"]

# Value of a variable that is to be written over: no path is longer than PATH_MAX.
ROOM = "-" * 4096


def show_mark(name: str, value: str) -> bool:
    """Write `value` over the `ROOM` that the variable `name` was started with; False if there is none."""
    with open("/proc/self/stat", "rb") as file:
        # proc_pid_stat(5): fields 50 and 51; the 3rd is the first after the name, which may hold anything.
        fields = file.read().rpartition(b") ")[2].split()
    start, end = int(fields[47]), int(fields[48])
    if not start:
        return False
    environment = b"\0" + ctypes.string_at(start, end - start)
    entry = f"\0{name}=".encode()
    at = environment.find(entry + ROOM.encode() + b"\0")
    raw = value.encode()
    if at < 0 or len(raw) > len(ROOM):
        return False
    ctypes.memmove(start + at - 1 + len(entry), raw.ljust(len(ROOM), b"\0"), len(ROOM))
    return True
