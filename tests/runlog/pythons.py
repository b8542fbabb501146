"""Other processes, as the tests start them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Python = Callable[..., "subprocess.Popen[bytes]"]


def go(*processes: "subprocess.Popen[bytes]") -> None:
    """Let processes begin that wait for a byte: at once, whatever their start took."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"g")
        process.stdin.flush()
