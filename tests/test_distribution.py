"""What is published: the wheel and what it says of itself, and the versions it asks for."""

import os
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("runlog", "runner", "relay", "tailcast")
NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]
PINNED = dict(
    line.lower().replace("_", "-").split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
)
# We reach into these: what is called there is no promise of theirs.
INTERNALS_USED = {"claude-agent-sdk", "uvicorn", "watchfiles"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env=os.environ | {"TAILCAST_UI": "skip"},
        check=True,
        capture_output=True,
    )
    (made,) = folder.glob("*.whl")
    return zipfile.ZipFile(made)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_says_whose_it_is(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Author"] == "Tailcast contributors"
    assert metadata["Keywords"] and "Typing :: Typed" in metadata.get_all("Classifier", [])
    (license_file,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(license_file) == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_typed(wheel: zipfile.ZipFile, package: str) -> None:
    assert f"{package}/py.typed" in wheel.namelist()


def test_nothing_but_the_packages_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("needed", NEEDED, ids=lambda needed: needed.name)
def test_what_it_needs_is_bounded(needed: Requirement) -> None:
    """From below by what `.ci/lowest` installs; from above where we use what is not public."""
    operators = {bound.operator for bound in needed.specifier}
    assert ">=" in operators
    assert ("<" in operators) == (needed.name in INTERNALS_USED)
    assert Version(PINNED[needed.name]) in needed.specifier
