"""A folder of a root with one JSON file for each thing that has a name: deployments, schedules."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..disk.durable import folder_locked, names_in, remove_file
from ..disk.read import is_of_file, read_object
from ..errors import BrokenNamed, RunlogError, UnknownNamed

__all__ = ["NamedFiles", "Precondition"]

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_MAX_BYTES = 16 * 1024 * 1024  # a request body is at most 10 MiB; a file beyond is none of ours

# What is there now, or why it can't be read, or None: raises if the change is not to be made.
Precondition = Callable[[T | BrokenNamed | None], None]


@dataclass(frozen=True, slots=True)
class NamedFiles(Generic[T]):
    """`<folder>/<name>.json`, each a `noun`.

    :param parse: makes the thing of its name and what its file holds; raises `bad` where that is none.
    :param command: by which they are listed; over HTTP it is the same word.
    """

    noun: str
    folder: str
    command: str
    parse: Callable[[str, Mapping[str, Any]], T]
    bad: type[RunlogError]
    unknown: type[UnknownNamed]
    broken: type[BrokenNamed]

    def path(self, root: Path, name: str) -> Path:
        return root / self.folder / f"{name}.json"

    def read(self, root: Path, name: str) -> T:
        """:raises UnknownNamed: there is none.
        :raises BrokenNamed: its file can't be read, or holds something else.
        :raises OSError: the system can't open anything now.
        """
        path = self.path(root, name)
        try:
            return self.parse(name, read_object(path, _MAX_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            raise self.unknown(
                f"no {self.noun} {name!r} under {root}",
                f"List them with `tailcast {self.command} ls` or GET /api/v1/{self.command}",
            ) from None
        except (OSError, self.bad) as error:
            if isinstance(error, OSError) and not is_of_file(error):
                raise
            told = error.strerror if isinstance(error, OSError) else getattr(error, "message", "")
            raise self.broken(
                f"{path} can't be used: {told}",
                f"Mend the file, put the {self.noun} anew, or remove it",
            ) from error

    def read_all(self, root: Path) -> tuple[list[T], dict[str, BrokenNamed]]:
        """All of a root in the order of their names; and by name, why the others can't be used."""
        found: list[T] = []
        broken: dict[str, BrokenNamed] = {}
        for name in self.names(root):
            try:
                found.append(self.read(root, name))
            except BrokenNamed as error:
                broken[name] = error
            except UnknownNamed:  # removed this moment
                continue
        return found, broken

    def names(self, root: Path) -> list[str]:
        """In their order, whatever their files hold."""
        stems = (
            name.removesuffix(".json")
            for name in names_in(root / self.folder)
            if name.endswith(".json")
        )
        return sorted(stem for stem in stems if self.is_name(stem))

    def present(self, root: Path, name: str) -> T | BrokenNamed | None:
        """As a `Precondition` gets it."""
        try:
            return self.read(root, name)
        except BrokenNamed as error:
            return error
        except UnknownNamed:
            return None

    def remove(self, root: Path, name: str, precondition: Precondition[T] | None = None) -> None:
        """:raises UnknownNamed: there is none."""
        path = self.path(root, name)
        if not path.parent.is_dir():
            self.read(root, name)
        with folder_locked(path.parent):
            present = self.present(root, name)
            if present is None:
                self.read(root, name)  # tells that there is none
            if precondition is not None:
                precondition(present)
            remove_file(path)

    def is_name(self, text: str) -> bool:
        return _NAME.fullmatch(text) is not None
