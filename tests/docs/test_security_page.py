"""docs/security.md: each promise has a test that there is."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from runlog import create_run, post
from tests.docs.samples import REPOSITORY, page_text

_ROW = re.compile(r"^\| (?P<promise>.+?) \| (?P<tests>`tests/.+) \|$", re.M)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROMISES = {
    row["promise"]: _TEST.findall(row["tests"]) for row in _ROW.finditer(page_text("security.md"))
}


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((REPOSITORY / path).read_bytes())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_all_promises_are_read() -> None:
    promised = page_text("security.md").partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promised.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(PROMISES) and rows
    assert promised.count("`tests/") == sum(map(len, PROMISES.values()))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_its_tests(promise: str) -> None:
    assert PROMISES[promise]
    for path, name in PROMISES[promise]:
        assert name in names_in(path), f"{path} has no {name}"


def test_what_lies_on_the_disk_is_its_users_own(tmp_path: Path) -> None:
    run = create_run(tmp_path / "root", "command", params={"argv": ["true"]})
    post(run, {"type": "stop"})
    found = [run.path, *run.path.rglob("*")]
    assert {path.name for path in found} >= {"run.json", "_inbox.jsonl", "files"}
    for path in [tmp_path / "root", *found]:
        assert path.stat().st_mode & 0o077 == 0, path
