"""Node, and the npm packages that stand in for what browsers have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[1] / "relay" / "ui"


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        assert not os.environ.get("CI"), "CI must have node"
        pytest.skip("node is not installed")
    return found


@pytest.fixture(scope="session")
def node_modules(node: str) -> Path:
    """A folder with the npm package `eventsource`, those of the page: node 20 has no EventSource of its own."""
    done = subprocess.run(
        [sys.executable, str(UI / "build.py"), "install"], capture_output=True, text=True
    )
    if done.returncode:
        assert not os.environ.get("CI"), done.stderr
        pytest.skip(f"eventsource, which stands in for the browser here: {done.stderr.strip()}")
    return UI
