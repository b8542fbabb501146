"""The nodes of a graph as steps that are planned: what a node waits for are the nodes before it."""

from collections.abc import Iterable
from typing import Any

from langgraph.graph import END, START
from langgraph.pregel import Pregel

__all__ = ["steps_of"]


def steps_of(graph: "Pregel[Any, Any, Any, Any]") -> list[dict[str, Any]]:
    """Of the graph itself: those of its subgraphs are told as they come. An edge that leads back makes nobody wait.

    A branch may pass a node by: then it stays planned.
    """
    drawn = graph.get_graph()
    edges = [(edge.source, edge.target) for edge in drawn.edges]
    before = _before(edges)
    names = [name for name in drawn.nodes if name not in (START, END)]
    return [{"id": name, "depends_on": sorted(before.get(name, ()))} for name in names]


def _before(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Of each node those that lead to it, looked at from the start; without what leads back, by a walk in depth."""
    following: dict[str, list[str]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    before: dict[str, set[str]] = {}
    path, seen = {START}, {START}
    stack = [(START, iter(following.get(START, ())))]
    while stack:
        node, targets = stack[-1]
        target = next(targets, "")
        if not target:
            stack.pop()
            path.remove(node)
        elif target not in path:
            if node != START:
                before.setdefault(target, set()).add(node)
            if target not in seen:
                seen.add(target)
                path.add(target)
                stack.append((target, iter(following.get(target, ()))))
    return before
