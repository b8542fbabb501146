"""Things that wait for each other: whether that can end, and in which order."""

import graphlib
from collections.abc import Iterable

__all__ = ["DEPENDENCIES_KEYWORD", "in_order"]

# In the schema of a workflow's params, beside an array of objects: `{"id": NAME, "depends_on": NAME}`, the properties
# that hold the id of an item and the ids that it depends on. JSON Schema itself can't say that they form no cycle.
DEPENDENCIES_KEYWORD = "x-dependencies"


def in_order(items: Iterable[tuple[str, Iterable[str]]]) -> list[str]:
    """Ids in an order in which each comes after those that it depends on.

    :param items: (id, ids that it depends on).
    :raises ValueError: two of an id, an id that nobody has, or a cycle.
    """
    graph: dict[str, list[str]] = {}
    for one, depends_on in items:
        if one in graph:
            raise ValueError(f"two have the id {one!r}")
        graph[one] = list(depends_on)
    for one, depends_on in graph.items():
        for missing in depends_on:
            if missing not in graph:
                raise ValueError(f"{one!r} depends on {missing!r}, which is not there")
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        # Its cycle reads "is needed by"; people think "depends on".
        cycle = " -> ".join(reversed(error.args[1]))
        raise ValueError(f"they depend on each other in a cycle: {cycle}") from None
