"""A program that starts a family of processes that are hard to end, then does as it is told.

    family.py FOLDER END KIND...

Each member writes `FOLDER/<kind>` (its pid) once it is as described. END: `wait`, `deaf` (ignores
SIGTERM), `stop` (stops itself), or `exit:CODE`, each once all members are there.
"""

import os
import signal
import sys
import time


def main() -> None:
    folder, end, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]
    for kind in kinds:
        start(folder, kind)
    while not all(os.path.exists(f"{folder}/{kind}") for kind in kinds):
        time.sleep(0.002)
    if end.startswith("exit:"):
        announce(folder, "first")
        os._exit(int(end[5:]))
    if end == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    announce(folder, "bare" if end == "bare:wait" else "first")
    if end == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    rest()


def start(folder: str, kind: str) -> None:
    pid = os.fork()
    if pid:
        if kind == "double":
            os.waitpid(pid, 0)
        return
    if kind in ("session", "deaf", "double", "polite"):
        os.setsid()
    if kind == "double" and os.fork():
        os._exit(0)
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind == "polite":
        signal.signal(signal.SIGTERM, lambda *_: (announce(folder, "asked"), os._exit(0)))
    if kind == "bare":
        # Its environment is empty: no marker finds it.
        os.execve(sys.executable, [sys.executable, "-I", "-S", __file__, folder, "bare:wait"], {})
    announce(folder, kind)
    if kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    rest()


def announce(folder: str, name: str) -> None:
    with open(f"{folder}/.{name}", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}/.{name}", f"{folder}/{name}")


def rest() -> None:
    while True:
        signal.pause()


main()
