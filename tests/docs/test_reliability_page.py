"""docs/reliability.md: each promise names a test that is there."""

import ast
import re

import pytest

from tests.docs.samples import REPOSITORY, page_text

TEXT = page_text("reliability.md")
PROMISES = re.findall(r"^\| (?!promise|---)(.+) \| (.+) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("promise", "held_by"), PROMISES, ids=[p[:60] for p, _ in PROMISES])
def test_promise_is_held(promise: str, held_by: str) -> None:
    tests = held_by.split(", ")
    assert tests, promise
    for name in tests:
        match = re.fullmatch(r"`(tests/[a-z_/]+\.py)::(\w+)`", name)
        assert match, name
        tree = ast.parse((REPOSITORY / match[1]).read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
        defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert match[2].startswith(("test_", "Test")) and match[2] in defined, name


def test_there_are_promises() -> None:
    assert len(PROMISES) > 20
