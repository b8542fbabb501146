"""The runner as a child of `serve`: started again when it dies, and ended when we end, however we do.

It holds the reading end of a pipe whose writing end only we have: our death closes it, SIGKILL's too.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

__all__ = ["RunnerProcess"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HEALTHY_S = 60.0  # one that lived so long begins with a short pause again
_END_S = 1.5


class RunnerProcess:
    """:param arguments: of `tailcast`, after the program.
    :param tell: gets a line when the child died and is started again.
    """

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        self._command = [sys.executable, "-P", "-m", "tailcast", *arguments]
        self._environment = dict(environment)
        self._tell = tell
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None  # guarded by _lock
        self._thread = threading.Thread(target=self._keep, name="runner-process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the child; its runs go on."""
        self._ending.set()
        with self._lock:
            process = self._process
            if process is not None and process.stdin is not None:
                process.stdin.close()
        if self._thread.is_alive():
            self._thread.join(_END_S)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            with self._lock:
                if self._ending.is_set():
                    return
                # A process group of its own: Ctrl-C in the terminal is for us, and we end it.
                process = self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=sys.stderr.fileno(),
                    env=self._environment,
                    process_group=0,
                )
            began = time.monotonic()
            code = process.wait()
            if self._ending.is_set():
                return
            if time.monotonic() - began > _HEALTHY_S:
                pause_s = _FIRST_PAUSE_S
            self._tell(f"the runner ended with code {code}; it is started again in {pause_s:g} s")
            if process.stdin is not None:
                process.stdin.close()
            if self._ending.wait(pause_s):
                return
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
