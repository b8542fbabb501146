"""What the pictures of docs/screenshots show: the scripts of their agents, and their commands."""

from typing import Any

__all__ = ["COMMANDS", "LIMITER", "RENAME", "RENAME_BRIEFLY"]

_FLAGS = """def flags(argv):
    found = {}
    for word in argv:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value or True
    return found
"""
_CHECK = 'import ast; ast.parse(open("flags.py").read()); print("1 file checked")'
_ANSWER = """`--colour` is the name now, and `--color` still works:

| call | result |
|---|---|
| `--colour=never` | `never` |
| `--color=never` | `never`, with a **note** on stderr |

The change is in one place, so other old names can join the table:

```python
RENAMED = {"color": "colour"}

def canonical(name: str) -> str:
    return RENAMED.get(name, name)
```
"""


def _tool(name: str, **given: str) -> dict[str, Any]:
    return {"name": name, "input": given}


RENAME = [
    {
        "thinking": "First see how flags are read. Then one table for old names, not a special case.",
        "text": "I look at how the flags are read.",
        "tools": [
            _tool("Write", file_path="flags.py", content=_FLAGS),
            _tool("Bash", command="grep -n partition flags.py", description="Find the split"),
        ],
    },
    {
        "text": "Names are split in one line. I put the old name beside it.",
        "tools": [
            _tool(
                "Edit",
                file_path="flags.py",
                old_string="            found[name] = value or True",
                new_string="            found[RENAMED.get(name, name)] = value or True",
            ),
            _tool("Bash", command=f"python3 -c '{_CHECK}'", description="Check it"),
        ],
    },
    {"text": _ANSWER},
]
RENAME_BRIEFLY = [
    {
        "text": "I add the new name as an alias.",
        "tools": [_tool("Bash", command="echo alias | tee notes.txt", description="Note it")],
    },
    {"text": "Both names work now. I did **not** add a note for the old one: say if you want it."},
]

_BUCKET = """class Bucket:
    def __init__(self, capacity, rate):
        self.capacity = capacity
        self.rate = rate
        self.tokens = capacity
        self.at = 0.0

    def take(self, now):
        gained = (now - self.at) * self.rate
        self.at = now
        self.tokens += gained
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
"""
_BUCKET_TEST = """import sys
sys.path.insert(0, "src")
from limiter import Bucket

bucket = Bucket(10, rate=1)
assert bucket.take(60)
assert bucket.tokens <= 10, f"after an idle minute: {bucket.tokens} <= 10"
print("1 passed")
"""
_RUN_TEST = "python3 tests/test_limiter.py"
_SUITE = "until [ -e .coverage ]; do sleep 1; done"
# Goes on with its last command until it is stopped.
LIMITER = [
    {
        "text": "I set up the limiter as you sent it, with a test of an idle minute.",
        "tools": [
            _tool("Write", file_path="src/limiter.py", content=_BUCKET),
            _tool("Write", file_path="tests/test_limiter.py", content=_BUCKET_TEST),
        ],
    },
    {"tools": [_tool("Bash", command=_RUN_TEST, description="Run the test as it is")]},
    {
        "text": "That is the fault: the refill is **not capped**. An idle minute gives a bucket of ten "
        "tokens sixty more. I cap it where tokens are added, so that `take` stays the only way in.",
        "tools": [
            _tool(
                "Edit",
                file_path="src/limiter.py",
                old_string="        self.tokens += gained\n",
                new_string="        self.tokens = min(\n            self.capacity,\n"
                "            self.tokens + gained,\n        )\n",
            ),
            _tool("Bash", command=_RUN_TEST, description="Run the test again"),
            _tool("Bash", command="cat src/limiter.py", description="Look at the whole file"),
        ],
    },
    {
        "text": "It holds now. Last, the whole suite, since the bucket is used in other places too.",
        "tools": [_tool("Bash", command=_SUITE, description="Run the whole suite with coverage")],
    },
]

_PLAN = """#!/usr/bin/env python3
import json, time

def tell(event_type, **fields):
    print(json.dumps({"type": event_type, **fields}), flush=True)
    time.sleep(0.2)

def task(task_id, name, **data):
    tell("task_started", task_id=task_id, task_name=name)
    tell("task_completed", task_id=task_id, task_name=name, data=data)

tell("progress_update", progress=5, message="reading the schema")
tell("node_started", node="requirements", message="What has to stay true")
task("tables", "List the tables", tables=42)
task("queries", "Collect slow queries", slow=7)
tell("node_completed", node="requirements", message="42 tables, 7 slow queries", outputs={"downtime_s": 30})
tell("progress_update", progress=45, message="weighing the ways")
tell("node_started", node="decisions", message="How to move the data")
tell(
    "reason_card", agent="planner", node="decisions", category="data", priority="high", confidence=0.86,
    reasoning="The largest table changes 40 times a second. A dump would lock it for 11 minutes; "
    "logical replication keeps both sides equal until the switch.",
    decision="Replicate, then switch over",
    alternatives_considered=["Dump and restore", "Dual writes in the application"],
    inputs={"writes_per_s": 40, "rows": 18_000_000}, outputs={"lock_s": 4},
    references=["migration.md"], duration_ms=5200,
)
tell("iteration_started", iteration=1, iterations=2, message="rehearsal")
copy = {"task_id": "rehearse", "task_name": "Rehearse on a copy"}
tell("task_started", **copy)
tell("task_progress", **copy, progress=70, message="12 of 18 million rows")
tell("progress_update", progress=60, message="rehearsing on a copy")
options = [
    {"label": "Sunday night", "description": "Least traffic, nobody at work"},
    {"label": "Tuesday morning", "description": "Everyone at hand if it fails"},
]
question = {"question": "When may it switch over?", "header": "Window", "options": options, "multiSelect": False}
tell(
    "questions_presented", question_id="q-window", questions=[question], timeout_s=3600,
    smart_defaults={"When may it switch over?": "Sunday night"},
)
time.sleep(3600)
"""
_BUILD = """#!/bin/sh
echo '{"type":"progress_update","progress":72,"message":"18 of 25 packages"}'
exec sleep 3600
"""
_BACKUP = """#!/bin/sh
echo 'copying 3 databases'
echo 'disk full: /backup' >&2
exit 3
"""
# File name -> what is in it.
COMMANDS = {"plan": _PLAN, "build": _BUILD, "backup": _BACKUP}
