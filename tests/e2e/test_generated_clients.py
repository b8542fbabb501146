"""Clients that others' generators make of `/openapi.json`: whole, without a warning, and they call a relay.

The generators are installed apart: they want other versions of what we need ourselves.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import House

HERE = Path(__file__).parent
PYTHON_GENERATOR = "openapi-python-client==0.29.1"
NODE_PACKAGES = (
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@20.19.43",
)
LINTER = "@redocly/cli@2.77.0"
LINTER_NODE = (20, 19)
# Registries and a busy machine may take their time.
INSTALL_S = 600

pytestmark = [
    pytest.mark.skipif(not os.environ.get("CI"), reason="its generators are installed in CI alone"),
    pytest.mark.timeout(2 * INSTALL_S),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages."""
    folder = tmp_path_factory.mktemp("node")
    install(folder, *NODE_PACKAGES)
    return folder


def install(folder: Path, *packages: str) -> None:
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages)


def run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def check(told: str) -> None:
    said: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert said["run_id"] in said["runs"]
    assert said["prompt"] is None
    assert said["missing"] == 404


def test_python(house: House, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = tmp_path / "venv/bin/python"
    run(str(python), "-m", "pip", "install", "--quiet", PYTHON_GENERATOR)
    told = run(
        str(python.with_name("openapi-python-client")),
        *("generate", "--url", f"{house.url}/openapi.json", "--meta", "none"),
        *("--output-path", str(tmp_path / "tailcast_client")),
    )
    assert "Unable" not in told, told
    shutil.copy(HERE / "generated.py", tmp_path)
    check(run(str(python), "generated.py", house.url, cwd=tmp_path))


def test_typescript(house: House, node: Path) -> None:
    binaries = node / "node_modules/.bin"
    spec = f"{house.url}/openapi.json"
    run(str(binaries / "openapi-typescript"), spec, "-o", "api.d.ts", cwd=node)
    shutil.copy(HERE / "generated.ts", node)
    (node / "package.json").write_text('{"type": "module"}')
    options = ("--strict", "--target", "es2022", "--module", "es2022")
    resolution = ("--moduleResolution", "bundler", "--outDir", "out")
    run(str(binaries / "tsc"), *options, *resolution, "generated.ts", cwd=node)
    check(run("node", "out/generated.js", house.url, cwd=node))


def test_linter(house: House, tmp_path: Path) -> None:
    version = run("node", "--version").strip().removeprefix("v").split(".")
    if tuple(map(int, version[:2])) < LINTER_NODE:
        pytest.skip(f"redocly wants node {LINTER_NODE}")
    install(tmp_path, LINTER)
    (tmp_path / "openapi.json").write_bytes(house.client.get("/openapi.json").content)
    redocly = str(tmp_path / "node_modules/.bin/redocly")
    told = run(redocly, "lint", "openapi.json", "--format", "json", cwd=tmp_path)
    totals = json.JSONDecoder().raw_decode(told[told.index("{\n") :])[0]["totals"]
    assert totals["errors"] == totals["warnings"] == 0, told
