"""`tailcast` on a terminal of its own."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from tests.tailcast.conftest import TAILCAST, Cli


def on_terminal(
    cli: Cli, *words: str, columns: int = 80, typed: str | None = None, code: int = 0
) -> str:
    """What a terminal of that width gets.

    :param typed: what the person types, whose terminal standard input is then too.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [TAILCAST, *words],
        stdin=subprocess.DEVNULL if typed is None else follower,
        stdout=follower,
        stderr=follower,
        env=cli.environment | {"TERM": "xterm-256color"},
    )
    os.close(follower)
    if typed is not None:
        os.write(leader, typed.encode())
    told = b""
    try:
        while block := os.read(leader, 65536):
            told += block
    except OSError:
        pass  # how Linux tells the end of a terminal
    os.close(leader)
    assert process.wait(80) == code, told
    return told.decode()


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
