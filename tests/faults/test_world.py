"""A short life in a world of faults: what `make soak` does for long, at a pace of its own for each fault."""

import random
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS
from tests.faults.world import house
from tests.support import wait_until

_OF_CLAUDE = ("stop run", "freeze run", "hold lock", "kill relay", "kill run process")


@pytest.mark.timeout(600)
def test_every_fault_once(tmp_path: Path) -> None:
    """Nothing is lost, repeated, left over or told wrong, whatever is done to whom."""
    with house(tmp_path, tmp_path, seed=1, runs=3, listeners=3) as world:
        names = list(FAULTS)
        random.Random(1).shuffle(names)
        for name in names:
            wait_until(lambda: world.some_life() or not world.account.is_clean, "a run at work")
            FAULTS[name](world)
            world.account.fault(name)
    assert world.account.is_clean, world.account.table()
    assert world.account.faults.keys() == FAULTS.keys()
    for counted in ("bytes compared", "messages", "looks"):
        assert world.account.of(counted) > 0


@pytest.mark.claude
@pytest.mark.timeout(600)
def test_claude_among_faults(tmp_path: Path) -> None:
    """The real CLI: nothing runs that nobody allowed, each message is read once, whoever is killed."""
    with house(tmp_path, tmp_path, seed=2, runs=1, listeners=1, claude=1) as world:
        for name in _OF_CLAUDE:
            wait_until(world.some_life, "a run at work")
            FAULTS[name](world)
        # Of a run that has ended among them, or the next one.
        wait_until(lambda: world.account.of("permissions") > 0, "a decision")
    assert world.account.is_clean, world.account.table()
    assert world.account.of("permissions") > 0
