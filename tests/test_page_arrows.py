"""Which room of the page may know which, and that no file knows itself through others. Read from the imports."""

import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "relay/ui/src"

# From the ground up: a room may import those above it in this list that it names, and itself.
MAY_IMPORT: Mapping[str, Set[str]] = {
    "text": set(),
    "stream": set(),
    "api": {"stream"},
    "model": {"stream", "text"},
    "ui": {"api", "stream", "text"},
    "theme": {"ui"},
    "tools": {"model", "text", "ui"},
    "asks": {"api", "model", "tools", "ui"},
    "start": {"api", "ui"},
    "runs": {"api", "start", "stream", "ui"},
    "attention": {"asks", "model", "runs", "stream", "ui"},
    "tabs": {"api", "asks", "model", "stream", "text", "tools", "ui"},
    "run": {"api", "asks", "model", "runs", "start", "stream", "tabs", "text", "ui"},
    "compare": {"model", "runs", "stream", "tabs", "ui"},
    "layout": {"api", "attention", "start", "stream", "theme", "ui"},
}
# `import … from "…"`, `export … from "…"`, `import "…"`, `import("…")`, `new URL("…", import.meta.url)`.
SPECIFIER = re.compile(r"""(?:\bfrom|\bimport|\bnew URL)\s*\(?\s*(["'])(\.[^"']*)\1""")


def sources() -> list[Path]:
    return sorted(
        path
        for path in SRC.rglob("*.ts*")
        if path.suffix in (".ts", ".tsx") and ".test." not in path.name
    )


def imported(file: Path) -> Iterator[Path]:
    """The files of ours that a file imports, those imported for their types included."""
    for _, specifier in SPECIFIER.findall(file.read_text()):
        target = (file.parent / specifier).resolve()
        stem = target.with_suffix("") if target.suffix == ".js" else target
        found = [
            path
            for path in (target, *(Path(f"{stem}{end}") for end in (".ts", ".tsx", "/index.ts")))
            if path.is_file()
        ]
        assert found, f"{file.relative_to(SRC)} imports {specifier}, which is nowhere"
        if found[0].suffix in (".ts", ".tsx"):
            yield found[0]


def room_of(file: Path) -> str:
    """The first folder; "" for what stands above all rooms."""
    parts = file.relative_to(SRC).parts
    return parts[0] if len(parts) > 1 else ""


def test_every_room_has_its_arrows() -> None:
    assert {room_of(file) for file in sources()} == {"", *MAY_IMPORT}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_point_down_only(room: str) -> None:
    crossed = {
        f"{file.relative_to(SRC)} -> {target.relative_to(SRC)}"
        for file in sources()
        if room_of(file) == room
        for target in imported(file)
        if room_of(target) not in {room, *MAY_IMPORT[room]}
    }
    assert not crossed


def test_the_list_itself_has_no_circles() -> None:
    order = list(MAY_IMPORT)
    for room, below in MAY_IMPORT.items():
        assert below <= set(order[: order.index(room)]), room


def test_no_file_imports_itself_through_others() -> None:
    graph = {file: tuple(imported(file)) for file in sources()}
    done: set[Path] = set()

    def visit(file: Path, way: tuple[Path, ...]) -> None:
        if file in way:
            circle = [str(step.relative_to(SRC)) for step in (*way[way.index(file) :], file)]
            pytest.fail(" -> ".join(circle))
        if file in done:
            return
        for target in graph.get(file, ()):
            visit(target, (*way, file))
        done.add(file)

    for file in graph:
        visit(file, ())


def test_imports_are_found_however_they_are_written(tmp_path: Path) -> None:
    written = """
import { a } from "./a";
import type { B } from './b.js';
export * from "./c";
import "./d";
const E = lazy(() => import("./e"));
new Worker(new URL("./f.ts", import.meta.url));
import react from "react";
"""
    assert [found for _, found in SPECIFIER.findall(written)] == [
        *("./a", "./b.js", "./c", "./d", "./e", "./f.ts"),
    ]
