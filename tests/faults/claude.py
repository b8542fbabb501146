"""Claude in a world of faults: the real CLI, a scripted model, each tool asked for, and messages in between."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runlog import Event
from tests.faults.account import Account
from tests.support import bash, script

__all__ = ["asked_of_claude", "compare_claude", "decisions"]

_STEPS = 3
# What its tools leave in the run's files: a line each.
_DONE = "done.txt"


def asked_of_claude(run_id: str, chance: random.Random) -> dict[str, Any]:
    """A start whose tools leave a line each, if somebody allows them."""
    steps = [
        {"text": f"step {n}", "tools": [bash(f"echo {n} >> {_DONE}")]}
        for n in range(chance.randrange(1, _STEPS + 1))
    ]
    return {
        "workflow": "claude",
        "run_id": run_id,
        "prompt": script(*steps, {"text": "end"}),
        "params": {"ask_permissions": True, "allowed_tools": []},
    }


def decisions(state: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """What is said to the requests that a state shows: mostly yes."""
    return [
        {
            "request_id": asked["request_id"],
            "decision": "deny" if chance.random() < 0.2 else "allow",
            "input_sha256": asked["input_sha256"],
        }
        for asked in state["open_permissions"]
    ]


def compare_claude(
    run_id: str, files: Path, told: Iterable[Event], account: Account, *, all_is_told: bool
) -> None:
    """Nothing ran that nobody allowed, or twice; each request was decided once, each message read once.

    :param all_is_told: false where the disk was full: what was decided may have had no room in the stream.
    """
    asked: dict[str, int] = {}
    decided: dict[str, str] = {}
    read: set[str] = set()
    for event in told:
        match event["type"]:
            case "permission_requested":
                asked[event["request_id"]] = asked.get(event["request_id"], 0) + 1
            case "permission_resolved":
                if event["request_id"] in decided:
                    account.wrong("repeats", f"{run_id}: {event['request_id']} is decided twice")
                decided[event["request_id"]] = event["decision"]
            case "user" if event.get("isReplay") is True:
                if event["uuid"] in read:
                    account.wrong("repeats", f"{run_id}: the message {event['uuid']} is read twice")
                read.add(event["uuid"])
    if any(times > 1 for times in asked.values()) or decided.keys() - asked.keys():
        account.wrong("repeats", f"{run_id}: requests {asked}, decided {decided}")
    account.count("permissions", len(decided))
    done = (files / _DONE).read_text().split() if (files / _DONE).exists() else []
    allowed = sum(decision == "allow" for decision in decided.values())
    if len(done) != len(set(done)):
        account.wrong("repeats", f"{run_id}: tools ran twice: {done}")
    if all_is_told and len(done) > allowed:
        account.wrong("false statuses", f"{run_id}: {done} ran, and {allowed} were allowed")
