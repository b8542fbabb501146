import os
import sys

import pytest
from hypothesis import settings

from tests.needs import needs
from tests.node import node, node_modules

__all__ = ["node", "node_modules"]  # fixtures

# No deadline: the machine is shared with the other workers.
settings.register_profile("tests", deadline=None, max_examples=60, database=None)
settings.load_profile("tests")

# Where nothing compiled may be kept, each of the many processes compiles the project anew: a sixth of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Folders whose files take longest come first: none of them is begun when the other workers have nothing left.
_LONGEST_FIRST = ("e2e", "docs", "runner", "ui", "tailcast", "benchmarks")

# Of a test, with its fixtures: the first of them that wants npm or the page may have to install it.
_INSTALLING = frozenset({"node_modules", "built_page"})
_INSTALL_S = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)
    for item in items:
        for name in needs(item):
            item.add_marker(name)
        if _INSTALLING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(_INSTALL_S))


def _rank(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
