"""Who may know whom, between packages and between their rooms. Read from the code, not from a list of wishes."""

import ast
import graphlib
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
# The rooms of each package from the ground up: one may know those before it. The door, `__init__`, may know all.
ROOMS = {
    "runlog": ["errors", "disk", "run", "index", "groups", "sessions", "export"],
    "runner": ["keeper", "scripted", "attempt", "workflows", "supervise", "__main__"],
    "relay": [
        "http", "streaming", "starting", "dependencies", "batches", "routes", "dialects", "app", "server",
        "__main__",
    ],
    "tailcast": [
        "client", "workflow", "terminal", "cli", "doctor", "demo", "commands", "app", "main", "__main__",
    ],
}  # fmt: skip
RUNLOG_NEEDS = {
    "orjson", "watchfiles", "aiofiles", "asyncinotify", "jsonschema", "referencing", "markdown_it", "cronsim",
}  # fmt: skip
HEAVY = (
    "fastapi", "claude_agent_sdk", "pydantic", "watchfiles", "typer", "aiofiles", "asyncio", "jsonschema", "sqlite3",
    "markdown_it", "cronsim", "zoneinfo",
)  # fmt: skip


def modules(package: str) -> dict[str, Path]:
    """Dotted name -> file, of all modules of a package."""
    files = set((ROOT / package).rglob("*.py")) - set((ROOT / "relay/ui").rglob("*.py"))
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for file in sorted(files)
    }


ALL = {name: file for package in MAY_IMPORT for name, file in modules(package).items()}


def imports(module: str) -> Iterator[str]:
    """Dotted names of what a module imports, in functions too; of ours the module itself, never a name in it."""
    file = ALL[module]
    folder = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder.split(".")[: len(folder.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            for alias in node.names:
                deeper = f"{base}.{alias.name}"
                yield deeper if deeper in ALL else base


def room(module: str) -> str:
    """`relay.http.asked` stands in `http`, `relay.app` in `app`; the package itself in none."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_down_only(package: str) -> None:
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    crossed = {
        f"{module} -> {name}"
        for module in modules(package)
        for name in imports(module)
        if name.split(".")[0] in forbidden
    }
    assert not crossed


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_room_has_its_place(package: str) -> None:
    assert {room(module) for module in modules(package)} - {""} == set(ROOMS[package])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_rooms_know_only_those_below(package: str) -> None:
    height = {name: number for number, name in enumerate(ROOMS[package])}
    upward = {
        f"{module} -> {name}"
        for module in modules(package)
        if room(module)
        for name in imports(module)
        if name.startswith(f"{package}.") and height[room(name)] > height[room(module)]
    }
    assert not upward


def test_there_are_no_circles() -> None:
    """The door of a package gathers what stands behind it: only what imports it by its name counts."""
    graph = {module: {name for name in imports(module) if name in ALL} for module in ALL}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_ground_floor_needs_little() -> None:
    allowed = sys.stdlib_module_names | RUNLOG_NEEDS | {"runlog"}
    needed = {name.split(".")[0] for module in modules("runlog") for name in imports(module)}
    assert needed <= allowed


def test_importing_runlog_is_light() -> None:
    code = "import sys, runlog; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert "runlog" in loaded
    assert loaded.isdisjoint(HEAVY)
