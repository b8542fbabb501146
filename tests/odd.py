"""What may stand in the place of a file, put there by anyone. `outside` is a file of elsewhere, not to be read."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

__all__ = ["ODD", "SECRET", "take_place"]

SECRET = b'{"type":"secret"}\n'


def _fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path, outside: Path) -> None:
    path.mkdir()
    (path / "full").write_text("")


def _dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside.with_name("nothing"))


def _link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _loop(path: Path, outside: Path) -> None:
    path.symlink_to(path.name)


def _hard_link(path: Path, outside: Path) -> None:
    os.link(outside, path)


def _socket(path: Path, outside: Path) -> None:
    # Bound by a descriptor of its folder: a path in a test's folder is too long for a socket.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def _huge(path: Path, outside: Path) -> None:
    path.touch()
    os.truncate(path, 64 * 1024**3)  # of holes: it takes no room


ODD: dict[str, Callable[[Path, Path], None]] = {
    "fifo": _fifo,
    "folder": _folder,
    "dangling": _dangling,
    "link": _link,
    "loop": _loop,
    "hard-link": _hard_link,
    "socket": _socket,
    "huge": _huge,
}


def take_place(path: Path, kind: str) -> Path:
    """Put something odd where a file was, or is to be; returns the file of elsewhere that it may lead to."""
    outside = path.parents[2] / f"outside-{path.parent.name}-{path.name}"
    outside.write_bytes(SECRET)
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    ODD[kind](path, outside)
    return outside
