from collections.abc import Iterable

import pytest
from hypothesis import settings

from tests.needs import needs
from tests.node import node, node_modules

__all__ = ["node", "node_modules"]  # fixtures

# No deadline: the machine is shared with the other workers.
settings.register_profile("tests", deadline=None, max_examples=60, database=None)
settings.load_profile("tests")

# Of a test, with its fixtures: the first of them that wants npm or the page may have to install it.
_INSTALLING = frozenset({"node_modules", "built_page"})
_INSTALL_S = 900


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        for name in needs(item):
            item.add_marker(name)
        if _INSTALLING & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(_INSTALL_S))
