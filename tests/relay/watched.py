"""`python -m tests.relay.watched …`: as `python -m relay`, where a call that blocks the relay's loop is an error.

One that is allowed answers from the kernel's memory: a `stat` of a path that is looked at all the time.
"""

import inspect
import runpy
from collections.abc import Callable
from typing import Any

from blockbuster import BlockBuster

from relay.streaming.registry import TailRegistry
from relay.streaming.shared_tail import SharedTail
from runlog.disk import append
from runlog.disk.layout import Workspace

__all__ = ["blocking_calls"]

# Who may call `os.stat` on the loop, and why.
_STATS: tuple[tuple[Callable[..., Any], str], ...] = (
    (SharedTail.look, "once for each wake-up; a thread for it costs ten times as much"),
    (SharedTail._replaced, "as part of a look"),
    (SharedTail._seems_dead, "once a second for each followed run"),
    (TailRegistry._on_change, "whether a folder that changed is there still"),
    (TailRegistry._sweep, "once a second for each followed run"),
    (append._reason, "only where something else has the place of a file"),
    (Workspace.exists, "once for each call about a run"),
)
# In libraries.
_ELSEWHERE = (
    ("fastapi/routing.py", "_extract_endpoint_context", "for the text of a refusal"),
    ("asyncio/runners.py", "close", "the loop is at its end"),
)


def blocking_calls() -> BlockBuster:
    """What makes them an error, not at work yet: those below the relay's code."""
    buster = BlockBuster("relay")
    stat = buster.functions["os.stat"]
    for function, _ in _STATS:
        stat.can_block_in(inspect.getfile(function), function.__name__)
    for file, name, _ in _ELSEWHERE:
        stat.can_block_in(file, name)
    return buster


if __name__ == "__main__":
    blocking_calls().activate()
    runpy.run_module("relay", run_name="__main__", alter_sys=True)
