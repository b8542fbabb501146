"""Who may know whom: tailcast → relay, runner → runlog. They are read from the code, not from a list of wishes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "runlog": set(),
    "runner": {"runlog"},
    "relay": {"runlog"},
    "tailcast": {"runlog", "runner", "relay"},
}
RUNLOG_NEEDS = {"orjson", "watchfiles", "aiofiles"}
HEAVY = ("fastapi", "claude_agent_sdk", "pydantic", "watchfiles", "typer", "aiofiles", "asyncio")


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """(file, top-level name) of every import in a package, those inside functions included."""
    files = sorted(set((ROOT / package).rglob("*.py")) - set((ROOT / "relay/ui").rglob("*.py")))
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield file, node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_down_only(package: str) -> None:
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    crossed = {
        f"{f.relative_to(ROOT)} -> {name}" for f, name in imports(package) if name in forbidden
    }
    assert not crossed


def test_the_ground_floor_needs_little() -> None:
    allowed = sys.stdlib_module_names | RUNLOG_NEEDS | {"runlog"}
    assert {name for _, name in imports("runlog")} <= allowed


def test_importing_runlog_is_light() -> None:
    code = "import sys, runlog; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert "runlog" in loaded
    assert loaded.isdisjoint(HEAVY)
